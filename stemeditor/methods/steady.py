"""Low notes drawn steadily: moments that sound alike should not be a bass here and a drum there."""

from __future__ import annotations

import numpy as np

from stemeditor.audio.stft import Spectra
from stemeditor.methods.base import Param
from stemeditor.methods.exported import Array
from stemeditor.methods.masking_core import places
from stemeditor.methods.similarity import alike
from stemeditor.nets.description import Description
from stemeditor.progress import Progress

STEADY = Param(
    "steady_hz",
    "Steady below",
    400.0,
    "Below it, moments that sound alike are taken apart alike: firmer basses and kicks. 0 leaves each to itself.",
    0.0,
    2000.0,
    "Hz",
)

_MOMENTS = 5
_APART_S = 0.3
_LEAST_ALIKE = np.float32(0.9)
"""Cosine from which on moments count, the more the nearer to 1."""

_SUNG = frozenset({"vocals", "speech"})
"""Stems that do not come again as they were: they stay as they are drawn."""


def steadied(masks: Array, spectra: Spectra, top_hz: float, description: Description, progress: Progress) -> Array:
    """Average masks in the low register over moments that sound alike there.

    A network hears each moment in what surrounds it, and takes one and the same low note for a bass here and for a drum
    there. What a stem has of the power of a point is therefore taken from the moments most like it, itself among them:
    the model of kernels, in one step, from the masks as a first guess. Loud moments count more, since it is powers that
    are added up.

    Parameters
    ----------
    masks
        Real and imaginary parts, (2, stems, channels, points, hops); overwritten.
    spectra
        What they are masks of, (channels, bins, hops).
    top_hz
        Where the register ends; 0 changes nothing.
    description
        Of the network that drew them.
    progress
        Checked every few seconds of sound.

    Returns
    -------
    Array
        `masks`.

    References
    ----------
    A. Liutkus, D. Fitzgerald, Z. Rafii, B. Pardo, L. Daudet, Kernel additive models for source separation, IEEE Trans.
    Signal Processing 62, 2014.
    """
    bins = round(top_hz * description.window / description.rate)
    firsts = np.unique(places(description)[:bins], return_index=True)[1]
    stems = [at for at, name in enumerate(description.stems) if name not in _SUNG]
    if not len(firsts) or not stems:
        return masks
    low = spectra[:, :bins]
    powers = np.add.reduceat((np.square(low.real) + np.square(low.imag)).sum(axis=0), firsts)
    drawn = masks[:, stems, :, : len(firsts)]
    apart = max(round(_APART_S * description.rate / description.hop), 1)
    # Of the magnitudes the roots: the loudest partial would be all that counts.
    for start, found, cosines in alike(np.sqrt(np.sqrt(powers)).T, _MOMENTS, apart, progress):
        count = np.maximum(cosines - _LEAST_ALIKE, 0)
        here = slice(start, start + len(found))
        total = np.zeros((*drawn.shape[:-1], len(found)), np.float32)
        weight = np.zeros((len(firsts), len(found)), np.float32)
        for moment, counts in zip(found.T, count.T, strict=True):
            loud = powers[:, moment] * counts
            total += drawn[..., moment] * loud
            weight += loud
        kept = drawn[..., here].copy()
        masks[:, stems, :, : len(firsts), here] = np.divide(total, weight, out=kept, where=weight > 0)
    return masks
