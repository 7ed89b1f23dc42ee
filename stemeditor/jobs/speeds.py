"""How fast methods were on this machine, so that the next estimate is better than a guess."""

from __future__ import annotations

import contextlib
import json

from stemeditor import paths
from stemeditor.methods.base import MethodInfo, Params
from stemeditor.methods.wiener import PASSES

_FILE = "speeds.json"

_PASS_S = 0.0036
"""Seconds that two cores took for a stem of a second, and one pass."""


def remember(info: MethodInfo, params: Params, device: str, real_time_factor: float) -> None:
    """Note how many seconds of song a method did in a second; kept as what it does with its defaults."""
    spent = 1.0 / real_time_factor - _filtering(info, params)
    if spent <= 0.0:
        return
    found = {**_all(), f"{info.key} {device}": info.cost(params) / spent}
    with contextlib.suppress(OSError):
        paths.write_whole(paths.cache_folder() / _FILE, json.dumps(found, indent=1))


def speed(info: MethodInfo, params: Params, device: str = "") -> float:
    """Return about how many seconds of song a method does in a second: measured, else what it says of itself."""
    known = _all()
    measured = known.get(f"{info.key} {device}") or next(
        (value for key, value in known.items() if key.partition(" ")[0] == info.key), 0.0
    )
    return 1.0 / (info.cost(params) / (measured or info.speed) + _filtering(info, params))


def _filtering(info: MethodInfo, params: Params) -> float:
    """Return about how many seconds the filter behind a method takes for a second of song."""
    return float(params.get(PASSES.name, 0)) * len(info.stems) * _PASS_S


def _all() -> dict[str, float]:
    try:
        found = json.loads((paths.cache_folder() / _FILE).read_text(encoding="utf-8"))
        return {str(key): float(value) for key, value in found.items() if float(value) > 0}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
