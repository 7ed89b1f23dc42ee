"""Dialogs that leave nothing behind."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QDialog

from stemeditor.app.theme import scaled

_EDGES = QSize(40, 80)
"""What frames and bars of the system take of the screen."""


class Passing(QDialog):
    """A dialog that is deleted when it was executed: its window would keep it, and what it listens to would call it.

    Whoever asked may still read it until control is back in the event loop.
    """

    def fit(self, width: int, height: int) -> None:
        """Begin with this size, more with larger type, and no more than the screen has."""
        room = self.screen().availableSize() - _EDGES
        self.resize(QSize(scaled(width), scaled(height)).boundedTo(room))

    def exec(self) -> int:  # noqa: D102
        try:
            return super().exec()
        finally:
            self.deleteLater()
