"""Sound that is put together of other sound, without copying any of it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.band import Band, Filters, Terms, loudest
from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.envelope import Envelope
from stemeditor.audio.peaks import Peaks, Summary, summarise

_STRETCH_FRAMES = 1 << 13

_READ_FRAMES = 1 << 19
"""So much of several parts at once is read when it is summarised: what they are together no pyramid knows."""


@dataclass(frozen=True, slots=True)
class Part:
    """A sound that takes part in a montage.

    Parameters
    ----------
    filters
        The sound.
    envelope
        How loud it is, in frames of the montage.
    shift
        The frame of the montage at which it begins; may be negative.
    bands
        Only what lies in all of these bands of it is heard; all of it if there is none.
    """

    filters: Filters
    envelope: Envelope
    shift: int = 0
    bands: tuple[Band, ...] = ()

    @property
    def audio(self) -> Audio:
        """The sound."""
        return self.filters.audio

    @property
    def peaks(self) -> Peaks:
        """What is drawn of the sound."""
        return self.filters.peaks

    def read(self, start: int, stop: int) -> Samples:
        """Return the frames [start, stop) of the sound, before its envelope."""
        if self.bands:
            return self.filters.read(start, stop, ((self.bands, 1.0),))
        return self.audio.read(start, stop)

    def peak(self) -> float:
        """Return a linear level that it certainly does not exceed."""
        most = self.peaks.peak() * self.envelope.peak
        return most * loudest(self.bands, self.audio.rate) if self.bands else most


@dataclass(frozen=True, slots=True)
class Montage:
    """The sum of its parts. Reads like an `Audio`, is summarised like its `Peaks`; equal if its parts are.

    Parameters
    ----------
    parts
        What sounds, all at the same rate.
    channels
        1 or 2; a mono part of a stereo montage goes to both sides.
    rate
        Frames a second.
    frames
        Length; what parts have beyond it is not heard.
    """

    parts: tuple[Part, ...]
    channels: int
    rate: int
    frames: int

    def read(self, start: int, stop: int) -> Samples:
        """Return the frames [start, stop), which lie within it, as (channels, frames)."""
        out = np.zeros((self.channels, max(stop - start, 0)), np.float32)
        # In a short stretch most envelopes do not change, which is quick.
        for first in range(start, stop, _STRETCH_FRAMES):
            last = min(first + _STRETCH_FRAMES, stop)
            self._add_to(out[:, first - start : last - start], first, last)
        return out

    def slice(self, start: int, stop: int) -> Montage:
        """Return the frames [start, stop); what lies outside is left out."""
        start = min(max(start, 0), self.frames)
        stop = min(max(stop, start), self.frames)
        parts = self.parts
        if start:
            parts = tuple(
                replace(part, envelope=part.envelope.shifted(-start), shift=part.shift - start) for part in parts
            )
        return replace(self, parts=parts, frames=stop - start)

    def peak(self) -> float:
        """Return a linear level that it certainly does not exceed."""
        return sum(part.peak() for part in self.parts)

    def look(self, start: float, stop: float) -> Hashable:
        """Return what its frames [start, stop) are made of: if that is equal, so is how they look and sound."""
        return tuple(
            (part.audio, part.shift, part.bands, part.envelope.between(start, stop).points)
            for part in self.parts
            if part.envelope.constant(start, stop) != 0.0
        )

    def summary(self, start: float, stop: float, columns: int) -> Summary:
        """Summarise [start, stop) in `columns` equal columns; see `Peaks.summary`.

        Where several sounds are heard at once, or bands of them, what they are together no pyramid knows: it is read,
        unless that is more than can be read while somebody looks. Then it is drawn as loud as whole sounds could be
        together.
        """
        edges = np.linspace(start, stop, columns + 1)
        live = [part for part in self.parts if part.envelope.constant(start, stop) != 0.0]
        low, high, power = (np.zeros((self.channels, columns), np.float32) for _ in range(3))
        count = np.zeros(columns, np.int64)
        for part in live:
            most, mean = _levels(part.envelope, edges)
            count += np.where(most > 0.0, 2 if part.bands else 1, 0)
            if not part.bands:
                seen = part.peaks.summary(start - part.shift, stop - part.shift, columns)
                low += seen.minimum[: self.channels] * most
                high += seen.maximum[: self.channels] * most
                power += np.square(seen.rms[: self.channels] * mean)
        rms = np.sqrt(power)
        several = count > 1
        if several.sum() * (stop - start) / columns <= _READ_FRAMES:
            for first, last in _runs(several):
                read = summarise(self, edges[first : last + 1])
                low[:, first:last], high[:, first:last], rms[:, first:last] = read.minimum, read.maximum, read.rms
        return Summary(low, high, rms)

    def _add_to(self, out: Samples, start: int, stop: int) -> None:
        steady: dict[tuple[Filters, int], Terms] = {}
        for part in self.parts:
            low, high = max(start, part.shift), min(stop, part.shift + part.audio.frames)
            gain = part.envelope.constant(low, high) if high > low else 0.0
            if gain == 0.0:
                continue
            if part.bands and gain is not None:
                # Filters of one sound at steady gains are one filter.
                key = (part.filters, part.shift)
                steady[key] = (*steady.get(key, ()), (part.bands, gain))
                continue
            sound = part.read(low - part.shift, high - part.shift)[: self.channels]
            if gain is None:
                sound = sound * part.envelope.at(np.arange(low, high)).astype(np.float32)
            elif gain != 1.0:
                sound = sound * np.float32(gain)
            out[:, low - start : high - start] += sound
        for (filters, shift), terms in steady.items():
            low, high = max(start, shift), min(stop, shift + filters.audio.frames)
            sound = filters.read(low - shift, high - shift, terms)
            out[:, low - start : high - start] += sound[: self.channels]


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the stretches [first, last) of flags that are set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _levels(envelope: Envelope, edges: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the highest and the mean magnitude of the gain between each edge and the next."""
    at_edges = np.abs(envelope.at(edges))
    most = np.maximum(at_edges[:-1], at_edges[1:])
    for frame, gain in envelope.points:
        column = int(np.searchsorted(edges, frame, "right")) - 1
        if 0 <= column < len(most):
            most[column] = max(most[column], abs(gain))
    mean = (at_edges[:-1] + at_edges[1:] + 2.0 * np.abs(envelope.at((edges[:-1] + edges[1:]) / 2))) / 4
    return most.astype(np.float32), mean.astype(np.float32)
