"""Where a lane is worked on with the mouse."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRect, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QMouseEvent, QNativeGestureEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from stemeditor.app.desk import far_edge
from stemeditor.app.lanes.lane_header import SPECTROGRAM, WAVEFORM
from stemeditor.app.lanes.ruler import wheel
from stemeditor.app.lanes.spectrogram import band_between
from stemeditor.app.viewport import Viewport
from stemeditor.audio.band import Band
from stemeditor.project.model import Lane

_EDGE_PIXELS = 5
_CLICK_PIXELS = 3


@dataclass(slots=True)
class _Drag:
    """What the mouse is doing: the selection has one edge at `anchor`."""

    x: float
    anchor: int
    moved: bool = False
    y: float | None = None
    """Where a band began to be selected; None if only time is."""
    band: Band | None = None
    """The band that stays while only time changes."""


class Canvas(QWidget):
    """Knows what is selected, and listens to the mouse; what is seen of it is its heir's.

    Parameters
    ----------
    viewport
        Which stretch is on screen.
    lane
        What is worked on.
    """

    seek_requested = Signal(object)
    selection_changed = Signal(object, object, object)
    """(start, stop, Band or None)"""
    selection_cleared = Signal()
    chosen = Signal(str)
    menu_requested = Signal(object)
    """(QPoint): where on screen; the lane was chosen before."""
    part_menu_requested = Signal(object)
    """(QPoint): as above, on what is selected."""

    def __init__(self, viewport: Viewport, lane: Lane) -> None:
        super().__init__()
        self.lane = lane
        self.view = WAVEFORM
        self._viewport = viewport
        self._playhead = 0
        self._selection: tuple[int, int] | None = None
        self._band: Band | None = None
        self._current = False
        self._drag: _Drag | None = None
        self.setMouseTracking(True)

    def set_playhead(self, frame: int) -> None:
        """Move the playhead; repaints two thin stripes."""
        if frame == self._playhead:
            return
        window = self._viewport.window
        for position in (self._playhead, frame):
            x = window.x(position, self.width())
            if -2 <= x <= self.width() + 2:
                self.update(QRect(int(x) - 2, 0, 5, self.height()))
        self._playhead = frame

    def set_selection(self, selection: tuple[int, int] | None, band: Band | None = None) -> None:
        """Show the selected frames [start, stop), and of which band."""
        if (selection, band) != (self._selection, self._band):
            self._selection, self._band = selection, band
            self.update()

    def set_current(self, current: bool) -> None:
        """Show whether what is done to the selection is done to this lane."""
        if current != self._current:
            self._current = current
            self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: D102
        wheel(self._viewport, event, self.width())

    def event(self, event: QEvent) -> bool:  # noqa: D102
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            at = self._viewport.window.frame(event.position().x(), self.width())
            self._viewport.zoom(1.0 / max(1.0 + event.value(), 0.1), at)
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        self.window().setFocus()
        self.chosen.emit(self.lane.id)
        if event.button() != Qt.MouseButton.LeftButton:
            return
        x, frame = event.position().x(), self._frame(event)
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._drag = _Drag(x, far_edge(self._selection, frame, self._playhead), True, band=self._band)
            self._select(event, self._drag)
            return
        edge = self._edge_under(x)
        if self._selects_band(event):
            self._drag = _Drag(x, frame, y=event.position().y())
        elif edge is not None and self._selection is not None:
            self._drag = _Drag(x, self._selection[1 - edge], True, band=self._band)
        else:
            self._drag = _Drag(x, frame)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        drag = self._drag
        if drag is None:
            on_edge = self._edge_under(event.position().x()) is not None
            plain = Qt.CursorShape.SizeHorCursor if on_edge else Qt.CursorShape.IBeamCursor
            self.setCursor(Qt.CursorShape.CrossCursor if self._selects_band(event) else plain)
            return
        if abs(event.position().x() - drag.x) > _CLICK_PIXELS:
            drag.moved = True
        if drag.moved:
            self._select(event, drag)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        if self._drag is not None and not self._drag.moved:
            if self._selection is not None:
                self.selection_cleared.emit()
            self.seek_requested.emit(self._frame(event))
        self._drag = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        self.selection_changed.emit(0, self._viewport.window.frames, None)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: D102
        at = self._viewport.window.frame(event.pos().x(), self.width())
        inside = self._selection is not None and self._selection[0] <= at < self._selection[1]
        (self.part_menu_requested if inside else self.menu_requested).emit(event.globalPos())

    def _selects_band(self, event: QMouseEvent) -> bool:
        return self.view == SPECTROGRAM and bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)

    def _select(self, event: QMouseEvent, drag: _Drag) -> None:
        """Select from where the drag began to where it is."""
        band, y = drag.band, event.position().y()
        if drag.y is not None and abs(y - drag.y) > _CLICK_PIXELS:
            band = band_between(drag.y / self.height(), y / self.height(), self.lane.sound.audio.rate)
        self.selection_changed.emit(*sorted((drag.anchor, self._frame(event))), band)

    def _frame(self, event: QMouseEvent) -> int:
        frame = self._viewport.window.frame(event.position().x(), self.width())
        return round(min(max(frame, 0), self._viewport.window.frames))

    def _edge_under(self, x: float) -> int | None:
        if self._selection is None:
            return None
        places = [self._viewport.window.x(frame, self.width()) for frame in self._selection]
        distances = [abs(place - x) for place in places]
        nearest = distances.index(min(distances))
        return nearest if distances[nearest] <= _EDGE_PIXELS else None
