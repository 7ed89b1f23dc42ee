"""The pitch of the leading voice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemeditor.methods.masks import Magnitude
from stemeditor.progress import Progress

STEPS_A_SEMITONE = 4

_JUMP = 0.06
"""Cost of moving one step of pitch between two hops, relative to the dynamic of the salience."""
_OVERTONES = 12
_DECAY = 0.84
_HOPS_A_CHECK = 128


def pitch_axis(lowest_hz: float, octaves: float) -> NDArray[np.float64]:
    """Return the pitches that are looked at, in Hz: four a semitone."""
    return lowest_hz * 2 ** (np.arange(round(12 * STEPS_A_SEMITONE * octaves)) / (12 * STEPS_A_SEMITONE))


def salience(level: Magnitude, pitches: NDArray[np.float64], bin_hz: float, progress: Progress) -> Magnitude:
    """Return (pitches, hops): the magnitudes at each pitch's overtones, added up, higher ones for less.

    A. Klapuri, Multiple fundamental frequency estimation by summing harmonic amplitudes, ISMIR 2006.
    """
    numbers = np.arange(1, _OVERTONES + 1)
    at = np.outer(pitches, numbers) / bin_hz
    weight = np.where(at < level.shape[0] - 1, _DECAY ** (numbers - 1.0), 0.0)
    low = np.minimum(at.astype(int), level.shape[0] - 2)
    part = np.clip(at - low, 0.0, 1.0)
    table = np.zeros((len(pitches), level.shape[0]), np.float32)
    rows = np.arange(len(pitches))
    for number in range(_OVERTONES):
        np.add.at(table, (rows, low[:, number]), weight[:, number] * (1 - part[:, number]))
        np.add.at(table, (rows, low[:, number] + 1), weight[:, number] * part[:, number])
    progress.check()
    found: Magnitude = table @ level
    return found


def melody(loudness: Magnitude, progress: Progress, jump: float = _JUMP) -> NDArray[np.int64]:
    """Return (hops,) the path through (pitches, hops) that is loud and moves little (Viterbi)."""
    score = np.log(loudness + 1e-3 * loudness.max() + 1e-12)
    score = (score - score.mean()) / max(float(score.std()), 1e-9)
    pitches, hops = score.shape
    steps = np.abs(np.subtract.outer(np.arange(pitches), np.arange(pitches)))
    # A leap costs no more than an octave's half: singers leap, and rests hide where they went.
    cost = jump * np.minimum(steps, 6 * STEPS_A_SEMITONE)
    best = score[:, 0]
    came = np.zeros((hops, pitches), np.int64)
    for hop in range(1, hops):
        if hop % _HOPS_A_CHECK == 0:
            progress.check()
        options = best[np.newaxis, :] - cost
        came[hop] = options.argmax(axis=1)
        best = options[np.arange(pitches), came[hop]] + score[:, hop]
    path = np.empty(hops, np.int64)
    path[-1] = int(best.argmax())
    for hop in range(hops - 1, 0, -1):
        path[hop - 1] = came[hop, path[hop]]
    return path
