"""The mix as a value: which sounds, how loud, where; and how it sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio, Samples


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One channel of the mixer.

    Parameters
    ----------
    id
        The lane's; unique in the mix.
    audio
        Mono or stereo.
    gain
        Linear, 0 or more.
    pan
        -1 to 1, a balance: the far side falls to nothing, the near side stays. At 0 a strip passes unchanged.
    muted, soloed
        Solo wins over mute; while any strip is soloed only soloed ones are heard.
    start
        Frame of the mix at which the sound begins.
    """

    id: str
    audio: Audio
    gain: float = 1.0
    pan: float = 0.0
    muted: bool = False
    soloed: bool = False
    start: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """All strips and the master. Immutable, so that any thread may render it.

    Parameters
    ----------
    strips
        From top to bottom; their rates are the mix's.
    gain
        Linear master gain.
    rate
        Frames a second.
    frames
        Length; beyond it, and beyond the end of a shorter strip, there is silence.
    """

    strips: tuple[Strip, ...] = ()
    gain: float = 1.0
    rate: int = 44100
    frames: int = 0

    def heard(self, strip: Strip) -> bool:
        """Whether solo and mute let this strip through."""
        if any(other.soloed for other in self.strips):
            return strip.soloed
        return not strip.muted

    def gains(self) -> dict[str, NDArray[np.float32]]:
        """Return strip id -> (2,) linear gains left and right, master included; zeros for strips not heard."""
        found = {}
        for strip in self.strips:
            level = strip.gain * self.gain if self.heard(strip) else 0.0
            sides = (min(1.0, 1.0 - strip.pan), min(1.0, 1.0 + strip.pan))
            found[strip.id] = np.array(sides, np.float32) * np.float32(level)
        return found

    def audible(self) -> tuple[tuple[Strip, NDArray[np.float32]], ...]:
        """Return the strips that sound, from top to bottom, each with its gains (2, 1), master included."""
        gains = self.gains()
        return tuple((strip, gains[strip.id][:, np.newaxis]) for strip in self.strips if gains[strip.id].any())

    def render(self, start: int, frames: int) -> Samples:
        """Return (2, frames) of the mix from frame `start`; silence where there is no song (also before 0)."""
        out = np.zeros((2, max(frames, 0)), np.float32)
        for strip, gain in self.audible():
            add_stretch(out, strip.audio, start - strip.start, gain)
        return out


def add_stretch(out: Samples, audio: Audio, start: int, gain: NDArray[np.float32]) -> None:
    """Add the frames [start, start + n) of `audio` to `out` (2, n), times `gain` (2, 1).

    A mono sound goes to both sides at full level. Frames outside the sound count as silence.
    """
    first = max(start, 0)
    last = min(start + out.shape[1], audio.frames)
    if last > first:
        out[:, first - start : last - start] += audio.samples[:2, first:last] * gain
