"""How fast methods were on this machine, so that the next estimate is better than a guess."""

from __future__ import annotations

import contextlib
import json

from stemeditor import paths
from stemeditor.methods.base import MethodInfo, Params

_FILE = "speeds.json"


def remember(info: MethodInfo, params: Params, device: str, real_time_factor: float) -> None:
    """Note how many seconds of song a method did in a second; kept as what it does with its defaults."""
    found = {**_all(), f"{info.key} {device}": real_time_factor * info.cost(params)}
    with contextlib.suppress(OSError):
        paths.write_whole(paths.cache_folder() / _FILE, json.dumps(found, indent=1))


def speed(info: MethodInfo, params: Params, device: str = "") -> float:
    """Return about how many seconds of song a method does in a second: measured, else what it says of itself."""
    known = _all()
    measured = known.get(f"{info.key} {device}") or next(
        (value for key, value in known.items() if key.partition(" ")[0] == info.key), 0.0
    )
    return (measured or info.speed) / info.cost(params)


def _all() -> dict[str, float]:
    try:
        found = json.loads((paths.cache_folder() / _FILE).read_text(encoding="utf-8"))
        return {str(key): float(value) for key, value in found.items() if float(value) > 0}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
