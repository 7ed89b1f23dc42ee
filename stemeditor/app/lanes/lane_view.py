"""What is seen of a lane: waveform or spectrogram, selection, playhead."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QImage,
    QPainter,
    QPaintEvent,
)

from stemeditor.app.lanes import marks
from stemeditor.app.lanes.canvas import Canvas
from stemeditor.app.lanes.lane_header import SPECTROGRAM, WAVEFORM
from stemeditor.app.lanes.ruler import ticks
from stemeditor.app.lanes.spectrogram import (
    PictureRequest,
    band_places,
    colour_table,
    coloured,
    paint_axis,
    paint_levels,
)
from stemeditor.app.lanes.tiles import TILE_PIXELS, Tiles, visible
from stemeditor.app.lanes.waveform import waveform_image
from stemeditor.app.lanes.writing import width_of, write
from stemeditor.app.theme import Theme, stem_colour
from stemeditor.app.viewport import Viewport
from stemeditor.audio.montage import Montage
from stemeditor.project.cutting import edited, missing
from stemeditor.project.model import Lane

Compute = Callable[[Callable[..., Any], object, Callable[[Any], None]], Any]
"""(work, request, done) -> something to cancel: runs work(request, progress), then done(result) in this thread."""

_SHADOW = 0.4
"""Opacity of what was there before a lane was edited."""

_MOST_LOOKS = 200

_LEGIBLE_PIXELS = 80
"""Height from which on frequencies are written over a spectrogram."""

_WORDS_PIXELS = 64
"""Width at either edge that what is written there has room in: a playhead elsewhere does not have it written anew."""


class LaneView(Canvas):
    """Paints one lane."""

    def __init__(self, theme: Theme, viewport: Viewport, lane: Lane, compute: Compute) -> None:
        super().__init__(viewport, lane)
        self.heard = True
        self._theme, self._compute = theme, compute
        self._tiles = Tiles()
        self._pending: dict[Hashable, Any] = {}
        self._table = colour_table(QColor(theme.canvas), stem_colour(lane.role, theme), theme.dark)
        self._picture = lane.picture
        self._looks: dict[tuple[float, float], Hashable] = {}
        self._filled: int | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumHeight(64)
        viewport.listen(self.repaint_all)
        self.show_lane(lane, None, True)

    # What it shows

    def show_lane(self, lane: Lane, filled: int | None, heard: bool) -> None:
        """Show a lane; of a growing one the frames [0, filled); dimmed if it is not heard."""
        if lane.sound is not self.lane.sound:
            self._forget()
        before = (self.lane.sound, self.lane.takes, self._filled, self.heard)
        same = before == (lane.sound, lane.takes, filled, heard)
        if not same:
            self._picture = lane.picture
            self._looks.clear()
        self.lane, self._filled, self.heard = lane, filled, heard
        self.setAccessibleName(f"{lane.name} {self.view}")
        if not same:
            self.update()

    def set_view(self, view: str) -> None:
        """Show "waveform" or "spectrogram"."""
        if view != self.view:
            self.view = view
            self._cancel_pending()
            self.setAccessibleName(f"{self.lane.name} {view}")
            self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = theme
        self._table = colour_table(QColor(theme.canvas), stem_colour(self.lane.role, theme), theme.dark)
        self._forget()
        self.update()

    def close_jobs(self) -> None:
        """Ask for nothing more; the lane is going away."""
        self._cancel_pending()

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        theme, width, height = self._theme, self.width(), self.height()
        dirty = event.rect()
        painter.fillRect(dirty, QColor(theme.canvas))
        if self._viewport.window.frames:
            painter.setOpacity(1.0 if self.heard else 0.32)
            self._paint_tiles(painter, dirty)
            painter.setOpacity(1.0)
            if self._filled is not None and self._filled < self._viewport.window.frames:
                x = max(self._viewport.window.x(self._filled, width), 0.0)
                marks.paint_unfilled(painter, theme, x, width, height)
            if self.view == SPECTROGRAM and height >= _LEGIBLE_PIXELS and dirty.left() < _WORDS_PIXELS:
                paint_axis(painter, self._theme, self.lane.sound.audio.rate, height)
            self._paint_marks(painter)
            magnification = self._viewport.magnification
            if self.view == WAVEFORM and magnification > 1.0 and dirty.right() > width - _WORDS_PIXELS:
                text = f"{magnification:.3g}×"
                write(painter, theme, QPointF(width - width_of(text) - 8, 16), text)
        painter.fillRect(QRectF(0, height - 1, width, 1), QColor(theme.line))

    def _paint_tiles(self, painter: QPainter, dirty: QRect) -> None:
        ratio = self.devicePixelRatioF()
        window = self._viewport.window
        width, height = round(self.width() * ratio), round((self.height() - 1) * ratio)
        if width < 1 or height < 1:
            return
        # Scrolling leaves rounding in the last digits of the span; as another zoom it would paint every tile anew.
        zoom = float(f"{window.span / width:.9g}")
        offset = round(window.start / zoom)
        wanted = set()
        for number in visible(offset, width):
            x = (number * TILE_PIXELS - offset) / ratio
            if self.view == WAVEFORM and not dirty.intersects(
                QRect(int(x) - 1, 0, int(TILE_PIXELS / ratio) + 2, self.height())
            ):
                continue
            image, key = self._tile(number, zoom, height)
            wanted.add(key)
            if image is not None:
                painter.drawImage(QRectF(x, 0, TILE_PIXELS / ratio, height / ratio), image)
        if self.view == SPECTROGRAM:
            for key in set(self._pending) - wanted:
                self._pending.pop(key).cancel()
        else:
            painter.fillRect(QRectF(0, self.height() / 2, self.width(), 1), self._faint())

    def _tile(self, number: int, zoom: float, height: int) -> tuple[QImage | None, Hashable]:
        start, stop = number * TILE_PIXELS * zoom, (number + 1) * TILE_PIXELS * zoom
        filled = min(self._filled if self._filled is not None else self.lane.sound.peaks.filled, int(stop) + 1)
        magnification = self._viewport.magnification if self.view == WAVEFORM else 1.0
        key = (self.view, number, zoom, height, filled, magnification, self._look(start, stop))
        image = self._tiles.get(key)
        if image is not None or filled <= start:
            return image, key
        if self.view == WAVEFORM:
            image = self._waveform(start, stop, height, magnification)
            self._tiles.put(key, image)
        elif key not in self._pending:
            request = PictureRequest(self.lane.content, start, stop, TILE_PIXELS, height)
            sound = self.lane.sound

            def done(levels: Any) -> None:
                self._pending.pop(key, None)
                if self.lane.sound is sound:
                    self._tiles.put(key, coloured(levels, self._table))
                    self.update()

            self._pending[key] = None
            job = self._compute(paint_levels, request, done)
            if key in self._pending:
                self._pending[key] = job
            image = self._tiles.get(key)
        return image, key

    def _look(self, start: float, stop: float) -> Hashable:
        """Return what decides how a stretch looks, besides the sound of the lane; None if nothing else does."""
        if not isinstance(self._picture, Montage):
            return None
        if len(self._looks) > _MOST_LOOKS:
            self._looks.clear()
        if (start, stop) not in self._looks:
            changed = edited(self.lane, start, stop)
            self._looks[start, stop] = self._picture.look(start, stop) if changed else None
        return self._looks[start, stop]

    def _waveform(self, start: float, stop: float, height: int, magnification: float) -> QImage:
        """Paint a stretch as a waveform; where it was edited, over a shadow of what was there before."""
        size = (TILE_PIXELS, height)
        colour = stem_colour(self.lane.role, self._theme)
        image = waveform_image(self._picture, start, stop, *size, colour, magnification)
        if self._look(start, stop) is None:
            return image
        shadow = waveform_image(self.lane.sound.peaks, start, stop, *size, QColor(self._theme.muted), magnification)
        both = QImage(image.size(), image.format())
        both.fill(Qt.GlobalColor.transparent)
        painter = QPainter(both)
        painter.setOpacity(_SHADOW)
        for first, last in missing(self.lane):
            x0, x1 = (
                round(min(max((edge - start) / (stop - start), 0.0), 1.0) * TILE_PIXELS) for edge in (first, last)
            )
            painter.drawImage(QRect(x0, 0, x1 - x0, height), shadow, QRect(x0, 0, x1 - x0, height))
        painter.setOpacity(1.0)
        painter.drawImage(0, 0, image)
        painter.end()
        return both

    def _paint_marks(self, painter: QPainter) -> None:
        window, width, height = self._viewport.window, self.width(), self.height()
        theme = self._theme
        if self.view == WAVEFORM:
            rate = self.lane.sound.audio.rate
            marks.paint_grid(
                painter, theme, (window.x(at_s * rate, width) for at_s in ticks(window, rate, width)[1]), height
            )
        marks.paint_takes(painter, theme, self.lane, window, width, height)
        if self._selection is not None:
            x0, x1 = (window.x(frame, width) for frame in self._selection)
            band = self._band if self.view == SPECTROGRAM else None
            top, bottom = band_places(band, self.lane.sound.audio.rate) if band is not None else (0.0, 1.0)
            place = QRectF(x0, top * height, max(x1 - x0, 1), (bottom - top) * height)
            marks.paint_selection(painter, theme, place, band is not None, self._current)
        x = window.x(self._playhead, width)
        if -1 <= x <= width + 1:
            painter.fillRect(QRectF(round(x), 0, 1.5, height), QColor(theme.playhead))

    def _faint(self) -> QColor:
        colour = stem_colour(self.lane.role, self._theme)
        colour.setAlphaF(0.25)
        return colour

    def repaint_all(self) -> None:
        """Paint anew: the viewport moved."""
        self.update()

    def _forget(self) -> None:
        self._tiles.clear()
        self._cancel_pending()

    def _cancel_pending(self) -> None:
        for job in self._pending.values():
            if job is not None:
                job.cancel()
        self._pending.clear()
