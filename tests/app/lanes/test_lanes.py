"""Lanes: what they paint, and what they tell when somebody touches them."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QImage, QPainter, QRegion, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from stemeditor.app.lanes.controls import (
    Meter,
    gain_of,
    gain_slider,
    gain_text,
    gain_to_position,
    pan_short,
    pan_slider,
    pan_text,
    position_to_gain,
)
from stemeditor.app.lanes.lane_list import LaneList
from stemeditor.app.lanes.overview import Overview
from stemeditor.app.lanes.spectrogram import axis_share, paint_axis
from stemeditor.app.lanes.tiles import TILE_PIXELS, Tiles, visible
from stemeditor.app.lanes.waveform import waveform_image
from stemeditor.app.theme import DARK, LIGHT, Theme
from stemeditor.app.viewport import Viewport
from stemeditor.audio.buffer import Audio
from stemeditor.audio.peaks import Peaks
from stemeditor.project import edits
from stemeditor.project.model import Project
from tests.helpers.sounds import RATE, lane_of, song_of, tone

LEFT = Qt.MouseButton.LeftButton


def project() -> Project:
    loud = tone(440, 2.0, 0.9)
    loud[:, RATE:] = 0.0
    song = song_of(loud)
    lanes = tuple(lane_of(name, loud) for name in ("vocals", "drums"))
    return edits.add_stems(edits.open_song(song), lanes, "Test")


@pytest.fixture
def lanes(qtbot: QtBot) -> LaneList:
    viewport = Viewport()
    made = LaneList(DARK, viewport)
    made.viewport_ = viewport
    qtbot.addWidget(made)
    made.resize(1000, 500)
    shown = project()
    viewport.set_song(shown.frames)
    made.show_project(shown)
    made.show()
    qtbot.waitExposed(made)
    QApplication.processEvents()
    return made


def inked(widget: QWidget, x0: int, x1: int) -> int:
    """Count the pixels of a stretch that are not the canvas."""
    image = widget.grab().toImage()
    ground = QColor(DARK.canvas).rgb()
    return sum(image.pixel(x, y) != ground for x in range(x0, x1) for y in range(10, image.height() - 10, 3))


@pytest.mark.parametrize("view", ["waveform", "spectrogram"])
def test_a_loud_stretch_paints_and_a_silent_one_does_not(lanes: LaneList, view: str) -> None:
    lanes.set_view("vocals", view)
    _, canvas = lanes.row("vocals")
    canvas.grab()
    width = canvas.width()
    assert inked(canvas, width // 8, width * 3 // 8) > 5 * inked(canvas, width * 5 // 8, width * 7 // 8)


def test_the_mouse_seeks_selects_and_drags_an_edge(lanes: LaneList, qtbot: QtBot) -> None:
    _, canvas = lanes.row("vocals")
    frames, width = 2 * RATE, canvas.width()
    with qtbot.waitSignal(lanes.seek_requested) as caught:
        qtbot.mouseClick(canvas, LEFT, pos=QPoint(width // 2, 20))
    assert caught.args[0] == pytest.approx(frames / 2, abs=frames / width + 1)
    told: list[tuple[int, int]] = []
    lanes.selection_changed.connect(lambda start, stop, band: told.append((start, stop)))
    qtbot.mousePress(canvas, LEFT, pos=QPoint(300, 20))
    qtbot.mouseMove(canvas, QPoint(100, 20))
    qtbot.mouseRelease(canvas, LEFT, pos=QPoint(100, 20))
    start, stop = told[-1]
    assert start == pytest.approx(100 / width * frames, abs=frames / width)
    assert stop == pytest.approx(300 / width * frames, abs=frames / width)
    lanes.set_selection((start, stop), False)
    qtbot.mousePress(canvas, LEFT, pos=QPoint(300, 20))
    qtbot.mouseMove(canvas, QPoint(400, 20))
    qtbot.mouseRelease(canvas, LEFT, pos=QPoint(400, 20))
    assert told[-1][0] == start
    assert told[-1][1] > stop
    with qtbot.waitSignal(lanes.selection_cleared):
        qtbot.mouseClick(canvas, LEFT, pos=QPoint(200, 20))


def turn(widget: QWidget, x: float, steps: int, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    place = QPointF(x, 20)
    event = QWheelEvent(
        place,
        QPointF(widget.mapToGlobal(place.toPoint())),
        QPoint(),
        QPoint(0, 120 * steps),
        Qt.MouseButton.NoButton,
        keys,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


def test_the_wheel_zooms_about_the_pointer_and_scrolls_with_shift(lanes: LaneList) -> None:
    _, canvas = lanes.row("vocals")
    viewport = lanes.viewport_
    under = viewport.window.frame(250, canvas.width())
    turn(canvas, 250, 3)
    assert viewport.window.span < RATE * 1.2
    assert viewport.window.frame(250, canvas.width()) == pytest.approx(under, abs=2)
    start = viewport.window.start
    turn(canvas, 250, -2, Qt.KeyboardModifier.ShiftModifier)
    assert viewport.window.start > start


CONTROLS = {
    "mute": ("mute_changed", True),
    "solo": ("solo_changed", True),
}


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_switches_tell_by_mouse_and_keyboard(lanes: LaneList, qtbot: QtBot, name: str, way: str) -> None:
    header, _ = lanes.row("drums")
    button = getattr(header, name)
    signal, value = CONTROLS[name]
    with qtbot.waitSignal(getattr(lanes, signal)) as caught:
        if way == "mouse":
            qtbot.mouseClick(button, LEFT)
        else:
            button.setFocus()
            qtbot.keyClick(button, Qt.Key.Key_Space)
    assert caught.args == ["drums", value]


def test_ctrl_click_on_solo_asks_for_this_lane_alone(lanes: LaneList, qtbot: QtBot, monkeypatch) -> None:
    header, _ = lanes.row("drums")
    monkeypatch.setattr(QApplication, "keyboardModifiers", staticmethod(lambda: Qt.KeyboardModifier.ControlModifier))
    with qtbot.waitSignal(lanes.solo_only_requested) as caught:
        qtbot.mouseClick(header.solo, LEFT)
    assert caught.args == ["drums"]


@pytest.mark.parametrize(("name", "signal"), [("gain", "gain_changed"), ("pan", "pan_changed")])
def test_sliders_follow_the_mouse_the_keys_and_the_wheel(lanes: LaneList, qtbot: QtBot, name: str, signal: str) -> None:
    header, _ = lanes.row("drums")
    slider = getattr(header, name)
    default = slider.amount
    told: list[float] = []
    getattr(lanes, signal).connect(lambda lane_id, value: told.append(value))
    qtbot.mousePress(slider, LEFT, pos=QPoint(slider.width() // 4, 9))
    assert told[-1] < default
    with qtbot.waitSignal(lanes.drag_ended):
        qtbot.mouseRelease(slider, LEFT, pos=QPoint(slider.width() // 4, 9))
    before = told[-1]
    qtbot.keyClick(slider, Qt.Key.Key_Right)
    assert told[-1] > before
    before = told[-1]
    turn(slider, 5, -1)
    assert told[-1] == before, "whoever scrolls by keeps the levels"
    slider.setFocus()
    turn(slider, 5, -1)
    assert told[-1] < before
    qtbot.mouseDClick(slider, LEFT, pos=QPoint(3, 9))
    assert told[-1] == default
    qtbot.keyClick(slider, Qt.Key.Key_Left)
    qtbot.keyClick(slider, Qt.Key.Key_Delete)
    assert told[-1] == default


def test_a_name_is_edited_by_double_click_and_dropped_by_escape(lanes: LaneList, qtbot: QtBot) -> None:
    header, _ = lanes.row("vocals")
    qtbot.mouseDClick(header.name, LEFT)
    qtbot.keyClicks(header.name, "Lead")
    with qtbot.waitSignal(lanes.renamed) as caught:
        qtbot.keyClick(header.name, Qt.Key.Key_Return)
    assert caught.args == ["vocals", "Lead"]
    qtbot.mouseDClick(header.name, LEFT)
    qtbot.keyClicks(header.name, "Nothing")
    with qtbot.assertNotEmitted(lanes.renamed):
        qtbot.keyClick(header.name, Qt.Key.Key_Escape)
    assert header.name.text() == "Vocals"


def test_a_lane_is_dragged_to_another_place(lanes: LaneList, qtbot: QtBot) -> None:
    header, _ = lanes.row("vocals")
    target, _ = lanes.row("drums")
    below = header.mapFromGlobal(target.mapToGlobal(QPoint(12, target.height() - 8)))
    qtbot.mousePress(header, LEFT, pos=QPoint(12, 24))
    qtbot.mouseMove(header, below)
    with qtbot.waitSignal(lanes.moved) as caught:
        qtbot.mouseRelease(header, LEFT, pos=below)
    assert caught.args == ["vocals", 2]


def test_rows_that_stay_are_the_same_widgets_in_the_new_order(lanes: LaneList) -> None:
    before = lanes.row("drums")
    shown = edits.set_muted(edits.move_lane(project(), "drums", 0), "drums", True)
    lanes.show_project(shown)
    QApplication.processEvents()
    assert lanes.row("drums") == before
    assert before[0].mute.isChecked()
    assert before[0].mapTo(lanes, QPoint()).y() < lanes.row("vocals")[0].mapTo(lanes, QPoint()).y()
    assert not before[1].heard


def test_lanes_that_are_not_heard_are_dimmed(lanes: LaneList) -> None:
    _, canvas = lanes.row("vocals")
    colour = QColor(DARK.stems["vocals"])

    def brightest() -> int:
        image = canvas.grab().toImage()
        pixels = [image.pixelColor(x, image.height() // 4) for x in range(50, 200)]
        return max(pixel.red() for pixel in pixels)

    assert brightest() > colour.red() * 0.8
    lanes.show_project(edits.set_muted(project(), "vocals", True))
    lanes.row("vocals")[1].show_lane(lanes.row("vocals")[1].lane, None, False)
    assert brightest() < colour.red() * 0.6


def test_what_is_not_yet_there_is_hatched(lanes: LaneList) -> None:
    header, canvas = lanes.row("vocals")
    canvas.show_lane(canvas.lane, RATE // 2, True)
    image = canvas.grab().toImage()
    x = canvas.width() * 3 // 4
    assert image.pixelColor(x, 3).name() != QColor(DARK.canvas).name()


def test_another_theme_paints_anew(lanes: LaneList) -> None:
    _, canvas = lanes.row("vocals")
    before = canvas.grab().toImage()
    lanes.set_theme(LIGHT)
    after = canvas.grab().toImage()
    assert before != after
    assert after.pixelColor(canvas.width() - 3, 4).name() == LIGHT.canvas


def test_the_playhead_moves_without_painting_all(lanes: LaneList) -> None:
    _, canvas = lanes.row("vocals")
    lanes.set_playhead(RATE)
    image = canvas.grab().toImage()
    x = round(canvas.width() / 2)
    assert image.pixelColor(x, 5).name() == DARK.playhead


def test_the_overview_scrolls_zooms_and_seeks(qtbot: QtBot) -> None:
    viewport, shown = Viewport(), project()
    viewport.set_song(shown.frames)
    overview = Overview(DARK, viewport)
    qtbot.addWidget(overview)
    overview.resize(1000, 46)
    overview.show_project(shown)
    overview.show()
    with qtbot.waitSignal(overview.seek_requested) as caught:
        qtbot.mouseClick(overview, LEFT, pos=QPoint(500, 20))
    assert caught.args[0] == pytest.approx(shown.frames / 2, abs=100)
    viewport.show(0, shown.frames / 10)
    qtbot.mousePress(overview, LEFT, pos=QPoint(50, 20))
    qtbot.mouseMove(overview, QPoint(350, 20))
    qtbot.mouseRelease(overview, LEFT, pos=QPoint(350, 20))
    assert viewport.window.start == pytest.approx(0.3 * shown.frames, abs=200)
    qtbot.mousePress(overview, LEFT, pos=QPoint(400, 20))
    qtbot.mouseMove(overview, QPoint(500, 20))
    qtbot.mouseRelease(overview, LEFT, pos=QPoint(500, 20))
    assert viewport.window.stop == pytest.approx(0.5 * shown.frames, abs=200)
    qtbot.mouseDClick(overview, LEFT, pos=QPoint(900, 20))
    assert viewport.whole


def test_faders_have_exact_notches_and_readable_words() -> None:
    assert position_to_gain(gain_to_position(1.0)) == 1.0
    assert position_to_gain(0) == 0.0
    assert position_to_gain(1000) == pytest.approx(10 ** (12 / 20))
    positions = [gain_to_position(position_to_gain(position)) for position in range(0, 1001, 7)]
    assert positions == list(range(0, 1001, 7))
    assert [gain_text(g) for g in (0.0, 1.0, 0.5)] == ["-∞ dB", "+0.0 dB", "-6.0 dB"]
    assert [pan_short(p) for p in (0, -1, 0.25)] == ["C", "L100", "R25"]
    assert [pan_text(p) for p in (0, -1, 0.25)] == ["Centre", "100 % left", "25 % right"]


def test_sliders_describe_themselves(qtbot: QtBot) -> None:
    for slider, words in ((gain_slider(), "+0.0 dB"), (pan_slider(), "Centre")):
        qtbot.addWidget(slider)
        slider.describe("Bass something")
        assert slider.accessibleName() == "Bass something"
        assert words in slider.toolTip()


def test_a_meter_rises_at_once_and_falls_slowly(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    meter = Meter(DARK)
    qtbot.addWidget(meter)
    meter.show_levels((1.0, 0.5, 0.7, 0.3))
    assert meter._peaks == pytest.approx([0.0, -6.02], abs=0.01)
    now[0] += 0.5
    meter.show_levels(None)
    assert meter._peaks[0] == pytest.approx(-12.0, abs=0.1)
    for _ in range(60):
        now[0] += 0.1
        meter.show_levels(None)
    assert meter.quiet


@pytest.mark.parametrize("theme", [DARK, LIGHT])
@pytest.mark.parametrize("ground", ["#000000", "#808080", "#ffffff"])
def test_frequencies_can_be_read_on_any_ground(theme: Theme, ground: str, qtbot: QtBot) -> None:
    image = QImage(60, 200, QImage.Format.Format_RGB32)
    image.fill(QColor(ground))
    painter = QPainter(image)
    paint_axis(painter, theme, RATE, image.height())
    painter.end()
    y = round(axis_share(1000, RATE) * image.height())
    around = [QColor(image.pixel(x, row)).lightness() for x in range(30) for row in range(y - 8, y + 8)]
    written, halo = QColor(theme.text).lightness(), QColor(theme.canvas).lightness()
    assert sum(abs(value - written) < 40 for value in around) > 5
    assert sum(abs(value - halo) < 12 for value in around) > 20
    assert len({QColor(image.pixel(x, row)).name() for x in range(40, 60) for row in range(200)}) == 1


def test_tiles_forget_what_was_not_used_for_longest(qtbot: QtBot) -> None:
    from PySide6.QtGui import QImage

    tiles = Tiles(limit=2)
    tiles.put("a", QImage())
    tiles.put("b", QImage())
    tiles.get("a")
    tiles.put("c", QImage())
    assert tiles.get("b") is None
    assert tiles.get("a") is not None
    assert list(visible(0, TILE_PIXELS)) == [0]
    assert list(visible(TILE_PIXELS - 1, 2)) == [0, 1]


@pytest.mark.parametrize("stretch", [(-500.0, 500.0), (0.0, 50.0), (100.0, 44100.0), (88000.0, 99000.0)])
def test_a_waveform_of_any_stretch_has_its_size(stretch: tuple[float, float]) -> None:
    audio = project().song.sound.audio
    image = waveform_image(Peaks.of(audio), *stretch, 200, 120, QColor("#ff0000"))
    assert (image.width(), image.height()) == (200, 120)
    if stretch[0] < 0:
        assert image.pixelColor(10, 60).alpha() == 0
        assert image.pixelColor(150, 30).alpha() > 0


def test_quiet_waveforms_can_be_shown_taller_and_end_at_full_scale() -> None:
    """One of a tenth of full scale reaches a tenth of the way, then four tenths, then all of it and no further."""
    audio = Audio(np.resize([0.1, -0.1], (1, RATE)).astype(np.float32), RATE)

    def reach(magnification: float) -> float:
        image = waveform_image(Peaks.of(audio), 0, RATE, 20, 200, QColor("#ff0000"), magnification)
        painted = [y for y in range(200) if image.pixelColor(10, y).alpha()]
        assert painted[0] == 199 - painted[-1]
        return (painted[-1] - painted[0] + 1) / 2

    assert abs(reach(1.0) - 9.8) <= 1.0
    assert abs(reach(4.0) - 39.2) <= 1.0
    assert reach(10.0) == reach(32.0) == 98.0


def test_ctrl_shift_and_the_wheel_make_waveforms_taller_and_say_so(lanes: LaneList) -> None:
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    _, canvas = lanes.row("vocals")
    viewport = lanes.viewport_
    window, before = viewport.window, canvas.grab().toImage()
    turn(canvas, 250, 3, both)
    assert viewport.magnification == pytest.approx(1.25**3)
    assert viewport.window == window
    taller = canvas.grab().toImage()
    corner = QRect(canvas.width() - 40, 4, 36, 14)
    assert taller.copy(corner) != before.copy(corner), "it says how many times"
    turn(canvas, 250, -9, both)
    assert viewport.magnification == 1.0
    assert canvas.grab().toImage() == before


@pytest.mark.parametrize("view", ["waveform", "spectrogram"])
def test_a_stripe_is_painted_as_it_is_in_the_whole(lanes: LaneList, view: str) -> None:
    """What is written at the edges is not written anew for a playhead elsewhere, but is whole for one that is there."""
    lanes.set_view("vocals", view)
    lanes.viewport_.magnify(15.6)
    _, canvas = lanes.row("vocals")
    canvas.resize(canvas.width(), 120)
    canvas.grab()
    whole = canvas.grab().toImage()
    for x in range(0, canvas.width() - 5, 5):
        stripe = QRect(x, 0, 5, canvas.height())
        image = QImage(stripe.size(), whole.format())
        canvas.render(image, QPoint(), QRegion(stripe))
        # Edges of letters are rounded in another way where they are cut.
        assert np.abs(colours(image) - colours(whole.copy(stripe))).max() <= 4, x


def colours(image: QImage) -> np.ndarray:
    """The (height, width, 4) values of an image."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    return np.array(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4).astype(int)


def test_a_growing_lane_paints_what_is_new(qtbot: QtBot) -> None:
    viewport = Viewport()
    lanes = LaneList(DARK, viewport)
    qtbot.addWidget(lanes)
    lanes.resize(800, 300)
    shown = project()
    audio = shown.song.sound.audio
    growing = replace(shown.lanes[0], sound=replace(shown.lanes[0].sound, peaks=Peaks(audio)))
    viewport.set_song(shown.frames)
    lanes.show_project(replace(shown, lanes=(growing,)))
    lanes.show()
    _, canvas = lanes.row(growing.id)
    before = canvas.grab().toImage()
    growing.sound.peaks.feed(np.asarray(audio.samples[:, :RATE]))
    lanes.grown((growing.id,))
    assert canvas.grab().toImage() != before


def test_the_method_that_made_the_stems_stands_above_them_and_leads_to_others(lanes: LaneList, qtbot: QtBot) -> None:
    assert lanes.method.isVisible()
    assert lanes.method.text() == "Test"
    with qtbot.waitSignal(lanes.method_requested):
        qtbot.mouseClick(lanes.method, LEFT)
    lanes.show_project(edits.open_song(song_of(tone(440, 1.0))))
    assert not lanes.method.isVisible()


@pytest.mark.parametrize(
    ("text", "level"),
    [("-6", 10 ** (-6 / 20)), ("+1,5 dB", 10 ** (1.5 / 20)), ("0", 1.0), ("-∞ dB", 0.0), ("-90", 0.0), ("99", 10**0.6)],
)
def test_a_level_is_read_as_it_is_written(text: str, level: float) -> None:
    assert gain_of(text) == pytest.approx(level)
    assert gain_of(gain_text(level)) == pytest.approx(level)


@pytest.mark.parametrize("text", ["", "dB", "loud", "nan", "1e3", "--3"])
def test_what_is_no_level_changes_nothing(text: str) -> None:
    assert gain_of(text) is None


def test_a_renamed_lane_gives_the_keyboard_back(lanes: LaneList, qtbot: QtBot) -> None:
    header, _ = lanes.row("drums")
    told: list[str] = []
    header.renamed.connect(lambda lane_id, name: told.append(name))
    for key, heard in ((Qt.Key.Key_Escape, []), (Qt.Key.Key_Return, ["Kit"])):
        lanes.rename("drums")
        assert header.name.hasFocus()
        qtbot.keyClicks(header.name, "Kit")
        qtbot.keyClick(header.name, key)
        assert not header.name.hasFocus()
        assert told == heard


def test_a_long_name_is_cut_to_its_room_and_whole_where_it_is_edited(lanes: LaneList) -> None:
    name = "Vocals " * 20
    header, _ = lanes.row("vocals")
    header.show_lane(replace(header.lane, name=name))
    assert header.name.text().endswith("…")
    assert name in header.name.toolTip()
    lanes.rename("vocals")
    assert header.name.text() == name


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_the_lane_that_keys_act_on_is_seen_at_once(lanes: LaneList, theme: Theme) -> None:
    lanes.set_theme(theme)
    lanes.set_current("drums")
    other, _ = lanes.row("vocals")
    header, _ = lanes.row("drums")
    seen = {widget: widget.grab().toImage().pixelColor(header.width() - 1, 40) for widget in (header, other)}
    lights = [_luminance(seen[widget]) for widget in (header, other)]
    assert (max(lights) + 0.05) / (min(lights) + 0.05) >= 3


def _luminance(colour: QColor) -> float:
    parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.getRgbF()[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_the_ruler_ends_where_the_lanes_do(lanes: LaneList) -> None:
    margins: list[int] = []
    lanes.margin_changed.connect(margins.append)
    _, view = lanes.row("drums")
    assert lanes.ruler.width() == view.width()
    lanes.resize(1000, 200)
    QApplication.processEvents()
    QApplication.processEvents()
    assert margins
    assert margins[-1] > 0
    assert lanes.ruler.width() == view.width()
    lanes.resize(1000, 500)
    QApplication.processEvents()
    QApplication.processEvents()
    assert margins[-1] == 0
    assert lanes.ruler.width() == view.width()


def test_a_click_with_shift_moves_the_nearer_edge_of_the_selection(lanes: LaneList, qtbot: QtBot) -> None:
    _, view = lanes.row("drums")
    frames = lanes.viewport_.window.frames
    selected: list[tuple[int, int]] = []
    cleared: list[bool] = []
    lanes.selection_changed.connect(lambda start, stop, band: selected.append((start, stop)))
    lanes.selection_cleared.connect(lambda: cleared.append(True))
    lanes.set_selection((frames // 4, frames // 2), False)
    qtbot.mouseClick(view, LEFT, Qt.KeyboardModifier.ShiftModifier, QPoint(view.width() * 3 // 4, 20))
    assert selected[-1] == pytest.approx((frames // 4, frames * 3 // 4), abs=frames // 100)
    qtbot.mouseClick(view, LEFT, Qt.KeyboardModifier.ShiftModifier, QPoint(view.width() // 8, 20))
    assert selected[-1] == pytest.approx((frames // 8, frames // 2), abs=frames // 100)
    assert cleared == []


def test_a_right_click_asks_for_the_menu_of_that_lane(lanes: LaneList) -> None:
    asked: list[QPoint] = []
    chosen: list[str] = []
    lanes.menu_requested.connect(asked.append)
    lanes.current_changed.connect(chosen.append)
    for widget in (*lanes.row("drums"), lanes.row("drums")[0].name):
        place = QPoint(10, 10)
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, widget.mapToGlobal(place))
        QApplication.sendEvent(widget, event)
    assert len(asked) == 3
    assert set(chosen) == {"drums"}
