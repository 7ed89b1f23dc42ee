"""What every method of the registry promises. A line in the registry brings all of these tests."""

import numpy as np
import pytest

from stemeditor.audio.buffer import Audio
from stemeditor.errors import Cancelled
from stemeditor.methods import registry, runner
from stemeditor.methods.base import Stems
from stemeditor.progress import Silent, Stoppable
from tests.helpers.sounds import music, tone

KEYS = registry.keys()


def separate(key: str, samples: np.ndarray, rate: int = 44100, **params: object) -> Stems:
    pieces = list(runner.stream(Audio(samples, rate), registry.load(key), params, Silent()))  # type: ignore[arg-type]
    if not pieces:
        return {}
    return {name: np.concatenate([piece.stems[name] for piece in pieces], axis=1) for name in pieces[0].stems}


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))


def sounds() -> dict[str, tuple[np.ndarray, int]]:
    rng = np.random.default_rng(5)
    stereo = music(3.0)
    return {
        "stereo": (stereo, 44100),
        "mono": (stereo[:1], 44100),
        "silence": (np.zeros((2, 30000), np.float32), 44100),
        "constant": (np.full((2, 30000), 0.7, np.float32), 44100),
        "clipped": (np.clip(stereo * 9, -1, 1), 44100),
        "over full scale": (stereo * 9, 44100),
        "one frame": (np.full((2, 1), 0.5, np.float32), 44100),
        "hundred frames": (rng.uniform(-1, 1, (2, 100)).astype(np.float32), 44100),
        "odd length": (music(1.2345), 44100),
        "8 kHz": (music(3.0, rate=8000), 8000),
        "96 kHz": (music(1.0, rate=96000), 96000),
        "one side": (np.stack([stereo[0], np.zeros_like(stereo[0])]), 44100),
        "opposite phase": (np.stack([stereo[0], -stereo[0]]), 44100),
    }


SOUNDS = sounds()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", SOUNDS)
def test_stems_are_named_whole_finite_and_add_up(key: str, name: str) -> None:
    samples, rate = SOUNDS[name]
    info = registry.info(key)
    stems = separate(key, samples, rate)
    assert tuple(stems) == (info.stems if info.rest else (*info.stems, "residual"))
    for stem in stems.values():
        assert stem.shape == samples.shape
        assert stem.dtype == np.float32
        assert np.isfinite(stem).all()
    total = sum(stem.astype(np.float64) for stem in stems.values())
    assert np.abs(total - samples).max() < 1e-6 * max(1.0, float(np.abs(samples).max()))


@pytest.mark.parametrize("key", KEYS)
def test_silence_stays_silent(key: str) -> None:
    for stem in separate(key, SOUNDS["silence"][0]).values():
        assert not stem.any()


@pytest.mark.parametrize("key", KEYS)
def test_the_same_input_gives_the_same_output(key: str) -> None:
    first, second = (separate(key, SOUNDS["stereo"][0]) for _ in range(2))
    for name, stem in first.items():
        assert np.array_equal(stem, second[name])


@pytest.mark.parametrize("key", KEYS)
def test_cancel_is_obeyed_at_any_check(key: str) -> None:
    class After(Stoppable):
        def __init__(self, checks: int) -> None:
            super().__init__()
            self.left = checks

        def check(self) -> None:
            self.left -= 1
            if self.left <= 0:
                raise Cancelled

    method, audio = registry.load(key), Audio(SOUNDS["stereo"][0], 44100)
    counter = After(10**9)
    list(runner.stream(audio, method, {}, counter))
    made = 10**9 - counter.left
    assert made >= 2, "a method has to look up now and then"
    for checks in {1, 2, made // 2, made}:
        with pytest.raises(Cancelled):
            list(runner.stream(audio, method, {}, After(checks)))


@pytest.mark.parametrize("key", KEYS)
def test_every_parameter_can_be_set_to_its_bounds(key: str) -> None:
    samples = music(1.0)
    for param in registry.info(key).params:
        for value in (param.minimum, param.maximum):
            if value is not None:
                stems = separate(key, samples, **{param.name: type(param.default)(value)})
                assert all(np.isfinite(stem).all() for stem in stems.values())


@pytest.mark.parametrize("key", KEYS)
def test_it_says_what_it_is(key: str) -> None:
    info = registry.info(key)
    assert info.key == key
    assert info.name
    assert info.sentence.endswith(".")
    assert any(character.isdigit() for character in info.source), "a source has a year"
    assert len(set(info.stems)) == len(info.stems)
    assert info.rest is None or info.rest in info.stems
    for param in info.params:
        assert param.help.endswith(".")
        assert param.checked(param.default) == param.default


@pytest.mark.parametrize("key", KEYS)
def test_pieces_do_not_click_at_their_joins(key: str) -> None:
    info = registry.info(key)
    assert info.segment_s is not None
    rate = 8000
    samples = tone(220, 2.2 * info.segment_s, rate=rate)
    for stem in separate(key, samples, rate).values():
        steps = np.abs(np.diff(stem, 2, axis=1)).max(axis=0)
        middle = steps[rate:-rate]
        assert middle.max() < 4 * np.percentile(steps, 99) + 1e-4


# What the parts of a small song are worth. The floors were set before anything was tuned: the song itself as the
# estimate has a negative SDR for all of them.

FLOORS = {
    ("classic", "vocals"): 0.0,
    ("classic", "drums"): 0.0,
    ("classic", "bass"): 3.0,
    ("hpss", "drums"): 0.0,
    ("repet_sim", "vocals"): 0.0,
    ("centre", "centre"): 0.0,
}


def band() -> dict[str, np.ndarray]:
    """Return a song of twelve seconds in its true parts."""
    rate, seconds = 44100, 12.0
    rng = np.random.default_rng(9)
    time = np.arange(round(rate * seconds)) / rate
    beat = time % 0.5
    drums = 0.5 * rng.standard_normal(len(time)) * np.exp(-beat / 0.02)
    bass = 0.25 * np.sin(2 * np.pi * np.where(time % 2 < 1, 55.0, 65.4) * time)
    chords = np.zeros((2, len(time)))
    for side, notes in ((0, (262, 392)), (1, (330, 523))):
        for note in notes:
            chords[side] += 0.07 * np.sin(2 * np.pi * note * time) * (0.5 + 0.5 * np.exp(-(time % 1.0) / 0.4))
    # The lead never repeats: a new note, with vibrato, every third of a second or so.
    lead = np.zeros(len(time))
    start = 2.0
    while start < seconds - 1:
        length = rng.uniform(0.25, 0.6)
        part = (time >= start) & (time < start + length)
        note = 440 * 2 ** (rng.integers(0, 13) / 12)
        own = time[part] - start
        phase = 2 * np.pi * note * own + 3 * np.sin(2 * np.pi * 5.5 * own)
        voice = sum(np.sin(number * phase) / number for number in range(1, 6))
        lead[part] = 0.2 * voice * np.sin(np.pi * own / length) ** 0.5
        start += length + rng.uniform(0.0, 0.15)
    both = np.ones((2, 1))
    return {"vocals": lead * both, "drums": drums * both, "bass": bass * both, "other": chords}


@pytest.mark.parametrize("key", KEYS)
def test_it_beats_its_floor_on_a_small_song(key: str) -> None:
    parts = band()
    samples = sum(parts.values()).astype(np.float32)
    stems = separate(key, samples)
    truths = {"centre": parts["vocals"] + parts["drums"] + parts["bass"], **parts}
    checked = [(name, floor) for (method, name), floor in FLOORS.items() if method == key]
    assert checked, "a new method brings its floor"
    for name, floor in checked:
        truth = truths[name]
        sdr = 20 * np.log10(rms(truth) / rms(truth - stems[name]))
        mixture = 20 * np.log10(rms(truth) / rms(truth - samples))
        assert sdr > floor, f"{name}: {sdr:.1f} dB (the song itself: {mixture:.1f} dB)"
        assert sdr > mixture + 3
