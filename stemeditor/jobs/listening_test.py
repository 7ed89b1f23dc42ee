"""What a listening test needs before it begins: its anchor, and the gains that make all conditions equally loud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stemeditor.audio.buffer import Audio
from stemeditor.evaluation.listening import ANCHOR, anchor
from stemeditor.jobs.compare import equal_loudness
from stemeditor.progress import Progress


@dataclass(frozen=True, slots=True, eq=False)
class PrepareRequest:
    """Prepare a test.

    Parameters
    ----------
    sounds
        Condition -> sound, all of one length; without the anchor.
    low
        What the anchor is made of.
    excerpts
        Frames [start, stop) that are judged, of those sounds.
    """

    sounds: Mapping[str, Audio]
    low: Audio
    excerpts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """All sounds, the anchor among them, and for each excerpt condition -> gain."""

    sounds: Mapping[str, Audio]
    gains: tuple[Mapping[str, float], ...]


def prepare(request: PrepareRequest, progress: Progress) -> Prepared:
    """Make the anchor and measure every excerpt. A background job."""
    bad = Audio(anchor(np.asarray(request.low.samples), request.low.rate), request.low.rate)
    sounds = {**request.sounds, ANCHOR: bad}
    gains = []
    for start, stop in request.excerpts:
        progress.check()
        gains.append(equal_loudness({name: sound.slice(start, stop) for name, sound in sounds.items()}))
    return Prepared(sounds, tuple(gains))
