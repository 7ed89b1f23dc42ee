"""`Audio`: an immutable stretch of sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32]
"""float32, (channels, frames), full scale is 1.0."""


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Sound: read-only float32 samples (channels, frames) and their rate in Hz.

    The samples may be memory-mapped. Slices share memory with the whole. Two `Audio` are equal only if they are the
    same object: comparing sound is the caller's business.

    Parameters
    ----------
    samples
        (channels, frames), at least one channel; frames may be 0. Made read-only here; an array of another type is
        converted (copied), one of float32 is taken over, not copied.
    rate
        Frames a second, a positive whole number.

    Raises
    ------
    ValueError
        If the samples are not two-dimensional, have no channel, or the rate is not positive.
    """

    samples: Samples
    rate: int

    def __post_init__(self) -> None:
        samples = self.samples
        if samples.dtype != np.float32:
            samples = samples.astype(np.float32)
        if samples.ndim != 2 or samples.shape[0] < 1:
            raise ValueError(f"sound is (channels, frames) with at least one channel, not {samples.shape}")
        if self.rate <= 0:
            raise ValueError(f"a rate is a positive number of Hz, not {self.rate}")
        samples = samples.view()
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "rate", int(self.rate))

    @property
    def channels(self) -> int:
        """How many channels (1 or more)."""
        return int(self.samples.shape[0])

    @property
    def frames(self) -> int:
        """How many frames (sample instants)."""
        return int(self.samples.shape[1])

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate

    def read(self, start: int, stop: int) -> Samples:
        """Return the frames [start, stop), which lie within it, as (channels, frames): a read-only view."""
        return self.samples[:, start:stop]

    def slice(self, start: int, stop: int) -> Audio:
        """Return the frames [start, stop) as a view; what lies outside the sound is left out."""
        start = min(max(start, 0), self.frames)
        stop = min(max(stop, start), self.frames)
        return Audio(self.samples[:, start:stop], self.rate)

    @classmethod
    def silence(cls, channels: int, frames: int, rate: int) -> Audio:
        """Return digital silence."""
        return cls(np.zeros((channels, frames), np.float32), rate)
