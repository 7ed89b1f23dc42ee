"""Overlapping pieces of a song and the weights they are added with: arithmetic only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A piece [start, stop) of a song, and how much it counts where others overlap it.

    Parameters
    ----------
    start, stop
        Its frames; a first one may begin before the song.
    final
        Behind the piece, the song is finished up to this frame.
    weights
        (stop - start,) above 0; the song is the weighted mean of all pieces.
    read_start, read_stop
        What the method gets to hear: the piece, or more; beyond the song there is silence.
    """

    start: int
    stop: int
    final: int
    weights: NDArray[np.float32]
    read_start: int
    read_stop: int

    @property
    def frames(self) -> int:
        """Length."""
        return self.stop - self.start


def plan(frames: int, segment: int, overlap: int, first: int | None = None, whole: bool = False) -> Iterator[Segment]:
    """Cut [0, frames) into segments that share `overlap` frames with each neighbour and fade into each other there.

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
    whole
        Whether the method always hears `segment` frames, if the song has as many: the first ones at its beginning,
        the last ones at its end, however short the last piece is.

    Raises
    ------
    ValueError
        If the overlap does not fit twice into a segment.
    """
    if segment < 1 or overlap < 0 or 2 * overlap >= max(segment, 1):
        raise ValueError(f"an overlap of {overlap} does not fit twice into a segment of {segment}")
    if whole or first is None:
        first = segment
    start = head = 0
    length = max(min(first, segment), 2 * overlap + 1)
    while True:
        stop = start + length
        if frames - stop < (0 if whole else segment // 2):
            stop = max(frames, 0)
        tail = 0 if stop >= frames else overlap
        weights = np.ones(stop - start, np.float32)
        weights[:head] = fade(head)
        if tail:
            weights[-tail:] = fade(tail)[::-1]
        yield Segment(start, stop, stop - tail, weights, max(stop - segment, 0) if whole else start, stop)
        if stop >= frames:
            return
        start, head, length = stop - overlap, overlap, segment


def grid(frames: int, segment: int, overlap: float, whole: bool, lead: int = 0) -> Iterator[Segment]:
    """Cut [0, frames) into segments at equal distances, weighted by triangles: what networks were published with.

    Parameters
    ----------
    frames
        Length of the song, 1 or more.
    segment
        Length of all segments but the last, which ends with the song.
    overlap
        Share of a segment that it has in common with the next, 0 to less than 1.
    whole
        Whether the method always hears `segment` frames, with the piece in their middle.
    lead
        How many frames before the song the first segment begins.

    References
    ----------
    A. Defossez et al., Music source separation in the waveform domain, arXiv:1911.13254, 2019, on overlapping
    predictions with triangular weights, and on predictions averaged over random shifts.
    """
    stride = max(int((1.0 - overlap) * segment), 1)
    rising = np.arange(1, segment + 1)
    triangle = (np.minimum(rising, rising[::-1]) / (segment - segment // 2)).astype(np.float32)
    for start in range(-lead, frames, stride):
        stop = min(start + segment, frames)
        final = frames if start + stride >= frames else max(start + stride, 0)
        before = (segment - (stop - start)) // 2 if whole else 0
        read_start = start - before
        read_stop = read_start + segment if whole else stop
        yield Segment(start, stop, final, triangle[: stop - start], read_start, read_stop)


def fade(frames: int) -> NDArray[np.float32]:
    """Return (frames,) weights that rise from 0 to 1; with their mirror image they sum to 1 everywhere.

    Neighbouring segments agree on most of the sound, so their amplitudes, not their powers, shall sum to one.
    """
    position = (np.arange(frames) + 0.5) / max(frames, 1)
    return (0.5 - 0.5 * np.cos(np.pi * position)).astype(np.float32)
