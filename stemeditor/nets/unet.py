"""A U-Net over the spectrogram: patterns of growing size found in the picture of the song, and masks from them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stemeditor.nets.description import HOP, POINTS, WINDOW
from stemeditor.nets.fronts import ROWS
from stemeditor.nets.masking import Check, Masking

_LEAK = 0.1
_BROAD = 3


class UNet(Masking):
    """Convolutions that halve time and frequency with every layer, and such that double them again.

    What every layer found is handed across to the layer of the same size on the way up, down to the picture itself.
    Two things make up for what a convolution does not know. It does not know where on the frequency axis it is: every
    layer adds a learned value a channel and row. And it does not see far along that axis, over which a voice spreads
    its harmonics: the deeper layers end with a matrix over all rows, the same for every channel and moment.

    Parameters
    ----------
    stems, window, hop, points
        See `Masking`.
    widths
        Channels of the layers, from the largest picture to the smallest.
    kernel
        Rows and columns that a convolution sees on the way down, odd.

    References
    ----------
    A. Jansson et al., Singing voice separation with deep U-Net convolutional networks, ISMIR 2017.
    W. Choi et al., Investigating U-Nets with various intermediate blocks for spectrogram-based singing voice
    separation, ISMIR 2020 (the matrix over the rows).
    """

    def __init__(
        self,
        stems: int = 4,
        window: int = WINDOW,
        hop: int = HOP,
        points: Sequence[Sequence[int]] = POINTS,
        widths: Sequence[int] = (16, 32, 64, 96, 128),
        kernel: int = 5,
    ) -> None:
        super().__init__(stems, window, hop, points)
        self.scale = 2 ** len(widths)
        rows = -(-self.points.count // self.scale) * self.scale
        self.rows = rows
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before = ROWS
        for depth, width in enumerate(widths):
            rows //= 2
            self.down.append(_Down(before, width, rows, kernel, broad=len(widths) - depth <= _BROAD))
            before = width
        for width in (*reversed(widths[:-1]), widths[0]):
            self.up.append(_Up(before, width))
            before = 2 * width
        self.head = nn.Conv2d(widths[0] + ROWS, 4 * stems, 3, padding=1)
        self.places = nn.Parameter(torch.zeros(4 * stems, self.points.count, 1))
        # It begins with equal masks, not with random ones.
        nn.init.zeros_(self.head.weight)
        if self.head.bias is not None:
            nn.init.zeros_(self.head.bias)

    def draw(self, seen: Tensor, check: Check = bool) -> Tensor:
        """Return what becomes the masks; see `Masking`."""
        points, hops = seen.shape[-2:]
        x = nn.functional.pad(seen, (0, -hops % self.scale, 0, self.rows - points))
        # The layout in which convolutions are fastest on every processor that was tried.
        x = x.contiguous(memory_format=torch.channels_last)
        kept = [x]
        for layer in self.down:
            x = layer(x)
            kept.append(x)
            check()
        kept.pop()
        for layer in self.up:
            check()
            x = torch.cat([layer(x), kept.pop()], dim=1)
        drawn: Tensor = self.head(x)
        return drawn[:, :, :points, :hops] + self.places


class _Down(nn.Module):
    """(batch, before, rows, columns) -> (batch, width, rows / 2, columns / 2)."""

    def __init__(self, before: int, width: int, rows: int, kernel: int, broad: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, width, kernel, stride=2, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.places = nn.Parameter(torch.zeros(width, rows, 1))
        self.broad = _Broad(rows, width) if broad else None

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.leaky_relu(self.norm(self.conv(x)) + self.places, _LEAK)
        return x if self.broad is None else x + self.broad(x)


class _Broad(nn.Module):
    """A matrix over the rows of (batch, width, rows, columns), then one over the channels."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.over_rows = nn.Linear(rows, rows)
        self.norm = nn.BatchNorm2d(width)
        self.over_channels = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.over_channels.weight)

    def forward(self, x: Tensor) -> Tensor:
        made = self.over_rows(x.transpose(2, 3)).transpose(2, 3)
        out: Tensor = self.over_channels(nn.functional.leaky_relu(self.norm(made), _LEAK))
        return out


class _Up(nn.Module):
    """(batch, before, rows, columns) -> (batch, width, 2 rows, 2 columns)."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(before, width, 4, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(self.norm(self.conv(x)), _LEAK)
