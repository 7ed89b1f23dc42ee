"""The left end of a lane: name, mute, solo, gain, pan, view, meter."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFont,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QToolButton, QWidget

from stemeditor.app.lanes.controls import Meter, gain_of, gain_slider, gain_text, pan_short, pan_slider
from stemeditor.app.lanes.in_place import InPlaceEdit
from stemeditor.app.theme import Theme, font, icon, stem_colour
from stemeditor.project.model import Lane

HEADER_WIDTH = 236

WAVEFORM = "waveform"
SPECTROGRAM = "spectrogram"

_CURRENT_PIXELS = 2
_FIELD_EDGE = 7


class LaneHeader(QWidget):
    """The controls of one lane. Tells what the user wants, changes nothing by itself."""

    gain_changed = Signal(str, object)
    pan_changed = Signal(str, object)
    drag_ended = Signal()
    mute_changed = Signal(str, object)
    solo_changed = Signal(str, object)
    solo_only_requested = Signal(str)
    renamed = Signal(str, object)
    view_changed = Signal(str, object)
    chosen = Signal(str)
    dragged = Signal(str, object)
    """(lane id, global y) while the handle is dragged."""
    dropped = Signal(str, object)
    """(lane id, global y) when it is let go."""
    menu_requested = Signal(object)
    """(QPoint): where on screen; the lane was chosen before."""

    def __init__(self, theme: Theme, lane: Lane) -> None:
        super().__init__()
        self.lane = lane
        self.current = False
        self._theme = theme
        self._dragging = False
        self.setFixedWidth(HEADER_WIDTH)
        self.name = InPlaceEdit("Double-click (F2) to rename")
        self.name.setFont(font(13, QFont.Weight.DemiBold))
        self.mute = self._switch("M", "mute", "Mute (M)")
        self.solo = self._switch("S", "solo", "Solo (S); Ctrl+click solos this lane alone")
        self.view = QToolButton()
        self.view.setProperty("role", "flat")
        self.view.setCheckable(True)
        self.view.setFixedSize(26, 22)
        self.view.setIconSize(QSize(16, 16))
        self.gain = gain_slider()
        self.pan = pan_slider()
        self.gain_label = InPlaceEdit("Double-click (G) to type a level")
        self.gain_label.setProperty("role", "level")
        self.gain_label.setFont(font(12, figures=True))
        self.gain_label.setFixedWidth(66)
        self.gain_label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.pan_label = QLabel()
        self.pan_label.setProperty("role", "small")
        # In line with the level above, which is a field with edges.
        self.pan_label.setContentsMargins(0, 0, _FIELD_EDGE, 0)
        self.meter = Meter(theme)
        self._arrange()
        self.name.written.connect(self._renamed)
        self.gain_label.written.connect(self._level_written)
        self.mute.clicked.connect(self._muted)
        self.solo.clicked.connect(self._soloed)
        self.view.clicked.connect(self._viewed)
        self.gain.edited.connect(self._gained)
        self.pan.edited.connect(self._panned)
        self.gain.released.connect(self.drag_ended)
        self.pan.released.connect(self.drag_ended)
        self.show_lane(lane)
        self.set_theme(theme)

    def show_lane(self, lane: Lane) -> None:
        """Show the lane's state."""
        self.lane = lane
        self.name.show_text(lane.name, f"{lane.name} name")
        self.mute.setChecked(lane.muted)
        self.solo.setChecked(lane.soloed)
        self.gain.show_amount(lane.gain)
        self.pan.show_amount(lane.pan)
        self._show_level(lane.gain)
        self.pan_label.setText(pan_short(lane.pan))
        self.mute.setAccessibleName(f"Mute {lane.name}")
        self.solo.setAccessibleName(f"Solo {lane.name}")
        self.view.setAccessibleName(f"{lane.name} as spectrogram")
        self.meter.setAccessibleName(f"{lane.name} level")
        self.gain.describe(f"{lane.name} gain")
        self.pan.describe(f"{lane.name} pan")
        self.setAccessibleName(lane.name)

    def show_view(self, view: str) -> None:
        """Show whether the lane is a waveform or a spectrogram."""
        spectral = view == SPECTROGRAM
        self.view.setChecked(spectral)
        self.view.setIcon(icon(WAVEFORM if spectral else SPECTROGRAM, self._theme.muted, 16))
        self.view.setToolTip("Show the waveform (W)" if spectral else "Show the spectrogram (W)")

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = theme
        self.meter.set_theme(theme)
        self.show_view(SPECTROGRAM if self.view.isChecked() else WAVEFORM)
        self.update()

    def set_current(self, current: bool) -> None:
        """Show whether keys act on this lane."""
        if current != self.current:
            self.current = current
            self.update()

    def stops(self) -> list[QWidget]:
        """Return what Tab goes through, as the eye does."""
        return [self.view, self.mute, self.solo, self.gain, self.pan]

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: D102
        self.chosen.emit(self.lane.id)
        self.menu_requested.emit(event.globalPos())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        theme = self._theme
        painter.fillRect(self.rect(), QColor(theme.raised if self.current else theme.surface))
        painter.fillRect(QRectF(0, 0, 4, self.height()), stem_colour(self.lane.role, theme))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.muted))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for row in range(3):
            for column in range(2):
                painter.drawEllipse(QPointF(12 + 5 * column, 18 + 5 * row), 1.1, 1.1)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.fillRect(QRectF(0, self.height() - 1, self.width(), 1), QColor(theme.line))
        if self.current:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.accent), _CURRENT_PIXELS))
            half = _CURRENT_PIXELS / 2
            painter.drawRect(QRectF(4 + half, half, self.width() - 4 - 2 * half, self.height() - 1 - 2 * half))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        self.chosen.emit(self.lane.id)
        self._dragging = event.button() == Qt.MouseButton.LeftButton and event.position().x() < 24

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        if self._dragging:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self.dragged.emit(self.lane.id, event.globalPosition().y())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        if self._dragging:
            self._dragging = False
            self.unsetCursor()
            self.dropped.emit(self.lane.id, event.globalPosition().y())

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(4)
        top.addWidget(self.name, 1)
        for button in (self.view, self.mute, self.solo):
            top.addWidget(button)
        grid = QGridLayout(self)
        grid.setContentsMargins(24, 6, 8, 7)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        grid.addLayout(top, 0, 0, 1, 2)
        grid.addWidget(self.gain, 1, 0)
        grid.addWidget(self.gain_label, 1, 1)
        grid.addWidget(self.pan, 2, 0)
        grid.addWidget(self.pan_label, 2, 1, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(self.meter, 0, 2, 4, 1)
        grid.setRowStretch(3, 1)

    def _switch(self, text: str, mixer: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setCheckable(True)
        button.setProperty("role", "switch")
        button.setProperty("mixer", mixer)
        button.setFixedSize(26, 22)
        button.setToolTip(tip)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        return button

    def _renamed(self, text: str) -> None:
        self.renamed.emit(self.lane.id, text)

    def _show_level(self, gain: float) -> None:
        self.gain_label.show_text(gain_text(gain), f"{self.lane.name} level in decibels")

    def _level_written(self, text: str) -> None:
        gain = gain_of(text)
        if gain is not None:
            self.chosen.emit(self.lane.id)
            self.gain_changed.emit(self.lane.id, gain)
            self.drag_ended.emit()

    def _muted(self, on: bool) -> None:
        self.chosen.emit(self.lane.id)
        self.mute_changed.emit(self.lane.id, on)

    def _soloed(self, on: bool) -> None:
        from PySide6.QtWidgets import QApplication

        self.chosen.emit(self.lane.id)
        if QApplication.keyboardModifiers() & Qt.KeyboardModifier.ControlModifier:
            self.solo.setChecked(self.lane.soloed)
            self.solo_only_requested.emit(self.lane.id)
        else:
            self.solo_changed.emit(self.lane.id, on)

    def _viewed(self, on: bool) -> None:
        self.view_changed.emit(self.lane.id, SPECTROGRAM if on else WAVEFORM)

    def _gained(self, value: float) -> None:
        self._show_level(value)
        self.gain_changed.emit(self.lane.id, value)

    def _panned(self, value: float) -> None:
        self.pan_label.setText(pan_short(value))
        self.pan_changed.emit(self.lane.id, value)
