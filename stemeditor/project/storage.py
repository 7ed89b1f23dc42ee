"""The project file: a project with all its sound, whole and exact, in one file that can be moved anywhere.

It is an SQLite database. What a file holds already need not be written again, so that a turned fader is saved at once,
however long the song; and a save that breaks off, by whatever accident, leaves what was there before.

    document    one row: the project in words (`description`), as JSON
    cover       the song's picture, if it has one
    sound       channels, rate in Hz and frames of each sound
    piece       its samples, float32, little-endian, frame by frame, `PIECE` frames a row; NULL for silence
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stemeditor import paths
from stemeditor.audio import troubles
from stemeditor.audio.buffer import Samples
from stemeditor.audio.peaks import Peaks
from stemeditor.audio.store import SoundStore, release_pages
from stemeditor.errors import FileProblem
from stemeditor.progress import Progress
from stemeditor.project import description
from stemeditor.project.description import Place
from stemeditor.project.model import Project, Sound

log = logging.getLogger(__name__)

ENDING = ".stemeditor"
"""How the names of project files end."""

VERSION = 1
"""Of what stands in the tables."""

PIECE = 1 << 18
"""Frames in a row of sound."""

_MAGIC = b"SQLite format 3\0"
_MARK = int.from_bytes(b"stem", "big")
"""What an SQLite file of ours says it belongs to."""

_MARK_AT = 68
_PAGE = 1 << 16
_PATIENCE_S = 3.0
_TABLES = """
    CREATE TABLE document (text TEXT NOT NULL);
    CREATE TABLE cover (picture BLOB NOT NULL);
    CREATE TABLE sound (id TEXT PRIMARY KEY, channels INTEGER NOT NULL, rate INTEGER NOT NULL, frames INTEGER NOT NULL);
    CREATE TABLE piece (sound TEXT NOT NULL, number INTEGER NOT NULL, sum INTEGER, samples BLOB,
                        PRIMARY KEY (sound, number));
"""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What a project file holds.

    Parameters
    ----------
    project
        With a song in it.
    place
        Where the person was.
    damaged
        Names of the lanes of which something could not be read; it is silent there.
    """

    project: Project
    place: Place = Place()
    damaged: tuple[str, ...] = ()


def is_project(path: Path) -> bool:
    """Whether a file says that it is one of ours; False also for one that cannot be read."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        head = file.read(_MARK_AT + 4)
        return head.startswith(_MAGIC) and head[_MARK_AT:] == _MARK.to_bytes(4, "big")
    return False


def save(kept: Kept, path: Path, progress: Progress) -> None:
    """Write a project to a file, in the place of what is there.

    If the file holds this project as it was earlier, only what is new is written.

    Raises
    ------
    FileProblem
        If it cannot be written; what was there is there still.
    """
    progress.advance(0.0, f"Saving {path.name}")
    try:
        there = _held(path)
        wanted = description.sounds(kept.project)
        if there and there <= wanted.keys():
            _add(kept, path, there, progress)
        else:
            _write_whole(kept, path, progress)
    except (OSError, sqlite3.Error) as problem:
        told = _told(problem, path)
        if told is None:
            raise
        raise told from problem


def load(path: Path, folder: Path, song_id: str, progress: Progress) -> Kept:
    """Read a project file.

    Parameters
    ----------
    path
        The file.
    folder
        Where the sound of this session lies: what happens to the file later is of no matter.
    song_id
        What its song is called in this session.

    Raises
    ------
    FileProblem
        If it is no project file, one of a later version of the program, or too damaged to be read.
    """
    troubles.check_readable(path)
    progress.advance(0.0, "Reading")
    try:
        with _opened(path) as base:
            return _read(base, path, folder, song_id, progress)
    except (sqlite3.Error, ValueError, LookupError, TypeError, RecursionError) as problem:
        if _code(problem) in _BUSY:
            raise _busy(path) from problem
        raise FileProblem(
            f"“{path.name}” is damaged and cannot be opened.", "Take an older copy, if there is one."
        ) from problem


# Writing


def _held(path: Path) -> set[str]:
    """Return the ids of the sounds that lie in a file already; none if it is not one of ours, as it is now."""
    if not is_project(path):
        return set()
    try:
        with _opened(path) as base:
            return {name for (name,) in base.execute("SELECT id FROM sound")} if _version(base) == VERSION else set()
    except sqlite3.DatabaseError as problem:
        if _code(problem) in _BUSY:
            raise
        log.info("%s is written anew: %s", path.name, problem)
        return set()


def _add(kept: Kept, path: Path, there: set[str], progress: Progress) -> None:
    """Bring a file that holds sounds of the project up to date, all at once or not at all."""
    with _opened(path) as base:
        base.execute("BEGIN IMMEDIATE")
        # Left without a COMMIT, whatever was done is undone.
        _fill(base, kept, path, there, progress)
        base.execute("COMMIT")


def _write_whole(kept: Kept, path: Path, progress: Progress) -> None:
    """Write a new file, which has its name once it is whole."""
    temporary = paths.part_of(path)
    try:
        # A folder that is not there is told by the system in clearer words than by SQLite.
        temporary.touch(exist_ok=False)
        with _opened(temporary) as base:
            for setting, value in (
                *(("page_size", _PAGE), ("application_id", _MARK), ("user_version", VERSION)),
                # Nobody sees the file before it is whole.
                *(("journal_mode", "OFF"), ("synchronous", "OFF")),
            ):
                base.execute(f"PRAGMA {setting} = {value}")
            base.executescript(_TABLES)
            base.execute("BEGIN")
            _fill(base, kept, path, set(), progress)
            base.execute("COMMIT")
        paths.flush(temporary)
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _fill(base: sqlite3.Connection, kept: Kept, path: Path, there: set[str], progress: Progress) -> None:
    song = kept.project.song
    told = description.describe(kept.project)
    told["song"]["path"] = description.from_folder(told["song"]["path"], path.parent)
    text = json.dumps({**told, "place": description.describe_place(kept.place)}, ensure_ascii=False)
    base.execute("DELETE FROM document")
    base.execute("INSERT INTO document VALUES (?)", (text,))
    base.execute("DELETE FROM cover")
    if song is not None and song.cover:
        base.execute("INSERT INTO cover VALUES (?)", (song.cover,))
    new = [(name, sound.audio) for name, sound in description.sounds(kept.project).items() if name not in there]
    frames = max(sum(audio.frames for _, audio in new), 1)
    done = 0
    for name, audio in new:
        base.execute("INSERT INTO sound VALUES (?, ?, ?, ?)", (name, audio.channels, audio.rate, audio.frames))
        for number, start in enumerate(range(0, audio.frames, PIECE)):
            samples = audio.slice(start, start + PIECE).samples
            silent = not samples.any()
            block = b"" if silent else np.ascontiguousarray(samples.T, "<f4").tobytes()
            row = (name, number, None if silent else zlib.crc32(block), None if silent else block)
            base.execute("INSERT INTO piece VALUES (?, ?, ?, ?)", row)
            release_pages(audio)
            done += samples.shape[1]
            progress.advance(done / frames)


# Reading


def _read(base: sqlite3.Connection, path: Path, folder: Path, song_id: str, progress: Progress) -> Kept:
    version = _version(base)
    if version > VERSION:
        raise FileProblem(
            f"“{path.name}” was saved by a newer stemeditor than this one.", "Install the newest version of stemeditor."
        )
    if not is_project(path) or version < 1:
        raise FileProblem(f"“{path.name}” is not a project of stemeditor.", "Choose another file.")
    (text,) = base.execute("SELECT text FROM document").fetchone()
    told = json.loads(text)
    if not isinstance(told, dict):
        raise ValueError("the document is no table")
    names = description.ids(told)
    sounds: dict[str, Sound] = {}
    broken: set[str] = set()
    shapes = {name: _shape(base, name) for name in names}
    total = max(sum(frames for _, _, frames in shapes.values()), 1)
    done = 0
    for name, (channels, rate, frames) in shapes.items():
        store = SoundStore(channels, rate, frames, folder)
        peaks = Peaks(store.audio)
        for samples, whole in _pieces(base, name, channels, frames):
            store.append(samples)
            peaks.feed(samples)
            if not whole:
                broken.add(name)
            done += samples.shape[1]
            progress.advance(min(done / total, 1.0))
        # What is damaged is to be written anew, not taken for what lies in the file.
        sounds[name] = Sound(store.audio, peaks, *(() if name in broken else (name,)))
    project = description.rebuild(told, sounds, song_id, _cover(base), path.parent)
    damaged = tuple(lane.name for lane in project.lanes if lane.sound.id not in shapes)
    return Kept(project, description.rebuild_place(told.get("place"), project.frames), damaged)


def _shape(base: sqlite3.Connection, name: str) -> tuple[int, int, int]:
    """Return channels, rate and frames of a sound, as far as they can be; ValueError otherwise."""
    found = base.execute("SELECT channels, rate, frames FROM sound WHERE id = ?", (name,)).fetchone()
    if found is None or not all(isinstance(number, int) for number in found):
        raise ValueError(f"there is no sound {name:.40}")
    channels, rate, frames = found
    (rows,) = base.execute("SELECT count(*) FROM piece WHERE sound = ?", (name,)).fetchone()
    # Not to ask for room that a few wrong bytes speak of.
    if not (1 <= channels <= 2 and 1 <= rate <= 10**6 and frames >= 1 and rows == -(-frames // PIECE)):
        raise ValueError(f"no sound has {found} in {rows} pieces")
    return channels, rate, frames


def _pieces(base: sqlite3.Connection, name: str, channels: int, frames: int) -> Iterator[tuple[Samples, bool]]:
    """Yield the pieces of a sound, (channels, frames) each, and whether they are whole; the others are silent."""
    for number, start in enumerate(range(0, frames, PIECE)):
        length = min(PIECE, frames - start)
        samples, whole = np.zeros((channels, length), np.float32), True
        try:
            asked = "SELECT sum, samples FROM piece WHERE sound = ? AND number = ?"
            total, block = base.execute(asked, (name, number)).fetchone()
            if block is not None:
                if len(block) != 4 * channels * length or zlib.crc32(block) != total:
                    raise ValueError("this is not what was written")
                samples = np.frombuffer(block, "<f4").reshape(length, channels).T.astype(np.float32)
                if not np.isfinite(samples).all():
                    raise ValueError("this is no sound")
        except (sqlite3.DatabaseError, ValueError, TypeError) as problem:
            log.info("piece %d of a sound cannot be read: %s", number, problem)
            samples, whole = np.zeros((channels, length), np.float32), False
        yield samples, whole


def _cover(base: sqlite3.Connection) -> bytes | None:
    with contextlib.suppress(sqlite3.DatabaseError):
        found = base.execute("SELECT picture FROM cover").fetchone()
        if found is not None and isinstance(found[0], bytes):
            return found[0]
    return None


# Both


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Give the database at `path`, which is there; what was not committed is undone at the end."""
    base = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)
    try:
        # A file may bring functions and views of its own, to be called by whoever reads it.
        base.execute("PRAGMA trusted_schema = OFF")
        yield base
    finally:
        base.close()


def _version(base: sqlite3.Connection) -> int:
    (version,) = base.execute("PRAGMA user_version").fetchone()
    return int(version)


def _code(problem: Exception) -> int:
    """Return SQLite's number of what went wrong, without what it adds to tell more; 0 for what is not SQLite's."""
    return getattr(problem, "sqlite_errorcode", 0) & 0xFF


_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_LIKE: Mapping[int, int] = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
}
"""What the system would have said in SQLite's place."""


def _told(problem: Exception, path: Path) -> FileProblem | None:
    """Return words for a failed save; None if it is no matter of files."""
    code = _code(problem)
    if code in _BUSY:
        return _busy(path)
    return troubles.of_writing(OSError(_LIKE[code], str(problem)) if code in _LIKE else problem, path)


def _busy(path: Path) -> FileProblem:
    return FileProblem(f"“{path.name}” is being saved by another program.", "Try again in a moment.")
