"""A mix that runs at another pace."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from stemeditor.audio.buffer import Samples
from stemeditor.audio.stretch import Pace, Stretcher
from stemeditor.mixing.meters import Gauge
from stemeditor.mixing.mix import JOIN_S, Mix, Strip, rise
from stemeditor.mixing.voice import Voice, within


class PacedVoice:
    """A `Voice` at another pace: every strip is stretched by itself, faders, solo and mute follow.

    So a fader is heard at once, and voices that differ in nothing else go on from the same sound. One thread only.

    Parameters
    ----------
    mix
        What is played.
    tape
        Its strips at the other pace.
    at
        First frame, as the tape counts.
    """

    def __init__(self, mix: Mix, tape: Tape, at: int = 0) -> None:
        self.mix = mix
        self._tape = tape
        self._at = at
        gains = mix.gains()
        self._gains = np.array([gains[strip.id] for strip in mix.strips], np.float32)

    @property
    def position(self) -> int:
        """The frame of the song that is heard next."""
        return self._tape.position(self._at)

    @property
    def ended(self) -> bool:
        """Whether the song is over; a loop never is."""
        return self.position >= self.mix.frames

    def fits(self, mix: Mix, loop: tuple[int, int] | None, pace: Pace) -> bool:
        """Whether another mix is this one with other faders, played in the same way."""
        own = (self.mix.rate, self.mix.frames, self._tape.loop, self._tape.pace)
        same = own == (mix.rate, mix.frames, loop, pace)
        return same and [_sound(strip) for strip in mix.strips] == [_sound(strip) for strip in self.mix.strips]

    def with_mix(self, mix: Mix) -> PacedVoice:
        """Return a voice that goes on from here with other faders; both can be heard for a while, block by block."""
        return PacedVoice(mix, self._tape, self._at)

    def next(self, frames: int, gauges: dict[str, Gauge] | None = None) -> Samples:
        """See `Voice.next`."""
        sounds = self._tape.block(self._at, frames, self._gains)
        self._at += frames
        out = np.zeros((2, frames), np.float32)
        for strip, gain, sound in zip(self.mix.strips, self._gains, sounds, strict=True):
            if gain.any():
                own = sound * gain[:, np.newaxis]
                out += own
                if gauges is not None:
                    gauges.setdefault(strip.id, Gauge()).add(own)
        return self._tape.end(out, self._at - frames)


def stretched(mix: Mix, pace: Pace, frames: int) -> Iterator[Samples]:
    """Yield all strips of a mix at another pace, as they are before their faders; there is one at least.

    Parameters
    ----------
    mix
        The strips, and by their faders what they are together: for that the result sounds best.
    pace
        The other pace.
    frames
        Length of a block.

    Yields
    ------
    Samples
        (strips, 2, frames), abutting, `paced_frames(mix.frames, pace)` in all.
    """
    gains = mix.gains()
    heard = np.array([gains[strip.id] for strip in mix.strips], np.float32)
    tape = Tape(mix, None, 0, pace)
    total = paced_frames(mix.frames, pace)
    for at in range(0, total, frames):
        count = min(frames, total - at)
        yield tape.end(tape.block(at, count, heard), at)


def paced_frames(frames: int, pace: Pace) -> int:
    """Return how long a sound is at a pace."""
    return math.ceil(frames / pace.speed)


class Tape:
    """The strips of a mix at another pace, as they are before their faders. One thread only.

    Parameters
    ----------
    mix, loop, position
        See `Voice`. There is a strip in the mix.
    pace
        How it is played.
    """

    def __init__(self, mix: Mix, loop: tuple[int, int] | None, position: int, pace: Pace) -> None:
        self.loop, self.pace = loop, pace
        self._rate, self._frames = mix.rate, mix.frames
        self._start = position = min(position, mix.frames)
        held = within(loop, mix)
        self._loop = held if held is not None and position < held[1] else None
        begin = position - Stretcher.lead(mix.rate, pace)
        self._voices = [
            Voice(Mix((strip.plain(),), 1.0, mix.rate, mix.frames), self._loop, begin) for strip in mix.strips
        ]
        self._stretcher = Stretcher(self._read, position, 2 * len(self._voices), mix.rate, pace)
        self._last: tuple[int, Samples] = (-1, np.zeros((0, 2, 0), np.float32))

    def position(self, at: int) -> int:
        """Return the frame of the song that is heard at a frame of the output."""
        place = self._start + int(at * self.pace.speed)
        if self._loop is None or place < self._loop[1]:
            return place
        start, stop = self._loop
        return start + (place - stop) % (stop - start)

    def end(self, out: Samples, at: int) -> Samples:
        """Take from what is heard from a frame of the output on what a stretched sound leaves behind the end."""
        fall = rise(max(round(JOIN_S * self._rate), 1))[::-1]
        # The first frames of `out` from which on it falls, and from which on nothing is left.
        stop = paced_frames(self._frames - self._start, self.pace) - at
        begin = stop - len(fall)
        if self._loop is None and begin < out.shape[-1]:
            low, high = max(begin, 0), min(max(stop, 0), out.shape[-1])
            out[..., low:high] *= fall[low - begin : high - begin]
            out[..., high:] = 0.0
        return out

    def block(self, at: int, frames: int, gains: Samples) -> Samples:
        """Return (strips, 2, frames) from a frame of the output on: behind the last block, or that once more."""
        if at != self._last[0] or frames != self._last[1].shape[2]:
            self._last = (at, self._stretcher.next(frames, gains).reshape(-1, 2, frames))
        return self._last[1]

    def _read(self, frames: int) -> Samples:
        return np.concatenate([voice.next(frames) for voice in self._voices])


def _sound(strip: Strip) -> tuple[object, ...]:
    """Return what a strip plays, before its fader."""
    return (strip.audio, strip.start, strip.fade_in, strip.fade_out)
