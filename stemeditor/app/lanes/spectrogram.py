"""A spectrogram as a picture, computed in the background, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QImage, QPainter

from stemeditor.app.lanes.writing import write
from stemeditor.app.theme import Theme
from stemeditor.audio.band import Band
from stemeditor.audio.buffer import Audio
from stemeditor.audio.montage import Montage
from stemeditor.audio.spectrogram import LOW_HZ, picture, top_hz
from stemeditor.progress import Progress

_DARKEST_DB, _BRIGHTEST_DB = -90.0, -12.0

_AXIS_HZ = (100, 1000, 10000)
"""Frequencies that are written beside a spectrogram."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureRequest:
    """Paint the frames [start, stop) of `audio` on columns x rows pixels."""

    audio: Audio | Montage
    start: float
    stop: float
    columns: int
    rows: int


def paint_levels(request: PictureRequest, progress: Progress) -> NDArray[np.uint8]:
    """Return (rows, columns) of 0 (quiet) to 255 (loud). A background job."""
    progress.check()
    level = picture(request.audio, request.start, request.stop, request.columns, request.rows)
    share = (level - _DARKEST_DB) / (_BRIGHTEST_DB - _DARKEST_DB)
    return np.asarray(np.clip(share, 0.0, 1.0) * 255 + 0.5, np.uint8)


def colour_table(ground: QColor, colour: QColor, dark: bool) -> NDArray[np.uint32]:
    """Return (256,) ARGB values from the ground over the lane's colour to the brightest (or, in light, darkest)."""
    end = QColor("#fff7ec") if dark else QColor("#140a1e")
    stops = np.array([0.0, 0.55, 1.0])
    position = np.linspace(0.0, 1.0, 256) ** 1.15
    parts = []
    for pick in (QColor.red, QColor.green, QColor.blue):
        parts.append(np.interp(position, stops, [pick(ground), pick(colour), pick(end)]).astype(np.uint32))
    red, green, blue = parts
    return (np.uint32(255) << 24 | red << 16 | green << 8 | blue).astype(np.uint32)


def coloured(levels: NDArray[np.uint8], table: NDArray[np.uint32]) -> QImage:
    """Return the image of (rows, columns) levels."""
    pixels = np.ascontiguousarray(table[levels])
    height, width = pixels.shape
    return QImage(pixels.data, width, height, width * 4, QImage.Format.Format_RGB32).copy()


def paint_axis(painter: QPainter, theme: Theme, rate: int, height: int) -> None:
    """Write frequencies over the left edge of a spectrogram, so that they can be read on any ground."""
    for frequency_hz in _AXIS_HZ:
        share = axis_share(frequency_hz, rate)
        if share is not None:
            text = f"{frequency_hz // 1000}k" if frequency_hz >= 1000 else str(frequency_hz)
            write(painter, theme, QPointF(6, share * height + 4), text)


def axis_share(frequency_hz: float, rate: int) -> float | None:
    """Return where a frequency stands, 0 at the top to 1 at the bottom; None if it is not in the picture."""
    high = top_hz(rate)
    if not LOW_HZ < frequency_hz < high:
        return None
    return 1.0 - float(np.log(frequency_hz / LOW_HZ) / np.log(high / LOW_HZ))


def band_between(first: float, last: float, rate: int) -> Band:
    """Return the frequencies between two places on the axis, 0 at the top to 1 at the bottom; beyond an end, all."""
    high, low = sorted((first, last))
    span = top_hz(rate) / LOW_HZ
    high_hz = rate / 2 if high <= 0.0 else LOW_HZ * span ** (1.0 - high)
    return Band(0.0 if low >= 1.0 else LOW_HZ * span ** (1.0 - low), high_hz)


def band_places(band: Band, rate: int) -> tuple[float, float]:
    """Return where a band begins and ends on the axis, 0 at the top to 1 at the bottom."""
    high, low = axis_share(band.high_hz, rate), axis_share(band.low_hz, rate)
    return 0.0 if high is None else high, 1.0 if low is None else low


def band_text(band: Band, rate: int) -> str:
    """Return a band in words, such as "1.2 to 4 kHz", "below 800 Hz"."""
    if band.low_hz <= 0.0:
        return f"below {_hz_text(band.high_hz)}"
    if band.high_hz >= rate / 2:
        return f"above {_hz_text(band.low_hz)}"
    low, high = _hz_text(band.low_hz), _hz_text(band.high_hz)
    return f"{low.removesuffix(' ' + high.split()[-1])} to {high}"


def _hz_text(frequency_hz: float) -> str:
    return f"{frequency_hz / 1000:.2g} kHz" if frequency_hz >= 999.5 else f"{frequency_hz:.0f} Hz"
