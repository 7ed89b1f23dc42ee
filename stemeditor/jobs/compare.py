"""Methods side by side on one song: their sound, their scores where true stems are known, and the time they took."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.levels import loudness
from stemeditor.audio.store import SoundStore
from stemeditor.errors import UserError
from stemeditor.evaluation.metrics import best_pairing
from stemeditor.evaluation.oracle import ORACLES, oracle
from stemeditor.evaluation.protocol import Protocol, StemScore, Table, Timing, score_stems
from stemeditor.methods import registry, runner
from stemeditor.methods.base import MethodInfo, ParamValue, Stems
from stemeditor.progress import Part, Progress

ACCOMPANIMENT = "accompaniment"

_CONTEXT_S = 12.0
"""What a method hears around a stretch, so that it judges it as it would within the song."""

_ALIASES = {"foreground": "vocals", "background": ACCOMPANIMENT}
"""What methods that name by place or change mean on a song with a voice."""

_QUIETEST_LUFS = -60.0


@dataclass(frozen=True, slots=True, eq=False)
class CompareRequest:
    """Run methods on a song.

    Parameters
    ----------
    name, song
        The song.
    methods
        Keys of the registry, and of `ORACLES` where true stems are known.
    folder
        Where the stems' sound is kept.
    true
        True stems of the same shape as the song; empty if none are known.
    start, stop
        The stretch in frames; `stop` 0 for the whole song.
    params
        Method -> parameters that differ from the defaults.
    protocol
        How to score.
    """

    name: str
    song: Audio
    methods: tuple[str, ...]
    folder: Path
    true: Mapping[str, Audio] = field(default_factory=dict)
    start: int = 0
    stop: int = 0
    params: Mapping[str, Mapping[str, ParamValue]] = field(default_factory=dict)
    protocol: Protocol = field(default_factory=Protocol)


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """What one method made of the stretch.

    Parameters
    ----------
    method, label
        Key and name.
    stems
        Name -> sound of the stretch.
    seconds, real_time_factor
        Time it took.
    scores
        One for each true stem that it gives; empty without true stems.
    trouble
        Why there is nothing, in words; empty if all went well.
    levels
        Stem -> loudness in LUFS, measured here so that nobody waits for it who switches between methods.
    """

    method: str
    label: str
    stems: Mapping[str, Audio]
    seconds: float = 0.0
    real_time_factor: float = 0.0
    scores: tuple[StemScore, ...] = ()
    trouble: str = ""
    levels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """All methods on one stretch, and the table of their scores."""

    contenders: tuple[Contender, ...]
    table: Table


def compare(request: CompareRequest, progress: Progress) -> Compared:
    """Run the methods one after the other; posts each `Contender` as it is done.

    A method that the song does not suit has its `trouble` and does not stop the others.

    Raises
    ------
    UserError
        If a method or parameter does not exist, or the stretch is empty.
    """
    for key in request.methods:
        if key not in ORACLES:
            runner.settled(registry.info(key), request.params.get(key, {}))
        elif not request.true:
            raise UserError(f"“{key}” needs the true stems.", "Name their folder, or leave it out.")
    stop = min(request.stop or request.song.frames, request.song.frames)
    if stop <= request.start:
        raise UserError("There is nothing in the stretch.", "Choose a longer one.")
    found = []
    for number, key in enumerate(request.methods):
        part = Part(progress, number / len(request.methods), (number + 1) / len(request.methods))
        part.advance(0.0, f"{request.name}: {ORACLES[key] if key in ORACLES else registry.info(key).name}")
        contender = _run(request, key, request.start, stop, part)
        contender = replace(contender, levels={name: loudness(sound) for name, sound in contender.stems.items()})
        progress.post(contender)
        found.append(contender)
    progress.advance(1.0)
    scores = tuple(score for contender in found for score in contender.scores)
    timings = tuple(
        Timing(request.name, contender.method, contender.seconds, contender.real_time_factor)
        for contender in found
        if not contender.trouble and contender.method not in ORACLES
    )
    return Compared(tuple(found), Table(scores, timings, request.protocol))


def _run(request: CompareRequest, key: str, start: int, stop: int, progress: Progress) -> Contender:
    truth = {name: np.asarray(part.slice(start, stop).samples) for name, part in request.true.items()}
    stretch = np.asarray(request.song.slice(start, stop).samples)
    if key in ORACLES:
        began = time.monotonic()
        made: Mapping[str, Samples] = oracle(key, stretch, truth, progress)
        seconds = time.monotonic() - began
        sounds = {name: Audio(samples, request.song.rate) for name, samples in made.items()}
        scores = score_stems(request.name, key, truth, made, request.song.rate, request.protocol, progress)
        return Contender(key, ORACLES[key], sounds, seconds, _factor(stretch, request, seconds), scores)
    info = registry.info(key)
    try:
        sounds, seconds = _separated(request, key, start, stop, Part(progress, 0.0, 0.6 if truth else 1.0))
    except UserError as problem:
        return Contender(key, info.name, {}, trouble=str(problem))
    scores = ()
    if truth:
        true, guesses = matched(info, truth, stretch, {name: np.asarray(part.samples) for name, part in sounds.items()})
        scores = score_stems(
            request.name, key, true, guesses, request.song.rate, request.protocol, Part(progress, 0.6, 1.0)
        )
    return Contender(key, info.name, sounds, seconds, _factor(stretch, request, seconds), scores)


def _factor(stretch: Samples, request: CompareRequest, seconds: float) -> float:
    return float(stretch.shape[1]) / request.song.rate / max(seconds, 1e-9)


def _separated(
    request: CompareRequest, key: str, start: int, stop: int, progress: Progress
) -> tuple[dict[str, Audio], float]:
    """Return the stems of the stretch, and the seconds they took (for as much sound as the stretch has)."""
    context = round(_CONTEXT_S * request.song.rate)
    low, high = max(start - context, 0), min(stop + context, request.song.frames)
    around = request.song.slice(low, high)
    method = registry.load(key)
    stores: dict[str, SoundStore] = {}
    began = time.monotonic()
    params = request.params.get(key, {})
    ready = runner.learned(around, method, runner.settled(method.info, params), Part(progress, 0.0, 0.4))
    for piece in runner.stream(around, ready, params, progress):
        for name, samples in piece.stems.items():
            if name == runner.RESIDUAL:
                continue
            if name not in stores:
                stores[name] = SoundStore(around.channels, around.rate, around.frames, request.folder)
            stores[name].append(samples)
            done = stores[name].filled / around.frames
        progress.advance(0.4 + 0.6 * done)
    seconds = (time.monotonic() - began) * (stop - start) / max(high - low, 1)
    return {name: store.finish().slice(start - low, stop - low) for name, store in stores.items()}, seconds


def matched(
    info: MethodInfo, true: Mapping[str, Samples], song: Samples, stems: Mapping[str, Samples]
) -> tuple[dict[str, Samples], dict[str, Samples]]:
    """Return true stems and estimates under the same names, such that the true ones add up to the song.

    - A method that gives all true stems is scored on all.
    - One that gives some of them and a rest is scored on those; the rest is compared with the sum of the others, and
      called accompaniment where the only other is the voice.
    - One that does not know names (a direction, a source, foreground) is paired, as it fits best, with the voice and
      its accompaniment where there is a voice.
    """
    renamed = {_ALIASES.get(name, name): samples for name, samples in stems.items()}
    named = [name for name in renamed if name in true]
    if named and set(true) <= set(renamed):
        return dict(true), {name: renamed[name] for name in true}
    voiced = {"vocals": np.asarray(true["vocals"]), ACCOMPANIMENT: song - true["vocals"]} if "vocals" in true else {}
    if set(renamed) == {"vocals", ACCOMPANIMENT} and voiced:
        return voiced, renamed
    kept = [name for name in named if name != info.rest]
    if kept:
        left: Stems = {name: np.asarray(true[name]) for name in kept}
        others = song - np.add.reduce([true[name] for name in kept])
        guess = song - np.add.reduce([renamed[name] for name in kept])
        rest = ACCOMPANIMENT if kept == ["vocals"] else f"not {' or '.join(kept)}"
        return {**left, rest: others}, {**{name: renamed[name] for name in kept}, rest: guess}
    if voiced and len(renamed) >= 2:
        names, guesses = list(renamed), list(renamed.values())
        pairs = best_pairing(list(voiced.values()), guesses)
        return voiced, {name: renamed[names[index]] for name, index in zip(voiced, pairs, strict=True)}
    return {}, {}


@dataclass(frozen=True, slots=True, eq=False)
class MeasureRequest:
    """Measure how loud sounds are; the keys are the caller's."""

    sounds: Mapping[tuple[str, str], Audio]


def measure(request: MeasureRequest, progress: Progress) -> dict[tuple[str, str], float]:
    """Return the loudness of each in LUFS. A background job."""
    levels = {}
    for key, sound in request.sounds.items():
        progress.check()
        levels[key] = loudness(sound)
    return levels


def equal_loudness(sounds: Mapping[str, Audio]) -> dict[str, float]:
    """Return gains, 1 or less, that give all sounds the loudness of the quietest that can be heard; it measures them.

    Silence keeps its level: brought up to the others it would be their noise.
    """
    return equal_gains({name: loudness(sound) for name, sound in sounds.items()})


def equal_gains(levels: Mapping[str, float]) -> dict[str, float]:
    """Return the gains of `equal_loudness` for sounds of these levels in LUFS."""
    heard = [level for level in levels.values() if level > _QUIETEST_LUFS]
    quietest = min(heard, default=0.0)
    return {name: 10 ** ((quietest - level) / 20) if level > _QUIETEST_LUFS else 1.0 for name, level in levels.items()}
