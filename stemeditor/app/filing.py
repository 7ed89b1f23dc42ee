"""Keeping projects in files: saving them, and what would be lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stemeditor import paths
from stemeditor.app.workshop import ignore
from stemeditor.jobs.pool import DISK
from stemeditor.project.model import Project

if TYPE_CHECKING:
    from stemeditor.app.controller import Controller
    from stemeditor.jobs.projects import ProjectFile


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
        """Whether the present project is another than its file holds, or has stems and no file."""
        return self.is_unsaved(self._document.base)

    @property
    def at_risk(self) -> tuple[Project, ...]:
        """What is lost when the program ends, of all that one can come back to; the present project comes first.

        What never had a file and was exported is not.
        """
        kept = self._document.path_of
        return tuple(
            project
            for project in self._document.projects
            if self.is_unsaved(project) and (kept(project) or not self._controller.was_exported(project))
        )

    def is_unsaved(self, project: Project) -> bool:
        """Whether a project is another than its file holds, or has stems and no file. The demo's are nobody's."""
        if self._document.path_of(project) is not None:
            return self._document.modified(project)
        own = project.song is not None and project.song.path != paths.resource("demo", "demo.flac")
        return own and bool(project.stems)

    def name(self, project: Project) -> str:
        """Return what a project is called: as its file if it has one, else as its song."""
        path = self._document.path_of(project)
        return path.stem if path else project.song.title if project.song else ""

    def save(self, path: Path | None = None, then: Callable[[], object] | None = None) -> None:
        """Write the project to its file, or to another, which is its file from now on.

        Parameters
        ----------
        path
            The file; the one it has if None.
        then
            Called when it is written, and not at all if that fails.
        """
        from stemeditor.jobs.projects import ProjectFile, save_project
        from stemeditor.project.storage import Kept

        controller, project = self._controller, self._document.base
        path = path or self.path
        if project.song is None or path is None:
            return
        place = controller.place
        # A fader that is still held: what follows is a step of its own, so that undo leads to what was saved.
        self._document.seal()

        def saved(request: ProjectFile) -> None:
            self._document.note_saved(request.kept.project, request.path)
            controller.remember_file(request.path)
            if then is not None:
                then()

        controller.recovery.give_way()
        request = ProjectFile(Kept(project, place), path)
        job = controller.compute(f"Save {path.stem}", save_project, request, ignore, saved, queue=DISK)
        self._jobs.add(job.id)

    def when_saved(self, then: Callable[[], object]) -> None:
        """Call `then()` as soon as no file is being written: now, or later."""
        self._waiting.append(then)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and not self.saving:
            self._waiting.pop(0)()
