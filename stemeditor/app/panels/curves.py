"""How a network gets better while it learns: two small graphs, painted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from stemeditor.app.theme import Theme, font, stem_colour
from stemeditor.training.curves import Watched

_EDGE, _LEFT, _RIGHT, _GAP = 12, 44, 86, 36
_LOSS_SHARE = 0.36
_EMPTY = "What it learns is drawn here: how well each stem comes out,\nand how far it is from what it should be."


class Curves(QWidget):
    """The scores of every stem over the steps, and below them the loss.

    Parameters
    ----------
    theme
        For the colours.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._looks: tuple[Watched, ...] = ()
        self.setAccessibleName("What it has learned")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_looks(self, looks: Sequence[Watched]) -> None:
        """Draw these."""
        self._looks = tuple(looks)
        self.setAccessibleDescription(described(self._looks))
        self.update()

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(460, 320)

    def minimumSizeHint(self) -> QSize:  # noqa: D102
        return QSize(300, 220)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self._theme.line), 1))
        painter.setBrush(QColor(self._theme.canvas))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        painter.setFont(font(12))
        if not self._looks:
            painter.setPen(QColor(self._theme.muted))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, _EMPTY)
            return
        inner = QRectF(self.rect()).adjusted(_LEFT, _EDGE + 20, -_EDGE, -_EDGE - 18)
        losses = [look.loss for look in self._looks]
        names = list(self._looks[-1].scores)
        if names:
            height = inner.height() * (1 - _LOSS_SHARE) - _GAP
            above = QRectF(inner.left(), inner.top(), inner.width(), height)
            scores = {name: [look.scores.get(name, math.nan) for look in self._looks] for name in names}
            colours = {name: stem_colour(name, self._theme) for name in names}
            self._graph(painter, above, "SDR on songs that are kept back, dB", scores, colours, ".1f")
            inner.setTop(above.bottom() + _GAP + 14)
        self._graph(painter, inner, "Loss", {"": losses}, {"": QColor(self._theme.text)}, ".3g", 0.0)
        painter.setPen(QColor(self._theme.muted))
        painter.drawText(
            QRectF(inner.left(), inner.bottom() + 2, inner.width() - _RIGHT, 18),
            Qt.AlignmentFlag.AlignRight,
            f"step {self._looks[-1].step:,}",
        )

    def _graph(
        self,
        painter: QPainter,
        place: QRectF,
        title: str,
        lines: dict[str, list[float]],
        colours: dict[str, QColor],
        form: str,
        least: float = math.nan,
    ) -> None:
        """Draw lines over the steps, each with its last value behind it, between their lowest, or less, and highest."""
        known = [value for line in lines.values() for value in [least, *line] if math.isfinite(value)]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        if high - low < 1e-6 * max(abs(high), 1e-6):
            low, high = low - 0.5, high + 0.5
        last = max(self._looks[-1].step, 1)
        place = place.adjusted(0, 0, -_RIGHT, 0)

        def spot(look: Watched, value: float) -> QPointF:
            across = place.left() + place.width() * look.step / last
            return QPointF(across, place.bottom() - place.height() * (value - low) / (high - low))

        painter.setPen(QColor(self._theme.text))
        painter.drawText(QPointF(place.left(), place.top() - 10), title)
        for value in (low, high):
            level = spot(self._looks[-1], value).y()
            painter.setPen(QPen(QColor(self._theme.line), 1))
            painter.drawLine(QPointF(place.left(), level), QPointF(place.right(), level))
            painter.setPen(QColor(self._theme.muted))
            edge = QRectF(0, level - 9, place.left() - 6, 18)
            painter.drawText(edge, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{value:{form}}")
        lowest = place.top() - 20
        ends = []
        for name, line in lines.items():
            points = [spot(look, value) for look, value in zip(self._looks, line, strict=True) if math.isfinite(value)]
            if not points:
                continue
            painter.setPen(QPen(colours[name], 2))
            painter.drawPolyline(QPolygonF(points))
            if len(points) == 1:
                painter.setBrush(colours[name])
                painter.drawEllipse(points[0], 2.5, 2.5)
            value = next(value for value in reversed(line) if math.isfinite(value))
            ends.append((points[-1].y(), name, value))
        # The highest first; where two are close the lower one is written lower.
        for level, name, value in sorted(ends):
            at = lowest = max(level, lowest + 15)
            painter.setPen(colours[name])
            words = f"{value:{form}}  {name}".rstrip()
            edge = QRectF(place.right() + 8, at - 9, _RIGHT - 8, 18)
            words = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, int(edge.width()))
            painter.drawText(edge, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)


def described(looks: Sequence[Watched]) -> str:
    """Return the last look in words."""
    if not looks:
        return ""
    look = looks[-1]
    scores = ", ".join(f"{name} {value:.1f} dB" for name, value in look.scores.items() if math.isfinite(value))
    return f"After {look.step:,} steps: loss {look.loss:.3g}" + (f"; {scores}" if scores else "")
