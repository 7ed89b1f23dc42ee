"""One direction out of a panned mix: azimuth discrimination and resynthesis."""

from __future__ import annotations

import numpy as np

from stemeditor.audio.buffer import Audio
from stemeditor.audio.stft import Spectra
from stemeditor.methods.base import MethodInfo, Param, Params, Stems
from stemeditor.methods.masks import Magnitude
from stemeditor.methods.spectra import masked, transform_for
from stemeditor.progress import Progress

_HOPS_A_CHECK = 64


def null_places(left: Spectra, right: Spectra, progress: Progress) -> tuple[Magnitude, Magnitude]:
    """Return where each point cancels best when one channel is scaled and taken from the other, and how deep.

    The gain that a pan pot gives the weaker channel is the one at which subtracting cancels the source. The best gain
    in least squares stands for the search over a table of gains (eq. 5 to 8): Re(L R*) / |louder|^2, held in [0, 1].

    Parameters
    ----------
    left, right
        (bins, hops).

    Returns
    -------
    place, depth : ndarray
        (bins, hops): -1 hard left to 1 hard right, and 0 to 1: the share of the point's magnitude that cancels.
    """
    place = np.empty(left.shape, np.float32)
    depth = np.empty(left.shape, np.float32)
    for start in range(0, left.shape[1], _HOPS_A_CHECK):
        progress.check()
        part = slice(start, start + _HOPS_A_CHECK)
        one, other = left[:, part], right[:, part]
        mine, theirs = np.abs(one), np.abs(other)
        cross = one.real * other.real + one.imag * other.imag
        louder = np.maximum(np.maximum(mine, theirs), np.float32(1e-10))
        gain = np.clip(cross / louder**2, 0.0, 1.0)
        leans_left = mine >= theirs
        weaker = np.where(leans_left, theirs, mine)
        # |weaker - g louder|^2 = weaker^2 - 2 g cross + g^2 louder^2
        left_over = np.sqrt(np.maximum(weaker**2 - 2 * gain * cross + gain**2 * louder**2, 0.0))
        depth[:, part] = np.clip(1.0 - left_over / louder, 0.0, 1.0)
        # A gain is an angle of a constant-power pan pot: 1 is the middle, 0 the side.
        angle = np.arctan(gain) / (np.pi / 4)
        place[:, part] = np.where(leans_left, angle - 1.0, 1.0 - angle)
    return place, depth


class Adress:
    """Takes what stands at one place between the loudspeakers."""

    info = MethodInfo(
        key="adress",
        name="One direction (ADRess)",
        family="stereo",
        sentence="Takes what stands at one place between the loudspeakers: a guitar left, a voice mid.",
        source=(
            "D. Barry, B. Lawlor, E. Coyle, Sound source separation: azimuth discrimination and resynthesis, DAFx 2004"
        ),
        stems=("wanted", "rest"),
        segment_s=20.0,
        overlap_s=0.5,
        rest="rest",
        speed=170.0,
        stereo=True,
        instead="repet_sim",
        params=(
            Param("place", "Place", 0.0, "-1 is left, 0 the middle, 1 right.", -1.0, 1.0),
            Param("width", "Width", 0.25, "Wider takes more of the neighbours.", 0.05, 1.0),
            Param("clean", "Cleanness", 2.0, "Higher takes only what clearly stands there.", 0.0, 10.0),
        ),
    )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        transform = transform_for(mix.rate, 0.093)
        spectra = transform.forward(mix.samples)
        progress.check()
        place, depth = null_places(spectra[0], spectra[-1], progress)
        away = np.abs(place - np.float32(params["place"])) / np.float32(params["width"])
        mask = 0.5 + 0.5 * np.cos(np.pi * np.minimum(away, 1.0))
        progress.check()
        mask = mask * depth ** np.float32(params["clean"])
        progress.check()
        return {"wanted": masked(spectra, mask.astype(np.float32), transform, mix)}
