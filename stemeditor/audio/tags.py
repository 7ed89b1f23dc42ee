"""Title, artist, cover and the like: in every format of tags, as plain text under lower-case names."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemeditor.audio.decoders import Unreadable, opened

log = logging.getLogger(__name__)

_ID3 = {
    "title": "TIT2",
    "artist": "TPE1",
    "albumartist": "TPE2",
    "album": "TALB",
    "date": "TDRC",
    "genre": "TCON",
    "tracknumber": "TRCK",
    "composer": "TCOM",
    "bpm": "TBPM",
    "initialkey": "TKEY",
    "isrc": "TSRC",
    "copyright": "TCOP",
}
_MP4 = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "albumartist": "aART",
    "album": "\xa9alb",
    "date": "\xa9day",
    "genre": "\xa9gen",
    "composer": "\xa9wrt",
    "comment": "\xa9cmt",
    "copyright": "cprt",
}


_ASF = {
    "Title": "title",
    "Author": "artist",
    "WM/AlbumArtist": "albumartist",
    "WM/AlbumTitle": "album",
    "WM/Year": "date",
    "WM/Genre": "genre",
    "WM/TrackNumber": "tracknumber",
    "WM/Composer": "composer",
    "WM/BeatsPerMinute": "bpm",
    "WM/InitialKey": "initialkey",
    "Description": "comment",
    "Copyright": "copyright",
}
_FREE_FORM = "----:com.apple.iTunes:"


def read(path: Path) -> tuple[dict[str, str], bytes | None]:
    """Return the text tags and the front cover of a file; empty where there are none or they cannot be read."""
    try:
        return _read(path)
    except Exception as problem:  # whatever nonsense the tags of a file hold, its sound can be heard all the same
        log.info("the tags of %s cannot be read (%r)", path.name, problem)
        return {}, None


def _read(path: Path) -> tuple[dict[str, str], bytes | None]:
    import mutagen
    from mutagen.aiff import AIFF
    from mutagen.asf import ASFTags
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4, MP4Tags
    from mutagen.wave import WAVE

    file = mutagen.File(path)
    if file is None:
        return _from_info_chunk(path) or _from_container(path), None
    if file.tags is None and isinstance(file, MP4):
        return _from_container(path), None
    if file.tags is None:
        return _from_info_chunk(path) if isinstance(file, (WAVE, AIFF)) else {}, None
    if isinstance(file.tags, ID3):
        return _from_id3(file.tags)
    if isinstance(file.tags, MP4Tags):
        return _from_mp4(file.tags)
    if isinstance(file.tags, ASFTags):
        return _from_asf(file.tags), None
    return _from_vorbis(file)


def write(path: Path, tags: Mapping[str, str], cover: bytes | None) -> None:
    """Put tags and cover into a file that is otherwise finished. What its format has no room for is left out."""
    import mutagen
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4

    if not tags and cover is None:
        return
    with path.open("rb") as head:
        if head.read(4) == b"RF64":
            return
    file = mutagen.File(path)
    if file is None:
        return
    if file.tags is None:
        file.add_tags()
    if isinstance(file.tags, ID3):
        _to_id3(file.tags, tags, cover)
        _save_id3(file)
    elif isinstance(file, MP4):
        _to_mp4(file.tags, tags, cover)
        file.save()
    else:
        _to_vorbis(file, tags, cover)
        file.save()


def _from_info_chunk(path: Path) -> dict[str, str]:
    """Return the text of a WAV file's INFO chunk, and of what AIFF and others have for it."""
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            return {name: str(text) for name, text in file.copy_metadata().items() if name != "software"}
    except (soundfile.SoundFileError, TypeError, ValueError):
        return {}


def _from_container(path: Path) -> dict[str, str]:
    """Return the text of films and other containers."""
    try:
        with opened(path) as container:
            found = {name.lower(): str(text) for name, text in container.metadata.items()}
    except Unreadable:
        return {}
    return {name: text for name, text in found.items() if name in _ID3 or name == "comment"}


def _from_asf(tags: Any) -> dict[str, str]:
    return {_ASF[name]: str(values[0]) for name, values in tags.as_dict().items() if name in _ASF and values}


def _from_id3(tags: Any) -> tuple[dict[str, str], bytes | None]:
    found = {name: str(tags[key]) for name, key in _ID3.items() if key in tags}
    comments = tags.getall("COMM")
    if comments:
        found["comment"] = str(comments[0])
    found |= {text.desc.lower(): str(text) for text in tags.getall("TXXX") if text.desc}
    pictures = sorted(tags.getall("APIC"), key=lambda picture: picture.type != 3)
    return found, bytes(pictures[0].data) if pictures else None


def _from_mp4(tags: Any) -> tuple[dict[str, str], bytes | None]:
    found = {name: str(tags[key][0]) for name, key in _MP4.items() if tags.get(key)}
    if tags.get("trkn"):
        number, count = tags["trkn"][0]
        found["tracknumber"] = f"{number}/{count}" if count else str(number)
    if tags.get("tmpo"):
        found["bpm"] = str(tags["tmpo"][0])
    for name, values in tags.items():
        if name.startswith(_FREE_FORM) and values:
            found[name.removeprefix(_FREE_FORM).lower()] = bytes(values[0]).decode("utf-8", "replace")
    covers = tags.get("covr")
    return found, bytes(covers[0]) if covers else None


def _from_vorbis(file: Any) -> tuple[dict[str, str], bytes | None]:
    import base64

    from mutagen.flac import Picture

    found, cover = {}, None
    for name, values in file.tags.items():
        if name.lower() == "metadata_block_picture":
            cover = Picture(base64.b64decode(values[0])).data
        elif isinstance(values, list) and values and name.lower() != "encoder":
            found[name.lower()] = "; ".join(str(value) for value in values)
    pictures = sorted(getattr(file, "pictures", []), key=lambda picture: picture.type != 3)
    return found, bytes(pictures[0].data) if pictures else cover


def _to_id3(target: Any, tags: Mapping[str, str], cover: bytes | None) -> None:
    from mutagen import id3

    for name, text in tags.items():
        if name in _ID3:
            target.add(getattr(id3, _ID3[name])(encoding=3, text=[text]))
        elif name == "comment":
            target.add(id3.COMM(encoding=3, lang="XXX", desc="", text=[text]))
        else:
            target.add(id3.TXXX(encoding=3, desc=name, text=[text]))
    if cover is not None:
        target.add(id3.APIC(encoding=3, mime=_mime(cover), type=3, desc="", data=cover))


def _save_id3(file: Any) -> None:
    # Version 2.3 is what every player reads; dates have another name there.
    file.tags.update_to_v23()
    file.save(v2_version=3)


def _to_mp4(target: Any, tags: Mapping[str, str], cover: bytes | None) -> None:
    from mutagen.mp4 import MP4Cover, MP4FreeForm

    for name, text in tags.items():
        if name in _MP4:
            target[_MP4[name]] = [text]
        elif name == "tracknumber" and (numbers := [int(part) for part in text.split("/") if part.isdecimal()]):
            # Longer ones than this find no room in such a file.
            if max(numbers) < 1 << 16:
                target["trkn"] = [(numbers[0], numbers[1] if len(numbers) > 1 else 0)]
        elif name == "bpm" and _is_number(text):
            target["tmpo"] = [round(float(text))]
        elif name.isascii():
            target[_FREE_FORM + name] = [MP4FreeForm(text.encode())]
    if cover is not None:
        kind = MP4Cover.FORMAT_PNG if _mime(cover) == "image/png" else MP4Cover.FORMAT_JPEG
        target["covr"] = [MP4Cover(cover, kind)]


def _to_vorbis(file: Any, tags: Mapping[str, str], cover: bytes | None) -> None:
    import base64

    from mutagen.flac import FLAC, Picture

    for name, text in tags.items():
        if name and all(" " <= sign <= "}" and sign != "=" for sign in name):
            file.tags[name] = [text]
    if cover is not None:
        picture = Picture()
        picture.type, picture.mime, picture.data = 3, _mime(cover), cover
        if isinstance(file, FLAC):
            file.clear_pictures()
            file.add_picture(picture)
        else:
            file.tags["metadata_block_picture"] = [base64.b64encode(picture.write()).decode("ascii")]


def _is_number(text: str) -> bool:
    try:
        return 0 < float(text) < 65536
    except ValueError:
        return False


def _mime(cover: bytes) -> str:
    return "image/png" if cover.startswith(b"\x89PNG") else "image/jpeg"
