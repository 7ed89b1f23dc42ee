"""Songs with true stems, composed, played, sung and mixed from a corpus; each is a function of its number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stemeditor.audio.buffer import Samples
from stemeditor.audio.convert import to_channels
from stemeditor.training import console, corpus, instruments, scores
from stemeditor.training.corpus import RATE, Corpus
from stemeditor.training.instruments import Instrument
from stemeditor.training.scores import Harmony, Line
from stemeditor.training.singer import Singer, excerpt

STEMS = ("vocals", "drums", "bass", "other")

_SUSTAINED = ("sax", "cello_sus", "caveman", "string_cyborgs")
_FONT_LEADS = (*range(40, 44), *range(56, 80), *range(80, 88))
_FONT_CHORDS = (*range(0, 8), *range(16, 32), *range(48, 56), 61, 62, *range(88, 96), *range(104, 108))
_FONT_BASSES = tuple(range(32, 40))
_FREEDOOM_LEADS = (*range(56, 80), *range(80, 88))


@dataclass(frozen=True, slots=True)
class Recipe:
    """How songs are made.

    Parameters
    ----------
    corpus
        Folder of recordings and scores.
    duration_s
        Length of a song.
    sound_fonts
        Names or paths of General MIDI sound fonts, played by FluidSynth; none are needed.
    codecs
        Share of songs that go through a lossy codec, 0 to 1.
    electronic
        Share of songs that are mostly played by synthesisers and drum machines, 0 to 1.
    """

    corpus: Path
    duration_s: float = 30.0
    sound_fonts: tuple[str, ...] = ()
    codecs: float = 0.15
    electronic: float = 0.4


class Band:
    """Plays songs by number. The same recipe, seed and number give the same samples.

    Raises
    ------
    UserError
        If the corpus or a sound font is not there.
    """

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self._recipe = recipe
        self._seed = seed
        self._corpus: Corpus = corpus.load(recipe.corpus)
        self._fonts = instruments.sound_fonts(recipe.sound_fonts)
        self._frames = round(recipe.duration_s * RATE)

    def song(self, number: int) -> dict[str, Samples]:
        """Return stem name -> (2, frames); they add up to a song that peaks below full scale."""
        rng = np.random.default_rng([self._seed, number])
        electronic = bool(rng.random() < self._recipe.electronic)
        harmony = scores.harmony(rng, self._recipe.duration_s)
        freedoom = self._corpus.scores.get("freedoom", ()) if self._fonts else ()
        if freedoom and rng.random() < 0.15:
            stems = self._from_midi(freedoom[int(rng.integers(len(freedoom)))], rng)
            stems["vocals"] = self._vocals(harmony, rng)
        else:
            stems = {
                "vocals": self._vocals(harmony, rng),
                "drums": self._drums(harmony, rng, electronic),
                "bass": self._bass(harmony, rng, electronic),
                "other": self._other(harmony, rng, electronic),
            }
        return self._mixed(stems, rng)

    def _vocals(self, harmony: Harmony, rng: np.random.Generator) -> Samples:
        if rng.random() < 0.06 or not self._corpus.of("vocals"):
            return console.summed([], self._frames)
        recorded = self._corpus.of("vocals")
        drawn = rng.random()
        if drawn < 0.24 and "entwicklungskit" in recorded:
            return self._voice_chain(
                excerpt(self._corpus, recorded["entwicklungskit"], self._frames, rng), harmony, rng
            )
        if drawn < 0.32 and "misc" in recorded:
            return self._voice_chain(excerpt(self._corpus, recorded["misc"], self._frames, rng), harmony, rng)
        banks = [name for name in recorded if name not in ("entwicklungskit", "misc")]
        if not banks:
            return console.summed([], self._frames)
        name = str(rng.choice(banks))
        singer = Singer(self._corpus, name, rng)
        shift = int(rng.integers(-3, 4))
        low, high = singer.compass
        low, high = low + shift, max(high + shift, low + shift + 12)
        if high - low > 18:
            low += int(rng.integers(0, high - low - 16))
            high = low + 17
        line = scores.melody(rng, harmony, low, high)
        lead = singer.sing(line, self._frames, rng)
        lead = self._voice_chain(lead, harmony, rng)
        if rng.random() < 0.3:
            backing = Singer(self._corpus, str(rng.choice(banks)), rng)
            interval = int(rng.choice((-5, -4, -3, 3, 4, 7)))
            moved = tuple(
                scores.Note(note.start_s, note.duration_s, note.midi + interval, note.strength) for note in line
            )
            second = console.panned(backing.sing(moved, self._frames, rng), float(rng.uniform(-0.8, 0.8)))
            lead = lead + self._voice_chain(second, harmony, rng) * np.float32(rng.uniform(0.25, 0.8))
        if rng.random() < 0.2:
            again = singer.sing(scores.humanised(rng, line, 0.02), self._frames, rng)
            lead = lead + console.panned(again, float(rng.choice((-0.7, 0.7)))) * np.float32(0.5)
        return lead

    def _voice_chain(self, voice: Samples, harmony: Harmony, rng: np.random.Generator) -> Samples:
        voice = console.low_cut(voice, float(rng.uniform(60, 140)))
        voice = console.coloured(voice, rng, 5.0)
        voice = console.scaled(voice, -18.0)
        voice = console.compressed(
            voice, float(rng.uniform(-26, -12)), float(rng.uniform(2, 6)), 0.005, float(rng.uniform(0.05, 0.2))
        )
        if rng.random() < 0.15:
            voice = console.saturated(voice, float(rng.uniform(1, 4)))
        voice = (
            console.doubled(voice, rng)
            if rng.random() < 0.25
            else console.panned(voice, float(np.clip(rng.normal(0, 0.12), -0.6, 0.6)))
        )
        if rng.random() < 0.3:
            delay_s = harmony.beat_s * float(rng.choice((0.5, 0.75, 1.0)))
            voice = console.echoed(voice, delay_s, 0.4, float(rng.uniform(0.05, 0.3)))
        if rng.random() < 0.75:
            room = console.room(self._corpus, rng)
            voice = console.reverberated(voice, room, float(np.exp(rng.uniform(-3.2, -0.7))))
        return voice

    def _drums(self, harmony: Harmony, rng: np.random.Generator, electronic: bool) -> Samples:
        if rng.random() < 0.05:
            return console.summed([], self._frames)
        parts = []
        loops = self._corpus.of("drums").get("sonicpi_loops", ())
        if loops and rng.random() < 0.08:
            sound = to_channels(self._corpus.sound(loops[int(rng.integers(len(loops)))]), 2)
            repeats = -(-self._frames // sound.shape[1])
            parts.append(np.tile(sound, repeats)[:, : self._frames])
        else:
            parts.append(self._drummer(rng, electronic).play(self._drum_line(harmony, rng), self._frames, rng))
            if rng.random() < 0.15:
                second = self._drummer(rng, electronic).play(self._drum_line(harmony, rng), self._frames, rng)
                parts.append(second * np.float32(0.4))
        drums = console.coloured(console.summed(parts, self._frames), rng, 4.0)
        drums = console.scaled(drums, -18.0)
        if rng.random() < 0.5:
            drums = console.compressed(
                drums, float(rng.uniform(-20, -8)), float(rng.uniform(2, 6)), 0.008, float(rng.uniform(0.05, 0.25))
            )
        if rng.random() < 0.2:
            drums = console.saturated(drums, float(rng.uniform(1, 4)))
        if rng.random() < 0.5:
            drums = console.reverberated(drums, console.room(self._corpus, rng), float(np.exp(rng.uniform(-3.5, -1.2))))
        return console.widened(drums, float(rng.uniform(0.3, 1.3)))

    def _drummer(self, rng: np.random.Generator, electronic: bool) -> Instrument:
        kits = [name for name in self._corpus.of("drums") if name != "sonicpi_loops"]
        drawn = rng.random()
        if self._fonts and drawn < 0.12:
            return instruments.SoundFont(self._font(rng), int(rng.choice((0, 0, 8, 16, 24, 25, 32, 40))), drums=True)
        if drawn < (0.5 if electronic else 0.18) or not kits:
            return instruments.DrumSynth(rng)
        large = [name for name in kits if not name.startswith(("chrome", "frankensnare"))]
        first = str(rng.choice(large if large and rng.random() < 0.6 else kits))
        order = [first, *(str(name) for name in rng.permutation(kits))]
        return instruments.Kit(self._corpus, order, rng)

    def _drum_line(self, harmony: Harmony, rng: np.random.Generator) -> Line:
        performances = self._corpus.scores.get("gmd", ())
        if performances and rng.random() < 0.6:
            for _ in range(4):
                path = performances[int(rng.integers(len(performances)))]
                song = scores.read_midi(path)
                notes = tuple(note for line in song.lines.values() for note in line if note.what)
                if song.duration_s < 2.0 or not notes:
                    continue
                notes = tuple(sorted(notes, key=lambda note: note.start_s))
                factor = float(np.clip(harmony.beat_s * scores.tempo_in_name(path) / 60.0, 0.6, 1.7))
                line: list[scores.Note] = []
                period = song.duration_s * factor
                for repeat in range(int(self._recipe.duration_s / period) + 1):
                    moved = scores.stretched(notes, factor, -repeat * song.duration_s, song.duration_s)
                    line += moved
                return tuple(line)
        return scores.drum_pattern(rng, harmony)

    def _bass(self, harmony: Harmony, rng: np.random.Generator, electronic: bool) -> Samples:
        if rng.random() < 0.06:
            return console.summed([], self._frames)
        line = scores.bass_line(rng, harmony)
        if rng.random() < (0.4 if electronic else 0.1):
            line = tuple(replace(note, midi=max(note.midi - 12, 21)) for note in line)
        drawn = rng.random()
        recorded = self._corpus.of("bass")
        player: Instrument
        if self._fonts and drawn < 0.1:
            player = instruments.SoundFont(self._font(rng), int(rng.choice(_FONT_BASSES)))
        elif drawn < (0.9 if electronic else 0.3) or not recorded:
            player = instruments.Synth(rng, bass=True)
        else:
            name = str(rng.choice(list(recorded)))
            player = instruments.Sampler(self._corpus, recorded[name], float(rng.uniform(0.04, 0.15)))
        bass = console.coloured(player.play(line, self._frames, rng), rng, 4.0)
        bass = console.scaled(bass, -18.0)
        if rng.random() < 0.6:
            bass = console.compressed(bass, float(rng.uniform(-24, -10)), float(rng.uniform(2, 8)), 0.01, 0.1)
        if rng.random() < 0.3:
            bass = console.saturated(bass, float(rng.uniform(1, 6)))
        return console.widened(bass, float(rng.uniform(0.0, 0.4)))

    def _other(self, harmony: Harmony, rng: np.random.Generator, electronic: bool) -> Samples:
        if rng.random() < 0.03:
            return console.summed([], self._frames)
        parts = []
        for _ in range(int(rng.integers(1, 5))):
            player, lead = self._player(rng, electronic)
            low, high = (55, 84) if lead else (int(rng.integers(40, 56)), 80)
            line = (
                scores.melody(rng, harmony, low, high)
                if lead and rng.random() < 0.7
                else scores.accompaniment(rng, harmony, low, high)
            )
            part = console.coloured(player.play(line, self._frames, rng), rng, 5.0)
            if rng.random() < 0.5:
                part = console.low_cut(part, float(rng.uniform(60, 250)))
            part = console.scaled(part, -20.0 + float(rng.normal(0, 3.5)))
            if rng.random() < 0.15:
                part = console.saturated(part, float(rng.uniform(1.5, 10)))
            part = (
                console.doubled(part, rng)
                if rng.random() < 0.2
                else console.panned(part, float(rng.uniform(-0.9, 0.9)))
            )
            if rng.random() < 0.2:
                part = console.echoed(part, harmony.beat_s * float(rng.choice((0.5, 0.75))), 0.4, 0.25)
            if rng.random() < 0.5:
                part = console.reverberated(
                    part, console.room(self._corpus, rng), float(np.exp(rng.uniform(-3.0, -0.6)))
                )
            parts.append(part)
        return console.summed(parts, self._frames)

    def _player(self, rng: np.random.Generator, electronic: bool) -> tuple[Instrument, bool]:
        """Return an instrument, and whether it plays melodies rather than chords."""
        drawn = rng.random()
        recorded = self._corpus.of("other")
        if self._fonts and drawn < (0.1 if electronic else 0.3):
            lead = bool(rng.random() < 0.4)
            program = int(rng.choice(_FONT_LEADS if lead else _FONT_CHORDS))
            return instruments.SoundFont(self._font(rng), program), lead
        if drawn < (0.8 if electronic else 0.45) or not recorded:
            return instruments.Synth(rng), bool(rng.random() < 0.35)
        name = str(rng.choice(list(recorded)))
        lead = any(word in name for word in _SUSTAINED)
        return instruments.Sampler(self._corpus, recorded[name], float(rng.uniform(0.05, 0.4))), lead

    def _from_midi(self, path: Path, rng: np.random.Generator) -> dict[str, Samples]:
        """Play a stretch of a General MIDI song with a sound font, every stem by itself."""
        song = scores.read_midi(path)
        start = float(rng.uniform(0, max(song.duration_s - self._recipe.duration_s, 0.0)))
        font = self._font(rng)
        parts: dict[str, dict[tuple[int, int], Line]] = {"drums": {}, "bass": {}, "other": {}}
        for (channel, program), line in song.lines.items():
            part = "drums" if channel == 9 else "bass" if program in _FONT_BASSES else "other"
            parts[part][channel, program] = scores.stretched(line, 1.0, start, start + self._recipe.duration_s)
        stems = {}
        for name, lines in parts.items():
            used = {key: line for key, line in lines.items() if line}
            stems[name] = (
                console.coloured(instruments.render(font, used, self._frames), rng, 3.0)
                if used
                else console.summed([], self._frames)
            )
        return stems

    def _font(self, rng: np.random.Generator) -> Path:
        return self._fonts[int(rng.integers(len(self._fonts)))]

    def _mixed(self, stems: Mapping[str, Samples], rng: np.random.Generator) -> dict[str, Samples]:
        """Set levels by role, add what the bus does, and limit all stems with one curve."""
        levels = {
            "vocals": -19.0 + float(rng.normal(0, 4.0)),
            "drums": -19.0 + float(rng.normal(0, 4.0)),
            "bass": -20.0 + float(rng.normal(0, 4.0)),
            "other": -20.0 + float(rng.normal(0, 4.0)),
        }
        mixed = {name: console.scaled(stems[name], levels[name]) for name in STEMS}
        if rng.random() < 0.5:
            sections = console.equaliser("high", float(rng.uniform(4000, 12000)), float(rng.uniform(-3, 4)))
            mixed = {name: console.filtered(stem, sections) for name, stem in mixed.items()}
        gain = np.float32(10 ** (float(rng.uniform(0, 8)) / 20))
        mixed = console.limited({name: stem * gain for name, stem in mixed.items()}, 0.98)
        if rng.random() < self._recipe.codecs:
            codec, kbps = str(rng.choice(("mp3", "aac"))), int(rng.choice((96, 128, 192)))
            mixed = {name: console.encoded(stem, codec, kbps) if stem.any() else stem for name, stem in mixed.items()}
        # Stems that cancel each other, and what a codec adds, may lie above what the limiter left.
        peak = max(1.0, *(float(np.abs(stem).max(initial=0.0)) for stem in mixed.values()))
        return {name: np.ascontiguousarray(stem / np.float32(peak), np.float32) for name, stem in mixed.items()}
