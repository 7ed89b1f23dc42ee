"""Parts of a spectrogram, found by non-negative factorisation, grouped into stems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.stft import Spectra, Stft
from stemeditor.errors import UserError
from stemeditor.methods.base import MethodInfo, Params, Stems
from stemeditor.methods.components import Component, measured, overruled
from stemeditor.methods.excerpt import excerpt
from stemeditor.methods.factor import EUCLID, IS, KL, Factor, Model, Penalty, fit, scaled
from stemeditor.methods.hpss import along_frequency, along_time, odd
from stemeditor.methods.masks import soft
from stemeditor.methods.spectra import magnitude, transform_for
from stemeditor.progress import Part, Progress, Unshown

DIVERGENCES = {"kl": KL, "is": IS, "euclid": EUCLID}
_SEED = 2
_LEARNING_SHARE = 0.95
_NOTE_S = 0.2
_STROKE_HZ = 300.0


class Kind(Protocol):
    """What one factorisation makes of spectra, and how it begins. The last factor are the gains over time."""

    window_s: float

    def target(self, spectra: Spectra, rate: int, power: bool) -> Factor:
        """Return what is factorised: magnitudes, or powers."""

    def model(self, parts: int) -> Model:
        """Return the model of that many parts."""

    def begin(self, target: Factor, parts: int, rng: np.random.Generator) -> list[Factor]:
        """Return factors to begin with."""

    def gains(self, target: Factor, parts: int, rng: np.random.Generator) -> Factor:
        """Return gains to begin with, for a new target."""

    def only(self, factors: Sequence[Factor], parts: Sequence[int]) -> tuple[Model, list[Factor]]:
        """Return the model of some parts alone."""

    def summary(self, factors: Sequence[Factor], rate: int, bins: int) -> tuple[Factor, Factor]:
        """Return (bins, parts) spectra on the transform's axis and (parts, hops) gains, in the target's unit."""

    def kept(self, spectra: Spectra, share: Factor, rate: int) -> Spectra:
        """Return the spectra of what a share (0 to 1, of the shape of the target) leaves of `spectra`."""

    def penalties(self, params: Params, target: Factor) -> dict[int, Penalty]:
        """Return the priors."""


@dataclass(frozen=True, slots=True, eq=False)
class Factorised:
    """Templates learned from a song, grouped; takes its pieces apart by finding their gains.

    Parameters
    ----------
    info
        Of the method.
    kind
        What it factorises.
    factors
        Learned, gains included (those are of the excerpt).
    parts
        Measured and placed.
    scale
        What the target is divided by.
    beta
        Divergence.
    """

    info: MethodInfo
    kind: Kind
    factors: tuple[Factor, ...]
    parts: tuple[Component, ...]
    scale: float
    beta: float

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        names = tuple(name for name in self.info.stems if name != self.info.rest)
        if self.scale == 0.0 or not mix.samples.any():
            return {name: np.zeros_like(mix.samples) for name in names}
        transform = transform_for(mix.rate, self.kind.window_s)
        spectra = transform.forward(mix.samples)
        progress.check()
        target = self.kind.target(spectra, mix.rate, self.beta == IS) / np.float32(self.scale)
        count = len(self.parts)
        rng = np.random.default_rng(_SEED)
        factors = [*self.factors[:-1], self.kind.gains(target, count, rng)]
        factors = fit(
            target,
            self.kind.model(count),
            factors,
            beta=self.beta,
            passes=max(int(params["passes"]) // 3, 1),
            progress=Unshown(progress),
            free=(len(factors) - 1,),
            penalties=self.kind.penalties(params, target),
        )
        whole = self.kind.model(count).value(factors)
        found: Stems = {}
        for name in names:
            progress.check()
            mine = [part.number - 1 for part in self.parts if part.stem == name]
            if not mine:
                found[name] = np.zeros_like(mix.samples)
                continue
            share = self._share(factors, mine, whole)
            progress.check()
            found[name] = transform.inverse(self.kind.kept(spectra, share, mix.rate), mix.frames)
        return found

    def alone(self, heard: Audio, number: int, progress: Progress) -> Samples:
        """Return how one part sounds.

        Parameters
        ----------
        heard
            The excerpt that the parts were learned from.
        number
            Of the part, from 1.
        progress
            Asked whether to stop.

        Returns
        -------
        Samples
            As `heard`, and with all other parts it adds up to that.
        """
        transform = transform_for(heard.rate, self.kind.window_s)
        spectra = transform.forward(heard.samples)
        progress.check()
        whole = self.kind.model(len(self.parts)).value(self.factors)
        share = self._share(self.factors, [number - 1], whole)
        progress.check()
        return transform.inverse(self.kind.kept(spectra, share, heard.rate), heard.frames)

    def _share(self, factors: Sequence[Factor], parts: Sequence[int], whole: Factor) -> Factor:
        """Return what some parts have of every point, 0 to 1; `whole` is the model of all."""
        model, some = self.kind.only(factors, parts)
        share: Factor = model.value(some) / np.maximum(whole, np.float32(1e-12))
        return share


class Factorisation:
    """A method that learns parts from an excerpt and groups them. Children say their `info` and `kind`."""

    info: MethodInfo
    kind: Kind

    def learn(self, song: Audio, params: Params, progress: Progress) -> Factorised:
        """See `Learner.learn`."""
        heard = excerpt(song, float(params["learn_s"]))
        transform = transform_for(song.rate, self.kind.window_s)
        spectra = transform.forward(heard.samples)
        progress.check()
        beta = DIVERGENCES[str(params.get("divergence", "kl"))]
        target, scale = scaled(self.kind.target(spectra, song.rate, beta == IS))
        count = int(params["parts"])
        if scale == 0.0:
            return Factorised(self.info, self.kind, (), (), 0.0, beta)
        rng = np.random.default_rng(_SEED)
        factors = fit(
            target,
            self.kind.model(count),
            self.kind.begin(target, count, rng),
            beta=beta,
            passes=int(params["passes"]),
            progress=Part(progress, 0.0, _LEARNING_SHARE),
            penalties=self.kind.penalties(params, target),
        )
        parts = self._grouped(factors, spectra, song.rate, transform, beta == IS, progress)
        try:
            parts = overruled(parts, str(params.get("overrule", "")), self.info.stems)
        except ValueError as problem:
            raise UserError(f"{problem}.", "Write “3 vocals, 7 drums”.") from problem
        return Factorised(self.info, self.kind, tuple(factors), parts, scale, beta)

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`: learns from the piece itself."""
        return self.learn(mix, params, progress).separate(mix, params, progress)

    def _grouped(
        self,
        factors: Sequence[Factor],
        spectra: Spectra,
        rate: int,
        transform: Stft,
        power: bool,
        progress: Progress,
    ) -> tuple[Component, ...]:
        templates, gains = self.kind.summary(factors, rate, transform.bins)
        if not power:
            templates, gains = np.square(templates), np.square(gains)
        # What each part has of the song: its share of every point, times what is there.
        there = spectra.real**2 + spectra.imag**2
        there /= np.maximum(templates @ gains, np.float32(1e-9))
        progress.check()
        channels = np.stack([_caught(templates, channel, gains) for channel in there])
        balance = (channels[-1] - channels[0]) / np.maximum(channels[-1] + channels[0], 1e-20)
        frequencies = transform.frequencies(rate)
        hop_s = transform.hop / rate
        level = magnitude(spectra)
        lasting = along_time(level, odd(_NOTE_S / hop_s), progress)
        strokes = along_frequency(level, odd(_STROKE_HZ / max(float(frequencies[1]), 1e-9)), progress)
        struck = _caught(templates, there.mean(axis=0) * soft(strokes, lasting), gains)
        percussive = struck / np.maximum(channels.mean(axis=0), 1e-20)
        return measured(templates, gains, percussive, balance, frequencies, hop_s)


def _caught(templates: Factor, points: Factor, gains: Factor) -> NDArray[np.float32]:
    """Return (parts,): the sum of `points`, (bins, hops), weighted by each part's own spectrogram."""
    found: NDArray[np.float32] = ((templates.T @ points) * gains).sum(axis=1)
    return found
