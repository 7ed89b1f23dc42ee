"""Dialogs that leave nothing behind."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog


class Passing(QDialog):
    """A dialog that is deleted when it was executed: its window would keep it, and what it listens to would call it.

    Whoever asked may still read it until control is back in the event loop.
    """

    def exec(self) -> int:  # noqa: D102
        try:
            return super().exec()
        finally:
            self.deleteLater()
