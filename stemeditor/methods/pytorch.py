"""PyTorch's start, which takes seconds, and would hold up every other thread for half of one."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

log = logging.getLogger(__name__)

_LIBRARIES = {"linux": ("libtorch_global_deps.so", "libtorch.so"), "darwin": ("libtorch.dylib",)}

_BUSY_S = 0.25
"""What takes a card longer than this keeps it busy: more at once would not be faster."""


def start() -> None:
    """Import PyTorch so that sound goes on meanwhile; nothing happens where it is imported or missing.

    Python loads a library while it holds the lock without which no other thread runs, the one that plays neither. The
    function of the system that does it is called here like any other of another language: without the lock.
    """
    if "torch" in sys.modules:
        return
    found = find_spec("torch")
    if found is None or found.origin is None:
        return
    for name in _LIBRARIES.get(sys.platform, ()):
        load = ctypes.CDLL(None).dlopen
        load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
        if not load(os.fsencode(Path(found.origin).parent / "lib" / name), os.RTLD_NOW | os.RTLD_GLOBAL):
            log.info("%s is left to Python", name)
    try:
        import_module("torch")
    except (ImportError, OSError) as problem:
        # Whoever needs it says so.
        log.info("PyTorch does not start: %s", problem)


def precision(halves: bool) -> torch.autocast:
    """Return the context in which a graphics card computes in half precision, or as the network is."""
    import torch

    kind = torch.bfloat16 if halves and torch.cuda.is_bf16_supported() else torch.float16
    return torch.autocast("cuda", kind, enabled=halves)


def gain_of_halves(net: nn.Module, given: Tensor) -> float:
    """Return how many times as fast a graphics card is in half precision, for a network and what it is given."""
    times = [_timed(net, given, halves) for halves in (False, True, False, True)]
    # The first of each has plans to make.
    return times[2] / times[3]


def gain_of_several(net: nn.Module, given: Tensor, count: int, halves: bool) -> float:
    """Return how many times as fast a card computes several pieces at once than one after the other.

    Parameters
    ----------
    net
        A network that takes any number of pieces.
    given
        One piece, (1, ...).
    count
        How many.
    halves
        Whether in half precision.
    """
    alone = [_timed(net, given, halves) for _ in range(2)][1]
    if alone > _BUSY_S:
        return 1.0
    together = given.repeat(count, *[1] * (given.dim() - 1))
    return count * alone / [_timed(net, together, halves) for _ in range(2)][1]


def _timed(net: nn.Module, given: Tensor, halves: bool) -> float:
    """Return how many seconds a network takes."""
    import torch

    began = time.perf_counter()
    with torch.inference_mode(), precision(halves):
        # To ask for a number is to wait for all that comes before it.
        float(net(given).flatten()[0])
    return time.perf_counter() - began
