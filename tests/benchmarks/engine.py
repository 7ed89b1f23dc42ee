"""How fast networks are on this machine, and how much memory they need; random weights do as well. Asserts nothing.

    .venv/bin/python tests/benchmarks/engine.py [--seconds 100] [--rounds 2] [--device cpu]

The network that is shipped goes through the whole runner (transform, network, masks, overlap, sum). So do other sizes
of ours, those that it was chosen from. Open-Unmix and Hybrid Transformer Demucs run as their own packages run them
(`pip install openunmix demucs torchaudio==2.11.*`), where they are installed. Every measurement is a process of its
own, in turn: A, B, C, A, B, C.
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
THEIRS = ("Open-Unmix (umxl)", "Hybrid Transformer Demucs")
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


def candidate(name: str, device: str) -> tuple[Callable[[np.ndarray], object], int]:
    """Return what separates (2, frames), and how many weights it has."""
    if name == SHIPPED:
        from stemeditor.methods import neural, registry

        net, _ = neural.Compact().network()
        return ours(registry.load("compact")), count(net)
    if name in OURS:
        return random_weights(*OURS[name])
    if name == THEIRS[0]:
        from openunmix.model import OpenUnmix, Separator

        targets = {stem: OpenUnmix(2049, 2, 1024, max_bin=1487) for stem in ("vocals", "drums", "bass", "other")}
        separator = Separator(targets, niter=1, residual=False, wiener_win_len=300).to(device).eval()
        return lambda song: separator(torch.from_numpy(song)[None].to(device)), count(separator)
    from demucs.apply import apply_model
    from demucs.htdemucs import HTDemucs

    model = HTDemucs(["drums", "bass", "other", "vocals"], bottom_channels=512, segment=7.8).eval()
    return (
        lambda song: apply_model(
            model, torch.from_numpy(song)[None], shifts=0, split=True, overlap=0.25, device=device
        ),
        count(model),
    )


def measure(name: str, seconds: float, device: str) -> dict[str, float]:
    separate, weights = candidate(name, device)
    song = (0.1 * np.random.default_rng(0).standard_normal((2, round(seconds * RATE)))).astype(np.float32)
    with torch.inference_mode():
        separate(song[:, : 15 * RATE])
        began = time.perf_counter()
        separate(song)
        if device == "cuda":
            torch.cuda.synchronize()
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
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", default="", help="measure this one, in this process")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one, given.seconds, given.device)))
        return
    names = [SHIPPED, *OURS, *THEIRS]
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
                "--device",
                given.device,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name}: left out ({done.stderr.strip().splitlines()[-1]})", file=sys.stderr)
                del found[name]
                continue
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    base = statistics.median(row["speed"] for row in found[SHIPPED])
    threads = torch.get_num_threads()
    print(f"{given.seconds:.0f} s of stereo on {given.device}, {threads} threads, median of {given.rounds}")
    print(f"{'network':28s} {'weights':>8s} {'x real time':>12s} {'beside shipped':>15s} {'peak memory':>12s}")
    for name, rows in found.items():
        speed = statistics.median(row["speed"] for row in rows)
        memory = max(row["memory"] for row in rows)
        print(f"{name:28s} {rows[0]['weights'] / 1e6:7.2f}M {speed:11.1f}x {speed / base:14.2f}x {memory:9.0f} MB")


if __name__ == "__main__":
    main()
