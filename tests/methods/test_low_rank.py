"""Low rank and sparse."""

import numpy as np
import pytest

from stemeditor.methods.low_rank import extended, gammatone, robust_pca
from stemeditor.methods.pitch import melody, pitch_axis, salience
from stemeditor.progress import Silent


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(60, 90), (90, 60)])
def test_a_low_rank_and_a_sparse_matrix_are_told_apart(shape: tuple[int, int], weighted: bool) -> None:
    rng = np.random.default_rng(0)
    low = (rng.random((shape[0], 2)) @ rng.random((2, shape[1]))).astype(np.float32)
    sparse = np.zeros(shape, np.float32)
    spots = rng.random(shape) < 0.05
    sparse[spots] = 3 * rng.random(int(spots.sum())) + 1
    found_low, found_sparse = robust_pca(low + sparse, 1 / np.sqrt(max(shape)), Silent(), weighted)
    assert np.linalg.norm(found_low - low) < 0.05 * np.linalg.norm(low)
    assert np.linalg.norm(found_sparse - sparse) < 0.05 * np.linalg.norm(sparse)
    assert np.linalg.norm(found_low + found_sparse - low - sparse) < 1e-3 * np.linalg.norm(low)


def test_silence_is_split_into_silence() -> None:
    low, sparse = robust_pca(np.zeros((10, 20), np.float32), 0.2, Silent())
    assert not low.any()
    assert not sparse.any()


def test_a_higher_price_for_sparsity_gives_less_of_it() -> None:
    level = np.random.default_rng(1).gamma(0.5, 1.0, (40, 60)).astype(np.float32)
    amounts = [np.abs(robust_pca(level, weight, Silent())[1]).sum() for weight in (0.1, 0.2, 0.4)]
    assert amounts[0] > amounts[1] > amounts[2]


def test_the_ear_s_filters_are_even_and_ordered() -> None:
    frequencies = np.linspace(0, 11000, 513).astype(np.float32)
    bank = gammatone(64, frequencies)
    assert bank.shape == (64, 513)
    assert np.allclose(bank.sum(axis=1), 1.0, atol=1e-4)
    peaks = frequencies[bank.argmax(axis=1)]
    assert (np.diff(peaks) >= 0).all()
    assert peaks[-1] > 10000


def test_a_mask_goes_on_above() -> None:
    mask = np.full((4, 3), 0.25, np.float32)
    mask[2:] = 0.75
    assert np.allclose(extended(mask, 6)[4:], 0.75)
    assert extended(mask, 4) is mask


def test_a_gliding_note_is_followed_through_noise() -> None:
    rng = np.random.default_rng(2)
    bin_hz, hops = 20.0, 120
    frequencies = np.arange(500) * bin_hz
    pitch = 220 * 2 ** np.linspace(0, 1, hops)
    level = 0.05 * rng.random((500, hops)).astype(np.float32)
    for number in range(1, 9):
        level += (
            np.exp(-0.5 * ((frequencies[:, np.newaxis] - number * pitch) / bin_hz) ** 2).astype(np.float32) / number
        )
    axis = pitch_axis(100.0, 3.0)
    found = axis[melody(salience(level, axis, bin_hz, Silent()), Silent())]
    assert np.median(np.abs(12 * np.log2(found / pitch))) < 0.5
