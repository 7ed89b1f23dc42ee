"""A minute of playing while a separation (and, with --spin, a busy interpreter) runs. Prints how often it stuttered.

.venv/bin/python tests/benchmarks/underruns.py [--seconds 60] [--method KEY | --method all --seconds 8]
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from stemeditor.app.audio_out import AudioOut
from stemeditor.audio.buffer import Audio
from stemeditor.audio.peaks import Peaks
from stemeditor.audio.stretch import Pace
from stemeditor.jobs.pool import COMPUTE, DISK, Pool
from stemeditor.methods import registry, runner
from stemeditor.mixing.mix import Mix, Strip
from stemeditor.mixing.player import Player
from stemeditor.progress import Progress
from stemeditor.project import edits, storage
from stemeditor.project.model import Lane, Song, Sound
from stemeditor.project.storage import Kept
from stemeditor.threads import SWITCH_S


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--spin", action="store_true", help="let a pure Python loop compete as well")
    parser.add_argument(
        "--method",
        default=registry.DEFAULT,
        help="which separation runs; “all” for one after the other, “save” for a project that is saved and opened",
    )
    parser.add_argument("--speed", type=float, default=1.0, help="how fast it plays")
    parser.add_argument("--semitones", type=float, default=0.0, help="how much higher it plays")
    given = parser.parse_args()
    sys.setswitchinterval(SWITCH_S)
    for key in registry.ready() if given.method == "all" else (given.method,):
        _play(key, given.seconds, given.spin, Pace(given.speed, given.semitones))


def _play(key: str, seconds: float, spinning: bool, pace: Pace) -> None:
    """Play while a method runs, and print how often it stuttered."""
    rate = 44100
    noise = np.random.default_rng(0).standard_normal((2, rate * 120)).astype(np.float32) * 0.05
    song = Audio(noise, rate)

    def separate(request: object, progress: Progress) -> None:
        while True:
            for _ in runner.stream(song, registry.load(key), {}, progress):
                pass

    def spin() -> None:
        while not stop.is_set():
            sum(range(2000))

    def save(request: object, progress: Progress) -> None:
        sounds = [Sound(song, Peaks.of(song)) for _ in range(5)]
        lanes = tuple(Lane(str(number), str(number), str(number), sound) for number, sound in enumerate(sounds))
        project = edits.add_stems(edits.open_song(Song("song", "Song", Path("song.wav"), sounds[0])), lanes, "")
        with tempfile.TemporaryDirectory() as folder:
            for number in itertools.count():
                file = Path(folder) / f"{number % 2}.stemeditor"
                file.unlink(missing_ok=True)
                storage.save(Kept(project), file, progress)
                storage.load(file, Path(folder), "again", progress)

    stop = threading.Event()
    pool = Pool(lambda event: None)
    pool.submit(*(DISK, "Save", save, None) if key == "save" else (COMPUTE, "Separate", separate, None))
    spinner = threading.Thread(target=spin)
    if spinning:
        spinner.start()
    player = Player()
    player.mix = Mix(tuple(Strip(str(number), song, 0.2) for number in range(5)), 1.0, rate, song.frames)
    player.loop = (0, song.frames)
    player.pace = pace
    output = AudioOut(player)
    output.open()
    player.play()
    time.sleep(seconds)
    print(f"{key}: underruns in {seconds:g} s: {output.underruns}; played {player.position / rate:.1f} s")
    player.pause()
    stop.set()
    output.close()
    pool.close()


if __name__ == "__main__":
    main()
