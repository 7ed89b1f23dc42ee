"""A singer made of recorded syllables: pitch-synchronous overlap-add onto a melody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples
from stemeditor.training.corpus import RATE, Corpus, Sample, Syllable
from stemeditor.training.instruments import Mono
from stemeditor.training.scores import Line, Note

_LONGEST_SHIFT = 9.0
_FRAME_S = 0.01
_ANALYSIS_S = 0.04
_VOICED = 0.55
_CONSONANT_STEP_S = 0.004


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Where the periods of a voice begin.

    Parameters
    ----------
    frames
        (marks,) ascending frames.
    periods
        (marks,) distance to the next, in frames.
    voiced
        (marks,) whether there is a pitch; where there is none, marks stand every few milliseconds.
    """

    frames: NDArray[np.int64]
    periods: NDArray[np.int64]
    voiced: NDArray[np.bool_]


def pitch_marks(sound: Mono, midi: float) -> Marks:
    """Find the periods of a voice whose pitch is roughly known.

    The period is where the normalised autocorrelation is highest within five semitones of the expectation; marks are
    put on the strongest excursions, one a period.

    Parameters
    ----------
    sound
        (frames,) at `RATE`.
    midi
        Expected pitch.
    """
    expected = RATE / (440.0 * 2.0 ** ((midi - 69.0) / 12.0))
    shortest, longest = int(expected * 0.75), int(expected * 1.34) + 1
    step, size = int(_FRAME_S * RATE), int(_ANALYSIS_S * RATE) + longest
    if len(sound) < size + step:
        sound = np.concatenate([sound, np.zeros(size + step - len(sound), np.float32)])
    views = np.lib.stride_tricks.sliding_window_view(sound, size)[::step]
    length = 1 << (2 * size - 1).bit_length()
    spectra = np.fft.rfft(views - views.mean(axis=1, keepdims=True), length, axis=1)
    correlation = np.fft.irfft(np.abs(spectra) ** 2, length, axis=1)
    lags = correlation[:, shortest:longest] / np.maximum(correlation[:, :1], 1e-9)
    lags = lags * (size / (size - np.arange(shortest, longest)))
    best = lags.argmax(axis=1)
    periods = best + shortest
    loud = np.sqrt(np.maximum(correlation[:, 0], 0.0) / size)
    voiced = (lags[np.arange(len(best)), best] > _VOICED) & (loud > 0.02 * max(float(loud.max()), 1e-9))
    found: list[int] = []
    gaps: list[int] = []
    kinds: list[bool] = []
    at = 0
    quiet_step = int(_CONSONANT_STEP_S * RATE)
    while at < len(sound):
        frame = min(at // step, len(periods) - 1)
        period = int(periods[frame]) if voiced[frame] else quiet_step
        if voiced[frame]:
            reach = max(period // 5, 1) if kinds and kinds[-1] else period // 2
            low = max(at - reach, (found[-1] + 1) if found else 0)
            stretch = sound[low : at + reach + 1]
            if stretch.size:
                at = low + int(stretch.argmax())
        found.append(at)
        gaps.append(period)
        kinds.append(bool(voiced[frame]))
        at += period
    return Marks(np.array(found), np.array(gaps), np.array(kinds))


def sung(
    sound: Mono, marks: Marks, source: NDArray[np.float64], semitones_hz: NDArray[np.float64], formant: float
) -> Mono:
    """Return a voice that walks through a recording at another speed and pitch (TD-PSOLA).

    Parameters
    ----------
    sound
        (frames,) the recording.
    marks
        Its periods.
    source
        (out frames,) for every frame of the result, the frame of the recording that is heard there.
    semitones_hz
        (out frames,) the pitch wanted, Hz.
    formant
        Factor on the formants; above 1 is a smaller head.

    References
    ----------
    E. Moulines, F. Charpentier, Pitch-synchronous waveform processing techniques for text-to-speech synthesis using
    diphones, Speech Communication 9, 1990.
    """
    frames = len(source)
    out = np.zeros(frames + 4096, np.float32)
    at = 0.0
    last = len(marks.frames) - 1
    while at < frames:
        now = int(at)
        index = min(int(np.searchsorted(marks.frames, source[now])), last)
        period = int(marks.periods[index])
        centre = int(marks.frames[index])
        low, high = max(centre - period, 0), min(centre + period, len(sound))
        grain = sound[low:high]
        if len(grain) > 8:
            window = _hann(period)[low - (centre - period) : low - (centre - period) + len(grain)]
            grain = grain * window
            left = centre - low
            if formant != 1.0 and marks.voiced[index]:
                count = max(int(len(grain) / formant), 4)
                grain = np.interp(np.linspace(0, len(grain) - 1, count), np.arange(len(grain)), grain).astype(
                    np.float32
                )
                left = int(left / formant)
            start = now - left
            skip = max(-start, 0)
            stop = min(start + len(grain), len(out))
            out[start + skip : stop] += grain[skip : stop - start]
        at += RATE / semitones_hz[now] if marks.voiced[index] else period
    return out[:frames]


@lru_cache(maxsize=2048)
def _hann(period: int) -> Mono:
    return np.hanning(2 * period + 1).astype(np.float32)[:-1]


class Singer:
    """Sings a line with the syllables of one voice bank.

    Parameters
    ----------
    corpus
        Where the recordings are.
    name
        Singer.
    rng
        Draws the manner once: vibrato, portamento, looseness, size of the head.
    """

    def __init__(self, corpus: Corpus, name: str, rng: np.random.Generator) -> None:
        self._corpus = corpus
        self._syllables = corpus.syllables.get(name) or tuple(
            Syllable(sample, 0.0, sample.duration_s, 0.12)
            for sample in corpus.of("vocals")[name]
            if sample.midi is not None
        )
        self._pitches = np.array([one.sample.midi for one in self._syllables])
        self._vibrato = float(rng.choice((0.0, rng.uniform(0.1, 0.5))))
        self._vibrato_hz = float(rng.uniform(4.8, 6.6))
        self._glide_s = float(rng.uniform(0.03, 0.12))
        self._loose = float(rng.uniform(2, 14))
        self._formant = float(np.clip(rng.normal(1.0, 0.07), 0.82, 1.2))
        self._whole = bool(rng.random() < 0.3)
        self._breath = float(rng.choice((0.0, rng.uniform(0.01, 0.06))))

    @property
    def compass(self) -> tuple[int, int]:
        """MIDI range [low, high) that this voice sings well."""
        low, high = float(self._pitches.min()), float(self._pitches.max())
        if high - low < 12:
            middle = (low + high) / 2
            low, high = middle - 8, middle + 8
        return int(low), int(high) + 1

    def sing(self, line: Line, frames: int, rng: np.random.Generator) -> Samples:
        """Return (1, frames)."""
        out = np.zeros(frames, np.float32)
        before: Note | None = None
        for note in line:
            start = int(note.start_s * RATE)
            if start >= frames:
                break
            rest_s = note.start_s - (before.start_s + before.duration_s) if before else note.start_s
            if self._breath and rest_s > 0.5 and start > RATE // 2:
                self._breathe(out, start, rng)
            glides = before is not None and rest_s < 0.1
            made = self._note(note, before.midi if glides and before else note.midi, rng)
            stop = min(start + len(made), frames)
            out[start:stop] += made[: stop - start]
            before = note
        return out[np.newaxis]

    def _note(self, note: Note, from_midi: int, rng: np.random.Generator) -> Mono:
        distance = np.abs(self._pitches - note.midi)
        near = np.flatnonzero(distance <= max(float(distance.min()) + 0.5, _LONGEST_SHIFT / 3))
        syllable = self._syllables[int(rng.choice(near))]
        sound = self._cut(syllable)
        marks = _marks(self._corpus, syllable)
        frames = max(int((note.duration_s + 0.06) * RATE), 2048)
        onset = min(int(syllable.onset_s * RATE), len(sound) // 2, frames // 2)
        body = max(len(sound) - onset - int(0.05 * RATE), 256)
        time_s = np.arange(frames) / RATE
        walked = np.arange(frames - onset, dtype=np.float64)
        speed = body / max(len(walked), 1)
        # A long note goes to and fro in the vowel instead of freezing it.
        path = walked * speed if speed > 0.5 else body - np.abs((walked * 0.7) % (2 * body) - body)
        source = np.concatenate([np.arange(onset, dtype=np.float64), onset + np.clip(path, 0, body - 1)])
        midi = np.full(frames, float(note.midi))
        if from_midi != note.midi:
            midi += (from_midi - note.midi) * np.exp(-time_s / self._glide_s)
        else:
            midi -= float(rng.uniform(0, 1.2)) * np.exp(-time_s / 0.03)
        swell = np.clip((time_s - 0.25) / 0.4, 0, 1)
        midi += self._vibrato * swell * np.sin(2 * np.pi * self._vibrato_hz * time_s + float(rng.random()) * 6)
        knots = np.arange(0, time_s[-1] + 0.2, 0.1)
        midi += np.interp(time_s, knots, rng.normal(0, self._loose / 100.0, len(knots)))
        made = sung(sound, marks, source, 440.0 * 2.0 ** ((midi - 69.0) / 12.0), self._formant)
        edge = min(int(0.03 * RATE), frames // 4)
        made[: edge // 6] *= np.linspace(0, 1, edge // 6, dtype=np.float32)
        made[-2 * edge :] *= np.linspace(1, 0, 2 * edge, dtype=np.float32)
        level = float(np.sqrt(np.square(made).mean()))
        return made * np.float32(0.12 * note.strength / max(level, 1e-4))

    def _cut(self, syllable: Syllable) -> Mono:
        sound = self._corpus.sound(syllable.sample).mean(axis=0)
        cut: Mono = sound[int(syllable.start_s * RATE) : int(syllable.stop_s * RATE)]
        return cut

    def _breathe(self, out: Mono, stop: int, rng: np.random.Generator) -> None:
        from scipy.signal import butter, sosfilt

        frames = int(float(rng.uniform(0.2, 0.45)) * RATE)
        low = butter(2, [float(rng.uniform(700, 1500)), 7000.0], "band", fs=RATE, output="sos")
        noise = sosfilt(low, rng.normal(0, 1, frames)) * np.hanning(frames) ** 0.7
        start = max(stop - frames, 0)
        out[start:stop] += (noise[-(stop - start) :] * self._breath).astype(np.float32)


@lru_cache(maxsize=4000)
def _marks(corpus: Corpus, syllable: Syllable) -> Marks:
    sound = corpus.sound(syllable.sample).mean(axis=0)
    assert syllable.sample.midi is not None
    return pitch_marks(sound[int(syllable.start_s * RATE) : int(syllable.stop_s * RATE)], syllable.sample.midi)


def excerpt(corpus: Corpus, samples: Sequence[Sample], frames: int, rng: np.random.Generator) -> Samples:
    """Return (2, frames) of real singing or speech: stretches of recordings as they are, moved a little in pitch."""
    from stemeditor.audio.convert import resample, to_channels

    out = np.zeros((2, frames), np.float32)
    ratio = 2.0 ** (float(rng.uniform(-2.5, 2.5)) / 12.0)
    at = int(float(rng.uniform(0, 1.5)) * RATE)
    while at < frames:
        sound = to_channels(corpus.sound(samples[int(rng.integers(len(samples)))]), 2)
        length = min(int(float(rng.uniform(4, 25)) * RATE), sound.shape[1])
        start = int(rng.integers(0, sound.shape[1] - length + 1))
        piece = resample(sound[:, start : start + length], RATE, round(RATE / ratio))
        edge = min(int(0.02 * RATE), piece.shape[1] // 2)
        piece = np.array(piece)
        piece[:, :edge] *= np.linspace(0, 1, edge, dtype=np.float32)
        piece[:, piece.shape[1] - edge :] *= np.linspace(1, 0, edge, dtype=np.float32)
        count = min(piece.shape[1], frames - at)
        out[:, at : at + count] += piece[:, :count]
        at += piece.shape[1] + int(float(rng.exponential(1.0)) * RATE)
    level = float(np.sqrt(np.square(out).mean()))
    return out * np.float32(0.1 / max(level, 1e-4))
