"""Separation by likeness: each source is predicted from the points that are like it."""

from __future__ import annotations

import numpy as np

from stemeditor.audio.buffer import Audio
from stemeditor.methods.base import MethodInfo, Param, Params, Stems
from stemeditor.methods.hpss import along_frequency, along_time, odd
from stemeditor.methods.masks import ramp_up, shares, soft
from stemeditor.methods.repet import beat_spectrum, period, repeating
from stemeditor.methods.repet_sim import background
from stemeditor.methods.spectra import all_masked, magnitude, masked, transform_for
from stemeditor.methods.stereo import centredness
from stemeditor.progress import Progress


class Knn:
    """Foreground and background by the nearest hops, with a margin for each."""

    info = MethodInfo(
        key="knn",
        name="Nearest neighbours (KNN)",
        family="repetition",
        sentence="Compares each moment with those most like it; what none of them has is foreground, such as a voice.",
        source=(
            "P. R. Kunekar et al., Audio feature extraction: foreground and background audio separation using KNN "
            "algorithm, 2023; Z. Rafii, B. Pardo, Music/voice separation using the similarity matrix, ISMIR 2012"
        ),
        stems=("foreground", "background"),
        segment_s=30.0,
        overlap_s=2.0,
        speed=35.0,
        params=(
            Param("neighbours", "Neighbours", 16, "More blur the background, fewer follow its changes.", 3, 60),
            Param("apart_s", "Distance", 2.0, "How far apart moments must be to count as another one.", 0.1, 5.0, "s"),
            Param(
                "margin_front", "Foreground margin", 3.0, "Higher keeps more background out of the foreground.", 1, 20
            ),
            Param(
                "margin_back", "Background margin", 2.0, "Higher keeps more foreground out of the background.", 1, 20
            ),
        ),
    )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        transform = transform_for(mix.rate, 0.046)
        spectra = transform.forward(mix.samples)
        progress.check()
        level = magnitude(spectra)
        apart = max(round(float(params["apart_s"]) * mix.rate / transform.hop), 1)
        behind = background(level, int(params["neighbours"]), apart, progress)
        front = level - behind
        # With margins above 1 the two do not share everything out: what is unclear goes to the residual.
        to_front = soft(front, behind * np.float32(params["margin_front"]))
        progress.check()
        to_back = np.minimum(soft(behind, front * np.float32(params["margin_back"])), 1.0 - to_front)
        progress.check()
        return {
            "foreground": masked(spectra, to_front, transform, mix),
            "background": masked(spectra, to_back, transform, mix),
        }


class Kam:
    """Kernel additive modelling: every source is smoothed along its own kind of neighbourhood, again and again."""

    info = MethodInfo(
        key="kam",
        name="Kernels (KAM)",
        family="repetition",
        sentence="Predicts voice, drums, loops and held notes each from their own neighbours. For songs on a loop.",
        source=(
            "A. Liutkus, D. Fitzgerald, Z. Rafii, B. Pardo, L. Daudet, Kernel additive models for source separation, "
            "IEEE Trans. Signal Processing 62, 2014"
        ),
        stems=("vocals", "drums", "bass", "other"),
        segment_s=24.0,
        overlap_s=1.5,
        rest="other",
        speed=36.0,
        params=(
            Param("rounds", "Rounds", 2, "More make the sources agree better, and take longer.", 1, 6),
            Param(
                "cross_s", "Voice reaches", 0.06, "Longer blurs the voice, shorter gives it more drums.", 0.02, 0.2, "s"
            ),
            Param("focus", "Voice in the middle", 4.0, "Higher gives the voice only what is in the middle.", 0.0, 20.0),
            Param(
                "bass_top_hz", "Bass ends at", 190.0, "Higher gives the bass more of other instruments.", 80, 500, "Hz"
            ),
        ),
    )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        transform = transform_for(mix.rate, 0.093)
        spectra = transform.forward(mix.samples)
        progress.check()
        level = magnitude(spectra)
        frequencies = transform.frequencies(mix.rate)
        hop_s = transform.hop / mix.rate
        beats = beat_spectrum(level, progress)
        longest = max(round(6.0 / hop_s), 4)
        length = period(beats, max(round(0.8 / hop_s), 2), longest)
        middle = centredness(spectra) ** np.float32(params["focus"])
        middle *= ramp_up(frequencies, 110.0, 220.0)
        top = float(params["bass_top_hz"])
        low = 1.0 - ramp_up(frequencies, top * 0.63, top * 1.58)
        across = odd(300.0 * transform.window / mix.rate)
        voice_hops, held_hops = odd(float(params["cross_s"]) / hop_s), odd(0.3 / hop_s)
        voice_bins = odd(25.0 * transform.window / mix.rate)
        drums = bass = voice = held = loop = level / np.float32(5)
        for _ in range(int(params["rounds"])):
            share = shares(np.stack([voice, drums, bass, held, loop]) ** 2)
            voice, drums, bass, held, loop = (share[index] * level for index in range(5))
            progress.check()
            # Each kernel: where the neighbours of a point of this source lie.
            drums = along_frequency(drums, across, progress)
            held = along_time(held, held_hops, progress) * (1.0 - low)
            bass = along_time(bass, odd(0.12 / hop_s), progress) * low
            loop = repeating(loop, length, progress)
            voice = along_frequency(along_time(voice, voice_hops, progress), voice_bins, progress) * middle
        share = shares(np.stack([voice, drums, bass, held + loop]) ** 2)
        masks = dict(zip(self.info.stems[:-1], share, strict=False))
        return all_masked(spectra, masks, transform, mix, progress)
