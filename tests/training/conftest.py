"""A corpus as small as one can be, with everything in it that the real ones have."""

import json
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from stemeditor.training.corpus import RATE, Corpus, load

Row = dict[str, object]


def note(midi: float, seconds: float, harmonics: int = 6) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    frequency = 440.0 * 2 ** ((midi - 69) / 12)
    wave = sum(np.sin(2 * np.pi * frequency * n * time) / n for n in range(1, harmonics + 1))
    return (0.3 * wave * np.minimum(1, (seconds - time) * 20) * np.minimum(1, time * 200)).astype(np.float32)


def hit(seconds: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.5 * rng.normal(0, 0.3, len(time)) * np.exp(-time * 12 / seconds)).astype(np.float32)


def vowel(midi: float) -> np.ndarray:
    """A breath of noise, then a voice: what a syllable is."""
    return np.concatenate([hit(0.08, 1) * 0.3, note(midi, 1.0, 20)])


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "tiny"
    rows: list[Row] = []

    def add(name: str, kind: str, instrument: str, sound: np.ndarray, **known: object) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".opus":
            # 48 kHz is one of the few rates that Opus knows.
            soundfile.write(path, sound, 48000, format="OGG", subtype="OPUS")
            rows.append({"file": name, "cls": kind, "inst": instrument, "dur": len(sound) / 48000, **known})
            return
        soundfile.write(path, sound, RATE)
        rows.append({"file": name, "cls": kind, "inst": instrument, "dur": len(sound) / RATE, **known})

    for midi in (28, 40):
        add(f"bass/upright/{midi}.wav", "bass", "upright", note(midi, 0.8), midi=midi)
    for midi in (52, 64, 76):
        add(f"other/piano/{midi}.wav", "other", "piano", note(midi, 0.8), midi=midi)
    for seed, name in enumerate(("kick", "snare", "hat_closed", "crash", "tom1")):
        add(f"drums/kit/{name}.wav", "drums", "kit", hit(0.3, seed))
    for midi in (55, 60):
        add(f"vocals/bank/note{midi}_a.opus", "vocals", "bank", vowel(midi))
    (folder / "vocals/bank/oto.ini").write_text(
        "\n".join(f"note{midi}_a.wav=a,0,90,0,60,20" for midi in (55, 60)), encoding="utf-8"
    )
    add("vocals/entwicklungskit/phrase.wav", "vocals", "entwicklungskit", np.concatenate([vowel(57), vowel(62)]))
    add("ir/hall.wav", "ir", "hall", hit(0.4, 9))
    (folder / "broken.wav").write_bytes(b"RIFF")
    rows.append({"file": "broken.wav", "cls": "bass", "inst": "broken", "dur": 1.0})
    rows.append({"file": "missing.wav", "cls": "bass", "inst": "missing", "dur": 1.0})
    drums = folder / "midi" / "gmd"
    drums.mkdir(parents=True)
    track = mido.MidiTrack()
    for _ in range(16):
        for pitch in (36, 42):
            track.append(mido.Message("note_on", channel=9, note=pitch, velocity=100, time=0))
            track.append(mido.Message("note_off", channel=9, note=pitch, velocity=0, time=120))
    score = mido.MidiFile(ticks_per_beat=480)
    score.tracks.append(track)
    score.save(drums / "1_rock_120_beat_4-4.mid")
    (folder / "manifest.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def corpus(corpus_folder: Path) -> Corpus:
    return load(corpus_folder)
