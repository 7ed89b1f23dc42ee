import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stemeditor.audio.stretch import Pace
from stemeditor.errors import Cancelled, FileProblem
from stemeditor.progress import Silent
from stemeditor.project import description, edits, storage
from stemeditor.project.description import Place
from stemeditor.project.model import RESIDUAL_ROLE, Lane, Project
from stemeditor.project.storage import Kept
from tests.helpers.sounds import lane_of, music, song_of, sound_of

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second of sound be many rows."""
    monkeypatch.setattr(storage, "PIECE", 4096)


def project_of(samples: np.ndarray, rate: int = 44100, folder: Path = Path("/music")) -> Project:
    song = song_of(samples, rate, folder / "A song.flac", tags={"title": "A song", "artist": "Ölaf"}, cover=b"\x89PNG")
    lanes = tuple(lane_of(name, samples * share, rate) for name, share in (("vocals", 0.3), ("drums", 0.7)))
    project = edits.add_stems(edits.open_song(song), lanes, "Test")
    project = edits.set_pan(edits.set_gain(project, "vocals", 0.1), "vocals", -1 / 3)
    project = edits.rename(edits.set_soloed(project, "drums", True), "drums", "Beat “1” & more")
    return edits.set_master_gain(edits.move_lane(project, "drums", 0), 0.7)


def saved(project: Project, path: Path, place: Place | None = None) -> Path:
    storage.save(Kept(project, place or Place()), path, Silent())
    return path


def loaded(path: Path, tmp_path: Path) -> Kept:
    return storage.load(path, tmp_path / "session", "new", Silent())


def alike(one: Project, other: Project) -> bool:
    return description.describe(one) == description.describe(other) and all(
        np.array_equal(a.sound.audio.samples, b.sound.audio.samples)
        for a, b in zip(one.lanes, other.lanes, strict=True)
    )


@pytest.mark.parametrize(
    ("frames", "channels", "rate"), [(1, 1, 44100), (1, 2, 8000), (4096, 2, 48000), (12289, 2, 96000), (9000, 1, 44100)]
)
def test_what_was_saved_comes_back_to_the_last_bit(frames: int, channels: int, rate: int, tmp_path: Path) -> None:
    samples = np.random.default_rng(frames).standard_normal((channels, frames)).astype(np.float32) * 3
    project = project_of(samples, rate, tmp_path)
    place = Place(frames // 2, (0, frames), True, Pace(0.5, 1.5))
    kept = loaded(saved(project, tmp_path / "a.stemeditor", place), tmp_path)
    assert alike(kept.project, project)
    assert kept.place == place
    assert kept.damaged == ()
    assert (kept.project.song.tags, kept.project.song.cover) == (project.song.tags, project.song.cover)
    assert kept.project.song.path == tmp_path / "A song.flac"
    assert kept.project.song.sound is kept.project.lanes[1].sound, "the song lies there once"
    for lane, before in zip(kept.project.lanes, project.lanes, strict=True):
        assert lane.sound.peaks.filled == frames
        assert lane.sound.peaks.peak() == before.sound.peaks.peak()


def test_the_song_is_found_when_both_moved_together(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    saved(project_of(music(0.1), folder=old / "songs"), old / "a.stemeditor")
    shutil.move(old, new)
    assert loaded(new / "a.stemeditor", tmp_path).project.song.path == new / "songs" / "A song.flac"


def test_silence_takes_no_room(tmp_path: Path) -> None:
    project = edits.open_song(song_of(np.zeros((2, 400_000), np.float32)))
    path = saved(project, tmp_path / "a.stemeditor")
    assert path.stat().st_size < 800_000, "as sound it would be 3,200,000"
    assert not loaded(path, tmp_path).project.song.sound.audio.samples.any()


def test_saving_again_writes_only_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = project_of(music(2.0))
    song = Project(project.song, project.lanes[1:2])
    path = saved(song, tmp_path / "a.stemeditor")
    monkeypatch.setattr(storage, "_write_whole", None)
    saved(project, path)
    assert alike(loaded(path, tmp_path).project, project)
    size = path.stat().st_size
    turned = edits.set_muted(project, "vocals", True)
    saved(turned, path)
    assert path.stat().st_size == size
    assert alike(loaded(path, tmp_path).project, turned)


def test_what_came_from_a_file_is_not_written_into_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(project_of(music(1.0)), tmp_path / "a.stemeditor")
    project = loaded(path, tmp_path).project
    monkeypatch.setattr(storage, "_write_whole", None)
    monkeypatch.setattr(storage, "release_pages", None)
    saved(edits.set_master_gain(project, 0.25), path)
    assert loaded(path, tmp_path).project.master_gain == 0.25


def test_stems_that_went_leave_the_file(tmp_path: Path) -> None:
    project = project_of(music(2.0))
    path = saved(project, tmp_path / "a.stemeditor")
    size = path.stat().st_size
    other = edits.add_stems(project, (lane_of("bass", music(2.0) * 0.5),), "Other")
    saved(other, path)
    assert alike(loaded(path, tmp_path).project, other)
    assert path.stat().st_size < size


class Stops(Silent):
    """Progress that is cancelled, or ends the process, behind a share of the work."""

    def __init__(self, at: float, end: object = None) -> None:
        self.at, self.end = at, end

    def advance(self, fraction: float, text: str = "") -> None:
        if fraction >= self.at:
            raise Cancelled if self.end is None else self.end


@pytest.mark.parametrize("adds", [True, False], ids=["adding", "anew"])
@pytest.mark.parametrize("ending", [None, OSError(28, "full"), RuntimeError("a bug")], ids=str)
def test_a_save_that_breaks_off_leaves_what_was_there(adds: bool, ending: object, tmp_path: Path) -> None:
    project = project_of(music(1.0))
    before = Project(project.song, project.lanes[1:2]) if adds else project
    after = project if adds else edits.add_stems(project, (lane_of("bass", music(1.0)),), "Other")
    path = saved(before, tmp_path / "a.stemeditor")
    content = path.read_bytes()
    with pytest.raises((Cancelled, FileProblem, RuntimeError)) as told:
        storage.save(Kept(after), path, Stops(0.5, ending))
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == [path.name]
    if isinstance(ending, OSError):
        assert told.value.message == "The disk is full; “a.stemeditor” was not written."
    saved(after, path)
    assert alike(loaded(path, tmp_path).project, after)


@pytest.mark.skipif(sys.platform == "win32", reason="another way to end a process")
def test_a_program_that_dies_while_it_saves_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    path = tmp_path / "a.stemeditor"
    code = """
        import os, sys
        from pathlib import Path
        import tests.project.test_storage as helped
        from stemeditor.project import storage
        from stemeditor.project.model import Project
        class Dies(helped.Silent):
            def advance(self, fraction, text=""):
                if fraction > 0.5:
                    os.kill(os.getpid(), 9)
        project = helped.project_of(helped.music(60.0))
        helped.saved(Project(project.song, project.lanes[1:2]), Path(sys.argv[1]))
        storage.save(helped.Kept(project), Path(sys.argv[1]), Dies())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(path)], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert path.with_name("a.stemeditor-journal").exists(), "or it died before there was anything to undo"
    project = loaded(path, tmp_path).project
    assert [lane.role for lane in project.lanes] == ["song"]
    assert np.array_equal(project.song.sound.audio.samples, music(60.0))


@pytest.mark.parametrize("adds", [True, False], ids=["adding", "anew"])
def test_a_full_disk_is_told_and_costs_nothing(adds: bool, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="no limits of that kind")
    project = project_of(music(2.0))
    song = Project(project.song, project.lanes[1:2])
    path = saved(song, tmp_path / "a.stemeditor")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100_000, hard))
    try:
        with pytest.raises(FileProblem, match="cannot be written|The disk is full"):
            saved(project, path if adds else tmp_path / "b.stemeditor")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    # Where nothing more can be written, what was begun is undone by whoever comes next.
    assert alike(loaded(path, tmp_path).project, song)
    assert sorted(os.listdir(tmp_path)) == [path.name, "session"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="The folder “nowhere” is not there"):
        saved(project_of(music(0.1)), tmp_path / "nowhere" / "a.stemeditor")


def test_a_file_of_another_kind_is_replaced_as_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.stemeditor"
    path.write_bytes(b"something else")
    project = project_of(music(0.1))
    assert alike(loaded(saved(project, path), tmp_path).project, project)


@pytest.mark.parametrize("verb", ["load", "save"])
def test_a_file_that_another_program_writes_is_left_alone(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_PATIENCE_S", 0.01)
    project = project_of(music(0.1))
    path = saved(project, tmp_path / "a.stemeditor")
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(FileProblem, match="is being saved by another program"):
            _ = loaded(path, tmp_path) if verb == "load" else saved(project, path)
    finally:
        other.close()
    assert alike(loaded(path, tmp_path).project, project)


def change(path: Path, *orders: str) -> None:
    base = sqlite3.connect(path)
    for order in orders:
        base.execute(order)
    base.commit()
    base.close()


@pytest.mark.parametrize(
    "order",
    [
        "UPDATE piece SET samples = zeroblob(4 * 2 * 4096) WHERE number = 1 AND sound = '{id}'",
        "UPDATE piece SET samples = zeroblob(7) WHERE number = 1 AND sound = '{id}'",
        "UPDATE piece SET samples = 'words' WHERE number = 1 AND sound = '{id}'",
        "UPDATE piece SET number = 99 WHERE number = 1 AND sound = '{id}'",
    ],
)
def test_what_is_damaged_is_silent_and_named_and_the_rest_is_there(order: str, tmp_path: Path) -> None:
    project = project_of(music(1.0))
    path = saved(project, tmp_path / "a.stemeditor")
    change(path, order.format(id=project.lane("vocals").sound.id))
    kept = loaded(path, tmp_path)
    assert kept.damaged == ("Vocals",)
    expected = project.lane("vocals").sound.audio.samples.copy()
    expected[:, 4096:8192] = 0
    assert np.array_equal(kept.project.lanes[2].sound.audio.samples, expected)
    assert np.array_equal(kept.project.lanes[0].sound.audio.samples, project.lanes[0].sound.audio.samples)
    saved(kept.project, path)
    again = loaded(path, tmp_path)
    assert again.damaged == ()
    assert alike(again.project, kept.project)


def test_numbers_that_are_no_sound_are_not_let_in(tmp_path: Path) -> None:
    project = project_of(music(1.0))
    bad = project.lane("vocals").sound.audio.samples.copy()
    bad[0, 5000] = np.nan
    lanes = tuple(replace(lane, sound=sound_of(bad)) if lane.id == "vocals" else lane for lane in project.lanes)
    kept = loaded(saved(replace(project, lanes=lanes), tmp_path / "a.stemeditor"), tmp_path)
    assert kept.damaged == ("Vocals",)
    assert np.isfinite(kept.project.lanes[2].sound.audio.samples).all()


def rewritten(path: Path, change_it: object) -> None:
    base = sqlite3.connect(path)
    (text,) = base.execute("SELECT text FROM document").fetchone()
    told = json.loads(text)
    base.execute("UPDATE document SET text = ?", (json.dumps(change_it(told) or told),))  # type: ignore[operator]
    base.commit()
    base.close()


WRONG = {
    "a list": lambda told: [told],
    "no song": lambda told: told.pop("song") and None,
    "a song of nothing": lambda told: told.update(song={}),
    "a sound that is not there": lambda told: told["song"].update(sound="nowhere"),
    "a path that cannot be": lambda told: told["song"].update(path="a\0b"),
    "no lanes": lambda told: told.update(lanes=[]),
    "lanes that are words": lambda told: told.update(lanes=["vocals"]),
    "a gain in words": lambda told: told["lanes"][0].update(gain="loud"),
    "a gain beyond numbers": lambda told: told["lanes"][0].update(gain=float("inf")),
    "a mute that is a number": lambda told: told["lanes"][0].update(muted=1),
    "two songs": lambda told: [lane.update(role="song") for lane in told["lanes"]] and None,
    "tags that are a list": lambda told: told["song"].update(tags=[]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_document_that_makes_no_sense_is_told_in_one_sentence(name: str, tmp_path: Path) -> None:
    path = saved(project_of(music(0.1)), tmp_path / "a.stemeditor")
    rewritten(path, WRONG[name])
    with pytest.raises(FileProblem, match="“a.stemeditor” is damaged and cannot be opened"):
        loaded(path, tmp_path)


@pytest.mark.parametrize(
    "order",
    [
        "DELETE FROM document",
        "UPDATE document SET text = 'no json'",
        "UPDATE document SET text = zeroblob(9)",
        "DELETE FROM sound",
        "UPDATE sound SET frames = 1000000000000",
        "UPDATE sound SET channels = 'two'",
        "UPDATE sound SET rate = 48000 WHERE rowid = 2",
        "DELETE FROM piece WHERE number = 0",
        "DROP TABLE piece",
    ],
)
def test_tables_that_make_no_sense_are_told_in_one_sentence(order: str, tmp_path: Path) -> None:
    path = saved(project_of(music(0.3)), tmp_path / "a.stemeditor")
    change(path, order)
    with pytest.raises(FileProblem, match="“a.stemeditor” is damaged and cannot be opened"):
        loaded(path, tmp_path)


def test_a_place_that_cannot_be_is_left(tmp_path: Path) -> None:
    path = saved(project_of(music(0.1)), tmp_path / "a.stemeditor")
    for place in (
        {"position": -1, "selection": [5, 2], "looping": "yes", "speed": "slow", "semitones": float("nan")},
        "here",
        {"selection": [1, 10**9]},
        None,
    ):
        rewritten(path, lambda told, place=place: told.update(place=place))
        assert loaded(path, tmp_path).place == Place()


def test_a_newer_file_is_told(tmp_path: Path) -> None:
    path = saved(project_of(music(0.1)), tmp_path / "a.stemeditor")
    change(path, f"PRAGMA user_version = {storage.VERSION + 1}")
    with pytest.raises(FileProblem, match="newer stemeditor"):
        loaded(path, tmp_path)


def test_a_newer_file_is_not_written_into(tmp_path: Path) -> None:
    project = project_of(music(0.1))
    path = saved(project, tmp_path / "a.stemeditor")
    change(path, f"PRAGMA user_version = {storage.VERSION + 1}", "ALTER TABLE document ADD COLUMN more")
    saved(project, path)
    assert alike(loaded(path, tmp_path).project, project)


def test_only_our_files_are_projects(tmp_path: Path) -> None:
    ours = saved(project_of(music(0.1)), tmp_path / "named anyhow.db")
    foreign = tmp_path / "foreign.db"
    change(foreign, "CREATE TABLE sound (id TEXT)")
    words = tmp_path / "words.stemeditor"
    words.write_text("hello")
    assert [storage.is_project(path) for path in (ours, foreign, words, tmp_path, tmp_path / "nowhere")] == [
        *(True, False, False, False, False)
    ]
    for path in (foreign, words):
        with pytest.raises(FileProblem):
            loaded(path, tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_ends_in_a_project_or_in_a_sentence(data: st.DataObject, tmp_path: Path) -> None:
    whole = tmp_path / "whole.stemeditor"
    if not whole.exists():
        saved(project_of(music(0.2)), whole)
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(1, 200))] = data.draw(st.binary(max_size=200))
    broken = tmp_path / "broken.stemeditor"
    broken.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    kept = None
    with contextlib.suppress(FileProblem):
        kept = loaded(broken, tmp_path)
    assert kept is None or all(np.isfinite(lane.sound.audio.samples).all() for lane in kept.project.lanes)


def test_two_lanes_of_a_kind_and_a_residual_come_back(tmp_path: Path) -> None:
    samples = music(0.2)
    lanes = (lane_of("vocals", samples), Lane("again", "vocals", "Vocals", sound_of(samples * 0.5)))
    residual = Lane("rest", RESIDUAL_ROLE, "Residual", sound_of(samples * 1e-3))
    project = edits.add_stems(edits.open_song(song_of(samples)), (*lanes, residual), "Test")
    kept = loaded(saved(project, tmp_path / "a.stemeditor"), tmp_path)
    assert [lane.role for lane in kept.project.stems] == ["vocals", "vocals", "residual"]
    assert len({lane.id for lane in kept.project.lanes}) == 4
