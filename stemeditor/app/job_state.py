"""What the window is told of background work, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stemeditor.errors import UserError
from stemeditor.jobs.job import Job


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
    lasting
        Whether it goes on for hours beside all else: Escape does not stop it.
    """

    id: int
    title: str
    owner: str
    text: str = ""
    fraction: float = 0.0
    left_s: float | None = None
    state: str = "waiting"
    hint: str = ""
    lasting: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ExportQuestion:
    """An export that needs the user's word before it can go on: repeat it with another `overs` or `overwrite`."""

    request: Any
    error: UserError


@dataclass(frozen=True, slots=True)
class Ongoing:
    """A job and what becomes of what it gives: `posted(piece)`, `done(result)`, and `failed(error)`.

    The last returns whether it dealt with the error; the window tells the user otherwise. Of a bug, which the window
    tells in any case, it hears as well: whoever waits for the job waits in vain.
    """

    job: Job
    posted: Callable[[object], None]
    done: Callable[[Any], None]
    failed: Callable[[UserError], bool]
