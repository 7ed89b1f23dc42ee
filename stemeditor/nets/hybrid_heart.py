"""The layers of Hybrid Demucs, without the transforms around them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from stemeditor.nets.hybrid_layers import Down, Up


class HybridHeart(nn.Module):
    """The layers of both branches, in order: down, through the transformer, and up again.

    There is no transform in it and there are no complex numbers, and for sound of one length all shapes are the same:
    other programs than PyTorch can compute it. Without a transformer a trace of it holds for sound of any length.

    Parameters
    ----------
    net
        A `demucs.htdemucs.HTDemucs` or `demucs.hdemucs.HDemucs`; complex spectra go in and out of it as channels.
    arranged
        Whether its layers are replaced by such as give the same, and suit a processor better.
    """

    def __init__(self, net: Any, arranged: bool = True) -> None:
        super().__init__()
        self.net = net
        self._made_places: dict[tuple[object, ...], tuple[Tensor, Tensor]] = {}
        if arranged:
            _without_lengths(net)
            _arranged(net)

    def forward(self, picture: Tensor, wave: Tensor) -> tuple[Tensor, Tensor]:
        """Return what both branches find, still as the sum of stems and channels, of what they see and hear."""
        net = self.net
        skips: list[tuple[Tensor, int]] = []
        wave_skips: list[tuple[Tensor | None, int]] = []
        for number, layer in enumerate(net.encoder):
            width, joined = picture.shape[-1], None
            if number < len(net.tencoder):
                before, other = wave.shape[-1], net.tencoder[number]
                wave = other(_whole(wave, other.stride))
                wave_skips.append((None if other.empty else wave, before))
                joined = wave if other.empty else None
            picture = layer(picture if getattr(layer, "freq", True) else _whole(picture, layer.stride), joined)
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
        known = (rows, hops, heard.shape[1], seen.device)
        if known not in self._made_places:
            # A card would wait for them with every piece.
            self._made_places[known] = _places(cross, channels, *known)
        places, moments = self._made_places[known]
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


class Windows(nn.Module):
    """A recurrent layer that hears long sound in windows, each of which shares a half with the next.

    Whether there are windows, and how many, is computed with the rest: a trace holds for any length.

    Parameters
    ----------
    layer
        A `demucs.demucs.BLSTM` that has a longest window.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, sound: Tensor) -> Tensor:
        """Return (1, channels, steps) of as much."""
        layer, length = self.layer, sound.shape[-1]
        longest = layer.max_steps
        hop = longest // 2
        steps = torch.arange(length, device=sound.device)
        # (windows, steps of one); what fits into one window is heard in the first, which is as short.
        heard = torch.arange(0, length, hop, device=sound.device)[:, None] + steps[:longest]
        windows = pad(sound, (0, longest))[0][:, heard].permute(2, 1, 0)
        found = layer.linear(layer.lstm(windows)[0]).permute(2, 1, 0).flatten(1)
        # A quarter of a window at its ends is left to its neighbours, if there are any.
        window = ((steps - hop // 2) // hop).clamp(min=0) * (length > longest)
        whole: Tensor = found[:, window * (heard.shape[1] - hop) + steps][None]
        return whole + sound if layer.skip else whole


def _without_lengths(net: nn.Module) -> None:
    """Replace the layers whose program depends on how long the sound is."""
    from demucs.demucs import BLSTM

    for part in [*net.modules()]:
        for name, layer in [*part.named_children()]:
            if isinstance(layer, BLSTM) and layer.max_steps is not None and not isinstance(part, Windows):
                setattr(part, name, Windows(layer))


def _arranged(net: Any) -> None:
    """Replace the layers of both branches by such as a processor computes with less to carry."""
    from demucs.hdemucs import HDecLayer, HEncLayer

    for name, kind, ours in (
        ("encoder", HEncLayer, Down),
        ("tencoder", HEncLayer, Down),
        ("decoder", HDecLayer, Up),
        ("tdecoder", HDecLayer, Up),
    ):
        layers = [ours(layer) if isinstance(layer, kind) else layer for layer in getattr(net, name)]
        setattr(net, name, nn.ModuleList(layers))


def _whole(sound: Tensor, stride: int) -> Tensor:
    """Return sound, along its last axis, with silence behind it up to a whole number of strides."""
    return pad(sound, (0, -sound.shape[-1] % stride))


def _places(
    cross: Any, channels: int, rows: int, hops: int, frames: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return what tells the transformer where a point lies."""
    from demucs import transformer

    made: Any = transformer.create_2d_sin_embedding
    flat = made(channels, rows, hops, "cpu", cross.max_period)
    flat = flat.permute(0, 3, 2, 1).reshape(1, hops * rows, channels)
    moments = cross._get_pos_embedding(frames, 1, channels, "cpu").transpose(0, 1)
    return (cross.weight_pos_embed * flat).to(device), (cross.weight_pos_embed * moments).to(device)
