"""What a long function is given: a way to say how far it is, to hand over pieces, and to be stopped."""

import logging
import queue
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Protocol, TypeVar

from stemeditor.errors import Cancelled

log = logging.getLogger(__name__)

_LOOK_S = 0.04
_IDLE_S = 0.3

T = TypeVar("T")


class Progress(Protocol):
    """The long function's view of whoever waits for it.

    Every member may be called from any thread, as often as one likes; none of them blocks.
    """

    def advance(self, fraction: float, text: str = "") -> None:
        """Say that `fraction` (0 to 1, never falling) of the work is done; also does `check`."""

    def check(self) -> None:
        """Raise `Cancelled` if nobody waits any more. Call it at least every 50 ms of work."""

    def post(self, piece: object) -> None:
        """Hand over a piece of the result that is final although the whole is not."""


class Silent:
    """Progress that nobody watches and nobody cancels."""

    def advance(self, fraction: float, text: str = "") -> None:
        """Do nothing."""

    def check(self) -> None:
        """Do nothing."""

    def post(self, piece: object) -> None:
        """Do nothing."""


class Stoppable(Silent):
    """Progress that nobody watches, but that can be cancelled: for the command line and for tests."""

    def __init__(self) -> None:
        self._stopped = False

    def cancel(self) -> None:
        """Make every later `check` and `advance` raise `Cancelled`."""
        self._stopped = True

    def advance(self, fraction: float, text: str = "") -> None:
        """Raise `Cancelled` after `cancel`."""
        self.check()

    def check(self) -> None:
        """Raise `Cancelled` after `cancel`."""
        if self._stopped:
            raise Cancelled


class Part:
    """A stretch of a longer progress: its 0 to 1 is `start` to `stop` of the whole."""

    def __init__(self, whole: Progress, start: float, stop: float) -> None:
        self._whole = whole
        self._start = start
        self._length = stop - start

    def advance(self, fraction: float, text: str = "") -> None:
        """Advance the whole within this part's stretch."""
        self._whole.advance(self._start + self._length * min(max(fraction, 0.0), 1.0), text)

    def check(self) -> None:
        """Ask the whole."""
        self._whole.check()

    def post(self, piece: object) -> None:
        """Hand the piece to the whole."""
        self._whole.post(piece)


class Unshown:
    """A longer progress for a function whose own fraction is nobody's business: it can be stopped, no more."""

    def __init__(self, whole: Progress) -> None:
        self._whole = whole

    def advance(self, fraction: float, text: str = "") -> None:
        """Only check."""
        self._whole.check()

    def check(self) -> None:
        """Ask the whole."""
        self._whole.check()

    def post(self, piece: object) -> None:
        """Hand the piece to the whole."""
        self._whole.post(piece)


def aside(work: Callable[[Progress], T], progress: Progress) -> T:
    """Return what `work` returns, which may not look at its progress for seconds; who waits here looks all the time.

    Whoever stops is let go at once; the work then ends in a thread of its own when it looks the next time.

    Parameters
    ----------
    work
        Called with a progress that also ends once nobody waits any more.
    progress
        Asked to `check` every 40 ms; handed what the work posts.
    """
    left, done = threading.Event(), threading.Event()
    found: list[T] = []
    problems: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work(_Deserted(progress, left)))
        except BaseException as problem:
            problems.append(problem)
            if left.is_set() and not isinstance(problem, Cancelled):
                log.exception("work that nobody waited for failed")

    _hand().take(partial(copy_context().run, run), done)
    try:
        # Not by `join`: before Python 3.13 an interrupted one takes the thread for ended, and the end does not wait.
        while not done.wait(_LOOK_S):
            progress.check()
    except BaseException:
        left.set()
        raise
    for problem in problems:
        raise problem
    return found[0]


class _Hand(threading.Thread):
    """A thread for one piece of work after the other: libraries keep threads of their own for each that calls them.

    The program's end waits for what it is doing: a thread that is torn out of another language's work takes the process
    with it.
    """

    def __init__(self) -> None:
        super().__init__(name="aside", daemon=False)
        self._tasks: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]] = queue.SimpleQueue()

    def take(self, task: Callable[[], None], done: threading.Event) -> None:
        """Do it next, and say when it is done."""
        self._tasks.put((task, done))

    def run(self) -> None:
        while True:
            try:
                task, done = self._tasks.get(timeout=_IDLE_S)
            except queue.Empty:
                with _lock:
                    # Who has taken it off the list is about to give it something to do, unless all is over.
                    if self in _idle:
                        _idle.remove(self)
                        return
                if not threading.main_thread().is_alive():
                    return
                continue
            task()
            # What was found is not held any longer, and whoever waited finds it idle.
            del task
            with _lock:
                _idle.append(self)
            done.set()


_idle: list[_Hand] = []
_lock = threading.Lock()


def _hand() -> _Hand:
    """Return a thread that has nothing to do."""
    with _lock:
        if _idle:
            return _idle.pop()
    hand = _Hand()
    hand.start()
    return hand


class _Deserted(Unshown):
    """Progress of work whose end may not be waited for."""

    def __init__(self, whole: Progress, left: threading.Event) -> None:
        super().__init__(whole)
        self._left = left

    def advance(self, fraction: float, text: str = "") -> None:
        self.check()

    def check(self) -> None:
        if self._left.is_set():
            raise Cancelled
        super().check()
