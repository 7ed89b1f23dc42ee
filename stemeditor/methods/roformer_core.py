"""What surrounds a RoFormer: the transform before it, and masked sound behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stemeditor import threads
from stemeditor.audio.stft import Spectra, Stft
from stemeditor.methods.exported import Array


@dataclass(frozen=True, slots=True)
class RoformerCore:
    """`exported.Core` of a `nets.roformer.Roformer`.

    Parameters
    ----------
    channels
        Of the sound.
    length
        Frames of its pieces.
    window, hop
        Of the transform, frames.
    normalized, zero_dc
        See the network.
    """

    channels: int
    length: int
    window: int
    hop: int
    normalized: bool
    zero_dc: bool

    def example(self) -> Array:
        """See `exported.Core`."""
        return np.zeros((self.channels, self.length), np.float32)

    def fits(self, frames: int) -> bool:
        """Whether a piece of so many frames can be computed."""
        return frames <= self.length

    def before(self, sound: Array) -> tuple[tuple[Array, ...], tuple[Spectra, int]]:
        """Return real and imaginary parts of the spectra, (bins * channels, hops): channels of a bin lie together."""
        spectra = self._transform.forward(sound)
        rows = spectra.transpose(1, 0, 2).reshape(-1, spectra.shape[-1])
        if self.normalized:
            rows = rows / np.float32(self.window**0.5)
        return (np.ascontiguousarray(rows.real), np.ascontiguousarray(rows.imag)), (spectra, sound.shape[-1])

    def after(self, found: tuple[Array, ...], known: tuple[Spectra, int]) -> Array:
        """Return what the masks, (stems, bins * channels, hops), let through, as sound."""
        spectra, frames = known
        channels, bins, hops = spectra.shape
        real, imaginary = found
        sound = np.empty((len(real), channels, frames), np.float32)

        def draw(number: int) -> None:
            mask = np.empty((channels, bins, hops), np.complex64)
            mask.real = real[number].reshape(bins, channels, hops).transpose(1, 0, 2)
            mask.imag = imaginary[number].reshape(bins, channels, hops).transpose(1, 0, 2)
            mask *= spectra
            if self.zero_dc:
                mask[:, 0] = 0
            sound[number] = self._transform.inverse(mask, frames)

        threads.each(draw, range(len(real)))
        return sound

    @property
    def _transform(self) -> Stft:
        return Stft(self.window, self.hop, mirrored=True)
