"""The short questions of the window."""

from __future__ import annotations

from PySide6.QtWidgets import QInputDialog, QMessageBox, QWidget

from stemeditor.app.controller import Controller
from stemeditor.app.lanes.ruler import clock, seconds_of

CLOSE = "close"
EXPORT = "export"
STAY = "stay"


def ask_close(controller: Controller, parent: QWidget) -> str:
    """Ask whether the window may close although something is lost; return `CLOSE`, `EXPORT` or `STAY`.

    Nothing is asked where nothing is lost.
    """
    if not controller.separating and not controller.unexported:
        return CLOSE
    box = QMessageBox(parent)
    box.setWindowTitle("Close stemeditor")
    box.setIcon(QMessageBox.Icon.Question)
    answers: dict[object, str] = {}
    if controller.separating:
        box.setText("The song is still being taken apart.")
        box.setInformativeText("What is done so far is kept: asked again, the separation goes on where it was.")
    else:
        box.setText("The stems were not exported.")
        box.setInformativeText("They are lost when the window closes.")
        answers[box.addButton("Export…", QMessageBox.ButtonRole.ActionRole)] = EXPORT
    answers[box.addButton("Close", QMessageBox.ButtonRole.DestructiveRole)] = CLOSE
    stay = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(stay)
    box.exec()
    return answers.get(box.clickedButton(), STAY)


def ask_time(now_s: float, parent: QWidget) -> float | None:
    """Ask for a time; return it in seconds, or None if the user would rather not or wrote none."""
    text, good = QInputDialog.getText(parent, "Go to", "Time (minutes:seconds, or seconds)", text=clock(now_s))
    return seconds_of(text) if good else None
