"""Masks: how much of each point of a spectrogram belongs to whom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemeditor.progress import Progress

Magnitude = NDArray[np.float32]
"""float32, (bins, hops), 0 or more."""

_TINY = np.float32(1e-10)


_ROWS_A_COPY = 64


def turned(values: Magnitude, progress: Progress) -> Magnitude:
    """Return a copy with the axes exchanged, rows contiguous.

    In strips: one copy of the whole would keep the interpreter, and with it the sound output, waiting for 80 ms.
    """
    out = np.empty(values.shape[::-1], values.dtype)
    for start in range(0, len(out), _ROWS_A_COPY):
        progress.check()
        out[start : start + _ROWS_A_COPY] = values[:, start : start + _ROWS_A_COPY].T
    return out


def soft(wanted: Magnitude, others: Magnitude, power: float = 2.0) -> Magnitude:
    """Return wanted^p / (wanted^p + others^p), 0 where both are silent.

    With p = 2 it is the Wiener gain of two independent sources of these magnitudes.
    """
    if power == 2.0:
        mine, theirs = np.square(wanted), np.square(others)
    else:
        mine, theirs = wanted ** np.float32(power), others ** np.float32(power)
    return np.asarray(mine / (mine + theirs + _TINY), np.float32)


def shares(powers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (stems, bins, hops) Wiener gains of these (stems, bins, hops) powers; they sum to 1 or, in silence, 0.

    The powers are overwritten: they are the largest that most methods hold.
    """
    powers /= powers.sum(axis=0) + _TINY
    return powers


def ramp_up(frequencies: NDArray[np.float32], low_hz: float, high_hz: float) -> NDArray[np.float32]:
    """Return (bins, 1): 0 below `low_hz`, 1 above `high_hz`, a raised cosine over log frequency between them."""
    position = np.log(np.maximum(frequencies, 1.0) / low_hz) / np.log(high_hz / low_hz)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(position, 0.0, 1.0)), np.float32)[:, np.newaxis]
