"""The parts that a factorisation finds in a song: found, and heard one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from stemeditor.audio.buffer import Audio
from stemeditor.audio.levels import SILENCE_DB, gain, loudness, peak, rms
from stemeditor.errors import UserError
from stemeditor.methods import registry, runner
from stemeditor.methods.base import ParamValue
from stemeditor.methods.components import OVERRULE, Component
from stemeditor.methods.excerpt import STRETCH_S, excerpt, stretches
from stemeditor.methods.factorisation import Factorised
from stemeditor.progress import Progress
from stemeditor.project.model import Song

_MOST_GAIN_DB = 30.0
_HIGHEST_PEAK = 0.9
_STEP_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class PartsRequest:
    """Find the parts that a factorisation would take this song apart into.

    Parameters
    ----------
    song
        What to look at.
    method
        Key of a method that works with parts.
    params
        Those that differ from the defaults.
    """

    song: Song
    method: str
    params: Mapping[str, ParamValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What was found.

    Parameters
    ----------
    components
        Measured and placed.
    learned
        The factorisation.
    learn_s
        How much of the song it has heard, seconds.
    """

    components: tuple[Component, ...]
    learned: Factorised
    learn_s: float


@dataclass(frozen=True, slots=True, eq=False)
class HearRequest:
    """Let one part of a song be heard, by its number."""

    song: Song
    parts: Parts
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class PartSound:
    """A part where it is loudest.

    Parameters
    ----------
    start
        Frame of the song at which it begins.
    audio
        Six seconds of it, or less.
    gain
        Makes it as loud as the song is there, if that overloads nothing.
    """

    start: int
    audio: Audio
    gain: float


def list_parts(request: PartsRequest, progress: Progress) -> Parts:
    """Return the parts, measured and placed; the same ones a separation with these parameters will use.

    Raises
    ------
    UserError
        If the method does not work with parts, or the song does not suit it.
    """
    progress.advance(0.0, "Listening for parts")
    method = registry.load(request.method)
    params = runner.settled(method.info, request.params)
    if OVERRULE.name not in params:
        raise UserError(f"{method.info.name} does not work with parts.", "Choose a factorisation, such as nmf.")
    ready = runner.learned(request.song.sound.audio, method, params, progress)
    inner = getattr(ready, "method", ready)
    assert isinstance(inner, Factorised), "who takes orders about parts has parts"
    return Parts(inner.parts, inner, float(params["learn_s"]))


def hear_part(request: HearRequest, progress: Progress) -> PartSound:
    """Return how a part sounds in what was heard of the song, where it is loudest."""
    song, parts = request.song.sound.audio, request.parts
    heard = excerpt(song, parts.learn_s)
    sound = parts.learned.alone(heard, request.number, progress)
    windows = _windows(stretches(song.frames, song.rate, parts.learn_s), song.rate)
    start, begin, stop = max(windows, key=lambda window: rms(sound[:, window[1] : window[2]]))
    found = Audio(np.ascontiguousarray(sound[:, begin:stop]), song.rate)
    return PartSound(start, found, _raised(found, heard.slice(begin, stop)))


def _windows(places: tuple[tuple[int, int], ...], rate: int) -> Iterator[tuple[int, int, int]]:
    """Yield where six seconds of a stretch begin in the song, and where they begin and end in the excerpt."""
    before = 0
    for start, stop in places:
        length = min(round(STRETCH_S * rate), stop - start)
        for offset in range(0, stop - start - length + 1, round(_STEP_S * rate)):
            yield start + offset, before + offset, before + offset + length
        before += stop - start


def _raised(part: Audio, song: Audio) -> float:
    """Return the gain that brings a part to the loudness of the song."""
    own, others = loudness(part), loudness(song)
    if own <= SILENCE_DB:
        return 1.0
    wanted = gain(min(max(others - own, 0.0), _MOST_GAIN_DB))
    return min(wanted, max(_HIGHEST_PEAK / peak(part.samples), 1.0))
