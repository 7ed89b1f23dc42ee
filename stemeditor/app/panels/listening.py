"""The blind listening test: letters instead of names, four scales, the keyboard alone if one likes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from stemeditor import paths
from stemeditor.app.audition import Audition
from stemeditor.app.controller import Controller
from stemeditor.app.panels.passing import Passing
from stemeditor.audio.buffer import Audio
from stemeditor.errors import UserError
from stemeditor.evaluation.listening import ANCHOR, LETTERS, REFERENCE, SCALES, Book, Trial, trials
from stemeditor.jobs.job import Job
from stemeditor.jobs.listening_test import Prepared, PrepareRequest, prepare
from stemeditor.jobs.pool import COMPUTE
from stemeditor.methods import registry

_SHORTEST_S, _LONGEST_S = 4.0, 8.0
_MOST_EXCERPTS = 8
_SEED = 20
_FEWEST = 3
"""Answers below which an interval says nothing."""

_HELP = (
    "Space plays and pauses. Up and down, or A, B, C …, switch what you hear; left and right choose a scale; "
    "1 to 5 rate. Enter goes on when every field is filled."
)


def excerpts(frames: int, rate: int) -> tuple[tuple[int, int], ...]:
    """Cut a stretch into excerpts of 4 to 8 seconds, eight at most; one if it is shorter than 8 seconds."""
    count = int(np.clip(frames / rate // _SHORTEST_S, 1, _MOST_EXCERPTS))
    length = int(min(frames / count, _LONGEST_S * rate))
    starts = [round(index * frames / count) for index in range(count)]
    return tuple((start, min(start + length, frames)) for start in starts)


class ListeningDialog(Passing):
    """One listener after the other judges the same conditions; answers are kept after every trial.

    Parameters
    ----------
    controller
        Whose player is used.
    title
        What is judged; the same title and methods continue the same test.
    sounds
        Method -> the stem it made, all of one length.
    song, true
        The stretch of the song, and its true stem if it is known.
    measured
        Method -> SDR, for the correlation with the answers.
    start
        Frame of the song at which the sounds begin.
    """

    def __init__(
        self,
        controller: Controller,
        title: str,
        sounds: Mapping[str, Audio],
        song: Audio,
        true: Audio | None,
        measured: Mapping[str, float],
        start: int,
        parent: QWidget | None = None,
        folder: Path | None = None,
    ) -> None:
        super().__init__(parent)
        whole = controller.document.base.song
        assert whole is not None, "a test is about a song"
        self._controller, self._measured, self._start = controller, dict(measured), start
        self._audition = Audition(controller, whole)
        judged = dict(sounds)
        if true is not None:
            judged[REFERENCE] = true
        self._excerpts = excerpts(song.frames, song.rate)
        conditions = tuple(sorted((*judged, ANCHOR)))
        self._prepared: Prepared | None = None
        self._wanted = False
        request = PrepareRequest(judged, true if true is not None else song, self._excerpts)
        self._job: Job | None = controller.paint(prepare, request, self._ready, COMPUTE)
        self._plan: tuple[Trial, ...] = ()
        self._trial: Trial | None = None
        self._gains: Mapping[str, float] = {}
        self._ratings: dict[str, dict[str, int]] = {}
        mark = hashlib.sha256(repr((title, conditions, start, song.frames)).encode()).hexdigest()[:8]
        name = re.sub(r"[^\w-]+", "_", title)[:60]
        path = (folder or paths.data_folder() / "listening") / f"{name}-{mark}.json"
        self.setWindowTitle(f"Listening test – {title}")
        # The keys are the dialog's alone while it is open: single letters and digits mean other things in the window.
        self.setModal(True)
        self.fit(760, 560)
        self._pages = QStackedWidget()
        for page in (self._welcome(), self._judging(), self._outcome()):
            self._pages.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 18)
        layout.addWidget(self._pages)
        try:
            self.book = Book.opened(path, title, conditions)
        except UserError as problem:
            self.book = Book(path.with_stem(f"{path.stem}-new"), title, conditions)
            self.trouble.setText(f"{problem.message} A new one is begun.")
        self._show_listeners()

    # Asking

    @property
    def trial(self) -> Trial | None:
        """What is being judged; None before and after."""
        return self._trial

    # Doing

    def begin(self) -> None:
        """Begin with the listener whose name stands there, or go on where they left off."""
        if not self.name.text().strip():
            self.trouble.setText("Write a name first; any will do, so that answers of two people stay apart.")
            self.name.setFocus()
            return
        self._wanted = self._prepared is None
        if self._wanted:
            self.trouble.setText("")
            self.begin_button.setText("Preparing…")
            return
        self._plan = trials(self.book.conditions, len(self._excerpts), self.listener, _SEED)
        self._next()

    def _ready(self, prepared: Prepared) -> None:
        self._job, self._prepared = None, prepared
        self.begin_button.setText("Begin")
        if self._wanted:
            self.begin()

    @property
    def listener(self) -> str:
        """Who judges."""
        return self.name.text().strip()

    def rate(self, value: int) -> None:
        """Give the current field 1 to 5, and go to the next one."""
        if self._trial is None:
            return
        row, column = max(self.grid.currentRow(), 0), max(self.grid.currentColumn(), 0)
        self._ratings.setdefault(self._trial.order[row], {})[SCALES[column].key] = value
        self._show_ratings()
        if column + 1 < len(SCALES):
            self.grid.setCurrentCell(row, column + 1)
        elif row + 1 < len(self._trial.order):
            self.grid.setCurrentCell(row + 1, 0)
        else:
            self.go_on.setFocus()

    def confirm(self) -> None:
        """Keep the answers and go to the next trial, if every field is filled."""
        if self._trial is None:
            return
        try:
            self.book.add(self.listener, self._trial, self._ratings)
        except ValueError:
            self.hint.setText("Every field needs a number from 1 to 5.")
            return
        except UserError as problem:
            self.hint.setText(str(problem))
            return
        self._next()

    def hear(self, row: int) -> None:
        """Hear what stands in a row."""
        if self._trial is None or not 0 <= row < len(self._trial.order):
            return
        condition = self._trial.order[row]
        low, high = self._excerpts[self._trial.excerpt]
        assert self._prepared is not None
        sound = self._prepared.sounds[condition].slice(low, high)
        self._audition.hear(sound, self._gains.get(condition, 1.0), self._start + low, self._start + high)

    # Events

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        page = self._pages.currentIndex()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            (self.begin if page == 0 else self.confirm if page == 1 else self.accept)()
        elif page == 1 and not self._judged_by(event) or page != 1:
            super().keyPressEvent(event)

    def done(self, result: int) -> None:
        """Give the player back; what was answered is kept."""
        if self._job is not None:
            self._controller.cancel_job(self._job.id)
            self._job = None
        self._controller.player.pause()
        self._audition.end()
        super().done(result)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: D102
        self.done(0)
        event.accept()

    def _judged_by(self, event: QKeyEvent) -> bool:
        text, row, column = event.text().upper(), self.grid.currentRow(), self.grid.currentColumn()
        rows = self.grid.rowCount()
        steps = {
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
        }
        if event.key() in steps:
            down, right = steps[Qt.Key(event.key())]
            self.grid.setCurrentCell(
                min(max(row + down, 0), rows - 1), min(max(column + right, 0), self.grid.columnCount() - 1)
            )
        elif event.key() == Qt.Key.Key_Space:
            self._controller.play_pause()
        elif len(text) == 1 and text in LETTERS[:rows]:
            self.grid.setCurrentCell(LETTERS.index(text), column)
        elif text in ("1", "2", "3", "4", "5"):
            self.rate(int(text))
        else:
            return False
        return True

    # Building

    def _welcome(self) -> QWidget:
        self.name = QLineEdit()
        self.name.setPlaceholderText("Name of the listener")
        self.name.setAccessibleName("Name of the listener")
        self.name.setMaximumWidth(320)
        self.trouble = _text("", "error")
        self.known = _text("", "small")
        self.begin_button = _button("Begin", "Begin, or go on where you left off (Enter)", self.begin)
        self.begin_button.setProperty("role", "primary")
        self.results_button = _button("Results", "What has been answered so far", self._show_results)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setSpacing(12)
        layout.addWidget(_text("Blind listening test", "title"))
        layout.addWidget(
            _text(
                "You hear the same stem from several methods, behind letters. Judge each on four scales from 1 to 5. "
                "The order changes from trial to trial; one letter is bad on purpose, and one may be the true stem. "
                "The first trial is for training and does not count. Use headphones if you can."
            )
        )
        layout.addWidget(self.name)
        layout.addWidget(self.known)
        layout.addWidget(self.trouble)
        layout.addStretch(1)
        row = QHBoxLayout()
        row.addWidget(self.results_button)
        row.addStretch(1)
        row.addWidget(self.begin_button)
        layout.addLayout(row)
        return page

    def _judging(self) -> QWidget:
        self.head = _text("", "title")
        self.grid = QTableWidget(0, len(SCALES))
        self.grid.setAccessibleName("Ratings")
        self.grid.setHorizontalHeaderLabels([scale.label for scale in SCALES])
        self.grid.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.grid.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.grid.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.grid.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.grid.horizontalHeader().setHighlightSections(False)
        self.grid.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignCenter)
        self.grid.verticalHeader().setFixedWidth(44)
        self.grid.verticalHeader().setDefaultSectionSize(36)
        self.grid.currentCellChanged.connect(self._moved)
        self.meaning = _text("")
        self.hint = _text(_HELP, "small")
        numbers = QHBoxLayout()
        self.numbers = []
        for value in range(1, 6):
            button = _button(str(value), f"Rate {value} ({value})", self._number)
            button.setFixedSize(44, 36)
            self.numbers.append(button)
            numbers.addWidget(button)
        numbers.addSpacing(12)
        numbers.addWidget(self.meaning, 1)
        self.play_button = _button("Play or pause", "Hear it over and over (Space)", self._controller.play_pause)
        self.go_on = _button("Next", "Keep these answers and go on (Enter)", self.confirm)
        self.go_on.setProperty("role", "primary")
        row = QHBoxLayout()
        row.addWidget(self.play_button)
        row.addStretch(1)
        row.addWidget(self.go_on)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setSpacing(12)
        layout.addWidget(self.head)
        layout.addWidget(self.grid, 1)
        layout.addLayout(numbers)
        layout.addWidget(self.hint)
        layout.addLayout(row)
        return page

    def _outcome(self) -> QWidget:
        self.table = QTableWidget(0, len(SCALES))
        self.table.setAccessibleName("Results")
        self.table.setHorizontalHeaderLabels([scale.label for scale in SCALES])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.remarks = _text("", "small")
        save = _button("Save as CSV…", "All answers, means, intervals and tests", self._ask_save)
        again = _button("Next listener", "Begin with another name", self._again)
        close = _button("Close", "Close (Enter)", self.accept)
        close.setProperty("role", "primary")
        row = QHBoxLayout()
        row.addWidget(save)
        row.addWidget(again)
        row.addStretch(1)
        row.addWidget(close)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setSpacing(12)
        layout.addWidget(_text("Results", "title"))
        layout.addWidget(_text("Mean and 95 % interval. Artifacts: low is good.", "small"))
        layout.addWidget(self.table, 1)
        layout.addWidget(self.remarks)
        layout.addLayout(row)
        return page

    # Showing

    def _next(self) -> None:
        self._trial = self.book.next_trial(self._plan, self.listener)
        if self._trial is None:
            self._show_results()
            return
        self._ratings = {}
        assert self._prepared is not None
        self._gains = self._prepared.gains[self._trial.excerpt]
        count = sum(trial.number >= 0 for trial in self._plan)
        number = self._trial.number
        self.head.setText("Training: try the keys" if number < 0 else f"Trial {number + 1} of {count}")
        self.hint.setText(_HELP)
        self.grid.blockSignals(True)
        self.grid.setRowCount(len(self._trial.order))
        self.grid.setVerticalHeaderLabels(list(LETTERS[: len(self._trial.order)]))
        self.grid.blockSignals(False)
        self._show_ratings()
        self.grid.setCurrentCell(0, 0)
        self._moved(0, 0, -1, -1)
        self._pages.setCurrentIndex(1)
        self.setFocus()

    def _show_ratings(self) -> None:
        assert self._trial is not None
        for row, condition in enumerate(self._trial.order):
            for column, scale in enumerate(SCALES):
                value = self._ratings.get(condition, {}).get(scale.key)
                item = QTableWidgetItem("–" if value is None else str(value))
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                self.grid.setItem(row, column, item)

    def _moved(self, row: int, column: int, old_row: int, old_column: int) -> None:
        scale = SCALES[max(column, 0)]
        self.meaning.setText(f"<b>{scale.label}</b>: 1 is {scale.low}, 5 is {scale.high}")
        if row != old_row:
            self.hear(row)

    def _number(self) -> None:
        button = self.sender()
        assert isinstance(button, QPushButton)
        self.rate(int(button.text()))

    def _show_listeners(self) -> None:
        names = self.book.listeners
        self.known.setText(f"Listeners so far: {', '.join(names)}." if names else "")
        self.results_button.setEnabled(bool(names))
        self.name.setFocus()

    def _show_results(self) -> None:
        self._trial = None
        self._controller.player.pause()
        results = {(row.condition, row.scale): row for row in self.book.results()}
        names = [name for name in self.book.conditions if (name, SCALES[0].key) in results]
        names.sort(key=lambda name: -results[name, SCALES[0].key].mean)
        self.table.setRowCount(len(names))
        self.table.setVerticalHeaderLabels([_called(name) for name in names])
        for row, name in enumerate(names):
            for column, scale in enumerate(SCALES):
                found = results[name, scale.key]
                few = found.answers < _FEWEST
                interval = "" if few else f"  ({max(found.low, 1.0):.1f} – {min(found.high, 5.0):.1f})"
                item = QTableWidgetItem(f"{found.mean:.1f}{interval}")
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                self.table.setItem(row, column, item)
        self.remarks.setText(self._remarks())
        self._pages.setCurrentIndex(2)

    def _remarks(self) -> str:
        count = len(self.book.listeners)
        words = [f"{count} listener{'s' if count != 1 else ''}."]
        for name in self.book.flagged():
            words.append(f"{name} missed the hidden reference in {100 * self.book.lapses(name):.0f} % of the trials.")
        for scale in SCALES:
            rho = self.book.agreement(self._measured, scale.key)
            if rho is not None:
                words.append(f"{scale.label} and SDR: rank correlation {rho:+.2f}.")
        return " ".join(words)

    def write(self, path: Path) -> None:
        """Write answers and results as CSV."""
        try:
            path.write_text(self.book.to_csv(), "utf-8")
        except OSError as problem:
            self.remarks.setText(f"“{path.name}” cannot be written ({problem.strerror}).")

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the answers", "listening.csv", "CSV (*.csv)")
        if path:
            self.write(Path(path))

    def _again(self) -> None:
        self.name.clear()
        self._show_listeners()
        self._pages.setCurrentIndex(0)


def _called(condition: str) -> str:
    """Return the name of a condition for people."""
    known = {REFERENCE: "True stem", ANCHOR: "Bad on purpose"}
    return known[condition] if condition in known else registry.info(condition).name


def _text(words: str, role: str = "") -> QLabel:
    label = QLabel(words)
    label.setWordWrap(True)
    if role:
        label.setProperty("role", role)
    return label


def _button(text: str, tip: str, verb: object) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.clicked.connect(verb)
    return button
