"""What to write, how, and where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from stemeditor.app.controller import Controller
from stemeditor.app.forms import LIST_ITEM_HEIGHT, heading
from stemeditor.app.job_state import ExportQuestion
from stemeditor.app.panels.pace import pace_text, pace_words
from stemeditor.app.panels.passing import Passing
from stemeditor.app.theme import DARK, stem_colour
from stemeditor.audio.files import ENCODINGS, encoding
from stemeditor.audio.stretch import Pace
from stemeditor.errors import UserError
from stemeditor.interchange.formats import FORMATS
from stemeditor.jobs.export import (
    OVERS,
    ExportItem,
    ExportRequest,
    FilesExist,
    SessionPlan,
    TooLoud,
    all_but_item,
    at_pace,
    mix_item,
    stem_items,
)
from stemeditor.jobs.naming import FIELDS, file_names, session_name
from stemeditor.project.model import SONG_ROLE

_MOST_NAMES = 5

STEMS, MIX, ALL_BUT = "stems", "mix", "all but"


class Names(QLabel):
    """Names of files below each other: the first of them, as far as there is room, and all in the tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []
        self.setProperty("role", "small")
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setAccessibleName("Files that will be written")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_MOST_NAMES * self.fontMetrics().lineSpacing() + 4)

    def show_names(self, names: list[str]) -> None:
        """Show these names."""
        self._names = names
        self.setToolTip("\n".join(names))
        self.setAccessibleDescription(", ".join(names))
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        shown = self._names if len(self._names) <= _MOST_NAMES else self._names[: _MOST_NAMES - 1]
        metrics, width = self.fontMetrics(), self.width()
        lines = [metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, width) for name in shown]
        left = len(self._names) - len(shown)
        self.setText("\n".join([*lines, f"and {left} more"] if left else lines))


class ExportDialog(Passing):
    """Stems, the mix, or everything but one."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._project = controller.document.base
        settings = controller.settings
        self.setWindowTitle("Export")
        self.fit(620, 640)
        self.what = QButtonGroup(self)
        cut = any(lane.takes is not None for lane in self._project.stems)
        self.stems = QRadioButton(f"Stems, as {'you edited them' if cut else 'they came out of the separation'}")
        self.mix = QRadioButton("The mix, as it sounds now")
        self.all_but = QRadioButton("Everything but")
        for button in (self.stems, self.mix, self.all_but):
            self.what.addButton(button)
        self.lanes = QListWidget()
        self.lanes.setAccessibleName("Stems to export")
        self.lanes.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.lanes.setFixedHeight(5 * LIST_ITEM_HEIGHT + 14)
        self.paced = QCheckBox(f"Played as it is now: {pace_words(controller.pace)}")
        self.paced.setToolTip("Otherwise the files are as fast and as high as the song")
        self.paced.setVisible(not controller.pace.plain)
        self.paced.setChecked(True)
        self.without = QComboBox()
        self.without.setAccessibleName("Stem to leave out")
        self.format = QComboBox()
        self.format.setAccessibleName("Format")
        for row in ENCODINGS:
            self.format.addItem(row.name, row.key)
        self.subtype = QComboBox()
        self.subtype.setAccessibleName("Quality")
        self.folder = QLineEdit(settings.text("export_folder") or str(Path.home() / "Music" / "Stems"))
        self.folder.setAccessibleName("Folder")
        browse = QPushButton("Browse…")
        browse.setToolTip("Choose the folder")
        browse.clicked.connect(self._browse)
        self.template = QLineEdit(settings.text("export_template"))
        self.template.setAccessibleName("File names")
        self.template.setToolTip(f"May contain {', '.join('{' + field + '}' for field in FIELDS)}; “/” makes a folder")
        self.session = QComboBox()
        self.session.setAccessibleName("Project for another program")
        self.session.setToolTip("Written beside the stems: they lie in it one below the other, at their faders")
        self.session.addItem("None", "")
        for kind in FORMATS:
            self.session.addItem(kind.name, kind.key)
        self.session.setCurrentIndex(max(self.session.findData(settings.text("export_session")), 0))
        self.preview = Names()
        buttons = QDialogButtonBox()
        self.start = buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self.start.setProperty("role", "primary")
        self.start.setToolTip("Write the files (Enter)")
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self._start)
        buttons.rejected.connect(self.reject)
        self.waiting = QLabel("The stems are not whole yet: they can be written when the separation has ended.")
        self.waiting.setWordWrap(True)
        self._arrange(browse, buttons)
        self._fill()
        self._choose_format(settings.text("export_format"), settings.text("export_subtype"))
        self.stems.setChecked(True)
        self.format.activated.connect(self._format_changed)
        self.subtype.activated.connect(self._refresh)
        self.what.buttonToggled.connect(self._refresh)
        self.lanes.itemChanged.connect(self._refresh)
        self.without.activated.connect(self._refresh)
        self.paced.toggled.connect(self._refresh)
        self.session.activated.connect(self._refresh)
        self.template.textChanged.connect(self._refresh)
        self.folder.textChanged.connect(self._refresh)
        controller.changed.connect(self._project_changed)
        self._refresh()

    def _fill(self) -> None:
        """List what there is to write; what was unticked before is ticked again, for it is another project."""
        self._project = self._controller.document.base
        self.lanes.blockSignals(True)
        self.lanes.clear()
        self.without.clear()
        for lane in self._project.lanes:
            item = QListWidgetItem(lane.name)
            item.setData(Qt.ItemDataRole.UserRole, lane.id)
            item.setSizeHint(QSize(0, LIST_ITEM_HEIGHT))
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            chosen = lane.role != SONG_ROLE or not self._project.stems
            item.setCheckState(Qt.CheckState.Checked if chosen else Qt.CheckState.Unchecked)
            self.lanes.addItem(item)
            if lane.role != SONG_ROLE:
                self.without.addItem(lane.name, lane.id)
        self.lanes.blockSignals(False)
        self.all_but.setEnabled(bool(self._project.stems))
        if not self._project.stems and self.all_but.isChecked():
            self.stems.setChecked(True)

    def _project_changed(self) -> None:
        """Follow what is heard, also when a separation ends while the dialog stands there."""
        if self._controller.document.base.song is None:
            self.reject()
            return
        if self._controller.document.base is not self._project:
            self._fill()
        self._refresh()

    def items(self) -> tuple[ExportItem, ...]:
        """Return what is chosen."""
        if self.mix.isChecked():
            return (mix_item(self._project),)
        if self.all_but.isChecked():
            return (all_but_item(self._project, self.without.currentData()),)
        chosen = tuple(
            self.lanes.item(row).data(Qt.ItemDataRole.UserRole)
            for row in range(self.lanes.count())
            if self.lanes.item(row).checkState() == Qt.CheckState.Checked
        )
        return tuple(map(self._coloured, stem_items(self._project, chosen), chosen)) if chosen else ()

    def _coloured(self, item: ExportItem, lane_id: str) -> ExportItem:
        colour = stem_colour(self._project.lane(lane_id).role, DARK)
        return replace(item, faders=replace(item.faders, colour=colour.name()))

    def request(self) -> ExportRequest:
        """Return the export that is described."""
        assert self._project.song is not None
        return ExportRequest(
            self._project.song,
            self.items(),
            Path(self.folder.text()).expanduser(),
            self.template.text(),
            self.format.currentData(),
            self.subtype.currentData(),
            called=self._called(),
            paced=at_pace(self._project, self._pace(), self._controller.cache_folder),
            session=self._session(),
        )

    def _session(self) -> SessionPlan | None:
        kind = self.session.currentData() if self.stems.isChecked() else ""
        return SessionPlan(kind, self._project.master_gain) if kind else None

    def _pace(self) -> Pace:
        return self._controller.pace if self.paced.isChecked() else Pace()

    def _called(self) -> str:
        """Return what {song} is: files at another pace are told from those at the song's own."""
        song, pace = self._project.song, self._pace()
        if song is None or pace.plain:
            return ""
        return f"{song.path.stem or song.title} ({pace_text(pace).replace('  ', ', ')})"

    def _arrange(self, browse: QPushButton, buttons: QDialogButtonBox) -> None:
        row = QHBoxLayout()
        row.addWidget(self.all_but)
        row.addWidget(self.without)
        row.addStretch(1)
        formats = QHBoxLayout()
        formats.setSpacing(8)
        formats.addWidget(self.format, 1)
        formats.addWidget(self.subtype, 1)
        folder = QHBoxLayout()
        folder.setSpacing(8)
        folder.addWidget(self.folder, 1)
        folder.addWidget(browse)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(10)
        for text, field, line in (("Format", self.format, formats), ("Folder", self.folder, folder)):
            label = QLabel(text)
            label.setBuddy(field)
            form.addRow(label, line)
        form.addRow("File names", self.template)
        form.addRow("DAW project", self.session)
        form.addRow("", self.preview)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 18, 18, 16)
        layout.setSpacing(8)
        layout.addWidget(heading("What"))
        layout.addWidget(self.stems)
        layout.addWidget(self.lanes)
        layout.addWidget(self.mix)
        layout.addLayout(row)
        layout.addWidget(self.paced)
        layout.addSpacing(8)
        layout.addWidget(heading("How and where"))
        layout.addLayout(form)
        layout.addStretch(1)
        layout.addWidget(self.waiting)
        layout.addWidget(buttons)

    def _choose_format(self, key: str, subtype: str) -> None:
        self.format.setCurrentIndex(max(self.format.findData(key), 0))
        self._format_changed()
        self.subtype.setCurrentIndex(max(self.subtype.findData(subtype), 0))

    def _format_changed(self, *ignored: object) -> None:
        self.subtype.clear()
        for row in encoding(self.format.currentData()).subtypes:
            self.subtype.addItem(row.label, row.key)
        self._refresh()

    def _refresh(self, *ignored: object) -> None:
        self.lanes.setEnabled(self.stems.isChecked())
        self.without.setEnabled(self.all_but.isChecked())
        self.session.setEnabled(self.stems.isChecked())
        items = self.items()
        ending = encoding(self.format.currentData()).ending
        try:
            assert self._project.song is not None
            names = file_names(
                self._project.song, tuple(item.name for item in items), self.template.text(), self._called()
            )
            files = [f"{name}{ending}" for name in names]
            session = self._session()
            if session is not None and files:
                name = session_name(self._project.song, session.kind, self._called())
                files.append(str(PurePosixPath(files[0]).with_name(name)))
            self.preview.show_names(files or ["Choose at least one stem."])
            good = bool(items) and bool(self.folder.text().strip())
        except UserError as problem:
            self.preview.show_names([str(problem)])
            good = False
        waiting = self._controller.document.previewing
        self.waiting.setVisible(waiting)
        self.start.setEnabled(good and not waiting)

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the files", self.folder.text())
        if chosen:
            self.folder.setText(chosen)

    def _start(self) -> None:
        settings, request = self._controller.settings, self.request()
        settings.set("export_format", request.encoding)
        settings.set("export_subtype", request.subtype)
        settings.set("export_template", request.template)
        settings.set("export_folder", self.folder.text())
        settings.set("export_session", self.session.currentData())
        self._controller.export(request)
        self.accept()


def ask_export(question: ExportQuestion, parent: QWidget | None) -> ExportRequest | None:
    """Ask what an export needs to know; return it with the answer, or None if the user would rather not."""
    box = QMessageBox(parent)
    box.setWindowTitle("Export")
    box.setText(question.error.message)
    request: ExportRequest = question.request
    answers: dict[object, ExportRequest] = {}
    if isinstance(question.error, TooLoud):
        box.setInformativeText("The chosen format would clip it. What shall be done?")
        for key, label in OVERS:
            answers[box.addButton(label, QMessageBox.ButtonRole.AcceptRole)] = replace(request, overs=key)
    elif isinstance(question.error, FilesExist):
        box.setInformativeText("Replacing cannot be undone.")
        answers[box.addButton("Replace", QMessageBox.ButtonRole.DestructiveRole)] = replace(request, overwrite=True)
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    if isinstance(question.error, FilesExist):
        # What cannot be undone is not what Enter does.
        box.setDefaultButton(cancel)
    box.exec()
    return answers.get(box.clickedButton())
