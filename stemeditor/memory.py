"""Memory that the C library holds on to: shared by threads, given back after a large network, kept while one learns."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any

# malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8


def give_back() -> None:
    """Return to the system what a network took that was dropped: most of it would stay with the process."""
    gc.collect()
    trim()


def trim() -> None:
    """Return to the system what was freed; quicker, where nothing waits to be found free first."""
    function = _call("malloc_trim")
    if function is not None:
        function(0)


def share() -> None:
    """Let all threads take memory from one store; call it before there are any.

    By default each has one of its own, where what it freed waits for it alone, and can hardly be given back.
    """
    option = _call("mallopt")
    if option is not None:
        option(_M_ARENA_MAX, 1)


def keep() -> None:
    """Keep freed memory in the process: training asks for as much at once, and fresh pages cost time."""
    option = _call("mallopt")
    if option is not None:
        for what, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, (1 << 31) - 1), (_M_TOP_PAD, 1 << 28)):
            option(what, value)


def _call(name: str) -> Any:
    """Return a function of the C library; None where it is another than glibc, which costs time or memory, no more."""
    if sys.platform != "linux":
        return None
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
