"""Moments that sound alike, and low notes that are drawn alike in them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemeditor.errors import Cancelled
from stemeditor.methods.similarity import alike
from stemeditor.methods.steady import steadied
from stemeditor.nets.description import Description
from stemeditor.progress import Progress, Silent

HOPS = 400
NOTES = 4
APART = 13
"""Hops of 1,024 frames in 0.3 s."""

DESCRIPTION = Description("unet", {}, ("vocals", "drums", "bass", "other"))
REACHED = 37
"""Points of 11 Hz below 400 Hz."""


def song(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Spectra, (2, 2049, hops), of four notes that come again in another order, and which note each hop is."""
    draw = np.random.default_rng(seed)
    notes = draw.exponential(1.0, (NOTES, 2049)) ** 4
    which = np.repeat(draw.permutation(np.arange(HOPS // 20) % NOTES), 20)
    level = notes[which].T * draw.uniform(0.5, 1.0, HOPS)
    turn = np.exp(2j * np.pi * draw.uniform(size=(2, 2049, HOPS)))
    return (level * turn).astype(np.complex64), which


def drawn(shares: np.ndarray, seed: int = 0) -> np.ndarray:
    """Masks of (stems, hops), as (2, stems, 2, 420, hops), with errors that sum to nothing over the stems."""
    errors = np.random.default_rng(seed).normal(0, 0.3, (2, 4, 2, 420, shares.shape[1]))
    masks = errors - errors.mean(axis=1, keepdims=True)
    masks[0] += shares[:, np.newaxis, np.newaxis]
    return masks.astype(np.float32)


def error(masks: np.ndarray, shares: np.ndarray, points: slice) -> np.ndarray:
    """Root mean square of what (2, stems, 2, points, hops) differ by from (stems, hops), stem by stem."""
    wrong = masks[:, :, :, points].astype(np.float64)
    wrong[0] -= shares[:, np.newaxis, np.newaxis]
    return np.sqrt(np.square(wrong).mean(axis=(0, 2, 3, 4)))


@given(st.integers(1, 600), st.integers(1, 12), st.integers(1, 40), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_the_most_similar_moment_of_every_stretch_is_found(hops: int, count: int, apart: int, seed: int) -> None:
    moments = np.random.default_rng(seed).exponential(1.0, (hops, 3)).astype(np.float32)
    blocks = list(alike(moments, count, apart, Silent()))
    assert [start for start, _, _ in blocks] == list(range(0, hops, 256))
    found = np.concatenate([found for _, found, _ in blocks])
    cosines = np.concatenate([cosines for _, _, cosines in blocks])
    stretches = -(-hops // apart)
    assert found.shape == cosines.shape == (hops, min(count, stretches))
    # No two of one stretch; with enough of them, its own is the best, and is a moment just like it.
    assert all(len(set(row // apart)) == len(row) for row in found)
    assert np.allclose(cosines.max(axis=1), 1.0, atol=1e-5)
    unit = moments.astype(np.float64) / np.linalg.norm(moments, axis=1, keepdims=True)
    whole = unit @ unit.T
    assert np.allclose(np.take_along_axis(whole, found, axis=1), cosines, atol=1e-5)
    best = np.sort([whole[:, at : at + apart].max(axis=1) for at in range(0, hops, apart)], axis=0)[::-1]
    assert np.allclose(np.sort(cosines, axis=1)[:, ::-1], best[: cosines.shape[1]].T, atol=1e-5)


def test_what_comes_again_is_drawn_alike_below_and_as_it_was_above() -> None:
    spectra, which = song()
    own = np.random.default_rng(1).dirichlet(np.ones(4), NOTES).T[:, which]
    masks = drawn(own)
    found = steadied(masks.copy(), spectra, 400.0, DESCRIPTION, Silent())
    below = slice(0, REACHED)
    before, after = error(masks, own, below), error(found, own, below)
    # Of five independent errors the mean has 0.45; loud moments count more.
    assert (after[1:] < 0.55 * before[1:]).all()
    assert np.array_equal(found[:, :, :, REACHED:], masks[:, :, :, REACHED:])
    # What is sung does not come again as it was.
    assert np.array_equal(found[:, 0], masks[:, 0])


def test_a_moment_like_no_other_is_left_as_it_is() -> None:
    draw = np.random.default_rng(2)
    spectra = np.zeros((2, 2049, HOPS), np.complex64)
    # Every hop sounds at a frequency of its own, or is silent.
    for hop in range(0, REACHED):
        spectra[:, hop, 10 * hop] = 1.0
    masks = drawn(draw.dirichlet(np.ones(4), HOPS).T)
    found = steadied(masks.copy(), spectra, 400.0, DESCRIPTION, Silent())
    assert np.allclose(found, masks, atol=1e-6)


def test_what_is_asked_for_is_how_far_it_reaches() -> None:
    spectra, which = song()
    masks = drawn(np.random.default_rng(1).dirichlet(np.ones(4), NOTES).T[:, which])
    assert np.array_equal(steadied(masks.copy(), spectra, 0.0, DESCRIPTION, Silent()), masks)
    # 2 kHz lies above where a point stands for two bins.
    found = steadied(masks.copy(), spectra, 2000.0, DESCRIPTION, Silent())
    changed = (found != masks).any(axis=(0, 1, 2, 4))
    assert changed[:173].all()
    assert not changed[173:].any()


def test_only_sung_stems_are_left_alone() -> None:
    spectra, which = song()
    masks = drawn(np.random.default_rng(1).dirichlet(np.ones(4), NOTES).T[:, which])
    alone = Description("unet", {}, ("vocals",))
    assert np.array_equal(steadied(masks[:, :1].copy(), spectra, 400.0, alone, Silent()), masks[:, :1])


@pytest.mark.parametrize("hops", [1, 2, 12, 14])
def test_short_pieces_are_no_trouble(hops: int) -> None:
    spectra, _ = song()
    masks = drawn(np.full((4, hops), 0.25))
    found = steadied(masks.copy(), spectra[..., :hops], 400.0, DESCRIPTION, Silent())
    assert np.isfinite(found).all()
    assert found.shape == masks.shape


def test_it_stops_when_it_is_told_to() -> None:
    class Stopped(Silent):
        def check(self) -> None:
            raise Cancelled

    stopped: Progress = Stopped()
    spectra, _ = song()
    with pytest.raises(Cancelled):
        steadied(drawn(np.full((4, HOPS), 0.25)), spectra, 400.0, DESCRIPTION, stopped)
