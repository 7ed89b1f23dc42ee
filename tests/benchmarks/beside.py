"""Methods beside a busy program: with threads of linear algebra that rest at once, and as they come.

    .venv/bin/python tests/benchmarks/beside.py SONG [--methods rpca,nmf,mnmf] [--busy 1] [--rounds 3]

Each run is a process of its own; both kinds take turns, alone and beside processes that never wait. Told are medians of
the time and of what all cores together spent on it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stemeditor import threads
from stemeditor.audio import files
from stemeditor.audio.buffer import Audio
from stemeditor.methods import registry, runner
from stemeditor.progress import Silent

RESTING, AS_THEY_COME = "resting", "as they come"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("song", type=Path)
    parser.add_argument("--methods", default="rpca,nmf,mnmf")
    parser.add_argument("--busy", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(*spent(given.song, given.only))
        return
    for key in given.methods.split(","):
        for busy in (0, given.busy):
            with others(busy):
                compare(given.song, key, busy, given.rounds)


def spent(song: Path, key: str) -> tuple[float, float]:
    """Take a song apart; return the seconds on the clock, and those of all cores."""
    info = files.probe(song)
    audio = Audio(np.concatenate(list(files.decode(info)), axis=1), info.rate)
    began, before = time.perf_counter(), time.process_time()
    for _ in runner.stream(audio, registry.load(key), {}, Silent()):
        pass
    return time.perf_counter() - began, time.process_time() - before


def compare(song: Path, key: str, busy: int, rounds: int) -> None:
    """Print a line for a method."""
    found: dict[str, list[tuple[float, float]]] = {RESTING: [], AS_THEY_COME: []}
    for _ in range(rounds):
        for kind, rows in found.items():
            rows.append(in_its_own_process(song, key, kind))
    medians = {kind: tuple(map(statistics.median, zip(*rows, strict=True))) for kind, rows in found.items()}
    told = ", ".join(f"{kind} {clock:5.1f} s ({cores:5.1f} s of cores)" for kind, (clock, cores) in medians.items())
    print(f"{key:16s} beside {busy}: {told}", flush=True)


def in_its_own_process(song: Path, key: str, kind: str) -> tuple[float, float]:
    """Return what `spent` returns in a fresh process."""
    around = {name: value for name, value in os.environ.items() if name != threads.PATIENCE[0]}
    if kind == RESTING:
        around |= dict([threads.PATIENCE])
    command = [sys.executable, __file__, str(song), "--only", key]
    told = subprocess.run(command, env=around, check=True, capture_output=True, text=True).stdout
    clock, cores = map(float, told.split())
    return clock, cores


@contextlib.contextmanager
def others(count: int) -> Iterator[None]:
    """Let so many processes do something all the time."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


if __name__ == "__main__":
    main()
