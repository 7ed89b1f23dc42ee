"""The multichannel Wiener filter on tensors: for graphics cards, which do it beside their networks."""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST = 1e-12


def filtered(mix: Tensor, stems: Tensor, passes: int, floor: float) -> Tensor:
    """Return what `methods.wiener.scaled` makes of stems, for several pieces at once.

    Parameters
    ----------
    mix
        Complex (pieces, channels, bins, hops), of one or two channels.
    stems
        Complex (pieces, stems, channels, bins, hops).
    passes
        How often.
    floor
        What is added to the modelled powers: it keeps the inverse stable.

    Returns
    -------
    Tensor
        Of the shape of `stems`.
    """
    # Products of matrices in half precision would be heard.
    with torch.autocast(mix.device.type, enabled=False):
        for _ in range(passes):
            stems = _once(mix, stems, floor)
    return stems


def _once(mix: Tensor, stems: Tensor, floor: float) -> Tensor:
    pieces, count, channels, bins, hops = stems.shape
    # (pieces, bins, stems, hops)
    powers = (stems.real.square() + stems.imag.square()).mean(dim=2).transpose(1, 2)
    # How the channels of each stem go together at each frequency, (pieces, bins, stems, channels, channels).
    seen = stems.permute(0, 3, 1, 2, 4)
    spatial = seen @ seen.mH / (powers.sum(dim=-1)[..., None, None] + _LEAST)
    # The sum over the stems of both parts of that, each as much as it sounds: (pieces, bins, channels ** 2, 2, hops).
    shares = torch.view_as_real(spatial).reshape(pieces, bins, count, -1).transpose(2, 3)
    total = (shares @ powers).reshape(pieces, bins, channels, channels, 2, hops)
    explained = _solved(total, mix.transpose(1, 2), floor)
    found = spatial.reshape(pieces, bins, count * channels, channels) @ explained
    found = found.reshape(pieces, bins, count, channels, hops) * powers[:, :, :, None]
    return found.permute(0, 2, 3, 1, 4)


def _solved(total: Tensor, mix: Tensor, floor: float) -> Tensor:
    """Return the inverses of Hermitian matrices, (pieces, bins, channels, channels, 2, hops), times the song.

    That is (pieces, bins, channels, hops), as is what is returned.
    """
    first = total[:, :, 0, 0, 0] + floor
    if mix.shape[2] == 1:
        return mix / first[:, :, None]
    second = total[:, :, 1, 1, 0] + floor
    across = torch.complex(total[:, :, 0, 1, 0], total[:, :, 0, 1, 1])
    determinant = first * second - (across.real.square() + across.imag.square())
    left = second * mix[:, :, 0] - across * mix[:, :, 1]
    right = first * mix[:, :, 1] - across.conj() * mix[:, :, 0]
    return torch.stack([left, right], dim=2) / determinant[:, :, None]
