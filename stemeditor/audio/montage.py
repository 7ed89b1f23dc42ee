"""Sound that is put together of other sound, without copying any of it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.envelope import Envelope
from stemeditor.audio.peaks import Peaks, Summary, summarise

_READ_FRAMES = 1 << 18
"""So much of several parts at once is read when it is summarised: what they are together no pyramid knows."""


@dataclass(frozen=True, slots=True)
class Part:
    """A sound that takes part in a montage.

    Parameters
    ----------
    audio, peaks
        The sound.
    envelope
        How loud it is, in frames of the montage.
    shift
        The frame of the montage at which it begins; may be negative.
    """

    audio: Audio
    peaks: Peaks
    envelope: Envelope
    shift: int = 0


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
        for part in self.parts:
            low, high = max(start, part.shift), min(stop, part.shift + part.audio.frames)
            if high <= low:
                continue
            gain = part.envelope.constant(low, high)
            if gain == 0.0:
                continue
            sound = part.audio.read(low - part.shift, high - part.shift)[: self.channels]
            if gain is None:
                sound = sound * part.envelope.at(np.arange(low, high)).astype(np.float32)
            elif gain != 1.0:
                sound = sound * np.float32(gain)
            out[:, low - start : high - start] += sound
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
        return sum(part.peaks.peak() * part.envelope.peak for part in self.parts)

    def look(self, start: float, stop: float) -> Hashable:
        """Return what its frames [start, stop) are made of: if that is equal, so is how they look and sound."""
        return tuple(
            (part.audio, part.shift, part.envelope.between(start, stop).points)
            for part in self.parts
            if part.envelope.constant(start, stop) != 0.0
        )

    def summary(self, start: float, stop: float, columns: int) -> Summary:
        """Summarise [start, stop) in `columns` equal columns; see `Peaks.summary`.

        Where several parts sound at once in more frames than can be read while somebody looks, it is drawn as loud
        as they could be together.
        """
        edges = np.linspace(start, stop, columns + 1)
        live = [part for part in self.parts if part.envelope.constant(start, stop) != 0.0]
        if len(live) > 1 and stop - start <= _READ_FRAMES:
            return summarise(self, edges)
        shape = (self.channels, columns)
        low, high, power = (np.zeros(shape, np.float32) for _ in range(3))
        for part in live:
            seen = part.peaks.summary(start - part.shift, stop - part.shift, columns)
            most, mean = _levels(part.envelope, edges)
            low += seen.minimum[: self.channels] * most
            high += seen.maximum[: self.channels] * most
            power += np.square(seen.rms[: self.channels] * mean)
        return Summary(low, high, np.sqrt(power))


def _levels(envelope: Envelope, edges: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the highest and the mean gain between each edge and the next."""
    at_edges = envelope.at(edges)
    most = np.maximum(at_edges[:-1], at_edges[1:])
    for frame, gain in envelope.points:
        column = int(np.searchsorted(edges, frame, "right")) - 1
        if 0 <= column < len(most):
            most[column] = max(most[column], gain)
    mean = (at_edges[:-1] + at_edges[1:] + 2.0 * envelope.at((edges[:-1] + edges[1:]) / 2)) / 4
    return most.astype(np.float32), mean.astype(np.float32)
