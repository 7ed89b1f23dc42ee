"""Cutting, copying, fading, moving: by keys and menus, and what is heard, seen, written and saved of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QMouseEvent
from pytestqt.qtbot import QtBot

from stemeditor.app.application import Parts
from stemeditor.app.lanes.lane_list import LaneList
from stemeditor.app.lanes.spectrogram import band_between, band_places, band_text
from stemeditor.app.panels.export import ExportDialog
from stemeditor.app.table import LANE_MENU, MOVE, PART_MENU
from stemeditor.app.theme import DARK, stem_colour
from stemeditor.audio.band import Band
from stemeditor.jobs.export import stem_items
from stemeditor.project import edits
from stemeditor.project.model import Lane
from tests.app.test_window import press
from tests.helpers.sounds import music, song_of, write_wav

Show = Callable[[], Parts]
RATE = 44100
START, STOP = RATE, 2 * RATE
MIDDLE = slice(START + RATE // 4, STOP - RATE // 4)


def lane(parts: Parts, role: str) -> Lane:
    return next(one for one in parts.controller.project.lanes if one.role == role)


def sound(parts: Parts, role: str) -> np.ndarray:
    one = lane(parts, role)
    return one.content.read(0, one.content.frames)


def select(parts: Parts, role: str, start: int = START, stop: int = STOP) -> None:
    parts.controller.set_current_lane(lane(parts, role).id)
    parts.controller.set_selection(start, stop)


def enabled(parts: Parts, *ids: str) -> list[str]:
    return [action_id for action_id in ids if parts.window.actions_[action_id].isEnabled()]


@pytest.mark.parametrize(
    ("keys", "name", "level"),
    [
        ("Del", "Silence a part of Vocals", 0.0),
        ("Backspace", "Silence a part of Vocals", 0.0),
        ("Ctrl+X", "Cut a part of Vocals", 0.0),
        ("Alt+Shift+Right", "Louder part of Vocals", 10 ** (1 / 20)),
        ("Alt+Shift+Left", "Softer part of Vocals", 10 ** (-1 / 20)),
        ("Ctrl+T", "Keep a part of Vocals", 1.0),
        ("Ctrl+3", "Move to Drums from Vocals", 0.0),
    ],
)
def test_keys_act_on_what_is_selected_of_the_current_lane(
    show: Show, qtbot: QtBot, keys: str, name: str, level: float
) -> None:
    parts = show()
    before, bass = sound(parts, "vocals"), sound(parts, "bass")
    select(parts, "vocals")
    press(qtbot, parts, keys)
    assert parts.controller.document.undo_name == name
    assert np.allclose(sound(parts, "vocals")[:, MIDDLE], level * before[:, MIDDLE], atol=1e-6)
    outside = sound(parts, "vocals")[:, : START - 1000]
    assert np.array_equal(outside, before[:, : START - 1000] * (keys != "Ctrl+T"))
    assert np.array_equal(sound(parts, "bass"), bass), "the other lanes stay"
    heard = parts.controller.player.mix
    assert heard.strips[1].audio == lane(parts, "vocals").content
    press(qtbot, parts, "Ctrl+Z")
    assert lane(parts, "vocals").takes is None


def test_fades_by_keys_come_and_go(show: Show, qtbot: QtBot) -> None:
    parts = show()
    before = np.abs(sound(parts, "vocals"))
    for keys, role, early in (("I", "vocals", True), ("O", "drums", False)):
        select(parts, role)
        press(qtbot, parts, keys)
        now, tenth = np.abs(sound(parts, role)), RATE // 10
        first, last = (now[:, at : at + tenth].sum() / before[:, at : at + tenth].sum() for at in (START, STOP - tenth))
        assert (first < 0.1 < 0.9 < last) if early else (last < 0.1 < 0.9 < first)


def test_steps_of_level_are_one_step_of_undo_until_something_else_is_selected(show: Show, qtbot: QtBot) -> None:
    parts = show()
    select(parts, "vocals")
    for _ in range(3):
        press(qtbot, parts, "Alt+Shift+Left")
    select(parts, "vocals", 0, START)
    press(qtbot, parts, "Alt+Shift+Left")
    parts.controller.undo()
    assert lane(parts, "vocals").takes is not None
    parts.controller.undo()
    assert lane(parts, "vocals").takes is None


def test_a_copy_is_pasted_where_the_selection_or_the_playhead_is_and_again_behind_it(show: Show, qtbot: QtBot) -> None:
    parts = show()
    controller = parts.controller
    select(parts, "vocals", 0, RATE // 2)
    press(qtbot, parts, "Ctrl+C")
    assert enabled(parts, "paste") == ["paste"]
    assert controller.document.undo_name == "Open song", "copying changes nothing"
    controller.set_current_lane(lane(parts, "drums").id)
    controller.set_selection(RATE, 2 * RATE)
    press(qtbot, parts, "Ctrl+V")
    assert controller.selection is None
    assert controller.player.position == RATE + RATE // 2, "the next copy comes behind this one"
    press(qtbot, parts, "Ctrl+V")
    original, inside = sound(parts, "vocals"), slice(1000, RATE // 2 - 1000)
    for at in (RATE, RATE + RATE // 2):
        there = sound(parts, "drums")[:, at : at + RATE // 2]
        assert np.allclose(there[:, inside], original[:, : RATE // 2][:, inside], atol=1e-6)
    press(qtbot, parts, "Ctrl+Z")
    press(qtbot, parts, "Ctrl+Z")
    assert lane(parts, "drums").takes is None


def test_what_is_moved_can_be_moved_back_or_brought_back(show: Show, qtbot: QtBot) -> None:
    parts = show()
    select(parts, "vocals")
    assert enabled(parts, "restore") == []
    press(qtbot, parts, "Ctrl+5")
    assert lane(parts, "other").takes is not None
    assert enabled(parts, "restore") == ["restore"]
    press(qtbot, parts, "Ctrl+Backspace")
    assert lane(parts, "other").takes is None
    assert lane(parts, "vocals").takes is None
    assert parts.controller.document.undo_name == "Restore a part of Vocals"


def test_only_what_can_be_done_is_offered(show: Show) -> None:
    parts = show()
    part = ["cut", "copy", "silence", "keep", "fade_in", "fade_out", "part_louder", "part_softer"]
    others = [f"give_{number}" for number in range(1, 10)]
    assert enabled(parts, *part, *others, "paste", "restore") == []
    select(parts, "vocals")
    assert enabled(parts, *part, *others, "paste", "restore") == [*part, "give_3", "give_4", "give_5"]
    assert parts.window.actions_["give_3"].text() == "Drums"
    select(parts, "song")
    assert enabled(parts, *others) == [], "the song is what the stems are together"
    parts.controller.scissors.copy()
    parts.controller.close_song()
    assert enabled(parts, *part, *others, "paste", "restore") == []
    parts.controller.document.apply("Open song", lambda project: edits.open_song(replace(song_of(music(1.0)), id="b")))
    assert enabled(parts, "paste") == [], "it belongs to another song"
    parts.controller.scissors.paste()
    parts.controller.scissors.transfer("nowhere")
    assert lane(parts, "song").takes is None


def test_a_right_click_offers_edits_on_what_is_selected_and_the_lane_elsewhere(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = show()
    shown: list[tuple[str, ...]] = []
    monkeypatch.setattr(parts.window.menus, "_show", lambda ids, place: shown.append(ids))
    select(parts, "vocals")
    header, view = parts.window.lanes.row(lane(parts, "vocals").id)
    inside = QPoint(round(view.width() * 1.5 / 4), 20)
    for widget, at in ((view, inside), (view, QPoint(view.width() - 5, 20)), (header, QPoint(60, 8))):
        parts.application.sendEvent(
            widget, QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, widget.mapToGlobal(at))
        )
    assert shown == [PART_MENU, LANE_MENU, LANE_MENU]


def test_the_menu_of_a_part_names_the_lanes_it_can_be_moved_to(show: Show) -> None:
    parts = show()
    parts.controller.rename(lane(parts, "drums").id, "Kick & snare")
    select(parts, "vocals")
    menu = parts.window.menus.menu(PART_MENU, parts.window)
    takers = next(action.menu() for action in menu.actions() if action.menu() is not None)
    assert MOVE in PART_MENU
    assert [action.text() for action in takers.actions() if action.isVisible()] == ["Kick && snare", "Bass", "Other"]
    assert takers.isEnabled()
    next(action for action in takers.actions() if action.text() == "Bass").trigger()
    assert parts.controller.document.undo_name == "Move to Bass from Vocals"
    select(parts, "song")
    menu.deleteLater()
    again = parts.window.menus.menu(PART_MENU, parts.window)
    assert not takers.isEnabled()
    again.deleteLater()


def test_the_status_line_says_of_which_lane_something_is_selected(show: Show) -> None:
    parts = show()
    select(parts, "bass")
    assert "selected 1.00 s of Bass" in parts.window._idle_text()


def pixels(parts: Parts, role: str) -> np.ndarray:
    """The picture of a lane, (height, width, 4)."""
    _, view = parts.window.lanes.row(lane(parts, role).id)
    image = view.grab().toImage()
    return np.array(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4).copy()


def test_what_is_silenced_stays_as_a_shadow_and_what_is_moved_is_underlined(show: Show) -> None:
    parts = show()
    parts.controller.clear_selection()
    before = pixels(parts, "vocals")
    width = before.shape[1]
    inside, outside = slice(width * 5 // 16, width * 7 // 16), slice(width * 9 // 16, width * 15 // 16)
    select(parts, "vocals")
    parts.controller.scissors.transfer(lane(parts, "drums").id)
    parts.controller.clear_selection()
    parts.controller.seek(0)
    parts.controller.set_current_lane(lane(parts, "bass").id)
    after, drums = pixels(parts, "vocals"), pixels(parts, "drums")
    assert np.array_equal(after[:, outside], before[:, outside])
    ground = after[2, width * 3 // 8]
    assert (after[:, inside] != before[:, inside]).any()
    assert (after[: after.shape[0] // 2 - 3, inside] != ground).any(), "there is a shadow"
    colour = stem_colour("vocals", DARK)
    line = drums[-4, width * 3 // 8]
    assert tuple(line[:3]) == (colour.blue(), colour.green(), colour.red())
    parts.controller.undo()
    assert np.array_equal(pixels(parts, "vocals")[:, inside], before[:, inside])


def test_only_the_tiles_that_changed_are_painted_anew(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = show()
    _, view = parts.window.lanes.row(lane(parts, "vocals").id)
    view.grab()
    painted: list[float] = []
    whole = view._waveform

    def paint(start: float, stop: float, *size: float) -> object:
        painted.append(start)
        return whole(start, stop, *size)  # type: ignore[arg-type]

    monkeypatch.setattr(view, "_waveform", paint)
    select(parts, "vocals", 0, RATE // 10)
    parts.controller.scissors.silence()
    view.grab()
    assert painted == [0.0]
    parts.controller.undo()
    view.grab()
    assert painted == [0.0], "what was painted before is still there"


def test_a_spectrogram_shows_what_is_heard(show: Show, qtbot: QtBot) -> None:
    parts = show()
    lanes: LaneList = parts.window.lanes
    lanes.set_view(None, "spectrogram")
    _, view = lanes.row(lane(parts, "vocals").id)

    def painted() -> bool:
        view.grab()
        return not view._pending

    qtbot.waitUntil(painted, timeout=20000)
    before = pixels(parts, "vocals")
    select(parts, "vocals")
    parts.controller.scissors.silence()
    parts.controller.clear_selection()
    qtbot.waitUntil(painted, timeout=20000)
    after = pixels(parts, "vocals")
    width, rows = before.shape[1], slice(10, before.shape[0] - 10)
    inside = slice(width * 5 // 16, width * 7 // 16)
    assert after[rows, inside, :3].mean() < 0.5 * before[rows, inside, :3].mean()


def test_files_hold_the_edits_and_the_dialog_says_so(show: Show, qtbot: QtBot, tmp_path: Path) -> None:
    parts = show()
    assert ExportDialog(parts.controller, parts.window).stems.text() == "Stems, as they came out of the separation"
    select(parts, "vocals")
    parts.controller.scissors.transfer(lane(parts, "bass").id)
    dialog = ExportDialog(parts.controller, parts.window)
    assert dialog.stems.text() == "Stems, as you edited them"
    dialog.folder.setText(str(tmp_path))
    dialog.template.setText("{stem}")
    dialog.subtype.setCurrentIndex(dialog.subtype.findData("float"))
    qtbot.mouseClick(dialog.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: parts.controller.jobs == (), timeout=20000)
    for role in ("vocals", "bass"):
        written = soundfile.read(tmp_path / f"{role.capitalize()}.wav", dtype="float32", always_2d=True)[0].T
        assert np.array_equal(written, sound(parts, role)[: written.shape[0]])
    bounds = {item.name: item.bound for item in stem_items(parts.controller.project)}
    assert bounds["Bass"] >= np.abs(sound(parts, "bass")).max()


def test_edits_are_saved_and_come_back(show: Show, qtbot: QtBot, tmp_path: Path) -> None:
    parts = show()
    controller, path = parts.controller, tmp_path / "cut.stemeditor"
    select(parts, "vocals")
    controller.scissors.fade(out=True)
    controller.scissors.copy()
    controller.set_current_lane(lane(parts, "drums").id)
    controller.scissors.paste()
    before = {role: sound(parts, role) for role in ("vocals", "drums", "bass")}
    controller.filing.save(path)
    qtbot.waitUntil(lambda: not controller.filing.saving, timeout=20000)
    assert not controller.filing.unsaved
    controller.undo()
    assert controller.filing.unsaved, "an edit is something to be saved"
    controller.open(path)
    qtbot.waitUntil(lambda: not controller.opening and not controller.filing.unsaved, timeout=20000)
    for role, samples in before.items():
        assert np.array_equal(sound(parts, role), samples)


def test_edits_made_while_it_is_taken_apart_stay(parts: Parts, qtbot: QtBot, tmp_path: Path) -> None:
    controller = parts.controller
    controller.open(write_wav(tmp_path / "song.wav", music(12.0)))
    qtbot.waitUntil(lambda: controller.project.song is not None and not controller.opening, timeout=20000)
    controller.separate("classic")
    qtbot.waitUntil(lambda: bool(controller.project.filled) or not controller.separating, timeout=60000)
    select(parts, "vocals")
    controller.scissors.silence()
    qtbot.waitUntil(lambda: not controller.separating, timeout=120000)
    assert not sound(parts, "vocals")[:, MIDDLE].any()
    controller.separate("classic")
    qtbot.waitUntil(lambda: not controller.separating, timeout=120000)
    assert not sound(parts, "vocals")[:, MIDDLE].any(), "a new separation is cut as the last one was"
    assert sound(parts, "vocals")[:, STOP + 1000 :].any()


def drag(parts: Parts, role: str, start: tuple[float, float], stop: tuple[float, float], ctrl: bool = True) -> None:
    """Drag the mouse over the picture of a lane, from one share of its width and height to another."""
    _, view = parts.window.lanes.row(lane(parts, role).id)
    modifiers = Qt.KeyboardModifier.ControlModifier if ctrl else Qt.KeyboardModifier.NoModifier
    places = [QPointF(x * view.width(), y * view.height()) for x, y in (start, stop)]
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    for kind, at, button, held in (
        (QEvent.Type.MouseButtonPress, places[0], left, left),
        (QEvent.Type.MouseMove, (places[0] + places[1]) / 2, none, left),
        (QEvent.Type.MouseMove, places[1], none, left),
        (QEvent.Type.MouseButtonRelease, places[1], left, none),
    ):
        parts.application.sendEvent(view, QMouseEvent(kind, at, view.mapToGlobal(at), button, held, modifiers))


def test_a_band_is_selected_on_a_spectrogram_only(show: Show) -> None:
    parts = show()
    controller = parts.controller
    drag(parts, "vocals", (0.25, 0.2), (0.5, 0.6))
    assert controller.selection is not None
    assert controller.band is None, "a waveform has no frequencies"
    parts.window.lanes.set_view(None, "spectrogram")
    drag(parts, "vocals", (0.25, 0.2), (0.5, 0.6), ctrl=False)
    assert controller.band is None
    drag(parts, "vocals", (0.25, 0.2), (0.5, 0.6))
    assert controller.band is not None
    assert 300 < controller.band.low_hz < 1000 < 4000 < controller.band.high_hz < 8000
    assert abs(controller.selection[0] - RATE) < 500
    assert "kHz, of Vocals" in parts.window._idle_text()
    controller.extend_to(3 * RATE)
    assert controller.band is not None, "more of the time, the same band"
    drag(parts, "vocals", (0.25, -0.2), (0.5, 0.5))
    assert controller.band.high_hz == RATE / 2, "beyond the top there is no edge"
    drag(parts, "vocals", (0.25, 0.5), (0.5, 1.2))
    assert controller.band.low_hz == 0.0
    controller.clear_selection()
    assert controller.band is None


def test_moving_an_edge_of_a_selection_keeps_its_band(show: Show) -> None:
    parts = show()
    parts.window.lanes.set_view(None, "spectrogram")
    drag(parts, "vocals", (0.25, 0.2), (0.5, 0.6))
    band = parts.controller.band
    assert band is not None
    drag(parts, "vocals", (0.5, 0.4), (0.75, 0.9), ctrl=False)
    assert parts.controller.band == band
    assert parts.controller.selection is not None
    assert abs(parts.controller.selection[1] - 3 * RATE) < 500


@pytest.mark.parametrize("keys", ["Del", "Ctrl+X", "Ctrl+3", "Alt+Shift+Left", "I", "O", "Ctrl+T"])
def test_edits_act_on_the_band_alone_and_can_be_brought_back(show: Show, qtbot: QtBot, keys: str) -> None:
    parts = show()
    select(parts, "vocals")
    parts.controller.set_selection(START, STOP, Band(0.0, 600.0))
    shape = np.hanning(MIDDLE.stop - MIDDLE.start)
    before = np.fft.rfft(sound(parts, "vocals")[0, MIDDLE] * shape)
    press(qtbot, parts, keys)
    after = np.fft.rfft(sound(parts, "vocals")[0, MIDDLE] * shape)
    hz = RATE / (MIDDLE.stop - MIDDLE.start)
    low, high = slice(round(100 / hz), round(500 / hz)), slice(round(800 / hz), round(5000 / hz))
    lower, higher = (np.linalg.norm(after[part] - before[part]) / np.linalg.norm(before[part]) for part in (low, high))
    assert (lower < 0.02 < 0.9 < higher) if keys == "Ctrl+T" else (higher < 0.02 < 0.05 < lower)
    select(parts, "vocals", 0, 4 * RATE)
    press(qtbot, parts, "Ctrl+Backspace")
    assert lane(parts, "vocals").takes is None
    assert lane(parts, "drums").takes is None


@pytest.mark.parametrize(
    ("band", "text"),
    [
        (Band(0.0, 800.0), "below 800 Hz"),
        (Band(5000.0, 22050.0), "above 5 kHz"),
        (Band(1200.0, 4000.0), "1.2 to 4 kHz"),
        (Band(120.0, 240.4), "120 to 240 Hz"),
        (Band(870.0, 5400.0), "870 Hz to 5.4 kHz"),
        (Band(999.7, 16000.0), "1 to 16 kHz"),
    ],
)
def test_bands_are_told_in_words(band: Band, text: str) -> None:
    assert band_text(band, RATE) == text


@pytest.mark.parametrize(("first", "last"), [(0.2, 0.7), (0.7, 0.2), (0.0, 0.4), (0.6, 1.0), (-3.0, 9.0)])
def test_a_band_stands_where_it_was_drawn(first: float, last: float) -> None:
    places = band_places(band_between(first, last, RATE), RATE)
    assert places == pytest.approx([min(max(edge, 0.0), 1.0) for edge in sorted((first, last))])


def heard(parts: Parts) -> np.ndarray:
    mix = parts.controller.player.mix
    return mix.render(0, mix.frames)


def test_what_is_selected_is_heard_alone_until_it_is_told_otherwise(show: Show, qtbot: QtBot) -> None:
    parts = show()
    controller = parts.controller
    press(qtbot, parts, "H")
    assert not controller.alone, "nothing is selected"
    select(parts, "vocals")
    before = heard(parts)
    press(qtbot, parts, "H")
    assert controller.player.playing
    assert controller.player.loop == (START, STOP)
    assert START <= controller.player.position < STOP
    assert "heard alone" in parts.window._idle_text()
    assert np.allclose(heard(parts)[:, MIDDLE], sound(parts, "vocals")[:, MIDDLE], atol=1e-6)
    assert not heard(parts)[:, : START - 1000].any()
    controller.set_current_lane(lane(parts, "drums").id)
    assert np.allclose(heard(parts)[:, MIDDLE], sound(parts, "drums")[:, MIDDLE], atol=1e-6)
    controller.set_selection(0, START, Band(0.0, 600.0))
    assert controller.player.position < START, "it goes where the selection went"
    inside = heard(parts)[0, START // 4 : START // 2]
    spectrum = np.abs(np.fft.rfft(inside * np.hanning(len(inside))))
    bins = round(600 * len(inside) / RATE)
    assert spectrum[2 * bins :].max() < 0.001 * spectrum[:bins].max(), "only the band is heard"
    press(qtbot, parts, "Esc")
    assert not controller.alone
    assert controller.selection is not None, "one thing at a time"
    assert not controller.player.playing, "it did not play before"
    assert np.array_equal(heard(parts), before)
    assert controller.document.undo_name == "Open song", "hearing changes nothing"


def test_hearing_a_part_alone_ends_with_the_selection_and_goes_on_playing(show: Show) -> None:
    parts = show()
    controller = parts.controller
    controller.play_pause()
    select(parts, "vocals")
    controller.hear_alone(True)
    assert controller.player.position == START or controller.player.position > START
    controller.clear_selection()
    assert not controller.alone
    select(parts, "vocals")
    controller.hear_alone(True)
    controller.hear_alone(False)
    assert controller.player.playing
    controller.hear_alone(True)
    controller.close_song()
    assert not controller.alone
