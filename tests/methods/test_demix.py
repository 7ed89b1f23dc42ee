"""Demixing: against the known mixing, and against a library."""

import numpy as np
import pytest

from stemeditor.methods.demix import aligned, demix, images, projected_back, whitening
from stemeditor.methods.independence import LowRank, StudentT, laplace_bins, laplace_frames
from stemeditor.progress import Silent

BINS, HOPS = 24, 400


def mixtures(seed: int = 0, sources: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return (bins, channels, hops) of unsteady sources, and their (sources, channels, bins, hops)."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.gamma(0.5, 1.0, (sources, 1, HOPS // 8)), 8, axis=2) + 0.01
    shape = rng.gamma(1.0, 1.0, (sources, BINS, 1))
    noise = rng.standard_normal((2, sources, BINS, HOPS))
    sounds = np.sqrt(loud * shape) * (noise[0] + 1j * noise[1])
    mixing = rng.standard_normal((BINS, sources, sources)) + 1j * rng.standard_normal((BINS, sources, sources))
    parts = np.einsum("fcs,sft->scft", mixing, sounds).astype(np.complex64)
    return np.ascontiguousarray(parts.sum(axis=0).transpose(1, 0, 2)), parts


def quality(found: list[np.ndarray], parts: np.ndarray) -> float:
    """Return the worse source's ratio in dB, in the better of two orders."""

    def ratio(true: np.ndarray, guess: np.ndarray) -> float:
        return 10 * np.log10((np.abs(true) ** 2).sum() / (np.abs(true - guess) ** 2).sum())

    orders = ((0, 1), (1, 0))
    return max(min(ratio(parts[k], found[order[k]]) for k in range(2)) for order in orders)


@pytest.mark.parametrize(
    ("model", "floor"),
    [(laplace_frames, 20.0), (LowRank(2), 20.0), (StudentT(2, 50.0), 20.0)],
    ids=["vectors", "low rank", "heavy tails"],
)
def test_independent_sources_are_told_apart(model: object, floor: float) -> None:
    mixed, parts = mixtures()
    found = demix(mixed, whitening(mixed), model, 40, Silent())
    assert quality(images(found, mixed), parts) > floor


def test_bins_are_brought_into_one_order() -> None:
    mixed, parts = mixtures()
    found = demix(mixed, whitening(mixed), laplace_bins, 40, Silent())
    assert quality(images(aligned(found, mixed, Silent()), mixed), parts) > 15.0
    rng = np.random.default_rng(3)
    shuffled = found.copy()
    for index in range(BINS):
        shuffled[index] = found[index][rng.permutation(2)]
    assert quality(images(shuffled, mixed), parts) < 5.0
    assert quality(images(aligned(shuffled, mixed, Silent()), mixed), parts) > 15.0


def test_images_add_up_whatever_the_matrices() -> None:
    mixed, _ = mixtures()
    rng = np.random.default_rng(1)
    matrices = rng.standard_normal((BINS, 2, 2)) + 1j * rng.standard_normal((BINS, 2, 2))
    total = sum(images(matrices, mixed)).transpose(1, 0, 2)
    assert np.abs(total - mixed).max() < 1e-3 * np.abs(mixed).max()


def test_projecting_back_gives_the_scale_of_the_first_channel() -> None:
    mixed, _ = mixtures()
    matrices = demix(mixed, whitening(mixed), laplace_frames, 5, Silent())
    back = np.matmul(projected_back(matrices * 7.0), mixed)
    for source, image in enumerate(images(matrices, mixed)):
        assert np.allclose(back[:, source], image[0], atol=1e-3 * np.abs(mixed).max())


def test_whitening_gives_unit_covariance() -> None:
    mixed, _ = mixtures()
    white = np.matmul(whitening(mixed), mixed)
    covariance = np.matmul(white, white.conj().transpose(0, 2, 1)) / HOPS
    assert np.abs(covariance - np.eye(2)).max() < 0.03


@pytest.mark.parametrize("name", ["auxiva", "ilrma"])
def test_it_is_as_good_as_the_library(name: str) -> None:
    from pyroomacoustics import bss

    mixed, parts = mixtures(5)
    theirs = np.ascontiguousarray(mixed.transpose(2, 0, 1)).astype(np.complex128)
    np.random.seed(0)  # noqa: NPY002 the library draws from the global generator
    if name == "auxiva":
        _, matrices = bss.auxiva(theirs, n_iter=40, proj_back=False, return_filters=True, model="laplace")
        model = laplace_frames
    else:
        _, matrices = bss.ilrma(theirs, n_iter=40, proj_back=False, return_filters=True, n_components=2)
        model = LowRank(2)
    other = quality(images(np.asarray(matrices), mixed), parts)
    ours = quality(images(demix(mixed, whitening(mixed), model, 40, Silent()), mixed), parts)
    assert ours > other - 1.0


def test_consistency_projects_and_tells_the_source_model() -> None:
    mixed, _ = mixtures()
    seen: list[np.ndarray] = []
    told: list[np.ndarray] = []

    def consistent(sources: np.ndarray) -> np.ndarray:
        seen.append(sources)
        return sources

    demix(mixed, whitening(mixed), laplace_frames, 4, Silent(), consistent, told.append)
    assert len(seen) == len(told) == 3
    assert told[0].shape == (2, BINS, 1)
