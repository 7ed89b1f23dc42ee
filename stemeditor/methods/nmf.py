"""Non-negative matrix factorisation, plain, with templates in time, and with templates in time and pitch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from stemeditor.audio.stft import Spectra
from stemeditor.methods.base import MethodInfo, Param, Params
from stemeditor.methods.components import OVERRULE, STEMS
from stemeditor.methods.factor import Convolved, Factor, Model, Penalty, Product, Shifted
from stemeditor.methods.factorisation import Factorisation

DIVERGENCE = Param(
    "divergence",
    "Measure of likeness",
    "kl",
    "Kullback-Leibler suits most songs, Itakura-Saito hears quiet parts as much as loud ones, Euclid mostly loud ones.",
    choices=(("kl", "Kullback-Leibler"), ("is", "Itakura-Saito"), ("euclid", "Euclid")),
)


def parts_param(default: int, most: int = 80) -> Param:
    """Return the parameter for the number of parts."""
    return Param(
        "parts",
        "Parts",
        default,
        "More parts tell more notes and strokes apart, but each says less about its instrument.",
        4,
        most,
    )


def passes_param(default: int) -> Param:
    """Return the parameter for the number of updates."""
    return Param("passes", "Passes", default, "More make the parts cleaner, and take longer.", 3, 400)


def learn_param(default: float) -> Param:
    """Return the parameter for the length of what is heard first."""
    return Param(
        "learn_s",
        "Listen to",
        default,
        "How much of the song is heard before it starts; longer knows more of its sounds, and takes longer.",
        5.0,
        180.0,
        "s",
    )


def positive(rng: np.random.Generator, *shape: int) -> Factor:
    """Return random numbers around 1, none near 0."""
    return (0.5 + rng.random(shape)).astype(np.float32)


class _Spectrum:
    """A spectrogram as matrix."""

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s

    def target(self, spectra: Spectra, rate: int, power: bool) -> Factor:
        level = spectra.real**2
        level += spectra.imag**2
        mean: Factor = level.mean(axis=0)
        return mean if power else np.sqrt(mean)

    def gains(self, target: Factor, parts: int, rng: np.random.Generator) -> Factor:
        return positive(rng, parts, target.shape[1])

    def kept(self, spectra: Spectra, share: Factor, rate: int) -> Spectra:
        return spectra * share

    def penalties(self, params: Params, target: Factor) -> dict[int, Penalty]:
        return {}


class _Plain(_Spectrum):
    """W H."""

    def model(self, parts: int) -> Model:
        return Product()

    def begin(self, target: Factor, parts: int, rng: np.random.Generator) -> list[Factor]:
        # Some moments of the song make better first templates than noise: they are already shaped like its sounds.
        moments = np.sort(rng.choice(target.shape[1], parts, replace=target.shape[1] < parts))
        templates = target[:, moments] + 0.1 * target.mean(axis=1, keepdims=True) + np.float32(1e-3)
        templates *= 1.0 + 0.2 * positive(rng, *templates.shape)
        templates /= templates.mean(axis=0)
        return [templates, self.gains(target, parts, rng) / np.float32(parts)]

    def only(self, factors: Sequence[Factor], parts: Sequence[int]) -> tuple[Model, list[Factor]]:
        return Product(), [factors[0][:, parts], factors[1][list(parts)]]

    def summary(self, factors: Sequence[Factor], rate: int, bins: int) -> tuple[Factor, Factor]:
        return factors[0], factors[1]


class _InTime(_Spectrum):
    """Templates of several hops."""

    def __init__(self, window_s: float, lags: int) -> None:
        super().__init__(window_s)
        self._lags = lags

    def model(self, parts: int) -> Model:
        return Convolved()

    def begin(self, target: Factor, parts: int, rng: np.random.Generator) -> list[Factor]:
        hops = target.shape[1]
        templates = np.empty((self._lags, target.shape[0], parts), np.float32)
        for part, start in enumerate(rng.integers(0, max(hops - self._lags, 1), parts)):
            stretch = target[:, start : start + self._lags]
            templates[: stretch.shape[1], :, part] = stretch.T
            templates[stretch.shape[1] :, :, part] = 0.0
        templates += 0.1 * target.mean(axis=1)[:, np.newaxis] + np.float32(1e-3)
        templates /= templates.mean(axis=(0, 1))
        return [templates, self.gains(target, parts, rng) / np.float32(parts * self._lags)]

    def only(self, factors: Sequence[Factor], parts: Sequence[int]) -> tuple[Model, list[Factor]]:
        return Convolved(), [np.ascontiguousarray(factors[0][:, :, parts]), factors[1][list(parts)]]

    def summary(self, factors: Sequence[Factor], rate: int, bins: int) -> tuple[Factor, Factor]:
        templates, gains = factors
        spread = np.zeros_like(gains)
        weight = templates.sum(axis=1) / templates.sum(axis=(0, 1))
        for lag in range(len(templates)):
            spread[:, lag:] += weight[lag][:, np.newaxis] * gains[:, : gains.shape[1] - lag]
        return templates.sum(axis=0), spread


class _InTimeAndPitch(_Spectrum):
    """Templates that move along a logarithmic frequency axis."""

    def __init__(self, window_s: float, lags: int, shifts: int, bins_an_octave: int, lowest_hz: float) -> None:
        super().__init__(window_s)
        self._lags, self._shifts = lags, shifts
        self._bins_an_octave, self._lowest_hz = bins_an_octave, lowest_hz

    def axis(self, rate: int) -> NDArray[np.float64]:
        """Return the frequencies of the logarithmic axis."""
        octaves = np.log2(max(rate / 2, 4 * self._lowest_hz) / self._lowest_hz)
        return self._lowest_hz * 2 ** (np.arange(int(octaves * self._bins_an_octave) + 1) / self._bins_an_octave)

    def target(self, spectra: Spectra, rate: int, power: bool) -> Factor:
        level = super().target(spectra, rate, True)
        found: Factor = self._onto_log(rate, level.shape[0]) @ level
        return found if power else np.sqrt(found)

    def model(self, parts: int) -> Model:
        return Shifted()

    def begin(self, target: Factor, parts: int, rng: np.random.Generator) -> list[Factor]:
        bins, hops = target.shape
        templates = np.empty((self._lags, bins, parts), np.float32)
        for part, moment in enumerate(rng.integers(0, hops, parts)):
            templates[:, :, part] = target[:, moment] + 0.1 * target.mean(axis=1) + 1e-3
        templates *= 1.0 + 0.2 * positive(rng, *templates.shape)
        templates /= templates.mean(axis=(0, 1))
        return [templates, self.gains(target, parts, rng) / np.float32(parts * self._lags)]

    def gains(self, target: Factor, parts: int, rng: np.random.Generator) -> Factor:
        return positive(rng, self._shifts, parts, target.shape[1]) / np.float32(self._shifts)

    def only(self, factors: Sequence[Factor], parts: Sequence[int]) -> tuple[Model, list[Factor]]:
        return Shifted(), [np.ascontiguousarray(factors[0][:, :, parts]), factors[1][:, list(parts)]]

    def summary(self, factors: Sequence[Factor], rate: int, bins: int) -> tuple[Factor, Factor]:
        templates, gains = factors
        height = templates.sum(axis=0)
        moved = np.zeros_like(height)
        strength = gains.sum(axis=2)
        for shift in range(len(gains)):
            moved[shift:] += height[: len(height) - shift] * strength[shift]
        spectra = self._onto_linear(rate, bins) @ (moved / np.maximum(strength.sum(axis=0), np.float32(1e-12)))
        return np.asarray(spectra, np.float32), gains.sum(axis=0)

    def kept(self, spectra: Spectra, share: Factor, rate: int) -> Spectra:
        mask: Factor = self._onto_linear(rate, spectra.shape[1]) @ share
        return spectra * mask

    def _onto_log(self, rate: int, bins: int) -> sparse.csr_array:
        """Return (log bins, bins): each point of the axis takes the power around it, none is lost between two."""
        back = self._onto_linear(rate, bins).T.tocsr()
        # Low points are closer together than the transform's bins: they share one, and shall not be silent.
        total = np.maximum(np.asarray(back.sum(axis=1)).ravel(), 1e-3)
        return sparse.csr_array(sparse.diags_array(1.0 / total) @ back)

    def _onto_linear(self, rate: int, bins: int) -> sparse.csr_array:
        """Return (bins, log bins): linear interpolation between the points of the axis, in log frequency."""
        axis = self.axis(rate)
        hertz = np.maximum(np.arange(bins) * (rate / 2 / max(bins - 1, 1)), self._lowest_hz)
        at = np.clip(np.log2(hertz / self._lowest_hz) * self._bins_an_octave, 0, len(axis) - 1)
        low = np.minimum(at.astype(int), len(axis) - 2)
        weight = at - low
        rows = np.arange(bins)
        entries = (np.r_[1 - weight, weight], (np.r_[rows, rows], np.r_[low, low + 1]))
        return sparse.csr_array(entries, (bins, len(axis)), dtype=np.float32)


class Nmf(Factorisation):
    """Each part a spectrum and its gain over time."""

    kind = _Plain(0.093)
    info = MethodInfo(
        key="nmf",
        name="Parts (NMF)",
        family="factorisation",
        sentence="Finds the notes and strokes a song is made of, and groups them into stems by rules you can overrule.",
        source="D. D. Lee, H. S. Seung, Algorithms for non-negative matrix factorization, NIPS 2000",
        stems=STEMS,
        segment_s=20.0,
        overlap_s=0.5,
        rest="other",
        speed=20.0,
        params=(parts_param(32), DIVERGENCE, passes_param(60), learn_param(60.0), OVERRULE),
    )


class Nmfd(Factorisation):
    """Each part a short stretch of spectrogram and the moments it is struck."""

    kind = _InTime(0.046, 8)
    info = MethodInfo(
        key="nmfd",
        name="Strokes (NMFD)",
        family="factorisation",
        sentence="Finds sounds that return with their attack and decay, such as drums and samples.",
        source="P. Smaragdis, Non-negative matrix factor deconvolution, ICA 2004",
        stems=STEMS,
        segment_s=20.0,
        overlap_s=0.5,
        rest="other",
        speed=10.0,
        params=(parts_param(20, 40), DIVERGENCE, passes_param(40), learn_param(30.0), OVERRULE),
    )


class Nmf2d(Factorisation):
    """Each part one instrument: a stretch of spectrogram that moves along the pitches it plays."""

    kind = _InTimeAndPitch(0.093, 3, 36, 24, 40.0)
    info = MethodInfo(
        key="nmf2d",
        name="Instruments (NMF2D)",
        family="factorisation",
        sentence="Finds instruments of one timbre that play at many pitches. Best with few and steady instruments.",
        source=(
            "M. N. Schmidt, M. Mørup, Nonnegative matrix factor 2-D deconvolution for blind single channel source "
            "separation, ICA 2006"
        ),
        stems=STEMS,
        segment_s=20.0,
        overlap_s=0.5,
        rest="other",
        speed=13.0,
        params=(parts_param(8, 24), DIVERGENCE, passes_param(40), learn_param(20.0), OVERRULE),
    )
