"""The upper edge of the window: open, separate, export at the left, the transport in the middle, the master right."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QFrame, QHBoxLayout, QPushButton, QToolButton, QWidget

from stemeditor.app.actions import Actions
from stemeditor.app.panels.transport import Master, Transport
from stemeditor.app.theme import Theme, icon

_WIDE = 1046
"""Pixels from which on there is room for the words of all buttons, and for the length of the song."""

_WIDEST = 1140
"""Pixels from which on there is room for speed and pitch besides."""


class Toolbar(QFrame):
    """The buttons of the main job, each with an action of the table behind it."""

    def __init__(self, theme: Theme, actions: Actions) -> None:
        super().__init__()
        self._theme, self._actions = theme, actions
        self._separating = False
        self._worded: list[tuple[QPushButton, str]] = []
        self.transport = Transport(theme, actions)
        self.master = Master(theme)
        self.open = self._button("Open", "open", "Open a song or a project")
        self.separate = self._separate_button()
        self.method = self._tool("method", "Choose a method", "Choose a method and its parameters", 30, 14)
        self.compare = self._tool("compare", "Compare methods", "Compare methods, and test them blind", 34, 18)
        self.export = self._button("Export", "export", "Write stems or the mix to files")
        self.settings = self._tool("settings", "Settings", "Settings", 34, 18, "flat")
        self.setProperty("role", "bar")
        self.setFixedHeight(62)
        row = self._row = QHBoxLayout(self)
        row.setContentsMargins(14, 0, 10, 0)
        for widget in (self.open, self.separate, self.method, self.compare, self.export):
            row.addWidget(widget)
        row.addStretch(1)
        row.addWidget(self.transport)
        row.addStretch(1)
        row.addWidget(self.master)
        row.addSpacing(4)
        row.addWidget(self.settings)
        self.set_theme(theme)

    def stops(self) -> list[QWidget]:
        """Return what Tab goes through, from left to right."""
        left = [self.open, self.separate, self.method, self.compare, self.export]
        transport = self.transport
        middle = [transport.to_start, transport.play, transport.stop, transport.loop, transport.pace, transport.time]
        return [*left, *middle, self.master.gain, self.settings]

    def show_separating(self, on: bool) -> None:
        """Let the main button stop the separation that runs, or begin one; its width stays."""
        if on == self._separating:
            return
        self._separating = on
        self._dress_separate()
        self._enable_separate()

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = theme
        self.transport.set_theme(theme)
        self.master.set_theme(theme)
        self._dress_separate()
        for button, name, size in (
            (self.open, "open", 18),
            (self.method, "down", 14),
            (self.compare, "compare", 18),
            (self.export, "export", 18),
            (self.settings, "settings", 18),
        ):
            button.setIcon(icon(name, theme.text, size, theme.muted))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        wide = self.width() >= _WIDE
        for button, text in self._worded:
            button.setText(text if wide else "")
        self._row.setSpacing(8 if wide else 6)
        self.transport.length.setVisible(wide)
        self.transport.set_room(self.width() >= _WIDEST)

    def _button(self, text: str, action_id: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setFixedHeight(34)
        button.setIconSize(QSize(18, 18))
        self._wire(button, action_id, text, tip)
        self._worded.append((button, text))
        return button

    def _tool(self, action_id: str, name: str, tip: str, width: int, size: int, role: str = "narrow") -> QToolButton:
        button = QToolButton()
        button.setProperty("role", role)
        button.setFixedSize(width, 34)
        button.setIconSize(QSize(size, size))
        self._wire(button, action_id, name, tip)
        return button

    def _wire(self, button: QAbstractButton, action_id: str, name: str, tip: str) -> None:
        # A click leaves the keyboard with the window; Tab gives it to the button.
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setToolTip(self._actions.tip(action_id, tip))
        button.setAccessibleName(name)
        action = self._actions[action_id]
        button.clicked.connect(action.trigger)
        action.enabledChanged.connect(button.setEnabled)
        button.setEnabled(action.isEnabled())

    def _separate_button(self) -> QPushButton:
        button = QPushButton("Separate")
        button.setProperty("role", "primary")
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setFixedHeight(34)
        button.setIconSize(QSize(18, 18))
        button.setIcon(icon("separate", self._theme.on_accent, 18))
        button.ensurePolished()
        button.setFixedWidth(button.sizeHint().width())
        button.clicked.connect(self._separate_clicked)
        for action_id in ("separate", "stop_separation"):
            self._actions[action_id].enabledChanged.connect(self._enable_separate)
        return button

    def _separate_clicked(self) -> None:
        self._actions["stop_separation" if self._separating else "separate"].trigger()

    def _enable_separate(self) -> None:
        self.separate.setEnabled(self._actions["stop_separation" if self._separating else "separate"].isEnabled())

    def _dress_separate(self) -> None:
        on, theme = self._separating, self._theme
        text = "Stop" if on else "Separate"
        self.separate.setText(text)
        self.separate.setAccessibleName(text)
        tip = "Stop taking the song apart" if on else "Take the song apart"
        self.separate.setToolTip(self._actions.tip("escape" if on else "separate", tip))
        ink = theme.text if on else theme.on_accent
        self.separate.setIcon(icon("stop" if on else "separate", ink, 18, theme.muted))
        role = "" if on else "primary"
        if self.separate.property("role") != role:
            self.separate.setProperty("role", role)
            self.separate.style().unpolish(self.separate)
            self.separate.style().polish(self.separate)
