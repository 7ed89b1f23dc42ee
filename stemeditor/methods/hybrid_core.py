"""What surrounds Hybrid Demucs' layers: spectrum and levels before them, sound behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from stemeditor import threads
from stemeditor.audio.stft import Spectra, Stft
from stemeditor.methods.exported import Array
from stemeditor.nets.hybrid_picture import HOP, LEAD, LEAST, OUTSIDE, WINDOW

_TRANSFORM = Stft(WINDOW, HOP)

Level: TypeAlias = tuple[np.float32, np.float32]
"""Mean and standard deviation."""


@dataclass(frozen=True, slots=True)
class HybridCore:
    """`exported.Core` of a `demucs.htdemucs.HTDemucs` or `demucs.hdemucs.HDemucs`.

    Parameters
    ----------
    stems
        How many the network gives.
    length
        Frames of its pieces, the last ones of a song excepted.
    filling
        Whether it hears so many always: those with a transformer do, and take silence for what is missing.
    late
        Whether it belongs to the first ones, whose program gave back the spectrum's sound too late by what is put
        before it, and put silence there. They have learned to live with that.
    magnitudes
        Whether it sees and draws magnitudes, and the phases are the song's; otherwise real and imaginary parts.
    """

    stems: int
    length: int
    filling: bool
    late: bool = False
    magnitudes: bool = False

    def example(self) -> Array:
        """See `exported.Core`."""
        return np.zeros((2, self.length), np.float32)

    def fits(self, frames: int) -> bool:
        """Whether a piece of so many frames can be computed."""
        return frames <= self.length

    def before(self, sound: Array) -> tuple[tuple[Array, ...], _Known]:
        """Return the spectrum's picture and the sound, both of mean 0 and deviation 1."""
        frames = sound.shape[-1]
        missing = self.length - frames if self.filling else 0
        whole = np.pad(np.asarray(sound, np.float32), ((0, 0), (0, missing)))
        spectra = threads.each(lambda channel: _spectra(channel, not self.late), whole[:, None])
        phases = None
        picture = np.empty((len(whole) * (1 if self.magnitudes else 2), *spectra[0].shape[1:]), np.float32)
        if self.magnitudes:
            for drawn, spectrum in zip(picture, spectra, strict=True):
                np.abs(spectrum[0], out=drawn)
            whole_spectra = np.concatenate(spectra)
            phases = np.divide(whole_spectra, picture, out=np.ones_like(picture, np.complex64), where=picture > 0)
        else:
            for real, imaginary, spectrum in zip(picture[::2], picture[1::2], spectra, strict=True):
                real[:], imaginary[:] = spectrum[0].real, spectrum[0].imag
        del spectra
        # Their transforms neither gain nor lose energy, ours gains as much as the window is long.
        level, wave_level = _levelled(picture, LEAST * WINDOW**0.5), _levelled(whole, LEAST)
        return (picture, whole), _Known(level, wave_level, frames, phases)

    def after(self, found: tuple[Array, ...], known: _Known) -> Array:
        """Return the sum of what both branches found, as sound: (stems, channels, frames)."""
        picture, wave = found
        length, frames = wave.shape[-1], known.frames
        mean, spread = known.wave_level
        sound = wave.reshape(self.stems, -1, length)[..., :frames] * spread + mean
        pictures = picture.reshape(self.stems, -1, *picture.shape[-2:])
        mean, spread = known.level

        def add(number: int) -> None:
            levelled = pictures[number] * spread + mean
            if known.phases is None:
                real, imaginary = levelled[::2], levelled[1::2]
            else:
                real, imaginary = levelled * known.phases.real, levelled * known.phases.imag
            sound[number] += _sound(real, imaginary, length, self.late)[:, :frames]

        threads.each(add, range(self.stems))
        return sound


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What was taken off a piece: levels of spectrum and sound, its length, and phases where layers have none."""

    level: Level
    wave_level: Level
    frames: int
    phases: Spectra | None


def _spectra(sound: Array, mirrored: bool) -> Spectra:
    """Return (channels, bins, hops) as the networks' program transforms; beyond its ends is silence or a mirror."""
    frames = sound.shape[-1]
    hops = -(-frames // HOP)
    behind = LEAD + hops * HOP - frames
    if mirrored:
        # What is too short to be mirrored is first followed by silence.
        silence = max(behind + 1 - frames, 0)
        followed = np.pad(sound, ((0, 0), (0, silence)))
        longer = np.pad(followed, ((0, 0), (LEAD, behind - silence)), mode="reflect")
    else:
        longer = np.pad(sound, ((0, 0), (LEAD, behind)))
    # Without the highest bin, and the hops that see what lies beyond.
    spectra: Spectra = _TRANSFORM.forward(longer)[:, :-1, OUTSIDE : OUTSIDE + hops]
    return spectra


def _sound(real: Array, imaginary: Array, frames: int, late: bool) -> Array:
    """Return (channels, frames) of two (channels, bins, hops); the inverse of `_spectra`, unless it is late."""
    channels, bins, hops = real.shape
    spectra = np.zeros((channels, bins + 1, hops + 2 * OUTSIDE), np.complex64)
    inside = spectra[:, :-1, OUTSIDE:-OUTSIDE]
    inside.real, inside.imag = real, imaginary
    begin = 0 if late else LEAD
    return _TRANSFORM.inverse(spectra, begin + frames)[:, begin:]


def _levelled(values: Array, least: float) -> Level:
    """Bring values to mean 0 and deviation 1, in place; return what they were."""

    def sums(part: Array) -> tuple[float, float]:
        wide = part.astype(np.float64).ravel()
        return float(wide.sum()), float(wide @ wide)

    totals, squares = zip(*threads.each(sums, values), strict=True)
    mean = sum(totals) / values.size
    spread = (max(sum(squares) - mean * sum(totals), 0.0) / max(values.size - 1, 1)) ** 0.5
    values -= np.float32(mean)
    values /= np.float32(least + spread)
    return np.float32(mean), np.float32(spread)
