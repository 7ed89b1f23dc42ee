"""The parts of a factorisation: found, and heard one by one."""

from pathlib import Path

import numpy as np
import pytest

from stemeditor.audio.levels import loudness
from stemeditor.errors import UserError
from stemeditor.jobs.parts import HearRequest, PartsRequest, hear_part, list_parts
from stemeditor.jobs.tasks import SeparateRequest, separate_song
from stemeditor.methods import registry
from stemeditor.methods.components import OVERRULE
from stemeditor.methods.excerpt import excerpt, stretches
from stemeditor.progress import Silent
from tests.helpers.sounds import RATE, music, song_of

KEYS = registry.keys()
METHODS = [key for key in KEYS if OVERRULE in registry.info(key).params]


def test_parts_are_those_that_the_separation_will_use(tmp_path: Path) -> None:
    song = song_of(music(3.0))
    params = {"passes": 5, "parts": 6}
    parts = list_parts(PartsRequest(song, "nmf", params), Silent()).components
    assert [part.number for part in parts] == [1, 2, 3, 4, 5, 6]
    every = ", ".join(f"{part.number} drums" for part in parts)
    found = separate_song(SeparateRequest(song, "nmf", {**params, "overrule": every}, tmp_path), Silent())
    drums = next(lane for lane in found.lanes if lane.role == "drums").sound.audio.samples
    assert np.abs(drums - song.sound.audio.samples).max() < 1e-3
    with pytest.raises(UserError, match="parts"):
        list_parts(PartsRequest(song, "hpss"), Silent())


@pytest.mark.parametrize("key", METHODS)
def test_the_parts_of_every_factorisation_add_up_to_what_was_heard(key: str) -> None:
    song = song_of(music(3.0))
    found = list_parts(PartsRequest(song, key, {"passes": 5, "parts": 4}), Silent())
    heard = excerpt(song.sound.audio, found.learn_s)
    sounds = [found.learned.alone(heard, part.number, Silent()) for part in found.components]
    assert all(np.abs(sound).max() > 1e-4 for sound in sounds)
    assert np.abs(np.sum(sounds, axis=0) - heard.samples).max() < 1e-3


def test_a_part_is_heard_where_it_is_loudest_and_as_loud_as_the_song() -> None:
    # A hiss that is there from 40 to 44 s only, beside a tone.
    time = np.arange(60 * RATE) / RATE
    tone = 0.05 * np.sin(2 * np.pi * 220 * time)
    hiss = np.where((time > 40) & (time < 44), np.random.default_rng(0).normal(0, 0.1, time.shape), 0.0)
    song = song_of(np.stack([tone + hiss] * 2).astype(np.float32))
    found = list_parts(PartsRequest(song, "nmf", {"passes": 30, "parts": 4, "learn_s": 60.0}), Silent())
    number = max(found.components, key=lambda part: part.register_hz).number
    sound = hear_part(HearRequest(song, found, number), Silent())
    assert 38.0 <= sound.start / RATE <= 40.0
    assert sound.audio.duration_s == 6.0
    stop = sound.start + sound.audio.frames
    assert np.corrcoef(sound.audio.samples[0], hiss[sound.start : stop])[0, 1] > 0.9
    assert sound.gain > 1.2
    assert sound.gain * np.abs(sound.audio.samples).max() <= 0.901
    raised_lufs = loudness(sound.audio) + 20 * np.log10(sound.gain)
    assert raised_lufs <= loudness(song.sound.audio.slice(sound.start, stop)) + 0.1


def test_what_a_part_is_heard_in_lies_where_the_song_has_it() -> None:
    song = song_of(music(40.0))
    found = list_parts(PartsRequest(song, "nmf", {"passes": 5, "parts": 4, "learn_s": 15.0}), Silent())
    places = stretches(song.sound.audio.frames, RATE, 15.0)
    assert len(places) > 1
    sounds = [hear_part(HearRequest(song, found, part.number), Silent()) for part in found.components]
    for sound in sounds:
        assert any(start <= sound.start and sound.start + sound.audio.frames <= stop for start, stop in places)
    # A part is what the song is there, but for what the others have of it.
    for number, sound in enumerate(sounds, start=1):
        heard = excerpt(song.sound.audio, 15.0)
        whole = np.sum([found.learned.alone(heard, part.number, Silent()) for part in found.components], axis=0)
        mine = found.learned.alone(heard, number, Silent())
        at = next(
            before + sound.start - start
            for (start, stop), before in zip(places, np.cumsum([0, *(b - a for a, b in places)]), strict=False)
            if start <= sound.start < stop
        )
        assert np.array_equal(sound.audio.samples, mine[:, at : at + sound.audio.frames])
        there = song.sound.audio.samples[:, sound.start : sound.start + sound.audio.frames]
        assert np.abs(whole[:, at : at + sound.audio.frames] - there).max() < 1e-3
