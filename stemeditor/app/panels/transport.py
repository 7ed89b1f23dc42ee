"""Play, stop, loop, time; and the master at the right."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFont, QMouseEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from stemeditor.app.actions import Actions
from stemeditor.app.lanes.controls import Meter, gain_slider, gain_text
from stemeditor.app.lanes.ruler import clock
from stemeditor.app.panels.pace import pace_text
from stemeditor.app.theme import Theme, font, icon
from stemeditor.audio.stretch import Pace


class Transport(QWidget):
    """The buttons of the transport, and the clock."""

    def __init__(self, theme: Theme, actions: Actions) -> None:
        super().__init__()
        self._theme = theme
        self._playing = False
        self.to_start = self._button(actions, "start", "Go to the start")
        self.play = self._button(actions, "play", "Play or pause")
        self.stop = self._button(actions, "stop", "Stop")
        self.loop = self._button(actions, "loop", "Loop the selection, or the whole song")
        self.loop.setCheckable(True)
        self.pace = self._button(actions, "pace", "Speed and pitch")
        self.pace.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.pace.setFont(font(12, figures=True))
        self._paced, self._room = "", True
        self.play.setProperty("role", "play")
        self.play.setFixedSize(42, 42)
        self.time = QPushButton(clock(0))
        self.time.setProperty("role", "clock")
        self.time.setFont(font(24, QFont.Weight.Medium, figures=True))
        self.time.setFixedSize(140, 36)
        self.time.setToolTip(actions.tip("go_to", "Go to a time"))
        self.time.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        actions["go_to"].enabledChanged.connect(self.time.setEnabled)
        self._told = ""
        self.length = QLabel(clock(0))
        self.length.setProperty("role", "small")
        self.length.setFont(font(12, figures=True))
        self.length.setAccessibleName("Length of the song")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (self.to_start, self.play, self.stop, self.loop, self.pace):
            layout.addWidget(widget)
        layout.addSpacing(6)
        layout.addWidget(self.time)
        layout.addWidget(self.length)
        self.set_theme(theme)

    def show_state(self, playing: bool, looping: bool) -> None:
        """Show whether it plays and loops."""
        self._playing = playing
        self.play.setIcon(icon("pause" if playing else "play", self._theme.on_accent, 22, self._theme.muted))
        self.play.setAccessibleName("Pause" if playing else "Play")
        self.loop.setChecked(looping)
        self.loop.setIcon(icon("loop", self._theme.accent if looping else self._theme.text, 18, self._theme.muted))

    def show_pace(self, pace: Pace) -> None:
        """Show how fast, and how high, it is played, if it is not the song's own."""
        words = pace_text(pace)
        if words == self._paced:
            return
        self._paced = words
        self.pace.setAccessibleName(f"Speed and pitch {self._paced}".strip())
        self._dress_pace()

    def set_room(self, room: bool) -> None:
        """Say whether there is room for words beside the button of speed and pitch."""
        self._room = room
        self._dress_pace()

    def show_time(self, seconds: float, length_s: float) -> None:
        """Show where it is, and how long the song is."""
        self.time.setText(clock(seconds))
        # Once a second while it plays: whoever listens to the screen is not told sixty times.
        told = clock(seconds, 0 if self._playing else 3)
        if told != self._told:
            self._told = told
            self.time.setAccessibleName(f"Time {told}")
        self.length.setText(f"/ {clock(length_s, 1)}")

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = theme
        self.to_start.setIcon(icon("start", theme.text, 18, theme.muted))
        self.stop.setIcon(icon("stop", theme.text, 18, theme.muted))
        self.show_state(self._playing, self.loop.isChecked())
        self._dress_pace()

    def _dress_pace(self) -> None:
        theme, words = self._theme, self._paced if self._room else ""
        self.pace.setText(words)
        self.pace.setFixedWidth(self.pace.sizeHint().width() + 8 if words else 34)
        self.pace.setIcon(icon("pace", theme.accent if self._paced else theme.text, 18, theme.muted))

    def _button(self, actions: Actions, action_id: str, text: str) -> QToolButton:
        button = QToolButton()
        button.setProperty("role", "flat")
        button.setFixedSize(34, 34)
        button.setIconSize(QSize(18, 18))
        button.setToolTip(actions.tip(action_id, text))
        button.setAccessibleName(text)
        action = actions[action_id]
        button.clicked.connect(action.trigger)
        action.enabledChanged.connect(button.setEnabled)
        button.setEnabled(action.isEnabled())
        return button


class ClipLight(QLabel):
    """Lights up when the sum went over full scale, until it is clicked."""

    reset = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__("CLIP")
        self._theme = theme
        self._lit: bool | None = None
        self.setFont(font(10, QFont.Weight.DemiBold))
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setFixedSize(36, 18)
        self.setAccessibleName("Clip light")
        self.show_clip(False)

    def show_clip(self, lit: bool) -> None:
        """Show whether it clipped."""
        if lit == self._lit:
            return
        self._lit = lit
        theme = self._theme
        ground, ink = (theme.mute, theme.on_mute) if lit else (theme.raised, theme.muted)
        self.setStyleSheet(f"background: {ground}; color: {ink}; border-radius: 4px;")
        tip = "The mix went over full scale. Click to put the light out (C)" if lit else "Lights up when the mix clips"
        self.setToolTip(tip)

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme, lit, self._lit = theme, bool(self._lit), None
        self.show_clip(lit)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        self.reset.emit()


class Master(QWidget):
    """Gain and level of the sum."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.gain = gain_slider()
        self.gain.describe("Master gain")
        self.gain.setFixedWidth(112)
        self.label = QLabel(gain_text(1.0))
        self.label.setProperty("role", "small")
        self.label.setFont(font(12, figures=True))
        self.label.setFixedWidth(58)
        self.label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.meter = Meter(theme, upright=False)
        self.meter.setAccessibleName("Master level")
        self.meter.setFixedWidth(112)
        self.clip = ClipLight(theme)
        column = QVBoxLayout()
        column.setSpacing(3)
        column.addStretch()
        column.addWidget(self.gain)
        column.addWidget(self.meter)
        column.addStretch()
        right = QVBoxLayout()
        right.setSpacing(1)
        right.addStretch()
        right.addWidget(self.label, alignment=Qt.AlignmentFlag.AlignRight)
        right.addWidget(self.clip, alignment=Qt.AlignmentFlag.AlignRight)
        right.addStretch()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(column)
        layout.addLayout(right)

    def show_gain(self, value: float) -> None:
        """Show the gain."""
        self.gain.show_amount(value)
        self.label.setText(gain_text(value))

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self.meter.set_theme(theme)
        self.clip.set_theme(theme)
