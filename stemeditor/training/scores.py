"""What is played: chords, bass lines, melodies and drum patterns, generated or read from MIDI files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

BEATS_IN_BAR = 4

_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
_PROGRESSIONS = {
    "major": (
        "0 4 5 3",
        "5 3 0 4",
        "0 5 3 4",
        "0 3 4 3",
        "1 4 0 0",
        "0 3 0 4",
        "0 2 3 4",
        "3 4 2 5",
        "0 0 3 3",
        "0 6 3 0",
    ),
    "minor": ("0 5 2 6", "0 6 5 6", "0 3 6 2", "0 3 4 0", "0 0 3 3", "5 6 0 0", "0 4 5 3", "0 0 0 0", "0 6 5 4"),
}
_BLUES = (0, 0, 0, 0, 3, 3, 0, 0, 4, 3, 0, 4)

DRUM_ROLES = {
    **dict.fromkeys((35, 36), "kick"),
    **dict.fromkeys((38, 40), "snare"),
    **dict.fromkeys((37,), "rim"),
    **dict.fromkeys((39,), "clap"),
    **dict.fromkeys((42, 22), "closed"),
    **dict.fromkeys((44,), "pedal"),
    **dict.fromkeys((46, 26), "open"),
    **dict.fromkeys((41, 43, 45, 47, 48, 50, 58), "tom"),
    **dict.fromkeys((49, 52, 55, 57), "crash"),
    **dict.fromkeys((51, 53, 59), "ride"),
    **dict.fromkeys((54, 56, *range(60, 82)), "percussion"),
}
"""General MIDI drum note -> what is struck."""


@dataclass(frozen=True, slots=True)
class Note:
    """A note: seconds, MIDI number, and strength 0 to 1. For drums `what` says what is struck."""

    start_s: float
    duration_s: float
    midi: int
    strength: float
    what: str = ""


Line = tuple[Note, ...]
"""Notes by ascending start."""


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord that sounds for a while; `pitches` are pitch classes, the root first."""

    start_s: float
    duration_s: float
    pitches: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Harmony:
    """Chords on a grid of beats, and the scale that melodies take their notes from."""

    beat_s: float
    beats: int
    scale: tuple[int, ...]
    chords: tuple[Chord, ...]

    @property
    def duration_s(self) -> float:
        """Length."""
        return self.beats * self.beat_s

    def at(self, time_s: float) -> Chord:
        """Return the chord of a moment."""
        for chord in self.chords:
            if time_s < chord.start_s + chord.duration_s - 1e-6:
                return chord
        return self.chords[-1]


def harmony(rng: np.random.Generator, duration_s: float) -> Harmony:
    """Draw a tempo, a key and a progression, and repeat it over `duration_s`; sections may change the progression."""
    beat_s = 60.0 / float(rng.triangular(62, 110, 176))
    mode = "major" if rng.random() < 0.5 else "minor"
    root = int(rng.integers(12))
    scale = tuple((root + step) % 12 for step in _SCALES[mode])
    beats = max(int(np.ceil(duration_s / beat_s)), BEATS_IN_BAR)
    sevenths = rng.random() < 0.35
    each = int(rng.choice((2, 4, 4, 4, 8)))
    chords: list[Chord] = []
    beat = 0
    while beat < beats:
        drawn = rng.random()
        if drawn < 0.08:
            degrees: Sequence[int] = _BLUES
        elif drawn < 0.2:
            degrees = [int(degree) for degree in rng.integers(0, 6, 4)]
        else:
            degrees = [int(degree) for degree in str(rng.choice(_PROGRESSIONS[mode])).split()]
        for degree in list(degrees) * int(rng.integers(1, 5)):
            count = min(each, beats - beat)
            if count <= 0:
                break
            steps = (0, 2, 4, 6) if sevenths or rng.random() < 0.12 else (0, 2, 4)
            pitches = tuple(scale[(degree + step) % 7] for step in steps)
            chords.append(Chord(beat * beat_s, count * beat_s, pitches))
            beat += count
    return Harmony(beat_s, beats, scale, tuple(chords))


def bass_line(rng: np.random.Generator, song: Harmony) -> Line:
    """Draw a bass line: roots, fifths, octaves, walking or syncopated, in one pattern a song."""
    style = str(rng.choice(("roots", "eighths", "octaves", "fifths", "walking", "syncopated", "arpeggio", "held")))
    low = int(rng.integers(26, 36))
    pattern = rng.random(16) < 0.4
    pattern[0] = True
    step_s = song.beat_s / 4
    staccato = float(rng.uniform(0.45, 1.0))
    line = []
    held: list[tuple[int, int]] = []
    for slot in range(song.beats * 4):
        chord = song.at(slot * step_s)
        in_chord = round((slot * step_s - chord.start_s) / step_s)
        length = 0
        pitch = chord.pitches[0]
        if style == "held":
            length = round(chord.duration_s / step_s) if in_chord == 0 else 0
        elif style == "roots":
            length = 4 if slot % 4 == 0 else 0
        elif style == "eighths" or style == "octaves":
            length = 2 if slot % 2 == 0 else 0
        elif style == "fifths":
            length = 4 if slot % 8 in (0, 6) else (2 if slot % 8 == 4 else 0)
            pitch = chord.pitches[2] if slot % 8 == 4 else pitch
        elif style == "walking":
            length = 4 if slot % 4 == 0 else 0
            if in_chord:
                pitch = int(rng.choice((*chord.pitches, int(rng.choice(song.scale)))))
        elif style == "syncopated":
            length = int(rng.integers(1, 4)) if pattern[slot % 16] else 0
            if rng.random() < 0.2:
                pitch = chord.pitches[int(rng.integers(len(chord.pitches)))]
        else:
            length = 2 if slot % 2 == 0 else 0
            pitch = chord.pitches[(in_chord // 2) % len(chord.pitches)]
        if length:
            midi = low + (pitch - low) % 12
            if style == "octaves" and slot % 4 == 2:
                midi += 12
            held.append((slot, midi))
            line.append(Note(slot * step_s, length * step_s * staccato, midi, float(rng.uniform(0.6, 1.0))))
    return humanised(rng, line, 0.006)


def accompaniment(rng: np.random.Generator, song: Harmony, low: int, high: int) -> Line:
    """Draw how an instrument plays the chords: pads, strums, stabs, off-beats, arpeggios, riffs.

    Parameters
    ----------
    rng
        Source of chance.
    song
        The chords.
    low, high
        MIDI range [low, high) of the instrument, an octave or more.
    """
    style = str(rng.choice(("pad", "pad", "strum", "stabs", "offbeat", "arpeggio", "arpeggio", "riff", "quarters")))
    centre = int(rng.integers(low, max(high - 18, low + 1)))
    pattern = rng.random(16) < 0.35
    pattern[int(rng.integers(16))] = True
    step_s = song.beat_s / 4
    order = int(rng.integers(3))
    riff = [int(note) for note in rng.integers(0, 5, 16)]
    line: list[Note] = []
    for slot in range(song.beats * 4):
        time_s = slot * step_s
        chord = song.at(time_s)
        in_chord = round((time_s - chord.start_s) / step_s)
        pitches = [centre + (pitch - centre) % 12 for pitch in chord.pitches]
        strength = float(rng.uniform(0.5, 0.95))
        if style in ("arpeggio", "riff"):
            if slot % 2 and style == "arpeggio" and rng.random() < 0.5:
                continue
            if style == "riff" and not pattern[slot % 16]:
                continue
            ladder = sorted(pitches) + [pitch + 12 for pitch in sorted(pitches)]
            index = riff[slot % 16] if style == "riff" else (in_chord, -in_chord, in_chord * 2)[order]
            line.append(Note(time_s, step_s * 2, ladder[index % len(ladder)], strength))
            continue
        length = {
            "pad": chord.duration_s if in_chord == 0 else 0.0,
            "strum": step_s * 2 if pattern[slot % 16] or slot % 8 == 0 else 0.0,
            "stabs": step_s if pattern[slot % 16] else 0.0,
            "offbeat": step_s if slot % 4 == 2 else 0.0,
            "quarters": step_s * 3.5 if slot % 4 == 0 else 0.0,
        }[style]
        if length:
            delay = float(rng.uniform(0.004, 0.02)) if style == "strum" else 0.0
            line += [
                Note(time_s + index * delay, length, pitch, strength) for index, pitch in enumerate(sorted(pitches))
            ]
    return humanised(rng, line, 0.008)


def melody(rng: np.random.Generator, song: Harmony, low: int, high: int) -> Line:
    """Draw a melody that could be sung: phrases with rests, mostly steps, chord notes on strong beats, motifs."""
    ladder = [pitch for pitch in range(low, high) if pitch % 12 in song.scale]
    place = len(ladder) // 2
    beats = 0.0
    line: list[Note] = []
    busy = float(rng.choice((0.5, 1.0, 1.0, 2.0)))
    motif: list[tuple[float, int]] = []
    while beats < song.beats:
        if not motif or rng.random() < 0.45:
            lengths = rng.choice((0.5, 0.5, 1.0, 1.0, 1.5, 2.0, 0.25), int(rng.integers(4, 11)))
            moves = rng.choice((-2, -1, -1, 0, 1, 1, 2, 3, -3, 4), len(lengths))
            motif = [(float(length) / busy, int(move)) for length, move in zip(lengths, moves, strict=True)]
            motif[-1] = (motif[-1][0] * 2, motif[-1][1])
        for length, move in motif:
            if beats >= song.beats:
                break
            place = int(np.clip(place + move, 0, len(ladder) - 1))
            if place in (0, len(ladder) - 1):
                place = len(ladder) // 2
            if beats % 1 == 0 and rng.random() < 0.7:
                chord = song.at(beats * song.beat_s).pitches
                place = min(range(len(ladder)), key=lambda one: (ladder[one] % 12 not in chord, abs(one - place)))
            line.append(
                Note(beats * song.beat_s, length * song.beat_s * 0.97, ladder[place], float(rng.uniform(0.6, 1.0)))
            )
            beats += length
        beats = np.ceil(beats) + float(rng.choice((0, 1, 2, 4)))
    return humanised(rng, line, 0.012)


def drum_pattern(rng: np.random.Generator, song: Harmony) -> Line:
    """Draw a drum pattern on sixteenths, with fills, crashes and small changes from bar to bar."""
    step_s = song.beat_s / 4
    kick = np.zeros(16, bool)
    kick[list(((0, 8), (0, 4, 8, 12), (0, 6, 10), (0, 7, 8), (0, 3, 10), (0, 10, 11))[int(rng.integers(6))])] = True
    kick |= rng.random(16) < 0.06
    snare = np.zeros(16, bool)
    snare[list(((4, 12), (4, 12), (4, 12), (8,), (4, 12, 15), (4, 7, 12))[int(rng.integers(6))])] = True
    hat_every = int(rng.choice((1, 2, 2, 4)))
    hat = str(rng.choice(("closed", "closed", "closed", "ride", "open", "percussion")))
    backbeat = str(rng.choice(("snare", "snare", "snare", "clap", "rim")))
    swing = float(rng.choice((0.0, 0.0, 0.0, rng.uniform(0.1, 0.33))))
    drop = rng.random() < 0.2
    hits: list[Note] = []
    for slot in range(song.beats * 4):
        bar, at = divmod(slot, 16)
        time_s = (slot + (swing * (at % 4 == 2) * 2 if hat_every >= 2 else swing * (at % 2))) * step_s

        def hit(what: str, strength: float, time_s: float = time_s) -> None:
            hits.append(Note(time_s, 0.1, 0, strength, what))

        if drop and bar % 8 == 7:
            continue
        if bar % 4 == 3 and at >= 12 and rng.random() < 0.6:
            hit(str(rng.choice(("tom", "snare"))), float(rng.uniform(0.5, 1.0)))
            continue
        if at == 0 and bar % 8 == 0 and rng.random() < 0.8:
            hit("crash", float(rng.uniform(0.6, 1.0)))
        if kick[at]:
            hit("kick", float(rng.uniform(0.75, 1.0)))
        if snare[at]:
            hit(backbeat, float(rng.uniform(0.75, 1.0)))
        elif rng.random() < 0.03:
            hit("snare", float(rng.uniform(0.1, 0.35)))
        if at % hat_every == 0:
            what = "open" if hat == "closed" and at % 8 == 6 and rng.random() < 0.3 else hat
            hit(what, float(rng.uniform(0.35, 0.6)) + 0.35 * (at % 4 == 0))
    return humanised(rng, hits, 0.005)


def humanised(rng: np.random.Generator, line: Sequence[Note], spread_s: float) -> Line:
    """Return the notes, each a little early or late, in order of time."""
    moved = [replace(note, start_s=max(note.start_s + float(rng.normal(0, spread_s)), 0.0)) for note in line]
    return tuple(sorted(moved, key=lambda note: note.start_s))


def stretched(line: Line, factor: float, start_s: float, stop_s: float) -> Line:
    """Return what lies in [start_s, stop_s) of a line, moved to 0 and made `factor` times as long."""
    return tuple(
        replace(note, start_s=(note.start_s - start_s) * factor, duration_s=note.duration_s * factor)
        for note in line
        if start_s <= note.start_s < stop_s
    )


@dataclass(frozen=True, slots=True)
class MidiSong:
    """The notes of a MIDI file.

    Parameters
    ----------
    lines
        (channel 0 to 15, General MIDI program 0 to 127) -> its notes; channel 9 is the drums.
    duration_s
        Where its last note ends.
    """

    lines: Mapping[tuple[int, int], Line] = field(default_factory=dict)
    duration_s: float = 0.0


@lru_cache(maxsize=64)
def read_midi(path: Path) -> MidiSong:
    """Read a MIDI file; one that is no MIDI file is an empty song, for a corpus may have a bad one among thousands."""
    import mido

    try:
        messages = list(mido.MidiFile(path, clip=True))
    except (OSError, ValueError, EOFError, KeyError, IndexError):
        return MidiSong()
    time_s = 0.0
    programs = [0] * 16
    sounding: dict[tuple[int, int], tuple[float, int, int]] = {}
    found: dict[tuple[int, int], list[Note]] = {}
    for message in messages:
        time_s += message.time
        if message.type == "program_change":
            programs[message.channel] = message.program
        if message.type not in ("note_on", "note_off"):
            continue
        key = (message.channel, message.note)
        if key in sounding:
            start_s, velocity, program = sounding.pop(key)
            what = DRUM_ROLES.get(message.note, "percussion") if message.channel == 9 else ""
            note = Note(start_s, max(time_s - start_s, 0.02), message.note, velocity / 127.0, what)
            found.setdefault((message.channel, program), []).append(note)
        if message.type == "note_on" and message.velocity:
            sounding[key] = (time_s, message.velocity, programs[message.channel])
    lines = {key: tuple(sorted(notes, key=lambda note: note.start_s)) for key, notes in sorted(found.items())}
    return MidiSong(lines, time_s)


def tempo_in_name(path: Path) -> float:
    """Return the beats a minute that a drum performance's file name tells (`1_funk_138_beat_4-4.mid`), 120 if none."""
    found = re.search(r"_(\d{2,3})_(?:beat|fill)_", path.name)
    return float(found.group(1)) if found else 120.0
