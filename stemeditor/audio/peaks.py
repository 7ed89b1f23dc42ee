"""The peak pyramid: what a painter asks for instead of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio, Samples

BASE_FRAMES = 256
"""Frames in one column of the finest level."""

_FACTOR = 4


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """A stretch of sound in columns.

    Parameters
    ----------
    minimum, maximum, rms
        (channels, columns) float32; 0 where there is no sound.
    """

    minimum: NDArray[np.float32]
    maximum: NDArray[np.float32]
    rms: NDArray[np.float32]


class Peaks:
    """Minimum, maximum and RMS of a sound at several resolutions. One thread feeds, any thread asks.

    Parameters
    ----------
    audio
        The sound, perhaps still growing; closer than `BASE_FRAMES` a column its samples are read.

    Notes
    -----
    Level k has one column for every 256 * 4**k frames. A 60-minute stereo song takes about 20 MB.
    """

    def __init__(self, audio: Audio) -> None:
        self._audio = audio
        self._filled = 0
        self._levels: list[NDArray[np.float32]] = []
        """Each (3, channels, columns): minimum, maximum, mean square."""
        columns = -(-audio.frames // BASE_FRAMES)
        while True:
            self._levels.append(np.zeros((3, audio.channels, columns), np.float32))
            if columns <= 1:
                break
            columns = -(-columns // _FACTOR)

    @property
    def audio(self) -> Audio:
        """The sound that is summarised."""
        return self._audio

    @property
    def channels(self) -> int:
        """How many channels the sound has."""
        return self._audio.channels

    @property
    def frames(self) -> int:
        """How long the sound is, or will be."""
        return self._audio.frames

    @property
    def filled(self) -> int:
        """The frames [0, filled) are summarised."""
        return self._filled

    @classmethod
    def of(cls, audio: Audio) -> Peaks:
        """Summarise a whole sound at once."""
        peaks = cls(audio)
        step = BASE_FRAMES * 4096
        for start in range(0, audio.frames, step):
            peaks.feed(audio.samples[:, start : start + step])
        return peaks

    def feed(self, samples: Samples) -> None:
        """Summarise the next (channels, frames) behind `filled`; what goes beyond the sound is left out."""
        start = self._filled
        stop = min(start + samples.shape[1], self._audio.frames)
        if stop <= start:
            return
        # A column that was begun by the last call is made anew from the sound, which holds it whole.
        first = start // BASE_FRAMES
        aligned = first * BASE_FRAMES
        if aligned < start:
            head = self._audio.samples[:, aligned:start]
            samples = np.concatenate([head, samples[:, : stop - start]], axis=1)
        else:
            samples = samples[:, : stop - start]
        columns = _columns(samples, BASE_FRAMES)
        self._levels[0][:, :, first : first + columns.shape[2]] = columns
        low, high = first, first + columns.shape[2]
        for finer, coarser in zip(self._levels, self._levels[1:], strict=False):
            low, high = low // _FACTOR, -(-high // _FACTOR)
            part = finer[:, :, low * _FACTOR : high * _FACTOR]
            coarser[:, :, low:high] = _coarsen(part)
        self._filled = stop

    def peak(self) -> float:
        """Return the largest magnitude of what was fed, linear."""
        top = self._levels[-1]
        return float(np.abs(top[:2]).max(initial=0.0))

    def summary(self, start: float, stop: float, columns: int) -> Summary:
        """Summarise [start, stop) in `columns` equal columns.

        Parameters
        ----------
        start, stop
            Frames, may be fractional and may lie outside the sound.
        columns
            1 or more.

        Returns
        -------
        Summary
            Exact to one column of the level that was read (a quarter of a painted column or finer).
        """
        edges = np.linspace(start, stop, columns + 1)
        per_column = (stop - start) / columns
        level = -1
        while level + 1 < len(self._levels) and BASE_FRAMES * _FACTOR ** (level + 1) * 2 <= per_column:
            level += 1
        if level < 0:
            return summarise(self._audio, edges)
        table = self._levels[level]
        unit = BASE_FRAMES * _FACTOR**level
        lows = np.floor(edges[:-1] / unit).astype(np.int64)
        highs = np.maximum(np.ceil(edges[1:] / unit).astype(np.int64), lows + 1)
        return _reduce(table, np.clip(lows, 0, table.shape[2]), np.clip(highs, 0, table.shape[2]))


class _Readable(Protocol):
    """Sound whose samples can be had: `Audio`, `Montage`."""

    @property
    def frames(self) -> int: ...

    def read(self, start: int, stop: int) -> Samples: ...


def summarise(sound: _Readable, edges: NDArray[np.float64]) -> Summary:
    """Summarise a sound between each of `edges` (frames, rising) and the next, from its samples."""
    lows = np.floor(edges[:-1]).astype(np.int64)
    highs = np.maximum(np.floor(edges[1:]).astype(np.int64), lows + 1)
    lows, highs = np.clip(lows, 0, sound.frames), np.clip(highs, 0, sound.frames)
    first, last = int(lows[0]), int(highs[-1])
    samples = np.asarray(sound.read(first, last))
    table = np.stack([samples, samples, np.square(samples)])
    return _reduce(table, lows - first, highs - first)


def _reduce(table: NDArray[np.float32], lows: NDArray[np.int64], highs: NDArray[np.int64]) -> Summary:
    """Reduce (3, channels, n) over [lows, highs) a column; empty columns are 0."""
    channels, count = table.shape[1], len(lows)
    out = np.zeros((3, channels, count), np.float32)
    there = (highs > lows) & (lows < table.shape[2])
    if there.any():
        # Only the stretch that is asked for: the last reduction would run to the end of the table otherwise.
        first = int(lows[there][0])
        table = table[:, :, first : int(highs[there][-1])]
        low, high = lows[there] - first, highs[there] - first
        # reduceat takes pairs of indices: every second result is a column, the others fall between two columns.
        pairs = np.empty(2 * len(low), np.int64)
        pairs[0::2], pairs[1::2] = low, high
        padded = np.concatenate([table, np.zeros((3, channels, 1), np.float32)], axis=2)
        out[0][:, there] = np.minimum.reduceat(padded[0], pairs, axis=1)[:, 0::2]
        out[1][:, there] = np.maximum.reduceat(padded[1], pairs, axis=1)[:, 0::2]
        out[2][:, there] = np.add.reduceat(padded[2], pairs, axis=1)[:, 0::2] / (high - low)
    return Summary(out[0], out[1], np.sqrt(out[2]))


def _columns(samples: Samples, unit: int) -> NDArray[np.float32]:
    """Summarise (channels, frames) in columns of `unit` frames, the last perhaps shorter: (3, channels, columns)."""
    channels, frames = samples.shape
    whole = frames // unit
    count = -(-frames // unit)
    out = np.empty((3, channels, count), np.float32)
    body = np.ascontiguousarray(samples[:, : whole * unit]).reshape(channels, whole, unit)
    out[0, :, :whole] = body.min(axis=2)
    out[1, :, :whole] = body.max(axis=2)
    out[2, :, :whole] = np.einsum("cku,cku->ck", body, body) / unit
    if count > whole:
        rest = samples[:, whole * unit :]
        out[0, :, whole], out[1, :, whole] = rest.min(axis=1), rest.max(axis=1)
        out[2, :, whole] = np.square(rest).mean(axis=1)
    return out


def _coarsen(part: NDArray[np.float32]) -> NDArray[np.float32]:
    """Join every `_FACTOR` columns of (3, channels, n); the last group may be smaller."""
    count = part.shape[2]
    starts = np.arange(0, count, _FACTOR)
    sizes = np.minimum(_FACTOR, count - starts)
    return np.stack(
        [
            np.minimum.reduceat(part[0], starts, axis=1),
            np.maximum.reduceat(part[1], starts, axis=1),
            np.add.reduceat(part[2], starts, axis=1) / sizes.astype(np.float32),
        ]
    )
