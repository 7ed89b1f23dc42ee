"""Networks of others: what can be had, what is here, and bringing it here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from stemeditor.app.controller import Controller
from stemeditor.app.panels.fetching import fetching_of
from stemeditor.app.panels.telling import News, button
from stemeditor.errors import UserError
from stemeditor.jobs.job import Job
from stemeditor.jobs.models import (
    ABSENT,
    READY,
    ImportRequest,
    Model,
    Moved,
    MoveRequest,
    VerifyRequest,
    copy_weights,
    delete,
    import_model,
    models,
    remove_model,
    verify_models,
)
from stemeditor.jobs.pool import NET
from stemeditor.weights import store

KINDS = "Weights (*.safetensors *.ckpt *.pth *.pt *.th *.bin *.yaml *.yml *.gz *.tgz *.index);;All files (*)"

_COLUMNS = ("Model", "Size", "State", "Licence")
_LOOKING, _MOVING = "Looking at the files…", "Moving…"
_STATES = {READY: "Ready", ABSENT: "Not downloaded"}


class ModelsDialog(QDialog):
    """A table of models; what the buttons below it do, they do to the chosen one."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._models: tuple[Model, ...] = ()
        self._told: dict[str, str] = {}
        self._working: list[Job] = []
        self.setWindowTitle("Models")
        self.resize(1040, 560)
        self.setMinimumSize(800, 420)
        self.fetching = fetching_of(controller)
        self.fetching.changed.connect(self._show)
        self.fetching.ended.connect(self._ended)
        controller.jobs_changed.connect(self._looked)
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setAccessibleName("Models")
        self.table.setHorizontalHeaderLabels(_COLUMNS)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(32)
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column, width in ((1, 80), (2, 170), (3, 310)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            self.table.setColumnWidth(column, width)
        self.table.itemSelectionChanged.connect(self._show_buttons)
        self.table.itemDoubleClicked.connect(self._download)
        self.download = button("Download", "Get the weights of the chosen model", self._download)
        self.download.setProperty("role", "primary")
        self.page = button("About it…", "See where the chosen model comes from", self._open_page)
        self.verify = button("Check", "See whether its files are what they were when they came", self._verify)
        self.remove = button("Remove", "Delete its files from this machine", self._remove)
        self.bring = button(
            "Import…",
            "Take in weights that you have as files: a RoFormer with its YAML, Spleeter's archive",
            self._import,
        )
        self.status = News()
        self.place = QLabel()
        self.place.setProperty("role", "small")
        self.place.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.move_button = button("Move…", "Keep models in another folder", self._move)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        row = QHBoxLayout()
        for one in (self.download, self.page, self.verify, self.remove):
            row.addWidget(one)
        row.addStretch(1)
        row.addWidget(self.bring)
        below = QHBoxLayout()
        below.addWidget(self.place, 1)
        below.addWidget(self.move_button)
        below.addWidget(buttons)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 18, 18, 16)
        layout.setSpacing(12)
        layout.addWidget(self.table, 1)
        layout.addLayout(row)
        layout.addWidget(self.status)
        layout.addLayout(below)
        self._show()
        self.table.selectRow(0)
        self.table.setFocus()

    @property
    def chosen(self) -> Model:
        """The model whose row is selected."""
        return self._models[max(self.table.currentRow(), 0)]

    def done(self, result: int) -> None:
        """See QDialog: one that is closed need not follow what happens."""
        self.fetching.changed.disconnect(self._show)
        self.fetching.ended.disconnect(self._ended)
        super().done(result)

    def choose(self, key: str) -> None:
        """Select a model."""
        for row, model in enumerate(self._models):
            if model.key == key:
                self.table.selectRow(row)

    def import_files(self, files: tuple[Path, ...], key: str = "") -> None:
        """Take files in; what comes of it is told below the table."""
        self.tell(_LOOKING)
        self._work("Import a model", import_model, ImportRequest(files, key), self._imported)

    def tell(self, text: str, trouble: bool = False) -> None:
        """Say something below the table."""
        self.status.tell(text, trouble)

    def _show(self) -> None:
        chosen = self.table.currentRow()
        self._models = models()
        self.table.setRowCount(len(self._models))
        for row, model in enumerate(self._models):
            coming = self.fetching.text(model.key)
            state = coming or self._told.get(model.key) or _STATES.get(model.state, model.state.capitalize())
            for column, text in enumerate((model.title, f"{model.size_mb:.0f} MB", state, model.licence or "Your own")):
                item = self.table.item(row, column)
                if item is None:
                    item = QTableWidgetItem()
                    self.table.setItem(row, column, item)
                if item.text() != text:
                    item.setText(text)
                item.setToolTip(f"{text}\n{model.page}".strip())
        if chosen >= len(self._models):
            self.table.selectRow(len(self._models) - 1)
        self.place.setText(f"Kept in {store.folder()}")
        # A download ends where it began.
        self.move_button.setEnabled(not self._busy and not self.fetching.any)
        self._show_buttons()

    def _show_buttons(self) -> None:
        model = self.chosen
        coming = self.fetching.running(model.key)
        self.download.setText("Stop" if coming else "Download" if model.state == ABSENT else "Continue")
        self.download.setEnabled(coming or (model.state != READY and not self._busy))
        if model.state == READY:
            self.download.setText("Download")
        self.page.setEnabled(bool(model.page))
        self.verify.setEnabled(model.state == READY and not model.key.startswith("own:"))
        self.remove.setEnabled(model.state != ABSENT and not coming and not self._busy)

    def _download(self, *ignored: object) -> None:
        model = self.chosen
        if self.fetching.running(model.key):
            self.fetching.stop(model.key)
        elif model.state != READY and not self._busy:
            self.tell("")
            self.fetching.start(model.key)

    def _ended(self, key: str, trouble: str) -> None:
        self.tell(trouble or f"{next(one.title for one in self._models if one.key == key)} is ready.", bool(trouble))
        self._show()

    def _open_page(self) -> None:
        QDesktopServices.openUrl(QUrl(self.chosen.page))

    def _verify(self) -> None:
        key = self.chosen.key
        self._told[key] = "Checking…"
        self._show()

        def done(found: dict[str, tuple[str, ...]]) -> None:
            wrong = found[key]
            self._told.pop(key, None)
            text = (
                f"{', '.join(wrong)} is not what it was: remove it and download it again." if wrong else "All is whole."
            )
            self.tell(text, bool(wrong))
            self._show()

        self._work("Check a model", verify_models, VerifyRequest((key,)), done)

    def _remove(self) -> None:
        try:
            freed = remove_model(self.chosen.key)
        except UserError as problem:
            self.tell(str(problem), True)
        else:
            self.tell(f"{freed:.0f} MB freed.")
        self._show()

    def _import(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(self, "Import a model", "", KINDS)
        if files:
            self.import_files(tuple(Path(file) for file in files))

    def _imported(self, key: str) -> None:
        self.tell("It is ready, and among the methods.")
        self._show()
        self.choose(key)

    def _failed(self, error: UserError) -> bool:
        self._told.clear()
        self.tell(str(error), True)
        self._show()
        return True

    def _move(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Keep models in", str(store.folder().parent))
        if folder:
            self.move_to(Path(folder))

    def move_to(self, folder: Path) -> None:
        """Bring all models to another folder, and look for them there from now on."""
        self._work("Move models", copy_weights, MoveRequest(folder), lambda moved: self._moved(folder, moved))
        self.tell(_MOVING)
        self._show()

    def _moved(self, folder: Path, moved: Moved) -> None:
        chosen = self._controller.settings
        before = chosen.text("weights_folder")
        if chosen.set("weights_folder", str(folder)):
            delete(moved.old)
            self.tell("All models are there now.")
        else:
            chosen.set("weights_folder", before)
            delete(moved.new)
            self.tell("The settings cannot be written: all models stay where they are.", True)
        self._show()

    def _work(self, title: str, work: Callable[..., Any], request: object, done: Callable[[Any], None]) -> None:
        self._working.append(self._controller.compute(title, work, request, _ignore, done, self._failed, NET))

    @property
    def _busy(self) -> bool:
        """Whether files are being moved, looked at or brought."""
        ongoing = {state.id for state in self._controller.jobs}
        return any(job.id in ongoing for job in self._working)

    def _looked(self) -> None:
        """Forget what was being done once it has ended, also when it was stopped elsewhere."""
        if self._working and not self._busy:
            self._working.clear()
            self._told.clear()
            if self.status.text() in (_MOVING, _LOOKING):
                self.tell("")
            self._show()


def _ignore(piece: object) -> None:
    """A job whose pieces nobody needs."""
