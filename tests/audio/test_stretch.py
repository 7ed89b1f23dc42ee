"""Slower, faster, higher, lower: what must stay as it was, and what must not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemeditor.audio.stretch import Pace, Stretcher
from tests.helpers.sounds import music, tone

RATE = 44100
PACES = (Pace(0.5), Pace(0.75), Pace(1.3), Pace(2.0), Pace(1.0, 4.0), Pace(1.0, -5.0), Pace(0.7, 2.0), Pace(1.4, -12.0))


def stretched(
    rows: np.ndarray, pace: Pace, blocks: tuple[int, ...] = (512,), gains: np.ndarray | None = None, rate: int = RATE
) -> np.ndarray:
    """Return (rows, frames) of sounds that are silent before and behind."""
    at = -Stretcher.lead(rate, pace)

    def read(frames: int) -> np.ndarray:
        nonlocal at
        out = np.zeros((len(rows), frames), np.float32)
        low, high = max(at, 0), min(at + frames, rows.shape[1])
        if high > low:
            out[:, low - at : high - at] = rows[:, low:high]
        at += frames
        return out

    stretcher = Stretcher(read, 0, len(rows), rate, pace)
    gains = np.ones((len(rows) // 2, 2), np.float32) if gains is None else gains
    length = round(rows.shape[1] / pace.speed)
    parts, done, number = [], 0, 0
    while done < length:
        parts.append(stretcher.next(blocks[number % len(blocks)], gains))
        done += parts[-1].shape[1]
        number += 1
    return np.concatenate(parts, axis=1)[:, :length]


def level_db(samples: np.ndarray) -> float:
    return 10 * np.log10(np.square(samples, dtype=np.float64).mean() + 1e-30)


def purity_db(samples: np.ndarray, frequency_hz: float) -> tuple[float, float]:
    """Return the amplitude of a sine in a sound, and how far below it everything else is."""
    time = 2 * np.pi * frequency_hz * np.arange(len(samples)) / RATE
    basis = np.stack([np.sin(time), np.cos(time)], axis=1)
    found = basis @ np.linalg.lstsq(basis, samples, rcond=None)[0]
    return float(np.sqrt(2 * np.square(found).mean())), level_db(found) - level_db(samples - found)


@pytest.mark.parametrize("rate", [8000, 44100, 96000])
def test_at_its_own_pace_a_sound_is_what_it_was(rate: int) -> None:
    sound = music(2.0, rate)
    assert np.abs(stretched(sound, Pace(), rate=rate) - sound).max() < 1e-6


@pytest.mark.parametrize("pace", PACES, ids=str)
@pytest.mark.parametrize("frequency_hz", [55.0, 440.7, 3000.0])
def test_a_tone_stays_one_tone_as_loud_as_before(frequency_hz: float, pace: Pace) -> None:
    heard = stretched(tone(frequency_hz, 4.0), pace)[0]
    edge = len(heard) // 6
    amplitude, purity = purity_db(heard[edge:-edge], frequency_hz * pace.ratio)
    assert amplitude == pytest.approx(0.3, rel=0.005)
    assert purity > 50.0


@pytest.mark.parametrize("pace", PACES, ids=str)
def test_two_tones_at_once_stay_two(pace: Pace) -> None:
    heard = stretched(tone(196.0, 4.0) + tone(247.0, 4.0), pace)[0]
    edge = len(heard) // 6
    heard = heard[edge:-edge]
    low, _ = purity_db(heard, 196.0 * pace.ratio)
    high, _ = purity_db(heard, 247.0 * pace.ratio)
    assert low == pytest.approx(0.3, rel=0.05)
    assert high == pytest.approx(0.3, rel=0.05)


def strokes(seconds: float, places_s: tuple[float, ...]) -> np.ndarray:
    """Return strokes that begin at once and die away within some hundredths of a second."""
    rng = np.random.default_rng(0)
    out = np.zeros((2, round(seconds * RATE)), np.float32)
    for place in places_s:
        at = round(place * RATE)
        ring = np.exp(-np.arange(4000) / 500)
        out[:, at : at + 4000] += (0.5 * ring * rng.standard_normal(4000)).astype(np.float32)
    return out


PLACES = (0.5, 0.9, 1.15, 1.8, 2.3)


@pytest.mark.parametrize("pace", PACES, ids=str)
def test_strokes_come_when_they_should_and_stay_sharp(pace: Pace) -> None:
    heard = stretched(strokes(3.0, PLACES), pace)[0]
    for place in PLACES:
        at = round(place / pace.speed * RATE)
        before = level_db(heard[at - 1500 : at - 60])
        stroke = level_db(heard[at - 60 : at + 300])
        # What is higher is over sooner.
        loss = 3.5 if pace.semitones else 1.5
        assert stroke == pytest.approx(level_db(strokes(1.0, (0.5,))[0, 22050 - 60 : 22050 + 300]), abs=loss)
        assert before < stroke - 35.0, "what is heard of it before it comes"


@pytest.mark.parametrize("pace", [Pace(0.5), Pace(1.3), Pace(0.75, -2.0)], ids=str)
def test_a_stroke_beside_a_louder_tone_is_as_sharp_and_the_tone_as_steady(pace: Pace) -> None:
    loud = sum(tone(220.0 * part, 3.0, level=0.4 / part) for part in (1, 2, 3, 4))
    heard = stretched(np.concatenate([loud, 0.3 * strokes(3.0, PLACES)]).astype(np.float32), pace)
    for place in PLACES:
        at = round(place / pace.speed * RATE)
        assert level_db(heard[2, at - 1500 : at - 60]) < level_db(heard[2, at - 60 : at + 300]) - 25.0
    edge = RATE // 4
    power = np.convolve(np.square(heard[0]), np.ones(2000) / 2000, "same")[edge:-edge]
    assert 10 * np.log10(power.min() / power.max()) > -1.0


def test_without_looking_for_attacks_strokes_would_be_smeared(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above can fail."""
    from stemeditor.audio import stretch

    monkeypatch.setattr(stretch, "_RISE", 100.0)
    heard = stretched(strokes(3.0, PLACES), Pace(0.5))[0]
    at = round(PLACES[0] / 0.5 * RATE)
    assert level_db(heard[at - 1500 : at - 60]) > level_db(heard[at - 60 : at + 300]) - 25.0


@pytest.mark.parametrize("pace", PACES, ids=str)
def test_stems_add_up_to_the_song_at_any_pace(pace: Pace) -> None:
    song = music(2.0)
    rng = np.random.default_rng(1)
    share = rng.uniform(0, 1, song.shape).astype(np.float32)
    stems = (song * share, (song - song * share).astype(np.float32), np.zeros_like(song))
    gains = np.array([[1, 1], [0.3, 0.3], [0, 1], [1, 1]], np.float32)
    heard = stretched(np.concatenate([song, *stems]), pace, gains=gains)
    whole, *parts = heard.reshape(4, 2, -1)
    assert level_db(sum(parts) - whole) < level_db(whole) - 110.0


def test_faders_steer_the_angles_and_change_no_level() -> None:
    sound = tone(440.0, 2.0)
    loud, silent = (stretched(sound, Pace(0.7), gains=np.full((1, 2), gain, np.float32)) for gain in (1.0, 0.0))
    assert level_db(loud[:, RATE:-RATE]) == pytest.approx(level_db(sound), abs=0.05)
    assert np.isfinite(silent).all()


@pytest.mark.parametrize("pace", PACES, ids=str)
def test_what_stands_in_the_middle_or_at_a_side_stays_there(pace: Pace) -> None:
    sound = music(1.5)
    middle = np.repeat(sound.mean(axis=0, keepdims=True), 2, axis=0)
    heard = stretched(middle, pace)
    assert np.abs(heard[0] - heard[1]).max() < 1e-5
    left = middle * np.array([[1.0], [0.0]], np.float32)
    assert not stretched(left, pace)[1].any()


@settings(max_examples=15, deadline=None)
@given(blocks=st.lists(st.integers(1, 3000), min_size=1, max_size=5), pace=st.sampled_from((*PACES, Pace())))
def test_the_size_of_blocks_changes_nothing(blocks: list[int], pace: Pace) -> None:
    sound = music(0.5)
    assert np.array_equal(stretched(sound, pace, tuple(blocks)), stretched(sound, pace))


@pytest.mark.parametrize("pace", PACES, ids=str)
def test_silence_stays_silence_and_noise_stays_finite(pace: Pace) -> None:
    assert not stretched(np.zeros((2, RATE), np.float32), pace).any()
    noise = np.random.default_rng(0).standard_normal((4, RATE)).astype(np.float32)
    heard = stretched(noise, pace)
    assert np.isfinite(heard).all()
    if pace.semitones == 0.0:
        assert level_db(heard[:, 5000:-5000]) == pytest.approx(0.0, abs=3.5)


def test_it_forgets_what_is_over() -> None:
    frames = 0

    def read(count: int) -> np.ndarray:
        nonlocal frames
        frames += count
        return np.random.default_rng(frames).standard_normal((2, count)).astype(np.float32)

    stretcher = Stretcher(read, 0, 2, RATE, Pace(1.5))
    sizes = []
    for _ in range(30):
        stretcher.next(RATE // 2, np.ones((1, 2), np.float32))
        sizes.append(stretcher._sounds.shape[1])
    assert max(sizes[10:]) <= 1.2 * max(sizes[:10])
    assert len(stretcher._attacks.found) < 100
    assert len(stretcher._attacks._steps) < 100


def test_the_same_question_has_the_same_answer() -> None:
    sound = music(1.0)
    assert np.array_equal(stretched(sound, Pace(0.8, 1.0)), stretched(sound, Pace(0.8, 1.0)))
