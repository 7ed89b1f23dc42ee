"""The long jobs on a song: opening it and taking it apart. Pure functions (request, progress) -> result."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stemeditor import __version__, paths
from stemeditor.audio import files
from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.peaks import Peaks
from stemeditor.audio.store import SoundStore, release_pages
from stemeditor.errors import Cancelled, FileProblem, UserError
from stemeditor.evaluation.datasets import Reference, TrueSong, load
from stemeditor.jobs import speeds
from stemeditor.jobs.unfinished import Question, keep, take
from stemeditor.methods import device, registry, runner, trained
from stemeditor.methods.base import Learner, Method, MethodInfo, Narrow, ParamValue, Stems
from stemeditor.methods.ensemble import JOIN
from stemeditor.methods.exported import exactly
from stemeditor.progress import Part, Progress
from stemeditor.project import storage
from stemeditor.project.model import RESIDUAL_ROLE, Lane, Song, Sound, new_id
from stemeditor.weights import store as weights

REST = "rest"
"""Name of what is left of a song when only some stems were asked for."""

_AUDIBLE = 10 ** (-80 / 20)
"""Peak below which nobody hears a residual at any sane level."""

_QUIETEST_DB = -300.0

_MEASURABLE_S = 10.0
"""A shorter song tells more about warming up than about a method's speed."""

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """Open the file at `path`; the decoded sound is kept in `folder`. `song_id` names the song to come."""

    path: Path
    folder: Path
    song_id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True, eq=False)
class SeparateRequest:
    """Take a song apart.

    Parameters
    ----------
    song
        What to take apart.
    method
        Key of the registry.
    params
        Those that differ from the defaults.
    folder
        Where the stems' sound is kept.
    stems
        The wanted ones; the others come summed up as "rest". Empty for all.
    device
        What networks compute on, a key of `methods.device`; as set if empty.
    run_id
        Makes the ids of the lanes unique.
    """

    song: Song
    method: str
    params: Mapping[str, ParamValue]
    folder: Path
    stems: tuple[str, ...] = ()
    device: str = ""
    run_id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True, eq=False)
class SongGrowing:
    """Posted once: the song as far as it has been read; its length is an estimate."""

    song: Song


@dataclass(frozen=True, slots=True, eq=False)
class StemsGrowing:
    """Posted once: the lanes that will fill."""

    song_id: str
    lanes: tuple[Lane, ...]
    method: MethodInfo


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """Posted after each piece: the frames [0, filled) of these lanes are final."""

    lane_ids: tuple[str, ...]
    filled: int


@dataclass(frozen=True, slots=True, eq=False)
class Separated:
    """A song taken apart.

    Parameters
    ----------
    song_id
        The question.
    lanes
        In the order of the method's stems; the residual, if it is audible, comes last.
    method, params
        What made them, all parameters settled.
    seconds
        Time it took.
    real_time_factor
        Seconds of song a second.
    sum_error_db
        Level of the song minus all lanes, relative to the song; -300 or less is nothing at all.
    device
        What it was computed on, a key of `methods.device`; most of it, if a card did not hold out.
    """

    song_id: str
    lanes: tuple[Lane, ...]
    method: MethodInfo
    params: Mapping[str, ParamValue]
    seconds: float
    real_time_factor: float
    sum_error_db: float
    device: str = "cpu"


def open_song(request: OpenRequest, progress: Progress) -> Song:
    """Read a file into a song; posts `SongGrowing` after the first piece, then `Grown`.

    Raises
    ------
    FileProblem
        If the file cannot be read, with words for the user.
    """
    progress.advance(0.0, "Reading")
    if storage.is_project(request.path):
        raise FileProblem(f"“{request.path.name}” is a project, not a song.", "Open it in the window.")
    info = files.probe(request.path)
    store: SoundStore | None = None
    peaks: Peaks | None = None
    posted = False
    title = info.tags.get("title", "").strip() or request.path.stem

    def song(sound: Sound, notice: str) -> Song:
        return Song(request.song_id, title, request.path, sound, info.tags, info.cover, notice)

    for piece in files.decode(info, progress):
        if store is None:
            spare = 0 if info.exact else 2 * info.rate + info.frames // 50
            frames = max(info.frames, piece.shape[1])
            store = SoundStore(piece.shape[0], info.rate, frames, request.folder, spare)
            peaks = Peaks(store.audio)
        assert peaks is not None
        store.append(piece)
        peaks.feed(piece)
        if not posted:
            posted = True
            progress.post(SongGrowing(song(Sound(store.audio, peaks), info.notice)))
        else:
            progress.post(Grown((), store.filled))
        if info.frames:
            progress.advance(min(store.filled / info.frames, 1.0))
    if store is None or peaks is None or store.filled == 0:
        raise FileProblem(f"There is no sound in “{request.path.name}”.", "Choose another file.")
    notice = info.notice
    if info.exact and store.filled < info.frames:
        missing = (info.frames - store.filled) / info.rate
        notice = f"{notice} The file is cut short: {missing:.1f} s of it are missing.".strip()
    audio = store.finish()
    if audio.frames != peaks.audio.frames:
        peaks = Peaks.of(audio)
        release_pages(audio)
    return song(Sound(audio, peaks), notice)


def separate_song(request: SeparateRequest, progress: Progress) -> Separated:
    """Take a song apart; posts `StemsGrowing` at the start and `Grown` after each piece.

    Raises
    ------
    UserError
        For a method, stem or parameter that does not exist, a song that does not suit, a full disk.
    """
    separation = device.Separation()
    with device.using(request.device), device.separating(separation):
        return _separate(request, progress, separation)


def _separate(request: SeparateRequest, progress: Progress, separation: device.Separation) -> Separated:
    progress.advance(0.0, "Preparing")
    began = time.monotonic()
    song = request.song
    audio = song.sound.audio
    method: Method = registry.load(request.method)
    info = method.info
    params = runner.settled(info, request.params)
    names = lanes_to_come(info, request.stems)
    if request.stems and isinstance(method, Narrow):
        method = method.only(request.stems)
    if isinstance(method, Learner):
        progress.advance(0.0, f"Listening with {info.name}")
    ready = runner.learned(audio, method, params, Part(progress, 0.0, info.listening))
    progress = Part(progress, info.listening if ready is not method else 0.0, 1.0)
    question = Question(audio, request.method, params, names, _numbers(request.method))
    stores = take(question, request.folder, progress)
    if stores is None:
        stores = {name: SoundStore(audio.channels, audio.rate, audio.frames, request.folder) for name in names}
    lanes = {name: _lane(request, name, stores[name].audio) for name in names}
    shown = tuple(lane for name, lane in lanes.items() if name != RESIDUAL_ROLE)
    progress.post(StemsGrowing(song.id, shown, info))
    progress.advance(0.0, f"Separating with {info.name}")
    total = SumCheck()
    done = min(store.filled for store in stores.values())

    def arrived(start: int, stems: Stems, part: Samples) -> None:
        stop = start + part.shape[1]
        total.add(part, stems.values())
        for name, samples in stems.items():
            ahead = stores[name].filled - start
            if ahead < samples.shape[1]:
                stores[name].append(samples[:, max(ahead, 0) :])
            lanes[name].sound.peaks.feed(samples)
        release_pages(audio)
        progress.post(Grown(tuple(lane.id for lane in shown), stop))
        progress.advance(stop / audio.frames)

    try:
        for start in range(0, done, _BLOCK):
            stop = min(start + _BLOCK, done)
            old = {name: np.asarray(store.audio.slice(start, stop).samples) for name, store in stores.items()}
            arrived(start, old, np.asarray(audio.samples[:, start:stop]))
        for piece in runner.stream(audio, ready, params, progress, done):
            stop = piece.start + next(iter(piece.stems.values())).shape[1]
            part = np.asarray(audio.samples[:, piece.start : stop])
            arrived(piece.start, _chosen(piece.stems, names, part), part)
            # Not to lie in memory while the next one is computed.
            del piece, part
    except (Cancelled, UserError, KeyboardInterrupt):
        keep(question, stores)
        raise
    final = tuple(lane for name, lane in lanes.items() if name != RESIDUAL_ROLE or lane.sound.peaks.peak() > _AUDIBLE)
    seconds = max(time.monotonic() - began, 1e-9)
    places = Counter(separation.places)
    place = places.most_common(1)[0][0] if places else device.CPU
    factor = (audio.frames - done) / audio.rate / seconds
    # What two devices did together tells about neither.
    if audio.frames - done > _MEASURABLE_S * audio.rate and not request.stems and len(places) < 2:
        speeds.remember(info, params, place, factor)
    return Separated(song.id, final, info, params, seconds, factor, total.error_db, place)


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """Read the true stems of a song into session files in `folder`."""

    reference: Reference
    folder: Path


def load_true_stems(request: LoadRequest, progress: Progress) -> TrueSong:
    """Return the song with its true stems. Raises `FileProblem` if one cannot be read."""
    progress.advance(0.0, "Reading true stems")
    return load(request.reference, request.folder, progress)


class SumCheck:
    """Adds up, piece by piece, how far stems are from their song."""

    def __init__(self) -> None:
        self._song = 0.0
        self._error = 0.0

    def add(self, song: Samples, stems: Iterable[Samples]) -> None:
        """Take in one stretch of the song and of all its stems, each (channels, frames)."""
        error = song.astype(np.float64)
        for samples in stems:
            error -= samples
        self._song += float(np.square(song, dtype=np.float64).sum())
        self._error += float(np.vdot(error, error))

    @property
    def error_db(self) -> float:
        """Level of the song minus its stems, relative to the song; -300 for nothing."""
        if self._error == 0.0 or self._song == 0.0:
            return _QUIETEST_DB
        return max(10 * math.log10(self._error / self._song), _QUIETEST_DB)


def _numbers(method: str) -> str:
    """Return what tells the numbers that a method, or each of several, computes with from others."""
    found: list[object] = [__version__, exactly()]
    for key in method.split(JOIN):
        own = key.startswith(trained.OWN)
        found.append((key, paths.written(trained.file(key)) if own else weights.contents(key)))
    return repr(found)


def lanes_to_come(info: MethodInfo, stems: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the lanes, residual or rest included, that a method makes for `stems`, all if there are none.

    Raises
    ------
    UserError
        If it does not make one of these.
    """
    for name in stems:
        if name not in info.stems:
            raise UserError(f"{info.name} makes no stem “{name}”.", f"It makes {', '.join(info.stems)}.")
    if stems:
        chosen = tuple(name for name in info.stems if name in stems)
        return chosen if len(chosen) == len(info.stems) and info.rest else (*chosen, REST)
    return info.stems if info.rest else (*info.stems, RESIDUAL_ROLE)


def _chosen(stems: Stems, names: tuple[str, ...], song: Samples) -> Stems:
    """Return the stems of `names`; the rest is what the chosen ones leave of the song."""
    if REST not in names:
        return {name: stems[name] for name in names}
    rest = song.astype(np.float64)
    chosen = {name: stems[name] for name in names if name != REST}
    for samples in chosen.values():
        rest -= samples
    return {**chosen, REST: rest.astype(np.float32)}


def _lane(request: SeparateRequest, name: str, audio: Audio) -> Lane:
    label = name.replace("_", " ").capitalize()
    return Lane(f"{request.song.id}/{request.run_id}/{name}", name, label, Sound(audio, Peaks(audio)))
