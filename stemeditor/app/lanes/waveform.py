"""A waveform as a picture: the outline from minimum to maximum, and in it the louder core."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor, QImage

from stemeditor.audio.montage import Montage
from stemeditor.audio.peaks import Peaks, Summary

_TWO_ROWS_FROM = 110
"""Height in device pixels from which left and right are drawn one below the other."""

_BODY = 0.5
"""Opacity of the outline; the core has all."""


def waveform_image(
    peaks: Peaks | Montage,
    start: float,
    stop: float,
    width: int,
    height: int,
    colour: QColor,
    magnification: float = 1.0,
) -> QImage:
    """Paint the frames [start, stop).

    Parameters
    ----------
    peaks
        Of the sound.
    start, stop
        Frames, fractional; outside the sound nothing is painted.
    width, height
        Device pixels.
    colour
        Of the core.
    magnification
        How many times as tall as it is; what is louder than full scale then ends there.

    Returns
    -------
    QImage
        On a transparent ground, edges smoothed.
    """
    summary = peaks.summary(start, stop, width)
    rows = 2 if peaks.channels == 2 and height >= _TWO_ROWS_FROM else 1
    alpha = np.zeros((height, width), np.float32)
    for row in range(rows):
        top, bottom = height * row // rows, height * (row + 1) // rows
        low, high, rms = (
            np.clip(part * np.float32(magnification), -1.0, 1.0) if magnification != 1.0 else part
            for part in _row(summary, row if rows == 2 else None)
        )
        alpha[top:bottom] = _coverage(low, high, rms, bottom - top)
    columns = start + (np.arange(width) + 0.5) * (stop - start) / width
    alpha[:, (columns < 0) | (columns >= peaks.frames)] = 0.0
    return tinted(alpha, colour)


def _row(summary: Summary, channel: int | None) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    if channel is not None:
        return summary.minimum[channel], summary.maximum[channel], summary.rms[channel]
    return summary.minimum.min(axis=0), summary.maximum.max(axis=0), summary.rms.max(axis=0)


def _coverage(
    low: NDArray[np.float32], high: NDArray[np.float32], rms: NDArray[np.float32], height: int
) -> NDArray[np.float32]:
    """Return (height, columns) opacities: how much of each pixel the outline and the core cover."""
    joined_low, joined_high = low.copy(), high.copy()
    # Neighbouring columns always touch, or a steep wave seen from near would fall into dots.
    joined_low[1:] = np.minimum(low[1:], high[:-1])
    joined_high[1:] = np.maximum(high[1:], low[:-1])
    middle, scale = np.float32(height / 2), np.float32(height / 2 - 2)
    body = _band(middle - joined_high * scale, middle - joined_low * scale, height)
    core = _band(middle - np.minimum(rms, high) * scale, middle - np.maximum(-rms, low) * scale, height)
    return np.maximum(body * np.float32(_BODY), core)


def _band(top: NDArray[np.float32], bottom: NDArray[np.float32], height: int) -> NDArray[np.float32]:
    thin = np.maximum(1.0 - (bottom - top), 0.0) / 2
    top, bottom = top - thin, bottom + thin
    rows = np.arange(height, dtype=np.float32)[:, np.newaxis]
    found: NDArray[np.float32] = np.clip(np.minimum(bottom, rows + 1) - np.maximum(top, rows), 0.0, 1.0)
    return found


def tinted(alpha: NDArray[np.float32], colour: QColor) -> QImage:
    """Return an image of one colour with these opacities (height, width)."""
    height, width = alpha.shape
    levels = np.clip(alpha, 0.0, 1.0)
    pixels = np.empty((height, width, 4), np.uint8)
    for index, part in enumerate((colour.blueF(), colour.greenF(), colour.redF(), 1.0)):
        pixels[:, :, index] = (levels * np.float32(part * 255) + 0.5).astype(np.uint8)
    return QImage(pixels.data, width, height, width * 4, QImage.Format.Format_ARGB32_Premultiplied).copy()
