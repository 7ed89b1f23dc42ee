"""Keeping what is not saved, so that an accident costs some seconds of work and no more."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from stemeditor.errors import UserError
from stemeditor.jobs.job import Job
from stemeditor.jobs.pool import DISK
from stemeditor.project.description import Place, describe
from stemeditor.project.model import Project

if TYPE_CHECKING:
    from stemeditor.app.controller import Controller
    from stemeditor.jobs.rescue import KeepRequest, Leftover, Rescue

log = logging.getLogger(__name__)

_EVERY_MS = 10_000

_MOST = 3
"""Projects that are kept, the present one and those that were open last: stems take room."""


class Recovery(QObject):
    """Keeps what is at risk, some seconds after it changed. Main thread only.

    Parameters
    ----------
    controller
        Whose projects.
    folder
        Where.
    """

    def __init__(self, controller: Controller, folder: Path) -> None:
        super().__init__(controller)
        self._controller = controller
        self._folder = folder
        self._rescue: Rescue | None = None
        self._kept: dict[str, object] = {}
        """What is kept of each song: its project as it is described."""
        self._brought_back: list[Leftover] = []
        self._job: Job | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_EVERY_MS)
        self._timer.timeout.connect(self.keep)
        controller.document.listen(self._changed)

    @property
    def rescue(self) -> Rescue:
        """The files of this run of the program."""
        from stemeditor.jobs.rescue import Rescue

        if self._rescue is None:
            self._rescue = Rescue(self._folder)
        return self._rescue

    def keep(self) -> None:
        """Keep the first project at risk that is not yet kept as it is; give up what is no longer at risk."""
        if self._job is not None:
            return
        filing = self._controller.filing
        at_risk = {project.song.id: project for project in filing.at_risk[:_MOST] if project.song is not None}
        for song_id in self._kept.keys() - at_risk.keys():
            del self._kept[song_id]
            self._give_up(self.rescue.file(song_id))
        for song_id, project in at_risk.items():
            if self._kept.get(song_id) != describe(project):
                self._begin(song_id, project)
                return
        for leftover in self._brought_back:
            self.discard(leftover)
        self._brought_back.clear()

    def give_way(self) -> None:
        """Let what the user asked for have the disk; what is not kept yet is kept a little later."""
        if self._job is not None:
            self._controller.cancel_job(self._job.id)
            self._job = None
            self._timer.start()

    def leftovers(self) -> tuple[Leftover, ...]:
        """Return what earlier runs of the program did not come to save, the newest first."""
        return self.rescue.leftovers() if self._folder.is_dir() else ()

    def bring_back(self, leftover: Leftover) -> None:
        """Open what an earlier run left."""
        self._controller.open(leftover.file, leftover)

    def discard(self, leftover: Leftover) -> None:
        """Give up what an earlier run left."""
        self._give_up(leftover.file)

    def opened(self, leftover: Leftover) -> None:
        """Take note that it is open: it goes when this run keeps it, or needs it no more."""
        self._brought_back.append(leftover)

    def close(self) -> None:
        """Give up all that is kept: the program ends as it should."""
        self._timer.stop()
        if self._rescue is not None:
            self._rescue.close(self._brought_back)

    def _changed(self) -> None:
        # From the first change on, not the last: who turns faders for minutes is kept meanwhile.
        if not self._timer.isActive():
            self._timer.start()

    def _give_up(self, file: Path) -> None:
        from stemeditor.jobs.rescue import give_up

        self._controller.paint(give_up, file, queue=DISK)

    def _begin(self, song_id: str, project: Project) -> None:
        from stemeditor.jobs.rescue import KeepRequest, keep
        from stemeditor.project.storage import Kept

        controller = self._controller
        here = project is controller.document.base
        place = controller.place if here else Place()
        try:
            file = self.rescue.file(song_id)
        except OSError as problem:
            log.info("what is not saved cannot be kept: %s", problem)
            return
        path = controller.document.path_of(project)
        request = KeepRequest(Kept(project, place), file, controller.filing.name(project), path)
        told = describe(project)

        def kept(request: KeepRequest) -> None:
            self._job = None
            self._kept[song_id] = told
            self.keep()

        def failed(error: UserError) -> bool:
            # Nobody asked for it. It is tried again when there is something new.
            log.info("what is not saved was not kept: %s", error)
            self._job = None
            return True

        self._job = controller.paint(keep, request, kept, DISK, failed)
