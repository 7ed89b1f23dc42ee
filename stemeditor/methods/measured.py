"""What was measured of this machine once, for every later run of the program."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable

from stemeditor import paths

log = logging.getLogger(__name__)

_REMEMBERED = "devices.json"


def remembered(key: str, measure: Callable[[], float]) -> float:
    """Return what was measured on this machine once, in whichever run of the program.

    Parameters
    ----------
    key
        What it is, of which part of the machine, by which version of which library.
    measure
        Does it.
    """
    file = paths.cache_folder() / _REMEMBERED
    known: dict[str, object] = {}
    with contextlib.suppress(OSError, ValueError):
        read = json.loads(file.read_text(encoding="utf-8"))
        known = read if isinstance(read, dict) else {}
    before = known.get(key)
    if isinstance(before, (int, float)):
        return float(before)
    measured = measure()
    log.info("%s: %.3g", key, measured)
    with contextlib.suppress(OSError):
        paths.write_whole(file, json.dumps({**known, key: measured}))
    return measured
