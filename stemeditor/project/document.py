"""The one thing that changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from stemeditor.project.description import Description, describe
from stemeditor.project.history import History, Step
from stemeditor.project.model import Project

Change = Callable[[Project], Project]


@dataclass(frozen=True, slots=True, eq=False)
class _Preview:
    state: Project
    rejoin: Callable[[Project, Project], Project]


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    holds: Description


class Document:
    """The present project, its history, where it is kept, what is on its way, and who wants to know. Main thread only.

    A *preview* is a result that is still being computed: it is shown and heard, edits reach it and can be taken back,
    but it is not part of the project until it is committed, so that a cancelled or failed job leaves nothing behind.
    While there is one, undo and redo keep to the song that it belongs to.
    """

    def __init__(self) -> None:
        self._history = History(Project())
        self._preview: _Preview | None = None
        self._files: dict[str, _File] = {}
        """By the ids of songs: undo may lead to another, and that has a file of its own."""
        self._listeners: list[Callable[[], None]] = []

    @property
    def base(self) -> Project:
        """What undo and redo move: the project without a preview."""
        return self._history.state

    @property
    def shown(self) -> Project:
        """What is seen and heard: the preview if there is one, else the project."""
        return self._preview.state if self._preview else self.base

    @property
    def previewing(self) -> bool:
        """Whether something shown is not yet part of the project."""
        return self._preview is not None

    @property
    def undo_name(self) -> str | None:
        """Name of what undo would take back."""
        return self._history.undo_name if self._reachable(self._history.before) else None

    @property
    def redo_name(self) -> str | None:
        """Name of what redo would bring back."""
        return self._history.redo_name if self._reachable(self._history.after) else None

    @property
    def undo_changes_song(self) -> bool:
        """Whether undo leads to another song, or to none."""
        return self._history.before is not None and _song_id(self._history.before.state) != _song_id(self.base)

    @property
    def redo_changes_song(self) -> bool:
        """Whether redo leads to another song, or to none."""
        return self._history.after is not None and _song_id(self._history.after.state) != _song_id(self.base)

    @property
    def projects(self) -> tuple[Project, ...]:
        """The projects with a song that one can come back to, each as it was left; the present one comes first."""
        left = {_song_id(state): state for state in self._history.states if state.song is not None}
        left.pop(_song_id(self.base), None)
        here = () if self.base.song is None else (self.base,)
        return (*here, *reversed(left.values()))

    @property
    def path(self) -> Path | None:
        """The file that the present project is kept in; None if there is none."""
        return self.path_of(self.base)

    def path_of(self, project: Project) -> Path | None:
        """Return the file that a project is kept in; None if there is none."""
        file = self._files.get(_song_id(project))
        return file.path if file else None

    def modified(self, project: Project) -> bool:
        """Whether a project is another than its file holds; not if it has none."""
        file = self._files.get(_song_id(project))
        return file is not None and file.holds != describe(project)

    def note_saved(self, state: Project, path: Path) -> None:
        """Note that a file holds a state of a project: the one that the project has from now on."""
        self._files[_song_id(state)] = _File(path, describe(state))
        self._tell()

    def note_unsaved(self, path: Path | None) -> None:
        """Note that the present project has a file, if it has one, that holds something else."""
        if path is not None:
            self._files[_song_id(self.base)] = _File(path, {})
            self._tell()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after every change of `shown` or of the history."""
        self._listeners.append(listener)

    def apply(self, name: str, change: Change, merge: str = "") -> None:
        """Change the project as one named step, or as part of the last if both have the same `merge` key.

        A change that changes nothing makes no step. A preview gets the same change.
        """
        before, shown = self.base, self.shown
        after = change(before)
        if self._preview is None:
            if after is before:
                return
            self._history.add(name, after, merge)
        else:
            state = change(shown)
            if after is before and state is shown:
                return
            self._preview = replace(self._preview, state=state)
            self._history.add(name, after, merge, state)
        self._tell()

    def seal(self) -> None:
        """End a drag: the next change is a step of its own."""
        self._history.seal()

    def undo(self) -> None:
        """Take the last step back."""
        if self.undo_name is not None and self._history.undo():
            self._rejoin()

    def redo(self) -> None:
        """Bring the last undone step back."""
        if self.redo_name is not None and self._history.redo():
            self._rejoin()

    def begin_preview(self, state: Project, rejoin: Callable[[Project, Project], Project]) -> None:
        """Show `state` until it is committed or dropped.

        Parameters
        ----------
        state
            What to show.
        rejoin
            (project, preview) -> preview: how the preview looks after undo or redo led to a project from before it.
        """
        self._history.settle()
        self._history.see(state)
        self._preview = _Preview(state, rejoin)
        self._tell()

    def update_preview(self, change: Change) -> None:
        """Change what is shown of a result on its way; nothing if there is no preview."""
        if self._preview is not None:
            self._preview = replace(self._preview, state=change(self._preview.state))
            self._tell()

    def commit_preview(self, name: str, finish: Change) -> None:
        """Make `finish(preview)` the project, as one named step."""
        if self._preview is None:
            raise RuntimeError("there is no preview to commit")
        state = finish(self._preview.state)
        self._preview = None
        self._history.settle()
        self._history.add(name, state)
        self._tell()

    def drop_preview(self) -> None:
        """Forget the preview; the project is as it was."""
        if self._preview is not None:
            self._preview = None
            self._history.settle()
            self._tell()

    def _reachable(self, step: Step | None) -> bool:
        """Whether undo or redo may lead there: not to another song under what is on its way."""
        if step is None or self._preview is None or step.preview is not None:
            return step is not None
        return _song_id(step.state) == _song_id(self.base) == _song_id(self._preview.state)

    def _rejoin(self) -> None:
        if self._preview is not None:
            now, seen = self._preview.state, self._history.preview
            state = self._preview.rejoin(self.base, now) if seen is None else replace(seen, filled=now.filled)
            self._preview = replace(self._preview, state=state)
            self._history.see(state)
        self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()


def _song_id(project: Project) -> str:
    return project.song.id if project.song else ""
