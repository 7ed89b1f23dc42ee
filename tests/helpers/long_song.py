"""Takes twenty minutes of noise apart for as long as asked, and tells how much memory that took behind every piece.

A program of its own: in one that did other things before, how much lies unused in the memory is chance.
"""

import json
import resource
import sys
from pathlib import Path

import numpy as np

from stemeditor import memory, paths
from stemeditor.audio.store import SoundStore
from stemeditor.methods import demucs, registry, runner
from stemeditor.methods.demucs import SOURCES
from stemeditor.progress import Silent

_RATE = 44100
_MINUTES = 20


def main(key: str, folder: Path, seconds: float) -> None:
    """Print the memory in MB behind each piece."""
    # As the program does when it starts.
    memory.share()
    for name in ("config_folder", "cache_folder", "log_folder", "data_folder"):
        setattr(paths, name, lambda name=name: folder / name)
    if key != "compact":
        from tests.helpers.networks import put_demucs

        demucs._HYBRID_SEGMENT_S = 4.0
        put_demucs(key, "HDemucs", SOURCES)
    store = SoundStore(2, _RATE, _MINUTES * 60 * _RATE, folder)
    block = np.random.default_rng(0).normal(0, 0.1, (2, 60 * _RATE)).astype(np.float32)
    for _ in range(_MINUTES):
        store.append(block)
    song = store.finish()
    method = registry.load(key)
    out = {name: SoundStore(2, _RATE, song.frames, folder) for name in method.info.stems}
    levels: list[float] = []
    for piece in runner.stream(song, method, {"overlap": 0.02} if key != "compact" else {}, Silent()):
        for name, samples in piece.stems.items():
            if name in out:
                out[name].append(samples)
        # How much of what was freed the C library keeps is chance, and no growth.
        memory.give_back()
        levels.append(resident_mb())
        if piece.start > seconds * _RATE:
            break
    print(json.dumps(levels))


def resident_mb() -> float:
    """Return how much memory the program takes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
