"""The U-Net of Spleeter: one for each stem, over magnitudes up to 11 kHz."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stemeditor.nets.spleeter_picture import BINS, HOPS

WIDTHS = (16, 32, 64, 128, 256, 512)

_NORM_EPSILON = 1e-3
_RATIO_EPSILON = 1e-10
_LEAK = 0.2


class SpleeterUNet(nn.Module):
    """One stem's network: six steps down, six up, and a last layer as large as the picture.

    What is handed across is what each convolution gave, before its norm; the deepest layer's own norm is never used,
    but published files have it.

    Parameters
    ----------
    elu
        Whether activations are exponential (four and five stems) or leaky (two).

    References
    ----------
    R. Hennequin et al., Spleeter: a fast and efficient music source separation tool with pre-trained models, JOSS 5,
    2020; A. Jansson et al., Singing voice separation with deep U-Net convolutional networks, ISMIR 2017.
    """

    def __init__(self, elu: bool) -> None:
        super().__init__()
        self.elu = elu
        down = (2, *WIDTHS)
        self.down = nn.ModuleList(
            nn.Conv2d(given, taken, 5, 2) for given, taken in zip(down[:-1], down[1:], strict=True)
        )
        self.down_norms = nn.ModuleList(nn.BatchNorm2d(width, _NORM_EPSILON) for width in WIDTHS)
        up = (*reversed(WIDTHS[:-1]), 1)
        given = (WIDTHS[-1], *(2 * width for width in up[:-1]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 5, 2) for a, b in zip(given, up, strict=True))
        self.up_norms = nn.ModuleList(nn.BatchNorm2d(width, _NORM_EPSILON) for width in up)
        self.last = nn.Conv2d(1, 2, 4, dilation=2)

    def forward(self, magnitude: Tensor) -> Tensor:
        """Return (batch, 2, hops, bins) of the same: what the last layer draws, without its sigmoid."""
        skips = []
        x = magnitude
        for number, (layer, norm) in enumerate(zip(self.down, self.down_norms, strict=True)):
            # The published network's borders: one row before, two behind.
            drawn = layer(functional.pad(x, (1, 2, 1, 2)))
            skips.append(drawn)
            if number < len(self.down) - 1:
                x = functional.elu(norm(drawn)) if self.elu else functional.leaky_relu(norm(drawn), _LEAK)
        x = skips.pop()
        for layer, norm in zip(self.up, self.up_norms, strict=True):
            grown = layer(x)[..., 1:-2, 1:-2]
            x = norm(functional.elu(grown) if self.elu else functional.relu(grown))
            if skips:
                x = torch.cat([skips.pop(), x], dim=1)
        found: Tensor = self.last(functional.pad(x, (3, 3, 3, 3)))
        return found


class Spleeter(nn.Module):
    """All networks of a set, and the ratio masks that they make together.

    Parameters
    ----------
    stems
        How many: 2, 4 or 5.
    """

    def __init__(self, stems: int) -> None:
        super().__init__()
        self.joint = stems == 5
        self.nets = nn.ModuleList(SpleeterUNet(elu=stems > 2) for _ in range(stems))

    def forward(self, magnitude: Tensor) -> Tensor:
        """Return masks (batch, stems, 2, bins, hops) of magnitudes (batch, 2, bins, hops), which add up to 1.

        Hops are filled up to a multiple of `HOPS` and seen by pieces of so many; only the lowest `BINS` bins count.
        """
        batch, channels, _, hops = magnitude.shape
        pieces = -(-hops // HOPS)
        seen = functional.pad(magnitude[:, :, :BINS], (0, pieces * HOPS - hops))
        seen = seen.reshape(batch, channels, BINS, pieces, HOPS).permute(0, 3, 1, 4, 2).flatten(0, 1)
        drawn = torch.stack([net(seen) for net in self.nets], dim=1)
        shares = drawn.softmax(dim=1) if self.joint else drawn.sigmoid()
        powers = (shares * seen[:, None]) ** 2
        total = powers.sum(dim=1, keepdim=True) + _RATIO_EPSILON
        masks = (powers + _RATIO_EPSILON / len(self.nets)) / total
        masks = masks.reshape(batch, pieces, len(self.nets), channels, HOPS, BINS).permute(0, 2, 3, 5, 1, 4)
        return masks.reshape(batch, len(self.nets), channels, BINS, pieces * HOPS)[..., :hops]


def from_tensorflow(found: Mapping[str, NDArray[np.float32]], stems: int) -> dict[str, Tensor]:
    """Return the weights of a published checkpoint under the names of `Spleeter`.

    Layers of one kind are numbered through, stem after stem, in the order in which the published program makes them.

    Raises
    ------
    ValueError
        If a layer is missing, or has another shape.
    """
    state: dict[str, Tensor] = {}

    def take(kind: str, number: int, part: str) -> Tensor:
        name = f"{kind}_{number}/{part}" if number else f"{kind}/{part}"
        if name not in found:
            raise ValueError(f"{name} is missing")
        # Height, width, and two numbers of channels, the other way round than here.
        value = found[name]
        return torch.from_numpy(np.ascontiguousarray(value.transpose(3, 2, 0, 1) if value.ndim == 4 else value))

    def convolution(kind: str, number: int, place: str) -> None:
        state[f"{place}.weight"], state[f"{place}.bias"] = take(kind, number, "kernel"), take(kind, number, "bias")

    def norm(number: int, place: str) -> None:
        parts: Sequence[tuple[str, str]] = (
            ("weight", "gamma"),
            ("bias", "beta"),
            ("running_mean", "moving_mean"),
            ("running_var", "moving_variance"),
        )
        for ours, theirs in parts:
            state[f"{place}.{ours}"] = take("batch_normalization", number, theirs)
        state[f"{place}.num_batches_tracked"] = torch.zeros((), dtype=torch.int64)

    for stem in range(stems):
        for layer in range(6):
            convolution("conv2d", 7 * stem + layer, f"nets.{stem}.down.{layer}")
            convolution("conv2d_transpose", 6 * stem + layer, f"nets.{stem}.up.{layer}")
            norm(12 * stem + layer, f"nets.{stem}.down_norms.{layer}")
            norm(12 * stem + 6 + layer, f"nets.{stem}.up_norms.{layer}")
        convolution("conv2d", 7 * stem + 6, f"nets.{stem}.last")
    return state
