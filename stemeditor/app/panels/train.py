"""Training a network of one's own: from which songs, for which stems, of which kind; and what has come of it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from stemeditor.app.controller import Controller
from stemeditor.app.forms import inset
from stemeditor.app.panels.curves import Curves
from stemeditor.app.panels.passing import Passing
from stemeditor.app.panels.teaching import teaching_of
from stemeditor.app.panels.telling import News, button
from stemeditor.app.theme import Theme, scaled
from stemeditor.errors import UserError
from stemeditor.jobs import training
from stemeditor.jobs.job import Job
from stemeditor.jobs.pool import DISK, NET
from stemeditor.jobs.training import Material
from stemeditor.methods import trained
from stemeditor.nets.catalogue import KINDS
from stemeditor.training.plan import Plan

_STEPS, _FEWEST, _MOST, _BY = 10000, 100, 1_000_000, 1000
_FORM_WIDTH = 360
_USUAL = "my network"
_ASK = "Add the folders of songs whose stems you have: a folder a song, with files such as vocals.wav in it."
_LONG = "Hours on a graphics card, days on a processor. It can be stopped, and goes on another time."


class TrainDialog(Passing):
    """What is learned from what, on the left; how well it goes, on the right. It goes on when this is closed."""

    def __init__(self, controller: Controller, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._teaching = teaching_of(controller)
        self._material = Material(0, {})
        self._looking: Job | None = None
        self._plan: Plan | None = None
        self.setWindowTitle("Train a network")
        self.fit(940, 640)
        self.name = QComboBox()
        self.name.setEditable(True)
        self.name.setAccessibleName("Name")
        self.name.setToolTip(
            "What it will be called among the methods; choose one that you have begun to go on with it"
        )
        # A new name that begins like an old one stays a new name.
        self.name.setCompleter(None)  # type: ignore[arg-type]
        self.name.addItems(training.trainings())
        self.folders = QListWidget()
        self.folders.setAccessibleName("Folders of songs with true stems")
        self.folders.setToolTip("Where songs are whose stems are known")
        self.folders.setFixedHeight(scaled(76))
        self.folders.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.folders.itemSelectionChanged.connect(self._show)
        self.add = button("Add folder…", "Songs with true stems, MUSDB18-HQ, MoisesDB, stem files", self._ask)
        self.remove = button("Remove", "Learn nothing from the chosen folder", self._remove)
        self.told = QLabel()
        self.stems = QListWidget()
        self.stems.setAccessibleName("Stems it learns to take out")
        self.stems.setToolTip("Ticked stems become lanes; what they leave of the songs is one lane")
        self.stems.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.stems.setMinimumHeight(scaled(72))
        self.stems.itemChanged.connect(self._show)
        self.net = QComboBox()
        self.net.setAccessibleName("Network")
        for key, kind in KINDS.items():
            self.net.addItem(kind.name, key)
            self.net.setItemData(self.net.count() - 1, f"{kind.sentence}\n{kind.source}", Qt.ItemDataRole.ToolTipRole)
        self.net.currentIndexChanged.connect(self._show)
        self.sentence = QLabel()
        self.steps = QSpinBox()
        self.steps.setAccessibleName("Steps")
        self.steps.setToolTip(_LONG)
        self.steps.setRange(_FEWEST, _MOST)
        self.steps.setSingleStep(_BY)
        self.steps.setGroupSeparatorShown(True)
        self.steps.setValue(_STEPS)
        inset(self.steps)
        self.curves = Curves(theme)
        self.state = News()
        for label in (self.told, self.sentence):
            label.setProperty("role", "small")
            label.setWordWrap(True)
        self.go = button("Train", "", self._go)
        self.go.setProperty("role", "primary")
        self.use = button("Use it now", "Put what it has learned so far among the methods", self._use)
        self.forget = button("Delete", "Forget this training; a network that came of it stays", self._ask_forget)
        self.shut = button("Close", "What is being learned goes on", self.reject)
        self._lay()
        self.name.currentTextChanged.connect(self._named)
        self._teaching.changed.connect(self._show)
        self._teaching.ended.connect(self._ended)
        if self._teaching.running:
            self.name.setCurrentText(self._teaching.name)
        elif not self.name.count():
            self.name.setCurrentText(_USUAL)
        self._named()
        # What can be done first has the keys.
        QTimer.singleShot(0, (self.add if self._plan is None else self.go).setFocus)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the ticked stems."""
        items = (self.stems.item(row) for row in range(self.stems.count()))
        return tuple(item.text() for item in items if item.checkState() == Qt.CheckState.Checked)

    @property
    def named(self) -> str:
        """The name that is shown."""
        return self.name.currentText().strip()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Folders that it learns from."""
        return tuple(Path(self.folders.item(row).text()) for row in range(self.folders.count()))

    def add_folder(self, folder: Path) -> None:
        """Learn from a folder, too."""
        if folder not in self.paths:
            self.folders.addItem(str(folder))
            self._look()

    def done(self, result: int) -> None:
        """Follow nothing any more."""
        self._teaching.changed.disconnect(self._show)
        self._teaching.ended.disconnect(self._ended)
        self._stop_looking()
        super().done(result)

    # Building

    def _lay(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(8)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapAllRows)
        around = QHBoxLayout()
        around.addWidget(self.add)
        around.addWidget(self.remove)
        around.addStretch(1)
        form.addRow("Name", self.name)
        form.addRow("Songs with true stems", self.folders)
        form.addRow(around)
        form.addRow(self.told)
        form.addRow("It learns to take out", self.stems)
        form.addRow("Network", self.net)
        form.addRow(self.sentence)
        form.addRow("Steps", self.steps)
        left = QWidget()
        left.setLayout(form)
        left.setFixedWidth(scaled(_FORM_WIDTH))
        right = QVBoxLayout()
        right.setSpacing(8)
        right.addWidget(self.curves, 1)
        right.addWidget(self.state)
        both = QHBoxLayout()
        both.setSpacing(18)
        both.addWidget(left)
        both.addLayout(right, 1)
        below = QHBoxLayout()
        below.addWidget(self.go)
        below.addWidget(self.use)
        below.addWidget(self.forget)
        below.addStretch(1)
        below.addWidget(self.shut)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 16)
        layout.setSpacing(14)
        layout.addLayout(both, 1)
        layout.addLayout(below)

    # Showing

    def _named(self) -> None:
        """Show the training of that name if it was begun, else what can be chosen."""
        found = training.begun(self.named)
        before, self._plan = self._plan, found[0] if found is not None else None
        self.curves.show_looks(found[1] if found is not None else ())
        if self._plan is not None:
            self._stop_looking()
            self._fill(self._plan)
        elif before is not None:
            # What another one learned from may be of use to this one, and its stems.
            self._look()
        self.tell("")
        self._show()

    def _fill(self, plan: Plan) -> None:
        self.folders.clear()
        self.folders.addItems(plan.songs.data_sets)
        self.told.setText("")
        self._list_stems({name: 0 for name in plan.stems if name not in training.RESTS}, plan.stems)
        self.net.setCurrentIndex(self.net.findData(plan.net.type))
        self.steps.setValue(plan.training.steps)

    def _list_stems(self, counts: dict[str, int], ticked: tuple[str, ...]) -> None:
        self.stems.blockSignals(True)
        self.stems.clear()
        for name, count in counts.items():
            item = QListWidgetItem(name)
            item.setCheckState(Qt.CheckState.Checked if name in ticked else Qt.CheckState.Unchecked)
            if count:
                item.setToolTip(f"In {count} of {self._material.songs} songs")
            self.stems.addItem(item)
        if counts:
            rest = QListWidgetItem("all else together")
            rest.setFlags(Qt.ItemFlag.NoItemFlags)
            self.stems.addItem(rest)
        self.stems.blockSignals(False)

    def _show(self) -> None:
        running, begun = self._teaching.running, self._plan is not None
        here = running and self._teaching.name == self.named
        if here:
            self.curves.show_looks(self._teaching.looks)
            self.tell(self._teaching.text)
        # What was begun goes on as it began, if longer.
        for widget in (self.folders, self.add, self.stems, self.net):
            widget.setEnabled(not begun)
        self.remove.setEnabled(not begun and self.folders.currentRow() >= 0)
        self.steps.setEnabled(not here)
        self.name.setEnabled(not here)
        self.sentence.setText(KINDS[self.net.currentData()].sentence)
        self.go.setText("Stop" if here else "Go on" if begun else "Train")
        able = begun or (bool(self.chosen) and self._material.songs > 0)
        self.go.setEnabled(here or (able and not running))
        other = f"“{self._teaching.name}” is being trained" if running else _LONG
        self.go.setToolTip("Keep what it has learned, and end for now" if here else other)
        self.use.setEnabled(begun and training.learned(self.named))
        self.forget.setEnabled(begun and not here)
        if not begun and not self.folders.count():
            self.told.setText(_ASK)
        self.told.setVisible(bool(self.told.text()))
        if self.stems.count():
            given = self._plan.stems if self._plan is not None else training.stems_of(self.chosen, self._material)
            self.stems.item(self.stems.count() - 1).setHidden(given[-1] not in training.RESTS)

    def tell(self, text: str, trouble: bool = False) -> None:
        """Say something below the graphs."""
        self.state.tell(text, trouble)

    # Doing

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Songs with true stems")
        if folder:
            self.add_folder(Path(folder))

    def _remove(self) -> None:
        self.folders.takeItem(self.folders.currentRow())
        self._look()

    def _look(self) -> None:
        """See what can be learned from the folders."""
        self._stop_looking()
        self._material = Material(0, {})
        self.stems.clear()
        if self.folders.count():
            self.told.setText("Looking…")
            self._looking = self._controller.paint(training.look, self.paths, self._looked, DISK, self._unlooked)
        self._show()

    def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def _looked(self, found: Material) -> None:
        self._looking = None
        self._material = found
        few = "" if found.songs > 1 else " None is kept back to see how well it goes."
        self.told.setText(f"{found.songs} {'song' if found.songs == 1 else 'songs'} with true stems.{few}")
        named = {name: count for name, count in found.stems.items() if name not in training.RESTS}
        self._list_stems(named, tuple(named))
        self._show()

    def _unlooked(self, problem: UserError) -> bool:
        self._looking = None
        self.told.setText(problem.message)
        self._show()
        return True

    def _go(self) -> None:
        if self._teaching.running:
            self._teaching.stop()
            self._named()
            self.tell("Stopped; what it has learned is kept.")
            return
        try:
            if self._plan is not None:
                plan = training.longer(self._plan, self.steps.value())
            else:
                stems = training.stems_of(self.chosen, self._material)
                plan = training.plan_of(
                    self.named, self.paths, self._material.songs, stems, self.net.currentData(), self.steps.value()
                )
        except UserError as problem:
            self.tell(str(problem), True)
            return
        self._plan = plan
        self._teaching.start(plan)

    def _ended(self, name: str, trouble: str) -> None:
        if name == self.named:
            self._named()
        self.tell(trouble or f"{name} is among the methods now.", bool(trouble))

    def _use(self) -> None:
        name = self.named

        def done(key: str) -> None:
            self.tell(f"{key.removeprefix(trained.OWN)} is among the methods now, as it is.")

        def failed(problem: UserError) -> bool:
            self.tell(str(problem), True)
            return True

        self._controller.compute(f"Use {name}", training.use_training, name, lambda piece: None, done, failed, NET)

    def _ask_forget(self) -> None:
        name = self.named
        box = QMessageBox(QMessageBox.Icon.Question, "Delete a training", f"Delete the training “{name}”?", parent=self)
        box.setInformativeText("It cannot go on then. A network that came of it stays among the methods.")
        delete = box.addButton("Delete", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        if box.clickedButton() is delete:
            self.forget_training()

    def forget_training(self) -> None:
        """Delete the training whose name is shown."""
        name = self.named
        training.forget(name)
        self._plan = None
        self.name.removeItem(self.name.findText(name))
        self._named()
