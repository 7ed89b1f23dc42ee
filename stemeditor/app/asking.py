"""The short questions of the window."""

from __future__ import annotations

import os
from pathlib import Path

from PySide6.QtCore import QStandardPaths
from PySide6.QtWidgets import QAbstractButton, QFileDialog, QInputDialog, QMessageBox, QPushButton, QWidget

from stemeditor import paths
from stemeditor.app.controller import Controller
from stemeditor.app.lanes.ruler import clock, seconds_of
from stemeditor.project.model import Song
from stemeditor.project.storage import ENDING

CLOSE = "close"
SAVE = "save"
EXPORT = "export"
STAY = "stay"


def ask_close(controller: Controller, parent: QWidget) -> str:
    """Ask whether the window may close although something is lost; return `CLOSE`, `SAVE`, `EXPORT` or `STAY`.

    Nothing is asked where nothing is lost.
    """
    if not controller.separating and not controller.at_risk:
        return CLOSE
    box = QMessageBox(parent)
    box.setWindowTitle("Close stemeditor")
    box.setIcon(QMessageBox.Icon.Question)
    texts: list[str] = []
    answers: dict[QAbstractButton, str] = {}
    save: QPushButton | None = None
    if controller.separating:
        box.setText("The song is still being taken apart.")
        texts.append("What is done so far is kept: asked again, the separation goes on where it was.")
    path = controller.filing.path
    if controller.at_risk:
        if not texts:
            song = controller.document.base.song
            name = path.stem if path else song.title if song else ""
            box.setText(f"“{name}” is not saved.")
        texts.append("What you changed since you saved it is lost." if path else "Its stems are lost otherwise.")
        save = box.addButton("Save" if path else "Save…", QMessageBox.ButtonRole.AcceptRole)
        answers[save] = SAVE
        if path is None:
            answers[box.addButton("Export…", QMessageBox.ButtonRole.ActionRole)] = EXPORT
    box.setInformativeText("\n".join(texts))
    word = "Close without saving" if controller.at_risk else "Close"
    answers[box.addButton(word, QMessageBox.ButtonRole.DestructiveRole)] = CLOSE
    stay = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(save or stay)
    box.setEscapeButton(stay)
    box.exec()
    return answers.get(box.clickedButton(), STAY)


def ask_save_as(song: Song, path: Path | None, parent: QWidget) -> Path | None:
    """Ask for the file that a project is to be kept in; None if the user would rather not.

    Parameters
    ----------
    song
        Its song.
    path
        The file that it has, if it has one.
    """
    dialog = QFileDialog(parent, "Save the project", "", f"Projects (*{ENDING})")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(ENDING)
    asked = path or _folder_of(song) / f"{song.path.stem or 'Song'}{ENDING}"
    while True:
        dialog.setDirectory(str(asked.parent))
        dialog.selectFile(asked.name)
        if not dialog.exec():
            return None
        asked = Path(dialog.selectedFiles()[0])
        if asked.suffix == ENDING:
            return asked
        # It would take the place of a song, or of something else, and not be found again.
        asked = asked.with_name(f"{asked.name}{ENDING}")


def _folder_of(song: Song) -> Path:
    """Return where a project would be looked for: beside its song, or among the user's documents."""
    folder = song.path.parent
    if folder.is_dir() and os.access(folder, os.W_OK) and folder != paths.resource("demo"):
        return folder
    return Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation))


def ask_time(now_s: float, parent: QWidget) -> float | None:
    """Ask for a time; return it in seconds, or None if the user would rather not or wrote none."""
    text, good = QInputDialog.getText(parent, "Go to", "Time (minutes:seconds, or seconds)", text=clock(now_s))
    return seconds_of(text) if good else None
