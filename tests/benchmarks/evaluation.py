"""BSSEval v4 beside the reference implementation: equal figures, and how many times faster. Asserts nothing.

    .venv/bin/python tests/benchmarks/evaluation.py FOLDER [--seconds 40] [--rounds 2]

FOLDER holds songs with true stems. Each round scores the same estimates with both, one after the other: A, B, A, B.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from stemeditor.evaluation.bss_eval import bss_eval
from stemeditor.evaluation.datasets import find, load
from stemeditor.progress import Silent

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.helpers.reference import museval_bss_eval  # noqa: E402 a script is not run from the root of the project


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    reference_implementation = museval_bss_eval()
    print("song                  window  largest difference   ours  theirs   ratio")
    for reference in find(given.folder):
        song = load(reference, Path(tempfile.mkdtemp()), Silent())
        frames = min(round(given.seconds * song.song.rate), song.song.frames)
        true = np.stack([part.samples[:, :frames] for part in song.stems.values()])
        heard = [index for index, part in enumerate(true) if part.any()]
        true = true[heard]
        guess = (0.9 * true + 0.1 * np.roll(true.sum(axis=0), 7, axis=1)).astype(np.float32)
        for window_s in (1.0, 4.0):
            window = round(window_s * song.song.rate)
            times: dict[str, list[float]] = {"ours": [], "theirs": []}
            for _ in range(given.rounds):
                began = time.perf_counter()
                ours = bss_eval(list(true), list(guess), window, window)
                times["ours"].append(time.perf_counter() - began)
                began = time.perf_counter()
                theirs = reference_implementation(
                    np.moveaxis(true, 1, 2).astype(float), np.moveaxis(guess, 1, 2).astype(float), window, window
                )
                times["theirs"].append(time.perf_counter() - began)
            pairs = zip((ours.sdr, ours.isr, ours.sir, ours.sar), theirs[:4], strict=True)
            apart = max(float(np.nanmax(np.abs(one - other))) for one, other in pairs)
            name = song.name[:20]
            mine, other = (statistics.median(times[who]) for who in ("ours", "theirs"))
            print(f"{name:20s}  {window_s:4.0f} s  {apart:13.6f} dB  {mine:6.2f}  {other:6.2f}  {other / mine:5.1f}x")


if __name__ == "__main__":
    main()
