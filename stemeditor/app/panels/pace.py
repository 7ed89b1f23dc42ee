"""How fast, and how high, it is played: a small panel below its button."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QPushButton, QWidget

from stemeditor.app.actions import Actions
from stemeditor.app.lanes.controls import STEPS, ValueSlider
from stemeditor.app.theme import font
from stemeditor.audio.stretch import FASTEST, HIGHEST, LOWEST, SLOWEST, Pace

_MIDDLE = STEPS // 2
_FINE_SPEED, _FINE_PITCH = 0.01, 0.1

_KEYS = ("pace", "slower", "faster", "lower", "higher", "own_pace", "play", "stop", "loop", "mute", "solo")
"""What keys do while the panel is open."""


def speed_text(speed: float) -> str:
    """Return a speed as people write it."""
    return f"{speed * 100:.0f} %"


def pitch_text(semitones: float) -> str:
    """Return a transposition as people write it."""
    if semitones == 0.0:
        return "±0"
    return f"{semitones:+.0f}" if semitones == round(semitones) else f"{semitones:+.1f}"


def pace_text(pace: Pace) -> str:
    """Return what is another than the song's own, as short as it can be said; "" if nothing is."""
    speed = speed_text(pace.speed) if pace.speed != 1.0 else ""
    pitch = pitch_text(pace.semitones) if pace.semitones != 0.0 else ""
    return "  ".join(filter(None, (speed, pitch)))


def pace_words(pace: Pace) -> str:
    """Return what is another than the song's own, in a sentence that begins with "played"."""
    speed = f"at {speed_text(pace.speed)} of its speed" if pace.speed != 1.0 else ""
    steps = pitch_text(abs(pace.semitones)).lstrip("+")
    way = "higher" if pace.semitones > 0 else "lower"
    pitch = f"{steps} semitone{'' if steps == '1' else 's'} {way}" if pace.semitones != 0.0 else ""
    return ", ".join(filter(None, (speed, pitch)))


class PacePanel(QFrame):
    """Speed and pitch; goes when something else is clicked."""

    edited = Signal(object, object)
    """(speed, semitones): what was moved, None for the other."""

    def __init__(self, actions: Actions, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._actions = actions
        self.setProperty("role", "card")
        self.speed = ValueSlider(_speed_position, _speed_at, _fine(_FINE_SPEED, 2), 1.0, speed_text)
        self.speed.describe("Speed")
        self.pitch = ValueSlider(_pitch_position, _pitch_at, _fine(_FINE_PITCH, 1), 0.0, _pitch_words)
        self.pitch.describe("Pitch")
        self.speed_label, self.pitch_label = QLabel(), QLabel()
        self.reset = QPushButton("Original")
        self.reset.setToolTip(actions.tip("own_pace"))
        self.reset.clicked.connect(actions["own_pace"].trigger)
        hint = QLabel("Double-click a slider for the original.")
        hint.setProperty("role", "small")
        grid = QGridLayout(self)
        grid.setContentsMargins(16, 14, 16, 14)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(10)
        for row, (name, slider, label) in enumerate(
            (("Speed", self.speed, self.speed_label), ("Pitch", self.pitch, self.pitch_label))
        ):
            slider.setFixedWidth(230)
            label.setFont(font(13, figures=True))
            label.setFixedWidth(104)
            grid.addWidget(QLabel(name), row, 0)
            grid.addWidget(slider, row, 1)
            grid.addWidget(label, row, 2)
        grid.addWidget(hint, 2, 0, 1, 2)
        grid.addWidget(self.reset, 2, 2, Qt.AlignmentFlag.AlignRight)
        self.speed.edited.connect(self._speed_moved)
        self.pitch.edited.connect(self._pitch_moved)
        self.show_pace(Pace())

    def show_pace(self, pace: Pace) -> None:
        """Show how it is played."""
        self.speed.show_amount(pace.speed)
        self.pitch.show_amount(pace.semitones)
        self.speed_label.setText(speed_text(pace.speed))
        self.pitch_label.setText(_pitch_words(pace.semitones))
        self.reset.setEnabled(not pace.plain)

    def open_below(self, button: QWidget) -> None:
        """Open under a button, within its window."""
        self.adjustSize()
        window = button.window()
        place = button.mapToGlobal(QPoint(0, button.height() + 6))
        left = window.mapToGlobal(QPoint(8, 0)).x()
        right = window.mapToGlobal(QPoint(window.width() - 8, 0)).x() - self.width()
        self.move(min(max(place.x(), left), max(right, left)), place.y())
        self.show()
        self.speed.setFocus(Qt.FocusReason.PopupFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        # As long as it is open the window's own keys sleep: those that belong here work all the same.
        pressed = QKeySequence(event.keyCombination())
        for action_id in _KEYS:
            action = self._actions[action_id]
            if pressed in action.shortcuts() and action.isEnabled():
                self.hide() if action_id == "pace" else action.trigger()
                return
        super().keyPressEvent(event)

    def _speed_moved(self, speed: float) -> None:
        self.edited.emit(speed, None)

    def _pitch_moved(self, semitones: float) -> None:
        self.edited.emit(None, semitones)


def _pitch_words(semitones: float) -> str:
    return f"{pitch_text(semitones)} semitone{'' if abs(semitones) == 1.0 else 's'}"


def _fine(by: float, digits: int) -> Callable[[float, int], float]:
    """Return the step of a slider for keys and wheel."""
    return lambda value, way: round(value + way * by, digits)


def _speed_position(speed: float) -> int:
    """Return the place of a speed on its slider: the song's own in the middle, both sides straight."""
    if speed <= 1.0:
        return round(_MIDDLE * (speed - SLOWEST) / (1.0 - SLOWEST))
    return round(_MIDDLE + _MIDDLE * (speed - 1.0) / (FASTEST - 1.0))


def _speed_at(position: int) -> float:
    if position <= _MIDDLE:
        return round(SLOWEST + (1.0 - SLOWEST) * position / _MIDDLE, 2)
    return round(1.0 + (FASTEST - 1.0) * (position - _MIDDLE) / _MIDDLE, 2)


def _pitch_position(semitones: float) -> int:
    return round(STEPS * (semitones - LOWEST) / (HIGHEST - LOWEST))


def _pitch_at(position: int) -> float:
    """Return the pitch at a place of its slider: whole semitones, the rest is for keys."""
    return float(round(LOWEST + (HIGHEST - LOWEST) * position / STEPS))
