"""What all networks here that draw masks have in common: sight, masks, and sound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from stemeditor.nets.fronts import ComplexStft, Points, Sight

Check: TypeAlias = Callable[[], object]


class Masking(nn.Module, ABC):
    """A network that takes stereo sound apart by complex masks on its spectrum.

    Parameters
    ----------
    stems
        How many sources.
    window, hop
        Of the transform, frames.
    points
        The frequency axis of the masks; see `Points`.
    """

    grown: ClassVar[tuple[str, ...]] = ()
    """What the names of parts begin with that change nothing until they learn: a smaller network lacks them."""

    def __init__(self, stems: int, window: int, hop: int, points: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.stems = stems
        self.front = ComplexStft(window, hop)
        self.points = Points(points, self.front.bins)

    def forward(self, sound: Tensor) -> Tensor:
        """Return (batch, stems, 2, frames) of (batch, 2, frames)."""
        spectra = self.front(sound)
        masks = self.masks(spectra)
        return self.front.inverse(self.points.spread(masks) * spectra.unsqueeze(1), sound.shape[-1])

    def masks(self, spectra: Tensor, check: Check = bool) -> Tensor:
        """Return complex (batch, stems, 2, points, hops) of complex (batch, 2, bins, hops).

        Between its parts it calls `check`, which may end the work by an exception.
        """
        return torch.complex(*self.parts(spectra.real, spectra.imag, check))

    @abstractmethod
    def parts(self, real: Tensor, imaginary: Tensor, check: Check = bool) -> tuple[Tensor, Tensor]:
        """Return real and imaginary part of the masks, of those of the spectra; see `masks`."""


class Sharing(Masking):
    """One whose masks share out what there is: they sum to 1, and the stems to the sound.

    What it sees is `Sight`, at the points of its masks.

    Parameters
    ----------
    stems, window, hop, points
        See `Masking`.
    """

    def __init__(self, stems: int, window: int, hop: int, points: Sequence[Sequence[int]]) -> None:
        super().__init__(stems, window, hop, points)
        self.sight = Sight(self.points, window, hop)

    def parts(self, real: Tensor, imaginary: Tensor, check: Check = bool) -> tuple[Tensor, Tensor]:
        """See `Masking`."""
        seen = self.sight(real, imaginary)
        check()
        drawn = self.draw(seen, check).float()
        drawn = drawn.reshape(drawn.shape[0], 2, self.stems, 2, *drawn.shape[2:])
        across, turned = drawn[:, 0], drawn[:, 1]
        # Moved by as much as they need to add up.
        across = across + (1.0 - across.sum(dim=1, keepdim=True)) / self.stems
        return across, turned - turned.mean(dim=1, keepdim=True)

    @abstractmethod
    def draw(self, seen: Tensor, check: Check = bool) -> Tensor:
        """Return (batch, 2 * stems * 2, points, hops) of (batch, `ROWS`, points, hops): what becomes the masks."""
