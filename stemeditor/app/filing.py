"""Keeping projects in files: saving them, and what would be lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stemeditor import paths
from stemeditor.errors import UserError
from stemeditor.jobs.pool import DISK
from stemeditor.project.description import Place

if TYPE_CHECKING:
    from stemeditor.app.controller import Controller
    from stemeditor.jobs.projects import SaveRequest


def _ignore(piece: object) -> None:
    """A job that gives nothing before its end."""


def _untold(error: UserError) -> bool:
    """A save that failed is told as every job is."""
    return False


class Filing:
    """Saves the project of a controller. Main thread only."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._document = controller.document
        self._jobs: set[int] = set()
        self._waiting: list[Callable[[], object]] = []
        controller.jobs_changed.connect(self._go_on)

    @property
    def path(self) -> Path | None:
        """The file of the present project; None if it was never saved."""
        return self._document.path

    @property
    def can_save(self) -> bool:
        """Whether there is a project to be saved."""
        return self._document.base.song is not None

    @property
    def saving(self) -> bool:
        """Whether a file is being written."""
        return any(job.id in self._jobs and job.state != "failed" for job in self._controller.jobs)

    @property
    def unsaved(self) -> bool:
        """Whether there is something that its file does not hold, or that has no file: stems of the user's own song."""
        project = self._document.base
        if self.path is not None:
            return self._document.modified
        own = project.song is not None and project.song.path != paths.resource("demo", "demo.flac")
        return own and bool(project.stems)

    def save(self, path: Path | None = None, then: Callable[[], None] | None = None) -> None:
        """Write the project to its file, or to another, which is its file from now on.

        Parameters
        ----------
        path
            The file; the one it has if None.
        then
            Called when it is written, and not at all if that fails.
        """
        from stemeditor.jobs.projects import SaveRequest, save_project
        from stemeditor.project.storage import Kept

        controller, project = self._controller, self._document.base
        path = path or self.path
        if project.song is None or path is None:
            return
        # A fader that is still held is let go: what follows is not part of what was saved.
        place = Place(controller.player.position, controller.selection, controller.looping)
        self._document.seal()

        def saved(request: SaveRequest) -> None:
            self._document.note_saved(request.kept.project, request.path)
            controller.remember_file(request.path)
            if then is not None:
                then()

        request = SaveRequest(Kept(project, place), path)
        job = controller.compute(f"Save {path.stem}", save_project, request, _ignore, saved, _untold, DISK)
        self._jobs.add(job.id)

    def when_saved(self, then: Callable[[], object]) -> None:
        """Call `then()` as soon as no file is being written: now, or later."""
        self._waiting.append(then)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and not self.saving:
            self._waiting.pop(0)()
