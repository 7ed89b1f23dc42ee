"""Brings any song to any method and back, piece by piece, and holds every method to its promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.convert import resample, to_channels
from stemeditor.audio.store import release_pages
from stemeditor.errors import UserError
from stemeditor.methods.base import Learner, Method, MethodInfo, Params, ParamValue, Stems
from stemeditor.methods.excerpt import differs
from stemeditor.methods.segments import Segment, fade, plan
from stemeditor.progress import Progress

RESIDUAL = "residual"

_FIRST_SHARE = 0.4
"""The first segment is this share of the others: the first sound comes sooner, at little cost in context."""


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


def stream(song: Audio, method: Method, params: Params, progress: Progress) -> Iterator[Piece]:
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

    Yields
    ------
    Piece
        Abutting, in order, covering [0, frames).

    Raises
    ------
    UserError
        If a parameter is not the method's, or the song does not suit it (`unsuited`).
    RuntimeError
        If the method breaks its promise: a missing or unknown stem, a wrong shape, a value that is no number.
    """
    info = method.info
    complete = settled(info, params)
    method = learned(song, method, complete, progress)
    carried: Stems = {}
    for segment in _segments(song, info):
        progress.check()
        stems = _separated(song, method, complete, segment, progress)
        release_pages(song)
        if segment.head:
            rise = fade(segment.head)
            for name, samples in stems.items():
                samples[:, : segment.head] *= rise
                samples[:, : segment.head] += carried[name]
        final = segment.stop - segment.tail
        if segment.tail:
            fall = fade(segment.tail)[::-1]
            carried = {name: samples[:, -segment.tail :] * fall for name, samples in stems.items()}
        ready = {name: samples[:, : final - segment.start] for name, samples in stems.items()}
        yield Piece(segment.start, _complete(song.slice(segment.start, final).samples, ready, info))


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
    if not info.stereo or song.frames == 0:
        return ""
    if song.channels < 2:
        return f"{info.name} compares two channels, and this song is mono."
    if not differs(song):
        return f"{info.name} compares two channels, and those of this song differ in nothing but level."
    return ""


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


def _segments(song: Audio, info: MethodInfo) -> Iterator[Segment]:
    if song.frames == 0:
        return iter(())
    if info.segment_s is None:
        return iter((Segment(0, song.frames, 0, 0),))
    length = max(round(info.segment_s * song.rate), 1)
    overlap = min(round(info.overlap_s * song.rate), (length - 1) // 2)
    return plan(song.frames, length, overlap, round(length * _FIRST_SHARE))


def _separated(song: Audio, method: Method, params: Params, segment: Segment, progress: Progress) -> Stems:
    """Run the method on one segment, at the rate and channels it asks for, and bring the result back."""
    info = method.info
    piece = song.slice(segment.start, segment.stop)
    rate, channels = info.rate or song.rate, info.channels or song.channels
    samples = np.ascontiguousarray(to_channels(np.asarray(piece.samples), channels))
    mix = Audio(resample(samples, song.rate, rate) if rate != song.rate else samples, rate)
    if mix.frames == 0:
        mix = Audio.silence(channels, 1, rate)
    found = method.separate(mix, params, progress)
    _check(found, info, mix)
    stems = {}
    for name in info.stems:
        if name != info.rest:
            back = resample(found[name], rate, song.rate, segment.frames) if rate != song.rate else found[name]
            stems[name] = np.array(to_channels(back, song.channels), np.float32)
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
