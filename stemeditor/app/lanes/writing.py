"""Words over pictures."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen

from stemeditor.app.theme import Theme, font

_SIZE = 10
_HALO = 3.0


def write(painter: QPainter, theme: Theme, at: QPointF, text: str) -> None:
    """Write a few words that begin `at` a point of their base line, so that they can be read on any ground."""
    halo = QPen(QColor(theme.canvas))
    halo.setWidthF(_HALO)
    halo.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    words = QPainterPath()
    words.addText(at, font(_SIZE, figures=True), text)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.strokePath(words, halo)
    painter.fillPath(words, QColor(theme.text))
    painter.restore()


def width_of(text: str) -> float:
    """Return how wide words are that `write` writes, pixels."""
    return QFontMetricsF(font(_SIZE, figures=True)).horizontalAdvance(text)
