"""What filters a network has learned, as a picture: which frequencies each of them lets through."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from stemeditor.nets.conv_tasnet import ConvTasNet

FILTERS = "filters.png"

_POINTS = 512
_RANGE_DB = 40.0


def responses(net: ConvTasNet) -> Tensor:
    """Return (filters, frequencies) in dB below each filter's highest, 0 Hz to half the rate, the lowest filters first.

    Both channels count alike.

    Raises
    ------
    ValueError
        If the network's front has no filters of one length.
    """
    power = torch.fft.rfft(net.filters().detach().cpu(), 2 * _POINTS).abs().square().sum(dim=1)
    level_db: Tensor = 10 * (power / power.amax(dim=1, keepdim=True).clamp_min(1e-20)).clamp_min(1e-20).log10()
    return level_db[level_db.argmax(dim=1).argsort(stable=True)]


def write(folder: Path, net: ConvTasNet, rate: int) -> None:
    """Draw them, in the order of their frequencies, as the papers on learned filter banks do."""
    from matplotlib.figure import Figure

    found = responses(net)
    figure = Figure((6, 5), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(
        found.T.numpy(),
        origin="lower",
        aspect="auto",
        extent=(0, len(found), 0, rate / 2000),
        vmin=-_RANGE_DB,
        vmax=0,
        cmap="magma",
    )
    axes.set(xlabel="filter, by frequency", ylabel="kHz")
    figure.colorbar(image, label="dB")
    figure.savefig(folder / FILTERS)
