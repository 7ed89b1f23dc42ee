"""What surrounds the networks of ours that draw masks: the transform before them, and masked sound behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemeditor import threads
from stemeditor.audio.stft import Spectra, Stft
from stemeditor.methods.exported import Array
from stemeditor.nets.description import Description


@dataclass(frozen=True, slots=True)
class MaskingCore:
    """`exported.Core` of a `nets.masking.Masking`.

    Parameters
    ----------
    description
        Of the network.
    """

    description: Description

    def example(self) -> Array:
        """Return a second; any length would do."""
        return np.zeros((2, self.description.rate), np.float32)

    def fits(self, frames: int) -> bool:
        """Whether a piece of so many frames can be computed: of any length."""
        return True

    def before(self, sound: Array) -> tuple[tuple[Array, ...], tuple[Spectra, int]]:
        """Return real and imaginary parts of the spectra, (channels, bins, hops)."""
        spectra = self._transform.forward(sound)
        return (np.ascontiguousarray(spectra.real), np.ascontiguousarray(spectra.imag)), (spectra, sound.shape[-1])

    def after(self, found: tuple[Array, ...], known: tuple[Spectra, int]) -> Array:
        """Return what the masks, (stems, channels, points, hops), let through, as sound."""
        spectra, frames = known
        real, imaginary = found
        at = places(self.description)
        sound = np.empty((len(real), spectra.shape[0], frames), np.float32)

        def draw(number: int) -> None:
            mask = np.empty(real.shape[1:], np.complex64)
            mask.real, mask.imag = real[number], imaginary[number]
            stem = np.take(mask, at, axis=1)
            stem *= spectra
            sound[number] = self._transform.inverse(stem, frames)

        threads.each(draw, range(len(real)))
        return sound

    @property
    def _transform(self) -> Stft:
        return Stft(self.description.window, self.description.hop)


def places(description: Description) -> NDArray[np.intp]:
    """Return (bins,) the point that each bin belongs to; what lies above all of them belongs to the last."""
    bins = description.window // 2 + 1
    widths = [width for count, width in description.points for _ in range(count)]
    covered = np.repeat(np.arange(len(widths)), widths)
    return np.concatenate([covered, np.full(bins - len(covered), len(widths) - 1)])
