"""Brings any song to any method and back, piece by piece, and holds every method to its promises."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.convert import resample, to_channels
from stemeditor.audio.store import release_pages
from stemeditor.errors import UserError
from stemeditor.methods import device
from stemeditor.methods.base import (
    OVERLAP,
    SHIFTS,
    Grouping,
    Learner,
    Levelled,
    Method,
    MethodInfo,
    Params,
    ParamValue,
    Remark,
    Stems,
)
from stemeditor.methods.batching import Group
from stemeditor.methods.excerpt import differs
from stemeditor.methods.segments import Segment, grid, plan
from stemeditor.progress import Part, Progress
from stemeditor.threads import Shared, Turns

RESIDUAL = "residual"

_FIRST_SHARE = 0.4
"""The first segment is this share of the others: the first sound comes sooner, at little cost in context."""

_MOST_SHIFT_S = 0.5

_AHEAD = 2 * device.SEVERAL
"""Segments on their way beside the one that is put in its place: a graphics card computes some of them, and does not
wait for the processor, which prepares others or is not done with the last."""

_AT_WORK = max(2, (os.cpu_count() or 1) // 4)
"""How many of them the processor works on at a time: all at once, the first sound would come last."""

Stretch: TypeAlias = tuple[int, Stems]
"""First frame, and stems from there on."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A final stretch of the result.

    Parameters
    ----------
    start
        Its first frame in the song.
    stems
        Name -> (channels, frames) at the song's rate and channels, in the order of the method's stems; the residual
        comes last if the method has no stem that takes the rest.
    """

    start: int
    stems: Stems


@runtime_checkable
class Composite(Protocol):
    """A method made of methods: each of them cuts the song as it likes."""

    def stream(self, song: Audio, params: Params, progress: Progress, done: int) -> Iterator[Piece]:
        """Yield every stem but the rest, in abutting pieces that cover [done, frames)."""


def stream(song: Audio, method: Method, params: Params, progress: Progress, done: int = 0) -> Iterator[Piece]:
    """Take a song apart; memory does not grow with its length unless the method wants the whole song at once.

    The stems of a piece add up to the song there: the rest is the song minus all others, taken in double precision.

    Parameters
    ----------
    song
        Any length, rate and channels.
    params
        Those that differ from the method's defaults.
    progress
        Only asked to `check`; how far it is, the pieces tell.
    done
        Frames at the beginning that are there already, from a run with the same song, method and parameters.

    Yields
    ------
    Piece
        Abutting, in order, covering [done, frames).

    Raises
    ------
    UserError
        If a parameter is not the method's, or the song does not suit it (`unsuited`).
    RuntimeError
        If the method breaks its promise: a missing or unknown stem, a wrong shape, a value that is no number.
    """
    info = method.info
    complete = settled(info, params)
    progress = _Once(progress)
    method = learned(song, method, complete, progress)
    # Having listened it may want its pieces otherwise.
    info = method.info
    found: Iterator[Stretch]
    if isinstance(method, Composite):
        found = map(stretch_of, method.stream(song, complete, progress, done))
    else:
        rounds = [_added(song, method, complete, plan, progress, done) for plan in _plans(song, info, complete)]
        found = _mean(rounds, done)

    def whole(stretch: Stretch) -> Piece:
        start, stems = stretch
        return Piece(start, _complete(song.slice(start, start + length_of(stems)).samples, stems, info))

    # No name holds a piece while the next one is computed.
    yield from map(whole, found)


class _Once(Part):
    """A progress that is told every remark once: networks of one method, and pieces, meet with the same trouble."""

    def __init__(self, whole: Progress) -> None:
        super().__init__(whole, 0.0, 1.0)
        self._said: set[str] = set()

    def post(self, piece: object) -> None:
        """Hand the piece to the whole, but no remark a second time."""
        if isinstance(piece, Remark):
            if piece.text in self._said:
                return
            self._said.add(piece.text)
        super().post(piece)


def _added(
    song: Audio, method: Method, params: Params, plan: Iterable[Segment], progress: Progress, done: int
) -> Iterator[Stretch]:
    """Yield the weighted means of overlapping pieces, as far as nothing is to be added any more."""
    carried: Stems = {}
    weight = np.zeros(0, np.float32)
    position = done
    left = (segment for segment in plan if segment.stop > position)
    for segment, stems in _taken_apart(song, method, params, left, progress):
        release_pages(song)
        skipped = position - segment.start
        total = segment.weights[skipped:].copy()
        total[: len(weight)] += weight
        ready = max(segment.final - position, 0)
        finished: Stems = {}
        # Nothing of this piece but what goes on shall lie in memory while the next one is computed.
        for name in [*stems]:
            sound = stems.pop(name)[:, skipped:] * segment.weights[skipped:]
            if name in carried:
                sound[:, : len(weight)] += carried[name]
            finished[name] = sound[:, :ready] / total[:ready]
            carried[name] = sound[:, ready:].copy()
            del sound
        weight = total[ready:]
        if ready:
            yield position, finished
        del finished
        position += ready


def _taken_apart(
    song: Audio, method: Method, params: Params, plan: Iterable[Segment], progress: Progress
) -> Iterator[tuple[Segment, Stems]]:
    """Yield every segment with its stems; those that come next are begun meanwhile where a graphics card computes."""
    if method.info.family != "network" or device.chosen().key == device.CPU:
        for segments in _grouped(plan, method.together if isinstance(method, Grouping) else 1):
            progress.check()
            yield from zip(segments, _separated(song, method, params, segments, progress), strict=True)
        return
    waiting: deque[tuple[Segment, Future[Stems]]] = deque()
    turns, watched, separation = Turns(_AT_WORK), Shared(progress), device.separation()

    def work(number: int, group: Group, segment: Segment) -> Stems:
        with group.member(number), turns.turn(number), device.separating(separation):
            watched.check()
            return next(_separated(song, method, params, [segment], watched))

    with ThreadPoolExecutor(_AHEAD, "segments") as pool:
        try:
            for number, (group, segment) in enumerate(_side_by_side(plan)):
                watched.check()
                # Which device was asked for is known to this thread alone.
                waiting.append((segment, pool.submit(copy_context().run, work, number, group, segment)))
                if len(waiting) > _AHEAD:
                    yield _first(waiting)
            while waiting:
                yield _first(waiting)
        finally:
            watched.end()
            for _, job in waiting:
                job.cancel()


def _side_by_side(plan: Iterable[Segment]) -> Iterator[tuple[Group, Segment]]:
    """Yield segments with those that a graphics card may compute at once."""
    for segments in _grouped(plan, device.SEVERAL):
        group = Group(len(segments))
        yield from ((group, segment) for segment in segments)


def _grouped(plan: Iterable[Segment], most: int) -> Iterator[list[Segment]]:
    """Yield segments that go side by side; the first goes alone, to be heard soon."""
    left = iter(plan)
    segments = list(islice(left, 1))
    while segments:
        yield segments
        segments = list(islice(left, most))


def _first(waiting: deque[tuple[Segment, Future[Stems]]]) -> tuple[Segment, Stems]:
    segment, job = waiting.popleft()
    return segment, job.result()


def _mean(rounds: list[Iterator[Stretch]], position: int) -> Iterator[Stretch]:
    """Yield the mean of several goes over the same song, each in stretches of its own."""
    if len(rounds) == 1:
        yield from rounds[0]
        return
    for start, found in abreast(rounds, position):
        yield (
            start,
            {
                name: np.asarray(sum(stems[name] for stems in found) / np.float32(len(rounds)), np.float32)
                for name in found[0]
            },
        )


def abreast(runs: Sequence[Iterator[Stretch]], position: int) -> Iterator[tuple[int, list[Stems]]]:
    """Yield stretches in which all of several runs are final, and each run's stems there.

    Parameters
    ----------
    runs
        Each yields abutting stretches from `position` to the same end.
    position
        First frame.
    """
    waiting: list[Stems] = [{} for _ in runs]
    while True:
        lengths = [length_of(stems) for stems in waiting]
        behind = min(range(len(runs)), key=lengths.__getitem__)
        count = lengths[behind]
        if count == 0:
            following = next(runs[behind], None)
            if following is None:
                return
            waiting[behind] = following[1]
            continue
        yield position, [{name: samples[:, :count] for name, samples in stems.items()} for stems in waiting]
        position += count
        waiting = [{name: samples[:, count:] for name, samples in stems.items()} for stems in waiting]


def stretch_of(piece: Piece) -> Stretch:
    """Return a piece as `abreast` takes it."""
    return piece.start, piece.stems


def length_of(stems: Stems) -> int:
    """Return how many frames stems have; 0 if there are none."""
    return next(iter(stems.values())).shape[1] if stems else 0


def learned(song: Audio, method: Method, params: Params, progress: Progress) -> Method:
    """Return the method as it is after listening to the song; itself if it does not listen first (`Learner`).

    Raises
    ------
    UserError
        If the song does not suit the method.
    """
    trouble = unsuited(song, method.info)
    if trouble:
        raise UserError(trouble, hint_instead(method.info))
    if isinstance(method, Learner) and song.frames:
        return method.learn(song, settled(method.info, params), progress)
    return method


def unsuited(song: Audio, info: MethodInfo) -> str:
    """Return why the song does not suit the method, in one sentence; empty if it does."""
    return unsuited_ones(song, (info,))[info.key]


def unsuited_ones(song: Audio, infos: Iterable[MethodInfo]) -> dict[str, str]:
    """Return the key of each method, and what `unsuited` says of it; the song is looked at once, however many."""
    picky = {info.key: info for info in infos}
    told = dict.fromkeys(picky, "")
    picky = {key: info for key, info in picky.items() if info.stereo and song.frames > 0}
    if picky and song.channels < 2:
        told |= {key: f"{info.name} compares two channels, and this song is mono." for key, info in picky.items()}
    elif picky and not differs(song):
        words = "compares two channels, and those of this song differ in nothing but level."
        told |= {key: f"{info.name} {words}" for key, info in picky.items()}
    return told


def hint_instead(info: MethodInfo) -> str:
    """Return the hint that names the nearest method for songs that this one does not suit."""
    return f"Choose {info.instead} instead: it works on any song." if info.instead else "Choose another method."


def settled(info: MethodInfo, given: Params) -> dict[str, ParamValue]:
    """Return all parameters of a method: the given ones, checked, and the defaults of the others.

    Raises
    ------
    UserError
        For a name or value that the method does not take.
    """
    try:
        return info.settle(given)
    except ValueError as problem:
        raise UserError(f"{problem}.", f"See what {info.name} can be given.") from problem


def _plans(song: Audio, info: MethodInfo, params: Params) -> list[Iterator[Segment]]:
    """Return how the song is cut into pieces, once for every go over it."""
    if song.frames == 0:
        return [iter(())]
    if info.segment_s is None:
        return [iter((Segment(0, song.frames, song.frames, np.ones(song.frames, np.float32), 0, song.frames),))]
    if info.grid:
        rate = info.rate or song.rate
        # At the song's rate a segment must not become longer than what the method takes.
        length = max(int(info.segment_s * rate) * song.rate // rate, 1)
        overlap, shifts = float(params.get(OVERLAP, 0.25)), int(params.get(SHIFTS, 0))
        leads = [shift_lead(song.rate, number, shifts) for number in range(shifts)] or [0]
        return [grid(song.frames, length, overlap, info.whole, lead) for lead in leads]
    length = max(round(info.segment_s * song.rate), 1)
    overlap_frames = min(round(info.overlap_s * song.rate), (length - 1) // 2)
    return [plan(song.frames, length, overlap_frames, round(length * _FIRST_SHARE), info.whole)]


def shift_lead(rate: int, number: int, shifts: int) -> int:
    """Return how many frames before the song the segments of one of several goes over it begin: up to half a second.

    Where others draw lots, these are spread evenly: the same song gives the same stems.
    """
    return int(_MOST_SHIFT_S * rate * (2 * number + 1) / (2 * shifts))


def _separated(
    song: Audio, method: Method, params: Params, segments: Sequence[Segment], progress: Progress
) -> Iterator[Stems]:
    """Run the method on segments, at the rate and channels it asks for, and bring the results back."""
    given = [_heard(song, method, segment) for segment in segments]
    mixes = [mix for mix, _ in given]
    if isinstance(method, Grouping) and len(mixes) > 1:
        found = method.separate_all(mixes, params, progress)
    else:
        found = [method.separate(mix, params, progress) for mix in mixes]
    while found:
        # Nothing of one that is done lies beside the next.
        (mix, heard), segment, stems = given.pop(0), segments[-len(found)], found.pop(0)
        _check(stems, method.info, mix)
        yield _brought_back(song, method.info, segment, stems, mix.rate, heard)


def _heard(song: Audio, method: Method, segment: Segment) -> tuple[Audio, int]:
    """Return what a method hears of a segment, and how many frames of the song that are."""
    info = method.info
    start, stop = max(segment.read_start, 0), min(segment.read_stop, song.frames)
    rate, channels = info.rate or song.rate, info.channels or song.channels
    samples = to_channels(np.asarray(song.slice(start, stop).samples), channels)
    outside = (start - segment.read_start, segment.read_stop - stop)
    if any(outside):
        samples = np.pad(
            samples, ((0, 0), outside), constant_values=method.silence if isinstance(method, Levelled) else 0.0
        )
    samples = np.ascontiguousarray(samples)
    heard = samples.shape[1]
    mix = Audio(resample(samples, song.rate, rate) if rate != song.rate else samples, rate)
    if mix.frames == 0:
        mix = Audio.silence(channels, 1, rate)
    return mix, heard


def _brought_back(song: Audio, info: MethodInfo, segment: Segment, found: Stems, rate: int, heard: int) -> Stems:
    """Return the stems of a segment as the song is: its rate, channels, and length."""
    stems = {}
    kept = slice(segment.start - segment.read_start, segment.stop - segment.read_start)
    for name in info.stems:
        if name != info.rest:
            back = resample(found[name], rate, song.rate, heard) if rate != song.rate else found[name]
            stems[name] = np.asarray(to_channels(back[:, kept], song.channels), np.float32)
    return stems


def _check(found: Stems, info: MethodInfo, mix: Audio) -> None:
    wanted = {name for name in info.stems if name != info.rest}
    if set(found) != wanted:
        raise RuntimeError(f"{info.key} promised the stems {sorted(wanted)} and gave {sorted(found)}")
    for name, samples in found.items():
        if samples.shape != mix.samples.shape:
            raise RuntimeError(f"{info.key} gave {name} the shape {samples.shape} instead of {mix.samples.shape}")
        if not np.isfinite(samples).all():
            raise RuntimeError(f"{info.key} gave {name} values that are no numbers")


def _complete(song: Samples, stems: Stems, info: MethodInfo) -> Stems:
    """Add what the stems leave of the song, and bring all into the order of the method."""
    left = song.astype(np.float64)
    for samples in stems.values():
        left -= samples
    rest = left.astype(np.float32)
    if info.rest is None:
        return {**{name: stems[name] for name in info.stems}, RESIDUAL: rest}
    return {name: rest if name == info.rest else stems[name] for name in info.stems}
