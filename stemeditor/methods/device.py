"""Where networks compute: what this machine has, which of it is fastest, and what an accelerator's complaints mean."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from stemeditor import settings
from stemeditor.errors import DeviceProblem
from stemeditor.methods import cards, processor
from stemeditor.methods.measured import remembered

log = logging.getLogger(__name__)

AUTO = "auto"
CPU = "cpu"
CUDA = "cuda"
"""The cards of NVIDIA; PyTorch calls AMD's so, too."""

KEYS = (AUTO, CPU, CUDA, "mps", "xpu")
"""What a person can ask for."""

SEVERAL = 4
"""How many pieces a graphics card computes at once where that is faster: large ones mostly wait for the next order."""

FULL = "full"
LOST = "lost"
UNABLE = "unable"

_SIGNS = {
    FULL: (
        "out of memory",
        "alloc_failed",
        "cufft_internal_error",
        "out_of_device_memory",
        "out_of_host_memory",
        "invalid buffer size",
    ),
    UNABLE: (
        "status_not_supported",
        "cudnn frontend error",
        "unable to find an engine",
        "not currently implemented for the mps device",
        "no kernel image",
    ),
    LOST: (
        "cuda error",
        "cuda driver error",
        "hip error",
        "cudnn_status",
        "cublas_status",
        "miopenstatus",
        "mps error",
        "device lost",
        "device_lost",
    ),
}
"""What complaints of accelerators are made of, in small letters. The first that fits counts: many say "error" as well.

Transforms that find no room for their work call that an internal error.
"""

_DRIVERS = {
    "linux": ("libcuda.so.1", "libze_loader.so.1"),
    "win32": ("nvcuda.dll", "amdhip64_7.dll", "amdhip64_6.dll", "amdhip64.dll", "ze_loader.dll"),
}
"""Libraries of the drivers by which programs reach cards."""

_FILES = ("/dev/kfd", "/dev/dxg")
"""Of Linux, by which they reach those of AMD, and all of them where Windows surrounds it."""

_AGAIN_S = 300.0
"""When a device that could not be measured is measured again: a game may have had its memory."""

_PROBE_S = 1.0
_LAYERS, _CHANNELS, _SIDE = 4, 64, 128


@dataclass(frozen=True, slots=True)
class Device:
    """Something that networks can compute on: its key, and its name for people."""

    key: str
    name: str


_asked: ContextVar[str] = ContextVar("device", default="")


@contextlib.contextmanager
def using(key: str) -> Iterator[None]:
    """Let networks in this thread compute on a device, instead of what the settings say; "" changes nothing."""
    token = _asked.set(key)
    try:
        yield
    finally:
        _asked.reset(token)


@dataclass(slots=True, eq=False, weakref_slot=True)
class Separation:
    """A song on its way through networks.

    Parameters
    ----------
    places
        What computed its pieces, keys of devices; one for each piece and network.
    """

    places: list[str] = field(default_factory=list)


_under_way: ContextVar[Separation | None] = ContextVar("separation", default=None)


def separation() -> Separation:
    """Return what networks in this thread are asked for; without `separating`, each call of one is by itself."""
    return _under_way.get() or Separation()


@contextlib.contextmanager
def separating(one: Separation) -> Iterator[None]:
    """Let what networks in this thread are asked for be one separation: what a card failed at is not tried again."""
    token = _under_way.set(one)
    try:
        yield
    finally:
        _under_way.reset(token)


@lru_cache(maxsize=1)
def found() -> tuple[Device, ...]:
    """Return what this machine has, the processor last; an accelerator that cannot be opened is left out."""
    if not _promising():
        return (_processor(),)
    import torch

    kinds: tuple[tuple[str, Any, Callable[[], str]], ...] = (
        (CUDA, torch.cuda, lambda: torch.cuda.get_device_name()),
        ("mps", torch.backends.mps, lambda: "Apple GPU"),
        ("xpu", getattr(torch, "xpu", None), lambda: torch.xpu.get_device_name()),
    )
    devices = []
    for key, module, name in kinds:
        try:
            if module is not None and module.is_available():
                devices.append(Device(key, name()))
        except Exception as problem:  # drivers and their libraries know many kinds
            log.info("%s cannot be opened: %s", key, problem)
    return (*devices, _processor())


def _processor() -> Device:
    return Device(CPU, f"Processor, {os.cpu_count()} threads")


def _promising() -> bool:
    """Whether there is any sign of an accelerator: PyTorch, which knows for sure, takes seconds to start."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "linux" and any(Path(name).exists() for name in _FILES):
        return True
    return any(_loads(name) for name in _DRIVERS.get(sys.platform, ()))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def chosen() -> Device:
    """Return the device for networks in this thread: what was asked for, what the settings say, or the fastest.

    Raises
    ------
    DeviceProblem
        If this machine has no such device.
    """
    wanted = _asked.get() or str(settings.stored("device"))
    if wanted == CPU:
        # No driver is asked, which may be what does not work.
        return _processor()
    devices = found()
    if wanted != AUTO:
        for device in devices:
            if device.key == wanted:
                return device
        raise DeviceProblem(
            f"This machine has no device “{wanted}” that networks could compute on.",
            f"Choose one of {', '.join((AUTO, *(device.key for device in devices)))}.",
        )
    return devices[0] if len(devices) == 1 else max(devices, key=rate)


def rate(device: Device) -> float:
    """Return how much a device computes in a second, in units of its own; measured once, then remembered.

    The processor is measured with what will compute there: cards that are small are slower than OpenVINO on it, if not
    than PyTorch. A device that cannot compute does nothing in a second; that is not remembered, and tried again later.
    """
    import torch

    openvino = processor.package() if device.key == CPU else None
    program = f"OpenVINO {openvino.__version__}" if openvino is not None else f"torch {torch.__version__}"
    name = f"speed of {device.key}, {device.name}, {program}"
    if time.monotonic() < _unable.get(name, 0.0):
        return 0.0
    try:
        if device.key == CPU:
            return remembered(name, lambda: _measured(CPU))
        return remembered(name, lambda: cards.do(device.key, lambda: _measured(device.key)))
    except RuntimeError as problem:
        log.info("networks do not run on %s (%s)", device.key, problem)
    _unable[name] = time.monotonic() + _AGAIN_S
    return 0.0


_unable: dict[str, float] = {}
"""Devices that could not be measured, and until when they are not measured again."""


def _measured(key: str) -> float:
    """Compute a small network for a second, and return how often. Raises `RuntimeError` if the device cannot."""
    compute = processor.small_network(_LAYERS, _CHANNELS, _SIDE) if key == CPU else None
    compute = compute or _small_network(key)
    compute()
    began, times = time.monotonic(), 0
    while time.monotonic() - began < _PROBE_S:
        compute()
        times += 1
    return times / (time.monotonic() - began)


def _small_network(key: str) -> Callable[[], object]:
    """Return what has PyTorch compute a small network on a device, as `processor.small_network` has OpenVINO."""
    import torch
    from torch import nn

    layers = [nn.Sequential(nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1), nn.ReLU()) for _ in range(_LAYERS)]
    net = nn.Sequential(*layers).to(key)
    picture = torch.randn(1, _CHANNELS, _SIDE, _SIDE, device=key)

    def compute() -> float:
        with torch.inference_mode():
            # Asking for a number waits for the device, which otherwise works behind our back.
            return float(net(picture).mean())

    return compute


def trouble(problem: BaseException) -> str:
    """Return what an exception says about an accelerator.

    Returns
    -------
    str
        `FULL`: its memory is; `LOST`: it does not answer any more; `UNABLE`: it lacks what a network needs, at least in
        this precision; "" for something else.
    """
    import torch

    words = str(problem).lower()
    if isinstance(problem, torch.OutOfMemoryError) or "out of memory" in words:
        return FULL
    if not isinstance(problem, RuntimeError):
        return ""
    return next((kind for kind, signs in _SIGNS.items() if any(sign in words for sign in signs)), "")
