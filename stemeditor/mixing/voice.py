"""A mix that runs: what would be heard if nothing changed any more."""

from __future__ import annotations

import numpy as np

from stemeditor.audio.buffer import Samples
from stemeditor.mixing.meters import Gauge
from stemeditor.mixing.mix import JOIN_S, Mix, rise

_SHORTEST_LOOP_S = 0.001
"""Below this a loop is a tone, and nobody meant it."""


class Voice:
    """One mix on its way from `position` on, round a loop if there is one. One thread only.

    Parameters
    ----------
    mix
        What is played.
    loop
        The frames [start, stop) that are repeated, as long as the position is before `stop`. What lies outside the
        song is left out of it; a loop shorter than 1 ms is none.
    position
        First frame.
    """

    def __init__(self, mix: Mix, loop: tuple[int, int] | None, position: int) -> None:
        self.mix = mix
        self.position = min(position, mix.frames)
        self._strips = mix.audible()
        self._loop = within(loop, mix)
        self._wrapped = False

    @property
    def ended(self) -> bool:
        """Whether the song is over; a loop never is."""
        return self.position >= self.mix.frames

    def next(self, frames: int, gauges: dict[str, Gauge] | None = None) -> Samples:
        """Return the next (2, frames) and move on; silence behind the end.

        Parameters
        ----------
        frames
            How many.
        gauges
            Strip id -> gauge, which gets what the strip contributes; made where missing.
        """
        out = np.zeros((2, frames), np.float32)
        done = 0
        while done < frames and not self.ended:
            loop = self._loop if self._loop is not None and self.position < self._loop[1] else None
            stop = loop[1] if loop is not None else self.mix.frames
            count = min(frames - done, stop - self.position)
            self._add(out[:, done : done + count], gauges, loop)
            self.position += count
            if loop is not None and self.position == stop:
                self.position = loop[0]
                self._wrapped = True
            done += count
        return out

    def _add(self, out: Samples, gauges: dict[str, Gauge] | None, loop: tuple[int, int] | None) -> None:
        """Write the stretch from the position on into `out`, which is silent and does not reach over a join."""
        if gauges is None:
            self._sum(out, self.position)
        else:
            for strip, gain in self._strips:
                own = np.zeros_like(out)
                strip.add_to(own, self.position, gain)
                gauges.setdefault(strip.id, Gauge()).add(own)
                out += own
        if loop is not None:
            self._soften(out, loop)

    def _sum(self, out: Samples, start: int) -> None:
        for strip, gain in self._strips:
            strip.add_to(out, start, gain)

    def _soften(self, out: Samples, loop: tuple[int, int]) -> None:
        """Lead the end of a loop over into what comes before its start: the join is continuous, its period exact.

        Before the start of a song there is nothing to lead over into: there the end fades out and the start in.
        """
        start, stop = loop
        length = min(round(JOIN_S * self.mix.rate), (stop - start) // 2)
        lead = start >= length
        first, last = self.position, self.position + out.shape[1]
        low = max(first, stop - length)
        if low < last:
            weight = rise(length)[low - (stop - length) : last - (stop - length)]
            part = out[:, low - first :]
            part *= 1 - weight
            if lead:
                before = np.zeros_like(part)
                self._sum(before, low - (stop - start))
                part += before * weight
        if self._wrapped and not lead and first < start + length:
            high = min(last, start + length)
            out[:, : high - first] *= rise(length)[first - start : high - start]


def within(loop: tuple[int, int] | None, mix: Mix) -> tuple[int, int] | None:
    """Return what of a loop lies within a mix; None if that is too short to be one."""
    if loop is None:
        return None
    start, stop = max(loop[0], 0), min(loop[1], mix.frames)
    return (start, stop) if stop - start >= max(_SHORTEST_LOOP_S * mix.rate, 2) else None
