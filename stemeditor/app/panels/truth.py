"""The true stems of a song: found beside it, or in a folder that a person names, and read in the background."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from stemeditor.app.controller import Controller
from stemeditor.errors import UserError
from stemeditor.evaluation.datasets import Reference, TrueSong, find
from stemeditor.jobs.job import Job
from stemeditor.jobs.tasks import LoadRequest, load_true_stems
from stemeditor.project.model import Song


class TrueStems(QWidget):
    """A button that asks for the folder, and what there is.

    Parameters
    ----------
    controller
        Reads them.
    song
        The open song, whose stems they are.
    """

    found = Signal(object)
    """(TrueSong) of the shape of the song."""
    ended = Signal()
    """Nothing is read any more; they were found, or not."""

    def __init__(self, controller: Controller, song: Song) -> None:
        super().__init__()
        self._controller, self._song = controller, song
        self._job: Job | None = None
        self.choose = QPushButton("True stems…")
        self.choose.setToolTip("Choose a folder with the true stems of this song, to get scores")
        self.choose.setAutoDefault(False)
        self.choose.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.choose.clicked.connect(self._ask)
        self.told = QLabel("No true stems: no scores, but everything can be heard.")
        self.told.setWordWrap(True)
        self.told.setProperty("role", "small")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.choose)
        layout.addWidget(self.told)

    @property
    def reading(self) -> bool:
        """Whether they are being read."""
        return self._job is not None

    def look_beside(self) -> None:
        """Take the true stems that lie beside the song, if it is the mixture of a folder of stems."""
        try:
            beside = find(self._song.path.parent)
        except (UserError, OSError):
            return
        for reference in beside:
            if reference.mixture is not None and reference.mixture.path == self._song.path:
                self._read(reference)

    def use(self, path: Path) -> None:
        """Read the true stems in a folder."""
        try:
            self._read(find(path)[0])
        except UserError as problem:
            self.told.setText(problem.message)

    def show_stems(self, true: TrueSong) -> None:
        """Say which there are."""
        self.told.setText(f"True stems: {', '.join(true.stems)}.")

    def stop(self) -> None:
        """Read no further; nothing is told any more."""
        if self._job is not None:
            job, self._job = self._job, None
            self._controller.cancel_job(job.id)

    def _read(self, reference: Reference) -> None:
        self.stop()
        self.told.setText("Reading the true stems…")
        request = LoadRequest(reference, self._controller.cache_folder)
        self._job = self._controller.compute(
            "True stems", load_true_stems, request, _ignore, self._loaded, self._unloaded
        )

    def _loaded(self, true: TrueSong) -> None:
        self._job = None
        audio = self._song.sound.audio
        if (true.song.rate, true.song.frames, true.song.channels) != (audio.rate, audio.frames, audio.channels):
            self.told.setText("Those stems are of another length, rate or number of channels than the song.")
        else:
            self.show_stems(true)
            self.found.emit(true)
        self.ended.emit()

    def _unloaded(self, problem: UserError) -> bool:
        self._job = None
        self.told.setText(problem.message)
        self.ended.emit()
        return True

    def _ask(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder of true stems", str(self._song.path.parent))
        if path:
            self.use(Path(path))


def _ignore(piece: object) -> None:
    """Nothing of it is needed before the end."""
