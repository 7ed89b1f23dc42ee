"""Saving projects and opening them again, as their user does it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from stemeditor import paths
from stemeditor.app import asking, verbs
from stemeditor.app.application import Parts
from stemeditor.app.messages import ERROR, WARNING
from stemeditor.audio.stretch import Pace
from stemeditor.errors import FileProblem
from stemeditor.jobs.projects import open_any
from stemeditor.jobs.tasks import OpenRequest, open_song
from stemeditor.progress import Silent
from stemeditor.project import description, edits, storage
from tests.helpers.sounds import lane_of, music, song_of, write_wav

Show = Callable[[], Parts]


def save(parts: Parts, qtbot: QtBot, path: Path | None = None) -> None:
    parts.controller.filing.save(path)
    qtbot.waitUntil(lambda: not parts.controller.filing.saving, timeout=10000)


def open_file(parts: Parts, qtbot: QtBot, path: Path) -> None:
    parts.controller.open(path)
    qtbot.waitUntil(lambda: not parts.controller.opening, timeout=10000)


def marked(parts: Parts) -> bool:
    return parts.window.isWindowModified()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "Mix [*] 1.stemeditor"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user answers to the questions to come, by the words on the button; what was asked lies behind."""

    class Answers(list):
        asked: list[str]

    given = Answers()
    given.asked = []

    def exec_(box: object) -> int:
        given.asked.append(f"{box.text()} {box.informativeText()}")
        wanted = given.pop(0)
        next(button for button in box.buttons() if button.text().replace("&", "") == wanted).click()
        return 0

    monkeypatch.setattr(asking.QMessageBox, "exec", exec_)
    return given


@pytest.fixture
def may_write(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let a save wait until this is set."""
    event = threading.Event()
    write = storage.save

    def slowly(kept: object, path: Path, progress: object) -> None:
        event.wait(5)
        write(kept, path, progress)

    monkeypatch.setattr(storage, "save", slowly)
    return event


def test_a_project_comes_back_as_it_was_left(show: Show, qtbot: QtBot, path: Path) -> None:
    parts = show()
    controller = parts.controller
    controller.set_gain("vocals", 0.25)
    controller.set_soloed("drums", True)
    controller.set_selection(44100, 88200)
    controller.set_looping(True)
    controller.set_pace(0.75, -2.0)
    controller.seek(50000)
    before = controller.document.base
    save(parts, qtbot, path)
    controller.close_song()
    controller.set_looping(False)
    open_file(parts, qtbot, path)
    assert description.describe(controller.project) == {
        **description.describe(before),
        "song": {**description.describe(before)["song"], "path": str(path.parent / Path("A song.wav").absolute())},
    }
    for lane, old in zip(controller.project.lanes, before.lanes, strict=True):
        assert np.array_equal(lane.sound.audio.samples, old.sound.audio.samples)
    assert (controller.selection, controller.looping) == ((44100, 88200), True)
    assert controller.player.position == 50000
    assert controller.player.pace == Pace(0.75, -2.0)
    assert controller.player.loop == (44100, 88200)
    assert controller.document.undo_name == "Open project"
    assert controller.filing.path == path
    assert controller.settings.names("recent_files") == [str(path)]
    assert not marked(parts)


def test_the_title_says_what_is_not_saved(show: Show, qtbot: QtBot, path: Path) -> None:
    parts = show()
    assert marked(parts)
    save(parts, qtbot, path)
    assert not marked(parts)
    assert parts.window.windowTitle() == "Mix [*][*] 1[*] – stemeditor", "Qt shows a doubled mark as it is"
    parts.controller.set_muted("vocals", True)
    assert marked(parts)
    parts.controller.set_muted("vocals", False)
    assert not marked(parts), "it is what the file holds"
    parts.controller.set_gain("bass", 0.5)
    assert marked(parts)
    parts.controller.undo()
    assert not marked(parts)


def test_every_song_has_its_own_file(show: Show, qtbot: QtBot, path: Path, tmp_path: Path) -> None:
    parts = show()
    save(parts, qtbot, path)
    open_file(parts, qtbot, write_wav(tmp_path / "Other.wav", music(1.0)))
    assert parts.controller.filing.path is None
    assert parts.window.windowTitle().startswith("Other")
    parts.controller.undo()
    assert parts.controller.filing.path == path
    assert not marked(parts)


def test_a_project_opened_twice_is_two_that_have_one_file(show: Show, qtbot: QtBot, path: Path) -> None:
    parts = show()
    save(parts, qtbot, path)
    open_file(parts, qtbot, path)
    first = parts.controller.project
    open_file(parts, qtbot, path)
    assert parts.controller.project.song.id != first.song.id
    parts.controller.set_gain("nobody", 0.1)
    assert not marked(parts)


def test_ctrl_s_asks_once_where_and_then_never_again(
    show: Show, qtbot: QtBot, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = show()
    asked: list[Path | None] = []

    def ask(song: object, known: Path | None, parent: object) -> Path:
        asked.append(known)
        return path

    monkeypatch.setattr(verbs, "ask_save_as", ask)
    for action, expected in (("save", [None]), ("save", [None]), ("save_as", [None, path])):
        parts.controller.set_pan("vocals", 0.1 * len(asked) + 0.05)
        parts.window.actions_[action].trigger()
        qtbot.waitUntil(lambda: not parts.controller.filing.saving, timeout=10000)
        assert asked == expected
        assert not marked(parts)
    assert storage.is_project(path)


def test_without_a_song_there_is_nothing_to_save(parts: Parts) -> None:
    assert not parts.window.actions_["save"].isEnabled()
    assert not parts.window.actions_["save_as"].isEnabled()
    parts.controller.filing.save()
    parts.window.ask_save_as()
    assert parts.controller.jobs == ()


def test_a_save_that_fails_is_told_and_nothing_is_taken_for_saved(show: Show, qtbot: QtBot, tmp_path: Path) -> None:
    parts = show()
    followed: list[bool] = []
    parts.controller.filing.save(tmp_path / "nowhere" / "a.stemeditor", lambda: followed.append(True))
    qtbot.waitUntil(lambda: not parts.controller.filing.saving, timeout=10000)
    assert parts.window.notices.notice.kind == ERROR
    assert parts.window.notices.text.text() == "The folder “nowhere” is not there."
    assert parts.controller.filing.path is None
    assert followed == []
    assert marked(parts)


def test_what_was_changed_while_it_was_saved_is_not_saved(
    show: Show, qtbot: QtBot, path: Path, may_write: threading.Event
) -> None:
    parts = show()
    parts.controller.set_gain("vocals", 0.5)
    parts.controller.filing.save(path)
    parts.controller.set_gain("vocals", 0.25)
    may_write.set()
    qtbot.waitUntil(lambda: not parts.controller.filing.saving, timeout=10000)
    assert marked(parts)
    parts.controller.undo()
    assert not marked(parts)
    open_file(parts, qtbot, path)
    assert parts.controller.project.lanes[1].gain == 0.5


def test_damage_is_told_and_the_rest_is_there(show: Show, qtbot: QtBot, path: Path) -> None:
    parts = show()
    save(parts, qtbot, path)
    content = path.read_bytes()
    sound = parts.controller.project.lane("vocals").sound.audio.samples.T.tobytes()
    at = content.index(sound[5000:5100])
    path.write_bytes(content[:at] + b"\xff" * 100 + content[at + 100 :])
    open_file(parts, qtbot, path)
    assert parts.window.notices.notice.kind == WARNING
    assert "parts of “Vocals” could not be read and are silent" in parts.window.notices.text.text()
    assert len(parts.controller.project.lanes) == 5


def test_a_project_that_cannot_be_read_costs_nothing(show: Show, qtbot: QtBot, path: Path, tmp_path: Path) -> None:
    parts = show()
    save(parts, qtbot, path)
    broken = tmp_path / "broken.stemeditor"
    broken.write_bytes(path.read_bytes()[:3000])
    before = parts.controller.document.base
    open_file(parts, qtbot, broken)
    assert parts.controller.document.base is before
    assert parts.window.notices.notice.kind == ERROR


def test_closing_asks_what_to_do_about_what_is_not_saved(
    show: Show, qtbot: QtBot, path: Path, answers: list[str]
) -> None:
    parts = show()
    save(parts, qtbot, path)
    parts.controller.set_muted("drums", True)
    answers.append("Save")
    parts.window.close()
    qtbot.waitUntil(lambda: not parts.window.isVisible(), timeout=10000)
    assert answers.asked == [
        "“Mix [*] 1” is not saved. What you changed since you saved it is lost when the window closes."
    ]
    kept = storage.load(path, path.parent / "session", "new", Silent())
    assert kept.project.lanes[2].muted


def test_a_window_closes_when_what_is_being_written_is_whole(
    show: Show, qtbot: QtBot, path: Path, may_write: threading.Event
) -> None:
    parts = show()
    parts.controller.filing.save(path)
    parts.window.close()
    assert parts.window.isVisible()
    may_write.set()
    qtbot.waitUntil(lambda: not parts.window.isVisible(), timeout=10000)
    assert storage.is_project(path)


def test_what_was_closed_without_being_saved_is_not_lost_unasked(
    show: Show, qtbot: QtBot, answers: list[str], tmp_path: Path, path: Path
) -> None:
    parts = show()
    controller, window = parts.controller, parts.window
    open_file(parts, qtbot, write_wav(tmp_path / "Other.wav", music(1.0)))
    controller.close_song()
    answers.append("Go back to “A song”")
    window.close()
    assert window.isVisible()
    assert answers.asked == ["“A song” is not saved. Its stems are lost when the window closes."]
    assert controller.project.song.title == "A song"
    assert len(controller.project.stems) == 4
    save(parts, qtbot, path)
    window.close()
    assert not window.isVisible()
    assert len(answers.asked) == 1


def test_what_was_undone_can_be_gone_back_to(show: Show, qtbot: QtBot, answers: list[str]) -> None:
    parts = show()
    parts.controller.undo()
    assert parts.controller.project.song is None
    answers.append("Go back to “A song”")
    parts.window.close()
    assert len(parts.controller.project.stems) == 4


def test_saving_at_the_end_asks_about_the_others_too(
    show: Show, qtbot: QtBot, answers: list[str], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = show()
    lanes = (lane_of("piano", music(1.0)),)
    other = replace(song_of(music(1.0), path=Path("Other.wav")), id="other")
    parts.controller.document.apply("Open song", lambda project: edits.add_stems(edits.open_song(other), lanes, "Test"))
    monkeypatch.setattr(verbs, "ask_save_as", lambda song, known, parent: path)
    answers += ["Save…", "Close without saving"]
    parts.window.close()
    qtbot.waitUntil(lambda: not parts.window.isVisible(), timeout=10000)
    assert answers.asked == [
        "“Other” and “A song” are not saved. Their stems are lost when the window closes.",
        "“A song” is not saved. Its stems are lost when the window closes.",
    ]
    assert storage.is_project(path)


def test_many_names_are_a_few_and_a_number() -> None:
    assert asking.listed(["A"]) == "A"
    assert asking.listed(["A", "B", "C"]) == "A, B and C"
    assert asking.listed(["A", "B", "C", "D"]) == "A, B and 2 others"


def test_the_demo_may_go_unless_it_was_saved(parts: Parts, qtbot: QtBot, path: Path) -> None:
    open_file(parts, qtbot, paths.resource("demo", "demo.flac"))
    controller = parts.controller
    stem = lane_of("vocals", controller.project.song.sound.audio.samples * np.float32(0.5))
    controller.document.apply("Separate", lambda project: edits.add_stems(project, (stem,), "Test"))
    assert not controller.filing.at_risk
    save(parts, qtbot, path)
    controller.set_muted("vocals", True)
    assert controller.filing.at_risk


# The dialog


def test_names_without_an_ending_get_it(show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = show()
    song = parts.controller.project.song
    answers = [str(tmp_path / "song.mp3"), str(tmp_path / "song.mp3.stemeditor")]
    offered: list[str] = []
    monkeypatch.setattr(QFileDialog, "exec", lambda dialog: 1)
    monkeypatch.setattr(QFileDialog, "selectFile", lambda dialog, name: offered.append(name))
    monkeypatch.setattr(QFileDialog, "selectedFiles", lambda dialog: [answers.pop(0)])
    assert asking.ask_save_as(song, None, parts.window) == tmp_path / "song.mp3.stemeditor"
    assert offered == ["A song.stemeditor", "song.mp3.stemeditor"], "no song is written over"
    monkeypatch.setattr(QFileDialog, "exec", lambda dialog: 0)
    assert asking.ask_save_as(song, None, parts.window) is None


def test_a_project_stands_beside_its_song_where_it_may(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = show()
    song = parts.controller.project.song
    places: list[str] = []
    monkeypatch.setattr(QFileDialog, "exec", lambda dialog: 0)
    monkeypatch.setattr(QFileDialog, "setDirectory", lambda dialog, folder: places.append(folder))
    for path in (tmp_path / "Song.mp3", paths.resource("demo", "demo.flac"), tmp_path / "gone" / "Song.mp3"):
        asking.ask_save_as(replace(song, path=path), None, parts.window)
    assert places[0] == str(tmp_path)
    assert not any("demo" in place or "gone" in place for place in places[1:])
    asking.ask_save_as(song, tmp_path / "gone" / "x.stemeditor", parts.window)
    assert places[-1] == str(tmp_path / "gone"), "where it was kept last"


def test_songs_and_projects_are_told_apart_by_what_is_in_them(tmp_path: Path) -> None:
    song = open_any(OpenRequest(write_wav(tmp_path / "Song.wav", music(0.2)), tmp_path / "s"), Silent())
    assert song.title == "Song"
    project = edits.open_song(song)
    storage.save(storage.Kept(project), tmp_path / "Song.mp3", Silent())
    opened = open_any(OpenRequest(tmp_path / "Song.mp3", tmp_path / "s"), Silent())
    assert opened.path == tmp_path / "Song.mp3"
    assert opened.kept.project.song.title == "Song"
    with pytest.raises(FileProblem, match="is a project, not a song"):
        open_song(OpenRequest(tmp_path / "Song.mp3", tmp_path / "s"), Silent())
    (tmp_path / "no.stemeditor").write_text("nothing")
    for name in ("no.stemeditor", "nowhere.stemeditor"):
        with pytest.raises(FileProblem):
            open_any(OpenRequest(tmp_path / name, tmp_path / "s"), Silent())
