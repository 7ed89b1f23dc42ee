"""The one thing that changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from stemeditor.project.history import History
from stemeditor.project.model import Project

Change = Callable[[Project], Project]


@dataclass(frozen=True, slots=True, eq=False)
class _Preview:
    state: Project
    rejoin: Callable[[Project, Project], Project]


class Document:
    """The present project, its history, what is on its way, and who wants to know. Main thread only.

    A *preview* is a result that is still being computed: it is shown and heard, and edits reach it, but it is not part
    of the history until it is committed, so that a cancelled or failed job leaves nothing behind.
    """

    def __init__(self) -> None:
        self._history = History(Project())
        self._preview: _Preview | None = None
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
        return self._history.undo_name

    @property
    def redo_name(self) -> str | None:
        """Name of what redo would bring back."""
        return self._history.redo_name

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after every change of `shown` or of the history."""
        self._listeners.append(listener)

    def apply(self, name: str, change: Change, merge: str = "") -> None:
        """Change the project as one named step, or as part of the last if both have the same `merge` key.

        A change that changes nothing makes no step. A preview gets the same change.
        """
        before = self.base
        after = change(before)
        preview = self._preview
        shown = preview.state if preview else None
        if preview is not None:
            self._preview = replace(preview, state=change(preview.state))
        if after is not before:
            self._history.add(name, after, merge)
        if after is not before or (self._preview is not None and self._preview.state is not shown):
            self._tell()

    def seal(self) -> None:
        """End a drag: the next change is a step of its own."""
        self._history.seal()

    def undo(self) -> None:
        """Take the last step back."""
        if self._history.undo():
            self._rejoin()

    def redo(self) -> None:
        """Bring the last undone step back."""
        if self._history.redo():
            self._rejoin()

    def begin_preview(self, state: Project, rejoin: Callable[[Project, Project], Project]) -> None:
        """Show `state` until it is committed or dropped.

        Parameters
        ----------
        state
            What to show.
        rejoin
            (project, preview) -> preview: how the preview looks after undo or redo changed the project.
        """
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
        self._history.add(name, state)
        self._tell()

    def drop_preview(self) -> None:
        """Forget the preview; the project is as it was."""
        if self._preview is not None:
            self._preview = None
            self._tell()

    def _rejoin(self) -> None:
        if self._preview is not None:
            state = self._preview.rejoin(self.base, self._preview.state)
            self._preview = replace(self._preview, state=state)
        self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()
