"""What works on this machine and what does not, as values."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemeditor import __version__, paths
from stemeditor.audio import files
from stemeditor.audio.buffer import Audio
from stemeditor.errors import UserError
from stemeditor.weights import store

_PACKAGES = ("numpy", "scipy", "soundfile", "av", "soxr", "sounddevice", "mutagen", "torch", "PySide6-Essentials")
_LITTLE_ROOM = 5 * 10**9


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is fine, and a sentence about it."""

    name: str
    ok: bool
    text: str


def examine() -> list[Finding]:
    """Look at everything that the program needs; takes about a second."""
    return [
        Finding("stemeditor", True, __version__),
        Finding("python", (3, 11) <= sys.version_info[:2] <= (3, 13), platform.python_version()),
        Finding("system", True, platform.platform()),
        Finding("processor", True, f"{os.cpu_count()} cores"),
        _packages(),
        _guarded("sound output", _outputs),
        *(_guarded(f"format {row.key}", lambda row=row: _round_trip(row)) for row in files.ENCODINGS),  # type: ignore[misc]
        _guarded("networks", _networks),
        _guarded("models", _models),
        _guarded("cache folder", _cache),
        Finding("settings", True, str(paths.config_folder())),
    ]


def peak_memory_mb() -> float:
    """Return the largest resident size of this process so far in MB; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024) if sys.platform == "darwin" else peak / 1024


def _guarded(name: str, look: Callable[[], tuple[bool, str]]) -> Finding:
    try:
        ok, text = look()
    except Exception as problem:  # whatever it is, it is what the user wants to know here
        return Finding(name, False, f"{type(problem).__name__}: {problem}")
    return Finding(name, ok, text)


def _packages() -> Finding:
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    text = ", ".join(found) + (f"; missing: {', '.join(missing)}" if missing else "")
    return Finding("packages", not missing, text)


def _outputs() -> tuple[bool, str]:
    try:
        import sounddevice
    except (ImportError, OSError):
        return False, "the PortAudio library is missing; install it (Debian: libportaudio2). Playback is silent."
    names = [device["name"] for device in sounddevice.query_devices() if device["max_output_channels"] > 0]
    if not names:
        return False, "no sound device; playback is silent"
    return True, ", ".join(dict.fromkeys(names))


def _round_trip(row: files.Encoding) -> tuple[bool, str]:
    samples = (0.5 * np.sin(2 * np.pi * 440 * np.arange(22050) / 44100)).astype(np.float32)[np.newaxis]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"probe{row.ending}"
        try:
            files.write(path, [samples], 44100, 1, row, row.subtypes[0].key)
            read = sum(piece.shape[1] for piece in files.decode(files.probe(path)))
        except UserError as problem:
            return False, str(problem)
    return abs(read - samples.shape[1]) < 5000, "writes and reads"


def _networks() -> tuple[bool, str]:
    """Let the shipped network take a moment of sound apart."""
    from stemeditor.methods import device
    from stemeditor.methods.neural import Compact
    from stemeditor.progress import Silent

    method = Compact()
    noise = np.random.default_rng(0).standard_normal((2, 4410)).astype(np.float32)
    method.separate(Audio(noise, 44100), method.info.settle({}), Silent())
    devices = ", ".join(one.name for one in device.found())
    return True, f"{devices}; {method.info.name.lower()} by {method.program}"


def _models() -> tuple[bool, str]:
    """Say which networks of others are here, and what would compute them."""
    from importlib.util import find_spec

    kept = store.keys()
    lacking = [name for name in ("demucs", "openunmix", "openvino") if find_spec(name) is None]
    programs = f"; not installed: {', '.join(lacking)}" if lacking else ""
    return True, f"{', '.join(kept) or 'none downloaded'}, in {store.folder()}{programs}"


def _cache() -> tuple[bool, str]:
    folder = paths.cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    return free > _LITTLE_ROOM, f"{folder}, {free / 10**9:.1f} GB free"
