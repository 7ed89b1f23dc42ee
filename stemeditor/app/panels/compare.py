"""Methods side by side: choose them and a stretch, hear them at equal loudness, see where they differ, read scores."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from stemeditor.app.audition import SONG, TRUE, audition_of, scores_of
from stemeditor.app.controller import Controller
from stemeditor.app.messages import INFO, Notice
from stemeditor.app.panels.passing import Passing
from stemeditor.app.panels.picture import Picture
from stemeditor.app.panels.ranking import LETTERS, Ranking, RankingRow
from stemeditor.app.panels.stretch import Stretch
from stemeditor.app.panels.ticks import Ticks
from stemeditor.app.panels.truth import TrueStems
from stemeditor.app.theme import Theme, scaled, stem_colour
from stemeditor.errors import UserError
from stemeditor.evaluation.datasets import TrueSong
from stemeditor.evaluation.protocol import Protocol
from stemeditor.jobs.compare import Compared, CompareRequest, Contender
from stemeditor.jobs.job import Job
from stemeditor.methods import registry

_DEFAULT_S = 10.0
_POLL_MS = 30
_WINDOW_S = 1.0
_PLAIN = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.KeypadModifier,
)


class CompareDialog(Passing):
    """Runs methods on a stretch of the open song, and lets them be heard in its place while the dialog is open."""

    def __init__(self, controller: Controller, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        song = controller.document.base.song
        assert song is not None, "there is nothing to compare without a song"
        self._controller, self._theme = controller, theme
        self._song = song
        self._rate = song.sound.audio.rate
        self._job: Job | None = None
        self._wanted = False
        self._audition = audition_of(controller, song)
        self._heard = SONG
        self.setWindowTitle("Compare methods")
        # The keys are the dialog's alone while it is open: single letters and digits mean other things in the window.
        self.setModal(True)
        self.fit(1080, 700)
        self._build()
        self._choose_stretch()
        if self._audition.true is not None:
            self.true.show_stems(self._audition.true)
        else:
            self.true.look_beside()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._poll)
        self._timer.start(_POLL_MS)

    # Asking

    @property
    def chosen(self) -> tuple[str, ...]:
        """Keys of the methods that are ticked."""
        return self.methods.ticked

    @property
    def heard(self) -> str:
        """Who is heard: a method's key, "song", or "true"."""
        return self._heard

    @property
    def running(self) -> bool:
        """Whether methods are being run, or will be once the true stems are there."""
        return self._job is not None or self._wanted

    # Doing

    def run(self) -> None:
        """Run the ticked methods on the stretch; what runs already is stopped."""
        self.cancel()
        from stemeditor.jobs.compare import compare

        start, stop = self.stretch.frames
        if stop - start < self._rate // 10 or not self.chosen:
            self.state.setText("Tick a method, and choose a stretch of a tenth of a second or more.")
            return
        if self.true.reading:
            # Without them there would be no scores.
            self._wanted = True
            self._show_all()
            return
        self._audition.begin(start, stop)
        self._audition.measure(self._show_all)
        true = self._audition.true.stems if self._audition.true is not None else {}
        request = CompareRequest(
            self._song.title,
            self._song.sound.audio,
            self.chosen,
            self._controller.cache_folder,
            true,
            start,
            stop,
            {},
            Protocol(_WINDOW_S, _WINDOW_S),
        )
        self._job = self._controller.compute(
            "Compare methods", compare, request, self._posted, self._done, self._failed
        )
        self._heard = SONG
        self.table.setFocus()
        self._show_all()

    def cancel(self) -> None:
        """Stop running methods; what is done stays."""
        if self._wanted:
            self._wanted = False
            self._show_all()
        if self._job is not None:
            job, self._job = self._job, None
            self._controller.cancel_job(job.id)
            self._show_all()

    def _true_ended(self) -> None:
        if self._wanted:
            self._wanted = False
            self.run()

    def hear(self, key: str) -> None:
        """Hear a method, the song or the true stem; the place stays, and there is no gap."""
        if key in (SONG, TRUE) or key in self._audition.contenders:
            self._heard = key
            self._show_all()

    # Events

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        if event.modifiers() in _PLAIN and self._switched(event):
            return
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            # Enter belongs to what has the keyboard: it would be a pity to lose the results by it.
            focused = self.focusWidget()
            if isinstance(focused, QPushButton):
                focused.click()
            elif focused is self.methods and not self.running:
                self.run()
            return
        super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the letters that switch from fields in which they would only search, and Space from numbers."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.modifiers() in _PLAIN:
            letter = len(event.text()) == 1 and event.text().isalpha()
            space = event.key() == Qt.Key.Key_Space and isinstance(watched, QAbstractSpinBox)
            if letter or space:
                self._switched(event)
                return True
        return super().eventFilter(watched, event)

    def _switched(self, event: QKeyEvent) -> bool:
        """Do what a key says of hearing; return whether it says something."""
        key = event.text().upper()
        if event.key() == Qt.Key.Key_Space:
            self._controller.play_pause()
        elif key == "0":
            self.hear(SONG)
        elif key == "T" and self._audition.true is not None:
            self.hear(TRUE)
        elif len(key) == 1 and key in LETTERS[: len(self._audition.contenders)]:
            self.hear(list(self._audition.contenders)[LETTERS.index(key)])
        else:
            return False
        return True

    def done(self, result: int) -> None:
        """Give the player back to the song; called however the dialog ends. Nothing comes to it afterwards."""
        self.cancel()
        self._timer.stop()
        self.true.stop()
        self.picture.stop()
        self._audition.end()
        super().done(result)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: D102
        self.done(0)
        event.accept()

    # Building

    def _build(self) -> None:
        self.methods = Ticks(self._song.sound.audio)
        # The mouse ticks without taking the keyboard from what is heard.
        self.methods.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.stretch = Stretch(self._song.sound.audio)
        self.true = TrueStems(self._controller, self._song)
        self.true.found.connect(self._true_found)
        self.true.ended.connect(self._true_ended)
        self.start_button = self._action("Compare", "Run the ticked methods on the stretch", self._run_or_cancel)
        self.start_button.setProperty("role", "primary")
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        left = QVBoxLayout()
        left.setSpacing(8)
        left.addWidget(_heading("Methods"))
        left.addWidget(self.methods, 1)
        left.addWidget(self.stretch)
        left.addWidget(self.true)
        left.addWidget(self.start_button)
        left.addWidget(self.bar)
        side = QWidget()
        side.setLayout(left)
        side.setFixedWidth(scaled(290))
        left.setContentsMargins(0, 0, 0, 0)
        self.stem = self._combo("Stem to hear")
        self.stem.currentIndexChanged.connect(self._show_all)
        self.equal = QCheckBox("Equal loudness")
        self.equal.setChecked(True)
        self.equal.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.equal.setToolTip("Bring all to the loudness of the quietest: louder always seems better")
        self.equal.toggled.connect(self._show_all)
        self.against = self._combo("Show the difference from")
        self.against.currentIndexChanged.connect(self._show_all)
        self.table = Ranking()
        self.table.chosen.connect(self.hear)
        self.picture = Picture(self._controller, self._theme)
        self.state = self._label("small")
        self.play = self._action(
            "Play or pause", "Hear the stretch, over and over (Space)", self._controller.play_pause
        )
        self.chart = self._action("Chart…", "Draw the scores", self._show_chart)
        self.save = self._action("Save scores…", "Write the scores as CSV or JSON", self._save)
        self.shut = self._action("Close", "Back to the song; results stay until another is opened (Esc)", self.reject)
        self.listen = self._action("Listening test…", "Let people judge without knowing what they hear", self._listen)
        self.use = self._action("Use for the song", "Take the whole song apart with what is heard now", self._use)
        top = QHBoxLayout()
        top.addWidget(_label_of("Hear", self.stem))
        top.addWidget(self.stem)
        top.addSpacing(12)
        top.addWidget(self.equal)
        top.addStretch(1)
        top.addWidget(_label_of("Difference from", self.against))
        top.addWidget(self.against)
        bottom = QHBoxLayout()
        for button in (self.play, self.chart, self.save, self.listen):
            bottom.addWidget(button)
        bottom.addStretch(1)
        bottom.addWidget(self.use)
        bottom.addWidget(self.shut)
        right = QVBoxLayout()
        right.setSpacing(10)
        right.addLayout(top)
        right.addWidget(self.table, 3)
        right.addWidget(self.picture, 2)
        right.addWidget(self.state)
        right.addLayout(bottom)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 16)
        layout.setSpacing(18)
        layout.addWidget(side)
        layout.addLayout(right, 1)
        for field in (self.methods, self.stretch.start, self.stretch.stop, self.stem, self.against):
            field.installEventFilter(self)
        self.table.setFocus()

    def _combo(self, name: str) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(name)
        box.setMinimumWidth(150)
        box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return box

    def _label(self, role: str) -> QLabel:
        label = QLabel()
        label.setWordWrap(True)
        label.setProperty("role", role)
        return label

    def _action(self, text: str, tip: str, verb: object) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setAutoDefault(False)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(verb)
        return button

    def _choose_stretch(self) -> None:
        if self._controller.selection is not None:
            first, last = self._controller.selection
        else:
            frames, length = self._song.sound.audio.frames, round(_DEFAULT_S * self._rate)
            first = min(self._controller.player.position, max(frames - length, 0))
            last = min(first + length, frames)
        kept = bool(self._audition.contenders)
        if kept and self._controller.selection is None:
            first, last = self._audition.stretch
        self.stretch.choose(first, last)
        if not kept:
            self._audition.begin(*self.stretch.frames)
        elif not self._audition.measured:
            self._audition.measure(self._show_all)
        self._show_all()

    # Answers

    def _true_found(self, true: TrueSong) -> None:
        self._audition.true = true
        self._audition.measure(self._show_all)
        self._show_all()

    def _posted(self, piece: object) -> None:
        if isinstance(piece, Contender) and self._job is not None:
            self._audition.add(piece)
            if piece.stems and self._heard == SONG:
                self._heard = piece.method
            self._show_all()

    def _done(self, result: Compared) -> None:
        self._job = None
        self._audition.table = result.table
        self._show_all()

    def _failed(self, problem: UserError) -> bool:
        self._job = None
        self._show_all()
        self.state.setText(str(problem))
        return True

    # Showing

    def _show_all(self) -> None:
        """Bring everything to the state that there is."""
        self._fill_stems()
        self.stem.setEnabled(self.stem.count() > 0)
        stem = self.stem.currentData() or ""
        rows = [RankingRow(SONG, "0", "The song")]
        if self._audition.sound(TRUE, stem) is not None:
            rows.append(RankingRow(TRUE, "T", f"True {stem}"))
        contenders = self._audition.contenders.items()
        rows += [RankingRow(key, LETTERS[number], row.label, row) for number, (key, row) in enumerate(contenders)]
        if self._heard not in [row.key for row in rows]:
            self._heard = SONG
        self._fill_against(rows)
        self.table.show_rows(rows, stem, self._heard)
        self.start_button.setText("Stop" if self.running else "Compare")
        self.bar.setVisible(self.running)
        self.save.setEnabled(self._audition.table is not None)
        self.chart.setEnabled(self._audition.table is not None and bool(self._audition.table.scores))
        self.listen.setEnabled(
            sum(stem in row.stems for row in self._audition.contenders.values()) >= 1 and not self.running
        )
        self.use.setEnabled(self._heard in self._audition.contenders and self._controller.can_separate)
        self._audition.play(self._heard, stem, self.equal.isChecked())
        self._paint(stem)

    def _fill_stems(self) -> None:
        names = list(self._audition.stems)
        shown = [self.stem.itemData(index) for index in range(self.stem.count())]
        if names != shown:
            current = self.stem.currentData()
            self.stem.blockSignals(True)
            self.stem.clear()
            for name in names:
                self.stem.addItem(name.capitalize(), name)
            self.stem.setCurrentIndex(max(self.stem.findData(current), 0) if names else -1)
            self.stem.blockSignals(False)

    def _fill_against(self, rows: list[RankingRow]) -> None:
        wanted = [("", "Nothing"), *((row.key, f"{row.letter}  {row.label}") for row in rows)]
        shown = [(self.against.itemData(index), self.against.itemText(index)) for index in range(self.against.count())]
        if wanted != shown:
            current = self.against.currentData()
            self.against.blockSignals(True)
            self.against.clear()
            for key, label in wanted:
                self.against.addItem(label, key)
            self.against.setCurrentIndex(max(self.against.findData(current), 0))
            self.against.blockSignals(False)

    def _paint(self, stem: str) -> None:
        sound = self._audition.sound(self._heard, stem)
        other = self.against.currentData()
        against = self._audition.sound(other, stem) if other and other != self._heard else None
        role = "song" if self._heard == SONG else stem
        self.picture.show_sound(sound, stem_colour(role, self._theme).name(), against)
        if against is not None:
            self.state.setText("Red: louder than what it is compared with. Blue: softer.")
        elif not self.running:
            self.state.setText(self._keys_that_work())

    def _keys_that_work(self) -> str:
        if not self._audition.contenders:
            return "Space plays. Tick methods, and press Compare to hear them in the place of the song."
        start, stop = (frame / self._rate for frame in self._audition.stretch)
        return (
            f"{start:.2f} to {stop:.2f} s. Space plays. A, B, C … switch between methods, 0 is the song"
            f"{', T the true stem' if self._audition.true is not None else ''}."
        )

    def _poll(self) -> None:
        start, stop = self._audition.stretch
        position = self._controller.player.position
        playing = self._controller.player.playing
        self.picture.set_playhead((position - start) / (stop - start) if playing and start <= position < stop else None)
        if self._job is not None:
            states = {state.id: state for state in self._controller.jobs}
            state = states.get(self._job.id)
            if state is not None:
                self.bar.setValue(round(1000 * state.fraction))
                self.state.setText(state.text)

    # Buttons

    def _run_or_cancel(self) -> None:
        if self.running:
            self.cancel()
        else:
            self.run()

    def _show_chart(self) -> None:
        from stemeditor.app.panels.chart import ChartDialog

        assert self._audition.table is not None
        ChartDialog(self._audition.table, self._theme, self).exec()

    def _save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the scores", "scores.csv", "CSV (*.csv);;JSON (*.json)")
        if path:
            self.write_scores(Path(path))

    def write_scores(self, path: Path) -> None:
        """Write the scores as JSON if the name says so, else as CSV."""
        assert self._audition.table is not None
        table = self._audition.table
        try:
            path.write_text(table.to_json() if path.suffix.lower() == ".json" else table.to_csv(), "utf-8")
        except OSError as problem:
            self.state.setText(f"“{path.name}” cannot be written ({problem.strerror}).")
            return
        self.state.setText(f"Scores written to {path.name}.")

    def _listen(self) -> None:
        from stemeditor.app.panels.listening import ListeningDialog

        stem = self.stem.currentData()
        sounds = {key: row.stems[stem] for key, row in self._audition.contenders.items() if stem in row.stems}
        scores = scores_of(self._audition.contenders, stem)
        song, true = self._audition.sound(SONG, stem), self._audition.sound(TRUE, stem)
        assert song is not None
        dialog = ListeningDialog(
            self._controller, f"{self._song.title}, {stem}", sounds, song, true, scores, self._audition.stretch[0], self
        )
        dialog.exec()
        self._show_all()

    def _use(self) -> None:
        key = self._heard
        self.accept()
        self._controller.settings.set("method", key)
        self._controller.separate(key)
        self._controller.notice(Notice(INFO, f"The whole song is taken apart with {registry.info(key).name}."))


def _label_of(text: str, field: QWidget) -> QLabel:
    label = QLabel(text)
    label.setBuddy(field)
    return label


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "heading")
    return label
