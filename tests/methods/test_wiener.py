"""The multichannel Wiener filter behind every method."""

import numpy as np
import pytest

from stemeditor.audio.buffer import Audio
from stemeditor.methods import registry, runner
from stemeditor.methods.wiener import filtered
from stemeditor.progress import Silent
from tests.helpers.sounds import music


def spectra(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    loud = rng.gamma(0.3, 1.0, (1, 30, 200))
    parts = rng.standard_normal((2, 1, 30, 200))
    return np.sqrt(loud) * (parts[0] + 1j * parts[1])


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_filtered_stems_add_up(channels: int) -> None:
    rng = np.random.default_rng(2)
    stems = [(rng.random((channels, 1, 1)) * spectra(seed)).astype(np.complex64) for seed in range(3)]
    mix = sum(stems)
    found = filtered(mix, stems, 2, Silent())
    assert np.abs(sum(found) - mix).max() < 1e-2 * np.abs(mix).max()


def test_a_leak_from_another_place_is_cleaned() -> None:
    left = (np.array([1.0, 0.2]).reshape(2, 1, 1) * spectra(0)).astype(np.complex64)
    right = (np.array([0.3, 1.0]).reshape(2, 1, 1) * spectra(1)).astype(np.complex64)
    leaky = [0.8 * left + 0.2 * right, 0.2 * left + 0.8 * right]
    found = filtered(left + right, leaky, 2, Silent())

    def error(guess: np.ndarray) -> float:
        return float(np.linalg.norm(guess - left) / np.linalg.norm(left))

    assert error(found[0]) < 0.6 * error(leaky[0])


def test_every_method_takes_passes_and_keeps_its_promise() -> None:
    samples = music(1.5)
    for key in ("hpss", "nmf"):
        method = registry.load(key)
        pieces = {
            passes: list(runner.stream(Audio(samples, 44100), method, {"wiener": passes}, Silent()))[0].stems
            for passes in (0, 1)
        }
        assert np.abs(sum(pieces[1].values()) - samples).max() < 1e-5
        name = next(iter(pieces[0]))
        assert not np.allclose(pieces[0][name], pieces[1][name], atol=1e-3)
