"""The multichannel Wiener filter, after any method: what a stem has in common across channels is used to clean it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.stft import Spectra
from stemeditor.methods.base import (
    Learner,
    Levelled,
    Method,
    MethodInfo,
    Missing,
    Narrow,
    Needy,
    Param,
    Params,
    Stems,
    Warmable,
)
from stemeditor.methods.spectra import transform_for
from stemeditor.progress import Progress

PASSES = Param(
    "wiener",
    "Wiener passes",
    0,
    "Each pass cleans the stems by where they stand in stereo: fewer leaks, softer attacks. 0 leaves them as they are.",
    0,
    4,
)

_WINDOW_S = 0.093
_ROWS_A_CHECK = 64
_LEAST = 1e-5


def filtered(mix: Spectra, stems: list[Spectra], passes: int, progress: Progress) -> list[Spectra]:
    """Return the posterior means of Gaussian sources after expectation maximisation.

    Each stem has a power at every point and a covariance between the channels at every frequency. A pass estimates both
    from the stems so far and filters the mix with them; the results add up to the mix but for what keeps the inverse
    stable.

    Parameters
    ----------
    mix
        (channels, bins, hops).
    stems
        As many of the same shape.
    passes
        How often.
    progress
        Checked every few bins.

    References
    ----------
    N. Q. K. Duong, E. Vincent, R. Gribonval, Under-determined reverberant audio source separation using a full-rank
    spatial covariance model, IEEE Trans. ASLP 18, 2010, eq. 6, 21 and 22.
    A. A. Nugraha, A. Liutkus, E. Vincent, Multichannel audio source separation with deep neural networks, IEEE/ACM
    Trans. ASLP 24, 2016, algorithm 1.
    """
    found = [stem.copy() for stem in stems]
    channels, bins, _ = mix.shape
    scale = max(float(np.abs(mix).max()), 1e-12)
    eye = np.eye(channels, dtype=np.complex64)
    for start in range(0, bins, _ROWS_A_CHECK):
        rows = slice(start, start + _ROWS_A_CHECK)
        whole = np.ascontiguousarray(mix[:, rows].transpose(1, 2, 0)) / np.float32(scale)
        parts = [np.ascontiguousarray(stem[:, rows].transpose(1, 2, 0)) / np.float32(scale) for stem in found]
        for _ in range(passes):
            models = []
            for part in parts:
                progress.check()
                power = (part.real**2 + part.imag**2).mean(axis=2)
                spatial = np.matmul(part.transpose(0, 2, 1), part.conj()) / np.maximum(
                    power.sum(axis=1), np.float32(1e-12)
                ).reshape(-1, 1, 1)
                models.append((power, spatial))
            total = np.zeros((*whole.shape, channels), np.complex64)
            for power, spatial in models:
                progress.check()
                total += power[:, :, np.newaxis, np.newaxis] * spatial[:, np.newaxis]
            floor = np.float32(_LEAST) * np.einsum("ftcc->ft", total).real / channels + np.float32(1e-14)
            total += floor[:, :, np.newaxis, np.newaxis] * eye
            progress.check()
            explained = np.matmul(_inverse(total), whole[..., np.newaxis])
            progress.check()
            parts = [
                power[:, :, np.newaxis] * np.matmul(spatial[:, np.newaxis], explained)[..., 0]
                for power, spatial in models
            ]
        for stem, part in zip(found, parts, strict=True):
            stem[:, rows] = (part * np.float32(scale)).transpose(2, 0, 1)
    return found


def _inverse(matrices: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Return the inverses of (..., n, n); in closed form for one and two channels."""
    size = matrices.shape[-1]
    if size == 1:
        return np.asarray(1.0 / matrices, np.complex64)
    if size == 2:
        a, b, c, d = matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 0], matrices[..., 1, 1]
        found = np.empty_like(matrices)
        found[..., 0, 0], found[..., 0, 1], found[..., 1, 0], found[..., 1, 1] = d, -b, -c, a
        found /= (a * d - b * c)[..., np.newaxis, np.newaxis]
        return found
    return np.asarray(np.linalg.inv(matrices), np.complex64)


class Refined:
    """Any method, followed by the Wiener filter as often as its parameter `wiener` says."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self.info: MethodInfo = replace(method.info, params=(*method.info.params, PASSES))

    @property
    def silence(self) -> float:
        """See `Levelled`."""
        return self.method.silence if isinstance(self.method, Levelled) else 0.0

    def missing(self) -> Missing | None:
        """Return what the method lacks on this machine, or None."""
        return self.method.missing() if isinstance(self.method, Needy) else None

    def warm(self) -> None:
        """See `Warmable`."""
        if isinstance(self.method, Warmable):
            self.method.warm()

    def only(self, stems: Iterable[str]) -> Method:
        """Return the method for some of its stems, quicker where the others are no by-product; see `Narrow`."""
        return refined(self.method.only(stems)) if isinstance(self.method, Narrow) else self

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        passes = int(params[PASSES.name])
        stems = self.method.separate(mix, params, progress)
        if passes == 0 or not mix.samples.any():
            return stems
        rest: Samples = mix.samples.astype(np.float64)
        for samples in stems.values():
            rest = rest - samples
        transform = transform_for(mix.rate, _WINDOW_S)
        spectra = []
        for samples in (*stems.values(), rest.astype(np.float32)):
            progress.check()
            spectra.append(transform.forward(samples))
        whole = transform.forward(mix.samples)
        found = filtered(whole, spectra, passes, progress)
        out: Stems = {}
        for name, spectrum in zip(stems, found, strict=False):
            progress.check()
            out[name] = transform.inverse(spectrum, mix.frames)
        return out


class RefinedLearner(Refined):
    """`Refined` for a method that listens first."""

    def __init__(self, method: Method, learner: Learner) -> None:
        super().__init__(method)
        self._learner = learner

    def learn(self, song: Audio, params: Params, progress: Progress) -> Refined:
        """See `Learner.learn`."""
        return Refined(self._learner.learn(song, params, progress))


def refined(method: Method) -> Refined:
    """Return the method with the filter behind it."""
    return RefinedLearner(method, method) if isinstance(method, Learner) else Refined(method)
