"""Levels: decibels, peak, RMS, and loudness as the ear weighs it (ITU-R BS.1770-4)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio, Samples

SILENCE_DB = -120.0
"""What a level of nothing is called."""

_PART_S = 0.1
_BLOCK_PARTS = 4
"""A gating block is 400 ms, and the next begins 100 ms later."""
_WALK_PARTS = 100


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
    sums, sizes = _weighted_sums(audio)
    if sizes.size == 0:
        return SILENCE_DB
    span = min(_BLOCK_PARTS, sizes.size)
    power = _moving_sum(sums, span) / _moving_sum(sizes, span)
    power = power[power > _power(-70.0)]
    if power.size:
        power = power[power > _power(_lufs(power.mean()) - 10.0)]
    return _lufs(power.mean()) if power.size else SILENCE_DB


def _weighted_sums(audio: Audio) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of squares of the weighted sound in every 100 ms, and the frames of each; the rest is left out.

    Walks through the sound in pieces, so that a long song takes no memory.
    """
    from scipy.signal import sosfilt

    edges = np.round(np.arange(int(audio.duration_s / _PART_S) + 1) * (_PART_S * audio.rate)).astype(np.int64)
    if len(edges) < _BLOCK_PARTS + 1:
        edges = np.array([0, audio.frames]) if audio.frames else edges[:1]
    sections = np.array(
        [[*numerator, *denominator] for numerator, denominator in (_shelf(audio.rate), _low_cut(audio.rate))]
    )
    state = np.zeros((len(sections), audio.channels, 2))
    sums = np.zeros(len(edges) - 1)
    for first in range(0, len(sums), _WALK_PARTS):
        bounds = edges[first : first + _WALK_PARTS + 1]
        piece = np.asarray(audio.samples[:, bounds[0] : bounds[-1]], np.float64)
        piece, state = sosfilt(sections, piece, axis=1, zi=state)
        power = np.einsum("cf,cf->f", piece, piece)
        sums[first : first + len(bounds) - 1] = np.add.reduceat(power, bounds[:-1] - bounds[0])
    return sums, np.diff(edges).astype(np.float64)


def _moving_sum(values: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    return np.convolve(values, np.ones(span), "valid")


def _lufs(power: float) -> float:
    return -0.691 + 10 * math.log10(power)


def _power(lufs: float) -> float:
    return 10 ** ((lufs + 0.691) / 10)


# Both filters are designed for any rate from the analogue prototypes behind the standard's table for 48 kHz.


def _shelf(rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shelf that stands for the head."""
    k = math.tan(math.pi * 1681.974450955533 / rate)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    first = 1 + k / q + k * k
    numerator = np.array([high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k])
    return numerator / first, np.array([1.0, 2 * (k * k - 1) / first, (1 - k / q + k * k) / first])


def _low_cut(rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the low cut that stands for the ear."""
    k, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    first = 1 + k / q + k * k
    return np.array([1.0, -2.0, 1.0]), np.array([1.0, 2 * (k * k - 1) / first, (1 - k / q + k * k) / first])
