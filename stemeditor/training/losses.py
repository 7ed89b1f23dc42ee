"""How far a network's stems are from the true ones: losses by name, so that a configuration can weigh them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Final

import torch
from torch import Tensor, nn

from stemeditor.nets.fronts import ComplexStft, power
from stemeditor.nets.masking import Masking
from stemeditor.training.corpus import RATE
from stemeditor.training.hearing import hidden, mel_bands

_LEAST: Final = 1e-8
_RESOLUTIONS: Final = ((512, 128), (1024, 256), (2048, 512), (4096, 1024))
_SPECTRUM: Final = (2048, 512)
"""Window and hop at which networks from sound to sound are judged."""

_MEL: Final = (2048, 512, 80)
_FLOOR: Final = 1e-3
_COMPRESSION: Final = 0.3
_IN_TIME: Final = 10.0
_MOST_SDR_DB: Final = 30.0


class Outcome:
    """What a network made of a batch, each view computed when a loss first asks for it.

    Parameters
    ----------
    net
        The network.
    stems
        True stems, (batch, stems, 2, frames); their sum is the song.
    joined
        (batch,): of which songs only the voice and the sum of all else is known, which is their last stem. What the
        network gives to the stems between is added to it. None if of none.
    voice
        Place of the voice among the stems.
    rate
        Of the sound, Hz.
    """

    def __init__(
        self, net: nn.Module, stems: Tensor, joined: Tensor | None = None, voice: int = 0, rate: int = RATE
    ) -> None:
        self.net, self.stems, self.rate = net, stems, rate
        self.mix = stems.sum(dim=1)
        self._joined, self._voice = joined, voice

    @cached_property
    def level(self) -> Tensor:
        """Mean square of every song, (batch, 1, 1, 1)."""
        return self.mix.square().mean(dim=(1, 2))[:, None, None, None] + _LEAST

    @cached_property
    def true_spectra(self) -> Tensor:
        """Complex (batch, stems, 2, bins, hops), at the transform of the network if it has one."""
        with torch.no_grad():
            spectra: Tensor = self._front(self.stems)
        return spectra

    @cached_property
    def true_parts(self) -> tuple[Tensor, Tensor]:
        """Real and imaginary part of `true_spectra`, each in one piece: sums over them take half the time."""
        return self.true_spectra.real.contiguous(), self.true_spectra.imag.contiguous()

    @cached_property
    def mix_parts(self) -> tuple[Tensor, Tensor]:
        """Real and imaginary part of the song's spectra, (batch, 2, bins, hops) each."""
        real, imaginary = self.true_parts
        return real.sum(dim=1), imaginary.sum(dim=1)

    @cached_property
    def masks(self) -> tuple[Tensor, Tensor]:
        """Real and imaginary part of the masks, (batch, stems, 2, points, hops) each."""
        across, turned = self._masking.parts(*self.mix_parts)
        return self._known(across), self._known(turned)

    @cached_property
    def spectra(self) -> Tensor:
        """Complex (batch, stems, 2, bins, hops)."""
        if not isinstance(self.net, Masking):
            front: Tensor = self._front(self.sound)
            return front
        masks = self._masking.points.spread(torch.complex(*self.masks))
        return masks * torch.complex(*self.mix_parts).unsqueeze(1)

    @cached_property
    def sound(self) -> Tensor:
        """(batch, stems, 2, frames)."""
        if isinstance(self.net, Masking):
            return self.net.front.inverse(self.spectra, self.stems.shape[-1])
        return self._known(self.net(self.mix))

    def _known(self, found: Tensor) -> Tensor:
        """Return (batch, stems, ...) with what can be compared: see `joined`."""
        if self._joined is None:
            return found
        voice = found[:, self._voice]
        together = torch.zeros_like(found)
        together[:, self._voice] = voice
        together[:, -1] = found.sum(dim=1) - voice
        return torch.where(self._joined.reshape(-1, *[1] * (found.ndim - 1)), together, found)

    @cached_property
    def _front(self) -> ComplexStft:
        if isinstance(self.net, Masking):
            return self.net.front
        return ComplexStft(*_SPECTRUM).to(self.stems.device)

    @property
    def _masking(self) -> Masking:
        if not isinstance(self.net, Masking):
            raise ValueError("this loss is for networks that draw masks")
        return self.net


def points(outcome: Outcome) -> Tensor:
    """Return the mean length of the error at every point of the network's frequency axis.

    Over the bins that share a mask M, the error's power is |M|^2 sum |X|^2 - 2 Re(M* sum X* S) + sum |S|^2. So it is
    known without ever spreading the masks over the bins, which is what costs.
    """
    net = outcome._masking
    with torch.no_grad():
        real, imaginary = outcome.true_parts
        song = [part.unsqueeze(1) for part in outcome.mix_parts]
        mean = net.points.mean
        of_song = mean(song[0].square() + song[1].square())
        of_stem = mean(real.square() + imaginary.square())
        shared_real = mean(song[0] * real + song[1] * imaginary)
        shared_imaginary = mean(song[0] * imaginary - song[1] * real)
        level = of_song.mean(dim=(1, 2, 3, 4), keepdim=True) + _LEAST
        widths: Tensor = torch.cat([torch.full((count,), float(width)) for count, width in net.points.groups])
        weights = (widths / widths.mean()).to(level.device)[:, None]
    across, turned = outcome.masks
    size = across.square() + turned.square()
    error = size * of_song - 2 * (across * shared_real + turned * shared_imaginary) + of_stem
    length: Tensor = ((error.clamp_min(0.0) + _LEAST * level) / level).sqrt()
    total: Tensor = (length * weights).mean()
    return total


def magnitude_l1(outcome: Outcome) -> Tensor:
    """Return the mean distance of magnitudes, relative to the song's level: of masks that leave phases alone."""
    found, true = ((power(spectra) + _LEAST).sqrt() for spectra in (outcome.spectra, outcome.true_spectra))
    return (found - true).abs().mean() / _spectral_level(outcome).sqrt().mean()


def spectrum_l1(outcome: Outcome) -> Tensor:
    """Return the mean distance of real and imaginary parts, relative to the song's level."""
    error = torch.view_as_real(outcome.spectra - outcome.true_spectra)
    return error.abs().mean() / _spectral_level(outcome).sqrt().mean()


def spectrum_l2(outcome: Outcome) -> Tensor:
    """Return the mean squared distance of complex spectra, relative to the song's power."""
    return (power(outcome.spectra - outcome.true_spectra) / _spectral_level(outcome)).mean()


def time_l1(outcome: Outcome) -> Tensor:
    """Return the mean distance of samples, relative to the song's level."""
    return ((outcome.sound - outcome.stems).abs() / outcome.level.sqrt()).mean()


def time_l2(outcome: Outcome) -> Tensor:
    """Return the mean squared distance of samples, relative to the song's power."""
    return ((outcome.sound - outcome.stems).square() / outcome.level).mean()


def si_sdr(outcome: Outcome) -> Tensor:
    """Return the negative scale-invariant signal-to-distortion ratio in dB, over stems that sound.

    References
    ----------
    J. Le Roux et al., SDR - half-baked or well done?, ICASSP 2019.
    """
    true, found = outcome.stems.flatten(2), outcome.sound.flatten(2)
    true_power = true.square().sum(dim=-1)
    scale = (true * found).sum(dim=-1) / (true_power + _LEAST)
    target = scale[..., None] * true
    error = (found - target).square().sum(dim=-1)
    target_power = target.square().sum(dim=-1)
    # Bounded: a stem that is right already shall not pull.
    least = 10 ** (-_MOST_SDR_DB / 10) * target_power
    ratio = 10 * torch.log10((target_power + _LEAST) / (error + least + _LEAST))
    sounding = true_power / true.shape[-1] > outcome.level.flatten()[:, None] * 1e-4
    return -(ratio * sounding).sum() / sounding.sum().clamp_min(1)


def multi_resolution(outcome: Outcome) -> Tensor:
    """Return spectral convergence plus distance of log magnitudes, over windows of 12 to 93 ms.

    References
    ----------
    R. Yamamoto, E. Song, J.-M. Kim, Parallel WaveGAN, ICASSP 2020, eq. 4 to 6.
    """
    scale = outcome.level.sqrt()
    total = outcome.sound.new_zeros(())
    for window, hop in _RESOLUTIONS:
        front = ComplexStft(window, hop).to(outcome.sound.device)
        true, found = front(outcome.stems / scale).abs(), front(outcome.sound / scale).abs()
        convergence = ((true - found).square().sum() + _LEAST).sqrt() / (true.square().sum() + _LEAST).sqrt()
        total = total + convergence + ((found + _FLOOR).log() - (true + _FLOOR).log()).abs().mean()
    return total / len(_RESOLUTIONS)


def mel(outcome: Outcome) -> Tensor:
    """Return the mean distance of log magnitudes in mel bands: what an ear hears of a wrong spectrum."""
    window, hop, bands = _MEL
    front = ComplexStft(window, hop).to(outcome.sound.device)
    matrix = mel_bands(bands, front.bins, outcome.rate).to(outcome.sound.device)
    scale = outcome.level.sqrt()
    true, found = matrix @ front(outcome.stems / scale).abs(), matrix @ front(outcome.sound / scale).abs()
    distance: Tensor = ((found + _FLOOR).log() - (true + _FLOOR).log()).abs()
    return distance.mean()


def audible(outcome: Outcome) -> Tensor:
    """Return how far errors stand out of what the true stem hides: the mean of log (1 + noise to mask), a band.

    An error that nobody hears costs next to nothing, whatever its size.

    References
    ----------
    T. Thiede et al., PEAQ: the ITU standard for objective measurement of perceived audio quality, J. AES 48, 2000 (the
    noise-to-mask ratio); see `hearing.hidden`.
    """
    front = ComplexStft(*_SPECTRUM).to(outcome.sound.device)
    true, error = front(outcome.stems), power(front(outcome.sound - outcome.stems))
    level = power(true.sum(dim=1)).mean(dim=(1, 2, 3))[:, None, None, None, None] + _LEAST
    threshold, bands = hidden(power(true), level, outcome.rate)
    return ((bands @ error) / threshold).log1p().mean()


def compressed(outcome: Outcome) -> Tensor:
    """Return the mean distance of spectra, and of their magnitudes, raised to the power of 0.3: loud is not all.

    References
    ----------
    A. Ephrat et al., Looking to listen at the cocktail party, ACM Trans. Graphics 37, 2018 (compression); K. Wilson et
    al., Exploring tradeoffs in models for low-latency speech enhancement, IWAENC 2018 (with phase and without).
    """
    scale = _spectral_level(outcome).sqrt()

    def views(spectra: Tensor) -> tuple[Tensor, Tensor]:
        even = spectra / scale
        size = (power(even) + _LEAST).sqrt()
        return size**_COMPRESSION, torch.view_as_real(even) * (size ** (_COMPRESSION - 1))[..., None]

    found, true = views(outcome.spectra), views(outcome.true_spectra)
    return torch.stack([(one - other).abs().mean() for one, other in zip(found, true, strict=True)]).mean()


def weighted_sdr(outcome: Outcome) -> Tensor:
    """Return 1 minus the likeness of each stem, and of what it leaves, to the true ones, weighted by their powers.

    References
    ----------
    H.-S. Choi et al., Phase-aware speech enhancement with deep complex U-Net, ICLR 2019.
    """
    return _weighted_sdr(outcome.stems, outcome.sound, outcome.mix[:, None])


def combinations(outcome: Outcome) -> Tensor:
    """Return squared errors of spectra and ten times the weighted SDR, not of each stem but of all sums of some.

    What one stem has too much of and another too little is an error of each alone, and of both as soon as they are
    heard together with others: a network learns what stems have to do with each other.

    References
    ----------
    R. Sawata, S. Uhlich, S. Takahashi, Y. Mitsufuji, All for one and one for all: improving music separation by
    bridging networks, ICASSP 2021.
    """
    stems = outcome.stems.shape[1]
    chosen = [[float(mask >> at & 1) for at in range(stems)] for mask in range(1, 2**stems - 1)]
    which = outcome.stems.new_tensor(chosen)

    def sums(parts: Tensor) -> Tensor:
        return torch.einsum("ks,bs...->bk...", which.to(parts.dtype), parts)

    spectral = (power(sums(outcome.spectra - outcome.true_spectra)) / _spectral_level(outcome)).mean()
    return spectral + _IN_TIME * _weighted_sdr(sums(outcome.stems), sums(outcome.sound), outcome.mix[:, None])


def _weighted_sdr(true: Tensor, found: Tensor, mix: Tensor) -> Tensor:
    """Return the mean over (batch, some, 2, frames); `mix` is broadcast to them."""

    def like(one: Tensor, other: Tensor) -> Tensor:
        both = (one.square().sum(dim=(2, 3)) * other.square().sum(dim=(2, 3)) + _LEAST**2).sqrt()
        return ((one * other).sum(dim=(2, 3)) + _LEAST) / (both + _LEAST)

    rest = mix - true
    own, others = true.square().sum(dim=(2, 3)), rest.square().sum(dim=(2, 3))
    share = own / (own + others + _LEAST)
    return (1.0 - share * like(true, found) - (1.0 - share) * like(rest, mix - found)).mean()


LOSSES: Mapping[str, Callable[[Outcome], Tensor]] = {
    "points": points,
    "magnitude_l1": magnitude_l1,
    "spectrum_l1": spectrum_l1,
    "spectrum_l2": spectrum_l2,
    "time_l1": time_l1,
    "time_l2": time_l2,
    "si_sdr": si_sdr,
    "multi_resolution": multi_resolution,
    "mel": mel,
    "audible": audible,
    "compressed": compressed,
    "weighted_sdr": weighted_sdr,
    "combinations": combinations,
}
"""Name in a configuration -> loss."""


def weighted(outcome: Outcome, weights: Mapping[str, float]) -> Tensor:
    """Return the sum of the named losses, each times its weight.

    Raises
    ------
    ValueError
        If one does not suit the network.
    """
    total = outcome.stems.new_zeros(())
    for name, weight in weights.items():
        total = total + weight * LOSSES[name](outcome)
    return total


def _spectral_level(outcome: Outcome) -> Tensor:
    return power(outcome.true_spectra.sum(dim=1)).mean(dim=(1, 2, 3))[:, None, None, None, None] + _LEAST
