"""Writing stems and mixes to files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stemeditor.audio import files
from stemeditor.audio.buffer import Samples
from stemeditor.audio.levels import db
from stemeditor.audio.store import SoundStore, release_pages
from stemeditor.audio.stretch import Pace
from stemeditor.errors import FileProblem, UserError
from stemeditor.interchange.formats import format_of
from stemeditor.interchange.session import Faders, Session, Track
from stemeditor.jobs.naming import file_names, session_name
from stemeditor.mixing.limiter import limited
from stemeditor.mixing.mix import Mix
from stemeditor.mixing.paced import paced_frames, stretched
from stemeditor.progress import Part, Progress
from stemeditor.project.edits import mutable
from stemeditor.project.model import Project, Song

ASK = "ask"
FLOAT = "float"
TURN_DOWN = "turn_down"
LIMIT = "limit"
OVERS: tuple[tuple[str, str], ...] = (
    (FLOAT, "Keep the level, in a float file"),
    (TURN_DOWN, "Turn all files down alike"),
    (LIMIT, "Limit the peaks"),
)
"""What can be done with peaks over full scale, and what the window calls it."""

_BLOCK_FRAMES = 1 << 18
_PACED_FRAMES = 1 << 12


class TooLoud(UserError):
    """Something would be clipped by the chosen format, and nobody has said yet what to do about it.

    Parameters
    ----------
    peaks
        Item name -> linear peak, of the items over full scale.
    """

    def __init__(self, peaks: Mapping[str, float]) -> None:
        loudest = max(peaks.values())
        which = ", ".join(peaks)
        super().__init__(
            f"{which}: the peak is {db(loudest):.1f} dB over full scale.",
            "Write float files, turn everything down alike, or limit the peaks.",
        )
        self.peaks = dict(peaks)


class FilesExist(FileProblem):
    """Some of the files are there already and may not be replaced; `paths` names them."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        others = f" and {len(paths) - 1} more are" if len(paths) > 1 else " is"
        super().__init__(
            f"“{paths[0].name}”{others} there already.", "Choose another name or folder, or allow replacing."
        )
        self.paths = paths


@dataclass(frozen=True, slots=True, eq=False)
class ExportItem:
    """One file to be: its stem name, and what is in it.

    `bound` is a level that the mix certainly does not exceed (linear); it saves measuring. `faders` is what a project
    of another program is told of it.
    """

    name: str
    mix: Mix
    bound: float = float("inf")
    faders: Faders = Faders()


@dataclass(frozen=True, slots=True, eq=False)
class Paced:
    """Another pace for an export.

    Parameters
    ----------
    pace
        How fast, and how high.
    whole
        All sounds of the project, and by its faders what they are together: files that belong together stay together.
    folder
        Where the stretched sound lies meanwhile.
    """

    pace: Pace
    whole: Mix
    folder: Path


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """A project of another program, of the files that are written: which kind, and the linear gain on their sum."""

    kind: str
    gain: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class ExportRequest:
    """Write items to files.

    Parameters
    ----------
    song
        Whose tags and cover the files get.
    items
        What to write.
    folder
        Where; made if missing.
    template
        File name below `folder` without ending; {song}, {stem}, {artist}, {title}, {number} are filled in.
    encoding, subtype
        Keys of `audio.files.ENCODINGS`.
    overs
        "ask" (raise `TooLoud`), "float", "turn_down" or "limit".
    overwrite
        Whether files that are there may be replaced.
    called
        What {song} is; the name of the song's file by default.
    paced
        At which pace, if not at the song's own.
    session
        What else is written: a project of another program, beside the first of the files.
    """

    song: Song
    items: tuple[ExportItem, ...]
    folder: Path
    template: str = "{song}/{stem}"
    encoding: str = "wav"
    subtype: str = "24"
    overs: str = ASK
    overwrite: bool = False
    called: str = ""
    paced: Paced | None = None
    session: SessionPlan | None = None


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file that was written; `peak` is its linear peak before limiting, None if it was known to be below 1."""

    name: str
    path: Path
    peak: float | None


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and the linear gain that all files were turned down by."""

    files: tuple[ExportedFile, ...]
    gain: float = 1.0


def stem_items(project: Project, lane_ids: tuple[str, ...] = ()) -> tuple[ExportItem, ...]:
    """Return lanes as they were edited, faders not applied: unless something was cut, they add up to the song.

    `lane_ids` chooses; empty for all stems.
    """
    lanes = [lane for lane in project.lanes if lane.id in lane_ids] if lane_ids else list(project.stems)
    whole = project.mix()
    items = []
    for lane in lanes:
        strip = next(strip for strip in whole.strips if strip.id == lane.id)
        alone = replace(whole, strips=(strip.plain(),), gain=1.0)
        faders = Faders(lane.gain, lane.pan, lane.muted, lane.soloed)
        items.append(ExportItem(lane.name, alone, lane.picture.peak(), faders))
    return tuple(items)


def mix_item(project: Project, name: str = "Mix") -> ExportItem:
    """Return what is heard now."""
    mix = project.mix()
    return ExportItem(name, mix, _bound(project, mix))


def all_but_item(project: Project, lane_id: str) -> ExportItem:
    """Return all stems at their faders except one, whatever is muted or soloed."""
    without = project.lane(lane_id)
    stems = {lane.id for lane in project.stems}
    mix = project.mix()
    strips = tuple(
        replace(strip, muted=False, soloed=False) for strip in mix.strips if strip.id in stems and strip.id != lane_id
    )
    mix = replace(mix, strips=strips)
    return ExportItem(f"Without {without.name}", mix, _bound(project, mix))


def at_pace(project: Project, pace: Pace, folder: Path) -> Paced | None:
    """Return what an export at a pace needs to know; None if it is the song's own."""
    if pace.plain:
        return None
    together = {lane.id for lane in mutable(project)}
    mix = project.mix()
    strips = tuple(replace(strip.plain(), muted=strip.id not in together) for strip in mix.strips)
    return Paced(pace, replace(mix, strips=strips, gain=1.0), folder)


def targets(request: ExportRequest, names: tuple[str, ...]) -> list[Path]:
    """Return the files that items of these names go to.

    Raises
    ------
    UserError
        If the template or the kind of file makes no sense, or a file is there and may not be replaced.
    """
    encoding = files.encoding(request.encoding)
    encoding.subtype(request.subtype)
    found = file_names(request.song, names, request.template, request.called)
    paths = [request.folder / f"{name}{encoding.ending}" for name in found]
    beside = [_session_path(request.session, request, paths[0])] if request.session and paths else []
    there = tuple(path for path in (*paths, *beside) if path.exists())
    if there and not request.overwrite:
        raise FilesExist(there)
    return paths


def export_stems(request: ExportRequest, progress: Progress) -> Exported:
    """Write all items; each file appears under its name only when it is whole.

    Raises
    ------
    TooLoud
        If the format would clip and `overs` is "ask"; nothing was written.
    FileProblem
        If a file exists and may not be replaced, or cannot be written. Files finished before stay.
    """
    progress.advance(0.0, "Preparing")
    encoding = files.encoding(request.encoding)
    names = tuple(item.name for item in request.items)
    paths = targets(request, names)
    if request.paced is not None:
        request = replace(request, items=_stretched(request.items, request.paced, Part(progress, 0.0, 0.7)))
        progress = Part(progress, 0.7, 1.0)
    last = Part(progress, 0.9, 1.0)
    if request.session is not None:
        progress = Part(progress, 0.0, 0.9)
    subtype = request.subtype
    peaks: list[float | None] = [None] * len(request.items)
    measured = 0.0
    if not _is_float(encoding, subtype):
        measured = 0.3 if any(item.bound > 1.0 for item in request.items) else 0.0
        peaks = _measure(request.items, Part(progress, 0.0, measured))
    over = {item.name: peak for item, peak in zip(request.items, peaks, strict=True) if peak and peak > 1.0}
    gain = 1.0
    if over and request.overs == FLOAT:
        encoding = encoding if any(kind.floating for kind in encoding.subtypes) else files.encoding("wav")
        request = replace(request, encoding=encoding.key, subtype="float")
        subtype, paths = "float", targets(request, names)
    if over and request.overs == ASK:
        raise TooLoud(over)
    if over and request.overs == TURN_DOWN:
        gain = 1.0 / max(over.values())
    done = []
    share = (1.0 - measured) / max(len(request.items), 1)
    for index, (item, path, peak) in enumerate(zip(request.items, paths, peaks, strict=True)):
        part = Part(progress, measured + share * index, measured + share * (index + 1))
        part.advance(0.0, f"Writing {path.name}")
        mix = replace(item.mix, gain=item.mix.gain * gain)
        channels = _channels(mix)
        pieces = limited(mix, _BLOCK_FRAMES) if item.name in over and request.overs == LIMIT else _blocks(mix)
        tags = {**request.song.tags, "title": f"{request.song.title} ({item.name})"}
        _make_folder(path.parent)
        files.write(
            path,
            _watched(pieces, channels, mix, part),
            mix.rate,
            channels,
            encoding,
            subtype,
            tags,
            request.song.cover,
            request.overwrite,
            mix.frames,
        )
        done.append(ExportedFile(item.name, path, peak))
    if request.session is not None and done:
        done.append(_write_session(request.session, request, encoding, done, last))
    progress.advance(1.0, "Written")
    return Exported(tuple(done), gain)


def _session_path(session: SessionPlan, request: ExportRequest, first: Path) -> Path:
    """Return where a project of another program goes: beside the first of the files."""
    return first.with_name(session_name(request.song, session.kind, request.called))


def _write_session(
    plan: SessionPlan,
    request: ExportRequest,
    encoding: files.Encoding,
    written: list[ExportedFile],
    progress: Progress,
) -> ExportedFile:
    row, mix = format_of(plan.kind), request.items[0].mix
    rate = encoding.rate_for(mix.rate)
    tracks = tuple(
        Track(item.name, file.path, _channels(item.mix), item.faders)
        for item, file in zip(request.items, written, strict=True)
    )
    frames = round(mix.frames * rate / mix.rate)
    session = Session(request.song.title, rate, frames, tracks, plan.gain, request.song.tags)
    path = _session_path(plan, request, written[0].path)
    progress.advance(0.0, f"Writing {path.name}")
    with files.new_file(path, request.overwrite, row.ending) as temporary:
        row.write(session, temporary, progress)
    return ExportedFile(row.name, path, None)


def _stretched(items: tuple[ExportItem, ...], paced: Paced, progress: Progress) -> tuple[ExportItem, ...]:
    """Return items whose sounds are at another pace, all stretched together."""
    whole, pace = paced.whole, paced.pace
    frames = paced_frames(whole.frames, pace)
    stores = [SoundStore(min(strip.audio.channels, 2), whole.rate, frames, paced.folder) for strip in whole.strips]
    progress.advance(0.0, "Stretching")
    for block in stretched(whole, pace, _PACED_FRAMES):
        for store, sound in zip(stores, block, strict=True):
            store.append(sound[: store.audio.channels])
        _release(whole)
        progress.advance(stores[0].filled / frames)
    sounds = {strip.id: store.audio for strip, store in zip(whole.strips, stores, strict=True)}
    mixes = (
        replace(item.mix, strips=tuple(replace(s, audio=sounds[s.id]) for s in item.mix.strips), frames=frames)
        for item in items
    )
    # What is stretched may be louder than what it was.
    return tuple(replace(item, mix=mix, bound=float("inf")) for item, mix in zip(items, mixes, strict=True))


def _bound(project: Project, mix: Mix) -> float:
    gains = mix.gains()
    return sum(float(gains[s.id].max()) * project.lane(s.id).picture.peak() for s in mix.strips)


def _is_float(encoding: files.Encoding, subtype: str) -> bool:
    return next((kind.floating for kind in encoding.subtypes if kind.key == subtype), False)


def _blocks(mix: Mix) -> Iterator[Samples]:
    for start in range(0, mix.frames, _BLOCK_FRAMES):
        yield mix.render(start, min(_BLOCK_FRAMES, mix.frames - start))


def _measure(items: tuple[ExportItem, ...], progress: Progress) -> list[float | None]:
    """Return the linear peak of each item that may be over full scale, None for the others."""
    found: list[float | None] = []
    for index, item in enumerate(items):
        if item.bound <= 1.0:
            found.append(None)
            continue
        peak = 0.0
        part = Part(progress, index / len(items), (index + 1) / len(items))
        for number, block in enumerate(_blocks(item.mix)):
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            part.advance(min(1.0, (number + 1) * _BLOCK_FRAMES / item.mix.frames), "Measuring peaks")
            _release(item.mix)
        found.append(peak)
    return found


def _watched(pieces: Iterator[Samples], channels: int, mix: Mix, progress: Progress) -> Iterator[Samples]:
    written = 0
    for piece in pieces:
        yield piece[:channels]
        written += piece.shape[1]
        _release(mix)
        progress.advance(written / max(mix.frames, 1))


def _release(mix: Mix) -> None:
    for strip in mix.strips:
        for audio in strip.sounds:
            release_pages(audio)


def _channels(mix: Mix) -> int:
    """One channel if both would be the same by construction, else two."""
    return 1 if all(strip.audio.channels == 1 and strip.pan == 0.0 for strip in mix.strips) else 2


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileProblem(
            f"The folder “{folder.name}” cannot be made ({problem.strerror}).", "Choose another folder."
        ) from problem
