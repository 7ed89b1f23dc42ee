"""Measures beside BSSEval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples
from stemeditor.audio.stft import Stft

SILENT_DB = -50.0
"""RMS level, relative to full scale, below which a window of a true stem counts as silent."""

_MAGNITUDE = Stft(2048, 512)


def si_sdr(true: Samples, guess: Samples) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB; NaN if either is silent.

    J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey, SDR: half-baked or well done?, ICASSP 2019, eq. 3. All channels
    have one scale.
    """
    reference, estimate = true.astype(np.float64).ravel(), guess.astype(np.float64).ravel()
    power = float(reference @ reference)
    if power == 0.0 or not estimate.any():
        return float("nan")
    target = (float(estimate @ reference) / power) * reference
    error = estimate - target
    return _decibels(float(target @ target), float(error @ error))


def snr(true: Samples, guess: Samples) -> float:
    """Return the signal-to-noise ratio |s|^2 / |s - e|^2 in dB; NaN if the true one is silent."""
    reference = true.astype(np.float64)
    error = reference - guess
    power = float(np.vdot(reference, reference))
    return _decibels(power, float(np.vdot(error, error))) if power else float("nan")


def magnitude_mse(true: Samples, guess: Samples) -> float:
    """Return the mean squared difference of magnitudes (Hann windows of 2048 frames, hop 512)."""
    apart = np.abs(_MAGNITUDE.forward(np.asarray(true, np.float32))) - np.abs(
        _MAGNITUDE.forward(np.asarray(guess, np.float32))
    )
    return float(np.square(apart, dtype=np.float64).mean())


def sounds(true: Samples, spans: Sequence[tuple[int, int]], least_db: float = SILENT_DB) -> NDArray[np.bool_]:
    """Return (windows,): whether the true stem is louder than `least_db` (RMS, dB full scale) in each."""
    power = [float(np.square(true[:, start:stop], dtype=np.float64).mean()) for start, stop in spans]
    return np.asarray(power) > 10 ** (least_db / 10)


def best_pairing(true: Sequence[Samples], guesses: Sequence[Samples]) -> tuple[int, ...]:
    """Return for each true source the index of the estimate that fits it, so that the sum of SI-SDR is highest.

    For methods that tell sources apart without knowing their names. There are at least as many estimates as sources.
    """
    from scipy.optimize import linear_sum_assignment

    worth = np.array([[si_sdr(one, other) for other in guesses] for one in true])
    worth = np.clip(np.nan_to_num(worth, nan=-100.0), -100.0, 100.0)
    _, columns = linear_sum_assignment(-worth)
    return tuple(int(column) for column in columns)


def _decibels(power: float, error: float) -> float:
    if error == 0.0:
        return float("inf")
    return float(10 * np.log10(power / error)) if power else -float("inf")
