"""Work in other threads: beside whoever waits for it, or on several things at once."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from functools import partial
from heapq import heappop, heappush
from typing import TypeVar, cast

from stemeditor.errors import Cancelled
from stemeditor.progress import Progress, Silent, Unshown

log = logging.getLogger(__name__)

_LOOK_S = 0.04
_IDLE_S = 0.3

PATIENCE = ("OPENBLAS_THREAD_TIMEOUT", "16")
"""For how long threads of linear algebra wait at work for more, as a power of two of cycles; see `rest`."""

SWITCH_S = 0.0005
"""How long one thread may keep the others from running Python: the sound must not wait for a worker.

It asks dozens of times a block when it is stretched: with two milliseconds it stuttered beside a loop of pure Python,
and workers are no faster for them.
"""

T = TypeVar("T")
Given = TypeVar("Given")
Found = TypeVar("Found")


def rest() -> None:
    """Let the threads of linear algebra sleep as soon as they have nothing to do; call it before NumPy is there.

    Those of OpenBLAS keep their cores busy for 2^26 cycles, a fiftieth of a second, in case more comes: that is lost to
    whatever else the machine does, and to our own work between two products of matrices. Less is as quick. Who has
    chosen a number is obeyed.
    """
    os.environ.setdefault(*PATIENCE)


def each(work: Callable[[Given], Found], things: Iterable[Given], progress: Progress | None = None) -> list[Found]:
    """Return what `work` makes of every thing, in order.

    It is of use where `work` lets other threads run meanwhile: NumPy and SciPy do, while they compute large arrays.

    Parameters
    ----------
    work
        Called from several threads. If it fails the exception is raised here, of several that of the first thing; what
        was not begun by then is left.
    things
        Its arguments.
    progress
        Checked before each of them, by one thread at a time, and no more once it ends the work. `work` itself must not
        look at it: several would, and after the end, too.
    """
    watched = Shared(progress or Silent())
    given = list(things)
    problems: dict[int, BaseException] = {}

    def done(number: int, thing: Given) -> Found | None:
        if problems:
            return None
        try:
            watched.check()
            return work(thing)
        except BaseException as problem:
            problems[number] = problem
            return None

    count = min(os.cpu_count() or 1, len(given))
    if count < 2:
        found = [done(number, thing) for number, thing in enumerate(given)]
    else:
        with ThreadPoolExecutor(count, "each") as pool:
            found = list(pool.map(done, range(len(given)), given))
    if problems:
        # An exception holds everything that was worked on: nothing here shall hold it, or it is there for long.
        for late in sorted(problems)[1:]:
            del problems[late]
        raise problems.popitem()[1]
    return cast("list[Found]", found)


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
    watched = Shared(progress)
    found: list[T] = []
    problems: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work(watched))
        except BaseException as problem:
            problems.append(problem)
            if left.is_set() and not isinstance(problem, Cancelled):
                log.exception("work that nobody waited for failed")

    _hand().take(partial(copy_context().run, run), done)
    try:
        # Not by `join`: before Python 3.13 an interrupted one takes the thread for ended, and the end does not wait.
        while not done.wait(_LOOK_S):
            watched.check()
    except BaseException:
        left.set()
        watched.end()
        raise
    if problems:
        raise problems.pop()
    return found[0]


class Turns:
    """Lets a few of several threads work at a time, those first whose number is lowest.

    Parameters
    ----------
    most
        How many at a time.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: list[int] = []
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def turn(self, number: int) -> Iterator[None]:
        """Work with a turn, which `elsewhere` lends to others; waits for it.

        Parameters
        ----------
        number
            No two threads may wait with the same one.
        """
        self.take(number)
        token = _turn.set((self, number))
        try:
            yield
        finally:
            _turn.reset(token)
            self.give_back()

    def take(self, number: int) -> None:
        """Wait for a turn; see `turn`."""
        with self._changed:
            heappush(self._waiting, number)
            self._changed.wait_for(lambda: self._free and self._waiting[0] == number)
            heappop(self._waiting)
            self._free -= 1
            # Whoever comes next may find one free, too.
            self._changed.notify_all()

    def give_back(self) -> None:
        """Let the next one work."""
        with self._changed:
            self._free += 1
            self._changed.notify_all()


_turn: ContextVar[tuple[Turns, int] | None] = ContextVar("turn", default=None)


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    """Let others have this thread's turn, if it has one, while something else than the processor works for it.

    What is lent already is not lent again.
    """
    held = _turn.get()
    if held is None:
        yield
        return
    turns, number = held
    turns.give_back()
    token = _turn.set(None)
    try:
        yield
    finally:
        _turn.reset(token)
        turns.take(number)


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


class Shared(Unshown):
    """Progress that several threads look at, of which one may not be waited for.

    It is asked by one thread at a time, and no more once it ended the work: who was told to stop is not asked again.

    Parameters
    ----------
    whole
        What is asked.
    """

    def __init__(self, whole: Progress) -> None:
        super().__init__(whole)
        self._asking = threading.Lock()
        self._ended = False

    def end(self) -> None:
        """Make every later `check` raise `Cancelled`."""
        self._ended = True

    def advance(self, fraction: float, text: str = "") -> None:
        """Only check."""
        self.check()

    def check(self) -> None:
        """Raise `Cancelled` after the end, or what the whole raises, which is the end, too."""
        with self._asking:
            if self._ended:
                raise Cancelled
            try:
                super().check()
            except BaseException:
                self._ended = True
                raise
