"""Edits of what lanes play between two moments: what is heard, what stays, what comes back."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemeditor.audio.band import Band
from stemeditor.audio.buffer import Audio
from stemeditor.audio.peaks import Peaks
from stemeditor.project import cutting, edits
from stemeditor.project.description import describe, ids, rebuild, sounds
from stemeditor.project.model import Lane, Project, Song, Sound

RATE, FRAMES = 8000, 4000
RAMP = 48
NAMES = ("vocals", "drums", "bass")


def sound(seed: int) -> Sound:
    audio = Audio(np.random.default_rng(seed).uniform(-0.3, 0.3, (2, FRAMES)).astype(np.float32), RATE)
    return Sound(audio, Peaks.of(audio))


def project() -> Project:
    stems = tuple(Lane(name, name, name.capitalize(), sound(seed)) for seed, name in enumerate(NAMES))
    total = Audio(sum(lane.sound.audio.samples for lane in stems), RATE)
    song = Song("s", "A song", Path("a song.wav"), Sound(total, Peaks.of(total)))
    return edits.add_stems(edits.open_song(song), stems, "Test")


def heard(p: Project, lane_id: str) -> np.ndarray:
    return p.lane(lane_id).content.read(0, FRAMES).astype(np.float64)


def whole(p: Project) -> np.ndarray:
    return sum(heard(p, name) for name in NAMES)


PLAIN = project()
VOCALS = heard(PLAIN, "vocals")

spans = st.tuples(st.integers(0, FRAMES - 1), st.integers(1, FRAMES)).map(
    lambda pair: (pair[0], min(pair[0] + pair[1], FRAMES))
)
bands = st.sampled_from([None, None, Band(500.0, 1500.0), Band(0.0, 800.0), Band(1000.0, 4000.0)])
Edit = Callable[[Project], Project]


def any_edit(draw: st.DrawFn) -> Edit:
    kind = draw(st.sampled_from(["silence", "keep", "amplify", "fade", "transfer", "paste", "restore"]))
    lane, other = draw(st.permutations(NAMES))[:2]
    start, stop = draw(spans)
    at = draw(st.integers(0, FRAMES - 1))
    factor, out, band = draw(st.floats(0.0, 4.0)), draw(st.booleans()), draw(bands)
    return {
        "silence": lambda p: cutting.silence(p, lane, start, stop, band),
        "keep": lambda p: cutting.keep(p, lane, start, stop, band),
        "amplify": lambda p: cutting.amplify(p, lane, start, stop, factor, band),
        "fade": lambda p: cutting.fade(p, lane, start, stop, out, band),
        "transfer": lambda p: cutting.transfer(p, lane, other, start, stop, band),
        "paste": lambda p: cutting.paste(p, other, at, cutting.copy(p, lane, start, stop, band)),
        "restore": lambda p: cutting.restore(p, lane, start, stop, band),
    }[kind]


any_edits = st.lists(st.composite(any_edit)(), max_size=6)


def applied(changes: list[Edit]) -> Project:
    p = PLAIN
    for change in changes:
        p = change(p)
    return p


def test_silence_is_silent_and_leaves_the_rest_alone() -> None:
    p = cutting.silence(PLAIN, "vocals", 1000, 2000)
    now = heard(p, "vocals")
    assert not now[:, 1000 + RAMP : 2000 - RAMP].any()
    assert np.array_equal(now[:, : 1000 - RAMP], VOCALS[:, : 1000 - RAMP])
    assert np.array_equal(now[:, 2000 + RAMP :], VOCALS[:, 2000 + RAMP :])
    assert p.lane("drums") is PLAIN.lane("drums")
    assert p.lane("vocals").sound is PLAIN.lane("vocals").sound, "nothing is written over"


def test_nothing_clicks_where_a_loud_tone_is_cut() -> None:
    tone = Audio(np.full((1, FRAMES), 0.9, np.float32), RATE)
    p = replace(PLAIN, lanes=(replace(PLAIN.lanes[0], sound=Sound(tone, Peaks.of(tone))), *PLAIN.lanes[1:]))
    song = p.lanes[0].id
    for cut in (
        cutting.silence(p, song, 1000, 2000),
        cutting.keep(p, song, 1000, 2000),
        cutting.amplify(p, song, 1000, 2000, 0.1),
        cutting.fade(p, song, 1000, 2000),
        cutting.fade(p, song, 1000, 2000, out=True),
        cutting.paste(cutting.silence(p, song, 0, 500), song, 100, cutting.copy(p, song, 3000, 3300)),
    ):
        assert np.abs(np.diff(cut.lane(song).content.read(0, FRAMES))).max() < 0.05


def test_keep_and_silence_of_the_same_stretch_are_the_whole() -> None:
    kept, cut = cutting.keep(PLAIN, "vocals", 700, 900), cutting.silence(PLAIN, "vocals", 700, 900)
    assert np.allclose(heard(kept, "vocals") + heard(cut, "vocals"), VOCALS, atol=1e-7)


def test_what_reaches_an_end_of_the_song_is_cut_to_that_end() -> None:
    assert not heard(cutting.silence(PLAIN, "vocals", 0, FRAMES), "vocals").any()
    assert not heard(cutting.silence(PLAIN, "vocals", 0, 500), "vocals")[:, :400].any()
    assert not heard(cutting.silence(PLAIN, "vocals", 3500, FRAMES), "vocals")[:, 3600:].any()
    assert cutting.keep(PLAIN, "vocals", 0, FRAMES) is PLAIN


def test_amplify_multiplies_and_stops_at_the_top() -> None:
    p = cutting.amplify(PLAIN, "vocals", 1000, 2000, 2.0)
    assert np.allclose(heard(p, "vocals")[:, 1100:1900], 2 * VOCALS[:, 1100:1900])
    assert np.allclose(heard(p, "vocals")[:, 2100:], VOCALS[:, 2100:])
    p = cutting.amplify(p, "vocals", 1000, 2000, 100.0)
    assert np.allclose(heard(p, "vocals")[:, 1100:1900], edits.MAX_GAIN * VOCALS[:, 1100:1900], rtol=1e-5)
    back = cutting.amplify(cutting.amplify(PLAIN, "vocals", 100, 900, 2.0), "vocals", 100, 900, 0.5)
    assert np.allclose(heard(back, "vocals")[:, 200:800], VOCALS[:, 200:800])


@given(spans, spans, bands, bands)
def test_moving_between_lanes_keeps_the_sum_and_moving_back_restores(
    first: tuple[int, int], second: tuple[int, int], band: Band | None, other: Band | None
) -> None:
    p = cutting.transfer(PLAIN, "vocals", "drums", *first, band)
    p = cutting.transfer(p, "drums", "bass", *second, other)
    p = cutting.transfer(p, "drums", "vocals", *second, band)
    assert np.allclose(whole(p), whole(PLAIN), atol=3e-7)
    back = cutting.transfer(cutting.transfer(PLAIN, "vocals", "drums", *first), "drums", "vocals", 0, FRAMES)
    assert np.allclose(heard(back, "vocals"), whole(PLAIN) - heard(PLAIN, "bass"), atol=3e-7)
    assert not heard(back, "drums").any()
    once = cutting.restore(cutting.transfer(PLAIN, "vocals", "drums", *first), "vocals", 0, FRAMES)
    assert all(lane.takes is None for lane in once.lanes), "the other lane, too, is as it was"


def test_moving_puts_the_sound_into_the_other_lane() -> None:
    p = cutting.transfer(PLAIN, "vocals", "drums", 1000, 2000)
    expected = heard(PLAIN, "drums")[:, 1100:1900] + VOCALS[:, 1100:1900]
    assert np.allclose(heard(p, "drums")[:, 1100:1900], expected, atol=1e-7)
    assert not heard(p, "vocals")[:, 1100:1900].any()
    assert cutting.transfer(PLAIN, "vocals", "vocals", 1000, 2000) is PLAIN
    silent = cutting.silence(PLAIN, "vocals", 0, FRAMES)
    assert cutting.transfer(silent, "vocals", "drums", 0, FRAMES) is silent, "there is nothing to move"


def test_a_copy_takes_the_place_of_what_was_there() -> None:
    clip = cutting.copy(PLAIN, "vocals", 1000, 1500)
    p = cutting.paste(PLAIN, "drums", 3000, clip)
    assert np.allclose(heard(p, "drums")[:, 3050:3450], VOCALS[:, 1050:1450], atol=1e-7)
    assert np.array_equal(heard(p, "drums")[:, :2900], heard(PLAIN, "drums")[:, :2900])
    assert np.array_equal(heard(p, "drums")[:, 3600:], heard(PLAIN, "drums")[:, 3600:])
    again = cutting.paste(p, "drums", 3000, clip)
    assert np.allclose(heard(again, "drums"), heard(p, "drums"), atol=1e-7)
    end = cutting.paste(PLAIN, "drums", FRAMES - 200, clip)
    assert np.allclose(heard(end, "drums")[:, -150:], VOCALS[:, 1050:1200], atol=1e-7)
    assert cutting.paste(PLAIN, "drums", FRAMES, clip) is PLAIN
    assert cutting.paste(PLAIN, "drums", 0, replace(clip, rate=44100)) is PLAIN


def test_a_copy_of_a_copy_is_where_it_belongs() -> None:
    p = cutting.paste(PLAIN, "vocals", 2000, cutting.copy(PLAIN, "vocals", 0, 500))
    p = cutting.paste(p, "vocals", 3000, cutting.copy(p, "vocals", 2000, 2500))
    assert np.allclose(heard(p, "vocals")[:, 3050:3450], VOCALS[:, 50:450], atol=1e-7)


@given(any_edits, st.sampled_from(NAMES))
def test_restoring_everything_brings_everything_back(changes: list[Edit], lane: str) -> None:
    p = applied(changes)
    one = cutting.restore(p, lane, 0, FRAMES)
    assert np.allclose(heard(one, lane), heard(PLAIN, lane), atol=1e-6)
    for name in NAMES:
        one = cutting.restore(one, name, 0, FRAMES)
    assert np.allclose(whole(one), whole(PLAIN), atol=1e-6)
    assert all(one.lane(name).takes is None for name in NAMES)
    assert cutting.restore(one, lane, 0, FRAMES) is one


@given(st.lists(st.tuples(st.permutations(NAMES), spans, bands), max_size=5), st.sampled_from(NAMES), spans, bands)
def test_restoring_a_stretch_after_moves_keeps_the_sum(
    moves: list[tuple[list[str], tuple[int, int], Band | None]], lane: str, span: tuple[int, int], band: Band | None
) -> None:
    p = PLAIN
    for (one, other, _), where, moved in moves:
        p = cutting.transfer(p, one, other, *where, moved)
    p = cutting.restore(p, lane, *span, band)
    assert np.allclose(whole(p), whole(PLAIN), atol=1e-5)
    if band is not None:
        return
    middle = slice(span[0] + RAMP, max(span[1] - RAMP, span[0] + RAMP))
    assert np.allclose(heard(p, lane)[:, middle], heard(PLAIN, lane)[:, middle], atol=1e-6)


def test_a_band_is_silenced_and_the_rest_of_it_stays() -> None:
    seconds = np.arange(FRAMES) / RATE
    low, high = (0.3 * np.sin(2 * np.pi * hz * seconds) for hz in (300.0, 2000.0))
    audio = Audio(np.stack([low + high] * 2).astype(np.float32), RATE)
    lanes = (replace(PLAIN.lanes[1], sound=Sound(audio, Peaks.of(audio))), PLAIN.lanes[2])
    start = replace(PLAIN, lanes=(PLAIN.lanes[0], *lanes))
    p = cutting.silence(start, "vocals", 1000, 3000, Band(1000.0, 4000.0))
    inside = slice(1500, 2500)
    assert np.abs(heard(p, "vocals")[0, inside] - low[inside]).max() < 1e-3
    assert np.array_equal(heard(p, "vocals")[:, :900], audio.samples[:, :900])
    again = cutting.silence(p, "vocals", 1000, 3000, Band(1000.0, 4000.0))
    assert np.allclose(heard(again, "vocals"), heard(p, "vocals"), atol=1e-6), "what is gone cannot go again"
    p = cutting.transfer(start, "vocals", "drums", 1000, 3000, Band(1000.0, 4000.0))
    assert np.abs(heard(p, "drums")[0, inside] - heard(start, "drums")[0, inside] - high[inside]).max() < 1e-3
    p = cutting.paste(start, "drums", 0, cutting.copy(start, "vocals", 1000, 3000, Band(1000.0, 4000.0)))
    was, now = (np.abs(np.fft.rfft(heard(one, "drums")[0, 500:1500])) for one in (start, p))
    assert np.allclose(was[20:100], now[20:100], rtol=0.2), "what lies below the band stays"
    p = cutting.amplify(start, "vocals", 0, FRAMES, 2.0, Band(1000.0, 4000.0))
    assert np.abs(heard(p, "vocals")[0, inside] - low[inside] - 2 * high[inside]).max() < 2e-3
    p = cutting.keep(start, "vocals", 0, FRAMES, Band(1000.0, 4000.0))
    assert np.abs(heard(p, "vocals")[0, inside] - high[inside]).max() < 1e-3
    back = cutting.restore(p, "vocals", 0, FRAMES)
    assert back.lane("vocals").takes is None


def test_many_bands_at_one_place_stay_few_takes() -> None:
    p = PLAIN
    for _ in range(20):
        p = cutting.amplify(p, "vocals", 1000, 2000, 0.9, Band(500.0, 1500.0))
        p = cutting.amplify(p, "vocals", 1000, 2000, 0.9, Band(0.0, 800.0))
    takes = p.lane("vocals").takes
    assert takes is not None
    assert len(takes) <= 4


@given(any_edits)
def test_edits_are_described_and_come_back(changes: list[Edit]) -> None:
    p = applied(changes)
    told = json.loads(json.dumps(describe(p)))
    assert list(ids(told)) == list(sounds(p))
    back = rebuild(told, sounds(p), "again", None, Path())
    assert describe(back) == describe(p)
    for lane, other in zip(p.lanes, back.lanes, strict=True):
        assert np.array_equal(lane.content.read(0, FRAMES), other.content.read(0, FRAMES))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sound": 3},
        {"role": None},
        {"shift": 0.5},
        {"shift": 1 << 50},
        {"envelope": []},
        {"envelope": [[0]]},
        {"envelope": [[5, 1.0], [5, 1.0]]},
        {"envelope": [["0", 1.0]]},
        {"envelope": [[0, "loud"]]},
        {"envelope": [[0, float("nan")]]},
        {"envelope": None},
        {"bands": None},
        {"bands": [[5]]},
        {"bands": [[900.0, 200.0]]},
        {"bands": [["low", 200.0]]},
        {"copied": 0},
    ],
)
def test_a_take_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    right = {
        "sound": PLAIN.stems[0].sound.id,
        "role": "vocals",
        "shift": 0,
        "envelope": [[0, 1.0], [9, 0.0]],
        "bands": [[200.0, 900.0]],
        "copied": False,
    }
    assert read_back([right]).stems[0].takes is not None
    with pytest.raises(ValueError, match=r" (is|are) |envelope|gain"):
        read_back([{**right, **wrong}])


@pytest.mark.parametrize("takes", [3, [3], "none"])
def test_what_are_no_takes_is_refused(takes: object) -> None:
    with pytest.raises(ValueError, match="are no takes"):
        read_back(takes)


def read_back(takes: object) -> Project:
    told = describe(PLAIN)
    told["lanes"][1]["takes"] = takes
    ids(told)
    return rebuild(told, sounds(PLAIN), "again", None, Path())


def test_a_project_that_says_nothing_of_takes_has_none() -> None:
    told = describe(PLAIN)
    for lane in told["lanes"]:
        del lane["takes"]
    assert describe(rebuild(told, sounds(PLAIN), "again", None, Path())) == describe(PLAIN)


def test_a_new_separation_is_cut_as_the_last_one_was() -> None:
    p = cutting.transfer(cutting.silence(PLAIN, "vocals", 0, 900), "bass", "drums", 2000, 3000)
    new = project()
    taken = cutting.carried(p, new.stems)
    again = replace(new, lanes=(new.lanes[0], *taken))
    assert not heard(again, "vocals")[:, :800].any()
    assert np.allclose(whole(again), whole(PLAIN) - (VOCALS - heard(p, "vocals")), atol=1e-6)
    assert {take.sound.id for lane in taken for take in lane.takes or ()} <= {lane.sound.id for lane in new.stems}
    fewer = new.stems[:2]
    assert cutting.carried(p, fewer) == fewer, "drums play a part of a bass that is not there any more"


def test_edited_says_where() -> None:
    p = cutting.silence(PLAIN, "vocals", 1000, 2000)
    assert cutting.edited(p.lane("vocals"), 0, FRAMES)
    assert cutting.edited(p.lane("vocals"), 1500, 1600)
    assert not cutting.edited(p.lane("vocals"), 2500, 3000)
    assert not cutting.edited(p.lane("drums"), 0, FRAMES)
    moved = cutting.transfer(PLAIN, "vocals", "drums", 1000, 2000)
    assert cutting.edited(moved.lane("drums"), 1500, 1600)
    assert not cutting.edited(moved.lane("drums"), 0, 500)
    gone = cutting.silence(PLAIN, "vocals", 0, FRAMES)
    assert cutting.edited(gone.lane("vocals"), 0, 10)


def test_edits_of_a_lane_that_is_not_there_change_nothing() -> None:
    clip = cutting.copy(PLAIN, "vocals", 0, 10)
    for change in (
        lambda p: cutting.silence(p, "no", 0, 10),
        lambda p: cutting.keep(p, "no", 0, 10),
        lambda p: cutting.amplify(p, "no", 0, 10, 2.0),
        lambda p: cutting.fade(p, "no", 0, 10),
        lambda p: cutting.transfer(p, "no", "drums", 0, 10),
        lambda p: cutting.transfer(p, "drums", "no", 0, 10),
        lambda p: cutting.paste(p, "no", 0, clip),
        lambda p: cutting.restore(p, "no", 0, 10),
    ):
        assert change(PLAIN) is PLAIN


def test_missing_is_where_its_own_sound_is_softer() -> None:
    assert cutting.missing(PLAIN.lane("vocals")) == []
    p = cutting.amplify(cutting.silence(PLAIN, "vocals", 1000, 2000), "vocals", 3000, 3500, 2.0)
    ((start, stop),) = cutting.missing(p.lane("vocals"))
    assert 1000 - RAMP <= start < 1000 < 2000 < stop <= 2000 + RAMP
    (whole,) = cutting.missing(cutting.silence(PLAIN, "vocals", 0, FRAMES).lane("vocals"))
    assert whole == (-np.inf, np.inf)
