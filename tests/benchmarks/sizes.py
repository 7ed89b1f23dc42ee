"""How fast the shipped network and others are on this machine. Asserts nothing.

    .venv/bin/python tests/benchmarks/sizes.py [--seconds 100] [--rounds 2] [--kinds]

The others are those that it was chosen from; with --kinds one of each that can be trained, as its plan says.
All go through the whole runner (transform, network, masks, overlap, sum), prepared for this machine, with random
weights, which cost the same. Every measurement is a process of its own, in turn: A, B, C, A, B, C.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from stemeditor.nets.catalogue import KINDS
from stemeditor.nets.description import Description

RATE = 44100
OURS = {
    "unet, narrower": ("unet", {"widths": [12, 24, 48, 64, 96]}),
    "unet, wider": ("unet", {"widths": [32, 64, 96, 128, 160]}),
    "band_split, lstm": ("band_split", {"features": 64, "layers": 4}),
    "band_split, dilated": ("band_split", {"features": 64, "layers": 5, "along": "dilated"}),
    "band_split, wider": ("band_split", {"features": 128, "layers": 4}),
}
SHIPPED = "compact (shipped)"
KIND = "kind: "


def ours(method: object) -> Callable[[np.ndarray], object]:
    from stemeditor.audio.buffer import Audio
    from stemeditor.methods import runner
    from stemeditor.progress import Silent

    return lambda song: [len(piece.stems) for piece in runner.stream(Audio(song, RATE), method, {}, Silent())]  # type: ignore[arg-type]


def random_weights(net: str, arguments: dict[str, object]) -> tuple[Callable[[np.ndarray], object], int]:
    return installed(Description(net, arguments, ("vocals", "drums", "bass", "other")))


def planned(net: str) -> tuple[Callable[[np.ndarray], object], int]:
    from stemeditor import paths
    from stemeditor.training.plan import read

    plan = read(paths.resource("training", f"{net}.toml"))
    arguments = {"stems": len(plan.stems), **plan.net.arguments}
    return installed(Description(net, arguments, plan.stems, plan.net.rate, {}, plan.training.seconds))


def installed(description: Description) -> tuple[Callable[[np.ndarray], object], int]:
    """Return a network with random weights, chosen and prepared as a person's own would be."""
    from stemeditor.methods import registry, trained
    from stemeditor.nets import checkpoint

    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    os.environ["XDG_DATA_HOME"] = folder
    made = checkpoint.build(description.net, description.arguments)
    checkpoint.save(Path(folder) / "net.safetensors", made, description)
    key = trained.install(Path(folder) / "net.safetensors", "net")
    trained.load(key).prepare()
    return ours(registry.load(key)), count(made)


def count(net: torch.nn.Module) -> int:
    return sum(value.numel() for value in net.parameters())


def candidate(name: str) -> tuple[Callable[[np.ndarray], object], int]:
    """Return what separates (2, frames), and how many weights it has."""
    if name == SHIPPED:
        from stemeditor.methods import neural, registry
        from stemeditor.nets import checkpoint

        net, _ = checkpoint.load(neural.Compact().path)
        return ours(registry.load("compact")), count(net)
    return planned(name.removeprefix(KIND)) if name.startswith(KIND) else random_weights(*OURS[name])


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
    parser.add_argument("--kinds", action="store_true", help="one of each that can be trained")
    parser.add_argument("--one", default="", help="measure this one, in this process")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.seconds)))
        return
    names = [SHIPPED, *([f"{KIND}{name}" for name in KINDS if name != "unet"] if given.kinds else OURS)]
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
