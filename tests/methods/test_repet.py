"""Repetition."""

import numpy as np
import pytest

from stemeditor.methods.repet import beat_spectrum, local_periods, period, repeating, repeating_adaptively
from stemeditor.progress import Silent


def loop(length: int, hops: int, seed: int = 0) -> np.ndarray:
    pattern = np.random.default_rng(seed).gamma(0.4, 1.0, (40, length)).astype(np.float32)
    return np.tile(pattern, (1, -(-hops // length)))[:, :hops]


@pytest.mark.parametrize("length", [17, 40, 63])
def test_the_period_of_a_loop_is_found(length: int) -> None:
    assert period(beat_spectrum(loop(length, 400), Silent()), 8, 120) == length


def test_what_sounds_once_is_not_background() -> None:
    level = loop(25, 250)
    once = level.copy()
    once[10:20, 130:135] += 5.0
    again = repeating(once, 25, Silent())
    assert np.allclose(again, level, atol=1e-5)
    assert (again <= once).all()


def test_a_length_that_is_no_multiple_is_covered() -> None:
    level = loop(25, 262)
    assert np.allclose(repeating(level, 25, Silent()), level)


def test_a_period_that_changes_is_followed() -> None:
    level = np.concatenate([loop(20, 300, 1), loop(33, 300, 2)], axis=1)
    periods = local_periods(level, 8, 50, 120, Silent())
    assert (periods[60:220] == 20).mean() > 0.9
    assert (periods[380:540] == 33).mean() > 0.9
    once = level.copy()
    once[5:9, 450:453] += 4.0
    again = repeating_adaptively(once, periods, 5, Silent())
    assert again[5:9, 450:453].max() < level[5:9, 450:453].max() + 0.1
    assert np.abs(again - level)[:, 60:220].mean() < 0.05 * level.mean()
