"""The whole threading story of the program, except for the sound output.

Five queues with one worker each, so that what needs the processor, what needs the disk, what the eye waits for, what
comes over the network and what learns for hours do not stand in each other's way. A worker takes the oldest job of its
queue, runs it, and takes the next.
"""

from __future__ import annotations

import itertools
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable

from stemeditor.jobs.job import Event, Job, Work

COMPUTE = "compute"
DISK = "disk"
VIEW = "view"
NET = "net"
LEARN = "learn"
QUEUES = (COMPUTE, DISK, VIEW, NET, LEARN)

_NICENESS = {COMPUTE: 10, DISK: 5, VIEW: 5, NET: 10, LEARN: 10}

log = logging.getLogger(__name__)


class Pool:
    """Runs jobs in the background.

    Parameters
    ----------
    listener
        Called with every event, in the worker's thread.
    """

    def __init__(self, listener: Callable[[Event], None]) -> None:
        self._listener = listener
        self._ids = itertools.count(1)
        self._queues: dict[str, queue.SimpleQueue[Job | None]] = {name: queue.SimpleQueue() for name in QUEUES}
        self._jobs: dict[int, Job] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, args=(name,), name=f"stemeditor-{name}", daemon=True)
            for name in QUEUES
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, queue_name: str, title: str, work: Work, request: object, owner: str = "") -> Job:
        """Put work into a queue; returns at once.

        Raises
        ------
        RuntimeError
            After `close`.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is closed")
            job = Job(next(self._ids), title, owner, work, request, self._listener)
            self._jobs[job.id] = job
        self._queues[queue_name].put(job)
        return job

    def cancel_all(self, owner: str | None = None) -> None:
        """Ask every job to stop, or every job of one owner."""
        with self._lock:
            for job in self._jobs.values():
                if owner is None or job.owner == owner:
                    job.cancel()

    def close(self, wait_s: float = 10.0) -> None:
        """Cancel everything and wait for the workers; harmless when repeated."""
        with self._lock:
            already, self._closed = self._closed, True
        if already:
            return
        self.cancel_all()
        for waiting in self._queues.values():
            waiting.put(None)
        for thread in self._threads:
            thread.join(wait_s)
            if thread.is_alive():
                log.warning("the worker %s did not stop within %g s", thread.name, wait_s)

    def _serve(self, name: str) -> None:
        _step_back(_NICENESS[name])
        while (job := self._queues[name].get()) is not None:
            try:
                job.run()
            finally:
                with self._lock:
                    del self._jobs[job.id]


def _step_back(niceness: int) -> None:
    """Let the sound output and the window go before this thread, where the system counts threads one by one."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
