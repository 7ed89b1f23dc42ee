"""The layers of Hybrid Demucs, without the transforms around them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class HybridHeart(nn.Module):
    """The layers of both branches, in order: down, through the transformer, and up again.

    There is no transform in it and there are no complex numbers, and for sound of one length all shapes are the same:
    other programs than PyTorch can compute it.

    Parameters
    ----------
    net
        A `demucs.htdemucs.HTDemucs` or `demucs.hdemucs.HDemucs`; complex spectra go in and out of it as channels.
    """

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, picture: Tensor, wave: Tensor) -> tuple[Tensor, Tensor]:
        """Return what both branches find, still as the sum of stems and channels, of what they see and hear."""
        net = self.net
        skips: list[tuple[Tensor, int]] = []
        wave_skips: list[tuple[Tensor | None, int]] = []
        for number, layer in enumerate(net.encoder):
            width, joined = picture.shape[-1], None
            if number < len(net.tencoder):
                before, wave = wave.shape[-1], net.tencoder[number](wave)
                empty = net.tencoder[number].empty
                wave_skips.append((None if empty else wave, before))
                joined = wave if empty else None
            picture = layer(picture, joined)
            if number == 0 and net.freq_emb is not None:
                rows = net.freq_emb(torch.arange(picture.shape[-2], device=picture.device))
                picture = picture + net.freq_emb_scale * rows.t()[None, :, :, None]
            skips.append((picture, width))
        picture, wave = self._across(picture, wave)
        alone = net.depth - len(net.tdecoder)
        for number, layer in enumerate(net.decoder):
            skip, width = skips.pop()
            picture, unfinished = layer(picture, skip, width)
            if number >= alone:
                wave_skip, length = wave_skips.pop()
                other = net.tdecoder[number - alone]
                wave, _ = other(unfinished[:, :, 0] if other.empty else wave, wave_skip, length)
        return picture, wave

    def _across(self, picture: Tensor, wave: Tensor) -> tuple[Tensor, Tensor]:
        """Let the branches look at each other: attention within and between them.

        Without a transformer nothing goes on from here but what was handed across before.
        """
        net = self.net
        if not getattr(net, "crosstransformer", None):
            nothing = torch.zeros_like(picture)
            return nothing, nothing
        rows, hops = picture.shape[-2:]
        flat = picture.flatten(2)
        if net.bottom_channels:
            flat, wave = net.channel_upsampler(flat), net.channel_upsampler_t(wave)
        cross = net.crosstransformer
        channels = flat.shape[1]
        # (batch, hops x rows, channels): rows of one hop lie together.
        seen = flat.reshape(-1, channels, rows, hops).permute(0, 3, 2, 1).reshape(-1, hops * rows, channels)
        heard = wave.transpose(1, 2)
        places, moments = _places(cross, channels, rows, hops, heard.shape[1])
        seen = cross.norm_in(seen) + places
        heard = cross.norm_in_t(heard) + moments
        for number in range(cross.num_layers):
            if number % 2 == cross.classic_parity:
                seen, heard = cross.layers[number](seen), cross.layers_t[number](heard)
            else:
                seen, heard = cross.layers[number](seen, heard), cross.layers_t[number](heard, seen)
        flat = seen.reshape(-1, hops, rows, channels).permute(0, 3, 2, 1).reshape(-1, channels, rows * hops)
        wave = heard.transpose(1, 2)
        if net.bottom_channels:
            flat, wave = net.channel_downsampler(flat), net.channel_downsampler_t(wave)
        return flat.reshape(-1, flat.shape[1], rows, hops), wave


def _places(cross: Any, channels: int, rows: int, hops: int, frames: int) -> tuple[Tensor, Tensor]:
    """Return what tells the transformer where a point lies."""
    from demucs import transformer

    made: Any = transformer.create_2d_sin_embedding
    flat = made(channels, rows, hops, "cpu", cross.max_period)
    flat = flat.permute(0, 3, 2, 1).reshape(1, hops * rows, channels)
    moments = cross._get_pos_embedding(frames, 1, channels, "cpu").transpose(0, 1)
    return cross.weight_pos_embed * flat, cross.weight_pos_embed * moments
