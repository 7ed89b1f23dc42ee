"""Small networks of the classes that people know, with random weights, as files of the same form as the published."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from stemeditor.weights import catalogue, store

RATE = 44100
SMALL = {
    "HTDemucs": {"channels": 8, "depth": 4, "bottom_channels": 16, "t_layers": 3, "t_heads": 2, "segment": Fraction(1)},
    "HDemucs": {"channels": 4, "depth": 6, "segment": 1},
}

OLD = {"hybrid_old": True}
BUILDS: dict[str, tuple[dict[str, Any], ...]] = {"mdx_extra": (OLD, OLD | {"cac": False}, OLD | {"cac": False}, OLD)}
"""What networks of the challenge were built with beside the usual: the sizes of the published files tell which of them
draw magnitudes."""


def seeded(make: Any) -> nn.Module:
    """Return a network with weights from a seed, statistics that are not those of a fresh one, ready to be used."""
    torch.manual_seed(5)
    net: nn.Module = make()
    for name, value in net.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0)
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
    return net.eval()


def heard(net: nn.Module, scale: float = 1.0) -> nn.Module:
    """Return the network with branches that count: fresh ones are scaled by 0.0001, learned ones by much more."""
    with torch.no_grad():
        for name, values in net.named_parameters():
            if name.endswith(".scale"):
                values.fill_(scale)
    return net


def demucs(kind: str, sources: tuple[str, ...], seed: int = 5, **build: Any) -> nn.Module:
    from demucs.hdemucs import HDemucs
    from demucs.htdemucs import HTDemucs

    def make() -> nn.Module:
        torch.manual_seed(seed)
        return {"HTDemucs": HTDemucs, "HDemucs": HDemucs}[kind](sources=list(sources), **SMALL[kind], **build)

    return seeded(make)


def put_demucs(key: str, kind: str, sources: tuple[str, ...]) -> list[nn.Module]:
    """Put small networks where the method of that key looks for its weights, and return them."""
    nets = []
    files = catalogue.pack(key).files
    for number, (source, build) in enumerate(zip(files, BUILDS.get(key, ({},) * len(files)), strict=True)):
        net = demucs(kind, sources, 5 + number, **build)
        path = store.path(key, source.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_demucs(net, path)
        keep(key, source.name)
        nets.append(net)
    return nets


def save_demucs(net: Any, path: Path) -> None:
    """Write a network as its authors publish it: how it was built stands in the header."""

    def plain(value: Any) -> Any:
        if isinstance(value, Fraction):
            return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
        return value

    ordered, named = net._init_args_kwargs
    told = {
        "klass": f"{type(net).__module__}.{type(net).__name__}",
        "args": json.dumps(ordered),
        "kwargs": json.dumps({name: plain(value) for name, value in named.items()}),
    }
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, path, told)


def keep(key: str, name: str) -> None:
    """Note a file that lies in its place as if it had been downloaded."""
    path = store.path(key, name)
    store.keep(key, name, path, "test", store.hashed(path))


def noise(seconds: float, channels: int = 2, rate: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (rng.normal(0, 0.1, (channels, max(int(seconds * rate), 1)))).astype(np.float32)


def put_state(key: str, name: str, net: nn.Module) -> None:
    """Put a network's weights where a method looks for them, as PyTorch's own program writes them."""
    path = store.path(key, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), path)
    keep(key, name)
