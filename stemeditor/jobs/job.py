"""One piece of background work, and what it tells while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from stemeditor.errors import Cancelled, UserError
from stemeditor.progress import Progress


@dataclass(frozen=True, slots=True, eq=False)
class Started:
    """The job left the queue."""

    job: Job


@dataclass(frozen=True, slots=True, eq=False)
class Advanced:
    """The job is further on.

    Parameters
    ----------
    fraction
        0 to 1.
    text
        What it is doing, or "".
    left_s
        Estimated seconds to its end; None while there is nothing to estimate from.
    """

    job: Job
    fraction: float
    text: str
    left_s: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Posted:
    """A piece of the result is final."""

    job: Job
    piece: object


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """The job ended with a result."""

    job: Job
    result: Any


@dataclass(frozen=True, slots=True, eq=False)
class Stopped:
    """The job was cancelled, before or while it ran."""

    job: Job


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """The job ended with something that the user can understand."""

    job: Job
    error: UserError


@dataclass(frozen=True, slots=True, eq=False)
class Crashed:
    """The job ended with a bug; the exception carries its traceback."""

    job: Job
    error: BaseException


Ending: TypeAlias = Done | Stopped | Failed | Crashed
Event: TypeAlias = Started | Advanced | Posted | Ending
Work: TypeAlias = Callable[[Any, Progress], Any]

_TELL_EVERY_S = 1 / 30
_PAUSE_EVERY_S = 0.002
_PAUSE_S = 0.0001


class Job:
    """A pure function of a frozen request, on its way through a queue.

    Every event carries the job, so an answer is known by the identity of its question. Events are told in the worker
    thread; the listener must bring them home.

    Parameters
    ----------
    id
        Unique in the session.
    title
        What the window calls it.
    owner
        Id of the song or lane that it belongs to, or "".
    work
        (request, progress) -> result.
    request
        Frozen; captured where the job was made.
    listener
        Called with every event.
    """

    def __init__(
        self, id: int, title: str, owner: str, work: Work, request: object, listener: Callable[[Event], None]
    ) -> None:
        self.id = id
        self.title = title
        self.owner = owner
        self._work = work
        self._request = request
        self._listener = listener
        self._stop = threading.Event()
        self._began_s = 0.0
        self._told_s = 0.0
        self._paused_s = 0.0
        self._text = ""

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked it to stop."""
        return self._stop.is_set()

    def cancel(self) -> None:
        """Ask it to stop; from any thread, any number of times. Its ending still comes."""
        self._stop.set()

    def run(self) -> None:
        """Do the work and tell how it ended. Called once, by the pool; never raises."""
        ending: Ending
        try:
            self.check()
            self._began_s = time.monotonic()
            self._listener(Started(self))
            result = self._work(self._request, self)
            self.check()
            ending = Done(self, result)
        except Cancelled:
            ending = Stopped(self)
        except UserError as error:
            ending = Failed(self, error)
        except MemoryError as error:
            problem = UserError("There is not enough memory for this.", "Close other programs, or take a shorter song.")
            problem.__cause__ = error
            ending = Failed(self, problem)
        except BaseException as error:  # noqa: BLE001 a worker that swallows or dies helps nobody
            ending = Crashed(self, error)
        self._listener(ending)

    def advance(self, fraction: float, text: str = "") -> None:
        """See `Progress.advance`. Tells at most thirty times a second."""
        self.check()
        now = time.monotonic()
        if now - self._told_s < _TELL_EVERY_S and fraction < 1.0 and text in ("", self._text):
            return
        self._told_s = now
        self._text = text or self._text
        spent = now - self._began_s
        # The first second tells more about warming up than about the work.
        left = spent * (1.0 - fraction) / fraction if fraction > 0.01 and spent > 1.0 else None
        self._listener(Advanced(self, fraction, self._text, left))

    def check(self) -> None:
        """See `Progress.check`. Also lets the other threads have the interpreter."""
        if self._stop.is_set():
            raise Cancelled
        # A loop of short calls that give the interpreter up and take it back at once is faster than any thread that
        # waits for it can wake: without this pause the sound output starves for 80 ms at a time.
        now = time.monotonic()
        if now - self._paused_s > _PAUSE_EVERY_S:
            time.sleep(_PAUSE_S)
            self._paused_s = time.monotonic()

    def post(self, piece: object) -> None:
        """See `Progress.post`."""
        self.check()
        self._listener(Posted(self, piece))
