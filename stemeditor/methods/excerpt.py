"""What a method hears of a song before it starts: a bounded part that stands for the whole."""

from __future__ import annotations

import numpy as np

from stemeditor.audio.buffer import Audio
from stemeditor.audio.store import release_pages

STRETCH_S = 6.0
_LOOK_FRAMES = 4096
_LOOKS = 64
_SAME = 1e-7
"""Share of the power in a second direction below which two channels hold one sound (16 bit rounding is 1e-9)."""


def excerpt(song: Audio, seconds: float) -> Audio:
    """Return at most `seconds` of the song: stretches of six seconds, evenly spread, one behind the other."""
    found = stretches(song.frames, song.rate, seconds)
    if found == ((0, song.frames),):
        return Audio(np.ascontiguousarray(song.samples), song.rate)
    samples = np.concatenate([song.samples[:, start:stop] for start, stop in found], axis=1)
    release_pages(song)
    return Audio(samples, song.rate)


def stretches(frames: int, rate: int, seconds: float) -> tuple[tuple[int, int], ...]:
    """Return what `excerpt` takes of a song that is so long: frames [start, stop), one behind the other."""
    wanted = round(seconds * rate)
    if frames <= wanted:
        return ((0, frames),)
    count = max(round(seconds / STRETCH_S), 1)
    length = wanted // count
    starts = np.linspace(0, frames - length, count).astype(int)
    return tuple((int(start), int(start) + length) for start in starts)


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
