"""Parts, their measures, and who may move them."""

import numpy as np
import pytest

from stemeditor.audio.buffer import Audio
from stemeditor.errors import UserError
from stemeditor.methods.components import Component, measured, overruled, placed
from stemeditor.methods.excerpt import differs, excerpt
from stemeditor.methods.nmf import Nmf
from stemeditor.methods.runner import settled
from stemeditor.progress import Silent
from tests.methods.test_battery import band

FREQUENCIES = np.linspace(0, 8000, 401).astype(np.float32)


def part(**changes: float) -> Component:
    values = {"share": 0.1, "percussive": 0.1, "register_hz": 2000.0, "voicing": 0.6, "place": 0.0, **changes}
    return Component(1, "other", **values)


def test_the_rules_place_what_they_measure() -> None:
    assert placed(part()) == "vocals"
    assert placed(part(percussive=0.8)) == "drums"
    assert placed(part(register_hz=120.0)) == "bass"
    assert placed(part(place=-0.7)) == "other"
    assert placed(part(voicing=0.05)) == "other"


def test_measures_mean_what_they_say() -> None:
    comb = np.exp(-0.5 * ((FREQUENCIES[:, np.newaxis] - 220 * np.arange(1, 9)) / 20) ** 2).sum(axis=1)
    noise = np.ones(401)
    low = np.exp(-0.5 * ((FREQUENCIES - 80) / 20) ** 2)
    gains = np.ones((3, 100), np.float32)
    gains[0] += np.sin(2 * np.pi * 6 * np.arange(100) * 0.02)
    templates = np.stack([comb, noise, low], axis=1).astype(np.float32)
    zeros = np.zeros(3, np.float32)
    parts = measured(templates, gains, zeros, zeros, FREQUENCIES, 0.02)
    assert parts[0].voicing > 0.8
    assert parts[1].voicing < 0.3
    assert parts[2].register_hz < 150 < parts[0].register_hz < parts[1].register_hz
    assert sum(part.share for part in parts) == pytest.approx(1.0)


def test_a_person_overrules() -> None:
    parts = tuple(Component(number, "other", 0.1, 0, 100, 0, 0) for number in (1, 2, 3))
    moved = overruled(parts, "3 vocals, 1:drums")
    assert [part.stem for part in moved] == ["drums", "other", "vocals"]
    assert [part.overruled for part in moved] == [True, False, True]
    assert overruled(parts, "") == parts
    for wrong in ("4 vocals", "vocals", "1 piano", "x drums", "0 bass"):
        with pytest.raises(ValueError, match="part"):
            overruled(parts, wrong)


def test_a_moved_part_sounds_in_its_new_stem() -> None:
    song = Audio(sum(band().values()).astype(np.float32)[:, : 4 * 44100], 44100)
    params = settled(Nmf.info, {"parts": 8, "passes": 15})
    ready = Nmf().learn(song, params, Silent())
    loudest = max(ready.parts, key=lambda part: part.share)
    target = "vocals" if loudest.stem != "vocals" else "drums"
    moved = Nmf().learn(song, {**params, "overrule": f"{loudest.number} {target}"}, Silent())
    before, after = (learned.separate(song, params, Silent())[target] for learned in (ready, moved))
    assert np.square(after).sum() > np.square(before).sum() * 1.5


def test_nonsense_is_told_in_words() -> None:
    song = Audio(sum(band().values()).astype(np.float32)[:, :44100], 44100)
    with pytest.raises(UserError, match="part 99"):
        Nmf().learn(song, settled(Nmf.info, {"parts": 4, "passes": 3, "overrule": "99 drums"}), Silent())


def test_an_excerpt_stands_for_the_whole_and_is_bounded() -> None:
    song = Audio(np.arange(200 * 100, dtype=np.float32)[np.newaxis] / 20000, 100)
    heard = excerpt(song, 60.0)
    assert heard.frames == 6000
    assert heard.samples[0, 0] == song.samples[0, 0]
    assert heard.samples[0, -1] == song.samples[0, -1]
    assert excerpt(song, 500.0).frames == song.frames


@pytest.mark.parametrize(
    ("gains", "expected"), [((1.0, 1.0), False), ((1.0, 0.0), False), ((1.0, -0.5), False), ((0.0, 0.0), True)]
)
def test_whether_channels_differ(gains: tuple[float, float], expected: bool) -> None:
    sound = np.random.default_rng(0).standard_normal(20000).astype(np.float32)
    assert differs(Audio(np.outer(gains, sound), 44100)) is expected
    other = np.random.default_rng(1).standard_normal((2, 20000)).astype(np.float32)
    assert differs(Audio(other, 44100))
