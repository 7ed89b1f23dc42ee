"""What the window is told of background work, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stemeditor.errors import UserError


@dataclass(frozen=True, slots=True)
class JobState:
    """What the window shows of a job.

    Parameters
    ----------
    id
        Of the job.
    title, text
        What it is, and what it is doing right now or what went wrong.
    owner
        Id of the song it belongs to, or "".
    fraction
        0 to 1.
    left_s
        Estimated seconds to its end, or None.
    state
        "waiting", "running" or "failed" (stays until it is dismissed).
    hint
        For a failed job: what to do.
    """

    id: int
    title: str
    owner: str
    text: str = ""
    fraction: float = 0.0
    left_s: float | None = None
    state: str = "waiting"
    hint: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ExportQuestion:
    """An export that needs the user's word before it can go on: repeat it with another `overs` or `overwrite`."""

    request: Any
    error: UserError
