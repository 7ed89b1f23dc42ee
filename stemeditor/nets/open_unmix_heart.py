"""An Open-Unmix network in a form that other programs than PyTorch can compute for sound of any length."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class OpenUnmixHeart(nn.Module):
    """The same layers; what their authors' program reads off the first sound's shape is left open.

    Parameters
    ----------
    net
        An `openunmix.model.OpenUnmix`.
    """

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, magnitude: Tensor) -> Tensor:
        """Return the stem's magnitudes, (1, channels, bins, hops), of those of the song."""
        net = self.net
        song = magnitude[0].permute(2, 0, 1)
        x = (song[..., : net.nb_bins] + net.input_mean) * net.input_scale
        x = torch.tanh(net.bn1(net.fc1(x.flatten(1)))).unsqueeze(1)
        x = torch.cat([x, net.lstm(x)[0]], dim=-1).squeeze(1)
        x = net.bn3(net.fc3(torch.relu(net.bn2(net.fc2(x)))))
        x = x.reshape(-1, song.shape[1], net.nb_output_bins) * net.output_scale + net.output_mean
        return (torch.relu(x) * song).permute(1, 2, 0).unsqueeze(0)
