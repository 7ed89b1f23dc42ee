import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemeditor.methods.hpss import along_frequency, along_time
from stemeditor.methods.medians import medians
from stemeditor.progress import Silent


@given(count=st.integers(1, 70), points=st.sampled_from([1, 7, 9000]), seed=st.integers(0, 1000))
def test_medians_are_those_of_numpy(count: int, points: int, seed: int) -> None:
    # Few different values: what is equal must not confuse the network.
    values = np.random.default_rng(seed).integers(0, 12, (count, points)).astype(np.float32)
    expected = np.median(values, axis=0)
    assert np.array_equal(medians(values), expected)


def test_medians_keep_the_other_axes() -> None:
    values = np.random.default_rng(1).normal(size=(6, 3, 5)).astype(np.float32)
    expected = np.median(values, axis=0)
    found = medians(values)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-6)


def test_there_is_no_median_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        medians(np.zeros((0, 4), np.float32))


@pytest.mark.parametrize("shape", [(40, 300), (33, 2), (1, 1), (3, 5)])
@pytest.mark.parametrize("length", [1, 3, 27, 41, 43, 61])
def test_running_medians_see_their_own_row_and_its_mirror_image(shape: tuple[int, int], length: int) -> None:
    values = np.random.default_rng(2).random(shape, np.float32)
    framed = np.pad(values, ((0, 0), (length // 2, length // 2)), mode="symmetric")
    expected = np.median(np.lib.stride_tricks.sliding_window_view(framed, length, axis=1), axis=2)
    assert np.array_equal(along_time(values, length, Silent()), expected)
    assert np.array_equal(along_frequency(values.T.copy(), length, Silent()), expected.T)
