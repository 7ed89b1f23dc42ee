"""What comes again is background: repetition found by similarity."""

from __future__ import annotations

import numpy as np

from stemeditor.audio.buffer import Audio
from stemeditor.methods.base import MethodInfo, Param, Params, Stems
from stemeditor.methods.masks import Magnitude, ramp_up, turned
from stemeditor.methods.medians import medians
from stemeditor.methods.similarity import alike
from stemeditor.methods.spectra import HOPS_A_WINDOW, magnitude, masked, transform_for
from stemeditor.progress import Progress

_HOPS_A_CHECK = 16


def background(level: Magnitude, neighbours: int, apart_hops: int, progress: Progress) -> Magnitude:
    """Return the part of a spectrogram that repeats: (bins, hops), never more than `level`.

    For every hop the `neighbours` most similar ones (cosine, eq. 1), one of every `apart_hops` at most, are found in
    the whole stretch; the background is the median over them (eq. 2), held below what is there (eq. 3).
    """
    spectra = turned(level, progress)
    out = np.empty_like(spectra)
    for start, found, _ in alike(spectra, neighbours, apart_hops, progress):
        for first in range(0, len(found), _HOPS_A_CHECK):
            progress.check()
            few = found[first : first + _HOPS_A_CHECK]
            out[start + first : start + first + len(few)] = medians(spectra[few.T])
    return turned(np.minimum(out, spectra), progress)


class RepetSim:
    """The voice from its accompaniment: what is sung changes, what is played comes again."""

    info = MethodInfo(
        key="repet_sim",
        name="Repetition (REPET-SIM)",
        family="repetition",
        sentence="Keeps what recurs as accompaniment and gives the rest to the voice. Good on loops and riffs.",
        source="Z. Rafii, B. Pardo, Music/voice separation using the similarity matrix, ISMIR 2012",
        stems=("vocals", "accompaniment"),
        segment_s=30.0,
        overlap_s=2.0,
        rest="accompaniment",
        speed=35.0,
        params=(
            Param(
                "neighbours",
                "Repetitions",
                20,
                "More blurs the accompaniment into what recurs most often, fewer follows its changes.",
                3,
                60,
            ),
            Param(
                "apart_s",
                "Distance",
                0.6,
                "Raise it if long notes of the voice stay in the accompaniment.",
                0.1,
                3.0,
                "s",
            ),
            Param(
                "low_cut_hz",
                "Voice begins at",
                100.0,
                "Below it everything belongs to the accompaniment.",
                20.0,
                400.0,
                "Hz",
            ),
        ),
    )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        transform = transform_for(mix.rate, 0.06)
        spectra = transform.forward(mix.samples)
        level = magnitude(spectra)
        hop_s = transform.window / HOPS_A_WINDOW / mix.rate
        apart = max(round(float(params["apart_s"]) / hop_s), 1)
        repeating = background(level, int(params["neighbours"]), apart, progress)
        mask = 1.0 - repeating / np.maximum(level, 1e-10)
        low = float(params["low_cut_hz"])
        mask *= ramp_up(transform.frequencies(mix.rate), low * 0.8, low * 1.25)
        return {"vocals": masked(spectra, mask.astype(np.float32), transform, mix)}
