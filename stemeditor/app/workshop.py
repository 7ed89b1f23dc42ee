"""Background work as the window sees it, above the verbs that act at once (`desk`). No widgets in here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PySide6.QtCore import Signal

from stemeditor.app.desk import Desk
from stemeditor.app.job_state import JobState, Ongoing
from stemeditor.app.messages import Notice, notice_of
from stemeditor.app.relay import Relay
from stemeditor.errors import UserError
from stemeditor.jobs.job import Advanced, Crashed, Done, Event, Failed, Job, Posted, Started, Stopped
from stemeditor.jobs.pool import COMPUTE, VIEW, Pool
from stemeditor.mixing.player import Player
from stemeditor.project.document import Document


def ignore(piece: object) -> None:
    """What becomes of pieces, or of a result, that nobody needs."""


class Workshop(Desk):
    """Hands jobs to the pool and takes home what they tell. Main thread only.

    Answers come back through the relay; one whose question is no longer asked is dropped.

    Parameters
    ----------
    document, player
        See `Desk`.
    relay
        Brings what the workers tell into this thread.
    pool
        Where the workers are.
    """

    jobs_changed = Signal()
    noticed = Signal(object)
    """(Notice)"""

    def __init__(self, document: Document, player: Player, relay: Relay, pool: Pool) -> None:
        super().__init__(document, player)
        self.pool = pool
        self._relay = relay
        self._ongoing: dict[int, Ongoing] = {}
        self._states: dict[int, JobState] = {}
        self._closed = False
        relay.receive(self._arrived)

    @property
    def jobs(self) -> tuple[JobState, ...]:
        """Jobs that wait, run, or failed and were not dismissed; oldest first."""
        return tuple(self._states.values())

    def state_of(self, job: Job | None) -> JobState | None:
        """Return what is known of a job; None if it is over, or there is none."""
        return self._states.get(job.id) if job is not None else None

    @property
    def learning(self) -> bool:
        """Whether something goes on that takes hours."""
        return any(state.lasting and state.state != "failed" for state in self.jobs)

    @property
    def closed(self) -> bool:
        """Whether the program is ending."""
        return self._closed

    def cancel_job(self, job_id: int) -> None:
        """Stop a job. The window forgets it now; the worker obeys as soon as it looks up."""
        ongoing = self._ongoing.pop(job_id, None)
        if ongoing is None:
            return
        ongoing.job.cancel()
        self._forget(ongoing.job)
        self._states.pop(job_id, None)
        self.jobs_changed.emit()

    def cancel_newest(self) -> None:
        """Stop the job that was begun last, whatever it does, unless it is to last."""
        under_way = [state.id for state in self.jobs if state.state != "failed" and not state.lasting]
        if under_way:
            self.cancel_job(under_way[-1])

    def dismiss_failed(self) -> bool:
        """Forget all failed jobs; returns whether there were any."""
        failed = [state.id for state in self.jobs if state.state == "failed"]
        for job_id in failed:
            del self._states[job_id]
        if failed:
            self.jobs_changed.emit()
        return bool(failed)

    def dismiss_job(self, job_id: int) -> None:
        """Forget a failed job."""
        if self._states.pop(job_id, None) is not None:
            self.jobs_changed.emit()

    def compute(
        self,
        title: str,
        work: Callable[..., Any],
        request: object,
        posted: Callable[[object], None],
        done: Callable[[Any], None],
        failed: Callable[[UserError], bool] = lambda error: False,
        queue: str = COMPUTE,
        lasting: bool = False,
    ) -> Job:
        """Run long work of a panel behind the others of a queue; what it gives is told here, in the main thread.

        What is `lasting` is not stopped by `cancel_newest`.
        """
        job = self._start(queue, title, work, request, "", posted, done, failed)
        self._state(job, lasting=lasting)
        return job

    def paint(
        self,
        work: Callable[..., Any],
        request: object,
        done: Callable[[Any], None] = ignore,
        queue: str = VIEW,
        failed: Callable[[UserError], bool] = lambda error: True,
    ) -> Job:
        """Compute something for the eye in the background; `done(result)` is called here, in the main thread.

        The window shows nothing of it. Cancel the job to forget it.
        """
        job = self.pool.submit(queue, "", work, request)
        self._ongoing[job.id] = Ongoing(job, ignore, done, failed)
        return job

    def notice(self, notice: Notice) -> None:
        """Tell the user something."""
        self.noticed.emit(notice)

    # Inside

    def _start(
        self,
        queue: str,
        title: str,
        work: Callable[..., Any],
        request: object,
        owner: str,
        posted: Callable[[object], None],
        done: Callable[[Any], None],
        failed: Callable[[UserError], bool] = lambda error: False,
    ) -> Job:
        job = self.pool.submit(queue, title, work, request, owner)
        self._ongoing[job.id] = Ongoing(job, posted, done, failed)
        self._states[job.id] = JobState(job.id, title, owner)
        self.jobs_changed.emit()
        return job

    def _arrived(self, event: Event) -> None:
        job = event.job
        ongoing = self._ongoing.get(job.id)
        if ongoing is None or ongoing.job is not job or self._closed:
            if isinstance(event, Crashed):
                notice_of(event.error)  # nobody waits for it any more, but a bug is a bug: into the log
            return
        if isinstance(event, Started):
            self._state(job, state="running")
        elif isinstance(event, Advanced):
            self._state(job, fraction=event.fraction, text=event.text, left_s=event.left_s)
        elif isinstance(event, Posted):
            ongoing.posted(event.piece)
        else:
            self._ended(ongoing, event)

    def _ended(self, ongoing: Ongoing, event: Done | Stopped | Failed | Crashed) -> None:
        job = ongoing.job
        del self._ongoing[job.id]
        # What was cancelled when it was done already is not waited for any more.
        if isinstance(event, Done) and not job.cancelled:
            ongoing.done(event.result)
            self._forget(job)
            self._states.pop(job.id, None)
        else:
            self._forget(job)
            if isinstance(event, Failed) and not ongoing.failed(event.error):
                self._state(job, state="failed", text=event.error.message, hint=event.error.hint, left_s=None)
                self.noticed.emit(notice_of(event.error))
            else:
                self._states.pop(job.id, None)
                if isinstance(event, Crashed) and (notice := notice_of(event.error)) is not None:
                    self.noticed.emit(notice)
                    ongoing.failed(UserError(notice.text, notice.hint))
        if job.title:
            self.jobs_changed.emit()
            self.transport_changed.emit()

    def _state(self, job: Job, **fields: Any) -> None:
        if job.id not in self._states:
            return
        self._states[job.id] = replace(self._states[job.id], **fields)
        self.jobs_changed.emit()

    def _forget(self, job: Job) -> None:
        """Drop what a job that is over left half done."""
