"""The front that the spectrogram methods share: windows of the same time at any rate, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stemeditor import threads
from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.stft import Spectra, Stft
from stemeditor.methods.base import Stems
from stemeditor.methods.masks import Magnitude
from stemeditor.progress import Progress

HOPS_A_WINDOW = 4


def transform_for(rate: int, window_s: float) -> Stft:
    """Return the transform whose window is the power of two nearest to `window_s`, with hops of a quarter."""
    window = 1 << max(round(math.log2(window_s * rate)), 4)
    return Stft(window, window // HOPS_A_WINDOW)


def magnitude(spectra: Spectra) -> Magnitude:
    """Return (bins, hops): the root mean square over the channels of (channels, bins, hops)."""
    power = spectra.real**2
    power += spectra.imag**2
    found: Magnitude = np.sqrt(power.mean(axis=0))
    return found


def masked(spectra: Spectra, mask: NDArray[np.float32], transform: Stft, mix: Audio) -> Samples:
    """Return the sound (channels, frames) of a mask, (bins, hops) or (channels, bins, hops), on spectra."""
    return transform.inverse(spectra, mix.frames, mask)


def all_masked(
    spectra: Spectra, masks: Mapping[str, NDArray[np.float32]], transform: Stft, mix: Audio, progress: Progress
) -> Stems:
    """Return the sounds of several masks on the same spectra, by name; see `masked`."""
    sounds = threads.each(lambda mask: masked(spectra, mask, transform, mix), masks.values(), progress)
    return dict(zip(masks, sounds, strict=True))
