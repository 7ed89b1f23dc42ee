"""The small controls of a lane: sliders with values of their own, and the meter."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QSlider, QWidget

from stemeditor.app.theme import Theme
from stemeditor.audio.levels import db, gain

STEPS = 1000
TOP_DB = 12.0
_RANGE_DB = 72.0
_CURVE = 1.5
_FALL_DB_S = 24.0
_METER_FLOOR_DB = -60.0
_LEVEL = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{0,6})?")
_SLIDER_KEYS = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Delete, Qt.Key.Key_Backspace)


def gain_to_position(level: float) -> int:
    """Return the place (0 to 1000) of a linear gain on a fader: 0 dB at 70 %, finest around it, nothing at 0."""
    level_db = db(level)
    if level_db <= TOP_DB - _RANGE_DB:
        return 0
    return round(STEPS * (1 - ((TOP_DB - min(level_db, TOP_DB)) / _RANGE_DB) ** (1 / _CURVE)))


def position_to_gain(position: int) -> float:
    """Return the linear gain at a place of a fader; exactly 1 at the notch of 0 dB."""
    if position <= 0:
        return 0.0
    if position == gain_to_position(1.0):
        return 1.0
    return gain(TOP_DB - _RANGE_DB * (1 - position / STEPS) ** _CURVE)


def gain_text(level: float) -> str:
    """Return a gain as people write it."""
    return "-∞ dB" if level <= 0.0 or db(level) < TOP_DB - _RANGE_DB else f"{db(level):+.1f} dB"


def gain_of(text: str) -> float | None:
    """Return the linear gain that a written level means ("-3", "+1.5 dB", "-∞"), held to a fader's top.

    None if it means none.
    """
    words = text.strip().lower().removesuffix("db").strip().replace(",", ".").replace("−", "-")
    if words in ("-∞", "-inf"):
        return 0.0
    if not _LEVEL.fullmatch(words):
        return None
    level_db = min(float(words), TOP_DB)
    return gain(level_db) if level_db > TOP_DB - _RANGE_DB else 0.0


def pan_text(pan: float) -> str:
    """Return a pan as people write it."""
    return "Centre" if abs(pan) < 0.005 else f"{abs(pan) * 100:.0f} % {'left' if pan < 0 else 'right'}"


def pan_short(pan: float) -> str:
    """Return a pan as mixers write it: C, L40, R100."""
    return "C" if abs(pan) < 0.005 else f"{'L' if pan < 0 else 'R'}{abs(pan) * 100:.0f}"


class ValueSlider(QSlider):
    """A slider over any values. A double click, or Delete, brings the default back; arrows and wheel go in fine steps.

    It has the keyboard, and the wheel, only once Tab gave them: a lane that is scrolled by keeps its levels.

    Parameters
    ----------
    to_position, from_position
        Value -> 0 to 1000, and back.
    step
        (value, +1 or -1) -> the next value for keys and wheel.
    default
        What a double click brings.
    text
        Value -> words, for the tooltip and screen readers.
    """

    edited = Signal(object)
    """(value): the user moved it."""
    released = Signal()
    """The user let go: the next move is another change."""

    def __init__(
        self,
        to_position: Callable[[float], int],
        from_position: Callable[[int], float],
        step: Callable[[float, int], float],
        default: float,
        text: Callable[[float], str],
    ) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._to_position, self._from_position, self._step = to_position, from_position, step
        self._default, self._text = default, text
        self._value = default
        self._label = ""
        self.setRange(0, STEPS)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setValue(to_position(default))
        self.valueChanged.connect(self._moved)
        self.sliderReleased.connect(self.released)

    @property
    def amount(self) -> float:
        """The value that is shown."""
        return self._value

    def describe(self, label: str) -> None:
        """Give it a name for tooltips and screen readers."""
        self._label = label
        self.setAccessibleName(label)
        self._tell()

    def show_amount(self, value: float) -> None:
        """Show a value without telling anybody."""
        if value == self._value or self.isSliderDown():
            return
        self._value = value
        self.blockSignals(True)
        self.setValue(self._to_position(value))
        self.blockSignals(False)
        self._tell()

    def event(self, event: QEvent) -> bool:  # noqa: D102
        # While the slider has the focus its keys are its own, although the window has shortcuts of the same name.
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
            if plain and event.key() in _SLIDER_KEYS:
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        key = event.key()
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._go(self._step(self._value, 1 if key == Qt.Key.Key_Right else -1))
            self.released.emit()
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self._go(self._default)
            self.released.emit()
        else:
            event.ignore()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: D102
        delta = event.angleDelta().y()
        if not self.hasFocus():
            event.ignore()
            return
        if delta:
            self._go(self._step(self._value, 1 if delta > 0 else -1))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        # A click beside the handle takes it along at once, instead of a page's jump.
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self._follow(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        if self.isSliderDown():
            self._follow(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        if self.isSliderDown():
            self.setSliderDown(False)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        self._go(self._default)
        self.released.emit()

    def _follow(self, event: QMouseEvent) -> None:
        share = (event.position().x() - 6) / max(self.width() - 12, 1)
        position = round(min(max(share, 0.0), 1.0) * STEPS)
        notch = self._to_position(self._default)
        self.setValue(notch if abs(position - notch) <= STEPS // 60 else position)

    def _go(self, value: float) -> None:
        self._value = value
        self.blockSignals(True)
        self.setValue(self._to_position(value))
        self.blockSignals(False)
        self._tell()
        self.edited.emit(value)

    def _moved(self, position: int) -> None:
        self._value = self._from_position(position)
        self._tell()
        self.edited.emit(self._value)

    def _tell(self) -> None:
        words = self._text(self._value)
        self.setToolTip(f"{self._label}: {words}. Double-click to reset")
        self.setAccessibleDescription(words)


def gain_slider() -> ValueSlider:
    """Return a fader: -∞ to +12 dB, half a decibel a step."""

    def step(value: float, direction: int) -> float:
        level_db = max(db(value), TOP_DB - _RANGE_DB) + 0.5 * direction
        return gain(min(round(level_db * 2) / 2, TOP_DB)) if level_db > TOP_DB - _RANGE_DB else 0.0

    return ValueSlider(gain_to_position, position_to_gain, step, 1.0, gain_text)


def pan_slider() -> ValueSlider:
    """Return a balance: -1 to 1, a twentieth a step."""

    def step(value: float, direction: int) -> float:
        return min(max(round(value * 20 + direction) / 20, -1.0), 1.0)

    slider = ValueSlider(
        lambda pan: round((pan + 1) / 2 * STEPS),
        lambda position: 0.0 if position == STEPS // 2 else position / STEPS * 2 - 1,
        step,
        0.0,
        pan_text,
    )
    slider.setProperty("role", "pan")
    return slider


class Meter(QWidget):
    """Peak and RMS of two channels, falling slowly; upright or lying."""

    def __init__(self, theme: Theme, upright: bool = True) -> None:
        super().__init__()
        self._theme, self._upright = theme, upright
        self._peaks = [_METER_FLOOR_DB] * 2
        self._rms = [_METER_FLOOR_DB] * 2
        self._held = [_METER_FLOOR_DB] * 2
        self._held_s = [0.0, 0.0]
        self._now_s = time.monotonic()
        self.setAccessibleName("Level meter")
        if upright:
            self.setFixedWidth(11)
        else:
            self.setFixedHeight(11)

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = theme
        self.update()

    def show_levels(self, levels: tuple[float, float, float, float] | None) -> None:
        """Take (peak left, peak right, RMS left, RMS right), linear; None for silence."""
        now_s = time.monotonic()
        fall_db = (now_s - self._now_s) * _FALL_DB_S
        self._now_s = now_s
        before = (*self._peaks, *self._rms, *self._held)
        for side in range(2):
            peak = db(levels[side]) if levels else _METER_FLOOR_DB
            rms = db(levels[side + 2]) if levels else _METER_FLOOR_DB
            self._peaks[side] = max(peak, self._peaks[side] - fall_db, _METER_FLOOR_DB)
            self._rms[side] = max(rms, self._rms[side] - fall_db, _METER_FLOOR_DB)
            if self._peaks[side] >= self._held[side]:
                self._held[side], self._held_s[side] = self._peaks[side], now_s
            elif now_s - self._held_s[side] > 1.2:
                self._held[side] = max(self._held[side] - fall_db, _METER_FLOOR_DB)
        if before != (*self._peaks, *self._rms, *self._held):
            self.update()

    @property
    def quiet(self) -> bool:
        """Whether it has fallen all the way."""
        return max(*self._peaks, *self._held) <= _METER_FLOOR_DB

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        length = self.height() if self._upright else self.width()
        for side in range(2):
            self._bar(painter, side, 1.0, self._theme.line)
            for value, alpha in ((self._peaks[side], 0.55), (self._rms[side], 1.0)):
                share = self._share(value)
                colour = self._theme.good if value < -6 else self._theme.warning if value < 0 else self._theme.danger
                self._bar(painter, side, share, colour, alpha)
            held = self._share(self._held[side])
            if held > 0:
                self._bar(painter, side, held, self._theme.text, 1.0, from_share=held - 1.5 / max(length, 1))

    @staticmethod
    def _share(level_db: float) -> float:
        return float(min(max((level_db - _METER_FLOOR_DB) / (6 - _METER_FLOOR_DB), 0.0), 1.0) ** 1.3)

    def _bar(
        self, painter: QPainter, side: int, share: float, colour: str, alpha: float = 1.0, from_share: float = 0.0
    ) -> None:
        shade = QColor(colour)
        shade.setAlphaF(alpha)
        length = self.height() if self._upright else self.width()
        low, high = length * max(from_share, 0.0), length * share
        if self._upright:
            painter.fillRect(QRectF(side * 6, length - high, 5, high - low), shade)
        else:
            painter.fillRect(QRectF(low, side * 6, high - low, 5), shade)
