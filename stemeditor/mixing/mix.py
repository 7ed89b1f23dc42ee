"""The mix as a value: which sounds, how loud, where; and how it sounds."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.montage import Montage

JOIN_S = 0.006
"""Cross-fade where one sound takes over from another: long enough not to click, short enough not to blur an attack."""


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One channel of the mixer.

    Parameters
    ----------
    id
        The lane's; unique in the mix.
    audio
        Mono or stereo, perhaps put together of several sounds.
    gain
        Linear, 0 or more.
    pan
        -1 to 1, a balance: the far side falls to nothing, the near side stays. At 0 a strip passes unchanged.
    muted, soloed
        Solo wins over mute; while any strip is soloed only soloed ones are heard.
    start
        Frame of the mix at which the sound begins.
    fade_in, fade_out
        Frames at the sound's ends over which it comes and goes; both together are no longer than it. Two strips of
        which one goes while the other comes are as loud together as either, if they are alike.
    """

    id: str
    audio: Audio | Montage
    gain: float = 1.0
    pan: float = 0.0
    muted: bool = False
    soloed: bool = False
    start: int = 0
    fade_in: int = 0
    fade_out: int = 0

    @property
    def sounds(self) -> tuple[Audio, ...]:
        """What it reads from."""
        return (self.audio,) if isinstance(self.audio, Audio) else tuple(part.audio for part in self.audio.parts)

    def plain(self) -> Strip:
        """Return what it plays as it is: with the fader at 1 and in the middle, neither muted nor soloed."""
        return replace(self, gain=1.0, pan=0.0, muted=False, soloed=False)

    def add_to(self, out: Samples, first: int, gain: NDArray[np.float32]) -> None:
        """Add the mix's frames [first, first + n) of this strip to `out` (2, n), times `gain` (2, 1).

        A mono sound goes to both sides at full level. Frames outside the sound count as silence.
        """
        first -= self.start
        length = self.audio.frames
        begin, end = self.fade_in, length - self.fade_out
        for start, stop, way in ((0, begin, 1), (begin, end, 0), (end, length, -1)):
            low, high = max(start, first), min(stop, first + out.shape[1])
            if high <= low:
                continue
            part = self.audio.read(low, high)[:2] * gain
            if way:
                part *= rise(stop - start)[::way][low - start : high - start]
            out[:, low - first : high - first] += part


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
            strip.add_to(out, start, gain)
        return out


@functools.lru_cache(maxsize=16)
def rise(frames: int) -> NDArray[np.float32]:
    """Return a raised-cosine ramp (frames,) from 0 to 1, read-only; `1 - rise` is its mirror image."""
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(frames) + 0.5) / max(frames, 1))).astype(np.float32)
    ramp.flags.writeable = False
    return ramp
