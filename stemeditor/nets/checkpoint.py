"""Networks as files: safetensors whose header says which network it is, for what, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised
from torch import nn

from stemeditor.nets.catalogue import KINDS
from stemeditor.nets.description import KEY, Description, describe, unusable
from stemeditor.nets.masking import Masking


def build(net: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Return a new network.

    Raises
    ------
    ValueError
        If there is none of that name, or it does not take the arguments.
    """
    if net not in KINDS:
        raise ValueError(f"there is no network {net!r}; there are {', '.join(KINDS)}")
    module, _, name = KINDS[net].place.partition(":")
    try:
        made: nn.Module = getattr(import_module(module), name)(**arguments)
    except TypeError as problem:
        raise ValueError(f"{net} does not take these arguments ({problem})") from problem
    return made


def save(path: Path, net: nn.Module, description: Description, half: bool = True) -> None:
    """Write a network.

    Parameters
    ----------
    path
        Replaced if it is there, once the new file is whole.
    net, description
        What is written; the description's arguments must be those that the network was built with.
    half
        Whether weights are kept as float16: half the size, and a change of less than -60 dB in what comes out.
    """
    if isinstance(net, Masking):
        axis = {"window": net.front.window, "hop": net.front.hop, "points": net.points.groups}
        description = replace(description, transform=axis)
    state = {
        name: value.detach().to("cpu", torch.float16 if half and value.is_floating_point() else None).contiguous()
        for name, value in net.state_dict().items()
    }
    temporary = path.with_name(f"{path.name}.part")
    # Not by safetensors' own writer, whose files only the owner may read.
    temporary.write_bytes(serialised(state, {KEY: description.to_json()}))
    temporary.replace(path)


def load(path: Path) -> tuple[nn.Module, Description]:
    """Return a network in float32, ready to separate, and what it says of itself.

    Raises
    ------
    FileProblem
        If the file is not there, broken, or its weights are not those of its network.
    """
    description = describe(path)
    try:
        net = build(description.net, description.arguments)
        with safe_open(path, "pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 not a mapping
        net.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
        )
    except (OSError, SafetensorError, ValueError, RuntimeError) as problem:
        raise unusable(path, problem) from problem
    return net.eval(), description
