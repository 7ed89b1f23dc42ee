"""Lengths of time as people say them."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


def spoken(seconds: float) -> str:
    """Return a length of time in the unit that suits it: "45 s", "12 min", "3.5 h", "4 days"."""
    if seconds < 1.5 * _MINUTE:
        return f"{max(round(seconds), 1)} s"
    if seconds < 1.5 * _HOUR:
        return f"{round(seconds / _MINUTE)} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.1f} h"
    return f"{round(seconds / _DAY)} days"
