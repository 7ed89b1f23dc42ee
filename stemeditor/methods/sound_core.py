"""What surrounds a network that goes from sound to sound: its length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stemeditor.methods.exported import Array

_SHORTER = 8
"""Frames that a piece may lack: brought from another rate, it is not always as long as it should be."""


@dataclass(frozen=True, slots=True)
class SoundCore:
    """`exported.Core` of a network whose input is (channels, frames) and whose output is (stems, channels, frames).

    Parameters
    ----------
    channels, frames
        Of the sound.
    """

    channels: int
    frames: int

    def example(self) -> Array:
        """Return silence of the shape that it is made for."""
        return np.zeros((self.channels, self.frames), np.float32)

    def fits(self, frames: int) -> bool:
        """Whether so many frames can be computed; much silence behind them would change what they are taken for."""
        return self.frames - _SHORTER <= frames <= self.frames

    def before(self, sound: Array) -> tuple[tuple[Array, ...], int]:
        """Return the sound at its full length."""
        frames = sound.shape[-1]
        lacking = self.frames - frames
        return (np.ascontiguousarray(np.pad(sound, ((0, 0), (0, lacking))) if lacking else sound),), frames

    def after(self, found: tuple[Array, ...], known: int) -> Array:
        """Return what it made of so many frames."""
        return np.array(found[0][..., :known])
