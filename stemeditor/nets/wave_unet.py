"""Wave-U-Net: a U-Net along the samples themselves."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stemeditor.nets.blocks import Gate
from stemeditor.nets.sounding import Sounding, filled

_LEAK = 0.2
_AHEAD, _AROUND = 1 / 2, 1 / 4
"""What the lifting steps of the wavelet take of both neighbours together, halved: of Cohen, Daubechies and Feauveau."""


class WaveUNet(Sounding):
    """Every level hears half as many moments as the one above it, and is handed to the same level on the way back.

    The last stem is what the others leave of the song, so all of them add up to it.

    Parameters
    ----------
    stems
        How many sources.
    levels
        How often the sound is halved.
    features
        Channels of the first level; every further one has as many more.
    down, up
        Moments that a layer hears on the way down, and on the way back.
    wavelet
        Whether a wavelet halves the sound, and its inverse doubles it: nothing is lost and nothing folds. Else every
        second moment is left out, and set between its neighbours on the way back.
    attention
        Whether what is handed across passes a gate, which is opened by what comes from below.

    References
    ----------
    D. Stoller, S. Ewert, S. Dixon, Wave-U-Net: a multi-scale neural network for end-to-end audio source separation,
    ISMIR 2018; T. Nakamura, H. Saruwatari, Time-domain audio source separation based on Wave-U-Net combined with
    discrete wavelet transform, ICASSP 2020; O. Oktay et al., Attention U-Net: learning where to look for the pancreas,
    MIDL 2018.
    """

    def __init__(
        self,
        stems: int = 4,
        levels: int = 12,
        features: int = 24,
        down: int = 15,
        up: int = 5,
        wavelet: bool = False,
        attention: bool = False,
    ) -> None:
        super().__init__(stems)
        if wavelet and features % 2:
            raise ValueError(f"{features} features are no two halves of a wavelet")
        self.wavelet = wavelet
        widths = [features * (level + 1) for level in range(levels + 1)]
        # Both halves of a wavelet go down, and half as many channels come back.
        halves = 2 if wavelet else 1
        self.down = nn.ModuleList(
            _layer(halves * before if before > 2 else before, width, down)
            for before, width in zip([2, *widths[:-2]], widths[:-1], strict=True)
        )
        self.bottom = _layer(halves * widths[-2], halves * widths[-1], down)
        self.up = nn.ModuleList(
            _layer(below + width, width * (halves if level else 1), up)
            for level, (below, width) in reversed(list(enumerate(zip(widths[1:], widths[:-1], strict=True))))
        )
        self.gates = nn.ModuleList(
            Gate(width, below) for below, width in reversed(list(zip(widths[1:], widths[:-1], strict=True)))
        )
        if not attention:
            self.gates = nn.ModuleList()
        self.head = nn.Conv1d(features + 2, 2 * (stems - 1), 1)

    def separated(self, sound: Tensor) -> Tensor:
        """See `Sounding`."""
        frames = sound.shape[-1]
        x = whole = filled(sound, 2 ** len(self.down))
        across = []
        for layer in self.down:
            x = layer(x)
            across.append(x)
            x = halved(x) if self.wavelet else x[..., ::2]
        x = self.bottom(x)
        for level, layer in enumerate(self.up):
            x, beside = doubled(x) if self.wavelet else between(x), across.pop()
            if len(self.gates):
                beside = self.gates[level](beside, x)
            x = layer(torch.cat([beside, x], dim=1))
        # The others first, the last is what they leave.
        found = self.head(torch.cat([x, whole], dim=1)).reshape(len(sound), self.stems - 1, 2, -1)
        stems = torch.cat([found, whole[:, None] - found.sum(dim=1, keepdim=True)], dim=1)
        return stems[..., :frames]


def between(x: Tensor) -> Tensor:
    """Return twice as many moments: those that are there, and half way between each and the next."""
    after = torch.cat([x[..., 1:], x[..., -1:]], dim=-1)
    return torch.stack([x, (x + after) / 2], dim=-1).flatten(-2)


def halved(x: Tensor) -> Tensor:
    """Return (batch, 2 * channels, moments / 2) of (batch, channels, moments), an even number of them.

    The first half is smooth, the second what is lost thereby: the wavelet that JPEG 2000 calls 5/3, by lifting steps.
    """
    even, odd = x[..., ::2], x[..., 1::2]
    detail = odd - _AHEAD * (even + _next(even))
    smooth = even + _AROUND * (detail + _last(detail))
    return torch.cat([smooth, detail], dim=1)


def doubled(x: Tensor) -> Tensor:
    """Return what `halved` was given."""
    smooth, detail = x.chunk(2, dim=1)
    even = smooth - _AROUND * (detail + _last(detail))
    odd = detail + _AHEAD * (even + _next(even))
    return torch.stack([even, odd], dim=-1).flatten(-2)


def _next(x: Tensor) -> Tensor:
    """Return every moment's successor; the last is its own, as in a mirror."""
    return torch.cat([x[..., 1:], x[..., -1:]], dim=-1)


def _last(x: Tensor) -> Tensor:
    """Return every moment's predecessor; the first is its own."""
    return torch.cat([x[..., :1], x[..., :-1]], dim=-1)


def _layer(before: int, width: int, kernel: int) -> nn.Module:
    """(batch, before, moments) -> (batch, width, moments)."""
    return nn.Sequential(nn.Conv1d(before, width, kernel, padding=kernel // 2), nn.LeakyReLU(_LEAK))
