"""What all networks here that go from sound to sound have in common: level, length, and how they begin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

_QUIETEST = 1e-8


class Sounding(nn.Module, ABC):
    """A network that takes stereo sound apart, whatever lies between.

    The song is brought to one level first, that of the half sum of its channels over all that is heard at once, and
    what is found is brought back: so a song is separated alike at any level, and silence stays silent.

    Parameters
    ----------
    stems
        How many sources.
    """

    levelled: ClassVar[bool] = True
    """Whether that is done: one that knows only the past cannot know how loud a song will be."""

    def __init__(self, stems: int) -> None:
        super().__init__()
        self.stems = stems

    def forward(self, sound: Tensor) -> Tensor:
        """Return (batch, stems, 2, frames) of (batch, 2, frames); they need not add up to the sound."""
        if not self.levelled:
            return self.separated(sound)
        level = sound.mean(dim=1, keepdim=True).std(dim=-1, keepdim=True, correction=0)
        # What stands in both channels with opposite signs is sound, too.
        level = level.maximum(sound.square().mean(dim=(1, 2), keepdim=True).sqrt() / 2)
        found = self.separated(sound / level.clamp_min(_QUIETEST))
        return found * level[:, None]

    @abstractmethod
    def separated(self, sound: Tensor) -> Tensor:
        """Return (batch, stems, 2, frames) of (batch, 2, frames) of a level of about 1; any number of frames."""


def filled(sound: Tensor, multiple: int, least: int = 0) -> Tensor:
    """Return (..., frames) with silence behind it, so that it is a multiple of something, and no shorter than that."""
    frames = sound.shape[-1]
    return functional.pad(sound, (0, max(-frames % multiple, least - frames)))


def xavier(net: nn.Module) -> None:
    """Draw all matrices of a network as Glorot and Bengio do (2010), so that levels stay from layer to layer."""
    for value in net.parameters():
        if value.ndim > 1:
            nn.init.xavier_normal_(value)
