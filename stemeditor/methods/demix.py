"""Determined demixing: as many sources as channels, told apart by their independence.

One loop serves the whole family. For every bin a demixing matrix W makes sources y = W x of channels x; a *source
model* says from the sources' power how loud each source is expected to be; iterative projection (Ono 2011) then updates
one row of W after the other so that the likelihood rises. What the members of the family differ in is the source model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemeditor.progress import Progress

Mixtures: TypeAlias = NDArray[np.complex64]
"""complex64, (bins, channels, hops)."""

Powers: TypeAlias = NDArray[np.floating[Any]]
"""float32, (sources, bins, hops)."""

SourceModel: TypeAlias = Callable[[Powers], Powers]
"""From the power of the sources to their expected variance; may keep state from call to call."""

_FLOOR = np.float32(1e-6)
_LOADING = 1e-5


def demix(
    mixtures: Mixtures,
    begin: NDArray[np.complex128],
    variance: SourceModel,
    sweeps: int,
    progress: Progress,
    consistent: Callable[[Mixtures], Mixtures] | None = None,
    rescaled: Callable[[Powers], None] | None = None,
) -> NDArray[np.complex128]:
    """Find demixing matrices.

    Parameters
    ----------
    mixtures
        (bins, channels, hops).
    begin
        Demixing matrices to begin with, (bins, sources, channels); see `whitening`.
    variance
        Source model.
    sweeps
        How often all rows are updated.
    progress
        `advance` runs from 0 to 1.
    consistent
        Projects source images (bins, sources, hops) to spectra that some sound has; used from the second sweep on:
        what the first begins with has not been told apart yet.
    rescaled
        Told by how much the power of each source is changed at each bin, (sources, bins, 1): a source model with a
        memory for each bin follows. Leave it out for models that join the bins, whose scales are theirs to find.

    Returns
    -------
    ndarray
        (bins, sources, channels) complex128, as many sources as channels, with the scale of the sources' images in
        the first channel (`projected_back`).

    References
    ----------
    N. Ono, Stable and fast update rules for independent vector analysis based on auxiliary function technique,
    WASPAA 2011, eq. 17 and 18.
    D. Kitamura, N. Ono, H. Sawada, H. Kameoka, H. Saruwatari, Determined blind source separation unifying independent
    vector analysis and nonnegative matrix factorization, IEEE/ACM Trans. ASLP 24, 2016.
    D. Kitamura, K. Yatabe, Consistent independent low-rank matrix analysis for determined blind source separation,
    EURASIP J. Advances in Signal Processing 2020, algorithm 1.
    """
    _, channels, hops = mixtures.shape
    found = begin.copy()
    loading = _LOADING * (np.abs(mixtures) ** 2).mean(axis=(1, 2))[:, np.newaxis, np.newaxis] + 1e-12
    for sweep in range(sweeps):
        progress.check()
        sources = np.matmul(found.astype(np.complex64), mixtures)
        progress.check()
        if consistent is not None and sweep:
            back = projected_back(found)
            if rescaled is not None:
                change = np.abs(np.linalg.inv(found)[:, 0]) ** 2
                rescaled(change.T[:, :, np.newaxis].astype(np.float32))
            sources = consistent(np.matmul(back.astype(np.complex64), mixtures))
            found = back
            progress.check()
        power = sources.real**2 + sources.imag**2
        if rescaled is not None and consistent is None:
            # Scale of a source at a bin and of its model there may drift together, up to overflow: kept at 1.
            change = 1.0 / np.maximum(power.mean(axis=2, keepdims=True), np.float32(1e-12))
            found = found * np.sqrt(change)
            power = power * change
            rescaled(change.transpose(1, 0, 2))
        expected = np.maximum(variance(np.ascontiguousarray(power.transpose(1, 0, 2))), _FLOOR)
        for index in range(channels):
            progress.check()
            weighted = mixtures / expected[index][:, np.newaxis]
            progress.check()
            covariance = np.matmul(weighted, mixtures.conj().transpose(0, 2, 1)).astype(np.complex128) / hops
            covariance += loading * np.eye(channels)
            column = np.linalg.inv(np.matmul(found, covariance))[:, :, index]
            scale = np.einsum("fi,fij,fj->f", column.conj(), covariance, column).real
            found[:, index] = (column / np.sqrt(np.maximum(scale, 1e-30))[:, np.newaxis]).conj()
        progress.advance((sweep + 1) / sweeps)
    return projected_back(found)


def whitening(mixtures: Mixtures) -> NDArray[np.complex128]:
    """Return (bins, channels, channels): matrices that give the channels of each bin unit covariance."""
    covariance = np.matmul(mixtures, mixtures.conj().transpose(0, 2, 1)).astype(np.complex128) / mixtures.shape[2]
    powers, vectors = np.linalg.eigh(covariance)
    # Bins that hold next to nothing (DC, above an MP3's last frequency) stay next to nothing.
    floor = 1e-6 * powers.max(axis=1, keepdims=True) + 1e-9 * max(float(powers.max()), 1e-20)
    found: NDArray[np.complex128] = np.matmul(
        vectors / np.sqrt(powers + floor)[:, np.newaxis, :], vectors.conj().transpose(0, 2, 1)
    )
    return found


def projected_back(demixing: NDArray[np.complex128], channel: int = 0) -> NDArray[np.complex128]:
    """Return matrices whose outputs have the scale of the sources' images in one channel.

    K. Matsuoka, S. Nakashima, Minimal distortion principle for blind source separation, ICA 2001.
    """
    mixing = np.linalg.inv(demixing)
    found: NDArray[np.complex128] = mixing[:, channel, :, np.newaxis] * demixing
    return found


def images(demixing: NDArray[np.complex128], mixtures: Mixtures) -> list[Mixtures]:
    """Return each source as every channel hears it: (channels, bins, hops). They add up to the mixtures."""
    mixing = np.linalg.inv(demixing)
    found = []
    for source in range(demixing.shape[1]):
        through = (mixing[:, :, source, np.newaxis] * demixing[:, source, np.newaxis, :]).astype(np.complex64)
        found.append(np.matmul(through, mixtures).transpose(1, 0, 2))
    return found


def aligned(demixing: NDArray[np.complex128], mixtures: Mixtures, progress: Progress) -> NDArray[np.complex128]:
    """Bring the sources of each bin into one order by the correlation of their envelopes.

    Independence alone tells the sources of a bin apart, not which of them belongs to which of the next bin. Each bin
    takes the order in which the shares of power over time correlate best with the mean of the bins so far, the
    loudest bins first; three rounds.

    H. Sawada, S. Araki, S. Makino, Underdetermined convolutive blind source separation via frequency bin-wise
    clustering and permutation alignment, IEEE Trans. ASLP 19, 2011, section V.
    """
    from itertools import permutations

    bins, sources, _ = demixing.shape
    found = np.empty(demixing.shape, np.complex128)
    power = np.stack([np.abs(image).mean(axis=0) ** 2 for image in images(demixing, mixtures)], axis=1)
    share = power / np.maximum(power.sum(axis=1, keepdims=True), 1e-12)
    share = share - share.mean(axis=2, keepdims=True)
    share /= np.maximum(np.linalg.norm(share, axis=2, keepdims=True), 1e-12)
    orders = [list(order) for order in permutations(range(sources))]
    chosen = np.tile(np.arange(sources), (bins, 1))
    by_level = np.argsort(-power.sum(axis=(1, 2)))
    centre = share[by_level[0]].copy()
    for turn in range(3):
        sums = np.zeros_like(centre)
        for number, index in enumerate(by_level):
            if number % 64 == 0:
                progress.check()
            likeness = share[index] @ centre.T
            best = max(orders, key=lambda order: sum(likeness[order[k], k] for k in range(sources)))
            chosen[index] = best
            sums += share[index][best]
            if turn == 0:
                centre = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        centre = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    for index in range(bins):
        found[index] = demixing[index][chosen[index]]
    return found
