"""The window as its user meets it: keys, buttons, drops, messages."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QSlider, QWidget
from pytestqt.qtbot import QtBot

from stemeditor.app.application import Parts
from stemeditor.app.messages import BUG, ERROR, INFO, Notice
from stemeditor.app.table import TABLE
from stemeditor.app.theme import DARK, LIGHT
from stemeditor.project import edits
from stemeditor.settings import Settings
from tests.helpers.sounds import music, write_wav

Show = Callable[[], Parts]


def press(qtbot: QtBot, parts: Parts, keys: str) -> None:
    combination = QKeySequence(keys)[0]
    qtbot.keyClick(parts.window, combination.key(), combination.keyboardModifiers())


def lane(parts: Parts, role: str):
    return next(lane for lane in parts.controller.project.lanes if lane.role == role)


def test_without_a_song_it_invites_and_offers_nothing_that_cannot_be(parts: Parts) -> None:
    assert parts.window.welcome.isVisible()
    enabled = {row.id for row in TABLE if parts.window.actions_[row.id].isEnabled()}
    assert {"open", "demo", "settings", "quit", "shortcuts"} <= enabled
    assert not enabled & {"separate", "export", "play", "stop", "undo", "redo", "mute", "zoom_in", "select_all"}
    assert parts.window.windowTitle() == "stemeditor"


def test_with_a_song_its_lanes_are_there(show: Show) -> None:
    parts = show()
    assert not parts.window.welcome.isVisible()
    for row in parts.controller.project.lanes:
        header, view = parts.window.lanes.row(row.id)
        assert header.isVisible()
        assert view.isVisible()
    assert parts.window.windowTitle().startswith("A song")
    assert parts.window.actions_["separate"].isEnabled()
    assert not parts.window.lanes.hint.isVisible()
    parts.controller.document.apply("Start over", lambda project: edits.open_song(project.song))
    assert parts.window.lanes.hint.isVisible(), "a song alone says what can be done with it"


# Every key of the table does what it says.

KEYS: dict[str, Callable[[Parts], object]] = {
    "M": lambda p: p.controller.project.lane(p.controller.current_lane).muted,
    "S": lambda p: p.controller.project.lane(p.controller.current_lane).soloed,
    "2": lambda p: lane(p, "vocals").soloed,
    "Space": lambda p: p.controller.player.playing,
    "L": lambda p: p.controller.looping,
    "End": lambda p: p.controller.player.position,
    "Right": lambda p: p.controller.player.position,
    "Shift+Right": lambda p: p.controller.player.position,
    "Down": lambda p: p.controller.current_lane,
    "Alt+Down": lambda p: [lane.id for lane in p.controller.project.lanes],
    "Alt+Left": lambda p: p.controller.project.lanes[0].gain,
    "Alt+Right": lambda p: p.controller.project.lanes[0].gain,
    "+": lambda p: p.window.viewport.window.span,
    "Ctrl+A": lambda p: p.controller.selection,
    "W": lambda p: p.window.lanes.view_of(p.controller.current_lane),
    "Shift+W": lambda p: [p.window.lanes.view_of(lane.id) for lane in p.controller.project.lanes],
    "Ctrl+Z": lambda p: p.controller.document.redo_name,
    "[": lambda p: p.controller.selection,
    "Shift+End": lambda p: p.controller.selection,
    "Shift+M": lambda p: [lane.muted for lane in p.controller.project.lanes],
    "Ctrl+=": lambda p: p.window.viewport.window.span,
    "Ctrl+W": lambda p: p.controller.project.song,
    "F2": lambda p: p.window.lanes.row(p.controller.current_lane)[0].name.isReadOnly(),
}


@pytest.mark.parametrize("keys", KEYS)
def test_a_key_changes_what_it_is_for(show: Show, qtbot: QtBot, keys: str) -> None:
    parts = show()
    parts.controller.set_muted(lane(parts, "song").id, False)
    parts.controller.set_muted(lane(parts, "drums").id, True)
    before = KEYS[keys](parts)
    press(qtbot, parts, keys)
    assert KEYS[keys](parts) != before


@pytest.mark.parametrize(("there", "back"), [("+", "-"), ("Ctrl+Z", "Ctrl+Shift+Z"), ("M", "M"), ("S", "Shift+S")])
def test_a_key_has_its_way_back(show: Show, qtbot: QtBot, there: str, back: str) -> None:
    parts = show()

    def state() -> tuple[object, ...]:
        project = parts.controller.project
        marks = [(row.muted, row.soloed, row.gain) for row in project.lanes]
        return marks, round(parts.window.viewport.window.span), parts.controller.document.undo_name is None

    parts.controller.set_gain(lane(parts, "bass").id, 0.5)
    before = state()
    press(qtbot, parts, there)
    assert state() != before
    press(qtbot, parts, back)
    assert state() == before


def test_home_zoom_fit_and_escape(show: Show, qtbot: QtBot) -> None:
    parts = show()
    parts.controller.seek(5000)
    press(qtbot, parts, "Home")
    assert parts.controller.player.position == 0
    parts.controller.set_selection(1000, 90000)
    press(qtbot, parts, "F")
    assert parts.window.viewport.window.span < 100000
    press(qtbot, parts, "Ctrl+0")
    assert parts.window.viewport.whole
    press(qtbot, parts, "Esc")
    assert parts.controller.selection is None


def test_every_shortcut_is_there_once(parts: Parts) -> None:
    keys = [key for row in TABLE for key in row.keys]
    assert len(keys) == len(set(keys))
    assert len({row.id for row in TABLE}) == len(TABLE)


def test_typing_a_name_does_not_press_buttons(show: Show, qtbot: QtBot) -> None:
    parts = show()
    header, _ = parts.window.lanes.row(lane(parts, "vocals").id)
    parts.controller.set_current_lane(header.lane.id)
    press(qtbot, parts, "F2")
    qtbot.keyClicks(header.name, "Ms 1")
    assert not parts.controller.player.playing
    qtbot.keyClick(header.name, Qt.Key.Key_Return)
    assert lane(parts, "vocals").name == "Ms 1"
    assert not lane(parts, "vocals").muted
    assert parts.controller.document.undo_name == "Rename Vocals"


@pytest.mark.parametrize(
    ("action", "button"), [("play", "play"), ("stop", "stop"), ("loop", "loop"), ("start", "to_start")]
)
def test_transport_buttons_do_what_their_keys_do(show: Show, qtbot: QtBot, action: str, button: str) -> None:
    parts = show()
    with qtbot.waitSignal(parts.window.actions_[action].triggered, timeout=1000):
        qtbot.mouseClick(getattr(parts.window.transport, button), Qt.MouseButton.LeftButton)
    if action == "play":
        assert parts.controller.player.playing


def test_the_master_turns_everything_down_and_a_double_click_brings_it_back(show: Show, qtbot: QtBot) -> None:
    parts = show()
    slider = parts.window.master.gain
    qtbot.keyClick(slider, Qt.Key.Key_Left)
    assert parts.controller.project.master_gain == pytest.approx(10 ** (-0.5 / 20), rel=1e-3)
    qtbot.mouseDClick(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() // 3, slider.height() // 2))
    assert parts.controller.project.master_gain == 1.0


def test_the_clip_light_stays_until_it_is_clicked(show: Show, qtbot: QtBot) -> None:
    parts = show()
    parts.controller.set_master_gain(4.0)
    for role in ("vocals", "drums", "bass", "other"):
        parts.controller.set_gain(lane(parts, role).id, 4.0)
    parts.controller.player.play()
    for _ in range(40):
        parts.controller.player.read(512)
    parts.window._poll()
    assert "over full scale" in parts.window.master.clip.toolTip()
    parts.controller.player.pause()
    parts.controller.player.read(512)
    qtbot.mouseClick(parts.window.master.clip, Qt.MouseButton.LeftButton)
    parts.window._poll()
    assert "over full scale" not in parts.window.master.clip.toolTip()


def drop(parts: Parts, paths: list[Path]) -> bool:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(50, 50), Qt.DropAction.CopyAction, mime, buttons, keys)
    enter.ignore()
    parts.window.dragEnterEvent(enter)
    event = QDropEvent(QPointF(50, 50), Qt.DropAction.CopyAction, mime, buttons, keys)
    parts.window.dropEvent(event)
    return enter.isAccepted()


def test_a_dropped_song_opens(parts: Parts, qtbot: QtBot, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "Dropped.wav", music(1.0))
    assert drop(parts, [path])
    qtbot.waitUntil(lambda: not parts.controller.opening, timeout=5000)
    assert parts.controller.project.song.title == "Dropped"


def test_of_several_dropped_songs_the_first_opens_and_it_says_so(parts: Parts, qtbot: QtBot, tmp_path: Path) -> None:
    paths = [write_wav(tmp_path / f"{number}.wav", music(0.5)) for number in range(3)]
    drop(parts, paths)
    qtbot.waitUntil(lambda: not parts.controller.opening, timeout=5000)
    assert parts.controller.project.song.title == "0"
    assert "the other 2 are not" in parts.window.notices.text.text()


def test_a_dropped_folder_is_refused_in_words_beside_its_name(parts: Parts, qtbot: QtBot, tmp_path: Path) -> None:
    drop(parts, [tmp_path])
    qtbot.waitUntil(lambda: parts.window.notices.notice is not None)
    assert "folder" in parts.window.notices.text.text()
    (row,) = parts.window.status.rows()
    assert "folder" in row.label.whole
    qtbot.mouseClick(row.cross, Qt.MouseButton.LeftButton)
    assert parts.window.status.rows() == ()


def test_dropped_text_is_not_taken(parts: Parts) -> None:
    mime = QMimeData()
    mime.setText("hello")
    event = QDragEnterEvent(
        QPoint(5, 5), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    event.ignore()
    parts.window.dragEnterEvent(event)
    assert not event.isAccepted()


@pytest.mark.parametrize(
    ("notice", "copy", "stays"),
    [
        (Notice(INFO, "Written.", folder=Path("/")), False, False),
        (Notice(ERROR, "It is not there.", "Look elsewhere."), False, True),
        (Notice(BUG, "Something went wrong.", "Copy it.", "Traceback"), True, True),
    ],
)
def test_the_three_endings_look_like_themselves(
    parts: Parts, qtbot: QtBot, notice: Notice, copy: bool, stays: bool
) -> None:
    parts.controller.notice(notice)
    bar = parts.window.notices
    assert bar.isVisible()
    assert bar.text.text() == notice.text
    assert bar.hint.isVisible() == bool(notice.hint)
    assert bar.copy.isVisible() == copy
    assert bar.folder.isVisible() == (notice.folder is not None)
    assert bar._timer.isActive() != stays
    qtbot.mouseClick(bar.cross, Qt.MouseButton.LeftButton)
    assert not bar.isVisible()


def test_a_bug_can_be_copied(parts: Parts, qtbot: QtBot) -> None:
    from PySide6.QtGui import QGuiApplication

    parts.controller.notice(Notice(BUG, "Oh.", "", "Traceback: it was me"))
    qtbot.mouseClick(parts.window.notices.copy, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "Traceback: it was me"


def controls(widget: QWidget) -> list[QWidget]:
    found: list[QWidget] = []
    for kind in (QAbstractButton, QSlider, QComboBox, QLineEdit):
        found += [child for child in widget.findChildren(kind) if child.isVisible() and child.parent() is not None]
    return [child for child in found if not child.objectName().startswith("qt_")]


def test_every_control_has_a_name_and_a_tooltip(show: Show) -> None:
    parts = show()
    nameless = [
        child
        for child in controls(parts.window)
        if not (child.accessibleName() or (isinstance(child, QAbstractButton) and child.text())) or not child.toolTip()
    ]
    assert nameless == []


def test_the_theme_changes_while_it_runs(show: Show) -> None:
    parts = show()
    before = parts.window.grab().toImage()
    parts.settings.set("theme", "light")
    after = parts.window.grab().toImage()
    middle = QPoint(parts.window.width() - 40, parts.window.height() - 10)
    assert before.pixelColor(middle).name() == DARK.surface
    assert after.pixelColor(middle).name() == LIGHT.surface


def test_the_window_remembers_its_place(qtbot: QtBot, tmp_path: Path) -> None:
    from stemeditor.app.application import build

    settings = Settings(tmp_path / "settings.json")
    first = build(settings, tmp_path / "cache")
    first.window.resize(900, 640)
    first.window.show()
    first.close()
    second = build(Settings(tmp_path / "settings.json"), tmp_path / "cache")
    size = (second.window.width(), second.window.height())
    second.close()
    assert size == (900, 640)


def test_the_follow_setting_turns_the_page(show: Show) -> None:
    parts = show()
    parts.window.viewport.show(0, 20000)
    parts.controller.player.play()
    parts.controller.seek(50000)
    parts.window._poll()
    assert parts.window.viewport.window.start <= 50000 < parts.window.viewport.window.stop
    parts.settings.set("follow_playhead", False)
    parts.controller.seek(150000)
    parts.window._poll()
    assert parts.window.viewport.window.stop < 150000
    parts.controller.player.pause()


def test_the_name_of_the_method_opens_the_methods(show: Show, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    window = show().window
    asked: list[bool] = []
    monkeypatch.setattr(type(window), "ask_separate", lambda self: asked.append(True))
    qtbot.mouseClick(window.lanes.method, Qt.MouseButton.LeftButton)
    assert asked == [True]


def test_closing_while_a_separation_runs_is_quiet(show: Show, qtbot: QtBot) -> None:
    parts = show()
    parts.controller.separate()
    qtbot.waitUntil(lambda: parts.controller.separating)
    parts.window.close_unasked()
    assert not parts.window.isVisible()
