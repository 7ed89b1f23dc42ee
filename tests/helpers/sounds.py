"""Sounds and songs that several tests need."""

from pathlib import Path

import numpy as np
import soundfile

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.peaks import Peaks
from stemeditor.project.model import Lane, Song, Sound

RATE = 44100


def tone(frequency_hz: float, seconds: float, level: float = 0.3, rate: int = RATE, channels: int = 2) -> Samples:
    """Return a sine, the same in all channels."""
    time = np.arange(round(seconds * rate)) / rate
    return np.tile(level * np.sin(2 * np.pi * frequency_hz * time), (channels, 1)).astype(np.float32)


def music(seconds: float, rate: int = RATE, seed: int = 0) -> Samples:
    """Return something with a beat, a bass, a chord on the sides and a lead in the middle: (2, frames)."""
    rng = np.random.default_rng(seed)
    frames = round(seconds * rate)
    time = np.arange(frames) / rate
    beat = np.exp(-40 * (time % 0.5)) * rng.standard_normal(frames) * 0.2
    bass = 0.2 * np.sin(2 * np.pi * 55 * time)
    lead = 0.15 * np.sin(2 * np.pi * 440 * time + 4 * np.sin(2 * np.pi * 5 * time))
    left = 0.1 * np.sin(2 * np.pi * 277 * time)
    right = 0.1 * np.sin(2 * np.pi * 330 * time)
    return np.stack([beat + bass + lead + left, beat + bass + lead + right]).astype(np.float32)


def write_wav(path: Path, samples: Samples, rate: int = RATE, subtype: str = "FLOAT") -> Path:
    """Write (channels, frames) as a WAV file."""
    soundfile.write(path, samples.T, rate, subtype=subtype)
    return path


def sound_of(samples: Samples, rate: int = RATE) -> Sound:
    """Return a sound with its peaks."""
    audio = Audio(samples, rate)
    return Sound(audio, Peaks.of(audio))


def song_of(samples: Samples, rate: int = RATE, path: Path = Path("A song.wav"), **fields: object) -> Song:
    """Return a song that holds these samples."""
    return Song("song", path.stem, path, sound_of(samples, rate), **fields)  # type: ignore[arg-type]


def lane_of(name: str, samples: Samples, rate: int = RATE) -> Lane:
    """Return a lane named `name`, with the same id and role."""
    return Lane(name, name, name.capitalize(), sound_of(samples, rate))
