"""Which moments of a song sound alike."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stemeditor.progress import Progress

_HOPS_A_PRODUCT = 256
"""Products of matrices are computed by all processors: in small ones they wait for each other most of the time."""


def alike(
    moments: NDArray[np.float32], count: int, apart_hops: int, progress: Progress
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
    """Find for every moment those that are most like it, itself among them.

    Parameters
    ----------
    moments
        (hops, features): what is compared, by the cosine between rows.
    count
        How many to find, or fewer if the stretch is too short.
    apart_hops
        Nearest hops alone would be the same note again: every so many hops give one at most.
    progress
        Checked every few hundred hops.

    Yields
    ------
    int
        First hop of a block.
    NDArray[np.int64]
        (hops of the block, count): which hops are alike, in no order.
    NDArray[np.float32]
        Of the same shape: the cosines.

    References
    ----------
    Z. Rafii, B. Pardo, Music/voice separation using the similarity matrix, ISMIR 2012, eq. 1.
    """
    hops = len(moments)
    unit = moments / np.maximum(np.linalg.norm(moments, axis=1, keepdims=True), 1e-12)
    stretches = max(-(-hops // apart_hops), 1)
    edges = np.minimum(np.arange(stretches + 1) * apart_hops, hops)
    wanted = min(count, stretches)
    for start in range(0, hops, _HOPS_A_PRODUCT):
        progress.check()
        similarity = unit[start : start + _HOPS_A_PRODUCT] @ unit.T
        best = _best_of_each(similarity, edges)
        scores = np.take_along_axis(similarity, best, axis=1)
        chosen = np.argpartition(-scores, wanted - 1, axis=1)[:, :wanted]
        yield start, np.take_along_axis(best, chosen, axis=1), np.take_along_axis(scores, chosen, axis=1)


def _best_of_each(similarity: NDArray[np.float32], edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (hops, stretches): the index of the most similar hop within each stretch [edges[k], edges[k + 1])."""
    rows, count = similarity.shape
    length = int(edges[1] - edges[0])
    stretches = len(edges) - 1
    padded = np.full((rows, stretches * length), -1.0, np.float32)
    padded[:, :count] = similarity
    inside = padded.reshape(rows, stretches, length).argmax(axis=2)
    found: NDArray[np.int64] = inside + edges[:-1]
    return found
