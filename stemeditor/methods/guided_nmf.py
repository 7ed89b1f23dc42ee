"""Factorisation shown what to look for: a stretch of the song in which the wanted sound can be heard alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stemeditor.audio.buffer import Audio
from stemeditor.audio.stft import Spectra
from stemeditor.methods.base import MethodInfo, Param, Params, Stems
from stemeditor.methods.excerpt import excerpt
from stemeditor.methods.factor import KL, Factor, Product, fit, scaled
from stemeditor.methods.nmf import learn_param, passes_param, positive
from stemeditor.methods.spectra import magnitude, transform_for
from stemeditor.progress import Part, Progress, Unshown

_WINDOW_S = 0.093
_SEED = 3
_SHORTEST_S = 0.2


class Joined:
    """V = [A B] H: `factors` are A (bins, wanted), B (bins, others) and H (wanted + others, hops)."""

    def value(self, factors: Sequence[Factor]) -> Factor:
        """See `Model.value`."""
        wanted, others, gains = factors
        count = wanted.shape[1]
        return wanted @ gains[:count] + others @ gains[count:]

    def pull(self, factors: Sequence[Factor], index: int, target: Factor) -> Factor:
        """See `Model.pull`."""
        wanted, others, gains = factors
        count = wanted.shape[1]
        if index == 2:
            return np.concatenate([wanted.T @ target, others.T @ target])
        return target @ (gains[:count] if index == 0 else gains[count:]).T


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """Templates of the wanted sound and of everything else."""

    info: MethodInfo
    wanted: Factor
    others: Factor
    scale: float

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        if self.scale == 0.0 or not mix.samples.any():
            return {"wanted": np.zeros_like(mix.samples)}
        transform = transform_for(mix.rate, _WINDOW_S)
        spectra: Spectra = transform.forward(mix.samples)
        progress.check()
        target = magnitude(spectra) / np.float32(self.scale)
        count = self.wanted.shape[1] + self.others.shape[1]
        gains = positive(np.random.default_rng(_SEED), count, target.shape[1])
        factors = [self.wanted, self.others, gains]
        factors = fit(
            target,
            Joined(),
            factors,
            beta=KL,
            passes=max(int(params["passes"]) // 2, 1),
            progress=Unshown(progress),
            free=(2,),
        )
        mine = self.wanted @ factors[2][: self.wanted.shape[1]]
        mask = mine / np.maximum(Joined().value(factors), np.float32(1e-12))
        progress.check()
        return {"wanted": transform.inverse(spectra * mask, mix.frames)}


class GuidedNmf:
    """Semi-supervised factorisation: templates from an example, held while the rest of the song finds its own."""

    info = MethodInfo(
        key="guided_nmf",
        name="By example (guided NMF)",
        family="factorisation",
        sentence="Name a stretch where the wanted sound is alone; it is then found in the whole song.",
        source=(
            "P. Smaragdis, B. Raj, M. Shashanka, Supervised and semi-supervised separation of sounds from "
            "single-channel mixtures, ICA 2007"
        ),
        stems=("wanted", "rest"),
        segment_s=20.0,
        overlap_s=0.5,
        rest="rest",
        speed=30.0,
        params=(
            Param("from_s", "Alone from", 0.0, "Where the wanted sound begins to be alone.", 0.0, 36000.0, "s"),
            Param("to_s", "Alone to", 2.0, "Where it ends to be alone; a second or two is enough.", 0.0, 36000.0, "s"),
            Param(
                "wanted", "Parts of the wanted", 12, "More describe it in more detail, and catch more others.", 1, 60
            ),
            Param("parts", "Parts of the others", 24, "More keep the others out of the wanted sound.", 2, 80),
            passes_param(40),
            learn_param(40.0),
        ),
    )

    def learn(self, song: Audio, params: Params, progress: Progress) -> _Shown:
        """See `Learner.learn`."""
        rate = song.rate
        start = min(round(float(params["from_s"]) * rate), song.frames)
        stop = max(round(float(params["to_s"]) * rate), start + round(_SHORTEST_S * rate))
        transform = transform_for(rate, _WINDOW_S)
        rng = np.random.default_rng(_SEED)
        passes, wanted, parts = int(params["passes"]), int(params["wanted"]), int(params["parts"])
        nothing = np.zeros((transform.bins, 1), np.float32)
        heard, scale = scaled(magnitude(transform.forward(excerpt(song, float(params["learn_s"])).samples)))
        progress.check()
        example, own = scaled(magnitude(transform.forward(song.slice(start, stop).samples)))
        progress.check()
        if scale == 0.0 or own == 0.0:
            return _Shown(self.info, nothing, nothing, 0.0)
        shown, _ = fit(
            example,
            Product(),
            [positive(rng, transform.bins, wanted), positive(rng, wanted, example.shape[1])],
            beta=KL,
            passes=passes,
            progress=Part(progress, 0.0, 0.3),
        )
        shown = shown / np.maximum(shown.mean(axis=0), np.float32(1e-12))
        mean = heard.mean(axis=1, keepdims=True)
        others = mean * positive(rng, transform.bins, parts) + np.float32(1e-3)
        gains = positive(rng, wanted + parts, heard.shape[1]) / np.float32(wanted + parts)
        found = fit(
            heard,
            Joined(),
            [shown, others, gains],
            beta=KL,
            passes=passes,
            progress=Part(progress, 0.3, 1.0),
            free=(1, 2),
        )
        return _Shown(self.info, shown, found[1], scale)

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`: learns from the piece itself."""
        return self.learn(mix, params, progress).separate(mix, params, progress)
