"""Doors to songs with true stems: data sets as people keep them, and any folder of stems."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemeditor.audio import decoders, files, stem_file
from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.convert import fit, resample, to_channels
from stemeditor.audio.store import SoundStore
from stemeditor.errors import FileProblem, UserError
from stemeditor.progress import Progress

MIXTURE = "mixture"

_ORDER = ("vocals", "drums", "bass", "other")
_MIXES = ("mixture", "mix", "song", "master")
_SAME_AS = {
    "vocal": "vocals",
    "voice": "vocals",
    "vox": "vocals",
    "lead vocals": "vocals",
    "drum": "drums",
    "percussion": "drums",
    "bass guitar": "bass",
    "others": "other",
    "no_vocals": "accompaniment",
    "instrumental": "accompaniment",
    "music": "accompaniment",
}
_MOISES_STEMS = {"vocals": "vocals", "drums": "drums", "percussion": "drums", "bass": "bass"}

HOW_TO_GET = {
    "MUSDB18-HQ": "Ask for it at zenodo.org, record 3338373 (22 GB, for research and teaching), and unpack it there.",
    "MUSDB18": "Ask for it at zenodo.org, record 1117372 (4.7 GB, for research and teaching), and unpack it there.",
    "MoisesDB": "Ask for it at music.ai/research (83 GB, for research), and unpack it there.",
}
"""Data set -> what to do when it is missing. Nothing is downloaded by this program."""


@dataclass(frozen=True, slots=True)
class Source:
    """A sound: a file, or one of the sounds in a file."""

    path: Path
    stream: int | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A song with true stems, not yet read.

    Parameters
    ----------
    name
        Unique within its set.
    stems
        Name -> sounds that make it up together.
    mixture
        The song; None if it is the sum of its stems.
    """

    name: str
    stems: Mapping[str, tuple[Source, ...]]
    mixture: Source | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TrueSong:
    """A song and its true stems, all of one rate, length and number of channels; memory-mapped."""

    name: str
    song: Audio
    stems: Mapping[str, Audio]


def find(path: Path, kind: str = "") -> tuple[Reference, ...]:
    """Return the songs with true stems at a path, sorted by name.

    Known are: MUSDB18-HQ (`train` and `test` with a folder a song), MUSDB18 (the same with stem files), MoisesDB (a
    folder a song with `data.json`), a folder of such files as `vocals.wav`, a folder of such folders, and stem files.

    Parameters
    ----------
    path
        Folder or stem file.
    kind
        Name of the data set that is expected there, for the words if it is missing; a key of `HOW_TO_GET`.

    Raises
    ------
    UserError
        If nothing is there; the hint says how to get a data set.
    """
    path = path.expanduser()
    if path.is_file() and stem_file.is_stem_file(path):
        return (_stem_file(path),)
    if not path.is_dir():
        raise UserError(f"There is no folder “{path}”.", _hint(kind))
    found = [song for folder in _roots(path) for song in _songs(folder)]
    if not found:
        raise UserError(f"There are no songs with true stems in “{path}”.", _hint(kind))
    return tuple(sorted(found, key=lambda song: song.name.lower()))


def load(reference: Reference, folder: Path, progress: Progress) -> TrueSong:
    """Read a song and its stems into memory-mapped session files in `folder`.

    Stems of another rate, length or number of channels than the song's are brought to it.

    Raises
    ------
    FileProblem
        If one of them cannot be read.
    """
    kept: dict[str, Audio] = {}
    longest = None
    if reference.mixture is not None:
        longest = kept[MIXTURE] = _kept([_read(reference.mixture, progress)], folder, None)
    count = len(reference.stems)
    for number, (name, sources) in enumerate(reference.stems.items()):
        progress.advance(number / count)
        kept[name] = _kept([_read(source, progress) for source in sources], folder, longest)
        longest = longest or kept[name]
    song = kept.pop(MIXTURE, None)
    if song is None:
        frames = max(part.frames for part in kept.values())
        first = next(iter(kept.values()))
        store = SoundStore(first.channels, first.rate, frames, folder)
        for start in range(0, frames, 1 << 20):
            progress.check()
            stop = min(start + (1 << 20), frames)
            store.append(np.add.reduce([fit(part.slice(start, stop).samples, stop - start) for part in kept.values()]))
        song = store.finish()
    return TrueSong(reference.name, song, {name: _as_long(part, song) for name, part in kept.items()})


def _hint(kind: str) -> str:
    if kind in HOW_TO_GET:
        return HOW_TO_GET[kind]
    return "A folder with files such as vocals.wav, drums.wav, bass.wav and other.wav is what is needed."


def _roots(path: Path) -> Iterator[Path]:
    """Yield the folders that hold songs: those of the parts of a data set, or the folder itself."""
    parts = [path / name for name in ("train", "valid", "validation", "test") if (path / name).is_dir()]
    moises = [path / name for name in ("moisesdb_v0.1", "moisesdb_v0.1/moisesdb_v0.1") if (path / name).is_dir()]
    yield from parts or moises or [path]


def _songs(folder: Path) -> Iterator[Reference]:
    own = _folder(folder)
    if own is not None:
        yield own
        return
    for entry in sorted(folder.iterdir()):
        if entry.is_file() and stem_file.is_stem_file(entry):
            yield _stem_file(entry)
        elif entry.is_dir() and not entry.name.startswith("."):
            song = _moises(entry) or _folder(entry)
            if song is not None:
                yield song


def _folder(folder: Path) -> Reference | None:
    """Return the song of a folder whose files are named after stems; None if there are fewer than two."""
    stems: dict[str, tuple[Source, ...]] = {}
    mixture = None
    for file in sorted(folder.iterdir()):
        if not file.is_file() or file.suffix.lower() not in files.OPENABLE or stem_file.is_stem_file(file):
            continue
        name = file.stem.strip().lower()
        if name in _MIXES:
            mixture = Source(file)
        else:
            key = _SAME_AS.get(name, name)
            stems[key] = (*stems.get(key, ()), Source(file))
    enough = len(stems) >= 2 or (stems and mixture is not None)
    # A folder of songs has no stem's name in it.
    known = any(name in (*stem_file.USUAL, "accompaniment", "piano", "guitar") for name in stems)
    return Reference(folder.name, _ordered(stems), mixture) if enough and known else None


def _ordered(stems: Mapping[str, tuple[Source, ...]]) -> dict[str, tuple[Source, ...]]:
    """Return the stems in the usual order of lanes, others behind."""
    order = [name for name in _ORDER if name in stems]
    return {name: stems[name] for name in (*order, *(name for name in stems if name not in _ORDER))}


def _stem_file(path: Path) -> Reference:
    try:
        names = stem_file.names(path)
    except decoders.Unreadable as problem:
        raise FileProblem(
            f"“{path.name}” cannot be read as a stem file ({problem}).", "Choose another file."
        ) from problem
    stems = {_SAME_AS.get(name, name): (Source(path, index + 1),) for index, name in enumerate(names)}
    return Reference(path.name[: path.name.lower().rindex(".stem.")], _ordered(stems), Source(path, 0))


def _moises(folder: Path) -> Reference | None:
    description = folder / "data.json"
    if not description.is_file():
        return None
    try:
        document = json.loads(description.read_text("utf-8"))
        stems: dict[str, tuple[Source, ...]] = {}
        for stem in document["stems"]:
            key = _MOISES_STEMS.get(stem["stemName"], "other")
            sources = tuple(
                Source(folder / stem["stemName"] / f"{track['id']}.{track.get('extension', 'wav')}")
                for track in stem["tracks"]
            )
            stems[key] = stems.get(key, ()) + sources
        name = " - ".join(document[key] for key in ("artist", "song") if document.get(key)) or folder.name
    except (ValueError, KeyError, TypeError) as problem:
        raise FileProblem(f"“{description}” is not as MoisesDB writes it ({problem}).", "Unpack it again.") from problem
    return Reference(name, _ordered(stems)) if stems else None


def _read(source: Source, progress: Progress) -> tuple[int, Iterator[Samples]]:
    """Return rate and pieces of a sound."""
    if source.stream is None:
        info = files.probe(source.path)
        return info.rate, files.decode(info, progress)
    rate = decoders.streams(source.path)[source.stream].rate
    return rate, _stream(source, progress)


def _stream(source: Source, progress: Progress) -> Iterator[Samples]:
    try:
        for piece in decoders.read_stream(source.path, source.stream or 0):
            progress.check()
            yield piece
    except (decoders.Broken, decoders.Unreadable) as problem:
        raise FileProblem(f"“{source.path.name}” cannot be read to its end ({problem}).", "Get it again.") from problem


def _kept(sounds: list[tuple[int, Iterator[Samples]]], folder: Path, like: Audio | None) -> Audio:
    """Return the sum of sounds, brought to the rate and channels of `like`."""
    parts = []
    for rate, pieces in sounds:
        store: SoundStore | None = None
        for piece in pieces:
            if store is None:
                store = SoundStore(piece.shape[0], rate, 0, folder)
            store.append(piece)
        if store is None:
            raise FileProblem("A stem holds no sound at all.", "Get its file again.")
        part = store.finish()
        channels = like.channels if like is not None else max(part.channels, 2)
        if (like is not None and part.rate != like.rate) or part.channels != channels:
            samples = to_channels(np.asarray(part.samples), channels)
            part = Audio(
                resample(samples, rate, like.rate) if like is not None else samples, like.rate if like else rate
            )
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    frames = max(part.frames for part in parts)
    return Audio(np.add.reduce([fit(part.samples, frames) for part in parts]), parts[0].rate)


def _as_long(part: Audio, song: Audio) -> Audio:
    return part if part.frames == song.frames else Audio(fit(part.samples, song.frames), part.rate)
