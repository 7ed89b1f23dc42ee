"""One network and many threads: whoever finds it free computes what others wait for together with its own piece."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from stemeditor import threads
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


class Batcher:
    """Lets one thread at a time compute: its own task, and those beside it that can be computed at once.

    As long as nobody waits every task is computed alone, and none waits for others to come.
    """

    def __init__(self) -> None:
        self._waiting: list[Task] = []
        self._busy = False
        self._changed = threading.Condition()

    def run(self, task: Task, compute: Callable[[list[Task]], None], most: Callable[[Task], int]) -> Array:
        """Return what comes of a task. Whoever has to wait looks at its progress meanwhile.

        Parameters
        ----------
        task
            Not done yet.
        compute
            Does tasks that are alike, one or more: each is `done` behind it, with what was found or what went wrong.
        most
            Returns how many tasks are computed at once if there are so many that are like this one; it is so many, or
            one: accelerators make plans for every number.

        Raises
        ------
        BaseException
            What went wrong with this task.
        """
        with self._changed:
            self._waiting.append(task)
            tasks = [] if self._busy else self._taken(task, most)
        if tasks:
            self._do(tasks, compute)
        else:
            # Only who has to wait lets the processor begin another piece: else they would all be late.
            with threads.elsewhere():
                tasks = self._waited(task, most)
                if tasks:
                    self._do(tasks, compute)
        return task.result()

    def if_idle(self, work: Callable[[], None]) -> bool:
        """Do something, while nobody computes, unless somebody does or waits for it; return whether it was done."""
        with self._changed:
            if self._busy or self._waiting:
                return False
            self._busy = True
        self._do([], lambda tasks: work())
        return True

    def _waited(self, task: Task, most: Callable[[Task], int]) -> list[Task]:
        """Wait, and return what is to be computed; nothing if another thread has done the task."""
        with self._changed:
            try:
                while self._busy and not task.done:
                    self._changed.wait(_LOOK_S)
                    task.progress.check()
            except BaseException:
                if task in self._waiting:
                    self._waiting.remove(task)
                raise
            return [] if task.done else self._taken(task, most)

    def _taken(self, task: Task, most: Callable[[Task], int]) -> list[Task]:
        """Take a task, and what can be computed with it, off those that wait."""
        self._busy = True
        like = [other for other in self._waiting if other is not task and other.is_like(task)]
        more = most(task) - 1
        tasks = [task, *like[:more]] if len(like) >= more else [task]
        self._waiting = [other for other in self._waiting if other not in tasks]
        return tasks

    def _do(self, tasks: list[Task], compute: Callable[[list[Task]], None]) -> None:
        try:
            compute(tasks)
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
