"""Where sound stands between the loudspeakers."""

from __future__ import annotations

import numpy as np

from stemeditor.audio.buffer import Audio
from stemeditor.audio.stft import Spectra
from stemeditor.methods.base import MethodInfo, Param, Params, Stems
from stemeditor.methods.masks import Magnitude, ramp_up
from stemeditor.methods.spectra import masked, transform_for
from stemeditor.progress import Progress

_SMOOTH_HOPS = 3


def centredness(spectra: Spectra) -> Magnitude:
    """Return how much each point stands in the middle, 1 for the same in both channels, 0 for anything else.

    The similarity of Avendano and Jot (eq. 3), 2 Re(L R*) / (|L|^2 + |R|^2), smoothed over neighbouring hops; negative
    values (opposite phase) count as 0. Mono spectra give 1 throughout.

    Parameters
    ----------
    spectra
        (1 or 2, bins, hops).

    Returns
    -------
    ndarray
        (bins, hops) float32, 0 to 1.
    """
    from scipy.ndimage import uniform_filter1d

    if spectra.shape[0] == 1:
        return np.ones(spectra.shape[1:], np.float32)
    left, right = spectra[0], spectra[1]
    cross = 2 * (left.real * right.real + left.imag * right.imag)
    power = left.real**2 + left.imag**2 + right.real**2 + right.imag**2
    cross = uniform_filter1d(cross, _SMOOTH_HOPS, axis=1)
    power = uniform_filter1d(power, _SMOOTH_HOPS, axis=1)
    return np.clip(cross / np.maximum(power, 1e-12), 0.0, 1.0)


class Centre:
    """What stands in the middle (mostly the voice) from what stands at the sides."""

    info = MethodInfo(
        key="centre",
        name="Centre and sides",
        family="stereo",
        sentence="Takes what both loudspeakers share from what stands at the sides. Needs a real stereo mix.",
        source="C. Avendano, J.-M. Jot, A frequency-domain approach to multichannel upmix, JAES 52, 2004",
        stems=("centre", "sides"),
        segment_s=20.0,
        overlap_s=0.5,
        rest="sides",
        speed=70.0,
        params=(
            Param(
                "focus",
                "Focus",
                6.0,
                "Higher takes only what is exactly in the middle, lower also what is near it.",
                1.0,
                40.0,
            ),
            Param(
                "low_cut_hz",
                "Begins at",
                20.0,
                "Below it everything belongs to the sides; raise it to leave bass and kick out of the centre.",
                20.0,
                400.0,
                "Hz",
            ),
        ),
    )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        transform = transform_for(mix.rate, 0.09)
        spectra = transform.forward(mix.samples)
        progress.check()
        mask = centredness(spectra) ** np.float32(params["focus"])
        low = float(params["low_cut_hz"])
        if low > 20.0:
            mask *= ramp_up(transform.frequencies(mix.rate), low * 0.8, low * 1.25)
        progress.check()
        return {"centre": masked(spectra, mask, transform, mix)}
