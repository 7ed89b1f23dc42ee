"""What can be heard, with its key and its scores: one row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from stemeditor.app.theme import scaled
from stemeditor.jobs.compare import Contender

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_METRICS = ("sdr", "sir", "sar")
_SILENT = "silent"
_SCORES = range(2, 5)
_NAME = 1
"""The column that is wide, and begins at the left."""


@dataclass(frozen=True, slots=True, eq=False)
class RankingRow:
    """One row: who it is, the key that chooses it, its name, and what it made (None for the song and true stems)."""

    key: str
    letter: str
    label: str
    contender: Contender | None = None


class Ranking(QTableWidget):
    """Rows that can be chosen with the mouse and the arrow keys; all other keys are the dialog's."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__(0, 6)
        self.setAccessibleName("What can be heard")
        for column, text in enumerate(("Key", "Method", *(metric.upper() for metric in _METRICS), "Speed")):
            head = QTableWidgetItem(text)
            side = Qt.AlignmentFlag.AlignLeft if column == _NAME else Qt.AlignmentFlag.AlignHCenter
            head.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            self.setHorizontalHeaderItem(column, head)
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        for column in (0, 2, 3, 4, 5):
            self.setColumnWidth(column, scaled(64))
        self.cellClicked.connect(self._clicked)
        self._keys: list[str] = []

    def show_rows(self, rows: Sequence[RankingRow], stem: str, heard: str) -> None:
        """Show rows with the scores of a stem; the one that is heard is marked, those without the stem are dim."""
        self._keys = [row.key for row in rows]
        self.setRowCount(len(rows))
        for number, row in enumerate(rows):
            contender = row.contender
            missing = contender is not None and stem not in contender.stems
            for column, text in enumerate((row.letter, row.label, *_figures(contender, stem))):
                item = QTableWidgetItem(text)
                if column != _NAME:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                if missing and contender is not None:
                    item.setFlags(Qt.ItemFlag.NoItemFlags)
                    item.setToolTip(contender.trouble or f"It makes no {stem}.")
                elif contender is not None and column in _SCORES:
                    item.setToolTip(_reason(contender, stem))
                self.setItem(number, column, item)
            if row.key == heard:
                self.selectRow(number)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()), 0)
        if not step:
            event.ignore()
            return
        row = self.currentRow() + step
        while 0 <= row < len(self._keys):
            item = self.item(row, _NAME)
            if item is not None and item.flags() & Qt.ItemFlag.ItemIsEnabled:
                self.chosen.emit(self._keys[row])
                return
            row += step

    def _clicked(self, row: int, column: int) -> None:
        self.chosen.emit(self._keys[row])


def _figures(contender: Contender | None, stem: str) -> tuple[str, ...]:
    """Return SDR, SIR, SAR and speed as text."""
    if contender is None:
        return "", "", "", ""
    score = next((score for score in contender.scores if score.stem == stem), None)
    values = [score.values.get(metric) if score else None for metric in _METRICS]
    none = _SILENT if score is not None and not score.windows else "–" if contender.scores and contender.stems else ""
    speed = f"{contender.real_time_factor:.0f}×" if contender.real_time_factor >= 10 else ""
    speed = speed or (f"{contender.real_time_factor:.1f}×" if contender.stems else "–")
    return (*(none if value is None else f"{value:.1f}" for value in values), speed)


def _reason(contender: Contender, stem: str) -> str:
    """Return why there is no score, or nothing if there is one."""
    score = next((score for score in contender.scores if score.stem == stem), None)
    if not contender.scores:
        return "Scores need the true stems of the song."
    if score is None:
        return f"There is no true {stem} to score it with."
    return "" if score.windows else f"The true {stem} is silent here: there is nothing to score."
