"""PyTorch's start, which takes seconds, and would hold up every other thread for half of one."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING

from stemeditor import libraries

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

log = logging.getLogger(__name__)

_LIBRARIES = {"linux": ("libtorch_global_deps.so", "libtorch.so"), "darwin": ("libtorch.dylib",)}
_MORE = ("libnvrtc.so.*", "libnvrtc-builtins.so.*", "libcusolver.so.*")
"""Of NVIDIA's, what PyTorch loads besides what its own libraries ask for."""

_BUSY_S = 0.25
"""What takes a card longer than this keeps it busy: more at once would not be faster."""

_TIMES = 3
"""How often a network is timed: the fastest counts."""


def start() -> None:
    """Import PyTorch so that sound goes on meanwhile; nothing happens where it is imported or missing."""
    if "torch" in sys.modules:
        return
    folder = libraries.folder("torch")
    if folder is None:
        return
    for name in _LIBRARIES.get(sys.platform, ()):
        if not libraries.load(folder / "lib" / name, shared=True):
            log.info("%s is left to Python", name)
    for pattern in _MORE:
        for file in folder.parent.glob(f"nvidia/*/lib/{pattern}"):
            libraries.load(file)
    libraries.read_ahead([*folder.glob("lib/*torch_python.*"), *folder.parent.glob("torchaudio/lib/*")])
    try:
        libraries.bring("torch")
    except (ImportError, OSError) as problem:
        # Whoever needs it says so.
        log.info("PyTorch does not start: %s", problem)


def precision(halves: bool) -> torch.autocast:
    """Return the context in which a graphics card computes in half precision, or as the network is."""
    import torch

    # Cards that have to imitate the wide kind of halves are slower with it than without any.
    wide = halves and torch.cuda.is_bf16_supported(including_emulation=False)
    kind = torch.bfloat16 if wide else torch.float16
    return torch.autocast("cuda", kind, enabled=halves)


def fetched(found: Tensor) -> NDArray[np.float32]:
    """Return what was found, from wherever it lies.

    What comes from a card of NVIDIA's kind comes into memory that PyTorch keeps and the card knows: new memory, page by
    page, takes longer than most networks.
    """
    import torch

    if found.is_cuda:
        try:
            here = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
        except RuntimeError as problem:
            log.info("no memory that a card knows: %s", problem)
        else:
            here.copy_(found)
            known: NDArray[np.float32] = here.numpy()
            return known
    plain: NDArray[np.float32] = found.cpu().numpy()
    return plain


def gain_of_halves(net: nn.Module, given: Tensor) -> float:
    """Return how many times as fast a graphics card is in half precision, for a network and what it is given."""
    times = [(_timed(net, given, False), _timed(net, given, True)) for _ in range(1 + _TIMES)]
    # The first of each has plans to make, and whatever else the machine does makes others slower only.
    return min(single for single, _ in times[1:]) / min(half for _, half in times[1:])


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
    if _fastest(net, given, halves, 1) > _BUSY_S:
        return 1.0
    together = given.repeat(count, *[1] * (given.dim() - 1))
    return count * _fastest(net, given, halves) / _fastest(net, together, halves)


def _fastest(net: nn.Module, given: Tensor, halves: bool, times: int = _TIMES) -> float:
    """Return how many seconds a network takes at best, once it has made its plans."""
    _timed(net, given, halves)
    return min(_timed(net, given, halves) for _ in range(times))


def _timed(net: nn.Module, given: Tensor, halves: bool) -> float:
    """Return how many seconds a network takes."""
    import torch

    began = time.perf_counter()
    with torch.inference_mode(), precision(halves):
        # To ask for a number is to wait for all that comes before it.
        float(net(given).flatten()[0])
    return time.perf_counter() - began
