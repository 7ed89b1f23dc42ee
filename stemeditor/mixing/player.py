"""Playing a mix: a small state machine. No thread and no device in here.

Everything that can change while it plays (a fader, a lane, the place, the loop, playing at all) is handled alike: what
was heard runs on for 8 ms and fades out while what is wanted fades in. As a mix is linear in its gains, this is also a
ramp of every gain that changed.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np

from stemeditor.audio.buffer import Samples
from stemeditor.audio.stretch import Pace, warm
from stemeditor.mixing.meters import SILENCE, Gauge, Level, Meters, RecentLevels
from stemeditor.mixing.mix import Mix, rise
from stemeditor.mixing.paced import PacedVoice, Tape
from stemeditor.mixing.voice import Voice

_FADE_S = 0.008
"""Long enough not to click, short enough not to be heard as a fade."""

_MASTER = ""
"""Key of the sum among the gauges; no lane has an empty id."""


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One wish to play; a new object each time, so that the end of one is not the end of the next."""


@dataclass(frozen=True, slots=True, eq=False)
class _Jump:
    """One wish to go to `frame`; a new object each time, so that two jumps to one place are two."""

    frame: int


@dataclass(frozen=True, slots=True, eq=False)
class _Orders:
    """All that is wanted from outside."""

    mix: Mix = Mix()
    loop: tuple[int, int] | None = None
    pace: Pace = Pace()
    run: _Run | None = None
    jump: _Jump | None = None


class Player:
    """Plays, pauses, jumps, loops, at any pace. `read` belongs to the sound output, everything else to any thread.

    What is told from outside becomes one immutable value that `read` picks up; `read` publishes where it is in the same
    way. It takes no lock, so the sound never waits.
    """

    def __init__(self) -> None:
        self._orders = _Orders()
        # Between those who give orders; read() never takes it.
        self._ordering = threading.Lock()
        self._origin = 0
        self._overs_seen = 0
        # Below: written by read() only.
        self._reached: tuple[int, _Jump | None] = (0, None)
        self._ended: _Run | None = None
        self._obeyed = self._orders
        self._voice: Voice | PacedVoice | None = None
        self._leaving: Voice | PacedVoice | None = None
        self._fade_frames = 1
        self._faded = 1
        self._recent = RecentLevels()
        self._levels: dict[str, Level] = {}
        self._overs = 0

    # Any thread

    @property
    def mix(self) -> Mix:
        """What is played; assign another at any time. The place stays, held within the new length."""
        return self._orders.mix

    @mix.setter
    def mix(self, mix: Mix) -> None:
        with self._ordering:
            self._orders = replace(self._orders, mix=mix)

    @property
    def loop(self) -> tuple[int, int] | None:
        """The frames [start, stop) that are repeated while the position is before `stop`; None for no loop.

        What lies outside the song is left out; a loop of less than 1 ms is not played as one.
        """
        return self._orders.loop

    @loop.setter
    def loop(self, loop: tuple[int, int] | None) -> None:
        if loop is not None and loop[1] <= loop[0]:
            loop = None
        with self._ordering:
            if loop != self._orders.loop:
                self._orders = replace(self._orders, loop=loop)

    @property
    def pace(self) -> Pace:
        """How fast, and how high, it is played. Positions are those of the sound at its own pace."""
        return self._orders.pace

    @pace.setter
    def pace(self, pace: Pace) -> None:
        before = self._orders.pace
        if pace == before:
            return
        if before.plain or pace.semitones != before.semitones:
            warm(self._orders.mix.rate, pace)
        with self._ordering:
            self._orders = replace(self._orders, pace=pace)

    @property
    def playing(self) -> bool:
        """Whether it plays, or will at the next block."""
        run = self._orders.run
        return run is not None and run is not self._ended

    @property
    def position(self) -> int:
        """The frame that will be read next."""
        orders = self._orders
        position, jump = self._reached
        if orders.jump is not None and orders.jump is not jump:
            position = orders.jump.frame
        return min(position, orders.mix.frames)

    def play(self) -> None:
        """Play from the position; from the start if that is the end. Nothing if it plays already."""
        with self._ordering:
            if self.playing:
                return
            self._origin = self.position if self.position < self.mix.frames else 0
            # Where the song is over, being there and going there are two things: only a jump leaves.
            jump = _Jump(self._origin) if self._origin != self.position else self._orders.jump
            self._orders = replace(self._orders, run=_Run(), jump=jump)

    def pause(self) -> None:
        """Stop where it is."""
        with self._ordering:
            self._orders = replace(self._orders, run=None)

    def stop(self) -> None:
        """Stop, and go back to where playing began; to the start if that is where it already stands."""
        with self._ordering:
            target = self._origin if self.playing or self.position != self._origin else 0
            self._orders = replace(self._orders, run=None, jump=_Jump(target))

    def seek(self, frame: int) -> None:
        """Go to a frame; to the end if it lies beyond, to the start if it is negative.

        Where it is put while nothing plays is also where `stop` comes back to.
        """
        with self._ordering:
            if not self.playing:
                self._origin = min(max(int(frame), 0), self._orders.mix.frames)
            self._orders = replace(self._orders, jump=_Jump(max(int(frame), 0)))

    def meters(self) -> Meters:
        """Return the levels of the last 50 ms that were read; silence when nothing plays. Never blocks."""
        levels = self._levels
        strips = {key: level for key, level in levels.items() if key != _MASTER}
        return Meters(strips, levels.get(_MASTER, SILENCE), self._overs != self._overs_seen)

    def reset_clip(self) -> None:
        """Put the clip light out."""
        self._overs_seen = self._overs

    # The sound output's thread

    def read(self, frames: int) -> Samples:
        """Return the next (2, frames), float32, and move on; silence when paused. Called from one thread only."""
        self._obey()
        if self._voice is None and self._leaving is None:
            return np.zeros((2, frames), np.float32)
        out = np.empty((2, frames), np.float32)
        gauges: dict[str, Gauge] = {}
        done = 0
        while done < frames:
            left = self._fade_frames - self._faded
            count = min(frames - done, left) if left else frames - done
            out[:, done : done + count] = self._fade(count, gauges) if left else self._steady(count, gauges)
            done += count
            self._obey()
        self._publish()
        self._measure(out, gauges)
        return out

    def _obey(self) -> None:
        """Begin the fade to what is wanted now, unless one is under way or nothing is new."""
        orders = self._orders
        if orders is self._obeyed or self._faded < self._fade_frames:
            return
        self._obeyed = orders
        position, jump = self._reached
        if self._voice is not None:
            position = self._voice.position
        if orders.jump is not None and orders.jump is not jump:
            position = orders.jump.frame
        self._leaving = self._voice
        wanted = orders.run is not None and orders.run is not self._ended
        goes_on = orders.jump is jump
        self._voice = _voice(orders, position, self._voice if goes_on else None) if wanted else None
        self._reached = (min(position, orders.mix.frames), orders.jump)
        if self._voice is not None or self._leaving is not None:
            self._fade_frames = max(round(_FADE_S * orders.mix.rate), 1)
            self._faded = 0

    def _fade(self, frames: int, gauges: dict[str, Gauge]) -> Samples:
        """Return the next stretch of the fade that is under way."""
        weight = rise(self._fade_frames)[self._faded : self._faded + frames]
        out = self._steady(frames, gauges) * weight
        if self._leaving is not None:
            out += self._leaving.next(frames) * (1 - weight)
        self._faded += frames
        if self._faded == self._fade_frames:
            self._leaving = None
        return out

    def _steady(self, frames: int, gauges: dict[str, Gauge]) -> Samples:
        if self._voice is None:
            return np.zeros((2, frames), np.float32)
        return self._voice.next(frames, gauges)

    def _publish(self) -> None:
        voice, jump = self._voice, self._reached[1]
        if voice is None:
            return
        self._reached = (voice.position, jump)
        # A jump that came while the last block was made leads away from the end.
        if voice.ended and self._orders.jump is jump:
            self._ended, self._voice = self._obeyed.run, None

    def _measure(self, out: Samples, gauges: dict[str, Gauge]) -> None:
        """Publish the levels, the sum's beside the strips'; nothing once nothing sounds any more."""
        master = gauges[_MASTER] = Gauge()
        master.add(out)
        if master.peak > 1.0:
            self._overs += 1
        if self._voice is None and self._leaving is None:
            self._recent.clear()
        else:
            self._recent.add(gauges, out.shape[1], self._obeyed.mix.rate)
        self._levels = self._recent.levels()


def _voice(orders: _Orders, position: int, before: Voice | PacedVoice | None) -> Voice | PacedVoice:
    """Return what is to be heard from a position on, going on from what was heard there before if it does."""
    if orders.pace.plain or not orders.mix.strips:
        return Voice(orders.mix, orders.loop, position)
    if isinstance(before, PacedVoice) and before.fits(orders.mix, orders.loop, orders.pace):
        return before.with_mix(orders.mix)
    return PacedVoice(orders.mix, Tape(orders.mix, orders.loop, position, orders.pace))
