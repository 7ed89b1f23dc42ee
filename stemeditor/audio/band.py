"""A band of frequencies, and what lets only it through."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.peaks import Peaks

_HALF_S = 0.05
"""Half the length of a filter: longer is sharper, and rings longer before and after a stroke."""

_SLOPE = 0.06
_LEAST_SLOPE_HZ = 25.0
"""Half the width of an edge: a share of its frequency (together about two semitones), and at least so much."""

_KEPT = 48
"""Blocks of a sound that are kept, a quarter of a second each."""


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


Terms: TypeAlias = tuple[tuple[tuple[Band, ...], float], ...]
"""What is heard of a sound: the sum of what lies in all bands of each term, times its linear gain."""


def loudest(bands: tuple[Band, ...], rate: int) -> float:
    """Return how many times as loud as a sound what lies in all of some bands of it can be, at most."""
    return float(np.abs(_taps(bands, rate)).sum())


class Filters:
    """A sound through bands, neither late nor early; around it there is silence. Any thread.

    What was asked for last is kept: who plays asks for a bit of the same stretch again and again.

    Parameters
    ----------
    peaks
        What knows the sound, and how much of it is final: of a growing one only that is kept.
    """

    def __init__(self, peaks: Peaks) -> None:
        self.peaks = peaks
        self._half = round(_HALF_S * peaks.audio.rate)
        self._size = 1 << (7 * self._half).bit_length()
        self._step = self._size - 2 * self._half
        # Several threads may write; what one of them computes twice is the same.
        self._spectra: dict[int, NDArray[np.complex64]] = {}
        self._blocks: dict[tuple[Terms, int], Samples] = {}

    @property
    def audio(self) -> Audio:
        """The sound as it is."""
        return self.peaks.audio

    def read(self, start: int, stop: int, terms: Terms) -> Samples:
        """Return (channels, stop - start) of what is heard."""
        out = np.empty((self.audio.channels, stop - start), np.float32)
        for number in range(start // self._step, -(-stop // self._step)):
            first = number * self._step
            low, high = max(start, first), min(stop, first + self._step)
            out[:, low - start : high - start] = self._block(terms, number)[:, low - first : high - first]
        return out

    def _block(self, terms: Terms, number: int) -> Samples:
        block = self._blocks.get((terms, number))
        if block is None:
            response = sum(_response(bands, self.audio.rate, self._size) * np.float32(gain) for bands, gain in terms)
            found = np.fft.irfft(self._spectrum(number) * response, self._size)
            # The circle closes over what is left out: its first frames are the filter's way in.
            block = found[:, 2 * self._half :].astype(np.float32, copy=False)
            if self._final(number):
                _keep(self._blocks, (terms, number), block)
        return block

    def _spectrum(self, number: int) -> NDArray[np.complex64]:
        spectrum = self._spectra.get(number)
        if spectrum is None:
            begin = number * self._step - self._half
            block = np.zeros((self.audio.channels, self._size), np.float32)
            low, high = max(begin, 0), min(begin + self._size, self.audio.frames)
            if high > low:
                block[:, low - begin : high - begin] = self.audio.read(low, high)
            spectrum = np.fft.rfft(block).astype(np.complex64, copy=False)
            if self._final(number):
                _keep(self._spectra, number, spectrum)
        return spectrum

    def _final(self, number: int) -> bool:
        end = (number + 1) * self._step + self._half
        return self.peaks.filled >= min(end, self.audio.frames)


def _keep(kept: dict[Any, Any], key: object, value: object) -> None:
    """Keep one thing more, and let the oldest go if these are many."""
    kept[key] = value
    if len(kept) > _KEPT:
        with contextlib.suppress(KeyError, RuntimeError, StopIteration):  # somebody else was faster
            del kept[next(iter(kept))]


@functools.lru_cache(maxsize=64)
def _taps(bands: tuple[Band, ...], rate: int) -> Samples:
    """Return the (2 half + 1,) taps of what lets through what lies in all of some bands; its middle is now."""
    half = round(_HALF_S * rate)
    size = 1 << (4 * half - 1).bit_length()
    frequencies_hz: NDArray[np.floating[Any]] = np.arange(size // 2 + 1) * (rate / size)
    gain = np.prod([band.response(frequencies_hz, rate) for band in bands], axis=0)
    ideal = np.roll(np.fft.irfft(gain, size), half)[: 2 * half + 1]
    taps: Samples = (ideal * np.hanning(2 * half + 3)[1:-1]).astype(np.float32)
    return taps


@functools.lru_cache(maxsize=64)
def _response(bands: tuple[Band, ...], rate: int, size: int) -> NDArray[np.complex64]:
    """Return the (size // 2 + 1,) spectrum of the taps of some bands."""
    return np.fft.rfft(_taps(bands, rate), size).astype(np.complex64, copy=False)


def _edge(frequencies_hz: NDArray[np.floating[Any]], at_hz: float) -> NDArray[np.floating[Any]]:
    """Return a step from 0 to 1 at a frequency, as smooth as it is wide."""
    slope = min(max(_SLOPE * at_hz, _LEAST_SLOPE_HZ), at_hz)
    place = np.clip((frequencies_hz - at_hz) / slope, -1.0, 1.0)
    step: NDArray[np.floating[Any]] = 0.5 + 0.5 * np.sin(np.pi / 2 * place)
    return step
