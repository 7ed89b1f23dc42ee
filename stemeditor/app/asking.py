"""The short questions of the window."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QStandardPaths
from PySide6.QtWidgets import QAbstractButton, QFileDialog, QInputDialog, QMessageBox, QPushButton, QWidget

from stemeditor import paths
from stemeditor.app.actions import plain
from stemeditor.app.controller import Controller
from stemeditor.app.lanes.ruler import clock, seconds_of
from stemeditor.project.model import Song
from stemeditor.project.storage import ENDING

if TYPE_CHECKING:
    from stemeditor.jobs.rescue import Leftover

CLOSE = "close"
SAVE = "save"
EXPORT = "export"
GO_BACK = "go back"
STAY = "stay"

BRING_BACK = "bring back"
DISCARD = "discard"
LATER = "later"

_NAMED = 3
_LONGEST = 40


def ask_close(controller: Controller, parent: QWidget) -> str:
    """Ask whether the window may close although something is lost.

    Nothing is asked where nothing is lost.

    Returns
    -------
    str
        `CLOSE`, `STAY`, `SAVE` or `EXPORT` (what is open), or `GO_BACK` (to what was closed, and would be lost).
    """
    at_risk = controller.filing.at_risk
    going = [
        told
        for on, *told in (
            (
                controller.separating,
                "The song is still being taken apart.",
                "What is done so far is kept: asked again, the separation goes on where it was.",
            ),
            (
                controller.learning,
                "A network is still being trained.",
                "What it has learned is kept: the training can go on another time.",
            ),
        )
        if on
    ]
    if not going and not at_risk:
        return CLOSE
    here = controller.document.base in at_risk
    names = [f"“{_short(controller.filing.name(project))}”" for project in at_risk]
    path = controller.filing.path
    box = QMessageBox(parent)
    box.setWindowTitle("Close stemeditor")
    box.setIcon(QMessageBox.Icon.Question)
    texts = [kept for _, kept in going]
    answers: dict[QAbstractButton, str] = {}
    save: QPushButton | None = None
    box.setText(" ".join(what for what, _ in going))
    if at_risk:
        text = f"{listed(names)} {'is' if len(names) == 1 else 'are'} not saved."
        if texts:
            texts.append(text)
        else:
            box.setText(text)
        whose = "Its" if len(names) == 1 else "Their"
        changed = here and path is not None and len(names) == 1
        lost = "What you changed since you saved it is" if changed else f"{whose} stems are"
        texts.append(f"{lost} lost when the window closes.")
    if here:
        save = box.addButton("Save" if path else "Save…", QMessageBox.ButtonRole.AcceptRole)
        answers[save] = SAVE
        if path is None:
            answers[box.addButton("Export…", QMessageBox.ButtonRole.ActionRole)] = EXPORT
    elif at_risk:
        answers[box.addButton(plain(f"Go back to {names[0]}"), QMessageBox.ButtonRole.ActionRole)] = GO_BACK
    box.setInformativeText("\n".join(texts))
    word = "Close without saving" if at_risk else "Close"
    answers[box.addButton(word, QMessageBox.ButtonRole.DestructiveRole)] = CLOSE
    stay = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(save or stay)
    box.setEscapeButton(stay)
    box.exec()
    return answers.get(box.clickedButton(), STAY)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def listed(names: list[str]) -> str:
    """Return names as a sentence has them, three at most."""
    if len(names) > _NAMED:
        return f"{', '.join(names[: _NAMED - 1])} and {len(names) - _NAMED + 1} others"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def ask_leftover(leftover: Leftover, parent: QWidget) -> str:
    """Ask what is to become of what was not saved when the program ended: `BRING_BACK`, `DISCARD` or `LATER`."""
    box = QMessageBox(parent)
    box.setWindowTitle("Not saved")
    box.setIcon(QMessageBox.Icon.Question)
    box.setText(f"“{_short(leftover.title)}” was not saved when stemeditor ended.")
    box.setInformativeText("It can be brought back as it was some seconds before.")
    bring_back = box.addButton("Bring it back", QMessageBox.ButtonRole.AcceptRole)
    discard = box.addButton("Discard it", QMessageBox.ButtonRole.DestructiveRole)
    later = box.addButton("Ask me later", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(bring_back)
    box.setEscapeButton(later)
    box.exec()
    answers: dict[QAbstractButton, str] = {bring_back: BRING_BACK, discard: DISCARD}
    return answers.get(box.clickedButton(), LATER)


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
