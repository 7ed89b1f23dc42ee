"""The short-time Fourier transform and its inverse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples

Spectra = NDArray[np.complex64]
"""complex64, (channels, bins, hops)."""

_CHUNK_FRAMES = 1 << 17
"""Of all windows that are transformed at once: what is made on the way then stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Stft:
    """A periodic Hann window's transform with perfect reconstruction at any length.

    Hop k is centred at frame k * `hop`; before its start and behind its end the sound counts as silence, or as its own
    mirror image.

    Parameters
    ----------
    window
        Frames in a window, even.
    hop
        Frames between windows; at most half a window.
    mirrored
        Whether the ends are mirrored; then no hop is centred behind the end. The sound must be longer than half a
        window. Many networks hear it so.

    Raises
    ------
    ValueError
        If the window is odd or the hop too large for the windows to cover everything.
    """

    window: int
    hop: int
    mirrored: bool = False

    def __post_init__(self) -> None:
        if self.window % 2 or not 0 < self.hop <= self.window // 2:
            raise ValueError(f"no transform with windows of {self.window} and hops of {self.hop} frames")

    @property
    def bins(self) -> int:
        """How many frequencies, 0 Hz to Nyquist."""
        return self.window // 2 + 1

    def hops(self, frames: int) -> int:
        """Return how many windows a sound of that length takes."""
        return (frames // self.hop if self.mirrored else -(-frames // self.hop)) + 1

    def frequencies(self, rate: int) -> NDArray[np.float32]:
        """Return (bins,) the frequency of each bin in Hz."""
        return (np.arange(self.bins) * (rate / self.window)).astype(np.float32)

    def forward(self, samples: Samples) -> Spectra:
        """Transform (channels, frames) to (channels, bins, hops)."""
        from scipy import fft

        channels, frames = samples.shape
        count = self.hops(frames)
        half = self.window // 2
        if self.mirrored:
            padded = np.pad(np.asarray(samples, np.float32), ((0, 0), (half, half)), mode="reflect")
        else:
            padded = np.zeros((channels, (count - 1) * self.hop + self.window), np.float32)
            padded[:, half : half + frames] = samples
        views = np.lib.stride_tricks.sliding_window_view(padded, self.window, axis=1)[:, :: self.hop]
        out = np.empty((channels, self.bins, count), np.complex64)
        window = self._window()
        at_once = self._hops_at_once
        for start in range(0, count, at_once):
            part = views[:, start : start + at_once] * window
            out[:, :, start : start + at_once] = fft.rfft(part, axis=2).transpose(0, 2, 1)
        return out

    def inverse(self, spectra: Spectra, frames: int, mask: NDArray[np.float32] | Spectra | None = None) -> Samples:
        """Transform (channels, bins, hops) back to the (channels, frames) that is nearest in least squares.

        Parameters
        ----------
        spectra
            What `forward` returns, or of that shape.
        frames
            How many to return.
        mask
            What the spectra are multiplied by, a few hops at a time, real or complex: (bins, hops) or
            (channels, bins, hops).
        """
        from scipy import fft

        channels, _, count = spectra.shape
        # Windows are cut into hops, the last one filled up with silence; hops are added, many at once.
        shared = -(-self.window // self.hop)
        window = self._window()
        square = np.zeros(shared * self.hop, np.float32)
        np.square(window, out=square[: self.window])
        out = np.zeros((channels, count + shared - 1, self.hop), np.float32)
        weight = np.zeros(out.shape[1:], np.float32)
        at_once = self._hops_at_once
        part = np.zeros((channels, min(at_once, count), shared * self.hop), np.float32)
        for start in range(0, count, at_once):
            chunk = slice(start, start + at_once)
            some = spectra[..., chunk] if mask is None else spectra[..., chunk] * mask[..., chunk]
            found = fft.irfft(some.transpose(0, 2, 1), self.window, axis=2)
            hops = found.shape[1]
            np.multiply(found, window, out=part[:, :hops, : self.window])
            cut = part.reshape(channels, -1, shared, self.hop)
            # The latest hop of a window first: every point is added up in the order of the windows.
            for late in reversed(range(shared)):
                here = slice(start + late, start + late + hops)
                out[:, here] += cut[:, :hops, late]
                weight[here] += square[late * self.hop : (late + 1) * self.hop]
        half = self.window // 2
        sound = out.reshape(channels, -1)[:, half : half + frames]
        sound /= np.maximum(weight.reshape(-1)[half : half + frames], np.float32(1e-8))
        return sound

    @property
    def _hops_at_once(self) -> int:
        """How many windows are transformed together."""
        return max(_CHUNK_FRAMES // self.window, 1)

    def _window(self) -> NDArray[np.float32]:
        return np.hanning(self.window + 1)[:-1].astype(np.float32)
