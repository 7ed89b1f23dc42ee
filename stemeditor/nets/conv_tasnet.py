"""Conv-TasNet, and its family of several bands: masks on what a learned filter bank hears."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemeditor.nets.fronts import ComplexStft, power
from stemeditor.nets.sounding import Sounding, filled, xavier

_EPSILON = 1e-8
_LEAST_POWER = 1e-8

_STRONG_KERNELS = 6
_STRONG_WIDTH = 64
_STRONG_SPLIT = (128, 64, 32, 16, 8, 4)
_WINDOW, _HOP = 1024, 256


class ConvTasNet(Sounding):
    """An encoder, which is a bank of learned filters; separators, which draw masks on what it gives; and a decoder.

    With several bands the filters fall into as many groups, each with a separator of its own. All of these are one
    separator here whose layers work on the groups apart: the same numbers in half the time.

    The published models are: M1 as it is by default, M2 with two `bands`, M3 with two and `whole`, M4 with four, S1 and
    S2 as M1 and M2 with a `strong` front. M5 is M2 that begins with the filters of a trained M1 and does not change
    them, M6 the same after `order`. All of them with two stems, at 22,050 Hz.

    Parameters
    ----------
    stems
        How many sources.
    bands
        Into how many groups the filters fall.
    whole
        Whether one more separator hears all filters at once; then masks are a mean of both, with learned weights.
    strong
        Whether the front is the larger one: filters of six lengths, and a spectrum beside them.
    features
        How many filters.
    window
        Frames in the shortest filter; half of that lies between its places.
    hidden
        Channels of a block, a band.
    repeats, depth
        Rows of blocks, and blocks in each; every block of a row hears twice as far as the one before it.

    References
    ----------
    Y. Luo, N. Mesgarani, Conv-TasNet: surpassing ideal time-frequency magnitude masking for speech separation, IEEE/ACM
    Trans. ASLP 27, 2019; D. Samuel, A. Ganeshan, J. Naradowsky, Meta-learning extractors for music source separation,
    ICASSP 2020 (the strong front); and the multi-band masking of Conv-TasNet for music.
    """

    def __init__(
        self,
        stems: int = 4,
        bands: int = 1,
        whole: bool = False,
        strong: bool = False,
        features: int = 256,
        window: int = 20,
        hidden: int = 512,
        repeats: int = 3,
        depth: int = 8,
    ) -> None:
        super().__init__(stems)
        if features % bands or window % 2:
            raise ValueError(f"{features} features are no {bands} equal bands, or {window} frames no two halves")
        self.window, self.features, self.strong = window, features, strong
        self.encoder: nn.Module = _StrongEncoder(features, window) if strong else _Encoder(features, window)
        self.separator = _Separator(stems, features, bands, features // bands, hidden, repeats, depth)
        # Its separator is as narrow inside as those of the bands, as it was when it was trained.
        self.whole = _Separator(stems, features, 1, features // bands, hidden, repeats, depth) if whole else None
        self.joint = nn.Linear(2 * features, features, bias=False) if whole else None
        self.decoder: nn.Module = _StrongDecoder(features, window) if strong else _Decoder(features, window)
        xavier(self)

    def separated(self, sound: Tensor) -> Tensor:
        """See `Sounding`."""
        frames = sound.shape[-1]
        heard = self.encoder(filled(sound, self.window // 2, self.window))
        masks = self.separator(heard)
        if self.whole is not None and self.joint is not None:
            both = torch.cat([masks, self.whole(heard)], dim=2)
            masks = self.joint(both.transpose(2, 3)).transpose(2, 3)
        shown = (masks * heard[:, None]).flatten(0, 1)
        found: Tensor = self.decoder(shown)
        return found.reshape(sound.shape[0], self.stems, 2, -1)[..., :frames]

    def order(self) -> None:
        """Bring the filters of a plain front into the order of the frequency that each lets through most.

        Bands are then low and high, each filter with its part of the decoder.
        """
        strongest = torch.fft.rfft(self.filters().detach(), 1 << 10).abs().sum(dim=1).argmax(dim=1)
        order = strongest.argsort(stable=True)
        with torch.no_grad():
            for part in (self.encoder, self.decoder):
                weight = part.get_parameter("filters.weight")
                weight.copy_(weight[order])

    def filters(self) -> Tensor:
        """Return the filters of a plain front, (features, 2, window).

        Raises
        ------
        ValueError
            If the front is the larger one.
        """
        if not isinstance(self.encoder, _Encoder):
            raise ValueError("only a plain front has filters of one length")
        return self.encoder.filters.weight


class _Encoder(nn.Module):
    """(batch, 2, frames) -> (batch, features, steps), none of them below zero."""

    def __init__(self, features: int, window: int) -> None:
        super().__init__()
        self.filters = nn.Conv1d(2, features, window, window // 2, bias=False)

    def forward(self, sound: Tensor) -> Tensor:
        return functional.relu(self.filters(sound))


class _Decoder(nn.Module):
    """(batch, features, steps) -> (batch, 2, frames)."""

    def __init__(self, features: int, window: int) -> None:
        super().__init__()
        self.filters = nn.ConvTranspose1d(features, 2, window, window // 2, bias=False)

    def forward(self, shown: Tensor) -> Tensor:
        found: Tensor = self.filters(shown)
        return found


class _StrongEncoder(nn.Module):
    """The same from filters of six lengths, each twice as long as the one before, and from a spectrum."""

    def __init__(self, features: int, window: int) -> None:
        super().__init__()
        lengths = _lengths(window)
        self.filters = nn.ModuleList(
            nn.Conv1d(2, _STRONG_WIDTH, length, window // 2, padding=(length - window // 2) // 2, bias=False)
            for length in lengths
        )
        self.front = ComplexStft(_WINDOW, _HOP)
        self.spectrum = nn.Conv1d(2 * self.front.bins, features, 1)
        self.first = nn.Conv1d(_STRONG_WIDTH * len(lengths) + features, features, 1, bias=False)
        self.second = nn.Conv1d(features, features, 1, bias=False)

    def forward(self, sound: Tensor) -> Tensor:
        heard = [functional.relu(filters(sound)) for filters in self.filters]
        seen = (power(self.front(sound)) + _LEAST_POWER).log10().flatten(1, 2)
        seen = functional.interpolate(self.spectrum(seen), heard[0].shape[-1], mode="linear")
        joined = functional.relu(self.first(torch.cat([*heard, seen], dim=1)))
        found: Tensor = self.second(joined)
        return found


class _StrongDecoder(nn.Module):
    """The same as the sum of filters of six lengths, the fewer of each the longer it is."""

    def __init__(self, features: int, window: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(features, sum(_STRONG_SPLIT), 1, bias=False)
        self.filters = nn.ModuleList(
            nn.ConvTranspose1d(width, 2, length, window // 2, padding=(length - window // 2) // 2, bias=False)
            for width, length in zip(_STRONG_SPLIT, _lengths(window), strict=True)
        )

    def forward(self, shown: Tensor) -> Tensor:
        parts = torch.split(functional.relu(self.first(shown)), list(_STRONG_SPLIT), dim=1)
        sounds = [filters(part) for filters, part in zip(self.filters, parts, strict=True)]
        return torch.stack(sounds).sum(dim=0)


def _lengths(window: int) -> tuple[int, ...]:
    return tuple(window << number for number in range(_STRONG_KERNELS))


class _Separator(nn.Module):
    """(batch, features, steps) -> masks (batch, stems, features, steps), none of them below zero."""

    def __init__(
        self, stems: int, features: int, bands: int, narrow: int, hidden: int, repeats: int, depth: int
    ) -> None:
        super().__init__()
        self.stems, self.bands = stems, bands
        self.gain = nn.Parameter(torch.ones(features, 1))
        self.shift = nn.Parameter(torch.zeros(features, 1))
        self.before = nn.Conv1d(features, bands * narrow, 1, groups=bands, bias=False)
        self.blocks = nn.ModuleList(
            _Block(bands, narrow, hidden, 2**number) for _ in range(repeats) for number in range(depth)
        )
        self.behind = nn.Conv1d(bands * narrow, stems * features, 1, groups=bands, bias=False)

    def forward(self, heard: Tensor) -> Tensor:
        batch, features, steps = heard.shape
        apart = heard.reshape(batch, self.bands, -1, steps)
        apart = apart - apart.mean(dim=2, keepdim=True)
        even = apart / (apart.square().mean(dim=2, keepdim=True) + _EPSILON).sqrt()
        x = self.before(even.reshape(heard.shape) * self.gain + self.shift)
        for block in self.blocks:
            x = block(x)
        masks = functional.relu(self.behind(x)).reshape(batch, self.bands, self.stems, -1, steps)
        return masks.transpose(1, 2).reshape(batch, self.stems, features, steps)


class _Block(nn.Module):
    """(batch, bands * narrow, steps) and what is added to it: three steps apart by some, of more channels."""

    def __init__(self, bands: int, narrow: int, hidden: int, apart: int) -> None:
        super().__init__()
        wide = bands * hidden
        self.widen = nn.Conv1d(bands * narrow, wide, 1, groups=bands, bias=False)
        self.first_slope = _Slope(bands)
        self.first_norm = nn.GroupNorm(bands, wide, _EPSILON)
        self.across = nn.Conv1d(wide, wide, 3, padding=apart, dilation=apart, groups=wide, bias=False)
        self.second_slope = _Slope(bands)
        self.second_norm = nn.GroupNorm(bands, wide, _EPSILON)
        self.narrow = nn.Conv1d(wide, bands * narrow, 1, groups=bands, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        made = self.first_norm(self.first_slope(self.widen(x)))
        made = self.second_norm(self.second_slope(self.across(made)))
        added: Tensor = self.narrow(made)
        return x + added


class _Slope(nn.Module):
    """A leaky step whose slope below zero is learned, one for each band."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.slopes = nn.Parameter(torch.full((bands,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        apart = x.reshape(x.shape[0], len(self.slopes), -1, x.shape[-1])
        return functional.prelu(apart, self.slopes).reshape(x.shape)
