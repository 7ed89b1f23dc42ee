import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemeditor.audio.buffer import Audio
from stemeditor.audio.peaks import Peaks
from stemeditor.project import edits
from stemeditor.project.document import Document
from stemeditor.project.model import PENDING_ID, Lane, Project, Song, Sound


def sound(level: float = 0.5, frames: int = 1000) -> Sound:
    audio = Audio(np.full((2, frames), level, np.float32), 44100)
    return Sound(audio, Peaks.of(audio))


def song(song_id: str = "s") -> Song:
    return Song(song_id, "A song", Path("a song.wav"), sound())


def stems(*names: str) -> tuple[Lane, ...]:
    return tuple(Lane(name, name, name.capitalize(), sound(0.25)) for name in names)


def separated() -> Project:
    return edits.add_stems(edits.open_song(song()), stems("vocals", "drums"), "Test")


def opened() -> Document:
    document = Document()
    document.apply("Open song", lambda project: edits.open_song(song()))
    return document


EDITS = {
    "gain": lambda p: edits.set_gain(p, "vocals", 0.25),
    "pan": lambda p: edits.set_pan(p, "vocals", -0.5),
    "mute": lambda p: edits.set_muted(p, "vocals", True),
    "solo": lambda p: edits.set_soloed(p, "drums", True),
    "solo only": lambda p: edits.solo_only(p, "drums"),
    "rename": lambda p: edits.rename(p, "vocals", "Lead"),
    "move": lambda p: edits.move_lane(p, "drums", 0),
    "master": lambda p: edits.set_master_gain(p, 0.5),
    "separate": lambda p: edits.add_stems(p, stems("bass"), "Other"),
}


@pytest.mark.parametrize("name", EDITS)
def test_undo_brings_back_the_very_state_and_redo_the_edited_one(name: str) -> None:
    document = Document()
    document.apply("Start", lambda project: separated())
    before = document.shown
    document.apply(name, EDITS[name])
    after = document.shown
    assert after is not before
    assert document.undo_name == name
    document.undo()
    assert document.shown is before
    assert document.redo_name == name
    document.redo()
    assert document.shown is after


@pytest.mark.parametrize("name", [name for name in EDITS if name != "separate"])
def test_an_edit_applied_twice_is_applied_once_and_makes_one_step(name: str) -> None:
    document = Document()
    document.apply("Start", lambda project: separated())
    document.apply(name, EDITS[name])
    once = document.shown
    document.apply(name, EDITS[name])
    if name != "solo only":
        assert document.shown is once
    assert [(lane.id, lane.gain, lane.soloed) for lane in document.shown.lanes] == [
        (lane.id, lane.gain, lane.soloed) for lane in once.lanes
    ]


@pytest.mark.parametrize(
    "edit",
    [
        lambda p: edits.set_gain(p, "nobody", 0.1),
        lambda p: edits.set_muted(p, "nobody", True),
        lambda p: edits.solo_only(p, "nobody"),
        lambda p: edits.rename(p, "vocals", "   "),
        lambda p: edits.move_lane(p, "nobody", 0),
        lambda p: edits.move_lane(p, "drums", 99),
    ],
)
def test_an_edit_that_finds_nothing_to_do_returns_the_same_project(edit: object) -> None:
    project = separated()
    assert edit(project) is project  # type: ignore[operator]


@given(gain=st.floats(allow_nan=False, allow_infinity=False), pan=st.floats(allow_nan=False, allow_infinity=False))
def test_gain_and_pan_stay_in_their_ranges(gain: float, pan: float) -> None:
    lane = edits.set_pan(edits.set_gain(separated(), "vocals", gain), "vocals", pan).lane("vocals")
    assert 0.0 <= lane.gain <= edits.MAX_GAIN
    assert -1.0 <= lane.pan <= 1.0


def test_a_level_that_is_no_number_is_a_bug() -> None:
    with pytest.raises(ValueError, match="nan"):
        edits.set_gain(separated(), "vocals", math.nan)


def test_stems_replace_those_before_and_silence_the_song() -> None:
    project = edits.set_soloed(separated(), "s/song", True)
    project = edits.add_stems(project, stems("bass", "other"), "Other")
    assert [lane.id for lane in project.lanes] == ["s/song", "bass", "other"]
    assert project.lane("s/song").muted
    assert not project.lane("s/song").soloed


def test_stems_of_the_same_role_take_the_place_and_the_settings_of_those_before() -> None:
    project = edits.rename(edits.set_pan(edits.set_gain(separated(), "vocals", 0.25), "vocals", -0.5), "vocals", "Lead")
    project = edits.set_soloed(edits.set_muted(project, "vocals", True), "vocals", True)
    new = tuple(replace(lane, id=f"new {lane.id}") for lane in stems("bass", "vocals"))
    bass, vocals = edits.carry_over(project, new)
    assert bass is new[0]
    assert (vocals.id, vocals.name, vocals.gain, vocals.pan, vocals.muted) == ("new vocals", "Lead", 0.25, -0.5, True)
    assert not vocals.soloed, "it would silence stems that were not there before"


def test_a_drag_is_one_step_and_the_next_drag_another() -> None:
    document = opened()
    for gain in (0.9, 0.8, 0.7):
        document.apply("Gain", lambda p, gain=gain: edits.set_gain(p, "s/song", gain), "gain s/song")
    document.seal()
    for gain in (0.6, 0.5):
        document.apply("Gain", lambda p, gain=gain: edits.set_gain(p, "s/song", gain), "gain s/song")
    document.undo()
    assert document.shown.lane("s/song").gain == 0.7
    document.undo()
    assert document.shown.lane("s/song").gain == 1.0


def test_a_new_change_forgets_what_was_undone() -> None:
    document = opened()
    document.apply("Mute", lambda p: edits.set_muted(p, "s/song", True))
    document.undo()
    document.apply("Pan", lambda p: edits.set_pan(p, "s/song", 0.5))
    assert document.redo_name is None
    assert not document.shown.lane("s/song").muted


def test_old_steps_fall_off_but_the_present_stays() -> None:
    document = opened()
    for number in range(600):
        document.apply("Gain", lambda p, n=number: edits.set_gain(p, "s/song", n / 1000))
    assert document.shown.lane("s/song").gain == 0.599
    undone = 0
    while document.undo_name is not None:
        document.undo()
        undone += 1
    assert undone == 500


def preview_of(document: Document) -> None:
    lanes = stems("vocals", "drums")
    document.begin_preview(
        edits.add_stems(document.base, lanes, "Test"),
        lambda base, preview: edits.add_stems(base, preview.stems, "Test"),
    )


def test_a_dropped_preview_leaves_nothing_but_edits_of_what_was_there() -> None:
    document = opened()
    preview_of(document)
    document.apply("Solo", lambda p: edits.set_soloed(p, "vocals", True))
    document.apply("Master", lambda p: edits.set_master_gain(p, 0.5))
    assert document.shown.lane("vocals").soloed
    document.drop_preview()
    assert [lane.id for lane in document.shown.lanes] == ["s/song"]
    assert document.shown.master_gain == 0.5
    assert document.undo_name == "Master"


def test_a_committed_preview_is_one_step_and_keeps_what_was_done_to_it() -> None:
    document = opened()
    preview_of(document)
    document.apply("Solo", lambda p: edits.set_soloed(p, "vocals", True))
    document.commit_preview("Separate", lambda preview: preview)
    assert document.shown.lane("vocals").soloed
    assert document.undo_name == "Separate"
    document.undo()
    assert [lane.id for lane in document.shown.lanes] == ["s/song"]
    assert not document.shown.lane("s/song").muted


def test_undo_under_a_preview_reaches_the_project_and_keeps_the_preview() -> None:
    document = opened()
    document.apply("Master", lambda p: edits.set_master_gain(p, 0.5))
    preview_of(document)
    document.undo()
    assert document.base.master_gain == 1.0
    assert document.shown.master_gain == 1.0
    assert document.shown.has_lane("vocals")


def test_edits_of_a_preview_are_steps_until_it_ends_and_then_those_that_changed_nothing_else_are_gone() -> None:
    document = opened()
    document.apply("Pan", lambda p: edits.set_pan(p, "s/song", 0.5))
    preview_of(document)
    document.apply("Solo", lambda p: edits.set_soloed(p, "vocals", True))
    document.apply("Master", lambda p: edits.set_master_gain(p, 0.5))
    for gain in (0.9, 0.8):
        document.apply("Gain", lambda p, gain=gain: edits.set_gain(p, "drums", gain), "gain drums")
    document.update_preview(lambda preview: replace(preview, filled=700))
    document.undo()
    assert document.shown.lane("drums").gain == 1.0, "a drag is one step here, too"
    document.undo()
    assert (document.base.master_gain, document.shown.master_gain) == (1.0, 1.0)
    assert document.shown.lane("vocals").soloed
    assert document.shown.filled == 700, "what has come since does not go"
    document.redo()
    document.redo()
    assert document.shown.lane("drums").gain == 0.8
    document.drop_preview()
    assert document.undo_name == "Master"
    document.undo()
    assert document.undo_name == "Pan"
    document.redo()
    assert document.redo_name is None
    assert document.base.master_gain == 0.5


def test_under_a_preview_undo_stays_with_its_song() -> None:
    document = opened()
    document.apply("Pan", lambda p: edits.set_pan(p, "s/song", 0.5))
    preview_of(document)
    document.undo()
    assert document.base.lane("s/song").pan == 0.0
    assert document.undo_name is None
    document.undo()
    assert document.base.song is not None
    document.apply("Solo", lambda p: edits.set_soloed(p, "vocals", True))
    document.undo()
    assert not document.shown.lane("vocals").soloed


def test_listeners_hear_of_changes_and_of_nothing_else() -> None:
    document = opened()
    heard: list[Project] = []
    document.listen(lambda: heard.append(document.shown))
    document.apply("Nothing", lambda p: p)
    assert heard == []
    document.apply("Mute", lambda p: edits.set_muted(p, "s/song", True))
    document.undo()
    assert [project.lane("s/song").muted for project in heard] == [True, False]


def test_while_stems_are_on_their_way_the_song_plays_where_they_are_not() -> None:
    project = replace(separated(), filled=400)
    mix = project.mix()
    out = mix.render(0, 1000)
    assert np.allclose(out, 0.5), "two stems of 0.25, then the song of 0.5"
    assert any(strip.id == PENDING_ID for strip in mix.strips)
    assert not any(strip.id == PENDING_ID for strip in separated().mix().strips)


@pytest.mark.parametrize("soloed", [False, True])
@pytest.mark.parametrize("filled", [0, 1, 100, 400, 999, 1000])
def test_where_the_song_takes_over_from_its_stems_nothing_clicks(filled: int, soloed: bool) -> None:
    project = edits.set_muted(replace(separated(), filled=filled), "vocals", True)
    if soloed:
        project = edits.set_soloed(project, "drums", True)
    out = project.mix().render(0, 1000)
    join = min(round(0.006 * project.rate), filled) if filled < 1000 else 0
    behind = 0.0 if soloed else 0.5
    assert np.allclose(out[:, : filled - join], 0.25)
    assert np.allclose(out[:, filled:], behind)
    if join > 100:
        steps = np.abs(np.diff(out[:, filled - join - 1 : filled + 1]))
        assert steps.max() < 2 * abs(behind - 0.25) / join
