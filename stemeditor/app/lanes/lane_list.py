"""All lanes below each other, under one ruler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from stemeditor.app.lanes.lane_header import HEADER_WIDTH, SPECTROGRAM, WAVEFORM, LaneHeader
from stemeditor.app.lanes.lane_view import Compute, LaneView
from stemeditor.app.lanes.ruler import RULER_HEIGHT, Ruler
from stemeditor.app.theme import Theme
from stemeditor.app.viewport import Viewport
from stemeditor.audio.band import Band
from stemeditor.progress import Silent
from stemeditor.project.model import SONG_ROLE, Lane, Project

_LOWEST = 88
_HIGHEST = 360


def at_once(work: Any, request: object, done: Any) -> Any:
    """Compute in this thread: for tests and pictures."""

    class Over:
        def cancel(self) -> None:
            """Do nothing: it is over."""

    done(work(request, Silent()))
    return Over()


class _Row(QWidget):
    def __init__(self, header: LaneHeader, view: LaneView) -> None:
        super().__init__()
        self.header, self.view = header, view
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(header)
        layout.addWidget(view, 1)


class _DropLine(QWidget):
    """Where a dragged lane would go."""

    def __init__(self, parent: QWidget, theme: Theme) -> None:
        super().__init__(parent)
        self.theme = theme
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), QColor(self.theme.accent))


class LaneList(QWidget):
    """The rows of a project. Shows what it is given, tells what the user wants.

    Parameters
    ----------
    theme
        Colours.
    viewport
        Shared with whoever else shows or moves the visible stretch.
    compute
        How pictures are made in the background; `at_once` makes them here and now.
    """

    gain_changed = Signal(str, object)
    pan_changed = Signal(str, object)
    drag_ended = Signal()
    mute_changed = Signal(str, object)
    solo_changed = Signal(str, object)
    solo_only_requested = Signal(str)
    renamed = Signal(str, object)
    moved = Signal(str, object)
    seek_requested = Signal(object)
    selection_changed = Signal(object, object, object)
    selection_cleared = Signal()
    current_changed = Signal(str)
    method_requested = Signal()
    menu_requested = Signal(object)
    """(QPoint): a right click on the lane that is now the current one; where on screen."""
    part_menu_requested = Signal(object)
    """(QPoint): a right click on what is selected of it."""
    margin_changed = Signal(int)
    """(pixels): how much of the right edge the scroll bar takes."""

    def __init__(self, theme: Theme, viewport: Viewport, compute: Compute = at_once) -> None:
        super().__init__()
        self.ruler = Ruler(theme, viewport)
        self.ruler.seek_requested.connect(self.seek_requested)
        self._theme, self._viewport, self._compute = theme, viewport, compute
        self._rows: dict[str, _Row] = {}
        self._views: dict[str, str] = {}
        self._content = QWidget()
        self._column = QVBoxLayout(self._content)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.hint = QLabel("Press Separate (Ctrl+Enter) to take the song apart.")
        self.hint.setProperty("role", "muted")
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.hint.setMinimumHeight(96)
        self._column.addWidget(self.hint)
        self._column.addStretch(1)
        self._line = _DropLine(self._content, theme)
        self._scroll = QScrollArea()
        self._scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        self._scroll.setWidget(self._content)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.method = QPushButton()
        self.method.setFixedHeight(RULER_HEIGHT)
        self.method.setMaximumWidth(HEADER_WIDTH)
        self.method.setProperty("role", "corner")
        self.method.setToolTip("What these stems were made with. Click for other methods, and for cleaner stems")
        self.method.clicked.connect(self.method_requested)
        corner = QWidget()
        corner.setFixedSize(HEADER_WIDTH, RULER_HEIGHT)
        beside = QHBoxLayout(corner)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(self.method)
        beside.addStretch(1)
        head = QHBoxLayout()
        head.setSpacing(0)
        head.addWidget(corner)
        head.addWidget(self.ruler, 1)
        margin = QWidget()
        margin.setFixedWidth(0)
        self.margin_changed.connect(margin.setFixedWidth)
        head.addWidget(margin)
        self._margin = 0
        self._scroll.viewport().installEventFilter(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(self._scroll, 1)

    # What it shows

    def show_project(self, project: Project) -> None:
        """Show the lanes of a project; rows that stay keep their focus and their pictures."""
        mix = project.mix()
        heard = {strip.id: mix.heard(strip) for strip in mix.strips}
        for lane_id in [lane_id for lane_id in self._rows if not project.has_lane(lane_id)]:
            row = self._rows.pop(lane_id)
            row.view.close_jobs()
            self._viewport.forget(row.view.repaint_all)
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        for index, lane in enumerate(project.lanes):
            row = self._rows.get(lane.id) or self._add(lane)
            if self._column.indexOf(row) != index:
                self._column.removeWidget(row)
                self._column.insertWidget(index, row)
            filled = None if lane.role == SONG_ROLE else project.filled
            row.header.show_lane(lane)
            row.view.show_lane(lane, filled, heard[lane.id])
        self.hint.setVisible(project.song is not None and not project.stems)
        self.ruler.set_rate(project.rate)
        self.method.setText(project.method)
        self.method.setVisible(bool(project.method))
        self._size_rows()

    def grown(self, lane_ids: tuple[str, ...]) -> None:
        """Repaint lanes whose sound has grown."""
        for lane_id in lane_ids:
            if lane_id in self._rows:
                self._rows[lane_id].view.update()

    def set_playhead(self, frame: int) -> None:
        """Move the playhead everywhere."""
        self.ruler.set_playhead(frame)
        for row in self._rows.values():
            row.view.set_playhead(frame)

    def set_meters(self, levels: Mapping[str, tuple[float, float, float, float]]) -> bool:
        """Show levels (peak left, peak right, RMS left, RMS right); returns whether any meter still moves."""
        for lane_id, row in self._rows.items():
            row.header.meter.show_levels(levels.get(lane_id))
        return any(not row.header.meter.quiet for row in self._rows.values())

    def set_selection(self, selection: tuple[int, int] | None, looping: bool, band: Band | None = None) -> None:
        """Show the selection, of which band it is, and whether it loops."""
        self.ruler.set_loop(selection, looping)
        for row in self._rows.values():
            row.view.set_selection(selection, band)

    def set_current(self, lane_id: str | None) -> None:
        """Mark the lane that keys act on, and bring it into view."""
        for other, row in self._rows.items():
            row.header.set_current(other == lane_id)
            row.view.set_current(other == lane_id)
            if other == lane_id:
                self._scroll.ensureWidgetVisible(row, 0, 0)

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = self._line.theme = theme
        self.ruler.set_theme(theme)
        for row in self._rows.values():
            row.header.set_theme(theme)
            row.view.set_theme(theme)

    def set_view(self, lane_id: str | None, view: str) -> None:
        """Show a lane, or all (None), as "waveform" or "spectrogram"."""
        for other, row in self._rows.items():
            if lane_id in (None, other):
                self._views[other] = view
                row.view.set_view(view)
                row.header.show_view(view)

    def view_of(self, lane_id: str) -> str:
        """Return how a lane is shown."""
        return self._views.get(lane_id, WAVEFORM)

    def toggle_view(self, lane_id: str | None) -> None:
        """Change how a lane, or all (None), is shown."""
        first = lane_id or next(iter(self._rows), "")
        self.set_view(lane_id, WAVEFORM if self.view_of(first) == SPECTROGRAM else SPECTROGRAM)

    def row(self, lane_id: str) -> tuple[LaneHeader, LaneView]:
        """Return the widgets of a lane."""
        return self._rows[lane_id].header, self._rows[lane_id].view

    def stops(self, lane_ids: Iterable[str]) -> list[QWidget]:
        """Return what Tab goes through: the name of the method, and each lane's controls, from top to bottom."""
        headers = [self._rows[lane_id].header for lane_id in lane_ids if lane_id in self._rows]
        return [self.method, *(stop for header in headers for stop in header.stops())]

    def rename(self, lane_id: str) -> None:
        """Let the user edit a lane's name."""
        if lane_id in self._rows:
            self._rows[lane_id].header.name.begin()

    def type_gain(self, lane_id: str) -> None:
        """Let the user type a lane's level."""
        if lane_id in self._rows:
            self._rows[lane_id].header.gain_label.begin()

    # Inside

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the ruler, and who listens, as wide as the lanes: the scroll bar comes and goes."""
        if watched is self._scroll.viewport() and event.type() == QEvent.Type.Resize:
            margin = self._scroll.width() - self._scroll.viewport().width()
            if margin != self._margin:
                self._margin = margin
                self.margin_changed.emit(margin)
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        self._size_rows()

    def _size_rows(self) -> None:
        if self._rows:
            room = max(self.height() - RULER_HEIGHT, 0) // len(self._rows)
            for row in self._rows.values():
                row.setFixedHeight(min(max(room, _LOWEST), _HIGHEST))

    def _add(self, lane: Lane) -> _Row:
        header = LaneHeader(self._theme, lane)
        view = LaneView(self._theme, self._viewport, lane, self._compute)
        for name in ("gain_changed", "pan_changed", "drag_ended", "mute_changed", "solo_changed"):
            getattr(header, name).connect(getattr(self, name))
        header.solo_only_requested.connect(self.solo_only_requested)
        header.renamed.connect(self.renamed)
        header.view_changed.connect(self.set_view)
        header.chosen.connect(self.current_changed)
        header.dragged.connect(self._show_drop)
        header.dropped.connect(self._drop)
        view.chosen.connect(self.current_changed)
        for part in (header, view):
            part.menu_requested.connect(self.menu_requested)
        for name in ("seek_requested", "selection_changed", "selection_cleared", "part_menu_requested"):
            getattr(view, name).connect(getattr(self, name))
        row = self._rows[lane.id] = _Row(header, view)
        return row

    def _gap(self, global_y: float) -> int:
        """Return the number of the gap between rows that is nearest to a place on screen."""
        y = self._content.mapFromGlobal(QPoint(0, round(global_y))).y()
        middles = sorted(row.geometry().center().y() for row in self._rows.values())
        return sum(middle < y for middle in middles)

    def _show_drop(self, lane_id: str, global_y: float) -> None:
        rows = sorted(self._rows.values(), key=lambda row: row.y())
        gap = self._gap(global_y)
        y = rows[gap].y() if gap < len(rows) else rows[-1].geometry().bottom() - 1
        self._line.setGeometry(QRect(0, max(y - 1, 0), self._content.width(), 3))
        self._line.raise_()
        self._line.show()

    def _drop(self, lane_id: str, global_y: float) -> None:
        self._line.hide()
        rows = sorted(self._rows, key=lambda other: self._rows[other].y())
        gap, place = self._gap(global_y), rows.index(lane_id)
        index = gap - 1 if gap > place else gap
        if index != place:
            self.moved.emit(lane_id, index)
