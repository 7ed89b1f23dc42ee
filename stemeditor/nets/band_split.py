"""A band-split network: fine bands below, coarse ones above, memory along time, exchange across bands."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stemeditor.nets.description import HOP, POINTS, WINDOW
from stemeditor.nets.fronts import ROWS
from stemeditor.nets.masking import Check, Sharing


class BandSplit(Sharing):
    """Layers alternate between a memory along time, the same for every band, and an exchange across bands.

    What a band of neighbouring points holds in some neighbouring windows becomes one vector; in the end, every vector
    becomes masks for the points that it came from. All bands share their weights, so that what is learned at one
    pitch serves the next; a learned vector a band says where it is.

    Parameters
    ----------
    stems, window, hop, points
        See `Sharing`.
    band
        Points in a band; it divides the number of points.
    together
        How many windows make one vector.
    features
        Length of a band's vector.
    layers
        How many pairs of memory and exchange.
    along
        "lstm" (both ways, unless causal) or "dilated" (sums of three moments, twice as far apart in every layer).
    across
        "mixer" (two matrices over the bands) or "lstm".
    causal
        Whether the memory only knows the past.

    References
    ----------
    Y. Luo, J. Yu, Music source separation with band-split RNN, IEEE/ACM Trans. ASLP 31, 2023.
    I. Tolstikhin et al., MLP-Mixer: an all-MLP architecture for vision, NeurIPS 2021 (the exchange).
    """

    def __init__(
        self,
        stems: int = 4,
        window: int = WINDOW,
        hop: int = HOP,
        points: Sequence[Sequence[int]] = POINTS,
        band: int = 7,
        together: int = 2,
        features: int = 64,
        layers: int = 4,
        along: str = "lstm",
        across: str = "mixer",
        causal: bool = False,
    ) -> None:
        super().__init__(stems, window, hop, points)
        if self.points.count % band:
            raise ValueError(f"{self.points.count} points are no whole number of bands of {band}")
        self.band, self.together = band, together
        count = self.points.count // band
        self.encoder = nn.Linear(ROWS * band * together, features)
        self.places = nn.Parameter(torch.zeros(count, features))
        self.layers = nn.ModuleList(
            _Layer(features, count, along, across, 2 ** (number % 5), causal) for number in range(layers)
        )
        self.norm = nn.LayerNorm(features)
        self.decoder = nn.Sequential(
            nn.Linear(features, 2 * features), nn.GELU(), nn.Linear(2 * features, 4 * stems * band * together)
        )
        self.bias = nn.Parameter(torch.zeros(count, 4 * stems * band * together))

    def draw(self, seen: Tensor, check: Check = bool) -> Tensor:
        """Return what becomes the masks; see `Sharing`."""
        hops = seen.shape[-1]
        x = nn.functional.pad(seen, (0, -hops % self.together))
        x = x.reshape(*x.shape[:2], -1, self.band, x.shape[3] // self.together, self.together)
        # (batch, rows, bands, points, steps, windows) -> (batch, steps, bands, all of a band)
        x = self.encoder(x.permute(0, 4, 2, 1, 3, 5).flatten(3)) + self.places
        for layer in self.layers:
            check()
            x = layer(x)
        x = self.decoder(self.norm(x)) + self.bias
        x = x.reshape(*x.shape[:3], -1, self.band, self.together)
        drawn: Tensor = x.permute(0, 3, 2, 4, 1, 5).flatten(4).flatten(2, 3)[..., :hops]
        return drawn


class _Layer(nn.Module):
    """Memory along time, then exchange across bands; (batch, steps, bands, features) both."""

    def __init__(self, features: int, bands: int, along: str, across: str, apart: int, causal: bool) -> None:
        super().__init__()
        self.recurrent = along == "lstm"
        self.along: nn.Module = (
            _Memory(features, both_ways=not causal) if self.recurrent else _Dilated(features, apart, causal)
        )
        self.across: nn.Module = _Memory(features, both_ways=True) if across == "lstm" else _Mixer(features, bands)

    def forward(self, x: Tensor) -> Tensor:
        batch, steps, bands, features = x.shape
        if self.recurrent:
            made = self.along(x.transpose(1, 2).reshape(batch * bands, steps, features))
            x = x + made.reshape(batch, bands, steps, features).transpose(1, 2)
        else:
            x = x + self.along(x)
        crossed: Tensor = self.across(x.reshape(batch * steps, bands, features))
        return x + crossed.reshape(x.shape)


class _Memory(nn.Module):
    """An LSTM over (batch, steps, features), normalised before and projected behind."""

    def __init__(self, features: int, both_ways: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.lstm = nn.LSTM(features, features, batch_first=False, bidirectional=both_ways)
        self.out = nn.Linear(features * (2 if both_ways else 1), features)

    def forward(self, x: Tensor) -> Tensor:
        # The library's fast path wants the steps first.
        made, _ = self.lstm(self.norm(x).transpose(0, 1).contiguous())
        out: Tensor = self.out(made).transpose(0, 1)
        return out


class _Dilated(nn.Module):
    """Two layers over three moments of (batch, steps, bands, features) each, `apart` steps between them."""

    def __init__(self, features: int, apart: int, causal: bool) -> None:
        super().__init__()
        self.apart = apart
        self.pad = (2 * apart, 0) if causal else (apart, apart)
        self.norm = nn.LayerNorm(features)
        self.taps = nn.Linear(3 * features, 2 * features)
        self.out = nn.Linear(2 * features, features)

    def forward(self, x: Tensor) -> Tensor:
        steps = x.shape[1]
        padded = nn.functional.pad(self.norm(x), (0, 0, 0, 0, *self.pad))
        moments = [padded[:, at * self.apart : at * self.apart + steps] for at in range(3)]
        out: Tensor = self.out(nn.functional.gelu(self.taps(torch.cat(moments, dim=-1))))
        return out


class _Mixer(nn.Module):
    """Two matrices over the bands and two over the features of (batch, bands, features)."""

    def __init__(self, features: int, bands: int) -> None:
        super().__init__()
        self.before_bands = nn.LayerNorm(features)
        self.bands = nn.Sequential(nn.Linear(bands, 2 * bands), nn.GELU(), nn.Linear(2 * bands, bands))
        self.before_features = nn.LayerNorm(features)
        self.features = nn.Sequential(nn.Linear(features, 2 * features), nn.GELU(), nn.Linear(2 * features, features))

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.bands(self.before_bands(x).transpose(1, 2)).transpose(1, 2)
        out: Tensor = mixed + self.features(self.before_features(x + mixed))
        return out
