"""Large libraries and files, brought in while everything else goes on.

Python holds the lock without which no other thread runs, the one that plays neither, while it loads a library, while a
file is touched that is mapped into memory, and while its collector looks at all there is for what can be thrown away.
The first two take seconds where the disk was not read yet, the third longer than a sound card has sound for.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

_CHUNK = 1 << 20
_KINDS = (".so", ".pyd", ".dll", ".dylib")


def bring(package: str) -> ModuleType:
    """Import a package; the collector will never look at it, nor at anything else that is there by then.

    Raises
    ------
    ImportError, OSError
        If it is not installed, or does not start.
    """
    if package in sys.modules:
        return import_module(package)
    going = gc.isenabled()
    gc.disable()
    try:
        return import_module(package)
    finally:
        settle()
        if going:
            gc.enable()


def settle() -> None:
    """Let the collector look no more at what there is: a program's modules stay."""
    gc.freeze()


def folder(package: str) -> Path | None:
    """Return where a package lies, without importing it; None where it does not."""
    try:
        found = find_spec(package)
    except ValueError:  # it is being imported, or somebody says that it is not there
        return None
    return Path(found.origin).parent if found is not None and found.origin is not None else None


def read_ahead(files: list[Path]) -> int:
    """Bring files from the disk into the system's memory, from where they are loaded at once; return bytes."""
    total, buffer = 0, bytearray(_CHUNK)
    for file in files:
        try:
            with file.open("rb", buffering=0) as stream:
                while count := stream.readinto(buffer):
                    total += count
        except OSError:  # whoever loads it says so
            continue
    return total


def within(package: Path, besides: tuple[str, ...] = ()) -> list[Path]:
    """Return the libraries in a package's folder, in order, without those whose names hold one of some words."""
    return sorted(
        file
        for file in package.rglob("*")
        if any(kind in file.suffixes for kind in _KINDS) and not any(word in file.name for word in besides)
    )


def load(file: Path, shared: bool = False) -> bool:
    """Load a library, its names `shared` with all others or not; return whether it is there. Not on Windows.

    The function of the system that does it is called like any other of another language: without Python's lock.
    """
    if sys.platform not in ("linux", "darwin"):
        return False
    function = ctypes.CDLL(None).dlopen
    function.argtypes, function.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    return bool(function(os.fsencode(file), os.RTLD_NOW | (os.RTLD_GLOBAL if shared else os.RTLD_LOCAL)))
