"""The scores as a figure. The only panel that draws with matplotlib."""

from __future__ import annotations

import io
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from stemeditor.app.panels.passing import Passing
from stemeditor.app.theme import Theme
from stemeditor.errors import UserError
from stemeditor.evaluation.protocol import METRICS, Table


class ChartDialog(Passing):
    """Quality by stem and method, and quality over speed."""

    def __init__(self, table: Table, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table, self._theme = table, theme
        self.setWindowTitle("Scores")
        self.measure = QComboBox()
        self.measure.setAccessibleName("Measure")
        for key in METRICS:
            self.measure.addItem(key.upper().replace("_", "-"), key)
        self.measure.currentIndexChanged.connect(self._draw)
        self.save = QPushButton("Save…")
        self.save.setToolTip("Write the figure as PNG, SVG or PDF")
        self.save.clicked.connect(self._ask)
        self.image = QLabel()
        self.image.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.image.setAccessibleName("Figure of the scores")
        self.state = QLabel()
        self.state.setProperty("role", "error")
        top = QHBoxLayout()
        top.addWidget(QLabel("Measure"))
        top.addWidget(self.measure)
        top.addStretch(1)
        top.addWidget(self.save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 16)
        layout.setSpacing(12)
        layout.addLayout(top)
        layout.addWidget(self.image, 1)
        layout.addWidget(self.state)
        self._draw()

    def write(self, path: Path) -> None:
        """Write the figure; the ending says how. Raises `UserError` if that fails."""
        from stemeditor.evaluation.figures import quality_figure

        try:
            quality_figure(self._table, self.measure.currentData()).savefig(path)
        except (OSError, ValueError) as problem:
            raise UserError(f"“{path.name}” cannot be written ({problem}).", "Choose PNG, SVG or PDF.") from problem

    def _draw(self) -> None:
        from stemeditor.evaluation.figures import quality_figure

        figure = quality_figure(self._table, self.measure.currentData(), self._theme.text, self._theme.surface)
        figure.set_dpi(100 * self.devicePixelRatioF())
        held = io.BytesIO()
        figure.savefig(held, format="png", facecolor=self._theme.surface)
        image = QImage.fromData(held.getvalue())
        image.setDevicePixelRatio(self.devicePixelRatioF())
        self.image.setPixmap(QPixmap.fromImage(image))

    def _ask(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the figure", "scores.png", "PNG (*.png);;SVG (*.svg);;PDF (*.pdf)"
        )
        if path:
            try:
                self.write(Path(path))
            except UserError as problem:
                self.state.setText(problem.message)
