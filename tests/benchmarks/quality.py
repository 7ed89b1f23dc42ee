"""How good a method is on songs whose true stems are known. Prints a table; asserts nothing.

    .venv/bin/python tests/benchmarks/quality.py FOLDER [-m METHOD]

FOLDER holds a folder a song with mixture.flac and vocals, drums, bass, other. The figure is the signal-to-distortion
ratio in windows of one second, the median over the windows in which the true stem is above -50 dBFS; below it stands
what the mixture itself would get as the estimate.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio
from stemeditor.methods import registry, runner
from stemeditor.progress import Silent

STEMS = ("vocals", "drums", "bass", "other")
QUIETEST = 10 ** (-50 / 20)


def median_sdr(truth: NDArray[np.float32], estimate: NDArray[np.float32], rate: int) -> float:
    """Return the median over windows of one second in dB; nan if the stem is silent throughout."""
    found = []
    for start in range(0, truth.shape[1] - rate + 1, rate):
        true, error = truth[:, start : start + rate], truth[:, start : start + rate] - estimate[:, start : start + rate]
        power = float(np.square(true).mean())
        if power**0.5 > QUIETEST:
            found.append(10 * np.log10(power / (float(np.square(error).mean()) + 1e-12)))
    return float(np.median(found)) if found else float("nan")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-m", "--method", default=registry.DEFAULT)
    given = parser.parse_args()
    method = registry.load(given.method)
    names = [name for name in method.info.stems if name in STEMS]
    print(f"{'':28s}" + "".join(f"{name:>9s}" for name in names))
    every: dict[str, list[list[float]]] = {"method": [], "mixture": []}
    for song in sorted(path for path in given.folder.iterdir() if (path / "mixture.flac").is_file()):
        samples, rate = soundfile.read(song / "mixture.flac", dtype="float32", always_2d=True)
        audio = Audio(np.ascontiguousarray(samples.T), rate)
        began = time.perf_counter()
        pieces = list(runner.stream(audio, method, {}, Silent()))
        speed = audio.duration_s / (time.perf_counter() - began)
        rows: dict[str, list[float]] = {"method": [], "mixture": []}
        for name in names:
            truth = np.ascontiguousarray(soundfile.read(song / f"{name}.flac", dtype="float32", always_2d=True)[0].T)
            estimate = np.concatenate([piece.stems[name] for piece in pieces], axis=1)
            rows["method"].append(median_sdr(truth, estimate, rate))
            rows["mixture"].append(median_sdr(truth, audio.samples, rate))
        for kind, row in rows.items():
            every[kind].append(row)
            note = f"   {speed:.1f}x real time" if kind == "method" else ""
            print(f"{song.name:18s} {kind:9s}" + "".join(f"{value:9.1f}" for value in row) + note)
    for kind, table in every.items():
        print(f"{'median':18s} {kind:9s}" + "".join(f"{value:9.1f}" for value in np.nanmedian(np.array(table), axis=0)))


if __name__ == "__main__":
    main()
