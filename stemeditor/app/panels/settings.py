"""The settings, and the two pages of help."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from stemeditor import __version__
from stemeditor.app.audio_out import AudioOut
from stemeditor.app.forms import Form
from stemeditor.app.panels.passing import Passing
from stemeditor.app.table import TABLE
from stemeditor.settings import Settings, Value

_DEVICE = "output_device"
_SCALE = "scale"


class SettingsDialog(Passing):
    """Every setting that has a label; a change is kept at once."""

    def __init__(self, settings: Settings, output: AudioOut, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self.setWindowTitle("Settings")
        self.fit(520, 320)
        self.device = QComboBox()
        self.device.setAccessibleName("Sound output")
        self.device.setToolTip(next(row.help for row in settings.rows() if row.name == _DEVICE))
        self.device.addItem("The system's default", "")
        chosen = settings.text(_DEVICE)
        names = output.devices()
        for name in [*names, *([chosen] if chosen and chosen not in names else [])]:
            self.device.addItem(name if name in names else f"{name} (not connected)", name)
        self.device.setCurrentIndex(max(self.device.findData(chosen), 0))
        self.device.activated.connect(self._device_chosen)
        status = QLabel(output.status.text)
        status.setProperty("role", "small")
        rows = tuple(row for row in settings.rows() if row.name != _DEVICE)
        values = {row.name: settings.get(row.name) for row in rows}
        self.form = Form(rows, values, (("Sound output", self.device), ("", status)))
        self.form.edited.connect(self._set)
        self.later = QLabel("The size changes when the program is started again.")
        self.later.setProperty("role", "small")
        self.later.hide()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 18, 18, 16)
        layout.setSpacing(12)
        layout.addWidget(self.form)
        layout.addWidget(self.later)
        layout.addStretch(1)
        layout.addWidget(buttons)

    def _set(self, name: str, value: Value) -> None:
        self._settings.set(name, value)
        if name == _SCALE:
            self.later.show()

    def _device_chosen(self, index: int) -> None:
        self._settings.set(_DEVICE, self.device.currentData())


class ShortcutsDialog(Passing):
    """All shortcuts, from the table of actions."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        self.fit(520, 620)
        rows = [row for row in TABLE if row.keys]
        self.table = QTableWidget(len(rows), 3)
        self.table.setAccessibleName("Keyboard shortcuts")
        self.table.setHorizontalHeaderLabels(["", "What", "Keys"])
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.table.horizontalHeader().setSectionResizeMode(2, QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        menu = ""
        for number, row in enumerate(rows):
            keys = ", ".join(QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in row.keys)
            head, menu = (row.menu if row.menu != menu else ""), row.menu
            for column, text in enumerate((head.replace("&", ""), row.text.replace("&", ""), keys)):
                self.table.setItem(number, column, QTableWidgetItem(text))
        more = QLabel(
            "Wheel: zoom about the pointer. Shift+wheel: scroll. Ctrl+Shift+wheel: taller waveforms. "
            "Drag: select. Ctrl+drag on a spectrogram: select a band of it. Shift+click: extend the selection. "
            "Double-click a slider: reset; a level or a name: type another. Ctrl+click on S: solo this lane alone. "
            "Click on the clock: go to a time."
        )
        more.setProperty("role", "small")
        more.setWordWrap(True)
        layout = _page(self, more)
        layout.insertWidget(0, self.table, 1)


class AboutDialog(Passing):
    """Version, licence, and whose work is in it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("About stemeditor")
        self.fit(480, 300)
        title = QLabel(f"stemeditor {__version__}")
        title.setProperty("role", "title")
        text = QLabel(
            "Takes a song apart, and lets you work with the parts.\n\n"
            "Free software under the GNU General Public License, version 3 or later; it comes without any warranty.\n\n"
            "It stands on NumPy, SciPy, Qt for Python, libsndfile, FFmpeg (PyAV), PortAudio, SoX Resampler, Mutagen, "
            "Typer and Rich. The typeface is Inter, under the SIL Open Font License."
        )
        text.setWordWrap(True)
        layout = _page(self, text)
        layout.insertWidget(0, title)


def _page(dialog: QDialog, text: QLabel) -> QVBoxLayout:
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.reject)
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(18, 18, 18, 16)
    layout.setSpacing(12)
    layout.addWidget(text)
    layout.addWidget(buttons)
    return layout
