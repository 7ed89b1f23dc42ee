"""What dialogs with buttons and a line of news have in common."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QLabel, QPushButton


class News(QLabel):
    """A line that says how it goes, or in another colour what is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setProperty("role", "small")

    def tell(self, text: str, trouble: bool = False) -> None:
        """Say something."""
        role = "error" if trouble else "small"
        if self.property("role") != role:
            self.setProperty("role", role)
            self.style().polish(self)
        self.setText(text)


def button(text: str, tip: str, verb: Callable[[], object]) -> QPushButton:
    """Return a button that Enter presses only where it has the focus."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setAutoDefault(False)
    made.clicked.connect(lambda: verb())
    return made
