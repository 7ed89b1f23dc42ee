"""What an accident costs: nothing that stood for some seconds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from stemeditor import paths
from stemeditor.app import asking
from stemeditor.app.application import Parts
from stemeditor.jobs import rescue as jobs_rescue
from stemeditor.jobs.rescue import Leftover, Rescue
from stemeditor.progress import Progress
from stemeditor.project import edits
from tests.helpers.sounds import lane_of, music, song_of
from tests.jobs.test_rescue import die, kept_by

Show = Callable[[], Parts]


@pytest.fixture
def folder() -> Path:
    return paths.data_folder() / "unsaved"


def kept(parts: Parts, qtbot: QtBot) -> None:
    """Let the time go by after which things are kept."""
    recovery = parts.controller.recovery
    assert recovery._timer.isActive()
    recovery._timer.stop()
    recovery._timer.timeout.emit()
    qtbot.waitUntil(lambda: recovery._job is None and not parts.controller._ongoing, timeout=10000)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.stemeditor"))


def test_stems_are_kept_until_they_are_saved(show: Show, qtbot: QtBot, folder: Path, tmp_path: Path) -> None:
    parts = show()
    kept(parts, qtbot)
    assert len(files(folder)) == 1
    parts.controller.filing.save(tmp_path / "a.stemeditor")
    qtbot.waitUntil(lambda: not parts.controller.filing.saving, timeout=10000)
    kept(parts, qtbot)
    assert files(folder) == []
    parts.controller.set_muted("vocals", True)
    kept(parts, qtbot)
    assert len(files(folder)) == 1


def test_only_what_changed_is_kept_again(show: Show, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = show()
    requests: list[object] = []
    keep = jobs_rescue.keep

    def counted(request: object, progress: object) -> object:
        requests.append(request)
        return keep(request, progress)

    monkeypatch.setattr(jobs_rescue, "keep", counted)
    kept(parts, qtbot)
    assert len(requests) == 1
    parts.controller.set_muted("vocals", True)
    parts.controller.set_muted("vocals", False)
    kept(parts, qtbot)
    assert len(requests) == 1
    parts.controller.set_muted("vocals", True)
    kept(parts, qtbot)
    assert len(requests) == 2


def test_a_song_alone_is_not_kept(parts: Parts, qtbot: QtBot, folder: Path) -> None:
    parts.controller.document.apply("Open song", lambda project: edits.open_song(song_of(music(1.0))))
    kept(parts, qtbot)
    assert not folder.exists()


def test_what_was_closed_is_kept_as_well(show: Show, qtbot: QtBot, folder: Path) -> None:
    parts = show()
    parts.controller.close_song()
    kept(parts, qtbot)
    assert len(files(folder)) == 1


def test_of_many_the_last_are_kept(show: Show, qtbot: QtBot, folder: Path) -> None:
    parts = show()
    kept(parts, qtbot)
    (first,) = files(folder)
    for number in range(3):
        song = replace(song_of(music(0.2)), id=f"another {number}")
        stems = (lane_of("vocals", music(0.2)),)
        parts.controller.document.apply(
            "Open song", lambda project, song=song, stems=stems: edits.add_stems(edits.open_song(song), stems, "Test")
        )
    kept(parts, qtbot)
    assert len(files(folder)) == 3
    assert first not in files(folder)


def test_a_program_that_ends_as_it_should_leaves_nothing(show: Show, qtbot: QtBot, folder: Path) -> None:
    parts = show()
    kept(parts, qtbot)
    parts.controller.close()
    assert list(folder.iterdir()) == []


def test_where_nothing_can_be_kept_nothing_is_said(show: Show, qtbot: QtBot, folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    parts = show()
    kept(parts, qtbot)
    assert not parts.window.notices.isVisible()
    assert parts.controller.jobs == ()


def test_a_full_disk_is_no_news(show: Show, qtbot: QtBot, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "SPARE", 1 << 62)
    parts = show()
    kept(parts, qtbot)
    assert files(folder) == []
    assert not parts.window.notices.isVisible()
    assert parts.controller.jobs == ()


def test_what_the_user_asks_for_need_not_wait(
    show: Show, qtbot: QtBot, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = show()
    recovery = parts.controller.recovery
    begun: list[bool] = []

    def endless(request: object, progress: Progress) -> None:
        begun.append(True)
        while True:
            progress.check()

    with monkeypatch.context() as patched:
        patched.setattr(jobs_rescue, "keep", endless)
        recovery.keep()
        qtbot.waitUntil(lambda: bool(begun), timeout=5000)
    parts.controller.filing.save(tmp_path / "a.stemeditor")
    qtbot.waitUntil(lambda: not parts.controller.filing.saving, timeout=5000)
    assert (tmp_path / "a.stemeditor").exists()
    parts.controller.set_muted("vocals", True)
    kept(parts, qtbot)
    assert len(files(folder)) == 1


@pytest.fixture
def left(folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that leaves something as a run that died does."""

    def leave(title: str, path: Path | None = None) -> Path:
        dead = Rescue(folder)
        file = kept_by(dead, title=title, path=path)
        die(dead)
        return file

    return leave


def answer(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """Answer questions in turn by the words on a button; return what was asked."""
    asked: list[str] = []
    answers = list(words)

    def exec_(box: object) -> int:
        asked.append(box.text())
        wanted = answers.pop(0)
        next(button for button in box.buttons() if button.text() == wanted).click()
        return 0

    monkeypatch.setattr(asking.QMessageBox, "exec", exec_)
    return asked


def test_nothing_is_asked_where_nothing_was_left(parts: Parts) -> None:
    assert not parts.window.ask_leftovers()


@pytest.mark.parametrize("named", [True, False], ids=["with a file", "never saved"])
def test_what_was_left_is_brought_back(
    named: bool,
    left: Callable[..., Path],
    parts: Parts,
    qtbot: QtBot,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = tmp_path / "mine.stemeditor" if named else None
    file = left("Lost", own)
    asked = answer(monkeypatch, "Bring it back")
    assert parts.window.ask_leftovers()
    controller = parts.controller
    qtbot.waitUntil(lambda: not controller.opening, timeout=10000)
    assert asked == ["“Lost” was not saved when stemeditor ended."]
    assert np.array_equal(controller.project.song.sound.audio.samples, music(0.2))
    assert controller.filing.path == own
    assert controller.filing.unsaved
    assert controller.settings.names("recent_files") == []
    assert file.exists(), "until this run keeps it"
    kept(parts, qtbot)
    assert not file.exists()
    assert len(files(folder)) == 1
    if own is not None:
        controller.filing.save()
        qtbot.waitUntil(lambda: not controller.filing.saving, timeout=10000)
        assert own.exists()
        assert not controller.filing.unsaved


def test_what_is_brought_back_and_given_up_is_gone(
    left: Callable[..., Path], parts: Parts, qtbot: QtBot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left("Lost")
    answer(monkeypatch, "Bring it back")
    parts.window.ask_leftovers()
    qtbot.waitUntil(lambda: not parts.controller.opening, timeout=10000)
    parts.controller.close()
    assert list(folder.iterdir()) == []


def test_what_cannot_be_brought_back_stays_and_is_told(
    left: Callable[..., Path], parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = left("Lost")
    file.write_bytes(file.read_bytes()[:2000])
    answer(monkeypatch, "Bring it back")
    parts.window.ask_leftovers()
    qtbot.waitUntil(lambda: not parts.controller.opening, timeout=10000)
    assert parts.window.notices.isVisible()
    assert parts.controller.project.song is None
    assert file.exists()


def test_every_leftover_is_asked_for_until_one_is_wanted(
    left: Callable[..., Path], parts: Parts, qtbot: QtBot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("A", "B", "C"):
        left(name)
    asked = answer(monkeypatch, "Discard it", "Ask me later")
    assert not parts.window.ask_leftovers()
    qtbot.waitUntil(lambda: not parts.controller._ongoing, timeout=10000)
    assert len(asked) == 2
    assert len(files(folder)) == 2
    parts.controller.close()
    assert len(files(folder)) == 2
    found = Rescue(folder).leftovers()
    assert all(isinstance(one, Leftover) for one in found)
    assert len(found) == 2


def test_stems_that_were_exported_are_not_kept(show: Show, qtbot: QtBot, folder: Path) -> None:
    parts = show()
    lanes = (lane_of("piano", music(1.0)),)
    parts.controller._written |= {lane.id for lane in parts.controller.project.stems}
    parts.controller.document.apply("Nothing much", lambda project: edits.set_master_gain(project, 0.5))
    kept(parts, qtbot)
    assert not folder.exists()
    parts.controller.document.apply("Separate", lambda project: edits.add_stems(project, lanes, "Test"))
    kept(parts, qtbot)
    assert len(files(folder)) == 1
