"""How loud a sound is over time: straight lines between points."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BENDS = 16
"""Straight pieces that a fade is drawn with."""

_STRAIGHT = 1e-9
"""How far (linear gain) a point may lie from the line between its neighbours and be no point."""


@dataclass(frozen=True)
class Envelope:
    """Linear gain over frames: `points` (frame, gain), frames rising; level before the first and behind the last.

    A gain below 0 takes a sound away from another. Envelopes add and multiply. A product is that of its factors at all
    their points and straight in between, so that ``a * b + a * (1 - b)`` is `a` again, exactly: what is shared out
    between lanes stays whole.

    Raises
    ------
    ValueError
        If there is no point, frames do not rise, or a gain is no number.
    """

    points: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        frames = [frame for frame, _ in self.points]
        if not frames or any(later <= earlier for earlier, later in zip(frames, frames[1:], strict=False)):
            raise ValueError("the points of an envelope follow each other")
        if not all(math.isfinite(gain) for _, gain in self.points):
            raise ValueError("a gain is a number")

    @classmethod
    def level(cls, gain: float) -> Envelope:
        """Return the same gain all the time."""
        return cls(((0, gain),))

    @classmethod
    def window(cls, start: int, stop: int, end: int, ramp: int) -> Envelope:
        """Return 1 in the frames [start, stop), 0 elsewhere.

        Parameters
        ----------
        start, stop
            The frames; `stop` is the greater.
        end
            Where all sound ends. A window that reaches it has no right edge, and one that begins at 0 no left one.
        ramp
            Frames in which it goes from one to the other, half of them on either side of an edge; fewer in a window
            that is shorter than that.
        """
        half = max(min(ramp, stop - start) // 2, 1)
        rising = ((start - half, 0.0), (start + half, 1.0)) if start > 0 else ((0, 1.0),)
        falling = ((stop - half, 1.0), (stop + half, 0.0)) if stop < end else ()
        return cls(_rising((*rising, *falling)))

    @classmethod
    def fade(cls, start: int, stop: int, ramp: int, out: bool = False) -> Envelope:
        """Return a fade over the frames [start, stop), a half wave of a cosine; 1 elsewhere.

        At its silent end the gain jumps; it does so in `ramp` frames outside.
        """
        steps = np.arange(_BENDS + 1) / _BENDS
        gains = 0.5 - 0.5 * np.cos(np.pi * steps)
        frames = np.round(start + steps * (stop - start)).astype(np.int64)
        points = list(zip(frames.tolist(), (gains[::-1] if out else gains).tolist(), strict=True))
        if out:
            points.append((stop + ramp, 1.0))
        elif start > 0:
            points.insert(0, (start - ramp, 1.0))
        return cls(_rising(points))

    @property
    def peak(self) -> float:
        """The largest magnitude of a gain."""
        return max(abs(gain) for _, gain in self.points)

    @property
    def is_one(self) -> bool:
        """Whether it leaves everything as it is."""
        return all(abs(gain - 1.0) <= _STRAIGHT for _, gain in self.points)

    def at(self, frames: NDArray[np.floating[Any]] | NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Return the gains at some frames, which may be fractional."""
        gains: NDArray[np.float64] = np.interp(frames, *self._table)
        return gains

    def between(self, start: float, stop: float) -> Envelope:
        """Return the same envelope, of which nothing is said outside of the frames [start, stop)."""
        inner = [(frame, gain) for frame, gain in self.points if start < frame < stop]
        first, last = math.floor(start), max(math.ceil(stop), math.floor(start) + 1)
        edges = self.at(np.array([first, last]))
        points = [(first, float(edges[0])), *inner, (last, float(edges[1]))]
        return Envelope(_rising(points)).simple()

    def constant(self, start: float, stop: float) -> float | None:
        """Return the gain in the frames [start, stop) if it is one; else None."""
        begin, end = self._heard_within
        if stop <= begin or start >= end:
            return 0.0
        frames, gains = self._columns
        first = max(bisect_right(frames, start) - 1, 0)
        part = gains[first : bisect_left(frames, stop) + 1]
        return part[0] if all(gain == part[0] for gain in part) else None

    def heard(self) -> list[tuple[float, float]]:
        """Return the stretches (start, stop) in which the gain is not 0, in frames; infinite at the ends."""
        frames = [-math.inf, *(float(frame) for frame, _ in self.points), math.inf]
        gains = [self.points[0][1], *(gain for _, gain in self.points), self.points[-1][1]]
        found: list[tuple[float, float]] = []
        for start, stop, first, last in zip(frames, frames[1:], gains, gains[1:], strict=False):
            if first != 0.0 or last != 0.0:
                begin = found.pop()[0] if found and found[-1][1] == start else start
                found.append((begin, stop))
        return found

    def shifted(self, by: int) -> Envelope:
        """Return the envelope so many frames later."""
        return Envelope(tuple((frame + by, gain) for frame, gain in self.points))

    def held(self, most: float) -> Envelope:
        """Return the envelope with no point of a larger magnitude than a gain."""
        return Envelope(tuple((frame, min(max(gain, -most), most)) for frame, gain in self.points)).simple()

    def rest(self) -> Envelope:
        """Return what this one lacks of 1."""
        return Envelope(tuple((frame, 1.0 - gain) for frame, gain in self.points))

    def times(self, factor: float) -> Envelope:
        """Return the envelope with every gain times a factor."""
        return Envelope(tuple((frame, factor * gain) for frame, gain in self.points))

    def through(self, others: Iterable[Envelope]) -> Envelope:
        """Return the same with a point at each of those of others: products with them then agree with each other."""
        frames = sorted({frame for envelope in (self, *others) for frame, _ in envelope.points})
        return Envelope(tuple(zip(frames, self.at(np.array(frames)).tolist(), strict=True)))

    def simple(self) -> Envelope:
        """Return the same without points that change nothing."""
        kept: list[tuple[int, float]] = []
        for index, point in enumerate(self.points):
            following = self.points[index + 1] if index + 1 < len(self.points) else None
            if not kept or following is None or not _between(kept[-1], point, following):
                kept.append(point)
        while len(kept) > 1 and abs(kept[-1][1] - kept[-2][1]) <= _STRAIGHT:
            kept.pop()
        while len(kept) > 1 and abs(kept[0][1] - kept[1][1]) <= _STRAIGHT:
            kept.pop(0)
        return Envelope(((0, kept[0][1]),)) if len(kept) == 1 else Envelope(tuple(kept))

    def __mul__(self, other: Envelope) -> Envelope:
        return self._joined(other, np.multiply)

    def __add__(self, other: Envelope) -> Envelope:
        return self._joined(other, np.add)

    @cached_property
    def _heard_within(self) -> tuple[float, float]:
        """The frames outside of which the gain is 0."""
        heard = self.heard()
        return (heard[0][0], heard[-1][1]) if heard else (math.inf, -math.inf)

    @cached_property
    def _columns(self) -> tuple[tuple[int, ...], tuple[float, ...]]:
        frames, gains = zip(*self.points, strict=True)
        return frames, gains

    @cached_property
    def _table(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        frames, gains = self._columns
        return np.array(frames, np.float64), np.array(gains, np.float64)

    def _joined(
        self,
        other: Envelope,
        how: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    ) -> Envelope:
        frames = sorted({frame for envelope in (self, other) for frame, _ in envelope.points})
        places = np.array(frames, np.float64)
        gains = how(self.at(places), other.at(places))
        return Envelope(tuple(zip(frames, gains.tolist(), strict=True))).simple()


def _rising(points: Iterable[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """Return points of which each comes later than the one before: of several at one frame the last is kept."""
    kept: list[tuple[int, float]] = []
    for frame, gain in points:
        while kept and kept[-1][0] >= frame:
            kept.pop()
        kept.append((int(frame), float(gain)))
    return tuple(kept)


def _between(before: tuple[int, float], point: tuple[int, float], after: tuple[int, float]) -> bool:
    """Whether a point lies on the line between two others."""
    share = (point[0] - before[0]) / (after[0] - before[0])
    return abs(before[1] + share * (after[1] - before[1]) - point[1]) <= _STRAIGHT
