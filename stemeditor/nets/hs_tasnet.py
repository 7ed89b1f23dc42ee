"""The hybrid spectrogram TasNet: 23 ms after it was played, a moment is taken apart, and nothing later is needed."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stemeditor.nets.fronts import overlapped
from stemeditor.nets.sounding import Sounding

_LEAST = 1e-8


class HsTasNet(Sounding):
    """Two branches, of a spectrum and of learned filters, which share a memory in the middle and know only the past.

    Each draws its own masks on what it sees, and their sounds are added up. What is published leaves room: this has 43
    million weights (21 if small) where 42 (16) are told.

    Parameters
    ----------
    stems
        How many sources.
    features
        Length of a branch's vector; 500 are published.
    filters
        How many filters are learned.
    window, hop
        Frames in a window, and from one to the next. A window later a frame is known.
    small
        Whether the branches are added up where they meet, not joined, and all memories have one layer instead of two.

    References
    ----------
    S. Venkatesh, A. Benilov, P. Coleman, F. Roskam, Real-time low-latency music source separation using hybrid
    spectrogram-TasNet, ICASSP 2024.
    """

    levelled = False

    def __init__(
        self,
        stems: int = 4,
        features: int = 500,
        filters: int = 1024,
        window: int = 1024,
        hop: int = 512,
        small: bool = False,
    ) -> None:
        super().__init__(stems)
        if window % hop:
            raise ValueError(f"a window of {window} frames is no whole number of hops of {hop}")
        self.window, self.hop, self.filters, self.small = window, hop, filters, small
        self.register_buffer("shape", torch.hann_window(window), persistent=False)
        self.shape: Tensor
        bins = window // 2 + 1
        layers, joined = (1, features) if small else (2, 2 * features)
        self.seen = nn.Linear(2 * bins, features)
        # What a filter lets through, and a gate that says how far.
        self.encoder = nn.Conv1d(2, 2 * filters, window, hop)
        self.heard = nn.Linear(filters, features)
        self.first = nn.ModuleList(_Memory(features, layers, not small) for _ in range(2))
        self.middle = _Memory(joined, layers, not small)
        self.last = nn.ModuleList(_Memory(features, layers, not small) for _ in range(2))
        self.drawn = nn.Linear(features, stems * 2 * bins)
        self.chosen = nn.Linear(features, stems * filters)
        self.decoder = nn.ConvTranspose1d(filters, 2, window, hop, bias=False)

    def separated(self, sound: Tensor) -> Tensor:
        """See `Sounding`; here at the level that it has."""
        batch, _, frames = sound.shape
        lead = self.window - self.hop
        x = functional.pad(sound, (lead, lead + -frames % self.hop))
        # (batch, 2, steps, window)
        windows = x.unfold(-1, self.window, self.hop)
        spectra = torch.fft.rfft(windows * self.shape)
        magnitude = (spectra.real.square() + spectra.imag.square() + _LEAST).sqrt()
        passed, gate = self.encoder(x).transpose(1, 2).chunk(2, dim=-1)
        basis = functional.relu(passed) * gate.sigmoid()
        steps = basis.shape[1]
        seen = begin_seen = self.seen(magnitude.transpose(1, 2).flatten(2))
        heard = begin_heard = self.heard(basis)
        seen, heard = self.first[0](seen), self.first[1](heard)
        if self.small:
            seen = heard = self.middle(seen + heard)
        else:
            seen, heard = self.middle(torch.cat([seen, heard], dim=-1)).chunk(2, dim=-1)
        seen, heard = self.last[0](seen + begin_seen), self.last[1](heard + begin_heard)
        shares = self.drawn(seen).reshape(batch, steps, self.stems, 2, -1).softmax(dim=2)
        parts = shares.permute(0, 2, 3, 4, 1).float() * spectra.transpose(2, 3)[:, None]
        of_spectra = overlapped(parts.flatten(0, 2), self.shape, self.hop, lead, frames)
        masks = self.chosen(heard).reshape(batch, steps, self.stems, -1).softmax(dim=2)
        shown = (masks * basis[:, :, None]).permute(0, 2, 3, 1).flatten(0, 1)
        of_filters = cast(Tensor, self.decoder(shown))[..., lead : lead + frames]
        return of_spectra.reshape(batch, self.stems, 2, frames) + of_filters.reshape(batch, self.stems, 2, frames)


class _Memory(nn.Module):
    """What is known of the past, beside (batch, steps, features) or in its place."""

    def __init__(self, features: int, layers: int, beside: bool) -> None:
        super().__init__()
        self.beside = beside
        self.lstm = nn.LSTM(features, features, layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        told: Tensor = self.lstm(x)[0]
        return x + told if self.beside else told
