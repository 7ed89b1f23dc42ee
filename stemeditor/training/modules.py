"""Tracker modules as songs with true stems: people wrote them, and each of their instruments can be played alone."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemeditor.audio.buffer import Samples
from stemeditor.errors import FileProblem
from stemeditor.training.corpus import RATE
from stemeditor.training.openmpt import Module

ENDINGS = (".it", ".mod", ".s3m", ".xm")

_SHORTEST_S, _LONGEST_S = 20.0, 180.0
_PEAK = 0.8
_AMIGA = ".mod"
_AMIGA_SEPARATION = 0.4
"""The machine for which these were made plays each voice on one side alone; nobody mixes like that."""

_DRUM_WORDS = re.compile(
    r"kick|bass ?dr|drum|\bbd|snare|\bsn\b|\bsnr|hi-?hat|\bhats?\b|\b[oc]?hh\b|cymb|crash|\bride|\btoms?\b|tom\d|clap"
    r"|perc|\brim|conga|bongo|tambour|shaker|cowbell|break|\bbeat|groove|splash|timpani|timbale|stick|cabasa|triangle"
    r"|claves?\b|metronom",
    re.IGNORECASE,
)
_BASS_WORDS = re.compile(r"bass|\bsub\b", re.IGNORECASE)
_TONE_WORDS = re.compile(
    r"chord|ac+ord|lead|organ|orgel|synth|\bpads?\b|string|guitar|gtr|piano|\bpno|horn|flute|oboe|brass|trump|\bsax|harp"
    r"|choir|voice|vox|\barp|pluck|violin|cello|rhodes|marimba|glock|xylo|square|sawt",
    re.IGNORECASE,
)

_LOW_HZ = 250.0
_LOW_SHARE = 0.72
_FEW_NOTES = 3
_STRUCK_SHARE, _NOISE, _MOST_OF_THE_TIME = 0.45, 0.05, 0.65
_FRAMES, _ENVELOPE_FRAMES = 2048, 441
_FLAT_BINS = slice(2, 900)
_RISE, _HEARD, _STROKE = 0.25, 0.05, 12


@dataclass(frozen=True, slots=True)
class Sound:
    """What an instrument sounds like, over a whole song.

    Parameters
    ----------
    low
        Share of its power below 250 Hz.
    flat
        Spectral flatness: 1 for noise, 0 for a tone.
    struck
        Share of its power within 120 ms of a sudden rise.
    active
        Share of the time in which it can be heard.
    """

    low: float
    flat: float
    struck: float
    active: float


def stems(path: Path, names: Sequence[str]) -> Samples | None:
    """Return (stems, 2, frames) of a module, full scale just not reached; None if it is shorter than 20 s.

    Parameters
    ----------
    path
        Its file; compressed if the name says so.
    names
        Of the stems. An instrument that is none of them goes to the last.

    Raises
    ------
    FileProblem
        If it is no module, or cannot be unpacked.
    UserError
        If libopenmpt is not installed.
    """
    content = path.read_bytes()
    kind = path
    if path.suffix == ".gz":
        try:
            content, kind = gzip.decompress(content), path.with_suffix("")
        except (OSError, EOFError, zlib.error) as problem:
            raise FileProblem(f"“{path.name}” cannot be unpacked.", "Take it out of the folder.") from problem
    module = Module(content)
    if module.seconds < _SHORTEST_S:
        return None
    seconds = min(module.seconds, _LONGEST_S)
    separation = _AMIGA_SEPARATION if kind.suffix.lower() == _AMIGA else 1.0
    parts: dict[int, list[Samples]] = {}
    for instrument, notes in sorted(module.notes.items()):
        sound = module.play(frozenset([instrument]), seconds, separation)
        if sound.any():
            name = role(module.names[instrument], notes, heard(sound))
            at = names.index(name) if name in names else len(names) - 1
            parts.setdefault(at, []).append(sound)
    if not parts:
        return None
    frames = min(one.shape[1] for each in parts.values() for one in each)
    found = np.zeros((len(names), 2, frames), np.float32)
    for at, sounds in parts.items():
        for sound in sounds:
            found[at] += sound[:, :frames]
    return found * np.float32(_PEAK / max(np.abs(found.sum(axis=0)).max(), np.abs(found).max()))


def role(name: str, notes: Sequence[int], sound: Sound) -> str:
    """Return which stem an instrument belongs to: drums, bass or other.

    Its name says so, if it is one: many hold a line of a greeting. Else: what plays few notes, in strokes or as noise,
    is a drum; what is low is a bass.
    """
    if _DRUM_WORDS.search(name):
        return "drums"
    if _BASS_WORDS.search(name):
        return "bass"
    few = len(set(notes)) <= _FEW_NOTES and sound.active < _MOST_OF_THE_TIME
    if few and not _TONE_WORDS.search(name) and (sound.struck > _STRUCK_SHARE or sound.flat > _NOISE):
        return "drums"
    return "bass" if sound.low > _LOW_SHARE else "other"


def heard(sound: Samples) -> Sound:
    """Return what (2, frames), not silent, sound like."""
    middle = sound.mean(axis=0)
    mono = middle if np.abs(middle).max() > 0.2 * np.abs(sound).max() else sound[0]
    count = max(len(mono) // _FRAMES, 1)
    cut = np.resize(mono, (count, _FRAMES)) if len(mono) < _FRAMES else mono[: count * _FRAMES].reshape(count, _FRAMES)
    power = np.square(np.abs(np.fft.rfft(cut * np.hanning(_FRAMES).astype(np.float32), axis=1))).sum(axis=0) + 1e-20
    hz = np.fft.rfftfreq(_FRAMES, 1 / RATE)
    flat = np.exp(np.log(power[_FLAT_BINS]).mean()) / power[_FLAT_BINS].mean()
    whole = len(mono) // _ENVELOPE_FRAMES * _ENVELOPE_FRAMES
    level = np.sqrt(np.square(mono[:whole].reshape(-1, _ENVELOPE_FRAMES)).mean(axis=1))
    rises = np.flatnonzero(np.diff(level, prepend=0) > _RISE * level.max())
    near = np.zeros(len(level) + _STROKE, bool)
    for one in rises:
        near[one : one + _STROKE] = True
    squares = np.square(level)
    return Sound(
        low=float(power[hz < _LOW_HZ].sum() / power.sum()),
        flat=float(flat),
        struck=float(squares[near[: len(level)]].sum() / squares.sum()),
        active=float((level > _HEARD * level.max()).mean()),
    )


def find(folder: Path) -> list[Path]:
    """Return the modules in a folder and below, sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name.lower().removesuffix(".gz").endswith(ENDINGS) and path.stat().st_size
    )
