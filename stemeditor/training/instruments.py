"""What plays: sampled notes, kits of hits, synthesisers, and General MIDI sound fonts."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples
from stemeditor.audio.convert import fit, resample, to_channels
from stemeditor.errors import UserError
from stemeditor.training.corpus import RATE, Corpus, Sample, read
from stemeditor.training.scores import DRUM_ROLES, Line, Note

Mono = NDArray[np.float32]
"""(frames,)."""

_REPITCHES_KEPT = 2000
_FONT_FOLDERS = (
    "/usr/share/sounds/sf2",
    "/usr/share/soundfonts",
    "/usr/local/share/sounds/sf2",
    "~/.local/share/sounds/sf2",
)


class Instrument(Protocol):
    """Something that plays a line."""

    def play(self, line: Line, frames: int, rng: np.random.Generator) -> Samples:
        """Return (2, frames) of the line; chance decides between recordings of the same note."""


def _add(out: Samples, sound: Samples, start: int) -> None:
    """Add (channels, frames) at a frame, as far as there is room."""
    stop = min(start + sound.shape[1], out.shape[1])
    if 0 <= start < stop:
        out[:, start:stop] += sound[:, : stop - start]


def _released(sound: Samples, frames: int, release_s: float) -> Samples:
    """Return at most `frames` of a note and then its release, which fades to nothing."""
    tail = int(release_s * RATE)
    held = np.array(sound[:, : frames + tail], np.float32)
    tail = min(tail, held.shape[1])
    if tail:
        held[:, -tail:] *= np.linspace(1.0, 0.0, tail, dtype=np.float32) ** 2
    return held


class Sampler:
    """Recorded single notes, moved to the pitch that is asked for."""

    def __init__(self, corpus: Corpus, samples: Sequence[Sample], release_s: float, octave: int = 0) -> None:
        self._corpus = corpus
        self._samples = sorted((one for one in samples if one.midi is not None), key=lambda one: (one.midi, one.path))
        self._pitches = np.array([one.midi for one in self._samples])
        self._release_s = release_s
        self._octave = octave
        self._kept: dict[tuple[Path, int], Samples] = {}

    def play(self, line: Line, frames: int, rng: np.random.Generator) -> Samples:
        """See `Instrument.play`."""
        out = np.zeros((2, frames), np.float32)
        for note in line:
            wanted = note.midi + 12 * self._octave
            distance = np.abs(self._pitches - wanted)
            near = np.flatnonzero(distance <= distance.min() + 0.6)
            sample = self._samples[int(rng.choice(near))]
            sound = self._at(sample, wanted)
            length = max(int(note.duration_s * RATE), 64)
            _add(out, _released(sound, length, self._release_s) * np.float32(note.strength), int(note.start_s * RATE))
        return out

    def _at(self, sample: Sample, midi: int) -> Samples:
        key = (sample.path, midi)
        found = self._kept.pop(key, None)
        if found is None:
            sound = to_channels(self._corpus.sound(sample), 2)
            assert sample.midi is not None
            ratio = 2.0 ** ((midi - sample.midi) / 12.0)
            found = sound if abs(ratio - 1) < 1e-3 else resample(sound, RATE, max(round(RATE / ratio), 1000))
            level = float(np.abs(found[:, : RATE // 2]).max(initial=0.0))
            found = found * np.float32(0.5 / level) if level > 1e-5 else found
            if len(self._kept) >= _REPITCHES_KEPT:
                self._kept.pop(next(iter(self._kept)))
        self._kept[key] = found
        return found


_ROLE_NAMES = {
    "kick": r"kick|kdrum|^bd_|^ks_|drum_bass|klub",
    "rim": r"rim|sidestick|_ss_",
    "snare": r"snare|^sn_|_sn_|^ss_|^sc_",
    "clap": r"clap|perc_snap",
    "pedal": r"pedal|^hf_",
    "open": r"hatopen|hihatopen|hhopen|halfopen|semiopen|hat_open|cymbal_open|^ho_|^hl_",
    "closed": r"hatclosed|hihatclosed|hhclosed|hat_closed|cymbal_closed|^hc_|^hh_|^ht_|^hat_|^hihat$",
    "crash": r"crash|china|splash|cymbal_hard|cymbal_soft|808_cymbal|elec_cymbal",
    "ride": r"ride|bell",
    "tom": r"tom|^t[hml]_",
}
_INSTEAD = {"pedal": "closed", "rim": "snare", "clap": "snare", "open": "closed", "ride": "closed"}


class Kit:
    """Drum hits of one kit; what the kit lacks is borrowed from another. Strength chooses among its recordings."""

    def __init__(self, corpus: Corpus, kits: Sequence[str], rng: np.random.Generator) -> None:
        self._corpus = corpus
        self._hits: dict[str, list[Sample]] = {}
        for name in kits:
            for role, samples in _roles(corpus, name).items():
                self._hits.setdefault(role, list(samples))
        self._tuning = 2.0 ** (float(rng.normal(0, 1.5)) / 12.0)
        self._pans = {role: float(rng.uniform(-0.6, 0.6)) for role in ("closed", "open", "ride", "crash", "tom")}
        self._gains = {role: float(10 ** (rng.normal(0, 2.5) / 20)) for role in _ROLE_NAMES}
        self._gains["kick"] *= float(10 ** (rng.uniform(0, 4) / 20))
        self._wide = bool(rng.random() < 0.7)

    def play(self, line: Line, frames: int, rng: np.random.Generator) -> Samples:
        """See `Instrument.play`."""
        out = np.zeros((2, frames), np.float32)
        for note in line:
            role = note.what if note.what in self._hits else _INSTEAD.get(note.what, note.what)
            samples = self._hits.get(role)
            if not samples:
                continue
            place = note.strength * len(samples) + float(rng.normal(0, 0.6)) - 0.5
            sound = self._tuned(samples[int(np.clip(round(place), 0, len(samples) - 1))])
            gain = note.strength**1.3 * self._gains.get(role, 1.0)
            pan = self._pans.get(role, 0.0) if self._wide else 0.0
            sides = np.array([[1.0 - max(pan, 0.0)], [1.0 + min(pan, 0.0)]], np.float32) * np.float32(gain)
            _add(out, sound * sides, int(note.start_s * RATE))
        return out

    @lru_cache(maxsize=256)  # noqa: B019 - a kit lives for one song
    def _tuned(self, sample: Sample) -> Samples:
        sound = resample(to_channels(self._corpus.sound(sample), 2), RATE, max(round(RATE / self._tuning), 1000))
        return sound / np.float32(max(float(np.abs(sound).max(initial=0.0)), 1e-4)) * np.float32(0.6)


@lru_cache(maxsize=64)
def _roles(corpus: Corpus, kit: str) -> Mapping[str, tuple[Sample, ...]]:
    """Return what a kit's files are, by name, each role's recordings from soft to loud."""
    found: dict[str, list[Sample]] = {}
    for sample in corpus.of("drums")[kit]:
        name = sample.path.stem.lower()
        role = next((role for role, pattern in _ROLE_NAMES.items() if re.search(pattern, name)), "percussion")
        found.setdefault(role, []).append(sample)

    def level(sample: Sample) -> float:
        return float(np.abs(corpus.sound(sample)).max(initial=0.0))

    return {role: tuple(sorted(samples, key=lambda one: (level(one), one.path))) for role, samples in found.items()}


class Synth:
    """One synthesiser voice for every note.

    Subtractive with a falling or a swept filter, sines with a little drive, frequency modulation, plucked string, or
    drawbars. Basses may begin like the kick of a drum machine, far above their note and with a click, as they do on
    every second record of today: what tells them from a kick is that they stay, and where.

    Parameters
    ----------
    rng
        Draws the sound once; every note of the song has it.
    bass
        Whether it shall be fit for a bass line: darker, one oscillator deep down.

    References
    ----------
    J. M. Chowning, The synthesis of complex audio spectra by means of frequency modulation, JAES 21, 1973.
    K. Karplus, A. Strong, Digital synthesis of plucked-string and drum timbres, Computer Music Journal 7, 1983.
    """

    def __init__(self, rng: np.random.Generator, bass: bool = False) -> None:
        kinds = (
            ("subtractive", "subtractive", "swept", "swept", "sub", "sub", "fm", "pluck")
            if bass
            else ("subtractive", "subtractive", "swept", "fm", "pluck", "drawbars")
        )
        self._kind = str(rng.choice(kinds))
        self._tilt = float(rng.uniform(0.6, 2.0)) + (0.4 if bass else 0.0)
        self._odd = bool(rng.random() < 0.3)
        self._cents = 0.0 if bass and rng.random() < 0.6 else float(rng.uniform(2, 18))
        self._unison = 1 if self._cents == 0.0 else int(rng.integers(2, 5))
        self._attack_s = float(rng.choice((0.002, 0.005, 0.01, 0.08 if not bass else 0.01, 0.3 if not bass else 0.02)))
        self._decay_s = float(rng.uniform(0.1, 2.0))
        self._sustain = float(rng.uniform(0.1, 1.0))
        self._dark_hz = float(rng.uniform(120, 900)) if bass else float(rng.uniform(400, 4000))
        self._sweep = float(rng.uniform(0.05, 0.8))
        self._ratio = float(rng.choice((0.5, 1.0, 1.0, 2.0, 3.0, 3.5, 7.0) if not bass else (0.5, 1.0, 2.0)))
        self._index = float(rng.uniform(0.5, 6.0))
        self._damping = float(rng.uniform(0.990, 0.9995))
        self._bars = rng.random(9).astype(np.float32) ** 2
        self._vibrato = float(rng.choice((0.0, 0.0, rng.uniform(0.001, 0.008)))) if not bass else 0.0
        self._release_s = float(rng.uniform(0.03, 0.4))
        self._pan = 0.0 if bass else float(rng.uniform(0, 0.9))
        self._sub = float(rng.uniform(0, 1.5)) if bass else 0.0
        self._wobble_hz = float(np.exp(rng.uniform(np.log(0.15), np.log(9.0))))
        self._drive = float(rng.uniform(0.5, 4.0))
        falls = bass and (self._kind == "sub" or rng.random() < 0.4)
        self._fall_octaves = float(rng.uniform(0.5, 3.5)) if falls else 0.0
        self._fall_s = float(np.exp(rng.uniform(np.log(0.008), np.log(0.08))))
        self._click = float(rng.uniform(0, 0.5)) if falls and rng.random() < 0.6 else 0.0
        self._kept: dict[tuple[int, int], Samples] = {}

    def play(self, line: Line, frames: int, rng: np.random.Generator) -> Samples:
        """See `Instrument.play`."""
        out = np.zeros((2, frames), np.float32)
        for note in line:
            length = max(int(note.duration_s * 20), 1)
            key = (note.midi, length)
            if key not in self._kept:
                self._kept[key] = self._note(note.midi, length * RATE // 20, rng)
            _add(out, self._kept[key] * np.float32(note.strength), int(note.start_s * RATE))
        return out

    def _note(self, midi: int, held: int, rng: np.random.Generator) -> Samples:
        frequency = 440.0 * 2.0 ** ((midi - 69) / 12.0)
        release = int(self._release_s * RATE)
        frames = held + release
        time_s = np.arange(frames) / RATE
        bend = 1.0 + self._vibrato * np.sin(2 * np.pi * 5.5 * time_s) * np.clip(time_s * 3 - 0.6, 0, 1)
        if self._fall_octaves:
            bend *= 2.0 ** (self._fall_octaves * np.exp(-time_s / self._fall_s))
        turns = np.cumsum(bend) / RATE
        out = np.zeros((2, frames), np.float32)
        voices = self._unison if self._kind in ("subtractive", "swept") else min(self._unison, 2)
        for voice in range(voices):
            spread = (voice / max(voices - 1, 1) - 0.5) * 2 if voices > 1 else 0.0
            detuned = frequency * 2.0 ** (spread * self._cents / 1200.0)
            phase = detuned * turns + float(rng.random())
            sound = self._voice(phase, detuned, time_s, rng)
            side = self._pan * spread
            out += np.stack([sound * (1 - max(side, 0)), sound * (1 + min(side, 0))]).astype(np.float32) / voices
        if self._sub:
            out += np.float32(self._sub) * np.sin(2 * np.pi * frequency * turns).astype(np.float32)
        if self._click:
            out += (self._click * rng.normal(0, 1, frames) * np.exp(-time_s / 0.003)).astype(np.float32)
        envelope = self._sustain + (1 - self._sustain) * np.exp(-time_s / self._decay_s)
        envelope *= np.clip(time_s / self._attack_s, 0, 1)
        envelope[held:] *= np.linspace(1, 0, release) ** 2
        peak = float(np.abs(out).max(initial=0.0))
        return out * (envelope * (0.5 / max(peak, 1e-4))).astype(np.float32)

    def _voice(
        self, phase: NDArray[np.float64], frequency: float, time_s: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        if self._kind == "fm":
            index = self._index * np.exp(-time_s / (self._decay_s * 0.7))
            index = np.minimum(index, 0.35 * RATE / (2 * frequency * self._ratio))
            return np.sin(2 * np.pi * phase + index * np.sin(2 * np.pi * self._ratio * phase))
        if self._kind == "pluck":
            from scipy.signal import lfilter

            period = max(int(RATE / frequency - 0.5), 2)
            burst = np.zeros(len(time_s))
            burst[:period] = rng.uniform(-1, 1, min(period, len(time_s)))
            feedback = np.zeros(period + 2)
            feedback[0] = 1.0
            feedback[period : period + 2] = -0.5 * self._damping
            return np.asarray(lfilter([1.0], feedback, burst))
        if self._kind == "drawbars":
            ratios = (0.5, 1.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
            pairs = [(ratio, bar) for ratio, bar in zip(ratios, self._bars, strict=True) if ratio * frequency < 16000]
            bars = [bar * np.sin(2 * np.pi * ratio * phase) for ratio, bar in pairs]
            return np.asarray(np.sum(bars, axis=0), np.float64)
        if self._kind == "sub":
            return np.tanh(self._drive * np.sin(2 * np.pi * phase))
        bright = _wave(self._tilt, self._odd, min(int(16000 / frequency), 200))
        dark = _wave(self._tilt, self._odd, max(min(int(self._dark_hz / frequency * 2), 200), 1))
        share = (
            0.5 - 0.5 * np.cos(2 * np.pi * self._wobble_hz * time_s)
            if self._kind == "swept"
            else np.exp(-time_s / self._sweep)
        )
        cycle = (phase % 1.0) * (len(bright) - 1)
        at = np.arange(len(bright))
        return share * np.interp(cycle, at, bright) + (1 - share) * np.interp(cycle, at, dark)


@lru_cache(maxsize=512)
def _wave(tilt: float, odd: bool, harmonics: int) -> NDArray[np.float64]:
    """Return one cycle with harmonics that fall as 1 / n^tilt, the last point equal to the first."""
    cycle = np.linspace(0, 1, 2049)
    numbers = np.arange(1, max(harmonics, 1) + 1, 2 if odd else 1)
    wave = np.sum([np.sin(2 * np.pi * n * cycle) / n**tilt for n in numbers], axis=0)
    return np.asarray(wave / np.abs(wave).max())


class DrumSynth:
    """An electronic kit: a sine that falls for the kick, noise and a tone for the snare, high noise for the cymbals."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._hits = {role: self._made(role, rng) for role in (*_ROLE_NAMES, "percussion")}

    def play(self, line: Line, frames: int, rng: np.random.Generator) -> Samples:
        """See `Instrument.play`."""
        out = np.zeros((2, frames), np.float32)
        for note in line:
            if note.what in self._hits:
                _add(out, self._hits[note.what] * np.float32(note.strength**1.3), int(note.start_s * RATE))
        return out

    @staticmethod
    def _made(role: str, rng: np.random.Generator) -> Samples:
        from scipy.signal import butter, sosfilt

        length_s = {"kick": rng.uniform(0.15, 0.7), "crash": 1.5, "ride": 0.7, "open": 0.4, "tom": 0.4}.get(role, 0.15)
        time_s = np.arange(int(length_s * RATE)) / RATE
        noise = rng.normal(0, 1, (2 if rng.random() < 0.5 else 1, len(time_s)))
        decay = np.exp(-time_s / (length_s * rng.uniform(0.15, 0.35)))
        if role in ("kick", "tom"):
            low = rng.uniform(38, 62) if role == "kick" else rng.uniform(80, 200)
            pitch = low * (1 + rng.uniform(1, 6) * np.exp(-time_s / rng.uniform(0.01, 0.05)))
            body = np.sin(2 * np.pi * np.cumsum(pitch) / RATE) * decay
            click = noise * np.exp(-time_s / 0.003) * rng.uniform(0, 0.4)
            sound = body + click
        elif role in ("snare", "rim", "clap"):
            band = butter(2, [rng.uniform(400, 1500), rng.uniform(6000, 14000)], "band", fs=RATE, output="sos")
            sound = sosfilt(band, noise) * decay
            sound = sound + np.sin(2 * np.pi * rng.uniform(150, 260) * time_s) * decay**2 * rng.uniform(0, 0.8)
        else:
            high = butter(4, rng.uniform(4000, 9000), "high", fs=RATE, output="sos")
            sound = sosfilt(high, noise) * decay
        stereo = to_channels(np.asarray(np.atleast_2d(sound), np.float32), 2)
        return stereo * np.float32(0.6 / max(float(np.abs(stereo).max()), 1e-6))


class SoundFont:
    """A General MIDI program of a sound font, played by FluidSynth in a process of its own."""

    def __init__(self, font: Path, program: int, drums: bool = False) -> None:
        self._font = font
        self._program = program
        self._channel = 9 if drums else 0

    def play(self, line: Line, frames: int, rng: np.random.Generator) -> Samples:
        """See `Instrument.play`."""
        return render(self._font, {(self._channel, self._program): line}, frames)


def render(font: Path, lines: Mapping[tuple[int, int], Line], frames: int) -> Samples:
    """Return (2, frames) of lines by (MIDI channel, program), played by FluidSynth without its own effects."""
    import mido

    ticks_a_second = 960
    events: list[tuple[int, int, int, int, int]] = []
    for (channel, program), line in lines.items():
        events.append((0, 0, channel, program, 0))
        for note in line:
            pitch = _struck(note) if channel == 9 else note.midi
            start = int(note.start_s * ticks_a_second)
            stop = start + max(int(note.duration_s * ticks_a_second), 1)
            events.append((start, 2, channel, pitch, int(np.clip(note.strength * 127, 1, 127))))
            events.append((stop, 1, channel, pitch, 0))
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)])
    last = 0
    for tick, kind, channel, value, velocity in sorted(events):
        delta, last = tick - last, tick
        if kind == 0:
            track.append(mido.Message("program_change", channel=channel, program=value, time=delta))
        else:
            name = "note_on" if kind == 2 else "note_off"
            track.append(
                mido.Message(name, channel=channel, note=int(np.clip(value, 0, 127)), velocity=velocity, time=delta)
            )
    song = mido.MidiFile(ticks_per_beat=ticks_a_second // 2)
    song.tracks.append(track)
    with tempfile.TemporaryDirectory(prefix="stemeditor-") as folder:
        score, sound = Path(folder) / "score.mid", Path(folder) / "sound.wav"
        song.save(score)
        command = [_fluidsynth(), "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.5", "-r", str(RATE), "-O", "float"]
        done = subprocess.run([*command, "-F", str(sound), str(font), str(score)], capture_output=True, check=False)
        if done.returncode or not sound.is_file():
            raise UserError(f"FluidSynth cannot play {font.name}.", done.stderr.decode("utf-8", "replace")[-200:])
        made = read(sound)
    return np.ascontiguousarray(fit(made, frames))


def sound_fonts(names: Sequence[str]) -> tuple[Path, ...]:
    """Return where the named sound fonts lie: paths as they are, names in the folders where systems keep them.

    Raises
    ------
    UserError
        If one of them, or FluidSynth, is not there.
    """
    found = []
    for name in names:
        places = (Path(name), *(Path(folder).expanduser() / name for folder in _FONT_FOLDERS))
        place = next((place for place in places if place.is_file()), None)
        if place is None:
            raise UserError(
                f"There is no sound font “{name}”.",
                "Install it (Debian: fluid-soundfont-gm, timgm6mb-soundfont) or take it out of sound_fonts.",
            )
        found.append(place)
    if found:
        _fluidsynth()
    return tuple(found)


def _fluidsynth() -> str:
    program = shutil.which("fluidsynth")
    if program is None:
        raise UserError("Sound fonts are played by FluidSynth, which is not installed.", "Install fluidsynth.")
    return program


_STRUCK = {role: note for note, role in sorted(DRUM_ROLES.items(), reverse=True)} | {"kick": 36, "snare": 38, "tom": 45}


def _struck(note: Note) -> int:
    return note.midi or _STRUCK.get(note.what, 42)
