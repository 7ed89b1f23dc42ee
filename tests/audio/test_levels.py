"""Decibels, peaks, and loudness against the cases of EBU Tech 3341 and BS.2217."""

import numpy as np
import pytest

from stemeditor.audio import levels
from stemeditor.audio.buffer import Audio, Samples


def sine(seconds: float, level_db: float, rate: int, channels: int = 2, hz: float = 1000.0) -> Samples:
    time = np.arange(round(seconds * rate)) / rate
    return np.tile(10 ** (level_db / 20) * np.sin(2 * np.pi * hz * time), (channels, 1)).astype(np.float32)


def test_decibels_and_back() -> None:
    assert levels.db(1.0) == 0.0
    assert levels.db(0.5) == pytest.approx(-6.0206, abs=1e-4)
    assert levels.db(0.0) == levels.db(-1.0) == levels.db(1e-30) == levels.SILENCE_DB
    assert levels.gain(levels.SILENCE_DB) == 0.0
    for level in (-100.0, -6.0, 0.0, 12.0):
        assert levels.db(levels.gain(level)) == pytest.approx(level)


def test_peak_and_rms() -> None:
    samples = np.array([[0.5, -0.75], [0.25, 0.0]], np.float32)
    assert levels.peak(samples) == 0.75
    assert levels.rms(samples) == pytest.approx(np.sqrt((0.25 + 0.5625 + 0.0625) / 4))
    assert levels.peak(samples[:, :0]) == levels.rms(samples[:, :0]) == 0.0


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 96000, 192000])
def test_the_standards_own_example(rate: int) -> None:
    """997 Hz at full scale in one channel is -3.01 LUFS (BS.1770-4, annex 1)."""
    audio = Audio(sine(5.0, 0.0, rate, 1, 997.0), rate)
    assert levels.loudness(audio) == pytest.approx(-3.01, abs=0.05)
    assert levels.loudness(Audio(np.repeat(audio.samples, 2, axis=0), rate)) == pytest.approx(0.0, abs=0.05)


CASES = {
    "1": ([(20, -23)], -23),
    "2": ([(20, -33)], -33),
    "3": ([(10, -36), (60, -23), (10, -36)], -23),
    "4": ([(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)], -23),
    "5": ([(20, -26), (20.1, -20), (20, -26)], -23),
}


@pytest.mark.parametrize("name", CASES)
def test_the_cases_of_the_ebu(name: str) -> None:
    """EBU Tech 3341, table 1, to within 0.1 LU; stereo sines of 1 kHz."""
    parts, expected = CASES[name]
    samples = np.concatenate([sine(seconds, level, 48000) for seconds, level in parts], axis=1)
    assert levels.loudness(Audio(samples, 48000)) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(("hz", "gain_db"), [(20.0, -13.3), (100.0, -1.1), (500.0, 0.0), (10000.0, 4.0)])
def test_the_weighting_is_the_same_at_all_rates(hz: float, gain_db: float) -> None:
    """The curve of the standard's two filters, relative to 997 Hz at +0.69 dB."""
    found = [levels.loudness(Audio(sine(5.0, -10.0, rate, 1, hz), rate)) for rate in (44100, 48000, 96000)]
    assert max(found) - min(found) < 0.3
    assert found[1] == pytest.approx(-13.01 - 0.69 + gain_db, abs=0.8)


def test_short_and_silent_sound() -> None:
    assert levels.loudness(Audio.silence(2, 0, 44100)) == levels.SILENCE_DB
    assert levels.loudness(Audio.silence(2, 44100, 44100)) == levels.SILENCE_DB
    assert levels.loudness(Audio(sine(0.2, -20.0, 44100), 44100)) == pytest.approx(-20.0, abs=0.3)
    assert levels.loudness(Audio(np.ones((1, 1), np.float32), 44100)) < 10


def test_a_long_song_is_measured_as_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = Audio(np.random.default_rng(0).normal(0, 0.1, (2, 44100 * 9)).astype(np.float32), 44100)
    whole = levels.loudness(noise)
    monkeypatch.setattr(levels, "_WALK_PARTS", 7)
    assert levels.loudness(noise) == pytest.approx(whole, abs=1e-9)
