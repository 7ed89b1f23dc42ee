"""Slower, faster, higher, lower: by keys, by the panel, and what the window says about it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from stemeditor.app.application import Parts
from stemeditor.app.panels.pace import pace_text, pace_words
from stemeditor.audio.stretch import FASTEST, HIGHEST, LOWEST, SLOWEST, Pace
from stemeditor.mixing.mix import Mix
from tests.app.test_window import press
from tests.helpers.sounds import music, write_wav

Show = Callable[[], Parts]


@pytest.mark.parametrize(
    ("keys", "before", "after"),
    [
        ("Ctrl+Down", Pace(), Pace(0.95)),
        ("Ctrl+Up", Pace(), Pace(1.05)),
        ("Ctrl+Down", Pace(0.97, 2.0), Pace(0.95, 2.0)),
        ("Ctrl+Up", Pace(0.97), Pace(1.0)),
        ("Ctrl+Down", Pace(SLOWEST), Pace(SLOWEST)),
        ("Ctrl+Up", Pace(FASTEST), Pace(FASTEST)),
        ("Ctrl+Shift+Down", Pace(0.5), Pace(0.5, -1.0)),
        ("Ctrl+Shift+Up", Pace(1.0, 0.3), Pace(1.0, 1.0)),
        ("Ctrl+Shift+Down", Pace(1.0, LOWEST), Pace(1.0, LOWEST)),
        ("Ctrl+Shift+Up", Pace(1.0, HIGHEST), Pace(1.0, HIGHEST)),
        ("Ctrl+R", Pace(0.5, 3.0), Pace()),
    ],
)
def test_keys_change_it_in_steps(show: Show, qtbot: QtBot, keys: str, before: Pace, after: Pace) -> None:
    parts = show()
    parts.controller.set_pace(before.speed, before.semitones)
    press(qtbot, parts, keys)
    assert parts.controller.pace == after
    assert parts.controller.player.pace == after


def test_it_is_held_within_what_can_be_heard(show: Show) -> None:
    controller = show().controller
    controller.set_pace(0.01, 99.0)
    assert controller.pace == Pace(SLOWEST, HIGHEST)
    controller.set_pace(9.0, -99.0)
    assert controller.pace == Pace(FASTEST, LOWEST)
    controller.set_pace(speed=0.8049)
    assert controller.pace == Pace(0.8, LOWEST)


def test_the_panel_opens_below_its_button_and_does_what_it_shows(show: Show, qtbot: QtBot) -> None:
    parts = show()
    panel, transport = parts.window.pace, parts.window.transport
    qtbot.mouseClick(transport.pace, Qt.MouseButton.LeftButton)
    assert panel.isVisible()
    for _ in range(3):
        qtbot.keyClick(panel.speed, Qt.Key.Key_Left)
    qtbot.keyClick(panel.pitch, Qt.Key.Key_Right)
    assert parts.controller.pace == Pace(0.97, 0.1)
    assert (panel.speed_label.text(), panel.pitch_label.text()) == ("97 %", "+0.1 semitones")
    panel.pitch.setValue(1000)
    assert parts.controller.pace == Pace(0.97, HIGHEST)
    qtbot.mouseDClick(panel.pitch, Qt.MouseButton.LeftButton)
    assert parts.controller.pace == Pace(0.97)
    assert panel.reset.isEnabled()
    qtbot.mouseClick(panel.reset, Qt.MouseButton.LeftButton)
    assert parts.controller.pace == Pace()
    assert not panel.reset.isEnabled()
    assert panel.speed.amount == 1.0
    panel.hide()


def test_what_is_played_is_in_reach_while_the_panel_is_open(show: Show, qtbot: QtBot) -> None:
    parts = show()
    panel = parts.window.pace
    parts.window.actions_["pace"].trigger()
    qtbot.keyClick(panel.speed, Qt.Key.Key_Space)
    assert parts.controller.player.playing
    qtbot.keyClick(panel.speed, Qt.Key.Key_Down, Qt.KeyboardModifier.ControlModifier)
    assert parts.controller.pace == Pace(0.95)
    qtbot.keyClick(panel.speed, Qt.Key.Key_L)
    assert parts.controller.looping
    qtbot.keyClick(panel.speed, Qt.Key.Key_P)
    assert not panel.isVisible()
    parts.window.actions_["pace"].trigger()
    qtbot.keyClick(panel.speed, Qt.Key.Key_Escape)
    assert not panel.isVisible()


@pytest.mark.parametrize("speed", [SLOWEST, 0.5, 0.97, 1.0, 1.01, 1.5, FASTEST])
def test_a_slider_shows_what_it_was_told(show: Show, speed: float) -> None:
    parts = show()
    parts.controller.set_pace(speed=speed)
    slider = parts.window.pace.speed
    assert slider.amount == speed
    slider.setValue(slider.value() + 1), slider.setValue(slider.value() - 1)
    assert parts.controller.pace.speed == pytest.approx(speed, abs=0.01)


def test_the_window_says_at_what_pace_it_plays(show: Show) -> None:
    parts = show()
    window, button = parts.window, parts.window.transport.pace
    window.resize(1280, 800)
    parts.application.processEvents()
    assert button.text() == ""
    assert "played" not in window.status.idle.text()
    parts.controller.set_pace(0.75, -2.0)
    parts.application.processEvents()
    assert button.text() == "75 %  -2"
    assert button.accessibleName() == "Speed and pitch 75 %  -2"
    assert "played at 75 % of its speed, 2 semitones lower" in window.status.idle.text()
    for width in (900, 960, 1045, 1139):
        window.resize(width, 640)
        parts.application.processEvents()
        assert button.text() == ""
        assert window.toolbar.minimumSizeHint().width() <= width
        assert window.width() == width


def test_words_for_a_pace() -> None:
    assert pace_text(Pace()) == ""
    assert pace_text(Pace(0.5)) == "50 %"
    assert pace_text(Pace(1.0, 0.5)) == "+0.5"
    assert pace_words(Pace(0.75, -2.0)) == "at 75 % of its speed, 2 semitones lower"
    assert pace_words(Pace(1.0, 1.0)) == "1 semitone higher"


def test_another_song_is_played_at_its_own_pace(show: Show, qtbot: QtBot, tmp_path: Path) -> None:
    parts = show()
    parts.controller.set_pace(0.5, 3.0)
    parts.controller.open(write_wav(tmp_path / "Other.wav", music(1.0)))
    qtbot.waitUntil(lambda: not parts.controller.opening, timeout=10000)
    assert parts.controller.pace == Pace()
    assert parts.controller.player.pace == Pace()


def test_methods_are_compared_at_the_songs_own_pace(show: Show) -> None:
    controller = show().controller
    controller.set_pace(0.5)
    controller.audition(Mix(rate=44100, frames=100))
    assert controller.player.pace == Pace()
    controller.audition(None)
    assert controller.player.pace == Pace(0.5)


def test_without_a_song_there_is_no_pace(parts: Parts) -> None:
    enabled = {name: parts.window.actions_[name].isEnabled() for name in ("pace", "slower", "higher", "own_pace")}
    assert not any(enabled.values())
    assert not parts.window.transport.pace.isEnabled()
