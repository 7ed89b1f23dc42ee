"""The time ruler, and where its ticks stand."""

from __future__ import annotations

import re

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPolygonF, QWheelEvent
from PySide6.QtWidgets import QWidget

from stemeditor.app.theme import Theme, font
from stemeditor.app.viewport import Viewport, Window

RULER_HEIGHT = 26

_STEPS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800)
_LABEL_PIXELS = 84
_BOTH = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
_NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]{0,6})?")


def clock(seconds: float, places: int = 3) -> str:
    """Return a time as m:ss.mmm, or h:mm:ss.mmm from an hour on, with `places` decimals."""
    scaled = round(max(seconds, 0.0) * 10**places)
    whole, part = divmod(scaled, 10**places)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
    return f"{text}.{part:0{places}d}" if places else text


def seconds_of(text: str) -> float | None:
    """Return the seconds that a written time means ("1:02.5", "62.5", "1:00:02"); None if it is none."""
    total = 0.0
    for part in text.strip().replace(",", ".").split(":"):
        if not _NUMBER.fullmatch(part.strip()):
            return None
        total = total * 60 + float(part)
    return total


def ticks(window: Window, rate: int, width: int) -> tuple[float, list[float]]:
    """Return the distance of labelled ticks in seconds, and those in view (seconds)."""
    per_pixel_s = window.span / rate / max(width, 1)
    step = next((step for step in _STEPS_S if step / per_pixel_s >= _LABEL_PIXELS), _STEPS_S[-1])
    first = int(window.start / rate / step)
    last = int(window.stop / rate / step) + 1
    return step, [number * step for number in range(first, last + 1)]


class Ruler(QWidget):
    """Shows the time; a click or drag puts the playhead there, the wheel zooms."""

    seek_requested = Signal(object)

    def __init__(self, theme: Theme, viewport: Viewport) -> None:
        super().__init__()
        self._theme, self._viewport = theme, viewport
        self._rate, self._playhead = 44100, 0
        self._loop: tuple[int, int] | None = None
        self._looping = False
        self.setFixedHeight(RULER_HEIGHT)
        self.setAccessibleName("Time ruler")
        self.setToolTip("Click to move the playhead; turn the wheel to zoom")
        viewport.listen(self.update)

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = theme
        self.update()

    def set_rate(self, rate: int) -> None:
        """Take the song's rate."""
        self._rate = rate
        self.update()

    def set_playhead(self, frame: int) -> None:
        """Move the marker."""
        self._playhead = frame
        self.update()

    def set_loop(self, loop: tuple[int, int] | None, on: bool) -> None:
        """Show the selection, strongly if it loops."""
        self._loop, self._looping = loop, on
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        self._seek(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._seek(event)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: D102
        wheel(self._viewport, event, self.width())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        theme, window, width, height = self._theme, self._viewport.window, self.width(), self.height()
        painter.fillRect(self.rect(), QColor(theme.surface))
        if self._loop is not None:
            x0, x1 = (window.x(frame, width) for frame in self._loop)
            colour = QColor(theme.accent)
            colour.setAlphaF(0.9 if self._looping else 0.35)
            painter.fillRect(QRectF(x0, height - 5, max(x1 - x0, 1), 4), colour)
        painter.setFont(font(11, figures=True))
        if window.frames:
            self._paint_ticks(painter, window, width, height)
        painter.setPen(QColor(theme.line))
        painter.drawLine(0, height - 1, width, height - 1)
        x = window.x(self._playhead, width)
        if window.frames and -8 <= x <= width + 8:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.playhead))
            corners = [(x - 5, height - 9), (x + 5, height - 9), (x + 5, height - 5), (x, height), (x - 5, height - 5)]
            painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))

    def _paint_ticks(self, painter: QPainter, window: Window, width: int, height: int) -> None:
        step, times = ticks(window, self._rate, width)
        places = 3 if step < 0.01 else 2 if step < 0.1 else 1 if step < 1 else 0
        for time_s in times:
            x = round(window.x(time_s * self._rate, width))
            painter.setPen(QColor(self._theme.line))
            painter.drawLine(x, height - 9, x, height)
            for part in range(1, 5):
                minor = round(window.x((time_s + step * part / 5) * self._rate, width))
                painter.drawLine(minor, height - 4, minor, height)
            painter.setPen(QColor(self._theme.muted))
            painter.drawText(x + 5, 14, clock(time_s, places))

    def _seek(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton or event.buttons() & Qt.MouseButton.LeftButton:
            self.seek_requested.emit(round(self._viewport.window.frame(event.position().x(), self.width())))


def wheel(viewport: Viewport, event: QWheelEvent, width: int) -> None:
    """Zoom about the pointer; with Shift, or sideways, scroll; with Ctrl and Shift make waveforms taller."""
    delta = event.pixelDelta() if not event.pixelDelta().isNull() else event.angleDelta()
    sideways = abs(delta.x()) > abs(delta.y())
    window = viewport.window
    if event.modifiers() & _BOTH == _BOTH:
        # Some systems turn the wheel sideways then. Alt would open the menus, and pinching alone comes with Ctrl.
        viewport.magnify(1.25 ** ((delta.x() if sideways else delta.y()) / 120))
    elif sideways or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
        steps = (delta.x() if sideways else delta.y()) / 120
        viewport.scroll(-steps * 0.12 * window.span)
    else:
        viewport.zoom(0.8 ** (delta.y() / 120), window.frame(event.position().x(), width))
    event.accept()
