"""What edits cost: playing, drawing and moving of lanes as they are and edited, in one run, in turn.

Usage: python tests/benchmarks/cutting.py [SONG_FOLDER ...]

Each folder holds stems of one song; without any, noise of four minutes is edited.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stemeditor.audio.band import Band
from stemeditor.audio.buffer import Audio
from stemeditor.audio.files import decode, probe
from stemeditor.audio.peaks import Peaks
from stemeditor.audio.spectrogram import picture
from stemeditor.project import cutting, edits
from stemeditor.project.model import Lane, Project, Song, Sound

RATE = 44100
BLOCK = 512
EDITS = 60
ROUNDS = 3


def noise() -> Project:
    """Return a song of four minutes with four stems of noise."""
    rng = np.random.default_rng(0)
    audios = [Audio(0.1 * rng.standard_normal((2, 240 * RATE)).astype(np.float32), RATE) for _ in range(4)]
    return project(dict(zip(("vocals", "drums", "bass", "other"), audios, strict=True)))


def load(folder: Path) -> Project:
    """Return a song with its stems from a folder."""
    files = sorted(path for path in folder.glob("*.flac") if path.stem != "mixture")
    infos = {path.stem: probe(path) for path in files}
    return project({n: Audio(np.concatenate(list(decode(info)), axis=1), info.rate) for n, info in infos.items()})


def project(stems: dict[str, Audio]) -> Project:
    """Return a project of stems, with their sum as the song."""
    first = next(iter(stems.values()))
    total = Audio(sum(np.asarray(audio.samples) for audio in stems.values()), first.rate)
    song = Song("song", "Song", Path("song.wav"), Sound(total, Peaks.of(total)))
    lanes = tuple(Lane(name, name, name, Sound(audio, Peaks.of(audio))) for name, audio in stems.items())
    return edits.add_stems(edits.open_song(song), lanes, "True")


def cut(whole: Project, band: bool) -> Project:
    """Move many stretches, or bands of them, between lanes."""
    rng = np.random.default_rng(1)
    names = [lane.id for lane in whole.stems]
    for _ in range(EDITS):
        lane, other = rng.permutation(names)[:2]
        start = int(rng.integers(0, whole.frames - 4 * whole.rate))
        stop = start + int(rng.integers(whole.rate // 10, 3 * whole.rate))
        low = float(np.exp(rng.uniform(np.log(100.0), np.log(4000.0))))
        whole = cutting.transfer(whole, lane, other, start, stop, Band(low, 4 * low) if band else None)
    return whole


def timed(work: Callable[[], object]) -> float:
    """Return how long something takes, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def play(one: Project) -> tuple[float, float]:
    """Play it all; return how many times as fast as it is heard, and the longest block in milliseconds."""
    mix, longest, began = one.mix(), 0.0, time.perf_counter()
    for start in range(0, one.frames, BLOCK):
        longest = max(longest, timed(lambda start=start: mix.render(start, BLOCK)))  # type: ignore[misc]
    return one.frames / one.rate / (time.perf_counter() - began), 1000 * longest


def draw(one: Project) -> tuple[float, float]:
    """Return how long a tile takes, in milliseconds: of a waveform of 20 s in view, and of its spectrogram."""
    span = 20 * one.rate / 5
    places = np.arange(0, one.frames - span, span)[:40]
    wave = sum(timed(lambda at=at: one.stems[0].picture.summary(at, at + span, 256)) for at in places)  # type: ignore[misc]
    content = one.stems[0].content
    spectral = sum(timed(lambda at=at: picture(content, at, at + span, 256, 120)) for at in places[:10])  # type: ignore[misc]
    return 1000 * wave / len(places), 1000 * spectral / len(places[:10])


def total(one: Project) -> np.ndarray:
    """Return the sum of all stems, in double precision."""
    return sum(lane.content.read(0, one.frames).astype(np.float64) for lane in one.stems)


def main(folders: list[Path]) -> None:
    """Print the table."""
    for name, whole in [(folder.name, load(folder)) for folder in folders] or [("noise", noise())]:
        kinds = {"as it is": whole, f"{EDITS} moves": cut(whole, False), f"{EDITS} bands": cut(whole, True)}
        reference = total(whole)
        print(f"{name}, {whole.frames / whole.rate:.0f} s, {len(whole.stems)} stems")
        found: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in kinds}
        for _ in range(ROUNDS):
            for kind, one in kinds.items():
                found[kind].append((*play(one), *draw(one)))
        for kind, one in kinds.items():
            speed, longest, wave, spectral = np.median(found[kind], axis=0)
            error = total(one) - reference
            level = 10 * np.log10(max(np.mean(error**2) / np.mean(reference**2), 1e-30))
            print(
                f"  {kind:10}  played {speed:6.0f} times as fast, longest block {longest:5.2f} ms; "
                f"tiles {wave:5.2f} ms, spectral {spectral:5.1f} ms; sum differs by {level:6.1f} dB"
            )


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
