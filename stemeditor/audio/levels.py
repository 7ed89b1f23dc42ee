"""Levels: decibels, peak, RMS, and loudness as the ear weighs it (ITU-R BS.1770-4)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio, Samples

SILENCE_DB = -120.0
"""What a level of nothing is called."""


def db(gain: float) -> float:
    """Return a linear gain or level in decibels, `SILENCE_DB` at the least."""
    return max(20 * math.log10(gain), SILENCE_DB) if gain > 0 else SILENCE_DB


def gain(level_db: float) -> float:
    """Return decibels as a linear gain; `SILENCE_DB` and below is 0."""
    return 10 ** (level_db / 20) if level_db > SILENCE_DB else 0.0


def peak(samples: Samples) -> float:
    """Return the largest magnitude, linear; 0 for no samples."""
    return float(np.abs(samples).max(initial=0.0))


def rms(samples: Samples) -> float:
    """Return the root of the mean square over all channels, linear; 0 for no samples."""
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean())) if samples.size else 0.0


def loudness(audio: Audio) -> float:
    """Return the integrated loudness in LUFS, gated at -70 LUFS and 10 LU below the ungated mean.

    Both channels weigh 1; sound shorter than a gating block of 400 ms is measured as one block.

    Returns
    -------
    float
        LUFS; `SILENCE_DB` for silence.

    References
    ----------
    ITU-R BS.1770-4, annex 1.
    """
    weighted = _k_weighted(np.asarray(audio.samples, np.float64), audio.rate)
    block = min(round(0.4 * audio.rate), audio.frames)
    if block == 0:
        return SILENCE_DB
    hop = max(block // 4, 1)
    sums = np.concatenate([np.zeros((audio.channels, 1)), np.cumsum(weighted**2, axis=1)], axis=1)
    starts = np.arange(0, audio.frames - block + 1, hop)
    power = ((sums[:, starts + block] - sums[:, starts]) / block).sum(axis=0)
    power = power[power > _power(-70.0)]
    if power.size:
        power = power[power > _power(_lufs(power.mean()) - 10.0)]
    return _lufs(power.mean()) if power.size else SILENCE_DB


def _lufs(power: float) -> float:
    return -0.691 + 10 * math.log10(power)


def _power(lufs: float) -> float:
    return 10 ** ((lufs + 0.691) / 10)


def _k_weighted(samples: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Apply the head's shelf and the low cut, designed for any rate from the analogue prototypes of the standard."""
    from scipy.signal import lfilter

    for numerator, denominator in (_shelf(rate), _low_cut(rate)):
        samples = lfilter(numerator, denominator, samples, axis=1)
    return samples


def _shelf(rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    k = math.tan(math.pi * 1681.974450955533 / rate)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    first = 1 + k / q + k * k
    numerator = np.array([high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k])
    return numerator / first, np.array([1.0, 2 * (k * k - 1) / first, (1 - k / q + k * k) / first])


def _low_cut(rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    k, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    first = 1 + k / q + k * k
    return np.array([1.0, -2.0, 1.0]), np.array([1.0, 2 * (k * k - 1) / first, (1 - k / q + k * k) / first])
