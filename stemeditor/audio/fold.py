"""Many channels folded down to two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_HALF_POWER = 0.5**0.5
_SHARES: dict[str, tuple[float, float]] = {
    "L": (1.0, 0.0),
    "R": (0.0, 1.0),
    "C": (_HALF_POWER, _HALF_POWER),
    "E": (0.0, 0.0),
    "l": (_HALF_POWER, 0.0),
    "r": (0.0, _HALF_POWER),
    "c": (0.5, 0.5),
}
_NUMBERS = {3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven", 8: "Eight"}


def matrix(channels: int, order: str = "") -> NDArray[np.float32]:
    """Return the matrix that brings `channels` channels to left and right.

    Parameters
    ----------
    channels
        3 or more.
    order
        One letter a channel: L, R, C (centre), E (low-frequency effects), l, r (surrounds), c (centre surround). If
        it is "", or of another length, the channels count as left, right, left, right ..., and each side is averaged.

    Returns
    -------
    ndarray
        (2, channels). Centre and surrounds come at -3 dB, the low-frequency effects not at all. The sum of several
        loud channels may be over full scale: nothing is clipped or turned down here.

    References
    ----------
    ITU-R BS.775-3, annex 4, table 2.
    """
    if len(order) == channels:
        return np.array([_SHARES[kind] for kind in order], np.float32).T
    out = np.zeros((2, channels), np.float32)
    out[0, 0::2] = 1.0 / len(range(0, channels, 2))
    out[1, 1::2] = 1.0 / len(range(1, channels, 2))
    return out


def notice(channels: int) -> str:
    """Return what the user should know about a file of that many channels; "" for mono and stereo."""
    if channels <= 2:
        return ""
    return f"{_NUMBERS.get(channels, str(channels))} channels were folded down to stereo."
