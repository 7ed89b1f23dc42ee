"""What is done to stems before a network sees their sum, so that a few hours of songs become many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stemeditor.audio.buffer import Samples
from stemeditor.audio.convert import resample

_TOP_HZ = 44100


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much is done; all of it drawn for every stem by itself.

    Parameters
    ----------
    remixed
        Share of examples whose stems come from different songs.
    gain_db
        Standard deviation of a stem's gain.
    silent
        Share of stems that are left out.
    swapped
        Share of stems whose channels change places.
    flipped
        Share of stems whose sign is turned.
    narrowed
        Share of stems whose width changes, to anything from none to one and a half times.
    sped
        Share of stems that are played faster or slower, their pitch with it.
    speed
        How far, as a factor: 0.1 is from 1/1.1 to 1.1.
    deep
        Share of bass stems that are played up to an octave lower: recorded basses seldom go where synthesisers do.
    coloured_db
        Standard deviation of a slope in the stem's spectrum, over its whole range.

    References
    ----------
    S. Uhlich et al., Improving music source separation based on deep neural networks through data augmentation and
    network blending, ICASSP 2017.
    """

    remixed: float = 0.5
    gain_db: float = 3.0
    silent: float = 0.08
    swapped: float = 0.5
    flipped: float = 0.5
    narrowed: float = 0.3
    sped: float = 0.3
    speed: float = 0.12
    deep: float = 0.35
    coloured_db: float = 3.0


def factor(plan: Augmentation, rng: np.random.Generator) -> float:
    """Draw how much faster a stem is played; 1 for most."""
    if rng.random() >= plan.sped:
        return 1.0
    return float(np.exp(rng.uniform(-1, 1) * np.log1p(plan.speed)))


def deeper(plan: Augmentation, rng: np.random.Generator) -> float:
    """Draw how much slower a bass is played beyond that; 1 for most."""
    return float(2.0 ** -rng.uniform(0.2, 1.0)) if rng.random() < plan.deep else 1.0


def varied(sound: Samples, frames: int) -> Samples:
    """Return (channels, frames) played faster or slower, so that it lasts `frames`."""
    if sound.shape[1] == frames:
        return sound
    # One rate is as good as another: only their ratio counts.
    return resample(np.ascontiguousarray(sound), round(_TOP_HZ * sound.shape[1] / frames), _TOP_HZ, frames)


def changed(sound: Samples, plan: Augmentation, rng: np.random.Generator) -> Samples:
    """Return one stem (2, frames) with its gain, sides, sign, width and colour changed as drawn."""
    gain = 10 ** (rng.normal(0, plan.gain_db) / 20) * (-1.0 if rng.random() < plan.flipped else 1.0)
    swap, narrow, wide = rng.random() < plan.swapped, rng.random() < plan.narrowed, rng.uniform(0, 1.5)
    slope_db, silent = rng.normal(0, plan.coloured_db), rng.random() < plan.silent
    if silent:
        return np.zeros_like(sound)
    if swap:
        sound = sound[::-1]
    if narrow:
        middle, side = sound.mean(axis=0), (sound[0] - sound[1]) * np.float32(wide / 2)
        sound = np.stack([middle + side, middle - side])
    sound = sound * np.float32(gain)
    return _sloped(sound, slope_db)


def _sloped(sound: Samples, slope_db: float) -> Samples:
    """Return the sound through one first-order filter, whose gains at 0 Hz and at the top differ by `slope_db`."""
    # y[n] = x[n] + a x[n-1]: (1 - a) at the top, (1 + a) at 0 Hz; scaled so that the middle keeps its level.
    ratio = 10 ** (-slope_db / 20)
    a = (ratio - 1) / (ratio + 1)
    out = sound.copy()
    out[:, 1:] += np.float32(a) * sound[:, :-1]
    return out * np.float32(1 / np.sqrt(1 + a * a))
