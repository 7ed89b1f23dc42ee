"""What stands there before a song is open."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from stemeditor.app.theme import Theme, icon
from stemeditor.settings import Settings

_SHOWN = 5


class Welcome(QWidget):
    """A place to drop a song, a button for those who would rather choose, the demo, and what was open lately."""

    open_requested = Signal()
    demo_requested = Signal()
    chosen = Signal(object)
    """(Path)"""

    def __init__(self, theme: Theme, settings: Settings) -> None:
        super().__init__()
        self._theme, self._settings = theme, settings
        self._dropping = False
        self._picture = QLabel()
        self._picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        title = QLabel("Drop a song here")
        title.setProperty("role", "title")
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text = QLabel("It is taken apart into vocals, drums, bass and the rest, on your own machine.")
        text.setProperty("role", "muted")
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        kinds = QLabel("WAV  ·  AIFF  ·  FLAC  ·  OGG  ·  Opus  ·  MP3  ·  M4A  ·  WMA  ·  the sound of videos")
        kinds.setProperty("role", "small")
        kinds.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.open = QPushButton("Open a song…")
        self.open.setProperty("role", "primary")
        self.open.setToolTip("Choose a file (Ctrl+O)")
        self.open.setFixedHeight(38)
        self.open.clicked.connect(self.open_requested)
        self.demo = QPushButton("Try the demo song")
        self.demo.setToolTip("Half a minute of music that comes with the program")
        self.demo.setFixedHeight(38)
        self.demo.clicked.connect(self.demo_requested)
        buttons = QHBoxLayout()
        buttons.setSpacing(10)
        buttons.addStretch(1)
        buttons.addWidget(self.open)
        buttons.addWidget(self.demo)
        buttons.addStretch(1)
        self._heading = QLabel("Lately")
        self._heading.setProperty("role", "small")
        self.recent = QListWidget()
        self.recent.setAccessibleName("Songs that were open lately")
        self.recent.setFixedWidth(420)
        self.recent.itemActivated.connect(self._activated)
        self.recent.itemClicked.connect(self._activated)
        column = QVBoxLayout(self)
        column.addStretch(3)
        for widget in (self._picture, title, text):
            column.addWidget(widget)
        column.addSpacing(18)
        column.addLayout(buttons)
        column.addSpacing(10)
        column.addWidget(kinds)
        column.addSpacing(26)
        column.addWidget(self._heading, alignment=Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self.recent, alignment=Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(4)
        self.refresh()

    def refresh(self) -> None:
        """Show what was open lately."""
        names = self._settings.names("recent_files")[:_SHOWN]
        self.recent.clear()
        for name in names:
            item = QListWidgetItem(Path(name).name)
            item.setToolTip(name)
            item.setData(Qt.ItemDataRole.UserRole, name)
            self.recent.addItem(item)
        self.recent.setFixedHeight(12 + 33 * max(len(names), 1))
        self.recent.setVisible(bool(names))
        self._heading.setVisible(bool(names))

    def set_dropping(self, on: bool) -> None:
        """Show that what is dragged would be taken."""
        self._dropping = on
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = theme
        self._picture.setPixmap(icon("music", theme.accent, 56).pixmap(56, 56))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(QColor(self._theme.accent if self._dropping else self._theme.line), 2, Qt.PenStyle.DashLine)
        painter.setPen(pen)
        if self._dropping:
            ground = QColor(self._theme.accent)
            ground.setAlphaF(0.08)
            painter.setBrush(ground)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(28, 28, -28, -28), 16, 16)

    def _activated(self, item: QListWidgetItem) -> None:
        self.chosen.emit(Path(item.data(Qt.ItemDataRole.UserRole)))
