"""A band of frequencies, and what lets only it through."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio, Samples

_HALF_S = 0.05
"""Half the length of a filter: longer is sharper, and rings longer before and after a stroke."""

_SLOPE = 0.06
_LEAST_SLOPE_HZ = 25.0
"""Half the width of an edge: a share of its frequency (together about two semitones), and at least so much."""

_BLOCK_FRAMES = 1 << 16


@dataclass(frozen=True, slots=True, order=True)
class Band:
    """The frequencies from `low_hz` to `high_hz`; all below if that is 0, all above if that is half the rate or more.

    Raises
    ------
    ValueError
        If that is no band.
    """

    low_hz: float
    high_hz: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.low_hz < self.high_hz < np.inf:
            raise ValueError(f"{self.low_hz} to {self.high_hz} Hz is no band")

    def response(self, frequencies_hz: NDArray[np.floating[Any]], rate: int) -> NDArray[np.floating[Any]]:
        """Return how much of each frequency it lets through, 0 to 1: half at its edges, which are cosine-shaped."""
        gain: NDArray[np.floating[Any]] = np.ones(len(frequencies_hz))
        if self.low_hz > 0.0:
            gain = gain * _edge(frequencies_hz, self.low_hz)
        if self.high_hz < rate / 2:
            gain = gain * (1.0 - _edge(frequencies_hz, self.high_hz))
        return gain


@functools.lru_cache(maxsize=64)
def kernel(bands: tuple[Band, ...], rate: int) -> Samples:
    """Return the (2 half + 1,) taps of what lets through what lies in all of some bands; its middle is now."""
    half = round(_HALF_S * rate)
    size = 1 << (4 * half - 1).bit_length()
    frequencies_hz: NDArray[np.floating[Any]] = np.arange(size // 2 + 1) * (rate / size)
    gain = np.prod([band.response(frequencies_hz, rate) for band in bands], axis=0)
    ideal = np.roll(np.fft.irfft(gain, size), half)[: 2 * half + 1]
    taps: Samples = (ideal * np.hanning(2 * half + 3)[1:-1]).astype(np.float32)
    taps.flags.writeable = False
    return taps


def filtered(audio: Audio, start: int, stop: int, taps: Samples) -> Samples:
    """Return the frames [start, stop) of a sound through a filter; around the sound there is silence.

    Parameters
    ----------
    audio
        The sound.
    start, stop
        Frames.
    taps
        As `kernel` gives them, or a sum of such.

    Returns
    -------
    Samples
        (channels, stop - start), neither late nor early.
    """
    half = len(taps) // 2
    out = np.empty((audio.channels, stop - start), np.float32)
    for begin in range(start, stop, _BLOCK_FRAMES):
        end = min(begin + _BLOCK_FRAMES, stop)
        low, high = begin - half, end + half
        size = 1 << (high - low - 1).bit_length()
        block = np.zeros((audio.channels, size), np.float32)
        first, last = max(low, 0), min(high, audio.frames)
        if last > first:
            block[:, first - low : last - low] = audio.read(first, last)
        # The circle closes over what is left out: its first frames are the filter's way in.
        found = np.fft.irfft(np.fft.rfft(block) * np.fft.rfft(taps, size), size)
        out[:, begin - start : end - start] = found[:, 2 * half : 2 * half + end - begin]
    return out


def _edge(frequencies_hz: NDArray[np.floating[Any]], at_hz: float) -> NDArray[np.floating[Any]]:
    """Return a step from 0 to 1 at a frequency, as smooth as it is wide."""
    slope = min(max(_SLOPE * at_hz, _LEAST_SLOPE_HZ), at_hz)
    place = np.clip((frequencies_hz - at_hz) / slope, -1.0, 1.0)
    step: NDArray[np.floating[Any]] = 0.5 + 0.5 * np.sin(np.pi / 2 * place)
    return step
