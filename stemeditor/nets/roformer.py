"""Band-split RoFormers: transformers that look along time and along bands in turn, with rotary places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stemeditor.nets.fronts import MaskHeart, overlapped

BANDS = (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (128, 129)
"""Bins of the bands of the paper's network, for a transform of 2048."""

_WIDER = 4

_LEAST = 1e-24
"""Added to the mean square of what is scaled, so that silence stays silent."""

_PARTS = 4
"""See `RoformerHeart`: more of them take as much time and little less memory."""


class Roformer(nn.Module):
    """A network that draws complex masks for bands of the spectrum.

    Bands that overlap (a mel scale's) share the bins they have in common: their masks there are averaged.

    Parameters
    ----------
    dim
        Width.
    depth
        How often it looks along time and along bands.
    stems
        How many sources.
    bands
        For each band the bins that belong to it, ascending.
    channels
        Of the sound.
    time_depth, freq_depth, linear_depth
        Layers of one look along time, along bands, and over all points by linear attention.
    heads, head_dim
        Of attention.
    window, hop
        Of the transform, frames.
    normalized
        Whether the transform is scaled by the root of its length.
    mask_layers
        Matrices that turn a band's features into its mask.
    mid_norm
        Whether every look ends with a norm (the mel network) rather than all of them together.
    zero_dc
        Whether what has no frequency is left out.

    References
    ----------
    W.-T. Lu et al., Music source separation with band-split RoPE transformer, ICASSP 2024.
    J.-C. Wang et al., Mel-band RoFormer for music source separation, ISMIR 2023 late-breaking demo.
    J. Su et al., RoFormer: enhanced transformer with rotary position embedding, Neurocomputing 568, 2024.
    """

    rows: Tensor
    places: Tensor

    def __init__(
        self,
        dim: int,
        depth: int,
        stems: int,
        bands: Sequence[Sequence[int]],
        channels: int = 2,
        time_depth: int = 1,
        freq_depth: int = 1,
        linear_depth: int = 0,
        heads: int = 8,
        head_dim: int = 64,
        window: int = 2048,
        hop: int = 512,
        normalized: bool = False,
        mask_layers: int = 2,
        mid_norm: bool = False,
        zero_dc: bool = False,
    ) -> None:
        super().__init__()
        self.stems, self.channels = stems, channels
        self.window, self.hop, self.normalized, self.zero_dc = window, hop, normalized, zero_dc
        rows = [[bin * channels + side for bin in band for side in range(channels)] for band in bands]
        widths = [2 * len(band) for band in rows]
        flat = [row for band in rows for row in band]
        self.register_buffer("rows", torch.tensor(flat), persistent=False)
        self.register_buffer("places", _places(flat, (window // 2 + 1) * channels), persistent=False)
        looks = {"linear": linear_depth, "time": time_depth, "freq": freq_depth}
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    name: _Look(dim, layers, heads, head_dim, name == "linear", mid_norm)
                    for name, layers in looks.items()
                    if layers
                }
            )
            for _ in range(depth)
        )
        if not mid_norm:
            self.final_norm = Norm(dim)
        self.band_split = nn.ModuleDict({"to_features": _per_band(widths, dim)})
        self.widths = tuple(widths)
        self.mask_estimators = nn.ModuleList(
            nn.ModuleDict({"to_freqs": nn.ModuleList(_mask(dim, width, mask_layers) for width in widths)})
            for _ in range(stems)
        )

    def forward(self, sound: Tensor) -> Tensor:
        """Return (batch, stems, channels, frames) of (batch, channels, frames)."""
        batch, channels, frames = sound.shape
        shape = torch.hann_window(self.window, device=sound.device)
        spectrum = torch.stft(
            sound.reshape(-1, frames),
            self.window,
            self.hop,
            window=shape,
            normalized=self.normalized,
            return_complex=True,
        )
        hops = spectrum.shape[-1]
        # (batch, bins x channels, hops): the channels of a bin lie together.
        spectrum = spectrum.reshape(batch, channels, -1, hops).transpose(1, 2).reshape(batch, -1, hops)
        masks = torch.complex(*self.parts(spectrum.real, spectrum.imag))
        kept = spectrum[:, None] * masks
        if self.zero_dc:
            kept[:, :, : self.channels] = 0
        kept = kept.reshape(batch, self.stems, -1, channels, hops).transpose(2, 3)
        if self.normalized:
            kept = kept * self.window**0.5
        flat = kept.reshape(batch * self.stems * channels, -1, hops)
        out = overlapped(flat, shape, self.hop, self.window // 2, frames)
        return out.reshape(batch, self.stems, channels, frames)

    def parts(self, real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
        """Return real and imaginary part of masks, (batch, stems, rows, hops), of those of spectra without the stems.

        There are no complex numbers in it: other programs than PyTorch can compute it.
        """
        batch, _, hops = real.shape
        both = torch.stack([real[:, self.rows], imaginary[:, self.rows]], dim=-1)
        seen = both.transpose(1, 2).reshape(batch, hops, -1)
        readers = self.band_split["to_features"]
        assert isinstance(readers, nn.ModuleList)
        pieces = torch.split(seen, list(self.widths), dim=-1)
        features = [part(piece) for part, piece in zip(readers, pieces, strict=True)]
        points = torch.stack(features, dim=2)
        for looks in self.layers:
            assert isinstance(looks, nn.ModuleDict)
            points = self._looked(looks, points)
        if hasattr(self, "final_norm"):
            points = self.final_norm(points)
        drawn = []
        for estimator in self.mask_estimators:
            assert isinstance(estimator, nn.ModuleDict)
            writers = estimator["to_freqs"]
            assert isinstance(writers, nn.ModuleList)
            parts = [part(band) for part, band in zip(writers, points.unbind(dim=2), strict=True)]
            drawn.append(torch.cat(parts, dim=-1))
        found = torch.stack(drawn, dim=1).reshape(batch, self.stems, hops, -1, 2).permute(4, 0, 1, 3, 2).float()
        # Where bands overlap, several masks are drawn for a row: each is found at a place of its own.
        masks = sum(found[:, :, :, places] for places in self.places) / len(self.places)
        assert isinstance(masks, Tensor)
        return masks[0], masks[1]

    @staticmethod
    def _looked(looks: nn.ModuleDict, points: Tensor) -> Tensor:
        """Let every point (batch, hops, bands, dim) look at all others, at its band's, and at its hop's."""
        batch, hops, bands, dim = points.shape
        if "linear" in looks:
            points = looks["linear"](points.reshape(batch, hops * bands, dim)).reshape(batch, hops, bands, dim)
        along = points.transpose(1, 2).reshape(batch * bands, hops, dim)
        points = looks["time"](along).reshape(batch, bands, hops, dim).transpose(1, 2)
        found: Tensor = looks["freq"](points.reshape(batch * hops, bands, dim))
        return found.reshape(batch, hops, bands, dim)


class Norm(nn.Module):
    """Scales a vector to the length that its number of entries gives it, then each entry by a learned factor."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., dim) of as much, in single precision."""
        # Half precision does not know what is as small as that.
        return functional.rms_norm(x.float(), x.shape[-1:], self.gamma, _LEAST)


class _Rotary(nn.Module):
    """Turns pairs of entries by angles that grow with the place, at a speed of each pair's own."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.freqs = nn.Parameter(10000.0 ** -(torch.arange(0, dim, 2) / dim), requires_grad=False)
        # Swaps the entries of every pair, and turns the sign of the first: a matrix does that faster than slices.
        self.register_buffer(
            "swap", torch.eye(dim // 2).kron(torch.tensor([[0.0, 1.0], [-1.0, 0.0]])), persistent=False
        )
        self.swap: Tensor

    def forward(self, x: Tensor) -> Tensor:
        angles = (torch.arange(x.shape[-2], device=x.device)[:, None] * self.freqs).repeat_interleave(2, dim=-1)
        return x * angles.cos() + (x @ self.swap) * angles.sin()


class _Attention(nn.Module):
    """Attention with rotary places, each head of which may be shut by a gate."""

    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = Norm(dim)
        self.rotary_embed = _Rotary(head_dim)
        self.to_qkv = nn.Linear(dim, 3 * heads * head_dim, bias=False)
        self.to_gates = nn.Linear(dim, heads)
        self.to_out = nn.ModuleList([nn.Linear(heads * head_dim, dim, bias=False)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        batch, places, _ = x.shape
        query, key, value = self.to_qkv(x).reshape(batch, places, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(self.rotary_embed(query), self.rotary_embed(key), value)
        found = found * self.to_gates(x).transpose(1, 2)[..., None].sigmoid()
        out: Tensor = self.to_out[0](found.transpose(1, 2).reshape(batch, places, -1))
        return out


class _LinearAttention(nn.Module):
    """Attention between features instead of places, whose cost grows with the number of places only.

    References
    ----------
    A. El-Nouby et al., XCiT: cross-covariance image transformers, NeurIPS 2021.
    """

    _SCALE = 8.0

    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = Norm(dim)
        self.temperature = nn.Parameter(torch.zeros(heads, 1, 1))
        self.to_qkv = nn.ModuleList([nn.Linear(dim, 3 * heads * head_dim, bias=False)])
        # The middle of three parts has no weights; the name counts it all the same.
        self.to_out = nn.ModuleDict({"1": nn.Linear(heads * head_dim, dim, bias=False)})

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        batch, places, _ = x.shape
        query, key, value = self.to_qkv[0](x).reshape(batch, places, 3, self.heads, -1).permute(2, 0, 3, 4, 1)
        query = functional.normalize(query, dim=-1) * self.temperature.exp()
        key = functional.normalize(key, dim=-1)
        found = functional.scaled_dot_product_attention(query, key, value, scale=self._SCALE)
        out: Tensor = self.to_out["1"](found.permute(0, 3, 1, 2).reshape(batch, places, -1))
        return out


class _Forward(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        # Numbered as in a sequence with parts for training between them.
        self.net = nn.ModuleDict({"0": Norm(dim), "1": nn.Linear(dim, dim * _WIDER), "4": nn.Linear(dim * _WIDER, dim)})

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net["4"](functional.gelu(self.net["1"](self.net["0"](x))))
        return out


class _Look(nn.Module):
    """Layers of attention along one axis."""

    parts = 1
    """How many shares of the batch are computed one after the other, and never lie in memory together."""

    def __init__(self, dim: int, layers: int, heads: int, head_dim: int, linear: bool, norm: bool) -> None:
        super().__init__()
        self.linear = linear
        kind = _LinearAttention if linear else _Attention
        self.layers = nn.ModuleList(nn.ModuleList([kind(dim, heads, head_dim), _Forward(dim)]) for _ in range(layers))
        if norm:
            self.norm = Norm(dim)

    def forward(self, x: Tensor) -> Tensor:
        if self.parts == 1:
            return self._looked(x)
        edges = [x.shape[0] * number // self.parts for number in range(self.parts + 1)]
        return torch.cat([self._looked(x[start:stop]) for start, stop in zip(edges[:-1], edges[1:], strict=True)])

    def _looked(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            assert isinstance(layer, nn.ModuleList)
            for part in layer:
                x = x + part(x)
        return self.norm(x) if hasattr(self, "norm") else x


class RoformerHeart(MaskHeart):
    """`fronts.MaskHeart` of a `Roformer` that is to take little memory: its layers see a few bands, or hops, at a time.

    Parameters
    ----------
    net
        Is changed, not in what it finds.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net)
        for look in net.modules():
            # Linear attention is over all points at once.
            if isinstance(look, _Look) and not look.linear:
                look.parts = _PARTS


def _per_band(widths: Sequence[int], dim: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Sequential(Norm(width), nn.Linear(width, dim)) for width in widths)


def _mask(dim: int, width: int, layers: int) -> nn.Sequential:
    sizes = [dim, *[dim * _WIDER] * (layers - 1), width * 2]
    parts: list[nn.Module] = []
    for number, (given, taken) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        parts += [nn.Tanh()] if number else []
        parts.append(nn.Linear(given, taken))
    return nn.Sequential(nn.Sequential(*parts), nn.GLU(dim=-1))


def _places(rows: Sequence[int], total: int) -> Tensor:
    """Return (times, total): where in `rows` each of `total` rows stands.

    All are told as often as divides evenly by how often each stands there, so that means are means of all of them.
    """
    found: list[list[int]] = [[] for _ in range(total)]
    for place, row in enumerate(rows):
        found[row].append(place)
    if not all(found):
        raise ValueError("the bands do not cover the spectrum")
    times = math.lcm(*map(len, found))
    return torch.tensor([one * (times // len(one)) for one in found]).T


def split_bands(bins: Sequence[int] = BANDS) -> list[list[int]]:
    """Return the bins of bands that lie side by side."""
    edges = np.cumsum([0, *bins])
    return [list(range(low, high)) for low, high in zip(edges[:-1], edges[1:], strict=True)]


def mel_bands(bands: int, window: int, rate: int) -> list[list[int]]:
    """Return the bins of overlapping bands that are equally wide on the mel scale.

    The scale is linear up to 1 kHz and logarithmic above; a band reaches from the middle of the one below it to that
    of the one above it.

    References
    ----------
    M. Slaney, Auditory toolbox, Interval Research technical report 1998-010.
    """
    edges = _hertz(np.linspace(_mel(0.0), _mel(rate / 2), bands + 2))
    bins = np.fft.rfftfreq(window, 1 / rate)
    found = []
    for low, high in zip(edges[:-2], edges[2:], strict=True):
        found.append([int(bin) for bin in np.flatnonzero((bins > low) & (bins < high))])
    # The outermost bins lie on an edge, and belong to nobody if they do not belong there.
    found[0] = sorted({0, *found[0]})
    found[-1] = sorted({*found[-1], len(bins) - 1})
    return found


_LINEAR_STEP_HZ = 200.0 / 3.0
_BREAK_HZ = 1000.0
_LOG_STEP = float(np.log(6.4)) / 27.0


def _mel(hertz: float) -> float:
    if hertz < _BREAK_HZ:
        return hertz / _LINEAR_STEP_HZ
    return _BREAK_HZ / _LINEAR_STEP_HZ + float(np.log(hertz / _BREAK_HZ)) / _LOG_STEP


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    broken = _BREAK_HZ / _LINEAR_STEP_HZ
    return np.where(mels < broken, mels * _LINEAR_STEP_HZ, _BREAK_HZ * np.exp(_LOG_STEP * (mels - broken)))


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights under this network's names: published files number the looks of a layer, each in its own way."""
    places = sorted({int(name.split(".")[2]) for name in state if name.startswith("layers.")})
    names = dict(zip(places, ("linear", "time", "freq")[-len(places) :], strict=True)) if places else {}
    found = {}
    for name, value in state.items():
        parts = name.split(".")
        if parts[0] == "layers":
            parts[2] = names[int(parts[2])]
            # What newer programs wrap a layer in has no weights as long as there is one stream only.
            parts = [part for part in parts if part != "branch"]
        found[".".join(parts)] = value
    return found


def from_state(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> Roformer:
    """Return the network that published weights belong to, with them in it.

    Parameters
    ----------
    state
        Tensors by name. What they tell by their shapes is not taken from the configuration.
    config
        The part of the published configuration that describes the network.

    Raises
    ------
    ValueError
        If the configuration lacks what is needed, or the weights are those of another network.
    """
    state = renamed(state)
    try:
        window = int(config.get("stft_n_fft", 2048))
        mel = "num_bands" in config
        rate = int(config.get("sample_rate", 44100))
        bands = (
            mel_bands(int(config["num_bands"]), window, rate)
            if mel
            else split_bands(config.get("freqs_per_bands", BANDS))
        )
        first = "mask_estimators.0.to_freqs.0.0."
        net = Roformer(
            dim=int(config["dim"]),
            depth=int(config["depth"]),
            stems=int(config.get("num_stems", 1)),
            bands=bands,
            channels=2 if config.get("stereo", False) else 1,
            time_depth=int(config.get("time_transformer_depth", 2)),
            freq_depth=int(config.get("freq_transformer_depth", 2)),
            linear_depth=_layers(state, "layers.0.linear.layers."),
            heads=int(config.get("heads", 8)),
            head_dim=int(config.get("dim_head", 64)),
            window=window,
            hop=int(config.get("stft_hop_length", 512)),
            normalized=bool(config.get("stft_normalized", False)),
            mask_layers=sum(name.startswith(first) and name.endswith(".weight") for name in state),
            mid_norm="final_norm.gamma" not in state,
            zero_dc=bool(config.get("zero_dc", False)),
        )
    except (KeyError, TypeError) as problem:
        raise ValueError(f"the configuration lacks {problem}") from problem
    except (IndexError, ArithmeticError, RuntimeError, MemoryError) as problem:
        raise ValueError("the configuration describes no network") from problem
    try:
        net.load_state_dict(state)
    except RuntimeError as problem:
        raise ValueError("the weights are those of another network than the configuration describes") from problem
    return net.eval()


def _layers(state: Mapping[str, Tensor], begin: str) -> int:
    return len({name[len(begin) :].split(".")[0] for name in state if name.startswith(begin)})
