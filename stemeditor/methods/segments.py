"""Overlapping pieces of a song and their cross-fade: arithmetic only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Segment:
    """The frames [start, stop) of a song.

    `head` of them are shared with the segment before, `tail` with the one behind; there the two fade into each other.
    """

    start: int
    stop: int
    head: int
    tail: int

    @property
    def frames(self) -> int:
        """Length."""
        return self.stop - self.start


def plan(frames: int, segment: int, overlap: int, first: int | None = None) -> Iterator[Segment]:
    """Cut [0, frames) into segments that share `overlap` frames with each neighbour.

    Parameters
    ----------
    frames
        Length of the song, 1 or more.
    segment
        Longest segment; a last piece that would be shorter than half of one joins the one before if that stays
        within one and a half segments.
    overlap
        Shared frames, less than half a segment.
    first
        Length of the first segment if it shall be shorter (there is something to hear sooner).

    Raises
    ------
    ValueError
        If the overlap does not fit twice into a segment.
    """
    if segment < 1 or overlap < 0 or 2 * overlap >= max(segment, 1):
        raise ValueError(f"an overlap of {overlap} does not fit twice into a segment of {segment}")
    if first is not None:
        first = max(min(first, segment), 2 * overlap + 1)
    start = head = 0
    length = first or segment
    while True:
        stop = start + length
        if frames - stop < segment // 2:
            stop = max(frames, 0)
        tail = 0 if stop >= frames else overlap
        yield Segment(start, stop, head, tail)
        if stop >= frames:
            return
        start, head, length = stop - overlap, overlap, segment


def fade(frames: int) -> NDArray[np.float32]:
    """Return (frames,) weights that rise from 0 to 1; with their mirror image they sum to 1 everywhere.

    Neighbouring segments agree on most of the sound, so their amplitudes, not their powers, shall sum to one.
    """
    position = (np.arange(frames) + 0.5) / max(frames, 1)
    return (0.5 - 0.5 * np.cos(np.pi * position)).astype(np.float32)
