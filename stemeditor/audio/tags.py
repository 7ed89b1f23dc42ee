"""Title, artist, cover and the like: in every format of tags, as plain text under lower-case names."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def read(path: Path) -> tuple[dict[str, str], bytes | None]:
    """Return the text tags and the front cover of a file; empty where there are none or they cannot be read."""
    import mutagen
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4Tags

    try:
        file = mutagen.File(path)
    except (mutagen.MutagenError, OSError, ValueError, KeyError) as problem:
        log.info("the tags of %s cannot be read (%s)", path.name, problem)
        return {}, None
    if file is None or file.tags is None:
        return {}, None
    tags = file.tags
    if isinstance(tags, ID3):
        return _from_id3(tags)
    if isinstance(tags, MP4Tags):
        return _from_mp4(tags)
    return _from_vorbis(file)


def write(path: Path, tags: Mapping[str, str], cover: bytes | None) -> None:
    """Put tags and cover into a file that is otherwise finished. What its format has no room for is left out."""
    import mutagen
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4

    if not tags and cover is None:
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


def _from_id3(tags: Any) -> tuple[dict[str, str], bytes | None]:
    found = {name: str(tags[key]) for name, key in _ID3.items() if key in tags}
    comments = tags.getall("COMM")
    if comments:
        found["comment"] = str(comments[0])
    pictures = sorted(tags.getall("APIC"), key=lambda picture: picture.type != 3)
    return found, bytes(pictures[0].data) if pictures else None


def _from_mp4(tags: Any) -> tuple[dict[str, str], bytes | None]:
    found = {name: str(tags[key][0]) for name, key in _MP4.items() if tags.get(key)}
    if tags.get("trkn"):
        found["tracknumber"] = str(tags["trkn"][0][0])
    if tags.get("tmpo"):
        found["bpm"] = str(tags["tmpo"][0])
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
    file.save(v2_version=3)


def _to_mp4(target: Any, tags: Mapping[str, str], cover: bytes | None) -> None:
    from mutagen.mp4 import MP4Cover

    for name, text in tags.items():
        if name in _MP4:
            target[_MP4[name]] = [text]
    number = tags.get("tracknumber", "").split("/")[0]
    if number.isdigit():
        target["trkn"] = [(int(number), 0)]
    if tags.get("bpm", "").isdigit():
        target["tmpo"] = [int(tags["bpm"])]
    if cover is not None:
        kind = MP4Cover.FORMAT_PNG if _mime(cover) == "image/png" else MP4Cover.FORMAT_JPEG
        target["covr"] = [MP4Cover(cover, kind)]


def _to_vorbis(file: Any, tags: Mapping[str, str], cover: bytes | None) -> None:
    import base64

    from mutagen.flac import FLAC, Picture

    for name, text in tags.items():
        if name.isascii() and "=" not in name:
            file.tags[name] = [text]
    if cover is not None:
        picture = Picture()
        picture.type, picture.mime, picture.data = 3, _mime(cover), cover
        if isinstance(file, FLAC):
            file.clear_pictures()
            file.add_picture(picture)
        else:
            file.tags["metadata_block_picture"] = [base64.b64encode(picture.write()).decode("ascii")]


def _mime(cover: bytes) -> str:
    return "image/png" if cover.startswith(b"\x89PNG") else "image/jpeg"
