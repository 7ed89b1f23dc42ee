"""Playing a mix: a small state machine. No thread and no device in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples
from stemeditor.mixing.mix import Mix, Strip, add_stretch

_FADE_S = 0.006
"""Starting, stopping, jumping: long enough not to click, short enough not to be heard as a fade."""

_SILENT = np.zeros(2, np.float32)


@dataclass(frozen=True, slots=True)
class Meters:
    """Levels of the block that was read last, linear.

    Parameters
    ----------
    strips
        Strip id -> (peak left, peak right, RMS left, RMS right), after its fader.
    master
        The same of the sum.
    clipped
        Whether the sum went over full scale since `Player.reset_clip`.
    """

    strips: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)
    master: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    clipped: bool = False


@dataclass(frozen=True, slots=True)
class _Jump:
    """Go to `frame`; a new object each time, so that two jumps to one place are two."""

    frame: int


class Player:
    """Plays, pauses, jumps, loops. `read` belongs to the sound output's thread, everything else to any thread.

    What is told from outside is one assignment of an immutable value that the next `read` sees; no lock is taken, so
    the sound never waits. Every change is ramped: gains over one block, starts, stops, jumps and loop joins over 6 ms.
    """

    def __init__(self) -> None:
        self._mix = Mix()
        self._loop: tuple[int, int] | None = None
        self._wanted = False
        self._jump: _Jump | None = None
        self._origin = 0
        # Below: written by read() only.
        self._done_jump: _Jump | None = None
        self._position = 0
        self._sounding = False
        self._heard: dict[str, tuple[Strip, NDArray[np.float32]]] = {}
        self._heard_mix = self._mix
        self._meters = Meters()

    @property
    def mix(self) -> Mix:
        """What is played; assign another at any time."""
        return self._mix

    @mix.setter
    def mix(self, mix: Mix) -> None:
        self._mix = mix

    @property
    def loop(self) -> tuple[int, int] | None:
        """The frames [start, stop) that are repeated once the position is before `stop`; None for no loop."""
        return self._loop

    @loop.setter
    def loop(self, loop: tuple[int, int] | None) -> None:
        self._loop = loop if loop is not None and loop[1] > loop[0] else None

    @property
    def playing(self) -> bool:
        """Whether it plays, or will at the next block."""
        return self._wanted

    @property
    def position(self) -> int:
        """The frame that will be read next."""
        jump = self._jump
        return jump.frame if jump is not self._done_jump and jump is not None else self._position

    def play(self) -> None:
        """Play from the position; from the start if that is the end."""
        if self.position >= self._mix.frames:
            self.seek(0)
        self._origin = self.position
        self._wanted = True

    def pause(self) -> None:
        """Stop where it is."""
        self._wanted = False

    def stop(self) -> None:
        """Stop, and go back to where playing began; to the start if that is where it already stands."""
        was_playing, self._wanted = self._wanted, False
        self.seek(self._origin if was_playing or self.position != self._origin else 0)

    def seek(self, frame: int) -> None:
        """Go to a frame."""
        self._jump = _Jump(max(int(frame), 0))

    def meters(self) -> Meters:
        """Return the levels of the last block; silence when nothing plays."""
        return self._meters

    def reset_clip(self) -> None:
        """Put the clip light out."""
        self._meters = Meters(self._meters.strips, self._meters.master, False)

    def read(self, frames: int) -> Samples:
        """Return the next (2, frames) and move on; silence when paused. Called from one thread only."""
        mix, wanted, jump = self._mix, self._wanted, self._jump
        fade = min(max(round(_FADE_S * mix.rate), 1), max(frames, 1))
        target = self._position
        jumped = jump is not self._done_jump and jump is not None
        if jumped and jump is not None:
            target = min(jump.frame, mix.frames)
            self._done_jump = jump
        levels: dict[str, list[float]] = {}
        if not self._sounding and not wanted:
            self._position = target
            self._heard, self._heard_mix = {}, mix
            self._meters = Meters(clipped=self._meters.clipped)
            return np.zeros((2, frames), np.float32)
        if wanted and not jumped:
            out = self._advance(mix, frames, levels)
            if not self._sounding:
                out[:, :fade] *= _rise(fade)
        elif wanted:
            out = self._leave(frames, fade)
            self._position = target
            new = self._advance(mix, frames, levels)
            new[:, :fade] *= _rise(fade)
            out += new
        else:
            out = self._leave(frames, fade)
            self._position = target if jumped else min(self._position + fade, mix.frames)
        self._sounding = wanted
        if wanted and self._position >= mix.frames:
            # The end: nothing was cut off, the song is over.
            self._wanted = self._sounding = False
        self._measure(out, levels)
        return out

    def _leave(self, frames: int, fade: int) -> Samples:
        """Return a block in which what was heard so far goes on and fades to nothing."""
        out = np.zeros((2, frames), np.float32)
        if self._sounding:
            tail = np.zeros((2, fade), np.float32)
            for strip, gain in self._heard.values():
                add_stretch(tail, strip.audio, self._position - strip.start, gain[:, np.newaxis])
            out[:, :fade] = tail * _rise(fade)[::-1]
        return out

    def _advance(self, mix: Mix, frames: int, levels: dict[str, list[float]]) -> Samples:
        """Return the next block of the running song, around loop joins, and move the position."""
        out = np.zeros((2, frames), np.float32)
        ramps = self._ramps(mix, frames)
        done = 0
        while done < frames:
            position, loop = self._position, self._loop
            count = frames - done
            join = loop is not None and position < loop[1] <= position + count
            if loop is not None and join:
                count = loop[1] - position
            part = out[:, done : done + count]
            for key, (strip, gain) in ramps.items():
                level = gain if gain.shape[1] == 1 else gain[:, done : done + count]
                own = np.zeros((2, count), np.float32)
                add_stretch(own, strip.audio, position - strip.start, level)
                part += own
                _note(levels, key, own)
            if loop is not None:
                self._soften_join(part, position, loop, ramps)
            self._position = position + count
            if loop is not None and join:
                self._position = loop[0]
            done += count
        return out

    def _soften_join(
        self,
        part: Samples,
        position: int,
        loop: tuple[int, int],
        ramps: Mapping[str, tuple[Strip, NDArray[np.float32]]],
    ) -> None:
        """Let the end of a loop fade into what comes before its start, so that the join is continuous."""
        length = min(round(_FADE_S * self._heard_mix.rate), (loop[1] - loop[0]) // 2)
        first, stop = loop[1] - length, position + part.shape[1]
        low, high = max(first, position), min(loop[1], stop)
        if high <= low:
            return
        rise = _rise(length)[low - first : high - first]
        before = np.zeros((2, high - low), np.float32)
        for strip, gain in ramps.values():
            add_stretch(before, strip.audio, low - (loop[1] - loop[0]) - strip.start, gain[:, -1:])
        at = slice(low - position, high - position)
        part[:, at] = part[:, at] * (1 - rise) + before * rise

    def _ramps(self, mix: Mix, frames: int) -> dict[str, tuple[Strip, NDArray[np.float32]]]:
        """Return strip id -> strip and its gain, (2, 1) or, while it changes, (2, frames)."""
        gains = mix.gains()
        now = {strip.id: (strip, gains[strip.id]) for strip in mix.strips}
        if mix is self._heard_mix:
            self._heard = {key: pair for key, pair in now.items() if pair[1].any()}
            return {key: (strip, gain[:, np.newaxis]) for key, (strip, gain) in self._heard.items()}
        before = self._heard
        rise = np.linspace(0.0, 1.0, frames + 1, dtype=np.float32)[1:]
        ramps = {}
        for key in {**before, **now}:
            strip, new = now.get(key, (before[key][0] if key in before else None, _SILENT))
            old = before[key][1] if key in before else (_SILENT if self._sounding else new)
            if strip is None or not (old.any() or new.any()):
                continue
            same = np.array_equal(old, new)
            gain = new[:, np.newaxis] if same else old[:, np.newaxis] * (1 - rise) + new[:, np.newaxis] * rise
            ramps[key] = (strip, gain)
        self._heard = {key: pair for key, pair in now.items() if pair[1].any()}
        self._heard_mix = mix
        return ramps

    def _measure(self, out: Samples, levels: dict[str, list[float]]) -> None:
        strips = {}
        for key, sums in levels.items():
            count = max(sums[4], 1.0)
            strips[key] = (sums[0], sums[1], (sums[2] / count) ** 0.5, (sums[3] / count) ** 0.5)
        whole: list[float] = [0.0] * 5
        _note({"": whole}, "", out)
        count = max(whole[4], 1.0)
        master = (whole[0], whole[1], (whole[2] / count) ** 0.5, (whole[3] / count) ** 0.5)
        self._meters = Meters(strips, master, self._meters.clipped or max(master[0], master[1]) > 1.0)


def _note(levels: dict[str, list[float]], key: str, block: Samples) -> None:
    """Add a block (2, n) to the sums [peak left, peak right, energy left, energy right, frames] of a strip."""
    sums = levels.setdefault(key, [0.0] * 5)
    if not block.shape[1]:
        return
    peaks = np.maximum(block.max(axis=1), -block.min(axis=1))
    energy = np.einsum("ct,ct->c", block, block)
    sums[0], sums[1] = max(sums[0], float(peaks[0])), max(sums[1], float(peaks[1]))
    sums[2] += float(energy[0])
    sums[3] += float(energy[1])
    sums[4] += block.shape[1]


def _rise(frames: int) -> NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(frames) + 0.5) / frames)).astype(np.float32)
