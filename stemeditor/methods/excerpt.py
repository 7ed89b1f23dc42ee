"""What a method hears of a song before it starts: a bounded part that stands for the whole."""

from __future__ import annotations

import numpy as np

from stemeditor.audio.buffer import Audio
from stemeditor.audio.store import release_pages

_STRETCH_S = 6.0
_LOOK_FRAMES = 4096
_LOOKS = 64
_SAME = 1e-7
"""Share of the power in a second direction below which two channels hold one sound (16 bit rounding is 1e-9)."""


def excerpt(song: Audio, seconds: float) -> Audio:
    """Return at most `seconds` of the song: stretches of six seconds, evenly spread, one behind the other."""
    wanted = round(seconds * song.rate)
    if song.frames <= wanted:
        return Audio(np.ascontiguousarray(song.samples), song.rate)
    count = max(round(seconds / _STRETCH_S), 1)
    length = wanted // count
    starts = np.linspace(0, song.frames - length, count).astype(int)
    samples = np.concatenate([song.samples[:, start : start + length] for start in starts], axis=1)
    release_pages(song)
    return Audio(samples, song.rate)


def differs(song: Audio) -> bool:
    """Return whether the channels of a song hold more than one sound at different levels.

    Silence counts as differing: any method may have it. Looks at no more than 64 places.
    """
    covariance = np.zeros((song.channels, song.channels))
    for start in np.linspace(0, max(song.frames - _LOOK_FRAMES, 0), _LOOKS).astype(int):
        part = song.samples[:, start : start + _LOOK_FRAMES].astype(np.float64)
        covariance += part @ part.T
    release_pages(song)
    powers = np.linalg.eigvalsh(covariance)
    return bool(powers[-1] == 0.0 or powers[0] > _SAME * powers[-1])
