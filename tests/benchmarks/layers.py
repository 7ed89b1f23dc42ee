"""Hybrid Demucs' layers as published and as arranged for a processor: time of one piece, in OpenVINO.

    .venv/bin/python tests/benchmarks/layers.py [--models htdemucs,hdemucs_mmi] [--rounds 7]

Both are of the same random weights, and compute the same noise in turn, in half and in single precision. Told are the
medians, how many times as fast the arranged ones are, and how far what they find lies from what the published ones find
in single precision.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
from engine import SOURCES, network

from stemeditor.methods import exported, processor
from stemeditor.methods.exported import ENDING, Array, Form
from stemeditor.methods.hybrid_core import HybridCore
from stemeditor.nets import hybrid_heart
from stemeditor.nets.hybrid_heart import HybridHeart

FRAMES = {"htdemucs": 343_980, "hdemucs_mmi": 485_100}
PUBLISHED, ARRANGED = "published", "arranged"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(FRAMES))
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    for key in given.models.split(","):
        core = HybridCore(len(SOURCES), FRAMES[key], filling=key == "htdemucs")
        noise = np.random.default_rng(0).standard_normal((2, FRAMES[key])).astype(np.float32) * 0.1
        with tempfile.TemporaryDirectory() as folder:
            forms = {kind: Form(Path(folder) / f"{kind}{ENDING}", core, HybridHeart) for kind in (PUBLISHED, ARRANGED)}
            exported.export(network(key), forms[ARRANGED])
            with mock.patch.object(hybrid_heart, "_arranged"):
                exported.export(network(key), forms[PUBLISHED])
            compare(key, forms, core.before(noise)[0], given.rounds)


def compare(key: str, forms: dict[str, Form], heard: tuple[Array, ...], rounds: int) -> None:
    """Print a line for each precision."""
    program = processor.package().Core()
    exact: list[Array] = []
    for precision in (processor.SINGLE, processor.HALF):
        requests = {
            kind: program.compile_model(form.path, "CPU", processor.wishes(precision)).create_infer_request()
            for kind, form in forms.items()
        }
        times: dict[str, list[float]] = {kind: [] for kind in forms}
        for _ in range(rounds + 1):
            for kind, request in requests.items():
                began = time.perf_counter()
                request.infer([one[None] for one in heard])
                times[kind].append(time.perf_counter() - began)
        # The first piece is also the one for which memory is taken.
        before, after = (statistics.median(times[kind][1:]) for kind in (PUBLISHED, ARRANGED))
        exact = exact or [output.data.copy() for output in requests[PUBLISHED].output_tensors]
        off = [
            20 * np.log10(np.linalg.norm(output.data - known) / np.linalg.norm(known))
            for output, known in zip(requests[ARRANGED].output_tensors, exact, strict=True)
        ]
        print(
            f"{key:12s} {precision:5s} {before:6.2f} s {after:6.2f} s {before / after:5.2f}x as fast, "
            f"spectrum {off[0]:4.0f} dB, wave {off[1]:4.0f} dB off",
            flush=True,
        )


if __name__ == "__main__":
    main()
