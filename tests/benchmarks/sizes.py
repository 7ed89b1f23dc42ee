"""How fast the shipped network and the others that it was chosen from are on this machine. Asserts nothing.

    .venv/bin/python tests/benchmarks/sizes.py [--seconds 100] [--rounds 2]

All go through the whole runner (transform, network, masks, overlap, sum), with random weights, which cost the same.
Every measurement is a process of its own, in turn: A, B, C, A, B, C.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

RATE = 44100
OURS = {
    "unet, narrower": ("unet", {"widths": [12, 24, 48, 64, 96]}),
    "unet, wider": ("unet", {"widths": [32, 64, 96, 128, 160]}),
    "band_split, lstm": ("band_split", {"features": 64, "layers": 4}),
    "band_split, dilated": ("band_split", {"features": 64, "layers": 5, "along": "dilated"}),
    "band_split, wider": ("band_split", {"features": 128, "layers": 4}),
}
SHIPPED = "compact (shipped)"


def ours(method: object) -> Callable[[np.ndarray], object]:
    from stemeditor.audio.buffer import Audio
    from stemeditor.methods import runner
    from stemeditor.progress import Silent

    return lambda song: [len(piece.stems) for piece in runner.stream(Audio(song, RATE), method, {}, Silent())]  # type: ignore[arg-type]


def random_weights(net: str, arguments: dict[str, object]) -> tuple[Callable[[np.ndarray], object], int]:
    import tempfile
    from dataclasses import replace

    from stemeditor.methods.neural import Compact, Neural
    from stemeditor.nets import checkpoint
    from stemeditor.nets.description import Description

    made = checkpoint.build(net, arguments)
    path = Path(tempfile.mkdtemp()) / "net.safetensors"
    stems = ("vocals", "drums", "bass", "other")
    checkpoint.save(path, made, Description(net, arguments, stems))
    return ours(Neural(path, replace(Compact().info, key="random"))), count(made)


def count(net: torch.nn.Module) -> int:
    return sum(value.numel() for value in net.parameters())


def candidate(name: str) -> tuple[Callable[[np.ndarray], object], int]:
    """Return what separates (2, frames), and how many weights it has."""
    if name == SHIPPED:
        from stemeditor.methods import neural, registry
        from stemeditor.nets import checkpoint

        net, _ = checkpoint.load(neural.Compact().path)
        return ours(registry.load("compact")), count(net)
    return random_weights(*OURS[name])


def measure(name: str, seconds: float) -> dict[str, float]:
    separate, weights = candidate(name)
    song = (0.1 * np.random.default_rng(0).standard_normal((2, round(seconds * RATE)))).astype(np.float32)
    with torch.inference_mode():
        separate(song[:, : 15 * RATE])
        began = time.perf_counter()
        separate(song)
        elapsed = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "speed": seconds / elapsed,
        "weights": weights,
        "memory": memory / (1024 if sys.platform == "linux" else 1 << 20),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=100.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one", default="", help="measure this one, in this process")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.seconds)))
        return
    names = [SHIPPED, *OURS]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(given.rounds):
        for name in list(found):
            command = [
                sys.executable,
                __file__,
                "--one",
                name,
                "--seconds",
                str(given.seconds),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name}: left out ({done.stderr.strip().splitlines()[-1]})", file=sys.stderr)
                del found[name]
                continue
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    base = statistics.median(row["speed"] for row in found[SHIPPED])
    threads = torch.get_num_threads()
    print(f"{given.seconds:.0f} s of stereo, {threads} threads, median of {given.rounds}")
    print(f"{'network':28s} {'weights':>8s} {'x real time':>12s} {'beside shipped':>15s} {'peak memory':>12s}")
    for name, rows in found.items():
        speed = statistics.median(row["speed"] for row in rows)
        memory = max(row["memory"] for row in rows)
        print(f"{name:28s} {rows[0]['weights'] / 1e6:7.2f}M {speed:11.1f}x {speed / base:14.2f}x {memory:9.0f} MB")


if __name__ == "__main__":
    main()
