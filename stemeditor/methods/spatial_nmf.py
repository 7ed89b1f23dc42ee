"""Factorisations that know where each part stands between the loudspeakers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.stft import Spectra
from stemeditor.methods.base import MethodInfo, Param, Params
from stemeditor.methods.components import OVERRULE, STEMS
from stemeditor.methods.factor import Factor, Model, Penalty, Placed
from stemeditor.methods.factorisation import Factorisation
from stemeditor.methods.nmf import DIVERGENCE, learn_param, parts_param, passes_param, positive


class Channels:
    """The power of every channel, each source with its own gain to every channel and bin.

    Parameters
    ----------
    window_s
        Of the transform.
    sources
        How many places there are; the parts are shared out among them in turn. None gives every part its own place,
        the same at all frequencies.
    """

    def __init__(self, window_s: float, sources: int | None) -> None:
        self.window_s = window_s
        self._sources = sources

    def target(self, spectra: Spectra, rate: int, power: bool) -> Factor:
        """See `Kind.target`."""
        level = spectra.real**2
        level += spectra.imag**2
        return level if power else np.sqrt(level)

    def model(self, parts: int) -> Model:
        """See `Kind.model`."""
        return Placed(self._belongs(parts))

    def begin(self, target: Factor, parts: int, rng: np.random.Generator) -> list[Factor]:
        """See `Kind.begin`."""
        channels, bins, hops = target.shape
        moments = np.sort(rng.choice(hops, parts, replace=hops < parts))
        mean = target.mean(axis=0)
        templates = mean[:, moments] + 0.1 * mean.mean(axis=1, keepdims=True) + np.float32(1e-3)
        templates *= 1.0 + 0.2 * positive(rng, *templates.shape)
        templates /= templates.mean(axis=0)
        if self._sources is None:
            angles = np.linspace(0.15, np.pi / 2 - 0.15, parts)
            places = np.stack([np.cos(angles), np.sin(angles)])[:channels, np.newaxis]
        else:
            angles = np.linspace(0.15, np.pi / 2 - 0.15, self._sources)
            places = np.stack([np.cos(angles), np.sin(angles)])[:channels, np.newaxis]
        if len(places) < channels:
            places = np.concatenate([places, np.ones((channels - len(places), *places.shape[1:]))])
        if self._sources is not None:
            places = np.repeat(places, bins, axis=1)
        places = (places**2).astype(np.float32) + np.float32(0.05)
        return [places, templates, self.gains(target, parts, rng) / np.float32(parts)]

    def gains(self, target: Factor, parts: int, rng: np.random.Generator) -> Factor:
        """See `Kind.gains`."""
        return positive(rng, parts, target.shape[-1])

    def only(self, factors: Sequence[Factor], parts: Sequence[int]) -> tuple[Model, list[Factor]]:
        """See `Kind.only`."""
        some = list(parts)
        belongs = self._belongs(factors[1].shape[1])[:, some]
        return Placed(belongs), [factors[0], factors[1][:, some], factors[2][some]]

    def summary(self, factors: Sequence[Factor], rate: int, bins: int) -> tuple[Factor, Factor]:
        """See `Kind.summary`."""
        places, templates, gains = factors
        spectra: Factor = ((places @ self._belongs(templates.shape[1])) * templates).mean(axis=0)
        return spectra, gains

    def kept(self, spectra: Spectra, share: Factor, rate: int) -> Spectra:
        """See `Kind.kept`."""
        return spectra * share

    def penalties(self, params: Params, target: Factor) -> dict[int, Penalty]:
        """See `Kind.penalties`."""
        return {}

    def _belongs(self, parts: int) -> Factor:
        sources = self._sources or parts
        found = np.zeros((sources, parts), np.float32)
        found[np.arange(parts) % sources, np.arange(parts)] = 1.0
        return found


class Beams(Channels):
    """The power of fixed beams: the two channels turned to several angles between the loudspeakers.

    A source that stands where a beam points is loud in it and weak in the beam at a right angle, so the beams tell
    sources apart that the channels, both of which hear everything, do not.
    """

    def __init__(self, window_s: float, sources: int, beams: int) -> None:
        super().__init__(window_s, sources)
        angles = np.pi * np.arange(beams) / beams
        self._beams: NDArray[np.float32] = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        self._back: NDArray[np.float32] = np.linalg.pinv(self._beams).astype(np.float32)

    def target(self, spectra: Spectra, rate: int, power: bool) -> Factor:
        """See `Kind.target`."""
        return super().target(self._formed(spectra), rate, power)

    def kept(self, spectra: Spectra, share: Factor, rate: int) -> Spectra:
        """See `Kind.kept`: the share is taken in each beam, and the beams are brought back to channels."""
        masked = self._formed(spectra) * share
        if spectra.shape[0] != 2:
            return masked[:1]
        found: Spectra = np.tensordot(self._back, masked, 1).astype(np.complex64)
        return found

    def _formed(self, spectra: Spectra) -> Spectra:
        if spectra.shape[0] != 2:
            return spectra
        found: Spectra = np.tensordot(self._beams, spectra, 1).astype(np.complex64)
        return found


class SparseChannels(Channels):
    """`Channels` with priors: few parts sound at once, and no two parts share their frequencies."""

    def penalties(self, params: Params, target: Factor) -> dict[int, Penalty]:
        """See `Kind.penalties`: the gradients of both priors, weighted per point of the target."""
        channels, bins, hops = target.shape
        sparse = np.float32(float(params["sparsity"]) * channels * bins / int(params["parts"]))
        apart = np.float32(float(params["disjoint"]) * channels * hops / bins / int(params["parts"]))

        def overlap(factors: Sequence[Factor]) -> Factor:
            templates = factors[1]
            gram = templates.T @ templates
            np.fill_diagonal(gram, 0.0)
            found: Factor = apart * (templates @ gram)
            return found

        return {1: overlap, 2: lambda factors: sparse}


class Ntf(Factorisation):
    """Each part with one place."""

    kind = Channels(0.093, None)
    info = MethodInfo(
        key="ntf",
        name="Placed parts (NTF)",
        family="factorisation",
        sentence="Like Parts, but each part also has its place in stereo. Good when instruments are panned apart.",
        source=(
            "D. FitzGerald, M. Cranitch, E. Coyle, Non-negative tensor factorisation for sound source separation, "
            "Irish Signals and Systems Conference 2005"
        ),
        stems=STEMS,
        segment_s=20.0,
        overlap_s=0.5,
        rest="other",
        speed=9.0,
        stereo=True,
        instead="nmf",
        params=(parts_param(40), DIVERGENCE, passes_param(60), learn_param(40.0), OVERRULE),
    )


class Mnmf(Factorisation):
    """Sources of several parts behind a convolutive mixture, by multiplicative updates of channel powers."""

    kind = Channels(0.093, 6)
    info = MethodInfo(
        key="mnmf",
        name="Multichannel NMF",
        family="factorisation",
        sentence="Models each source with its own colour in each channel. For stereo recordings of a room.",
        source=(
            "A. Ozerov, C. Févotte, Multichannel nonnegative matrix factorization in convolutive mixtures for audio "
            "source separation, IEEE Trans. ASLP 18, 2010"
        ),
        stems=STEMS,
        segment_s=20.0,
        overlap_s=0.5,
        rest="other",
        speed=11.0,
        stereo=True,
        instead="nmf",
        params=(
            parts_param(36),
            Param("divergence", "Measure of likeness", "is", DIVERGENCE.help, choices=DIVERGENCE.choices),
            passes_param(60),
            learn_param(30.0),
            OVERRULE,
        ),
    )


class BeamspaceMnmf(Factorisation):
    """`Mnmf` on beams instead of channels."""

    kind = Beams(0.093, 6, 4)
    info = MethodInfo(
        key="beamspace_mnmf",
        name="Beamspace NMF",
        family="factorisation",
        sentence="Multichannel NMF on directions instead of channels, which tells panned sources apart more clearly.",
        source=(
            "S. Lee, S. H. Park, K.-M. Sung, Beamspace-domain multichannel nonnegative matrix factorization for audio "
            "source separation, IEEE Signal Processing Letters 19, 2012"
        ),
        stems=STEMS,
        segment_s=20.0,
        overlap_s=0.5,
        rest="other",
        speed=6.5,
        stereo=True,
        instead="nmf",
        params=(parts_param(36), DIVERGENCE, passes_param(40), learn_param(30.0), OVERRULE),
    )


class SparseMnmf(Factorisation):
    """`Mnmf` with a disjoint constraint on the spectra and a sparse one on the gains."""

    kind = SparseChannels(0.093, 6)
    info = MethodInfo(
        key="sparse_mnmf",
        name="Sparse multichannel NMF",
        family="factorisation",
        sentence="Multichannel NMF in which few parts sound at once and each keeps to frequencies of its own.",
        source=(
            "J. Wang, S. Guan, Multichannel blind speech source separation with a disjoint constraint source model, "
            "2024"
        ),
        stems=STEMS,
        segment_s=20.0,
        overlap_s=0.5,
        rest="other",
        speed=11.0,
        stereo=True,
        instead="nmf",
        params=(
            parts_param(36),
            Param("sparsity", "Sparsity", 0.05, "Higher lets fewer parts sound at once: clearer, but rougher.", 0, 2.0),
            Param("disjoint", "Disjointness", 0.02, "Higher keeps the parts' frequencies apart.", 0, 2.0),
            Param("divergence", "Measure of likeness", "is", DIVERGENCE.help, choices=DIVERGENCE.choices),
            passes_param(60),
            learn_param(30.0),
            OVERRULE,
        ),
    )
