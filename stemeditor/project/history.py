"""Named states that one can go back to."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    preview
        What was shown in the place of `state` because a result was on its way; None if none was.
    """

    name: str
    state: Project
    merge: str = ""
    preview: Project | None = None


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
    def states(self) -> tuple[Project, ...]:
        """All states that undo and redo lead to, and the present one, in the order in which they came to be."""
        return tuple(step.state for step in self._steps)

    @property
    def preview(self) -> Project | None:
        """What was shown of a result on its way when this was the present; None if none was."""
        return self._steps[self._index].preview

    @property
    def before(self) -> Step | None:
        """The step that undo leads to; None if there is none."""
        return self._steps[self._index - 1] if self._index > 0 else None

    @property
    def after(self) -> Step | None:
        """The step that redo leads to; None if there is none."""
        return self._steps[self._index + 1] if self._index + 1 < len(self._steps) else None

    @property
    def undo_name(self) -> str | None:
        """Name of the change that undo takes back; None if there is none."""
        return self._steps[self._index].name if self._index > 0 else None

    @property
    def redo_name(self) -> str | None:
        """Name of the change that redo brings back; None if there is none."""
        return self.after.name if self.after else None

    def add(self, name: str, state: Project, merge: str = "", preview: Project | None = None) -> None:
        """Make `state` the present; what had been undone is gone. Merges with the last step if it may."""
        last = self._steps[self._index]
        del self._steps[self._index + 1 :]
        if merge and not self._sealed and last.merge == merge:
            self._steps[self._index] = Step(name, state, merge, preview)
            return
        self._steps.append(Step(name, state, merge, preview))
        self._index += 1
        self._sealed = False
        if self._index > self._limit:
            del self._steps[0]
            self._index -= 1

    def seal(self) -> None:
        """End a drag: the next change starts a step of its own, whatever its key."""
        self._sealed = True

    def see(self, preview: Project) -> None:
        """Note what is shown from now on while the present state is the project."""
        self._steps[self._index] = replace(self._steps[self._index], preview=preview)
        self._sealed = True

    def settle(self) -> None:
        """Forget what was on its way, and the steps that changed nothing else."""
        kept: list[Step] = []
        index = 0
        for number, step in enumerate(self._steps):
            if not kept or step.state is not kept[-1].state:
                kept.append(replace(step, preview=None))
            if number == self._index:
                index = len(kept) - 1
        self._steps, self._index, self._sealed = kept, index, True

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
