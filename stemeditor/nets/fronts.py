"""From waveform to what a network sees, and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_POWER = 0.4
_QUIETEST = 1e-6
_SLOPE_BINS = 12.0
_LEAST_WEIGHT = 1e-11
"""Of windows at a frame: where there is none there is no sound."""

ROWS = 8
"""How many rows `Sight` makes."""


class ComplexStft(nn.Module):
    """The short-time Fourier transform of every channel, and its inverse at an exact length.

    Parameters
    ----------
    window
        Frames in a (periodic Hann) window.
    hop
        Frames between windows.
    mirrored
        Whether the ends are mirrored, and no hop is centred behind the end; see `audio.stft.Stft`.
    """

    def __init__(self, window: int, hop: int, mirrored: bool = False) -> None:
        super().__init__()
        self.window, self.hop, self.mirrored = window, hop, mirrored
        self.register_buffer("shape", torch.hann_window(window), persistent=False)
        self.shape: Tensor

    @property
    def bins(self) -> int:
        """How many frequencies, 0 Hz to Nyquist."""
        return self.window // 2 + 1

    def forward(self, sound: Tensor) -> Tensor:
        """Transform (..., frames) to complex (..., bins, hops)."""
        lead, frames = sound.shape[:-1], sound.shape[-1]
        behind = 0 if self.mirrored else -frames % self.hop
        spectra = torch.stft(
            nn.functional.pad(sound.reshape(-1, frames), (0, behind)),
            self.window,
            self.hop,
            window=self.shape,
            center=True,
            pad_mode="reflect" if self.mirrored else "constant",
            return_complex=True,
        )
        return spectra.reshape(*lead, self.bins, -1)

    def inverse(self, spectra: Tensor, frames: int) -> Tensor:
        """Transform complex (..., bins, hops) to (..., frames)."""
        lead = spectra.shape[:-2]
        sound = overlapped(spectra.reshape(-1, *spectra.shape[-2:]), self.shape, self.hop, self.window // 2, frames)
        return sound.reshape(*lead, frames)


def overlapped(spectra: Tensor, shape: Tensor, hop: int, start: int, frames: int) -> Tensor:
    """Return the sound of spectra, as `torch.istft` does, which has a card wait until the processor has looked at it.

    Parameters
    ----------
    spectra
        Complex, (sounds, bins, hops).
    shape
        Of the window, (frames,).
    hop
        Frames between windows.
    start
        Where the sound begins behind the beginning of the first window, frames.
    frames
        Length of the sound; what lies behind the last window is silent.

    Returns
    -------
    Tensor
        (sounds, frames).
    """
    window = len(shape)

    def added(windows: Tensor) -> Tensor:
        """Add up (sounds, hops, window), each a hop later than the one before."""
        padded = nn.functional.pad(windows, (0, -window % hop))
        parts = padded.reshape(*padded.shape[:2], -1, hop).unbind(dim=2)
        later = [nn.functional.pad(part, (0, 0, at, len(parts) - 1 - at)) for at, part in enumerate(parts)]
        return torch.stack(later).sum(dim=0).flatten(1)[:, start : start + frames]

    weights = added(shape.square().expand(1, spectra.shape[-1], window))
    sound = added(torch.fft.irfft(spectra.transpose(1, 2), window) * shape) / weights.clamp_min(_LEAST_WEIGHT)
    return nn.functional.pad(sound, (0, frames - sound.shape[-1]))


class Points(nn.Module):
    """A frequency axis that is fine below and coarse above: every point stands for some neighbouring bins.

    Parameters
    ----------
    groups
        (how many points, bins in each), from 0 Hz up. Bins above belong to the last point.
    bins
        Of the transform.
    """

    def __init__(self, groups: Sequence[Sequence[int]], bins: int) -> None:
        super().__init__()
        self.groups = tuple((int(count), int(width)) for count, width in groups)
        self.covered = sum(count * width for count, width in self.groups)
        if self.covered > bins:
            raise ValueError(f"the points cover {self.covered} of {bins} bins")
        self.bins = bins

    @property
    def count(self) -> int:
        """How many points."""
        return sum(count for count, _ in self.groups)

    def mean(self, values: Tensor) -> Tensor:
        """Return (..., points, hops): the mean of (..., bins, hops) over the bins of every point."""
        parts = []
        at = 0
        for count, width in self.groups:
            part = values[..., at : at + count * width, :]
            parts.append(
                part if width == 1 else part.reshape(*part.shape[:-2], count, width, part.shape[-1]).mean(dim=-2)
            )
            at += count * width
        return torch.cat(parts, dim=-2)

    def spread(self, values: Tensor) -> Tensor:
        """Return (..., bins, hops): every bin has the value of its point in (..., points, hops)."""
        parts = []
        at = 0
        for count, width in self.groups:
            part = values[..., at : at + count, :]
            parts.append(part if width == 1 else part.repeat_interleave(width, dim=-2))
            at += count
        top = parts[-1][..., -1:, :]
        return torch.cat([*parts, top.expand(*top.shape[:-2], self.bins - self.covered, top.shape[-1])], dim=-2)


class Sight(nn.Module):
    """What a network sees of a stereo spectrum at every point: how loud, from where, how steady.

    Eight rows: the levels of both channels, of their half sum and half difference, compressed so that quiet sound
    becomes visible; the real and imaginary part of the coherence between the channels; and those of the coherence
    with the window before, turned back by what a tone in the middle of the bin would have turned, so that a steady
    tone shows how far it lies from the middle, a stroke the same in all bins, and noise anything. The level of the
    whole is taken out, and so is the slope that spectra of music have.
    """

    def __init__(self, points: Points, window: int, hop: int) -> None:
        super().__init__()
        self.points = points
        bins = torch.arange(points.bins, dtype=torch.float64)
        angle = -2 * torch.pi * bins * hop / window
        self.register_buffer("cosine", angle.cos().float()[:, None], persistent=False)
        self.register_buffer("sine", angle.sin().float()[:, None], persistent=False)
        self.register_buffer("slope", (1.0 + bins / _SLOPE_BINS).float()[:, None], persistent=False)
        self.cosine: Tensor
        self.sine: Tensor
        self.slope: Tensor

    def forward(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Return (batch, `ROWS`, points, hops) of the parts of spectra, (batch, 2, bins, hops) each."""
        level = (real.square() + imaginary.square()).mean(dim=(1, 2, 3), keepdim=True).sqrt()
        even = self.slope / level.clamp_min(_QUIETEST)
        real, imaginary = real * even, imaginary * even
        middle = real.mean(dim=1), imaginary.mean(dim=1)
        side = middle[0] - real[:, 1], middle[1] - imaginary[:, 1]
        powers = self.points.mean(
            torch.cat([real, middle[0][:, None], side[0][:, None]], dim=1).square()
            + torch.cat([imaginary, middle[1][:, None], side[1][:, None]], dim=1).square()
        )
        between = _turned_by((real[:, 0], imaginary[:, 0]), (real[:, 1], imaginary[:, 1]))
        before = _turned_by(middle, (_later(middle[0]), _later(middle[1])))
        steady = _turned_by(before, (self.cosine, -self.sine))
        both = (powers[:, 0] * powers[:, 1]).sqrt() + _QUIETEST
        own = (powers[:, 2] * _later(powers[:, 2])).sqrt() + _QUIETEST
        parts = [self.points.mean(part) / both for part in between] + [self.points.mean(part) / own for part in steady]
        return torch.cat([(powers + _QUIETEST) ** (_POWER / 2), torch.stack(parts, dim=1)], dim=1)


def _later(values: Tensor) -> Tensor:
    """Return (..., hops) moved by one hop."""
    return nn.functional.pad(values, (1, 0))[..., :-1]


def _turned_by(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the parts of complex numbers times the conjugate of others, by their parts."""
    return one[0] * other[0] + one[1] * other[1], one[1] * other[0] - one[0] * other[1]


def power(spectra: Tensor) -> Tensor:
    """Return the squared magnitudes of complex spectra, without the root that `abs` would take."""
    return spectra.real.square() + spectra.imag.square()


class MaskHeart(nn.Module):
    """A network that draws masks, without its transforms and without complex numbers.

    Other programs than PyTorch can compute it.

    Parameters
    ----------
    net
        Has a method `parts`: real and imaginary part of the masks, of those of the spectra.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `parts` returns."""
        found: tuple[Tensor, Tensor] = self.net.parts(real, imaginary)  # type: ignore[operator]
        return found


class SoundMasks(nn.Module):
    """A network that draws masks, with the transform before it: a card gets sound, of which there is less.

    Parameters
    ----------
    net
        A `nets.masking.Masking`.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, sound: Tensor) -> Tensor:
        """Return (batch, 2, stems, channels, points, hops), both parts, of (batch, channels, frames)."""
        spectra: Tensor = self.net.front(sound)  # type: ignore[operator]
        found: tuple[Tensor, Tensor] = self.net.parts(spectra.real, spectra.imag)  # type: ignore[operator]
        return torch.stack(found, dim=1)


class JoinedHeart(nn.Module):
    """The same with both parts in one tensor, before and behind.

    Parameters
    ----------
    net
        As of `MaskHeart`.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.heart = MaskHeart(net)

    def forward(self, parts: Tensor) -> Tensor:
        """Return (batch, 2, stems, channels, points, hops) of (batch, 2, channels, bins, hops)."""
        return torch.stack(self.heart(parts[:, 0], parts[:, 1]), dim=1)
