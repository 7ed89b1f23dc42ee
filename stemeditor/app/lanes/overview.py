"""The whole song in a strip, and what part of it the lanes show."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from stemeditor.app.labels import ElidingLabel
from stemeditor.app.lanes.lane_header import HEADER_WIDTH
from stemeditor.app.lanes.waveform import waveform_image
from stemeditor.app.theme import Theme, font
from stemeditor.app.viewport import Viewport
from stemeditor.project.model import Project, Song, Sound

OVERVIEW_HEIGHT = 46

_EDGE_PIXELS = 6


class SongName(QFrame):
    """What is open, above the heads of the lanes."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ElidingLabel()
        self.title.setFont(font(14, QFont.Weight.DemiBold))
        self.artist = ElidingLabel()
        self.artist.setProperty("role", "small")
        self.setProperty("role", "bar")
        self.setFixedSize(HEADER_WIDTH, OVERVIEW_HEIGHT)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 0, 8, 0)
        column.setSpacing(1)
        column.addStretch(1)
        column.addWidget(self.title)
        column.addWidget(self.artist)
        column.addStretch(1)

    def show_song(self, song: Song | None) -> None:
        """Show title and artist of a song."""
        artist = song.tags.get("artist", "") if song else ""
        self.title.show_text(song.title if song else "")
        self.artist.show_text(artist)
        self.artist.setVisible(bool(artist))


class Overview(QWidget):
    """Drag the frame to scroll, its edges to zoom; click elsewhere to go there; double-click shows everything."""

    seek_requested = Signal(object)

    def __init__(self, theme: Theme, viewport: Viewport) -> None:
        super().__init__()
        self._theme, self._viewport = theme, viewport
        self._sound: Sound | None = None
        self._image: tuple[tuple[object, ...], QImage] | None = None
        self._playhead = 0
        self._selection: tuple[int, int] | None = None
        self._grip: str | None = None
        self._grip_x = 0.0
        self.setFixedHeight(OVERVIEW_HEIGHT)
        self.setMouseTracking(True)
        self.setAccessibleName("Overview of the song")
        self.setToolTip("Drag the frame to scroll, its edges to zoom. Double-click shows the whole song (Ctrl+0)")
        viewport.listen(self.update)

    def show_project(self, project: Project) -> None:
        """Show the song of a project."""
        self._sound = project.song.sound if project.song else None
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme, self._image = theme, None
        self.update()

    def set_playhead(self, frame: int) -> None:
        """Move the playhead."""
        if frame != self._playhead:
            self._playhead = frame
            self.update()

    def set_selection(self, selection: tuple[int, int] | None) -> None:
        """Show the selected frames."""
        self._selection = selection
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        theme, width, height = self._theme, self.width(), self.height()
        painter.fillRect(self.rect(), QColor(theme.surface))
        if self._sound is None:
            return
        frames = self._viewport.window.frames
        painter.drawImage(QRectF(0, 3, width, height - 7), self._picture(self._sound, frames))
        start, stop = self._edges()
        shade = QColor(theme.window)
        shade.setAlphaF(0.62)
        painter.fillRect(QRectF(0, 0, start, height - 1), shade)
        painter.fillRect(QRectF(stop, 0, width - stop, height - 1), shade)
        if self._selection is not None:
            x0, x1 = (frame / max(frames, 1) * width for frame in self._selection)
            colour = QColor(theme.selection)
            colour.setAlphaF(0.3)
            painter.fillRect(QRectF(x0, 0, max(x1 - x0, 1), height), colour)
        if not self._viewport.whole:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(theme.accent), 1.5))
            painter.drawRoundedRect(QRectF(start + 0.75, 0.75, max(stop - start - 1.5, 2), height - 2.5), 4, 4)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        x = self._playhead / max(frames, 1) * width
        painter.fillRect(QRectF(x, 0, 1.5, height), QColor(theme.playhead))
        painter.fillRect(QRectF(0, height - 1, width, 1), QColor(theme.line))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        if event.button() != Qt.MouseButton.LeftButton or self._sound is None:
            return
        x = event.position().x()
        self._grip, self._grip_x = self._under(x), x
        if self._grip is None:
            frame, half = self._frame(x), self._viewport.window.span / 2
            if self._viewport.whole:
                self.seek_requested.emit(round(frame))
            else:
                self._viewport.show(frame - half, frame + half)
                self._grip = "move"

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        x = event.position().x()
        if self._grip is None:
            shapes = {"start": Qt.CursorShape.SizeHorCursor, "stop": Qt.CursorShape.SizeHorCursor}
            shapes["move"] = Qt.CursorShape.OpenHandCursor
            self.setCursor(shapes.get(self._under(x) or "", Qt.CursorShape.PointingHandCursor))
            return
        window = self._viewport.window
        if self._grip == "move":
            self._viewport.scroll(self._frame(x) - self._frame(self._grip_x))
        elif self._grip == "start":
            self._viewport.show(min(self._frame(x), window.stop - 64), window.stop)
        else:
            self._viewport.show(window.start, max(self._frame(x), window.start + 64))
        self._grip_x = x

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        self._grip = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: D102
        self._viewport.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: D102
        at = self._frame(event.position().x())
        self._viewport.zoom(0.8 ** (event.angleDelta().y() / 120), at)
        event.accept()

    def _picture(self, sound: Sound, frames: int) -> QImage:
        ratio = self.devicePixelRatioF()
        width, height = round(self.width() * ratio), round((self.height() - 7) * ratio)
        key = (sound, sound.peaks.filled, frames, width, height)
        if self._image is None or self._image[0] != key:
            colour = QColor(self._theme.stems["song"])
            self._image = (key, waveform_image(sound.peaks, 0, frames, max(width, 1), max(height, 1), colour))
        return self._image[1]

    def _edges(self) -> tuple[float, float]:
        window = self._viewport.window
        scale = self.width() / max(window.frames, 1)
        return window.start * scale, window.stop * scale

    def _under(self, x: float) -> str | None:
        if self._viewport.whole:
            return None
        start, stop = self._edges()
        if abs(x - start) <= _EDGE_PIXELS:
            return "start"
        if abs(x - stop) <= _EDGE_PIXELS:
            return "stop"
        return "move" if start < x < stop else None

    def _frame(self, x: float) -> float:
        return min(max(x / max(self.width(), 1), 0.0), 1.0) * self._viewport.window.frames
