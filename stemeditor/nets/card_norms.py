"""Norms as a graphics card computes them fast: all of it at the few numbers that there are of a single piece."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_KINDS = {"GroupNorm": False, "MyGroupNorm": True}
"""Classes, and whether their channels come last: the second is of Demucs' transformer."""


class CardNorm(nn.Module):
    """`nn.GroupNorm` without its haste: PyTorch has each mean found by one of a card's hundred processors.

    With few pieces there are few means, and all others wait for the one that looks at millions of numbers.

    Parameters
    ----------
    norm
        With a gain and an offset for each channel.
    last
        Whether the channels are the last axis; then it must be of one group.
    """

    def __init__(self, norm: nn.GroupNorm, last: bool = False) -> None:
        super().__init__()
        if not norm.affine or (last and norm.num_groups > 1):
            raise ValueError(f"not a norm of that kind: {norm}")
        self.groups, self.least, self.last = norm.num_groups, norm.eps, last
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, values: Tensor) -> Tensor:
        """Return (pieces, channels, ...) of as much, or (pieces, ..., channels) where those come last."""
        values = values.float()
        pieces = len(values)
        variance, mean = torch.var_mean(values.reshape(pieces, self.groups, -1), dim=-1, correction=0)
        gain = self.weight.view(self.groups, -1) * (variance + self.least).rsqrt()[..., None]
        offset = self.bias.view(self.groups, -1) - mean[..., None] * gain
        shape = [pieces, *[1] * (values.dim() - 1)]
        shape[-1 if self.last else 1] = -1
        return torch.addcmul(offset.reshape(shape), values, gain.reshape(shape))


def for_card(net: nn.Module) -> nn.Module:
    """Replace the norms of a network by such as a card computes fast; return it."""
    for part in [*net.modules()]:
        for name, layer in [*part.named_children()]:
            if isinstance(layer, nn.GroupNorm) and layer.affine:
                known = _KINDS.get(type(layer).__name__)
                if known is not None and not (known and layer.num_groups > 1):
                    setattr(part, name, CardNorm(layer, last=known))
    return net
