"""Open-Unmix networks in the forms that are computed here: one alone, and all of a set with what surrounds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from stemeditor.nets import wiener
from stemeditor.nets.fronts import ComplexStft


class OpenUnmixHeart(nn.Module):
    """The same layers in a form that other programs than PyTorch can compute for sound of any length.

    What their authors' program reads off the first sound's shape is left open.

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


class OpenUnmixSet(nn.Module):
    """From sound to stems: transform, a network for each stem, Wiener filter, and back.

    On a graphics card nothing of that then waits for the processor.

    Parameters
    ----------
    nets
        An `openunmix.model.OpenUnmix` for each stem.
    window, hop
        Of the transform, frames.
    passes
        Of the filter.
    together
        Hops that are filtered together.
    loudest
        Magnitude to which what is louder is brought before that, window by window.
    floor
        See `wiener.filtered`.
    """

    def __init__(
        self,
        nets: Iterable[nn.Module],
        window: int,
        hop: int,
        passes: int,
        together: int,
        loudest: float,
        floor: float,
    ) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)
        self.front = ComplexStft(window, hop, mirrored=True)
        self.passes, self.together = passes, together
        self.loudest, self.floor = loudest, floor

    def forward(self, sound: Tensor) -> Tensor:
        """Return (pieces, stems, channels, frames) of (pieces, channels, frames), longer than half a window."""
        spectra = self.front(sound)
        magnitude = spectra.abs()
        phase = spectra / magnitude.clamp_min(1e-30)
        stems = torch.stack([net(magnitude).float() * phase for net in self.nets], dim=1)
        if self.passes:
            windows = [slice(at, at + self.together) for at in range(0, spectra.shape[-1], self.together)]
            stems = torch.cat([self._filtered(spectra[..., some], stems[..., some]) for some in windows], dim=-1)
        return self.front.inverse(stems, sound.shape[-1])

    def _filtered(self, mix: Tensor, stems: Tensor) -> Tensor:
        """Return the stems of one window after the filter, each piece computed at its own level."""
        scale = (mix.abs().amax(dim=(1, 2, 3)) / self.loudest).clamp_min(1.0)[:, None, None, None]
        return wiener.filtered(mix / scale, stems / scale[:, None], self.passes, self.floor) * scale[:, None]
