"""What an accident would cost, kept in files of the program's own until it is saved or given up.

Every run of the program marks its files with a lock that goes with it, however it ends: files whose lock nobody holds
were left by a run that did not end as it should.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from stemeditor import paths
from stemeditor.errors import FileProblem
from stemeditor.progress import Progress
from stemeditor.project import storage
from stemeditor.project.description import sounds
from stemeditor.project.model import new_id
from stemeditor.project.storage import ENDING, Kept

log = logging.getLogger(__name__)

_LOCK, _NOTE = ".lock", ".json"


@dataclass(frozen=True, slots=True, eq=False)
class KeepRequest:
    """Keep a project in `file`, with its title and the file that is its own beside it."""

    kept: Kept
    file: Path
    title: str
    path: Path | None


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a run of the program did not come to save.

    Parameters
    ----------
    file
        Holds the project.
    title
        What it is called.
    path
        The file that the user keeps it in; None if there is none.
    """

    file: Path
    title: str
    path: Path | None


class Rescue:
    """The files of one run of the program.

    Parameters
    ----------
    folder
        Where those of all runs lie; made when there is something to keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._run = new_id()
        self._own: FileLock | None = None
        self._others: list[FileLock] = []

    def file(self, name: str) -> Path:
        """Return where a project of that name is to be kept. Raises OSError where no files can be."""
        if self._own is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._folder / f"{self._run}{_LOCK}")
            lock.acquire(timeout=0)
            self._own = lock
        return self._folder / f"{self._run}-{name}{ENDING}"

    def leftovers(self) -> tuple[Leftover, ...]:
        """Return what runs left that are no more, the newest first; no other run finds it as long as this one runs."""
        found: list[Leftover] = []
        for place in self._folder.glob(f"*{_LOCK}"):
            lock = FileLock(place)
            with contextlib.suppress(Timeout, OSError):
                lock.acquire(timeout=0)
                self._others.append(lock)
                found += self._left_by(place.name.removesuffix(_LOCK))
        return tuple(sorted(found, key=lambda left: paths.written(left.file), reverse=True))

    def close(self, leftovers: Iterable[Leftover] = ()) -> None:
        """Give up all that this run kept, and what it had brought back; what else others left stays."""
        for file in (*self._folder.glob(f"{self._run}-*{ENDING}"), *(left.file for left in leftovers)):
            _remove(file)
        for lock in (*self._others, *([self._own] if self._own else [])):
            place = Path(lock.lock_file)
            lock.release()
            if not any(self._folder.glob(f"{place.name.removesuffix(_LOCK)}-*{ENDING}")):
                place.unlink(missing_ok=True)
        self._own = None
        self._others.clear()

    def _left_by(self, run: str) -> list[Leftover]:
        if run == self._run:
            return []
        found = []
        for file in self._folder.glob(f"{run}-*{ENDING}"):
            try:
                note = json.loads(file.with_suffix(_NOTE).read_text(encoding="utf-8"))
                found.append(Leftover(file, str(note["title"]), Path(note["path"]) if note["path"] else None))
            except (OSError, ValueError, LookupError, TypeError) as problem:
                # It died before the first was whole.
                log.info("nothing can be made of what a run left: %s", problem)
                _remove(file)
        return found


def keep(request: KeepRequest, progress: Progress) -> KeepRequest:
    """Keep a project; returns what was kept.

    Raises
    ------
    FileProblem
        If it cannot be written, or the disk would be nearly full.
    """
    audios = [sound.audio for sound in sounds(request.kept.project).values()]
    size = 0 if request.file.exists() else sum(4 * audio.channels * audio.frames for audio in audios)
    if not paths.room_for(size, request.file.parent):
        raise FileProblem("There is too little room to keep what is not saved.", "Free some space.")
    storage.save(request.kept, request.file, progress)
    note = {"title": request.title, "path": str(request.path) if request.path else ""}
    paths.write_whole(request.file.with_suffix(_NOTE), json.dumps(note))
    return request


def give_up(file: Path, progress: Progress) -> None:
    """Remove what was kept in a file: a large one takes a system a while."""
    _remove(file)


def _remove(file: Path) -> None:
    for one in (file, file.with_suffix(_NOTE)):
        with contextlib.suppress(OSError):
            one.unlink(missing_ok=True)
