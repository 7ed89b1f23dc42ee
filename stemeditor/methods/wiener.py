"""The multichannel Wiener filter, after any method: what a stem has in common across channels is used to clean it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemeditor import threads
from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.stft import Spectra
from stemeditor.methods.base import (
    Grouping,
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
_POINTS = 40_000
"""Filtered together, by one thread: more do not fit into its cache, with fewer threads wait for each other."""

_LEAST = 1e-5

Floor: TypeAlias = Callable[[NDArray[np.float32]], "NDArray[np.float32] | np.float32"]
"""What is added to the modelled powers, of their mean over the channels, (bins, hops): it keeps the inverse stable."""


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
    scale = max(float(np.abs(mix).max(initial=0.0)), 1e-12)
    return scaled(mix, stems, passes, scale, lambda power: np.float32(_LEAST) * power + np.float32(1e-14), progress)


def scaled(
    mix: Spectra, stems: list[Spectra], passes: int, scale: float, floor: Floor, progress: Progress
) -> list[Spectra]:
    """Return what `filtered` does, computed at levels divided by `scale`, with a floor of one's own."""
    found = [np.empty_like(stem) for stem in stems]
    down, up = np.float32(1 / scale), np.float32(scale)
    some = max(_POINTS // max(mix.shape[-1], 1), 1)

    def filter_rows(start: int) -> None:
        rows = slice(start, start + some)
        song = mix[:, rows] * down
        parts = [stem[:, rows] * down for stem in stems]
        for _ in range(passes):
            progress.check()
            parts = _once(song, parts, floor)
        for stem, part in zip(found, parts, strict=True):
            np.multiply(part, up, out=stem[:, rows])

    threads.each(filter_rows, range(0, mix.shape[1], some))
    return found


def _once(song: Spectra, parts: list[Spectra], floor: Floor) -> list[Spectra]:
    """Return the parts after one pass."""
    channels, bins, hops = song.shape
    powers = np.empty((bins, len(parts), hops), np.float32)
    # How the channels of each part go together at each frequency, (bins, parts, channels, channels).
    spatial = np.empty((bins, len(parts), channels, channels), np.complex64)
    for at, part in enumerate(parts):
        squares = np.square(part.real)
        squares += np.square(part.imag)
        squares.mean(axis=0, out=powers[:, at])
        seen = part.transpose(1, 0, 2)
        np.matmul(seen, seen.conj().transpose(0, 2, 1), out=spatial[:, at])
    spatial /= powers.sum(axis=2)[..., np.newaxis, np.newaxis] + np.float32(1e-12)
    total: dict[tuple[int, int], Any] = {}
    for row in range(channels):
        total[row, row] = _summed(spatial[:, :, row, row].real, powers)
        for column in range(row + 1, channels):
            across = np.empty((bins, hops), np.complex64)
            across.real = _summed(spatial[:, :, row, column].real, powers)
            across.imag = _summed(spatial[:, :, row, column].imag, powers)
            total[row, column] = across
    added = floor(sum(total[row, row] for row in range(channels)) / channels)
    for row in range(channels):
        total[row, row] += added
    explained = _solved(total, song).transpose(1, 0, 2)
    found = np.matmul(spatial.reshape(bins, -1, channels), explained).reshape(bins, len(parts), channels, hops)
    found *= powers[:, :, np.newaxis]
    return [found[:, at].transpose(1, 0, 2) for at in range(len(parts))]


def _summed(shares: NDArray[np.float32], powers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (bins, hops): the sum of (bins, parts, hops), each part as much as (bins, parts) say."""
    found: NDArray[np.float32] = np.matmul(shares[:, np.newaxis], powers)[:, 0]
    return found


def _solved(total: dict[tuple[int, int], Any], song: Spectra) -> Spectra:
    """Return the inverses of the Hermitian matrices, given by their upper triangles, times the song."""
    channels = len(song)
    if channels == 1:
        return np.asarray(song / total[0, 0], np.complex64)
    if channels == 2:
        first, second, across = total[0, 0], total[1, 1], total[0, 1]
        determinant = first * second - (across.real**2 + across.imag**2)
        left = (second * song[0] - across * song[1]) / determinant
        right = (first * song[1] - across.conj() * song[0]) / determinant
        return np.stack([left, right])
    matrices = np.empty((*song.shape[1:], channels, channels), np.complex64)
    for (row, column), value in total.items():
        matrices[..., row, column], matrices[..., column, row] = value, np.conj(value)
    found = np.linalg.solve(matrices, song.transpose(1, 2, 0)[..., np.newaxis])[..., 0]
    return np.asarray(found.transpose(2, 0, 1), np.complex64)


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
        return _refined(mix, self.method.separate(mix, params, progress), params, progress)

    @property
    def together(self) -> int:
        """See `Grouping`."""
        return self.method.together if isinstance(self.method, Grouping) else 1

    def separate_all(self, mixes: Sequence[Audio], params: Params, progress: Progress) -> list[Stems]:
        """See `Grouping`."""
        if not isinstance(self.method, Grouping):
            return [self.separate(mix, params, progress) for mix in mixes]
        found = self.method.separate_all(mixes, params, progress)
        return [_refined(mix, stems, params, progress) for mix, stems in zip(mixes, found, strict=True)]


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


def _refined(mix: Audio, stems: Stems, params: Params, progress: Progress) -> Stems:
    """Return the stems of a piece after the filter."""
    passes = int(params[PASSES.name])
    if passes == 0 or not mix.samples.any():
        return stems
    rest: Samples = mix.samples.astype(np.float64)
    for samples in stems.values():
        rest = rest - samples
    transform = transform_for(mix.rate, _WINDOW_S)
    spectra = threads.each(transform.forward, (*stems.values(), rest.astype(np.float32)), progress)
    whole = transform.forward(mix.samples)
    found = filtered(whole, spectra, passes, progress)
    sounds = threads.each(lambda spectrum: transform.inverse(spectrum, mix.frames), found[: len(stems)], progress)
    return dict(zip(stems, sounds, strict=True))
