"""How loud it was lately: what the level meters show."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from stemeditor.audio.buffer import Samples

Level: TypeAlias = tuple[float, float, float, float]
"""Linear peak left, peak right, RMS left, RMS right."""

SILENCE: Level = (0.0, 0.0, 0.0, 0.0)

_WINDOW_S = 0.05
"""Longer than two pictures at 60 Hz, so that whoever polls sees every peak; short enough to look immediate."""

_SLOTS = 5


@dataclass(frozen=True, slots=True)
class Meters:
    """Levels of what was read during the last 50 ms.

    Parameters
    ----------
    strips
        Strip id -> level after its fader; only strips that are let through.
    master
        Level of the sum, fades included.
    clipped
        Whether the sum went over full scale since `Player.reset_clip`.
    """

    strips: Mapping[str, Level] = field(default_factory=dict)
    master: Level = SILENCE
    clipped: bool = False


class Gauge:
    """Gathers peak and energy of one signal over a stretch that may come in several parts."""

    __slots__ = ("_energy", "_frames", "_peak")

    def __init__(self) -> None:
        self._peak = (0.0, 0.0)
        self._energy = (0.0, 0.0)
        self._frames = 0

    @property
    def peak(self) -> float:
        """The larger of both sides."""
        return max(self._peak)

    @property
    def level(self) -> Level:
        """What was gathered; silence if nothing was."""
        frames = max(self._frames, 1)
        return (*self._peak, (self._energy[0] / frames) ** 0.5, (self._energy[1] / frames) ** 0.5)

    def add(self, block: Samples) -> None:
        """Add a block (2, frames)."""
        if not block.shape[1]:
            return
        high, low = block.max(axis=1), block.min(axis=1)
        left, right = np.maximum(high, -low).tolist()
        energy_left, energy_right = np.einsum("ct,ct->c", block, block).tolist()
        self._peak = (max(self._peak[0], left), max(self._peak[1], right))
        self._energy = (self._energy[0] + energy_left, self._energy[1] + energy_right)
        self._frames += block.shape[1]

    def join(self, other: Gauge) -> None:
        """Add what another one gathered."""
        self._peak = (max(self._peak[0], other._peak[0]), max(self._peak[1], other._peak[1]))
        self._energy = (self._energy[0] + other._energy[0], self._energy[1] + other._energy[1])
        self._frames += other._frames


class RecentLevels:
    """The gauges of the last 50 ms, in slots of a fifth of that, however small the blocks are. One thread only."""

    def __init__(self) -> None:
        self._slots: collections.deque[dict[str, Gauge]] = collections.deque(maxlen=_SLOTS)
        self._room = 0

    def clear(self) -> None:
        """Forget everything."""
        self._slots.clear()
        self._room = 0

    def add(self, gauges: Mapping[str, Gauge], frames: int, rate: int) -> None:
        """Add the gauges of a block of `frames`."""
        if self._room <= 0:
            self._slots.append({})
            self._room = round(_WINDOW_S / _SLOTS * rate)
        self._room -= frames
        slot = self._slots[-1]
        for key, gauge in gauges.items():
            slot.setdefault(key, Gauge()).join(gauge)

    def levels(self) -> dict[str, Level]:
        """Return key -> level over all that is remembered."""
        whole: dict[str, Gauge] = {}
        for slot in self._slots:
            for key, gauge in slot.items():
                whole.setdefault(key, Gauge()).join(gauge)
        return {key: gauge.level for key, gauge in whole.items()}
