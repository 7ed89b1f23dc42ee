"""What an ear makes of a spectrum: mel and Bark bands, and how much of an error the sound itself hides."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

BARKS: Final = 24

_LEAST: Final = 1e-12
_UP_DB, _DOWN_DB = 10.0, 25.0
"""How fast what a band hides falls, a Bark: towards higher bands, and towards lower ones."""

_TONE_DB, _NOISE_DB = 14.5, 5.5
"""How far below a tone, and a Bark more of it the higher it is, and below a noise, an error is hidden."""

_FLATNESS_OF_A_TONE_DB: Final = -60.0
_LEVEL_DB: Final = 70.0
"""Sound pressure level that a song is taken to be played at."""


def mel_bands(bands: int, bins: int, rate: float) -> Tensor:
    """Return triangles (bands, bins) of equal width on the mel scale of O'Shaughnessy, each of area 1."""
    edges = 700.0 * (10 ** (torch.linspace(0.0, 2595.0 * math.log10(1 + rate / 1400.0), bands + 2) / 2595.0) - 1.0)
    at = torch.linspace(0.0, rate / 2, bins)
    rising = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - at) / (edges[2:] - edges[1:-1])[:, None]
    triangles = torch.minimum(rising, falling).clamp_min(0.0)
    return triangles / triangles.sum(dim=1, keepdim=True).clamp_min(_LEAST)


def barks(frequency: Tensor) -> Tensor:
    """Return critical-band rates of frequencies in Hz (Zwicker and Terhardt, JASA 68, 1980)."""
    return 13.0 * (0.00076 * frequency).atan() + 3.5 * (frequency / 7500.0).square().atan()


def bark_bands(bins: int, rate: float) -> Tensor:
    """Return (bands, bins): which of the lowest `BARKS` critical bands a bin belongs to, 0 or 1; bands may be empty."""
    at = barks(torch.linspace(0.0, rate / 2, bins)).floor().long().clamp_max(BARKS - 1)
    return torch.nn.functional.one_hot(at, BARKS).T.float()


def quiet(rate: float) -> Tensor:
    """Return (bands,) the threshold of hearing in quiet, as a power relative to 0 dB (Terhardt, 1979)."""
    # The most sensitive place in each band.
    at = torch.linspace(20.0, min(rate / 2, 20000.0), 4000)
    thousands = at / 1000.0
    level_db = (
        3.64 * thousands**-0.8 - 6.5 * (-0.6 * (thousands - 3.3).square()).exp() + 1e-3 * thousands.square().square()
    )
    band = barks(at).floor().long().clamp_max(BARKS - 1)
    least = torch.full((BARKS,), 100.0).scatter_reduce(0, band, level_db, "amin")
    return 10 ** (least / 10)


def spreading() -> Tensor:
    """Return (bands, bands): the share of a band's (column's) power that hides errors in another (row)."""
    apart = torch.arange(BARKS)[:, None] - torch.arange(BARKS)[None]
    falls_db = torch.where(apart > 0, _UP_DB * apart, -_DOWN_DB * apart)
    return 10 ** (-falls_db / 10)


def hidden(power: Tensor, level: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """Return the power up to which errors in each critical band are not heard beside a sound.

    Parameters
    ----------
    power
        Of the sound's spectrum, (..., bins, hops).
    level
        Mean power of a bin of the song, which is taken to be played at 70 dB; broadcast to (..., 1, 1).
    rate
        Of the sound, Hz.

    Returns
    -------
    Tensor
        (..., bands, hops), summed over the bins of a band.
    Tensor
        (bands, bins): `bark_bands`.

    References
    ----------
    J. D. Johnston, Transform coding of audio signals using perceptual noise criteria, IEEE J. Selected Areas in
    Communications 6, 1988.
    """
    bands = bark_bands(power.shape[-2], rate).to(power)
    counts = bands.sum(dim=1)[:, None].clamp_min(1.0)
    total = bands @ power
    # A spectrum that is flat within a band is a noise, one with peaks a tone.
    floor = _LEAST * level + torch.finfo(power.dtype).tiny
    geometric = (bands @ (power + floor).log() / counts).exp()
    flatness_db = 10 * (geometric / (total / counts + floor)).clamp_min(_LEAST).log10()
    tone = (flatness_db / _FLATNESS_OF_A_TONE_DB).clamp(0.0, 1.0)
    number = torch.arange(1.0, BARKS + 1.0, device=power.device)[:, None]
    offset_db = tone * (_TONE_DB + number) + (1 - tone) * _NOISE_DB
    masked = spreading().to(power) @ (total * 10 ** (-offset_db / 10))
    alone = quiet(rate).to(power)[:, None] * counts * level * 10 ** (-_LEVEL_DB / 10)
    return masked + alone, bands
