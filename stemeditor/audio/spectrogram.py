"""Pictures of sound: decibels over time and logarithmic frequency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio
from stemeditor.audio.montage import Montage

LOW_HZ = 40.0
HIGH_HZ = 18000.0
FLOOR_DB = -96.0

_WINDOW_S = 0.07
_SHORTEST_S = 0.012


def row_frequencies(rows: int, low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Return (rows,) the frequency in Hz at the middle of each row, highest first."""
    position = (np.arange(rows)[::-1] + 0.5) / rows
    return low_hz * (high_hz / low_hz) ** position


def top_hz(rate: int) -> float:
    """Return the highest frequency that a picture of sound of that rate shows."""
    return min(HIGH_HZ, rate / 2)


def picture(
    audio: Audio | Montage,
    start: float,
    stop: float,
    columns: int,
    rows: int,
    low_hz: float = LOW_HZ,
    high_hz: float | None = None,
) -> NDArray[np.float32]:
    """Paint the frames [start, stop) as levels.

    One window stands in the middle of each column: 70 ms long where that is finer than a column, shorter when the
    eye is so close that it wants to see time instead. Far out, what lies between two windows is not read, so that the
    cost depends on the picture's size alone. Each row shows the strongest bin of its band; where bins are wider
    than rows, the level is interpolated.

    Parameters
    ----------
    audio
        Mono or stereo; the channels' mean power is shown.
    start, stop
        Frames, may be fractional and may lie outside the sound.
    columns, rows
        Size of the picture, 1 or more.
    low_hz, high_hz
        Lower and upper edge; `top_hz` by default.

    Returns
    -------
    ndarray
        (rows, columns) float32 decibels, row 0 on top, a full-scale sine at 0 dB, `FLOOR_DB` at the least.
    """
    from scipy import fft

    high = min(high_hz or top_hz(audio.rate), audio.rate / 2)
    frames = np.clip((stop - start) / columns * 8 / audio.rate, _SHORTEST_S, _WINDOW_S) * audio.rate
    window_frames = 1 << max(int(np.ceil(np.log2(frames))), 6)
    window = np.hanning(window_frames + 1)[:-1].astype(np.float32)
    centres = start + (np.arange(columns) + 0.5) * ((stop - start) / columns)
    first = np.floor(centres).astype(np.int64) - window_frames // 2
    power = np.zeros((columns, window_frames // 2 + 1), np.float32)
    inside = (first + window_frames > 0) & (first < audio.frames)
    if inside.any():
        blocks = _gather(audio, first[inside], window_frames)
        blocks *= window
        spectra = fft.rfft(blocks, axis=2)
        power[inside] = (spectra.real**2 + spectra.imag**2).mean(axis=0)
    # A sine of full scale has the magnitude sum(window) / 2.
    power *= (2.0 / window.sum()) ** 2
    level = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))
    return np.ascontiguousarray(_to_rows(level, rows, low_hz, high, audio.rate / window_frames).T)


def _gather(audio: Audio | Montage, first: NDArray[np.int64], length: int) -> NDArray[np.float32]:
    """Return (channels, blocks, length): the frames from each of `first` on, silence outside the sound."""
    blocks = np.zeros((audio.channels, len(first), length), np.float32)
    for index, at in enumerate(first):
        low, high = max(int(at), 0), min(int(at) + length, audio.frames)
        blocks[:, index, low - at : high - at] = audio.read(low, high)
    return blocks


def _to_rows(
    level: NDArray[np.float32], rows: int, low_hz: float, high_hz: float, bin_hz: float
) -> NDArray[np.float32]:
    """Bring (columns, bins) linear frequency to (columns, rows) logarithmic, highest first."""
    edges = low_hz * (high_hz / low_hz) ** (np.arange(rows + 1)[::-1] / rows) / bin_hz
    middle = row_frequencies(rows, low_hz, high_hz) / bin_hz
    below = np.clip(np.floor(middle).astype(np.int64), 0, level.shape[1] - 2)
    share = np.clip(middle - below, 0.0, 1.0).astype(np.float32)
    out = level[:, below] * (1 - share) + level[:, below + 1] * share
    lows = np.ceil(edges[1:]).astype(np.int64)
    highs = np.minimum(np.floor(edges[:-1]).astype(np.int64) + 1, level.shape[1])
    wide = np.flatnonzero(highs - lows >= 2)
    if wide.size:
        # The wide rows stand on top, one below the other: their bands abut, so one reduction does them all.
        starts = lows[wide][::-1]
        strongest = np.maximum.reduceat(level[:, : highs[wide[0]]], starts, axis=1)[:, ::-1]
        out[:, wide] = strongest
    return np.maximum(out, np.float32(FLOOR_DB), dtype=np.float32)
