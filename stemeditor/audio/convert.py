"""Other rates, other channels, other lengths; always exact ones."""

from __future__ import annotations

import numpy as np

from stemeditor.audio.buffer import Samples


def fit(samples: Samples, frames: int) -> Samples:
    """Return (channels, frames): cut at the end, or followed by silence."""
    have = samples.shape[1]
    if have >= frames:
        return samples[:, :frames]
    return np.concatenate([samples, np.zeros((samples.shape[0], frames - have), samples.dtype)], axis=1)


def to_channels(samples: Samples, channels: int) -> Samples:
    """Return (channels, frames): mono is the mean of all channels, and goes to all channels unchanged.

    Raises
    ------
    ValueError
        For a change between numbers of channels of which neither is one.
    """
    have = samples.shape[0]
    if have == channels:
        return samples
    if channels == 1:
        return np.asarray(samples.mean(axis=0, keepdims=True), np.float32)
    if have == 1:
        return np.repeat(samples, channels, axis=0)
    raise ValueError(f"{have} channels do not become {channels}")


def resample(samples: Samples, from_rate: int, to_rate: int, frames: int | None = None) -> Samples:
    """Return the sound at another rate (band-limited, linear phase).

    Parameters
    ----------
    samples
        (channels, frames).
    from_rate, to_rate
        Hz.
    frames
        Exact length of the result; the nearest to the true length by default.
    """
    if frames is None:
        frames = round(samples.shape[1] * to_rate / from_rate)
    if from_rate == to_rate or samples.shape[1] == 0:
        return fit(samples, frames)
    import soxr

    out = soxr.resample(np.ascontiguousarray(samples.T), from_rate, to_rate, quality="HQ")
    return fit(np.ascontiguousarray(out.T, np.float32), frames)
