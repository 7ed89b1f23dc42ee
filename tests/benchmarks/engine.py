"""Our engine beside the programs that networks were published with: speed, first sound, memory, difference.

    .venv/bin/python tests/benchmarks/engine.py [--seconds 60] [--rounds 2] [--models htdemucs,umxl] [--device cpu]
                                              [--card-mb 500] [--no-halves]

Both sides compute the same network with the same random weights, the same overlap, and no shifts, in turn: ours,
theirs, ours, theirs. On a processor every measurement is a process of its own; on a graphics card, whose memory is the
one that is told then, all are in one. Where half precision or matrices of bytes are faster, ours is measured with them,
and once more with "Compute exactly" set. With `--card-mb` ours gets only so much of a graphics card's memory (libraries
take some of their own beside it), and what it tells the person then is printed. With `--no-halves` ours computes as on
a processor without half precision. Asserts nothing.

"first sound" is when the first stem can be heard: theirs give the whole song at the end. "difference" is the largest
between the stems of the first half minute and theirs, beside full scale, and how far below them it lies as a whole.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

RATE = 44100
KEPT_S = 30
LONGEST_S = 12
CARD_LONGEST_S = 60
"""With less a card does not get as many pieces at once as it takes, and makes plans for them when time is taken."""

SOURCES = ("drums", "bass", "other", "vocals")
PUT, OURS, EXACT, THEIRS = "put", "ours", "exact", "theirs"
ALONE = ("compact", "blend", "spleeter:4")
PAIRS = ("htdemucs", "hdemucs_mmi", "hdemucs_high_musdb_plus", "umxhq", "umxl")
ROFORMER = "mel_band_roformer"
"""Not among those measured by default: on a processor it takes five times as long as the song; nor is `mdx_extra`, four
networks that are one each of `hdemucs_mmi`."""

ROFORMER_PART = {
    "dim": 384,
    "depth": 6,
    "stereo": True,
    "num_stems": 1,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "linear_transformer_depth": 0,
    "num_bands": 60,
    "dim_head": 64,
    "heads": 8,
    "stft_hop_length": 441,
    "mask_estimator_depth": 2,
}
"""The most used vocal network of its kind."""


def home(folder: Path) -> None:
    """Keep weights and settings of the benchmark apart from those of whoever runs it."""
    from stemeditor import paths

    paths.cache_folder = lambda: folder / "cache"  # type: ignore[assignment]
    paths.config_folder = lambda: folder / "config"  # type: ignore[assignment]


def network(key: str) -> nn.Module:
    """Return the network of a model in its published size, with random weights, all of which are heard."""
    import torch

    from tests.helpers.networks import heard

    torch.manual_seed(1)
    return heard(fresh(key), 0.3)


def fresh(key: str) -> nn.Module:
    """Return the network as it is before it learns."""
    import torch

    if key == "htdemucs":
        from fractions import Fraction

        from demucs.htdemucs import HTDemucs

        return HTDemucs(list(SOURCES), bottom_channels=512, segment=Fraction(39, 5)).eval()
    if key == "hdemucs_mmi":
        from demucs.hdemucs import HDemucs

        return HDemucs(list(SOURCES), segment=11).eval()
    if key == "mdx_extra":
        from demucs.apply import BagOfModels
        from demucs.hdemucs import HDemucs

        from tests.helpers.networks import BUILDS

        return BagOfModels([HDemucs(list(SOURCES), segment=11, **build).eval() for build in BUILDS[key]])
    if key == "hdemucs_high_musdb_plus":
        from torchaudio.models import hdemucs_high

        return hdemucs_high(list(SOURCES)).eval()
    if key == ROFORMER:
        from bs_roformer import MelBandRoformer

        net = MelBandRoformer(**ROFORMER_PART, num_residual_streams=1, add_value_residual=False, flash_attn=True)
        return net.eval()
    if key.startswith("umx"):
        from openunmix.model import OpenUnmix

        hidden = 1024 if key == "umxl" else 512
        return torch.nn.ModuleDict(
            {name: OpenUnmix(2049, 2, hidden, max_bin=1487) for name in ("bass", "drums", "other", "vocals")}
        ).eval()
    from stemeditor.nets.spleeter import Spleeter

    return Spleeter(4).eval()


def put(key: str) -> None:
    """Put random weights where our method looks for them, and let it prepare them for this machine."""
    import torch
    from safetensors.torch import save_file

    from stemeditor.methods import registry
    from stemeditor.methods.pretrained import Pretrained
    from stemeditor.weights import catalogue, store
    from tests.helpers.networks import keep, save_demucs

    if key in ("compact", "blend"):
        return
    net = network(key)
    if key == ROFORMER:
        bring_roformer(net)
        return
    place = store.path(key, "x").parent
    place.mkdir(parents=True, exist_ok=True)
    if key == "spleeter:4":
        save_file(net.state_dict(), place / "weights.safetensors")
        keep(key, "weights.safetensors")
    elif isinstance(net, torch.nn.ModuleDict):
        for name, part in net.items():
            torch.save(part.state_dict(), place / f"{name}.pth")
            keep(key, f"{name}.pth")
    else:
        for source, one in zip(catalogue.pack(key).files, getattr(net, "models", [net]), strict=True):
            path = place / source.name
            if path.suffix == ".pt":
                torch.save(one.state_dict(), path)
            else:
                save_demucs(one, path)
            keep(key, source.name)
    method = getattr(registry.load(key), "method", None)
    if isinstance(method, Pretrained):
        method.prepare()


def bring_roformer(net: nn.Module) -> None:
    """Import it as a person would."""
    import torch
    import yaml

    from stemeditor.methods import importing, registry
    from stemeditor.progress import Silent

    with tempfile.TemporaryDirectory() as name:
        weights, config = Path(name) / "vocals.ckpt", Path(name) / "vocals.yaml"
        torch.save(net.state_dict(), weights)
        told = {
            "model": ROFORMER_PART,
            "audio": {"chunk_size": 352800, "sample_rate": RATE},
            "training": {"instruments": ["vocals", "other"], "target_instrument": "vocals"},
        }
        config.write_text(yaml.safe_dump(told), encoding="utf-8")
        importing.bring((weights, config), "", Silent())
    registry.load(ROFORMER).method.prepare()


def ours(key: str, first: list[float]) -> Callable[[np.ndarray], np.ndarray]:
    from stemeditor.audio.buffer import Audio
    from stemeditor.methods import registry, runner
    from stemeditor.methods.base import Remark
    from stemeditor.progress import Silent

    class Heard(Silent):
        def post(self, piece: object) -> None:
            if isinstance(piece, Remark):
                print(f"    {key}: {piece.text}", flush=True)

    method = registry.load(key)

    def separate(song: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        kept: list[np.ndarray] = []
        for piece in runner.stream(Audio(song, RATE), method, {}, Heard()):
            if not first:
                first.append(time.perf_counter() - began)
            if piece.start < KEPT_S * RATE:
                kept.append(np.stack([piece.stems[name] for name in sorted(method.info.stems)]))
        return np.concatenate(kept, axis=-1)[..., : KEPT_S * RATE]

    return separate


def theirs(key: str, device: str) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    net = network(key)
    if isinstance(net, torch.nn.ModuleDict):
        from openunmix.model import Separator

        separator = Separator(dict(net.items()), niter=1, wiener_win_len=300).to(device).eval()
        names = list(net)

        def unmixed(song: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return _sorted(separator(torch.from_numpy(song)[None].to(device))[0].cpu().numpy(), names)

        return unmixed
    from demucs.apply import apply_model

    if key == ROFORMER:
        return _cut(net, device)
    if not hasattr(net, "segment") and not hasattr(net, "models"):
        # torchaudio publishes a network and no program; this is the other authors' one.
        net.samplerate, net.segment = RATE, 11

    def separate(song: np.ndarray) -> np.ndarray:
        wave = torch.from_numpy(song)
        mean, spread = wave.mean(0).mean(), wave.mean(0).std() + 1e-8
        found = apply_model(net, ((wave - mean) / spread)[None], shifts=0, overlap=0.25, device=device)[0]
        return _sorted((found * spread + mean).numpy(), list(SOURCES))

    return separate


def _cut(net: nn.Module, device: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return what puts a network without a program of its own through the one of others, with the rest as a stem."""
    import torch
    from demucs.apply import apply_model

    class Shown(torch.nn.Module):
        samplerate, segment, sources, audio_channels = RATE, 8, ("vocals",), 2

        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, sound: torch.Tensor) -> torch.Tensor:
            return self.net(sound)[:, None]

    shown = Shown()

    def separate(song: np.ndarray) -> np.ndarray:
        wave = torch.from_numpy(song)
        found = apply_model(shown, wave[None], shifts=0, overlap=0.25, device=device)[0].numpy()
        return np.concatenate([song[None] - found, found])[..., : KEPT_S * RATE]

    return separate


def _sorted(found: np.ndarray, names: list[str]) -> np.ndarray:
    return found[[names.index(name) for name in sorted(names)]][..., : KEPT_S * RATE]


def measure(key: str, side: str, seconds: float, device: str, out: Path) -> dict[str, float]:
    """Separate noise once, and tell how it went."""
    from stemeditor import memory

    if side != THEIRS:
        # As the program does when it starts.
        memory.share()
    first: list[float] = []
    song = np.random.default_rng(0).standard_normal((2, round(seconds * RATE)), np.float32)
    song *= np.float32(0.1)
    separate = theirs(key, device) if side == THEIRS else ours(key, first)
    # As long as the longest pieces: some are made ready for that length.
    warming_s = LONGEST_S if device == "cpu" else CARD_LONGEST_S
    separate(np.resize(song, (2, warming_s * RATE)) if seconds < warming_s else song[:, : warming_s * RATE])
    first.clear()
    began = time.perf_counter()
    found = separate(song)
    elapsed = time.perf_counter() - began
    np.save(out, found)
    return {"speed": seconds / elapsed, "first": first[0] if first else elapsed, "memory": peak_mb(device)}


def empty(device: str) -> None:
    """Give back the card's memory that networks of another measurement lie in, and count its peak from there."""
    import torch

    from stemeditor.methods import neural, pretrained

    pretrained.forget()
    neural._engine.cache_clear()
    gc.collect()
    card = getattr(torch, device)
    card.empty_cache()
    if hasattr(card, "reset_peak_memory_stats"):
        card.reset_peak_memory_stats()


def limit(card_mb: float | None) -> None:
    """Let the graphics card have so much memory; all of it by default."""
    import torch

    whole_mb = torch.cuda.get_device_properties(0).total_memory / 1e6
    torch.cuda.set_per_process_memory_fraction(1.0 if card_mb is None else min(card_mb / whole_mb, 1.0))


def peak_mb(device: str) -> float:
    """Return the most memory that was taken, on a graphics card that has its own since `empty`."""
    if device in ("cuda", "xpu"):
        import torch

        return float(getattr(torch, device).max_memory_allocated()) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--models", default=",".join((*ALONE, *PAIRS)))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--card-mb", type=float)
    parser.add_argument("--no-halves", action="store_true")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.card_mb and given.device != "cuda":
        parser.error("--card-mb can be asked of cuda only")
    from stemeditor.methods import processor

    if given.no_halves:
        processor.halves_pay = lambda: False  # type: ignore[assignment]
    if given.one:
        print(json.dumps(here(Path(given.one[0]), given.one[1], given.one[2], given)))
        return
    print(f"{given.seconds:.0f} s of stereo on {given.device}, {os.cpu_count()} processors, median of {given.rounds}")
    print(
        f"{'model':26s} {'side':7s} {'x real time':>12s} {'first sound':>12s} {'peak memory':>12s} {'difference':>16s}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        do = apart if given.device == "cpu" else here
        for key in given.models.split(","):
            do(folder, key, PUT, given)
            exact = (EXACT,) if given.device != "cpu" or processor.halves_pay() or processor.bytes_pay() else ()
            sides = (OURS, *exact) if key in ALONE else (OURS, *exact, THEIRS)
            found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
            for _ in range(given.rounds):
                for side in sides:
                    found[side].append(do(folder, key, side, given))
            reference = np.load(folder / f"{key}-{sides[-1]}.npy")
            for side, rows in found.items():
                speed, first = (statistics.median(row[what] for row in rows) for what in ("speed", "first"))
                memory = max(row["memory"] for row in rows)
                told = ""
                if side != sides[-1]:
                    off = np.load(folder / f"{key}-{side}.npy") - reference
                    below_db = 10 * np.log10(np.square(reference).sum() / np.square(off).sum())
                    told = f"{np.abs(off).max():.1e} {below_db:3.0f} dB"
                print(f"{key:26s} {side:7s} {speed:11.2f}x {first:10.1f} s {memory:9.0f} MB {told:>16s}", flush=True)


def here(folder: Path, key: str, side: str, given: argparse.Namespace) -> dict[str, float]:
    """Do one thing; see `measure`. To put weights where they belong tells nothing."""
    from stemeditor import settings
    from stemeditor.methods import device

    home(folder)
    if side == PUT:
        put(key)
        return {}
    settings.Settings(settings.file()).set("exact", side == EXACT)
    if given.device != "cpu":
        empty(given.device)
    if given.card_mb:
        limit(given.card_mb if side != THEIRS else None)
    with device.using(given.device):
        return measure(key, side, given.seconds, given.device, folder / f"{key}-{side}.npy")


def apart(folder: Path, key: str, side: str, given: argparse.Namespace) -> dict[str, float]:
    """Do the same in a process of its own."""
    command = [sys.executable, __file__, "--one", str(folder), key, side]
    command += ["--seconds", str(given.seconds), "--device", given.device]
    command += ["--no-halves"] if given.no_halves else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{key}, {side}: {done.stderr.strip().splitlines()[-1]}")
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


if __name__ == "__main__":
    main()
