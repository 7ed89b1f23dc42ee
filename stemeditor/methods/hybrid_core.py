"""What surrounds Hybrid Demucs' layers: spectrum and levels before them, sound behind them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from stemeditor.methods.exported import Array

_WINDOW, _HOP = 4096, 1024
_LEAD = _HOP // 2 * 3
"""Frames by which the first window begins before the sound, so that there are as many windows as hops of sound."""

_ENERGY = 1.5
"""Four Hann windows overlap everywhere, and their squares add up to this."""

_LEAST = 1e-5

Level: TypeAlias = tuple[np.float32, np.float32]
"""Mean and standard deviation."""


@dataclass(frozen=True, slots=True)
class HybridCore:
    """`exported.Core` of a `demucs.htdemucs.HTDemucs` or `demucs.hdemucs.HDemucs`.

    Parameters
    ----------
    stems
        How many the network gives.
    length
        Frames of its pieces, the last ones of a song excepted.
    filling
        Whether it hears so many always: those with a transformer do, and take silence for what is missing.
    """

    stems: int
    length: int
    filling: bool

    def example(self) -> Array:
        """See `exported.Core`."""
        return np.zeros((2, self.length), np.float32)

    def fits(self, frames: int) -> bool:
        """Whether a piece of so many frames can be computed."""
        return frames <= self.length

    def before(self, sound: Array) -> tuple[tuple[Array, ...], tuple[Level, Level, int]]:
        """Return the spectrum's real and imaginary parts and the sound, both of mean 0 and deviation 1."""
        frames = sound.shape[-1]
        missing = self.length - frames if self.filling else 0
        whole = np.pad(np.asarray(sound, np.float32), ((0, 0), (0, missing)))
        picture, level = _levelled(_picture(whole))
        wave, wave_level = _levelled(whole)
        return (picture, wave), (level, wave_level, frames)

    def after(self, found: tuple[Array, ...], known: tuple[Level, Level, int]) -> Array:
        """Return the sum of what both branches found, as sound: (stems, channels, frames)."""
        (mean, spread), (wave_mean, wave_spread), frames = known
        picture, wave = found
        length = wave.shape[-1]
        sound = wave.reshape(self.stems, -1, length)[..., :frames] * wave_spread + wave_mean
        for stem, drawn in zip(sound, picture.reshape(self.stems, -1, *picture.shape[-2:]), strict=True):
            stem += _sound(drawn * spread + mean, length)[:, :frames]
        return sound


def _picture(sound: Array) -> Array:
    """Return (2 * channels, bins, hops): real and imaginary parts, as the networks' program transforms."""
    from scipy import fft

    channels, frames = sound.shape
    hops = -(-frames // _HOP)
    behind = _LEAD + hops * _HOP - frames
    # What is too short to be mirrored is first followed by silence.
    silence = max(behind + 1 - frames, 0)
    followed = np.pad(sound, ((0, 0), (0, silence)))
    mirrored = np.pad(followed, ((0, 0), (_LEAD, behind - silence)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, _WINDOW, axis=1)[:, ::_HOP]
    # The highest bin is left out.
    spectra = fft.rfft(windows * _window(), axis=2, workers=os.cpu_count())[..., :-1]
    picture = np.empty((channels, 2, _WINDOW // 2, hops), np.float32)
    picture[:, 0] = spectra.real.transpose(0, 2, 1)
    picture[:, 1] = spectra.imag.transpose(0, 2, 1)
    return picture.reshape(2 * channels, _WINDOW // 2, hops)


def _sound(picture: Array, frames: int) -> Array:
    """Return (channels, frames) of (2 * channels, bins, hops); the inverse of `_picture`."""
    from scipy import fft

    bins, hops = picture.shape[-2:]
    parts = picture.reshape(-1, 2, bins, hops)
    spectra = np.zeros((len(parts), hops, bins + 1), np.complex64)
    spectra.real[..., :-1] = parts[:, 0].transpose(0, 2, 1)
    spectra.imag[..., :-1] = parts[:, 1].transpose(0, 2, 1)
    windows = fft.irfft(spectra, _WINDOW, axis=2, workers=os.cpu_count(), overwrite_x=True)
    windows *= _window() * np.float32(_WINDOW / _ENERGY)
    shared = _WINDOW // _HOP
    blocks = windows.reshape(len(parts), hops, shared, _HOP)
    # Whole hops are added, four times; the sound begins behind the lead.
    out = np.zeros((len(parts), hops + shared - 1, _HOP), np.float32)
    for number in range(shared):
        out[:, number : number + hops] += blocks[:, :, number]
    return out.reshape(len(parts), -1)[:, _LEAD : _LEAD + frames]


def _window() -> Array:
    """Return the Hann window, such that transforms neither gain nor lose energy."""
    window: Array = (np.hanning(_WINDOW + 1)[:-1] / _WINDOW**0.5).astype(np.float32)
    return window


def _levelled(values: Array) -> tuple[Array, Level]:
    mean, spread = values.mean(dtype=np.float64), values.std(ddof=1, dtype=np.float64)
    level = np.float32(mean), np.float32(spread)
    return (values - level[0]) / np.float32(_LEAST + spread), level
