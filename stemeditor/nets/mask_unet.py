"""The U-Net that began it: a network a stem, which draws a mask on the magnitudes of a spectrum."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemeditor.nets.blocks import Gate
from stemeditor.nets.description import HOP, WINDOW
from stemeditor.nets.masking import Check, Masking

_LEAK = 0.2
_QUIETEST = 1e-6
_DROPPED = 3
"""Of the layers on the way back, the first so many forget half of what they are given while they learn."""


class MaskUNet(Masking):
    """Masks between 0 and 1 for every stem; what a stem sounds like keeps the phase of the song.

    Parameters
    ----------
    stems
        How many sources, each with a network of its own.
    window, hop
        Of the transform, frames.
    seen
        How many bins are seen, from 0 Hz up; masks above are the mean of those below, bin by bin in time.
    widths
        Channels of the layers on the way down, each of which halves both axes.
    channels
        Of the sound: 2, which are seen together, or 1, of which each is seen alone.
    attention
        Whether what is handed across passes a gate.
    memory
        Size of an LSTM that goes along time, forth and back, where the picture is smallest; 0 for none.

    References
    ----------
    A. Jansson et al., Singing voice separation with deep U-Net convolutional networks, ISMIR 2017; O. Oktay et al.,
    Attention U-Net: learning where to look for the pancreas, MIDL 2018.
    """

    def __init__(
        self,
        stems: int = 4,
        window: int = WINDOW,
        hop: int = HOP,
        seen: int = 1024,
        widths: Sequence[int] = (16, 32, 64, 128, 256, 512),
        channels: int = 2,
        attention: bool = False,
        memory: int = 0,
    ) -> None:
        above = window // 2 + 1 - seen
        super().__init__(stems, window, hop, ((seen, 1), (1, above)))
        if seen % 2 ** len(widths) or above < 1 or channels not in (1, 2):
            raise ValueError(f"{seen} bins cannot be halved {len(widths)} times or are not there; or channels")
        self.seen, self.channels = seen, channels
        self.nets = nn.ModuleList(_Net(widths, channels, attention, memory, seen) for _ in range(stems))

    def parts(self, real: Tensor, imaginary: Tensor, check: Check = bool) -> tuple[Tensor, Tensor]:
        """See `Masking`."""
        batch, hops = len(real), real.shape[-1]
        power = real[:, :, : self.seen].square() + imaginary[:, :, : self.seen].square()
        level = power.mean(dim=(1, 2, 3), keepdim=True).sqrt()
        magnitude = (power + (_QUIETEST * level).square()).sqrt() / level.clamp_min(_QUIETEST)
        shown = magnitude.reshape(-1, self.channels, self.seen, hops)
        found = []
        for net in self.nets:
            check()
            found.append(net(shown).float())
        # A song whose channels are seen alone is two songs.
        masks = torch.stack(found, dim=1).reshape(batch, -1, self.stems, self.channels, self.seen, hops)
        masks = masks.transpose(1, 2).flatten(2, 3)
        masks = torch.cat([masks, masks.mean(dim=3, keepdim=True)], dim=3)
        return masks, torch.zeros_like(masks)


class _Net(nn.Module):
    """(batch, channels, rows, columns) -> a mask of that shape."""

    def __init__(self, widths: Sequence[int], channels: int, attention: bool, memory: int, rows: int) -> None:
        super().__init__()
        before = (channels, *widths[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 5, 2, 2), nn.BatchNorm2d(b), nn.LeakyReLU(_LEAK))
            for a, b in zip(before, widths, strict=True)
        )
        up = tuple(reversed(before))
        given = (widths[-1], *(2 * width for width in up[:-1]))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 5, 2, 2, output_padding=1) for a, b in zip(given, up, strict=True)
        )
        self.behind = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.5 if at < _DROPPED else 0.0))
            for at, width in enumerate(up[:-1])
        )
        self.gates = nn.ModuleList(Gate(width, width, plane=True) for width in up[:-1]) if attention else None
        self.memory = _Memory(widths[-1] * (rows >> len(widths)), memory) if memory else None

    def forward(self, shown: Tensor) -> Tensor:
        columns = shown.shape[-1]
        x = functional.pad(shown, (0, -columns % 2 ** len(self.down)))
        across = []
        for layer in self.down:
            x = layer(x)
            across.append(x)
        across.pop()
        if self.memory is not None:
            x = x + self.memory(x)
        for level, (layer, behind) in enumerate(zip(self.up, self.behind, strict=False)):
            x, beside = behind(layer(x)), across.pop()
            x = torch.cat([beside if self.gates is None else self.gates[level](beside, x), x], dim=1)
        drawn: Tensor = self.up[-1](x)
        return drawn.sigmoid()[..., :columns]


class _Memory(nn.Module):
    """What is added to (batch, width, rows, columns): an LSTM forth and back along the columns."""

    def __init__(self, size: int, memory: int) -> None:
        super().__init__()
        self.told = nn.Linear(size, memory)
        self.lstm = nn.LSTM(memory, memory, batch_first=True, bidirectional=True)
        self.added = nn.Linear(2 * memory, size)

    def forward(self, x: Tensor) -> Tensor:
        told, _ = self.lstm(self.told(x.flatten(1, 2).transpose(1, 2)))
        added: Tensor = self.added(told).transpose(1, 2)
        return added.reshape(x.shape)
