"""What surrounds the networks of ours that draw masks, between spectra and masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemeditor.methods.exported import Array
from stemeditor.nets.description import Description


@dataclass(frozen=True, slots=True)
class MaskingCore:
    """`exported.Core` of a `nets.masking.Masking`: both parts of spectra in one array, and both parts of masks.

    Parameters
    ----------
    description
        Of the network.
    """

    description: Description

    def example(self) -> Array:
        """Return a second; any length would do."""
        window, hop = self.description.window, self.description.hop
        return np.zeros((2, 2, window // 2 + 1, self.description.rate // hop + 1), np.float32)

    def fits(self, hops: int) -> bool:
        """Whether so many hops can be computed: any number."""
        return True

    def before(self, given: Array) -> tuple[tuple[Array, ...], None]:
        """Return the two parts of spectra, (channels, bins, hops) each, of both in one."""
        real, imaginary = given
        return (real, imaginary), None

    def after(self, found: tuple[Array, ...], known: None) -> Array:
        """Return the two parts of the masks in one, (2, stems, channels, points, hops)."""
        return np.stack(found)


def places(description: Description) -> NDArray[np.intp]:
    """Return (bins,) the point that each bin belongs to; what lies above all of them belongs to the last."""
    bins = description.window // 2 + 1
    widths = [width for count, width in description.points for _ in range(count)]
    covered = np.repeat(np.arange(len(widths)), widths)
    return np.concatenate([covered, np.full(bins - len(covered), len(widths) - 1)])
