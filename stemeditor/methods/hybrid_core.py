"""Hybrid Demucs cut in three: what comes before the network's heart, the heart, and what comes behind it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from stemeditor.nets.fronts import overlapped


class HybridCore:
    """A `demucs.htdemucs.HTDemucs` or `demucs.hdemucs.HDemucs`, as `engine.Core` wants it.

    The heart has no transform in it and no complex numbers, and its shapes are those of one segment: other programs
    than PyTorch can compute it.

    Parameters
    ----------
    net
        The network; complex spectra go in and out of it as channels.
    length
        Frames of its pieces; those that it was trained with by default. A network with transformer hears so many
        always, the others also less.
    """

    def __init__(self, net: Any, length: int = 0) -> None:
        self._net = net
        self._filling = hasattr(net, "crosstransformer")
        self.length = length or int(net.segment * net.samplerate)
        self.heart = _Heart(net)

    def fits(self, frames: int) -> bool:
        """Whether a piece of so many frames can be computed in the one shape that other programs know."""
        return frames <= self.length if self._filling else frames == self.length

    def before(self, sound: Tensor) -> tuple[tuple[Tensor, ...], Any]:
        """Return the spectrum's real and imaginary parts and the sound, both of mean 0 and deviation 1."""
        frames = sound.shape[-1]
        if self._filling:
            sound = torch.nn.functional.pad(sound, (0, self.length - frames))
        spectrum = self._net._spec(sound)
        picture = self._net._magnitude(spectrum)
        levels = []
        given = []
        for part in (picture, sound):
            over = tuple(range(1, part.dim()))
            mean, spread = part.mean(dim=over, keepdim=True), part.std(dim=over, keepdim=True)
            given.append((part - mean) / (1e-5 + spread))
            levels.append((mean, spread))
        return tuple(given), (levels, sound.shape[-1], frames)

    def after(self, found: tuple[Tensor, ...], known: Any) -> Tensor:
        """Return the sum of what both branches found, as sound."""
        levels, length, frames = known
        picture, wave = found
        stems = len(self._net.sources)
        (mean, spread), (wave_mean, wave_spread) = levels
        parts = picture.reshape(stems, -1, 2, *picture.shape[-2:])
        # Real and imaginary parts side by side, hop after hop, as the inverse transform wants them.
        drawn = parts.permute(0, 1, 4, 3, 2).contiguous()
        drawn = drawn.mul_(spread.reshape(())).add_(mean.reshape(()))
        sound = self._inverse(torch.view_as_complex(drawn), length)[None]
        wave = wave.reshape(1, stems, -1, length) * wave_spread[:, None] + wave_mean[:, None]
        whole: Tensor = sound + wave
        return whole[..., :frames]

    def _inverse(self, spectrum: Tensor, length: int) -> Tensor:
        """Return (stems, channels, length) of (stems, channels, hops, bins) without the highest bin, which is 0.

        Four windows overlap wherever there is something to keep, so that the squares add up to one and a half.
        """
        window, hop = self._net.nfft, self._net.hop_length
        shape = torch.hann_window(window, device=spectrum.device) * (window**0.5 / 1.5)
        sound = overlapped(torch.fft.irfft(spectrum, window) * shape, hop)
        # The transform begins half a window and one and a half hops before the sound, and leaves two hops out.
        skipped = window // 2 + hop // 2 * 3 - 2 * hop
        return sound[..., skipped : skipped + length]


class _Heart(nn.Module):
    """The layers of both branches, in order: down, through the transformer, and up again."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, picture: Tensor, wave: Tensor) -> tuple[Tensor, Tensor]:
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
        seen = cross.norm_in(seen) + places.to(seen.device)
        heard = cross.norm_in_t(heard) + moments.to(heard.device)
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


@lru_cache(maxsize=4)
def _places(cross: Any, channels: int, rows: int, hops: int, frames: int) -> tuple[Tensor, Tensor]:
    """Return what tells the transformer where a point lies: made once, since all segments are alike."""
    from demucs import transformer

    made: Any = transformer.create_2d_sin_embedding
    flat = made(channels, rows, hops, "cpu", cross.max_period)
    flat = flat.permute(0, 3, 2, 1).reshape(1, hops * rows, channels)
    moments = cross._get_pos_embedding(frames, 1, channels, "cpu").transpose(0, 1)
    return cross.weight_pos_embed * flat, cross.weight_pos_embed * moments
