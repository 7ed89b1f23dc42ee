"""BSSEval v4 against the reference implementation, and against what must be so."""

import numpy as np
import pytest

from stemeditor.errors import Cancelled
from stemeditor.evaluation.bss_eval import bss_eval, windows
from stemeditor.progress import Stoppable
from tests.helpers.reference import museval_bss_eval

reference_implementation = museval_bss_eval()

pytestmark = pytest.mark.filterwarnings("ignore")


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def dual_mono() -> tuple[np.ndarray, np.ndarray]:
    true = random(2, 2, 16000)
    true[:, 1] = true[:, 0]
    return true, true + 0.2 * random(2, 2, 16000, seed=1)


def partly_silent() -> tuple[np.ndarray, np.ndarray]:
    true = random(2, 2, 24000)
    true[0, :, 7000:15000] = 0.0
    return true, true + 0.3 * random(2, 2, 24000, seed=1)


def music_like() -> tuple[np.ndarray, np.ndarray]:
    """Return band-limited sources of different levels, of 16 bits like a record, and estimates with leaks, filtered."""
    from scipy.signal import butter, sosfilt

    true = random(3, 2, 30000)
    for number, (low, high) in enumerate(((0.001, 0.05), (0.02, 0.4), (0.3, 0.9))):
        true[number] = sosfilt(butter(4, (low, high), "bandpass", output="sos"), true[number]) * 0.5**number
    true = np.round(0.2 * true * 32768) / 32768
    guess = 0.8 * true + 0.2 * np.roll(true, 3, axis=2)
    guess += 0.1 * (true.sum(axis=0) - true)
    return true.astype(np.float32), guess.astype(np.float32)


CASES = {
    "stereo": (random(2, 2, 20000), random(2, 2, 20000) + 0.3 * random(2, 2, 20000, seed=1), 8000, 4000),
    "mono": (random(3, 1, 20000), random(3, 1, 20000) + 0.3 * random(3, 1, 20000, seed=1), 8000, 8000),
    "one source": (random(1, 2, 20000), random(1, 2, 20000) + 0.3 * random(1, 2, 20000, seed=1), 5000, 5000),
    "one window": (random(2, 2, 9001), random(2, 2, 9001) + 0.3 * random(2, 2, 9001, seed=1), 10**9, 10**9),
    "same channels": (*dual_mono(), 8000, 8000),
    "partly silent": (*partly_silent(), 4000, 4000),
    "music": (*music_like(), 9000, 9000),
    "short windows": (random(2, 1, 6000), random(2, 1, 6000) + random(2, 1, 6000, seed=1), 300, 200),
}


@pytest.mark.parametrize("name", CASES)
def test_it_equals_the_reference_implementation_to_a_hundredth_of_a_decibel(name: str) -> None:
    true, guess, window, hop = CASES[name]
    theirs = reference_implementation(np.moveaxis(true, 1, 2), np.moveaxis(guess, 1, 2), window=window, hop=hop)
    ours = bss_eval(list(true), list(guess), window, hop)
    for one, other in zip((ours.sdr, ours.isr, ours.sir, ours.sar), theirs[:4], strict=True):
        assert one.shape == other.shape
        assert np.array_equal(np.isnan(one), np.isnan(other))
        # With one source there is no interference: what is said of it is rounding, far above 100 dB.
        sensible = np.isfinite(one) & (np.abs(other) < 150)
        assert np.abs(one - other)[sensible].max(initial=0.0) < 0.01
        assert (one[~np.isnan(one) & ~sensible] > 100).all()


def test_sound_shorter_than_the_filters_agrees_as_far_as_it_can_be_said() -> None:
    true, guess = random(2, 2, 300), random(2, 2, 300) + 0.3 * random(2, 2, 300, seed=1)
    theirs = reference_implementation(np.moveaxis(true, 1, 2), np.moveaxis(guess, 1, 2), window=8000, hop=8000)
    ours = bss_eval(list(true), list(guess), 8000, 8000)
    assert np.abs(ours.sdr - theirs[0]).max() < 0.01
    assert np.abs(ours.isr - theirs[1]).max() < 0.01
    # More taps than frames explain anything: no artifacts are left but rounding.
    assert ours.sar.min() > 150
    assert theirs[3].min() > 150


def test_a_perfect_estimate_is_infinite_and_a_filtered_one_has_no_interference() -> None:
    true = random(2, 2, 20000)
    perfect = bss_eval(list(true), list(true), 10000, 10000)
    assert np.isposinf(perfect.sdr).all()
    # Cut at the windows' edges the filter lacks its past: a hundredth of the sound, no more.
    filtered = bss_eval(list(true), list(np.roll(true, 5, axis=2)), 10**9, 10**9)
    assert filtered.sir.min() > 30
    assert filtered.sar.min() > 25
    assert filtered.sdr.max() < 0


def test_references_without_highs_in_floating_point_are_still_projected_onto() -> None:
    from scipy.signal import butter, sosfiltfilt

    sections = butter(10, 0.6, output="sos")
    true = sosfiltfilt(sections, random(2, 2, 30000), axis=2).astype(np.float32)
    guess = np.stack([0.9 * true[0] + 0.1 * true[1], 0.9 * true[1] + 0.1 * true[0]])
    ours = bss_eval(list(true), list(guess), 10**9, 10**9)
    theirs = reference_implementation(np.moveaxis(true, 1, 2), np.moveaxis(guess, 1, 2), window=np.inf, hop=np.inf)
    assert np.abs(ours.sdr - theirs[0]).max() < 0.01
    # Sums of references hold no artifact at all; where the gram matrix is nearly singular the reference implementation
    # sees some, from rounding.
    assert ours.sar.min() > 60
    assert ours.sir == pytest.approx(20 * np.log10(9) * np.ones((2, 1)), abs=0.5)


def test_a_window_counts_for_those_that_sound_unless_strict() -> None:
    true, guess = partly_silent()
    strict = bss_eval(list(true), list(guess), 4000, 4000)
    lenient = bss_eval(list(true), list(guess), 4000, 4000, strict=False)
    silent = ~true[0].reshape(2, 6, 4000).any(axis=(0, 2))
    assert silent.any()
    assert np.isnan(strict.sdr[:, silent]).all()
    assert np.isnan(lenient.sdr[0, silent]).all()
    assert np.isfinite(lenient.sdr[1, silent]).all()
    assert np.array_equal(strict.sdr[:, ~silent], lenient.sdr[:, ~silent])


def test_windows_are_whole() -> None:
    assert windows(10, 4, 3) == [(0, 4), (3, 7), (6, 10)]
    assert windows(9, 4, 4) == [(0, 4), (4, 8)]
    assert windows(3, 4, 4) == [(0, 3)]


def test_wrong_shapes_and_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        bss_eval([random(2, 10)], [random(2, 11)], 5, 5)
    with pytest.raises(ValueError, match="nothing"):
        bss_eval([random(2, 0)], [random(2, 0)], 5, 5)


def test_it_stops_when_told() -> None:
    progress = Stoppable()
    progress.cancel()
    with pytest.raises(Cancelled):
        bss_eval([random(2, 5000)], [random(2, 5000)], 1000, 1000, progress=progress)
