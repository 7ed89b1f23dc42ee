"""The window without a mouse: where Tab goes, what Return and Escape do, what can be done when; and its questions."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication, QInputDialog, QMessageBox
from pytestqt.qtbot import QtBot

from stemeditor.app import asking
from stemeditor.app.application import Parts
from stemeditor.app.messages import ERROR, Notice
from stemeditor.app.panels.export import ExportDialog
from stemeditor.app.table import LANE_MENU, TABLE
from stemeditor.app.viewport import TALLEST
from stemeditor.jobs.pool import LEARN
from stemeditor.progress import Progress
from stemeditor.project import edits
from tests.helpers.sounds import lane_of, music, song_of, write_wav

Show = Callable[[], Parts]


def press(qtbot: QtBot, parts: Parts, keys: str) -> None:
    combination = QKeySequence(keys)[0]
    target = QApplication.focusWidget() or parts.window
    qtbot.keyClick(target, combination.key(), combination.keyboardModifiers())


def enabled(parts: Parts, action_id: str) -> bool:
    return parts.window.actions_[action_id].isEnabled()


def test_every_thing_to_do_stands_in_a_menu_and_its_keys_in_the_help(parts: Parts) -> None:
    menus = [menu.menu() for menu in parts.window.menuBar().actions()]
    menus += [action.menu() for menu in menus for action in menu.actions() if action.menu() is not None]
    there = {action.data() for menu in menus for action in menu.actions()}
    assert {row.id for row in TABLE if not row.id.startswith("solo_")} <= there


def test_tab_goes_as_the_eye_does(show: Show, qtbot: QtBot) -> None:
    parts = show()
    window = parts.window
    first, second = (window.lanes.row(lane.id)[0] for lane in parts.controller.project.lanes[:2])
    wanted = [window.toolbar.open, window.toolbar.separate, window.transport.play, window.toolbar.settings]
    wanted += [window.lanes.method, first.view, first.gain, first.pan, second.view, window.status.stops()[-1]]
    window.setFocus()
    seen = []
    for _ in range(60):
        press(qtbot, parts, "Tab")
        if QApplication.focusWidget() in wanted and QApplication.focusWidget() not in seen:
            seen.append(QApplication.focusWidget())
    assert seen == [stop for stop in wanted if stop.isEnabled()]


def test_a_lane_that_moves_takes_its_place_among_the_stops_of_tab(show: Show) -> None:
    parts = show()
    bass = next(lane.id for lane in parts.controller.project.lanes if lane.role == "bass")
    parts.controller.move_lane(bass, 0)
    header, _ = parts.window.lanes.row(bass)
    assert parts.window.lanes.method.nextInFocusChain() in (header.view, header)


def test_return_presses_the_button_that_tab_led_to_and_space_still_plays(show: Show, qtbot: QtBot) -> None:
    parts = show()
    button = parts.window.transport.loop
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_Return)
    assert parts.controller.looping
    qtbot.keyClick(button, Qt.Key.Key_Enter)
    assert not parts.controller.looping
    qtbot.keyClick(button, Qt.Key.Key_Space)
    assert not parts.controller.looping
    assert parts.controller.player.playing


def test_return_opens_the_demo_song_on_the_first_page(parts: Parts, qtbot: QtBot) -> None:
    parts.window.welcome.demo.setFocus()
    qtbot.keyClick(parts.window.welcome.demo, Qt.Key.Key_Return)
    assert parts.controller.opening


def test_escape_takes_one_thing_at_a_time_and_the_separation_last(show: Show, qtbot: QtBot) -> None:
    parts = show()
    controller, window = parts.controller, parts.window
    controller.separate()
    controller.set_selection(1000, 9000)
    window.master.gain.setFocus()
    controller.notice(Notice(ERROR, "It is not there."))
    press(qtbot, parts, "Esc")
    assert QApplication.focusWidget() is window
    assert window.notices.isVisible()
    press(qtbot, parts, "Esc")
    assert not window.notices.isVisible()
    assert controller.selection is not None
    press(qtbot, parts, "Esc")
    assert controller.selection is None
    assert controller.separating
    press(qtbot, parts, "Esc")
    assert not controller.separating


def test_plain_keys_live_on_after_a_lane_was_renamed(show: Show, qtbot: QtBot) -> None:
    parts = show()
    header, _ = parts.window.lanes.row(parts.controller.project.lanes[1].id)
    parts.controller.set_current_lane(header.lane.id)
    press(qtbot, parts, "F2")
    qtbot.keyClicks(header.name, "Lead")
    qtbot.keyClick(header.name, Qt.Key.Key_Return)
    press(qtbot, parts, "M")
    assert parts.controller.project.lane(header.lane.id).muted
    press(qtbot, parts, "Space")
    assert parts.controller.player.playing


def test_a_click_on_a_fader_leaves_the_arrow_keys_to_the_playhead(show: Show, qtbot: QtBot) -> None:
    parts = show()
    header, view = parts.window.lanes.row(parts.controller.project.lanes[1].id)
    parts.window.setFocus()
    qtbot.mouseClick(header.gain, Qt.MouseButton.LeftButton, pos=QPoint(20, 9))
    gain = parts.controller.project.lanes[1].gain
    press(qtbot, parts, "Right")
    assert parts.controller.player.position > 0
    assert parts.controller.project.lanes[1].gain == gain
    header.gain.setFocus()
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton)
    assert not header.gain.hasFocus()


def test_the_playhead_is_shown_where_keys_put_it(show: Show, qtbot: QtBot) -> None:
    parts = show()
    viewport = parts.window.viewport
    viewport.show(50000, 60000)
    for keys, frame in (("End", parts.controller.project.frames), ("Home", 0), ("Right", 44100)):
        press(qtbot, parts, keys)
        assert parts.controller.player.position == frame
        assert viewport.window.start <= frame <= viewport.window.stop


def test_pages_are_turned_by_keys(show: Show, qtbot: QtBot) -> None:
    parts = show()
    viewport = parts.window.viewport
    viewport.show(0, 20000)
    press(qtbot, parts, "PgDown")
    assert viewport.window.start == pytest.approx(18000)
    press(qtbot, parts, "PgUp")
    assert viewport.window.start == 0


def test_waveforms_are_made_taller_and_flatter_by_keys(show: Show, qtbot: QtBot) -> None:
    parts = show()
    viewport = parts.window.viewport
    assert (enabled(parts, "taller"), enabled(parts, "flatter")) == (True, False)
    for _ in range(6):
        press(qtbot, parts, "Shift+Up")
    assert viewport.magnification == TALLEST
    assert (enabled(parts, "taller"), enabled(parts, "flatter")) == (False, True)
    press(qtbot, parts, "Shift+Down")
    assert viewport.magnification == TALLEST / 2


def test_what_cannot_be_done_is_not_offered(show: Show) -> None:
    parts = show()
    controller, window = parts.controller, parts.window
    lanes = controller.project.lanes
    assert not any(enabled(parts, name) for name in ("clear", "clear_solo", "zoom_out", "fit", "page_on", "solo_6"))
    assert enabled(parts, "solo_5")
    controller.set_current_lane(lanes[0].id)
    assert (enabled(parts, "move_up"), enabled(parts, "move_down")) == (False, True)
    assert not enabled(parts, "export_lane"), "the song is a file already"
    controller.set_current_lane(lanes[-1].id)
    assert (enabled(parts, "move_up"), enabled(parts, "move_down")) == (True, False)
    assert enabled(parts, "export_lane")
    controller.set_soloed(lanes[1].id, True)
    controller.set_selection(0, 50)
    window.viewport.zoom(0.5, 0)
    assert all(enabled(parts, name) for name in ("clear", "clear_solo", "zoom_out", "fit", "page_on"))
    window.viewport.fit()
    assert not enabled(parts, "fit")


def test_a_view_that_was_scrolled_away_stays_there_while_it_plays(show: Show) -> None:
    parts = show()
    window = parts.window
    window.viewport.show(0, 20000)
    parts.controller.play_pause()
    window._poll()
    window.viewport.show(100000, 120000)
    for _ in range(3):
        window._poll()
    assert window.viewport.window.start == 100000
    parts.controller.play_pause()
    window._poll()
    parts.controller.play_pause()
    window._poll()
    assert window.viewport.window.start < 20000, "playing began anew"


def test_the_main_button_stops_what_it_began(show: Show, qtbot: QtBot) -> None:
    parts = show()
    button = parts.window.toolbar.separate
    width = button.width()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert parts.controller.separating
    assert button.text() == "Stop"
    assert button.isEnabled()
    assert button.width() == width
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert not parts.controller.separating
    assert button.text() == "Separate"
    assert button.isEnabled()


def test_an_ampersand_in_a_name_is_seen_in_menus(parts: Parts, tmp_path: Path) -> None:
    parts.settings.set("recent_files", ["/music/Drum & Bass.flac"])
    parts.window.menus.fill_recent()
    assert parts.window.menus.recent.actions()[0].text() == "Drum && Bass.flac"
    lane = lane_of("vocals", music(0.5))
    song = song_of(music(0.5))
    parts.controller.document.apply("Open song", lambda p: edits.add_stems(edits.open_song(song), (lane,), "Test"))
    parts.controller.rename("vocals", "You & I")
    parts.controller.set_muted("vocals", True)
    assert parts.window.actions_["undo"].text() == "&Undo mute You && I"


def test_a_level_is_typed(show: Show, qtbot: QtBot) -> None:
    parts = show()
    lane = parts.controller.project.lanes[2].id
    parts.controller.set_current_lane(lane)
    field = parts.window.lanes.row(lane)[0].gain_label
    for text, gain in (("-6", 10 ** (-6 / 20)), ("loud", 10 ** (-6 / 20)), ("-inf", 0.0), ("+40 dB", 10 ** (12 / 20))):
        press(qtbot, parts, "G")
        assert field.hasFocus()
        qtbot.keyClicks(field, text)
        qtbot.keyClick(field, Qt.Key.Key_Return)
        assert parts.controller.project.lane(lane).gain == pytest.approx(gain)
    assert field.text() == "+12.0 dB"


def test_a_small_window_holds_everything(show: Show) -> None:
    parts = show()
    window = parts.window
    window.resize(900, 560)
    parts.application.processEvents()
    assert (window.width(), window.height()) == (900, 560)
    assert window.toolbar.minimumSizeHint().width() <= 900
    assert window.toolbar.open.text() == ""
    assert window.toolbar.settings.geometry().right() < 900
    window.resize(1100, 700)
    parts.application.processEvents()
    assert window.toolbar.open.text() == "Open"


def test_the_overview_and_the_lanes_line_up(show: Show) -> None:
    parts = show()
    window = parts.window
    for height in (800, 560):
        window.resize(1000, height)
        for _ in range(3):
            parts.application.processEvents()
        _, view = window.lanes.row(parts.controller.project.lanes[0].id)
        edges = {
            (part.mapTo(window, QPoint(0, 0)).x(), part.width()) for part in (view, window.lanes.ruler, window.overview)
        }
        assert len(edges) == 1


def test_a_right_click_offers_what_can_be_done_with_the_lane(show: Show) -> None:
    parts = show()
    parts.controller.set_current_lane(parts.controller.project.lanes[1].id)
    menu = parts.window.menus.menu(LANE_MENU, parts.window)
    texts = [action.text().replace("&", "") for action in menu.actions() if not action.isSeparator()]
    assert {"Rename", "Mute", "Solo", "Reset gain", "Reset pan", "Move up", "Export this lane…"} <= set(texts)
    parts.controller.set_gain(parts.controller.project.lanes[1].id, 0.5)
    parts.window.actions_["reset_gain"].trigger()
    assert parts.controller.project.lanes[1].gain == 1.0
    menu.deleteLater()


def test_one_lane_is_exported(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = show()
    parts.controller.set_current_lane(parts.controller.project.lanes[2].id)
    chosen: list[list[str]] = []
    monkeypatch.setattr(ExportDialog, "exec", lambda self: chosen.append([item.name for item in self.items()]))
    parts.window.actions_["export_lane"].trigger()
    assert chosen == [[parts.controller.project.lanes[2].name]]


def test_a_time_is_gone_to(show: Show, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    parts = show()
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **named: ("0:02", True))
    qtbot.mouseClick(parts.window.transport.time, Qt.MouseButton.LeftButton)
    assert parts.controller.player.position == 2 * parts.controller.project.rate
    assert parts.window.transport.time.accessibleName() == "Time 0:02.000"
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **named: ("soon", True))
    press(qtbot, parts, "Ctrl+G")
    assert parts.controller.player.position == 2 * parts.controller.project.rate


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[QMessageBox]:
    """Answer every question with its Cancel, or with the button whose text stands in `asked.answer`."""

    class Asked(list):
        answer = "Cancel"

    boxes = Asked()

    def answer(box: QMessageBox) -> int:
        boxes.append(box.text())
        named = [button for button in box.buttons() if button.text().replace("&", "") == boxes.answer]
        (named or [box.button(QMessageBox.StandardButton.Cancel)])[0].click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", answer)
    return boxes


def test_closing_asks_only_if_something_is_lost(show: Show, asked: list[str]) -> None:
    parts = show()
    parts.window.close()
    assert parts.window.isVisible()
    assert asked == ["“A song” is not saved."]
    asked.answer = "Close without saving"
    parts.window.close()
    assert not parts.window.isVisible()
    assert len(asked) == 2


def test_closing_asks_if_a_network_is_being_trained(parts: Parts, asked: list[str]) -> None:
    def learn(request: object, progress: Progress) -> None:
        while True:
            progress.check()

    def ignore(piece: object) -> None:
        pass

    job = parts.controller.compute("Train", learn, None, ignore, ignore, queue=LEARN, lasting=True)
    parts.window.close()
    assert parts.window.isVisible()
    assert asked == ["A network is still being trained."]
    parts.controller.cancel_job(job.id)
    parts.window.close()
    assert not parts.window.isVisible()
    assert len(asked) == 1


def test_closing_a_song_that_was_not_taken_apart_asks_nothing(
    parts: Parts, qtbot: QtBot, tmp_path: Path, asked: list[str]
) -> None:
    parts.controller.open(write_wav(tmp_path / "Song.wav", music(1.0)))
    qtbot.waitUntil(lambda: not parts.controller.opening, timeout=5000)
    parts.window.close()
    assert not parts.window.isVisible()
    assert asked == []


def test_closing_while_a_separation_runs_asks(show: Show, asked: list[str]) -> None:
    parts = show()
    parts.controller.separate()
    parts.window.close()
    assert parts.window.isVisible()
    assert parts.controller.separating
    assert asked == ["The song is still being taken apart."]


def test_whoever_would_rather_export_is_led_there(
    show: Show, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = show()
    led: list[bool] = []
    monkeypatch.setattr(type(parts.window), "ask_export", lambda self: led.append(True))
    asked.answer = "Export…"
    assert asking.ask_close(parts.controller, parts.window) == asking.EXPORT
    parts.window.close()
    assert led == [True]
    assert parts.window.isVisible()
