"""The band-split RNN: complex masks from memories along time and across bands of a spectrum."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemeditor.nets.masking import Check, Masking

BANDS_HZ = ((1000.0, 100.0), (4000.0, 250.0), (8000.0, 500.0), (16000.0, 1000.0), (20000.0, 2000.0))
"""Up to which frequency bands are how wide; all that lies above is one more."""

_EPSILON = 1e-5
_QUIETEST = 1e-6


class BandSplitRnn(Masking):
    """Each band of each moment becomes one vector; what follows is memory along time, and exchange across bands.

    Both channels go through it apart, by the same weights. In the end every band of every stem has a small network of
    its own, which draws a complex mask on the band. `BandSplit` is the smaller thing of the kind that was made here.

    Parameters
    ----------
    stems
        How many sources. Its authors train one network a stem; with one body for all of them, it is as Luo and Gu's.
    features
        Length of a band's vector.
    layers
        How many pairs of memories.
    rate
        Of the sound, Hz: where the bands lie.
    window, hop
        Of the transform, frames.

    References
    ----------
    Y. Luo, J. Yu, Music source separation with band-split RNN, IEEE/ACM Trans. ASLP 31, 2023; Y. Luo, R. Gu, Improving
    music source separation with simultaneous input-multiple output and band-split RNN, 2023.
    """

    def __init__(
        self,
        stems: int = 4,
        features: int = 128,
        layers: int = 12,
        rate: int = 44100,
        window: int = 2048,
        hop: int = 512,
    ) -> None:
        super().__init__(stems, window, hop, ((window // 2 + 1, 1),))
        self.widths = bands(rate, window)
        self.readers = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(1, 2 * width, _EPSILON), nn.Conv1d(2 * width, features, 1))
            for width in self.widths
        )
        self.layers = nn.ModuleList(
            nn.ModuleDict({"along": _Memory(features), "across": _Memory(features)}) for _ in range(layers)
        )
        self.writers = nn.ModuleList(_Writer(features, stems, width) for width in self.widths)

    def parts(self, real: Tensor, imaginary: Tensor, check: Check = bool) -> tuple[Tensor, Tensor]:
        """See `Masking`."""
        batch, channels, bins, hops = real.shape
        # (batch, both parts, channels, bins, hops); channels are so many songs.
        both = torch.stack([real, imaginary], dim=1)
        level = both.square().mean(dim=(1, 2, 3, 4), keepdim=True).sqrt()
        songs = (both / level.clamp_min(_QUIETEST)).transpose(1, 2).flatten(0, 1)
        split = torch.split(songs, list(self.widths), dim=2)
        # (songs, bands, features, hops)
        x = torch.stack([reader(part.flatten(1, 2)) for reader, part in zip(self.readers, split, strict=True)], dim=1)
        for layer in self.layers:
            check()
            pair: nn.ModuleDict = layer  # type: ignore[assignment]
            x = x + pair["along"](x)
            x = x + pair["across"](x.transpose(1, 3)).transpose(1, 3)
        drawn = torch.cat([writer(x[:, band]) for band, writer in enumerate(self.writers)], dim=3).float()
        drawn = drawn.reshape(batch, channels, self.stems, 2, bins, hops)
        return drawn[:, :, :, 0].transpose(1, 2), drawn[:, :, :, 1].transpose(1, 2)


def bands(rate: int, window: int) -> tuple[int, ...]:
    """Return how many bins each band has, from 0 Hz up to half of `rate`."""
    bins = window // 2 + 1
    edges, at = [0], 0.0
    for top, width in BANDS_HZ:
        while at + width <= top and round((at + width) * window / rate) < bins:
            at += width
            edges.append(round(at * window / rate))
    edges.append(bins)
    widths = [stop - start for start, stop in zip(edges[:-1], edges[1:], strict=True)]
    if min(widths) < 1:
        raise ValueError(f"windows of {window} frames have no bin in some band at {rate} Hz")
    return tuple(widths)


class _Memory(nn.Module):
    """What is added to (batch, others, features, steps): an LSTM forth and back along the steps."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, features, _EPSILON)
        self.lstm = nn.LSTM(features, 2 * features, batch_first=True, bidirectional=True)
        self.out = nn.Linear(4 * features, features)

    def forward(self, x: Tensor) -> Tensor:
        batch, others, features, steps = x.shape
        even = self.norm(x.reshape(batch * others, features, steps))
        told, _ = self.lstm(even.transpose(1, 2))
        out: Tensor = self.out(told).transpose(1, 2)
        return out.reshape(x.shape)


class _Writer(nn.Module):
    """A band's vectors (batch, features, hops) -> masks (batch, stems, 2, width, hops), real and imaginary part."""

    def __init__(self, features: int, stems: int, width: int) -> None:
        super().__init__()
        self.shape = (stems, 2, width)
        self.net = nn.ModuleList(
            nn.Sequential(
                nn.GroupNorm(1, features, _EPSILON),
                nn.Conv1d(features, 4 * features, 1),
                nn.Tanh(),
                nn.Conv1d(4 * features, 4 * width, 1),
            )
            for _ in range(stems)
        )

    def forward(self, x: Tensor) -> Tensor:
        drawn = torch.stack([functional.glu(net(x), dim=1) for net in self.net], dim=1)
        return drawn.reshape(len(x), *self.shape, x.shape[-1])
