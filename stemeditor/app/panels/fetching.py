"""Downloads of models, as panels show and stop them."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from stemeditor.app.controller import Controller
from stemeditor.app.job_state import JobState
from stemeditor.jobs.job import Job
from stemeditor.jobs.models import DownloadRequest, download_model
from stemeditor.jobs.pool import NET
from stemeditor.weights import catalogue


class Fetching(QObject):
    """Starts, stops and follows downloads. There is one for a controller (`fetching_of`): panels come and go.

    Parameters
    ----------
    controller
        Runs them, and keeps this.
    """

    changed = Signal()
    """One of them is further."""
    ended = Signal(str, str)
    """(key, what is wrong, or "")"""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._controller = controller
        self._running: dict[str, Job] = {}
        controller.jobs_changed.connect(self._looked)

    def start(self, key: str) -> None:
        """Fetch the weights of a model, unless that is being done."""
        if self.running(key):
            return
        self._running[key] = self._controller.compute(
            f"Download {catalogue.pack(key).title}",
            download_model,
            DownloadRequest(key),
            lambda piece: None,
            lambda found: self._end(key, ""),
            lambda error: self._fail(key, str(error)),
            NET,
        )
        self.changed.emit()

    def stop(self, key: str) -> None:
        """Stop a download; what has come is kept."""
        job = self._running.pop(key, None)
        if job is not None:
            self._controller.cancel_job(job.id)
        self.changed.emit()

    def running(self, key: str) -> bool:
        """Whether this model is being fetched."""
        return self._state(key) is not None

    @property
    def any(self) -> bool:
        """Whether a model is being fetched."""
        return any(self.running(key) for key in self._running)

    def text(self, key: str) -> str:
        """Return how far a download is, in words, or ""."""
        state = self._state(key)
        return (state.text or "Waiting") if state is not None else ""

    def _state(self, key: str) -> JobState | None:
        return self._controller.state_of(self._running.get(key))

    def _looked(self) -> None:
        if self._running:
            self.changed.emit()

    def _end(self, key: str, trouble: str) -> None:
        self._running.pop(key, None)
        self.ended.emit(key, trouble)

    def _fail(self, key: str, trouble: str) -> bool:
        self._end(key, trouble)
        return True


def fetching_of(controller: Controller) -> Fetching:
    """Return the downloads of a controller."""
    found = controller.findChild(Fetching)
    return found if found is not None else Fetching(controller)
