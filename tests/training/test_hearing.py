"""What an ear makes of a spectrum, as losses have it."""

import numpy as np
import pytest
import torch

from stemeditor.training import hearing, losses
from stemeditor.training.corpus import RATE
from tests.training.test_learning import Giver

BINS = 1025


def test_every_bin_is_in_one_critical_band() -> None:
    bands = hearing.bark_bands(BINS, RATE)
    assert bands.shape == (hearing.BARKS, BINS)
    assert (bands.sum(dim=0) == 1).all()
    # As narrow as a hundred hertz below, thousands above.
    widths = bands.sum(dim=1) * RATE / 2 / (BINS - 1)
    assert 60 < widths[1] < 150
    assert widths[-1] > 3000
    # The scale's own table: 1 kHz ends the eighth band and a half.
    assert float(hearing.barks(torch.tensor(1000.0))) == pytest.approx(8.5, abs=0.1)


def test_an_ear_is_finest_where_speech_is() -> None:
    quiet = hearing.quiet(RATE)
    finest = int(quiet.argmin())
    assert 14 <= finest <= 17
    assert quiet[0] > 100 * quiet[finest]
    assert torch.isfinite(quiet).all()


def test_a_loud_band_hides_more_above_it_than_below() -> None:
    spread = hearing.spreading()
    assert torch.equal(spread.diagonal(), torch.ones(hearing.BARKS))
    assert 10 * torch.log10(spread[11, 10]) == pytest.approx(-10, abs=1e-4)
    assert 10 * torch.log10(spread[9, 10]) == pytest.approx(-25, abs=1e-4)


def sounds(*parts: np.ndarray) -> torch.Tensor:
    """Return (1, 2 stems, 2, frames): the sum of the parts, and silence."""
    total = np.sum(parts, axis=0).astype(np.float32)
    return torch.from_numpy(np.stack([[total, total], [0 * total, 0 * total]])[None])


def loss(true: torch.Tensor, error: np.ndarray, name: str = "audible") -> float:
    wrong = true.clone()
    wrong[:, 0] += torch.from_numpy(error.astype(np.float32))
    return float(losses.weighted(losses.Outcome(Giver(wrong), true), {name: 1.0}).detach())


def test_an_error_beside_a_tone_is_heard_less_than_one_away_from_it() -> None:
    at = np.arange(RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 1000 * at)
    true = sounds(tone)
    beside, above, below = (0.002 * np.sin(2 * np.pi * frequency * at) for frequency in (1020, 3000, 300))
    near, high, low = (loss(true, error) for error in (beside, above, below))
    assert near < 0.3 * high
    assert near < 0.3 * low
    # As squared errors they are the same.
    assert loss(true, beside, "time_l2") == pytest.approx(loss(true, above, "time_l2"), rel=0.01)


def test_noise_hides_more_than_a_tone_of_the_same_power() -> None:
    at = np.arange(RATE) / RATE
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.normal(0, 1, RATE))
    spectrum[:920] = spectrum[1080:] = 0
    noise = np.fft.irfft(spectrum, RATE)
    tone = np.sin(2 * np.pi * 1000 * at)
    noise *= tone.std() / noise.std()
    error = 0.03 * np.sin(2 * np.pi * 1010 * at + 1)
    assert loss(sounds(0.3 * noise), error) < 0.7 * loss(sounds(0.3 * tone), error)


def test_sums_of_stems_are_judged_too() -> None:
    """What one has too much of and another too little is wrong alone, and right together."""
    rng = np.random.default_rng(1)
    true = torch.from_numpy(rng.normal(0, 0.1, (1, 3, 2, 20000)).astype(np.float32))
    error = torch.from_numpy(rng.normal(0, 0.02, (2, 20000)).astype(np.float32))
    moved, added = true.clone(), true.clone()
    moved[:, 0] += error
    moved[:, 1] -= error
    added[:, 0] += error
    added[:, 1] += error
    values = {}
    for name in ("combinations", "time_l2"):
        values[name] = [
            float(losses.weighted(losses.Outcome(Giver(found), true), {name: 1.0}).detach()) for found in (moved, added)
        ]
    assert values["time_l2"][0] == pytest.approx(values["time_l2"][1], rel=1e-5)
    assert values["combinations"][0] < 0.8 * values["combinations"][1]


def test_bands_follow_the_rate() -> None:
    true = torch.from_numpy(np.random.default_rng(2).normal(0, 0.1, (1, 2, 2, 9000)).astype(np.float32))
    net = Giver(true * 0.9)
    for name in ("mel", "audible"):
        one, other = (
            float(losses.LOSSES[name](losses.Outcome(net, true, rate=rate)).detach()) for rate in (RATE, 22050)
        )
        assert one > 0
        assert one != other
