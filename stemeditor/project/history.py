"""Named states that one can go back to."""

from __future__ import annotations

from dataclasses import dataclass

from stemeditor.project.model import Project


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What a change was called, the state it led to, and what later changes it may absorb.

    Parameters
    ----------
    name
        Such as "Mute drums"; the window shows "Undo mute drums".
    state
        The project after the change.
    merge
        Changes that follow with the same key become part of this step (a drag is one step); "" for none.
    """

    name: str
    state: Project
    merge: str = ""


class History:
    """A line of states with a present one. Main thread only.

    Parameters
    ----------
    first
        The state that nothing leads to.
    limit
        How many steps are kept; older ones fall off.
    """

    def __init__(self, first: Project, limit: int = 500) -> None:
        self._steps = [Step("", first)]
        self._index = 0
        self._limit = limit
        self._sealed = True

    @property
    def state(self) -> Project:
        """The present state."""
        return self._steps[self._index].state

    @property
    def undo_name(self) -> str | None:
        """Name of the change that undo takes back; None if there is none."""
        return self._steps[self._index].name if self._index > 0 else None

    @property
    def redo_name(self) -> str | None:
        """Name of the change that redo brings back; None if there is none."""
        return self._steps[self._index + 1].name if self._index + 1 < len(self._steps) else None

    def add(self, name: str, state: Project, merge: str = "") -> None:
        """Make `state` the present; what had been undone is gone. Merges with the last step if it may."""
        last = self._steps[self._index]
        del self._steps[self._index + 1 :]
        if merge and not self._sealed and last.merge == merge:
            self._steps[self._index] = Step(name, state, merge)
            return
        self._steps.append(Step(name, state, merge))
        self._index += 1
        self._sealed = False
        if self._index > self._limit:
            del self._steps[0]
            self._index -= 1

    def seal(self) -> None:
        """End a drag: the next change starts a step of its own, whatever its key."""
        self._sealed = True

    def undo(self) -> bool:
        """Go one step back; False if there is none."""
        if self._index == 0:
            return False
        self._index -= 1
        self._sealed = True
        return True

    def redo(self) -> bool:
        """Go one step forward; False if there is none."""
        if self._index + 1 >= len(self._steps):
            return False
        self._index += 1
        self._sealed = True
        return True
