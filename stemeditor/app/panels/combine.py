"""Putting methods together."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QDialogButtonBox, QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from stemeditor.app.panels.passing import Passing
from stemeditor.methods import registry
from stemeditor.methods.ensemble import JOIN


class CombineDialog(Passing):
    """The methods that can be used now; two of them or more make an ensemble."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Combine methods")
        self.fit(420, 480)
        told = QLabel("The mean of what these give, stem by stem. How much each counts can be set afterwards.")
        told.setWordWrap(True)
        self.methods = QListWidget()
        self.methods.setAccessibleName("Methods to combine")
        for key in registry.ready():
            if JOIN in key:
                continue
            info = registry.info(key)
            item = QListWidgetItem(info.name)
            item.setData(Qt.ItemDataRole.UserRole, key)
            item.setSizeHint(QSize(0, 28))
            item.setToolTip(f"{', '.join(info.stems).capitalize()}. {info.sentence}")
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            item.setCheckState(Qt.CheckState.Unchecked)
            self.methods.addItem(item)
        self.methods.itemChanged.connect(self._changed)
        buttons = QDialogButtonBox()
        self.accept_button = buttons.addButton("Combine", QDialogButtonBox.ButtonRole.AcceptRole)
        self.accept_button.setProperty("role", "primary")
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 18, 18, 16)
        layout.setSpacing(12)
        layout.addWidget(told)
        layout.addWidget(self.methods, 1)
        layout.addWidget(buttons)
        self._changed()

    @property
    def key(self) -> str:
        """Key of the ensemble of the ticked methods."""
        rows = (self.methods.item(row) for row in range(self.methods.count()))
        return JOIN.join(
            str(item.data(Qt.ItemDataRole.UserRole)) for item in rows if item.checkState() == Qt.CheckState.Checked
        )

    def _changed(self) -> None:
        self.accept_button.setEnabled(JOIN in self.key)
