"""A spectrogram of one stretch, or how two sounds differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from stemeditor.app.controller import Controller
from stemeditor.app.lanes.spectrogram import PictureRequest, colour_table, coloured, paint_axis, paint_levels
from stemeditor.app.theme import Theme
from stemeditor.audio.buffer import Audio
from stemeditor.audio.spectrogram import picture
from stemeditor.jobs.job import Job
from stemeditor.progress import Progress

_WIDEST_DB = 24.0
_QUIET_DB = -78.0


@dataclass(frozen=True, slots=True, eq=False)
class DifferenceRequest:
    """Paint by how much `audio` is louder than `other`, on columns x rows pixels."""

    audio: Audio
    other: Audio
    columns: int
    rows: int


def paint_difference(request: DifferenceRequest, progress: Progress) -> NDArray[np.uint8]:
    """Return (rows, columns): 128 for no difference, 255 for 24 dB louder, 0 for as much softer. A background job.

    What lies below -78 dB in both counts as equal: nobody hears it.
    """
    levels = []
    for audio in (request.audio, request.other):
        progress.check()
        levels.append(np.maximum(picture(audio, 0, audio.frames, request.columns, request.rows), _QUIET_DB))
    apart = (levels[0] - levels[1]) / _WIDEST_DB
    return np.asarray(np.clip(apart, -1.0, 1.0) * 127 + 128, np.uint8)


def difference_table(theme: Theme) -> NDArray[np.uint32]:
    """Return (256,) ARGB values: the ground for no difference, one colour for louder, another for softer."""
    ground, louder, softer = QColor(theme.canvas), QColor(theme.danger), QColor(theme.accent)
    position = np.linspace(-1.0, 1.0, 256)
    parts = []
    for pick in (QColor.red, QColor.green, QColor.blue):
        ends = [pick(softer), pick(ground), pick(louder)]
        parts.append(np.interp(position, [-1.0, 0.0, 1.0], ends).astype(np.uint32))
    red, green, blue = parts
    return (np.uint32(255) << 24 | red << 16 | green << 8 | blue).astype(np.uint32)


class Picture(QWidget):
    """Shows one sound, or the difference of two; painted in the background, with the playhead over it."""

    def __init__(self, controller: Controller, theme: Theme) -> None:
        super().__init__()
        self._controller, self._theme = controller, theme
        self._audio: Audio | None = None
        self._other: Audio | None = None
        self._colour = theme.accent
        self._image: QImage | None = None
        self._job: Job | None = None
        self._share: float | None = None
        self.setMinimumHeight(150)
        self.setAccessibleName("Spectrogram")

    def show_sound(self, audio: Audio | None, colour: str, other: Audio | None = None) -> None:
        """Show a sound in a colour, or, with `other`, by how much it is louder (and where softer) than that."""
        if (audio, other, colour) == (self._audio, self._other, self._colour):
            return
        self._audio, self._other, self._colour = audio, other, colour
        self._paint_anew()

    def stop(self) -> None:
        """Ask for nothing more; called before the picture goes, whose painting would come too late."""
        if self._job is not None:
            self._controller.cancel_job(self._job.id)
            self._job = None

    def set_playhead(self, share: float | None) -> None:
        """Show the playhead at a share (0 to 1) of the stretch; None for none."""
        if share != self._share:
            self._share = share
            self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._paint_anew()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._theme.canvas))
        if self._image is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(QRectF(self.rect()), self._image)
        if self._audio is not None:
            paint_axis(painter, self._theme, self._audio.rate, self.height())
        if self._share is not None:
            painter.setPen(QColor(self._theme.playhead))
            at = round(self._share * (self.width() - 1))
            painter.drawLine(at, 0, at, self.height())
        painter.setPen(QColor(self._theme.line))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _paint_anew(self) -> None:
        self.stop()
        if self._audio is None or self._audio.frames == 0:
            self._image = None
            self.update()
            return
        ratio = self.devicePixelRatioF()
        columns, rows = max(round(self.width() * ratio), 1), max(round(self.height() * ratio), 1)
        if self._other is None:
            request: object = PictureRequest(self._audio, 0, self._audio.frames, columns, rows)
            self._job = self._controller.paint(paint_levels, request, self._painted)
        else:
            request = DifferenceRequest(self._audio, self._other, columns, rows)
            self._job = self._controller.paint(paint_difference, request, self._painted)

    def _painted(self, levels: NDArray[np.uint8]) -> None:
        self._job = None
        if self._other is None:
            table = colour_table(QColor(self._theme.canvas), QColor(self._colour), self._theme.dark)
        else:
            table = difference_table(self._theme)
        self._image = coloured(levels, table)
        self.update()
