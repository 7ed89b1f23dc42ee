"""Text that can be changed where it stands."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QLineEdit

_EDGES = 12
"""Pixels beside the text: its frame and padding."""


class InPlaceEdit(QLineEdit):
    """A line of text; a double click edits it, Return keeps what was written, Escape drops it.

    Parameters
    ----------
    how
        What the tooltip says of changing it.
    """

    written = Signal(str)
    """(text): the user wrote something else."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self._shown, self._how = "", how
        self.setProperty("role", "name")
        self.setFrame(False)
        self.setReadOnly(True)
        # It has the keyboard only while it is edited: the window's plain keys rest while a text field has it.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.editingFinished.connect(self._finish)

    def show_text(self, text: str, name: str) -> None:
        """Show a text, unless it is being edited; `name` is for screen readers."""
        self._shown = text
        self.setAccessibleName(name)
        self.setToolTip(f"{text}. {self._how}")
        if self.isReadOnly():
            self._show()

    def begin(self) -> None:
        """Let the user edit."""
        self.setReadOnly(False)
        self.setText(self._shown)
        self.setFocus()
        self.selectAll()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        if self.isReadOnly():
            event.ignore()
        else:
            super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        self.begin()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        if event.key() == Qt.Key.Key_Escape and not self.isReadOnly():
            self._finish(keep=False)
        elif self.isReadOnly():
            event.ignore()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        if self.isReadOnly():
            self._show()

    def _show(self) -> None:
        """Write as much of the text as there is room for."""
        room = self.width() - _EDGES
        self.setText(self.fontMetrics().elidedText(self._shown, Qt.TextElideMode.ElideRight, room))
        self.setCursorPosition(0)

    def _finish(self, keep: bool = True) -> None:
        if self.isReadOnly():
            return
        text = self.text()
        self.setReadOnly(True)
        self.deselect()
        self._show()
        if self.hasFocus():
            self.window().setFocus()
        if keep and text.strip() and text != self._shown:
            self.written.emit(text)
