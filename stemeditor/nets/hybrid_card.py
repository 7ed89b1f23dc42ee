"""Hybrid Demucs from sound to stems in a form that no graphics card has to stop for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from stemeditor.nets.card_norms import for_card
from stemeditor.nets.fronts import overlapped
from stemeditor.nets.hybrid_heart import HybridHeart
from stemeditor.nets.hybrid_picture import HOP, LEAD, LEAST, OUTSIDE, WINDOW


class HybridCard(nn.Module):
    """The same network with its transforms, in which nothing is brought to the card or looked at by the processor.

    What the authors' program does there makes a card wait a dozen times for each piece.

    Parameters
    ----------
    net
        A `demucs.htdemucs.HTDemucs` or `demucs.hdemucs.HDemucs`.
    stems, late, magnitudes
        See `methods.hybrid_core.HybridCore`.
    length
        Frames that it always hears; 0 if it takes any number.
    """

    def __init__(self, net: Any, stems: int, length: int, late: bool = False, magnitudes: bool = False) -> None:
        super().__init__()
        self.heart = HybridHeart(for_card(net), arranged=False)
        self.stems, self.length = stems, length
        self.late, self.magnitudes = late, magnitudes
        # Neither gains nor loses energy.
        self.register_buffer("shape", torch.hann_window(WINDOW), persistent=False)
        self.shape: Tensor

    def forward(self, sound: Tensor) -> Tensor:
        """Return (pieces, stems, channels, frames) of (pieces, channels, frames)."""
        frames = sound.shape[-1]
        whole = pad(sound, (0, max(self.length - frames, 0)))
        spectra = self._spectra(whole)
        picture, level = _levelled(self._drawn(spectra))
        wave, wave_level = _levelled(whole)
        picture, wave = (self._parted(found.float()) for found in self.heart(picture, wave))
        mean, spread = level
        stems = self._sound(picture * spread[:, None] + mean[:, None], spectra, whole.shape[-1])
        mean, spread = wave_level
        stems += wave * spread[:, None] + mean[:, None]
        return stems[..., :frames]

    def _parted(self, found: Tensor) -> Tensor:
        """Return (pieces, stems, channels, ...) of (pieces, stems x channels, ...)."""
        return found.reshape(len(found), self.stems, -1, *found.shape[2:])

    def _drawn(self, spectra: Tensor) -> Tensor:
        """Return spectra as channels of real numbers."""
        if self.magnitudes:
            return spectra.abs()
        return torch.stack([spectra.real, spectra.imag], dim=2).flatten(1, 2)

    def _spectra(self, sound: Tensor) -> Tensor:
        """Return complex (pieces, channels, bins, hops) without the highest bin, and hops centred outside the sound."""
        frames = sound.shape[-1]
        hops = -(-frames // HOP)
        behind = LEAD + hops * HOP - frames
        if self.late:
            longer = pad(sound, (LEAD, behind))
        else:
            # What is too short to be mirrored is first followed by silence.
            silence = max(behind + 1 - frames, 0)
            longer = pad(pad(sound, (0, silence)), (LEAD, behind - silence), mode="reflect")
        spectra = torch.stft(
            longer.flatten(0, 1), WINDOW, HOP, window=self.shape, center=True, normalized=True, return_complex=True
        )
        return spectra[:, :-1, OUTSIDE : OUTSIDE + hops].reshape(*sound.shape[:2], WINDOW // 2, hops)

    def _sound(self, picture: Tensor, spectra: Tensor, frames: int) -> Tensor:
        """Return (pieces, stems, channels, frames) of what was drawn for each stem."""
        if self.magnitudes:
            magnitude = spectra.abs()
            # Where nothing sounds a phase is as good as any other.
            phases = torch.where(magnitude > 0, spectra / magnitude.clamp_min(torch.finfo(torch.float32).tiny), 1.0)
            drawn = picture * phases[:, None]
        else:
            pairs = picture.reshape(*picture.shape[:2], -1, 2, *picture.shape[3:])
            drawn = torch.complex(pairs[:, :, :, 0].contiguous(), pairs[:, :, :, 1].contiguous())
        lead = drawn.shape[:3]
        padded = pad(drawn.flatten(0, 2), (OUTSIDE, OUTSIDE, 0, 1)) * WINDOW**0.5
        start = WINDOW // 2 + (0 if self.late else LEAD)
        return overlapped(padded, self.shape, HOP, start, frames).reshape(*lead, frames)


def _levelled(values: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return values of each piece at mean 0 and deviation 1, and what they were."""
    axes = tuple(range(1, values.dim()))
    variance, mean = torch.var_mean(values, dim=axes, keepdim=True)
    spread = variance.sqrt()
    return (values - mean) / (LEAST + spread), (mean, spread)
