"""A U-Net over the spectrogram: patterns of growing size found in the picture of the song, and masks from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from stemeditor.nets.description import HOP, POINTS, WINDOW
from stemeditor.nets.fronts import ROWS
from stemeditor.nets.masking import Check, Sharing

_LEAK = 0.1
_BROAD = 3
_REMEMBERED = 2
"""The layer whose moments are compared: each is eight hops long, 0.2 s."""

_HEADS = 4


class UNet(Sharing):
    """Convolutions that halve time and frequency with every layer, and such that double them again.

    What every layer found is handed across to the layer of the same size on the way up, down to the picture itself.
    Three things make up for what a convolution does not know. It does not know where on the frequency axis it is: every
    layer adds a learned value a channel and row. It does not see far along that axis, over which a voice spreads its
    harmonics: the deeper layers end with a matrix over all rows, the same for every channel and moment. And it does not
    remember what it heard some bars ago: one layer asks all others moments for what was like this one.

    Parameters
    ----------
    stems, window, hop, points
        See `Sharing`.
    widths
        Channels of the layers, from the largest picture to the smallest.
    kernel
        Rows and columns that a convolution sees on the way down, odd.
    blocks
        Pairs of convolutions that every layer's picture goes through besides, each adding to it.
    memory
        Features by which moments are compared; 0 for no memory.

    What blocks and memory add is nothing at first: a network with them can go on from the weights of one without.

    References
    ----------
    A. Jansson et al., Singing voice separation with deep U-Net convolutional networks, ISMIR 2017.
    W. Choi et al., Investigating U-Nets with various intermediate blocks for spectrogram-based singing voice
    separation, ISMIR 2020 (the matrix over the rows, blocks within layers).
    A. Vaswani et al., Attention is all you need, NeurIPS 2017 (the memory).
    """

    grown = ("behind_down.", "behind_up.", "memory.")

    def __init__(
        self,
        stems: int = 4,
        window: int = WINDOW,
        hop: int = HOP,
        points: Sequence[Sequence[int]] = POINTS,
        widths: Sequence[int] = (16, 32, 64, 96, 128),
        kernel: int = 5,
        blocks: int = 0,
        memory: int = 0,
    ) -> None:
        super().__init__(stems, window, hop, points)
        self.scale = 2 ** len(widths)
        rows = -(-self.points.count // self.scale) * self.scale
        self.rows = rows
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        # The blocks of every layer, in the layers' order.
        self.behind_down, self.behind_up = nn.ModuleList(), nn.ModuleList()
        self.memory: _Memory | None = None
        before = ROWS
        for depth, width in enumerate(widths):
            rows //= 2
            self.down.append(_Down(before, width, rows, kernel, broad=len(widths) - depth <= _BROAD))
            self.behind_down.append(nn.ModuleList(_Pair(width, width) for _ in range(blocks)))
            if memory and depth == _REMEMBERED:
                self.memory = _Memory(width * rows, memory)
            before = width
        kept = (*widths[-2::-1], ROWS)
        for width, other in zip((*widths[-2::-1], widths[0]), kept, strict=True):
            self.up.append(_Up(before, width))
            self.behind_up.append(nn.ModuleList(_Pair(width + other, width) for _ in range(blocks)))
            before = width + other
        self.head = nn.Conv2d(widths[0] + ROWS, 4 * stems, 3, padding=1)
        self.places = nn.Parameter(torch.zeros(4 * stems, self.points.count, 1))
        # It begins with equal masks, not with random ones.
        nn.init.zeros_(self.head.weight)
        if self.head.bias is not None:
            nn.init.zeros_(self.head.bias)

    def draw(self, seen: Tensor, check: Check = bool) -> Tensor:
        """Return what becomes the masks; see `Sharing`."""
        points, hops = seen.shape[-2:]
        x = nn.functional.pad(seen, (0, -hops % self.scale, 0, self.rows - points))
        # The layout in which convolutions are fastest on every processor that was tried.
        x = x.contiguous(memory_format=torch.channels_last)
        kept = [x]
        for depth, (layer, behind) in enumerate(zip(self.down, self.behind_down, strict=True)):
            x = layer(x)
            for pair in cast(nn.ModuleList, behind):
                x = x + pair(x)
            if self.memory is not None and depth == _REMEMBERED:
                x = x + self.memory(x)
            kept.append(x)
            check()
        kept.pop()
        for layer, behind in zip(self.up, self.behind_up, strict=True):
            check()
            x, across = layer(x), kept.pop()
            for pair in cast(nn.ModuleList, behind):
                x = x + pair(torch.cat([x, across], dim=1))
            x = torch.cat([x, across], dim=1)
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


class _Pair(nn.Module):
    """Two convolutions: (batch, before, rows, columns) -> (batch, width, rows, columns), which is nothing at first."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        if self.second.bias is not None:
            nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(nn.functional.leaky_relu(self.norm(self.first(x)), _LEAK))
        return out


class _Memory(nn.Module):
    """What was heard when it sounded like now: attention between the moments of (batch, width, rows, columns).

    It gives the same shape, and nothing at first.
    """

    def __init__(self, size: int, features: int) -> None:
        super().__init__()
        if features % _HEADS:
            raise ValueError(f"{features} features are not {_HEADS} equal parts")
        self.norm = nn.LayerNorm(size)
        self.told = nn.Linear(size, 3 * features)
        self.added = nn.Linear(features, size)
        nn.init.zeros_(self.added.weight)
        nn.init.zeros_(self.added.bias)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, rows, columns = x.shape
        moments = x.permute(0, 3, 1, 2).reshape(batch, columns, width * rows)
        told = self.told(self.norm(moments))
        # (batch, heads, columns, features of a head), three times: what is sought, offered, and told.
        sought, offered, known = (
            part.reshape(batch, columns, _HEADS, -1).transpose(1, 2) for part in told.chunk(3, dim=-1)
        )
        found = nn.functional.scaled_dot_product_attention(sought, offered, known)
        added: Tensor = self.added(found.transpose(1, 2).reshape(batch, columns, -1))
        return added.reshape(batch, columns, width, rows).permute(0, 2, 3, 1)


class _Up(nn.Module):
    """(batch, before, rows, columns) -> (batch, width, 2 rows, 2 columns)."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(before, width, 4, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(self.norm(self.conv(x)), _LEAK)
