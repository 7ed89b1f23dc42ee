"""One network and many threads: one computes at a time, and pieces of a song that go side by side together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from stemeditor import threads
from stemeditor.errors import Cancelled
from stemeditor.methods.device import Separation
from stemeditor.methods.exported import Array
from stemeditor.progress import Progress

_LOOK_S = 0.04


@dataclass(slots=True, eq=False)
class Task:
    """A piece that waits for a network, the device that shall compute it, what it is for, and what came of it."""

    sound: Array
    place: str
    progress: Progress
    separation: Separation
    done: bool = False
    found: Array | None = None
    problem: BaseException | None = None

    def is_like(self, other: Task) -> bool:
        """Whether both can be computed at once."""
        return (self.place, self.separation, self.sound.shape) == (other.place, other.separation, other.sound.shape)

    def result(self) -> Array:
        """Return what was found, or raise what went wrong."""
        if self.problem is not None:
            raise self.problem
        assert self.found is not None
        return self.found


@dataclass(slots=True, eq=False)
class _Met:
    """A task that waits for those of its group, and what it is computed with once that is known."""

    number: int
    network: object
    most: int
    task: Task
    tasks: list[Task] = field(default_factory=list)

    def is_like(self, other: _Met) -> bool:
        return not other.tasks and other.network is self.network and other.task.is_like(self.task)


class Group:
    """Pieces of a song that go side by side: what they ask networks for is known before any of it is computed.

    Which of them are computed at once so depends on nothing but the song. Else it would on who came first, and with it
    the last bits of what is found.

    Parameters
    ----------
    size
        How many pieces. Each must become a `member`, once, in a thread of its own.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._at_work = size
        self._met: list[_Met] = []
        self._changed = threading.Condition()

    @contextmanager
    def member(self, number: int) -> Iterator[None]:
        """Let this thread's piece be one of the group, until it is done; `number` says which."""
        token = _member.set((self, number))
        try:
            yield
        finally:
            _member.reset(token)
            with self._changed:
                self._at_work -= 1
                self._decide()

    def gathered(self, number: int, network: object, most: int, task: Task) -> list[Task]:
        """Return what is computed together with a task, itself included; waits until all members ask or are done.

        Whoever comes first in it computes it. Raises what the task's progress does.
        """
        met = _Met(number, network, most, task)
        with self._changed:
            self._met.append(met)
            self._at_work -= 1
            self._decide()
            try:
                while not met.tasks:
                    task.progress.check()
                    self._changed.wait(_LOOK_S)
            except BaseException:
                self._met.remove(met)
                self._at_work += 1
                raise
        return met.tasks

    def _decide(self) -> None:
        """If nobody is at work any more, let all who wait go on: as many at once as their network takes, or alone."""
        if self._at_work or not self._met:
            return
        waiting = sorted(self._met, key=lambda met: met.number)
        self._met.clear()
        self._at_work = len(waiting)
        for first in waiting:
            if not first.tasks:
                like = [met for met in waiting if first.is_like(met)][: first.most]
                together = like if len(like) == first.most else [first]
                for met in together:
                    met.tasks = [one.task for one in together]
        self._changed.notify_all()


_member: ContextVar[tuple[Group, int] | None] = ContextVar("member", default=None)


class Batcher:
    """Lets one thread at a time compute: its own task, or several of its group that can be computed at once."""

    def __init__(self) -> None:
        self._waiting: list[Task] = []
        self._busy = False
        self._changed = threading.Condition()

    def run(self, task: Task, compute: Callable[[list[Task]], None], most: int = 1) -> Array:
        """Return what comes of a task. Whoever has to wait looks at its progress meanwhile.

        Parameters
        ----------
        task
            Not done yet.
        compute
            Does tasks that are alike, one or more, at once or one after the other: each is `done` behind it, with what
            was found or what went wrong.
        most
            How many may be computed at once, if there are so many that are like this one in its group; else one is,
            for accelerators make plans for every number.

        Raises
        ------
        BaseException
            What went wrong with this task.
        """
        member = _member.get()
        if member is None or not 1 < most <= member[0].size:
            self._run([task], compute)
            return task.result()
        group, number = member
        # Only who has to wait lets the processor begin another piece: else they would all be late.
        with threads.elsewhere():
            tasks = group.gathered(number, self, most, task)
            if tasks[0] is task:
                self._run(tasks, compute)
            else:
                self._wait(task, lambda: task.done)
        return task.result()

    def if_idle(self, work: Callable[[], None]) -> bool:
        """Do something, while nobody computes, unless somebody does or waits for it; return whether it was done."""
        with self._changed:
            if self._busy or self._waiting:
                return False
            self._busy = True
        self._do([], lambda tasks: work())
        return True

    def _run(self, tasks: list[Task], compute: Callable[[list[Task]], None]) -> None:
        """Compute tasks as soon as nobody computes others."""
        if self._take():
            self._do(tasks, compute)
            return
        with threads.elsewhere():
            try:
                self._wait(tasks[0], self._take)
            except BaseException:
                for other in tasks[1:]:
                    other.problem, other.done = Cancelled(), True
                raise
            self._do(tasks, compute)

    def _take(self) -> bool:
        """Begin to compute, if nobody does; return whether that is so."""
        with self._changed:
            if self._busy:
                return False
            self._busy = True
            return True

    def _wait(self, task: Task, over: Callable[[], bool]) -> None:
        """Wait until something is so, looked at whenever somebody has computed."""
        with self._changed:
            self._waiting.append(task)
            try:
                while not over():
                    task.progress.check()
                    self._changed.wait(_LOOK_S)
            finally:
                self._waiting.remove(task)

    def _do(self, tasks: list[Task], compute: Callable[[list[Task]], None]) -> None:
        try:
            compute(tasks)
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
