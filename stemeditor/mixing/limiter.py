"""Turning down, for a moment and without a click, what would go over full scale."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stemeditor.audio.buffer import Samples
from stemeditor.mixing.mix import Mix

_REACH_S = 0.03
"""How long before and after a peak the gain moves: slow enough not to be heard as distortion."""


def limited(mix: Mix, block_frames: int, ceiling: float = 1.0) -> Iterator[Samples]:
    """Render a whole mix in blocks whose magnitude never exceeds `ceiling`.

    The gain at an instant is a weighted mean of local minima, over one window's reach, of the gain that each instant
    would need. Every minimum under that mean includes the instant itself, so the bound holds exactly; both sides get
    the same gain, so the picture does not wander. Where nothing is too loud the sound passes bit for bit.

    Parameters
    ----------
    mix
        What to render.
    block_frames
        Length of the blocks; the last is shorter.
    ceiling
        Linear.

    Yields
    ------
    Samples
        (2, frames), abutting, the frames [0, mix.frames) in all.
    """
    from scipy.ndimage import minimum_filter1d
    from scipy.signal import fftconvolve

    reach = max(1, round(_REACH_S * mix.rate))
    weights = np.hanning(2 * reach + 3)[1:-1]
    weights /= weights.sum()
    for start in range(0, mix.frames, block_frames):
        frames = min(block_frames, mix.frames - start)
        wide = mix.render(start - 2 * reach, frames + 4 * reach)
        block = wide[:, 2 * reach : 2 * reach + frames]
        level = np.abs(wide).max(axis=0).astype(np.float64)
        needed = np.minimum(1.0, ceiling / np.maximum(level, 1e-12))
        if needed.min() < 1.0:
            lowest = minimum_filter1d(needed, 2 * reach + 1, mode="constant", cval=1.0)
            gain = fftconvolve(lowest, weights, mode="same")[2 * reach : 2 * reach + frames]
            # The transform's rounding may leave the gain a hair too high, or touch what nothing asks to touch.
            gain = np.minimum(np.where(gain > 1.0 - 1e-9, 1.0, gain), needed[2 * reach : 2 * reach + frames])
            block = (block * gain).astype(np.float32)
            np.clip(block, -ceiling, ceiling, out=block)
        yield np.ascontiguousarray(block)
