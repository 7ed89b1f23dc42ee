"""The layers of Hybrid Demucs, arranged so that a processor moves less through its memory: the same results.

Much of their time goes into carrying large tensors from one order of axes into another, and through memory once more
for each of the small things that are done to them. Here a spectrum keeps its four axes all the way, mean and deviation
of what is normalised are known before it is made, and the halves of a gate are two convolutions, of which a compiler
can make the end a part.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, glu


class Down(nn.Module):
    """A layer on the way down.

    Parameters
    ----------
    layer
        A `demucs.hdemucs.HEncLayer`.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.stride, self.empty, self.freq = layer.stride, layer.empty, layer.freq
        self.conv = layer.conv
        if not self.empty:
            self.norm = layer.norm1
            self.branch = _branch(layer.dconv, layer.freq)
            self.gate = _gate(layer, "norm2")

    def forward(self, sound: Tensor, joined: Tensor | None = None) -> Tensor:
        """Return what goes on from here: (1, channels, rows, hops), or without rows.

        What is `joined` has come as far in the other branch, where there are no rows.
        """
        if not self.freq and sound.dim() == 4:
            sound = sound.flatten(1, 2)
        found: Tensor = self.conv(sound)
        if self.empty:
            return found
        if joined is not None:
            found = found + (joined[:, :, None] if joined.dim() < found.dim() else joined)
        gated: Tensor = self.gate(self.branch(gelu(self.norm(found))))
        return gated


class Up(nn.Module):
    """A layer on the way up.

    Parameters
    ----------
    layer
        A `demucs.hdemucs.HDecLayer`.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.empty, self.freq, self.last = layer.empty, layer.freq, layer.last
        self._channels, self._pad = layer.chin, layer.pad
        self.norm = layer.norm2
        # OpenVINO's own keeps copies of its input. What is put in order between rows would take more memory than they
        # do, and no less time, but for the last, which is narrow.
        self.wider = layer.conv_tr if layer.freq and not layer.last else Spread(layer.conv_tr)
        if not self.empty:
            self.gate = _gate(layer, "norm1")
            self.branch = _branch(layer.dconv, layer.freq)

    def forward(self, sound: Tensor, skip: Tensor | None, length: int) -> tuple[Tensor, Tensor]:
        """Return what goes on from here, of a length if it has no rows, and what it was made of."""
        if self.freq and sound.dim() == 3:
            sound = sound.reshape(sound.shape[0], self._channels, -1, sound.shape[-1])
        if skip is not None:
            sound = self.branch(self.gate(sound + skip))
        wide: Tensor = self.norm(self.wider(sound))
        if not self.freq:
            wide = wide[..., self._pad : self._pad + length]
        elif self._pad:
            wide = wide[..., self._pad : -self._pad, :]
        return wide if self.last else gelu(wide), sound


class Gate(nn.Module):
    """A convolution of which one half says how much of the other goes on.

    Parameters
    ----------
    conv
        A convolution whose channels are both halves.
    """

    def __init__(self, conv: Any) -> None:
        super().__init__()
        weights, shifts = conv.weight.detach().chunk(2), conv.bias.detach().chunk(2)
        self.what = _like(conv, weights[0], shifts[0])
        self.much = _like(conv, weights[1], shifts[1])

    def forward(self, sound: Tensor) -> Tensor:
        """Return half as many channels as the convolution gives."""
        found: Tensor = self.what(sound) * torch.sigmoid(self.much(sound))
        return found


class Branch(nn.Module):
    """Convolutions beside the main road, each added to it: what it sees, narrow, normalised, wide, normalised, gated.

    Wide tensors are not normalised once they are there. They are made of narrow ones, one moment at a time, so that
    their mean and variance follow from those; to divide by a deviation can be done before, and to take a mean off is to
    add what is the same at all moments.

    Parameters
    ----------
    convs
        A `demucs.demucs.DConv` without recurrent layers or attention.
    rows
        Whether there are rows, each of which is normalised by itself.
    """

    def __init__(self, convs: Any, rows: bool) -> None:
        super().__init__()
        self.parts = nn.ModuleList(_Part(layer, rows) for layer in convs.layers)

    def forward(self, sound: Tensor) -> Tensor:
        """Return (1, channels, rows, hops), or without rows, of as much."""
        for part in self.parts:
            sound = sound + part(sound)
        return sound


class _Part(nn.Module):
    first_gain: Tensor
    first_shift: Tensor

    def __init__(self, layer: Any, rows: bool) -> None:
        super().__init__()
        seeing, first, _, wide, second, _, scale = layer
        self._first_least, self._second_least = first.eps, second.eps
        self.seeing = _conv(seeing.weight, seeing.bias, rows, seeing)
        self.register_buffer("first_gain", _along_channels(first.weight, rows))
        self.register_buffer("first_shift", _along_channels(first.bias, rows))

        # A wide channel is w narrow + b. The mean of all of them is w' narrow + b', of the means of w and b.
        weights, shifts = wide.weight.detach()[..., 0], wide.bias.detach()
        self.mean = _conv(weights.mean(0)[None, :, None], torch.zeros_like(shifts[:1]), rows)
        # What they differ from it by has in the mean a square that as many channels have as are narrow, and one.
        about = torch.cat([weights - weights.mean(0), (shifts - shifts.mean())[:, None]], dim=1).double()
        powers, axes = torch.linalg.eigh(about.T @ about / len(about))
        root = (axes * (powers.clamp(min=0.0) * len(powers)).sqrt()).T.to(weights)
        self.about = _conv(root[:, :-1, None], root[:, -1], rows)

        # The half that goes on is scaled by the way.
        scales = torch.cat([scale.scale.detach(), torch.ones_like(scale.scale)])
        gains, moves = (values.detach() * scales for values in (second.weight, second.bias))
        halves = zip(*(one.chunk(2) for one in (weights, shifts - shifts.mean(), gains, moves)), strict=True)
        self.what, self.much = (_Side(weight, shift, gain, moved, rows) for weight, shift, gain, moved in halves)

    def forward(self, sound: Tensor) -> Tensor:
        narrow = self.seeing(sound)
        narrow = narrow - narrow.mean((1, -1), keepdim=True)
        scale = torch.rsqrt(narrow.square().mean((1, -1), keepdim=True) + self._first_least)
        narrow = gelu(narrow * scale * self.first_gain + self.first_shift)

        means = self.mean(narrow)
        mean = means.mean(-1, keepdim=True)
        variance = self.about(narrow).square().mean((1, -1), keepdim=True)
        variance = variance + (means - mean).square().mean(-1, keepdim=True)
        scale = torch.rsqrt(variance + self._second_least)
        scaled = narrow * scale
        found: Tensor = self.what(scaled, scale, mean) * torch.sigmoid(self.much(scaled, scale, mean))
        return found


class _Side(nn.Module):
    """One half of what is wide, normalised: gain (w narrow + b - mean) scale + shift."""

    gain: Tensor
    moved: Tensor

    def __init__(self, weights: Tensor, shifts: Tensor, gain: Tensor, shift: Tensor, rows: bool) -> None:
        super().__init__()
        self.conv = _conv((weights * gain[:, None])[..., None], shift, rows)
        self.register_buffer("gain", _along_channels(gain, rows))
        self.register_buffer("moved", _along_channels(gain * shifts, rows))

    def forward(self, scaled: Tensor, scale: Tensor, mean: Tensor) -> Tensor:
        found: Tensor = self.conv(scaled) + scale * (self.moved - mean * self.gain)
        return found


class Spread(nn.Module):
    """A transposed convolution along one axis, as a convolution that finds what comes between places as channels.

    Parameters
    ----------
    conv
        Along rows, if there are any, else along time. Its kernel is as long as a number of its strides.
    """

    def __init__(self, conv: nn.ConvTranspose1d | nn.ConvTranspose2d) -> None:
        super().__init__()
        weights = conv.weight.detach()
        assert conv.bias is not None
        channels, self._channels, length, *across = weights.shape
        self._stride = conv.stride[0]
        reach = length // self._stride
        # What comes `place` after a multiple of the stride hears the last `reach` of them.
        heard = weights.reshape(channels, self._channels, reach, self._stride, *across).flip(2)
        heard = heard.movedim((3, 1), (0, 1)).flatten(0, 1)
        made: Any = nn.Conv2d if across else nn.Conv1d
        padding = (reach - 1, *[0] * len(across))
        self.conv = _filled(
            made(channels, len(heard), (reach, *across), padding=padding), heard, conv.bias.repeat(self._stride)
        )

    def forward(self, sound: Tensor) -> Tensor:
        """Return (1, channels, steps of the stride) of (1, channels, steps), or with hops behind both."""
        found: Tensor = self.conv(sound)
        found = found.reshape(len(found), self._stride, self._channels, *found.shape[2:])
        return found.movedim(1, 3).flatten(2, 3)


class _Gated(nn.Module):
    """A convolution, normalised, whose one half says how much of the other goes on."""

    def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm

    def forward(self, sound: Tensor) -> Tensor:
        return glu(self.norm(self.conv(sound)), dim=1)


class _RowByRow(nn.Module):
    """Layers that know no rows, on each by itself."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, sound: Tensor) -> Tensor:
        batch, channels, rows, _ = sound.shape
        found: Tensor = self.layers(sound.transpose(1, 2).flatten(0, 1))
        return found.reshape(batch, rows, channels, -1).transpose(1, 2)


def _gate(layer: Any, norm: str) -> nn.Module:
    """Return the gate of a layer, if it has one."""
    if layer.rewrite is None:
        return nn.Identity()
    normalised = getattr(layer, norm)
    return Gate(layer.rewrite) if isinstance(normalised, nn.Identity) else _Gated(layer.rewrite, normalised)


def _branch(convs: Any, rows: bool) -> nn.Module:
    """Return what is beside the main road, if there is anything, in as few steps as its layers allow."""
    if convs is None:
        return nn.Identity()
    kinds = (nn.Conv1d, nn.GroupNorm, nn.GELU, nn.Conv1d, nn.GroupNorm, nn.GLU)
    if all(all(map(isinstance, layer, kinds)) and len(layer) == len(kinds) + 1 for layer in convs.layers):
        return Branch(convs, rows)
    return _RowByRow(convs) if rows else convs


def _conv(weights: Tensor, shifts: Tensor, rows: bool, like: Any = None) -> nn.Module:
    """Return a convolution along time that leaves rows alone, with the reach of another."""
    wide, narrow, length = weights.shape
    dilation, padding = (like.dilation[0], like.padding[0]) if like is not None else (1, 0)
    made: nn.Module
    if rows:
        made = nn.Conv2d(narrow, wide, (1, length), padding=(0, padding), dilation=(1, dilation))
        weights = weights[:, :, None]
    else:
        made = nn.Conv1d(narrow, wide, length, padding=padding, dilation=dilation)
    return _filled(made, weights, shifts)


def _like(conv: Any, weights: Tensor, shifts: Tensor) -> nn.Module:
    """Return a convolution as another, with other weights."""
    made = type(conv)(
        conv.in_channels, len(weights), conv.kernel_size, conv.stride, conv.padding, dilation=conv.dilation
    )
    return _filled(made, weights, shifts)


def _filled(conv: nn.Module, weights: Tensor, shifts: Tensor) -> nn.Module:
    conv.weight = nn.Parameter(weights.detach().contiguous(), requires_grad=False)
    conv.bias = nn.Parameter(shifts.detach().contiguous(), requires_grad=False)
    return conv


def _along_channels(values: Tensor, rows: bool) -> Tensor:
    return values.detach().reshape(1, -1, *[1] * (1 + rows))
