"""Ceilings and floors: what a mask could reach at best, made from the true stems, and what doing nothing reaches."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stemeditor.audio.buffer import Samples
from stemeditor.audio.stft import Spectra, Stft
from stemeditor.methods.base import Stems
from stemeditor.methods.wiener import filtered
from stemeditor.progress import Progress

ORACLES = {
    "oracle_irm": "Ideal ratio mask",
    "oracle_ibm": "Ideal binary mask",
    "oracle_mwf": "Ideal multichannel Wiener filter",
    "mixture": "The song as estimate",
}
"""Key -> name."""

_TRANSFORM = Stft(4096, 1024)
_PIECE = 20 * 44100
_OVERLAP = 44100


def oracle(key: str, song: Samples, true: Mapping[str, Samples], progress: Progress) -> Stems:
    """Return the estimates of an oracle.

    Parameters
    ----------
    key
        Of `ORACLES`: the ratio of magnitudes (Liutkus and Badeau 2015, alpha = 1), the loudest stem takes all (Wang
        2005), or the Wiener filter with the true powers and spatial covariances (Duong et al. 2010). "mixture" gives
        the song for every stem.
    song
        (channels, frames).
    true
        Stem -> (channels, frames).
    progress
        Checked now and then.
    """
    if key == "mixture":
        return {name: np.asarray(song, np.float32) for name in true}
    if key not in ORACLES:
        raise ValueError(f"there is no oracle {key!r}")
    frames = song.shape[1]
    out = {name: np.zeros(song.shape, np.float32) for name in true}
    for start in range(0, frames, _PIECE):
        # A second around each piece gives its windows their neighbours; it is thrown away.
        low, high = max(start - _OVERLAP, 0), min(start + _PIECE + _OVERLAP, frames)
        stop = min(start + _PIECE, frames)
        mix = _TRANSFORM.forward(np.asarray(song[:, low:high]))
        parts = []
        for samples in true.values():
            progress.check()
            parts.append(_TRANSFORM.forward(np.asarray(samples[:, low:high])))
        for name, spectra in zip(true, _estimates(key, mix, parts, progress), strict=True):
            progress.check()
            found = _TRANSFORM.inverse(spectra, high - low)
            out[name][:, start:stop] = found[:, start - low : stop - low]
    return out


def _estimates(key: str, mix: Spectra, parts: list[Spectra], progress: Progress) -> list[Spectra]:
    if key == "oracle_mwf":
        return filtered(mix, parts, 1, progress)
    levels = np.stack([np.abs(part) for part in parts])
    progress.check()
    if key == "oracle_irm":
        masks = levels / np.maximum(levels.sum(axis=0), np.float32(1e-10))
    else:
        masks = (levels == levels.max(axis=0)).astype(np.float32)
        masks /= np.maximum(masks.sum(axis=0), 1.0)
    return [(mix * mask).astype(np.complex64) for mask in masks]
