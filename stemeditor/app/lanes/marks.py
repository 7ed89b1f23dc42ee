"""What is painted over the picture of a lane."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter, QPen

from stemeditor.app.theme import Theme, stem_colour
from stemeditor.app.viewport import Window
from stemeditor.project.cutting import is_foreign
from stemeditor.project.model import Lane

_LINE_PIXELS = 3
"""Thickness of the line below what comes from another lane."""

_HATCH_PIXELS = 12


def paint_unfilled(painter: QPainter, theme: Theme, x: float, width: int, height: int) -> None:
    """Hatch what is not there yet, from `x` to the right edge."""
    if x >= width:
        return
    there = QRectF(x, 0, width - x, height)
    painter.fillRect(there, QColor(theme.surface))
    painter.save()
    painter.setClipRect(there)
    painter.setPen(QPen(QColor(theme.line), 1))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for at in range(int(x) - height, width, _HATCH_PIXELS):
        painter.drawLine(QPointF(at, height), QPointF(at + height, 0))
    painter.restore()


def paint_grid(painter: QPainter, theme: Theme, places: Iterable[float], height: int) -> None:
    """Draw the ticks of the ruler on."""
    colour = QColor(theme.line)
    colour.setAlphaF(0.6)
    for x in places:
        painter.fillRect(QRectF(round(x), 0, 1, height), colour)


def paint_takes(painter: QPainter, theme: Theme, lane: Lane, window: Window, width: int, height: int) -> None:
    """Underline what comes from another lane, or another time, in the colour of where it comes from."""
    for take in lane.takes or ():
        if not is_foreign(take, lane):
            continue
        colour = stem_colour(take.role, theme)
        for start, stop in take.envelope.heard():
            x0, x1 = (min(max(window.x(edge, width), -1.0), width + 1.0) for edge in (start, stop))
            painter.fillRect(QRectF(x0, height - _LINE_PIXELS - 2, x1 - x0, _LINE_PIXELS), colour)


def paint_selection(painter: QPainter, theme: Theme, place: QRectF, banded: bool, current: bool) -> None:
    """Shade what is selected, all of the height or a band of it; strongly on the lane that is edited."""
    shade, line = QColor(theme.selection), QColor(theme.selection)
    shade.setAlphaF(0.22 if current else 0.08)
    line.setAlphaF(1.0 if current else 0.4)
    painter.fillRect(place, shade)
    for x in (place.left(), place.right()):
        painter.fillRect(QRectF(x - 0.5, place.top(), 1, place.height()), line)
    for y in (place.top(), place.bottom()) if banded else ():
        painter.fillRect(QRectF(place.left(), y - 0.5, place.width(), 1), line)
