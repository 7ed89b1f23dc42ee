"""What surrounds a network that goes from magnitudes to magnitudes, or to masks: how much of them it sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stemeditor.methods.exported import Array

_SHOWN = 50
"""Hops to show an open network when it is put into its form; any number would do."""


@dataclass(frozen=True, slots=True)
class PictureCore:
    """`exported.Core` of a network whose input is (channels, bins, hops).

    Parameters
    ----------
    channels, bins
        What it sees; higher bins it is not shown.
    hops
        How many it sees at once; 0 for as many as there are.
    """

    channels: int
    bins: int
    hops: int = 0

    def example(self) -> Array:
        """Return silence of a shape that it takes."""
        return np.zeros((self.channels, self.bins, self.hops or _SHOWN), np.float32)

    def fits(self, hops: int) -> bool:
        """Whether so many hops can be seen at once."""
        return not self.hops or hops <= self.hops

    def before(self, picture: Array) -> tuple[tuple[Array, ...], int]:
        """Return what the network sees, silence behind it where it is too short."""
        hops = picture.shape[-1]
        seen = picture[:, : self.bins]
        missing = max(self.hops - hops, 0)
        return (np.ascontiguousarray(np.pad(seen, ((0, 0), (0, 0), (0, missing))) if missing else seen),), hops

    def after(self, found: tuple[Array, ...], known: int) -> Array:
        """Return what it made of so many hops."""
        return np.array(found[0][..., :known])
