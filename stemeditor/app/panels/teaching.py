"""A training that goes on, as panels show and stop it."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, Signal

from stemeditor.app.controller import Controller
from stemeditor.app.durations import spoken
from stemeditor.app.job_state import JobState
from stemeditor.errors import UserError
from stemeditor.jobs.job import Job
from stemeditor.jobs.pool import LEARN
from stemeditor.jobs.training import TrainRequest, begun, train_network
from stemeditor.training.curves import Watched
from stemeditor.training.plan import Plan

_TELLING_S = 20.0
"""Of learning, from which on what is left can be told."""


class Teaching(QObject):
    """Starts, stops and follows one training. There is one for a controller (`teaching_of`): panels come and go.

    Parameters
    ----------
    controller
        Runs it, and keeps this.
    """

    changed = Signal()
    """It is further, or over."""
    ended = Signal(str, str)
    """(name, what is wrong, or "")"""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._controller = controller
        self._job: Job | None = None
        self._looks: list[Watched] = []
        self._began: tuple[float, float] | None = None
        self._seen: JobState | None = None
        self.name = ""
        controller.jobs_changed.connect(self._looked)

    @property
    def running(self) -> bool:
        """Whether something is being learned."""
        return self._job is not None

    @property
    def looks(self) -> tuple[Watched, ...]:
        """What the training has come to so far."""
        return tuple(self._looks)

    @property
    def text(self) -> str:
        """How far it is, in words."""
        state = self._state()
        if state is None:
            return ""
        left = self._left_s(state)
        return f"{state.text.capitalize() or 'Starting…'}{f'; {spoken(left)} left' if left else ''}"

    def start(self, plan: Plan) -> None:
        """Learn by a plan, or go on with it, unless something is being learned."""
        if self.running:
            return
        self.name = plan.output.name
        found = begun(self.name)
        self._looks = list(found[1]) if found is not None else []
        self._began = self._seen = None
        self._job = self._controller.compute(
            f"Train {self.name}",
            train_network,
            TrainRequest(plan),
            self._posted,
            lambda key: self._end(""),
            self._fail,
            LEARN,
            lasting=True,
        )
        self.changed.emit()

    def stop(self) -> None:
        """Stop it; what was learned is kept."""
        if self._job is not None:
            job, self._job = self._job, None
            self._controller.cancel_job(job.id)
            self.changed.emit()

    def _state(self) -> JobState | None:
        return self._controller.state_of(self._job)

    def _left_s(self, state: JobState) -> float | None:
        """Return the seconds to its end: it may have begun in the middle, so its own estimate would be wrong."""
        if self._began is None:
            return None
        began_s, fraction = self._began
        spent, done = time.monotonic() - began_s, state.fraction - fraction
        return spent * (1 - state.fraction) / done if spent > _TELLING_S and done > 0 else None

    def _looked(self) -> None:
        if self._job is None:
            return
        state, before = self._state(), self._seen
        if state == before:
            # Another job is further.
            return
        self._seen = state
        if state is None:
            # It was stopped elsewhere.
            self._job = None
        elif self._began is None and state.text.startswith("step"):
            self._began = time.monotonic(), state.fraction
        self.changed.emit()

    def _posted(self, piece: object) -> None:
        if isinstance(piece, Watched):
            self._looks.append(piece)
            self.changed.emit()

    def _end(self, trouble: str) -> None:
        self._job = None
        self.changed.emit()
        self.ended.emit(self.name, trouble)

    def _fail(self, error: UserError) -> bool:
        self._end(str(error))
        return True


def teaching_of(controller: Controller) -> Teaching:
    """Return the training of a controller."""
    found = controller.findChild(Teaching)
    return found if found is not None else Teaching(controller)
