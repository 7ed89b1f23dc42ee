"""Separations that were stopped: asked for again, they go on where they were, also in another run of the program."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from stemeditor import paths
from stemeditor.audio.buffer import Audio
from stemeditor.audio.store import SoundStore, release_pages
from stemeditor.errors import FileProblem
from stemeditor.methods.base import ParamValue
from stemeditor.progress import Progress, Silent

log = logging.getLogger(__name__)

_MOST = 3
_LEAST_S = 2.0
_BLOCK = 1 << 20
_LARGEST = 4 << 30
"""Bytes that may lie on the disk in all."""

_SUMS = "sums.json"
_PART, _ENDING = "part-", ".f32"


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What decides how the stems sound.

    Parameters
    ----------
    song
        What is taken apart.
    method, params
        How; all parameters settled.
    names
        Of the lanes.
    weights
        What identifies the network's numbers, if there are any.
    """

    song: Audio
    method: str
    params: Mapping[str, ParamValue]
    names: tuple[str, ...]
    weights: str = ""

    def mark(self, progress: Progress) -> str:
        """Return what tells it from all others, in any run of the program."""
        told = {
            "song": _hash(self.song, progress),
            "shape": [*self.song.samples.shape, self.song.rate],
            "method": self.method,
            "params": dict(self.params),
            "names": list(self.names),
            "weights": self.weights,
        }
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


_kept: list[tuple[str, dict[str, SoundStore]]] = []
"""Marks of questions, and the stems as far as they are made."""

_lock = threading.Lock()


def keep(question: Question, stores: dict[str, SoundStore]) -> None:
    """Keep the stems as far as they are made; a few separations only, the oldest goes first."""
    done = min((store.filled for store in stores.values()), default=0)
    if done < _LEAST_S * question.song.rate:
        return
    mark = question.mark(Silent())
    with _lock:
        _kept.append((mark, stores))
        del _kept[:-_MOST]
    try:
        _write(mark, stores, done)
    except OSError as problem:
        # It goes on in this run all the same.
        log.info("what was done is not kept on the disk: %s", problem)


def take(question: Question, folder: Path, progress: Progress | None = None) -> dict[str, SoundStore] | None:
    """Return the stems of an earlier go at the same question, or None; they are no longer kept.

    Parameters
    ----------
    question
        What is asked.
    folder
        For session sound, if the stems come from another run of the program.
    progress
        Checked while songs are compared.
    """
    progress = progress or Silent()
    if not _kept and not _entries():
        return None
    mark = question.mark(progress)
    found = None
    with _lock:
        for row in _kept:
            if row[0] == mark:
                _kept.remove(row)
                found = row[1]
                break
    entry = _folder() / mark
    if found is None and entry.is_dir():
        found = _read(entry, question, folder, progress)
    shutil.rmtree(entry, ignore_errors=True)
    return found


def _folder() -> Path:
    return paths.cache_folder() / "unfinished"


def _entries() -> list[Path]:
    """Return what lies on the disk, the oldest first."""
    with contextlib.suppress(OSError):
        # Systems and people put files of their own into any folder.
        folders = [entry for entry in _folder().iterdir() if entry.is_dir()]
        return sorted(folders, key=lambda entry: entry.stat().st_mtime)
    return []


def _write(mark: str, stores: Mapping[str, SoundStore], done: int) -> None:
    """Write stems to a folder of their own, which has its name once it is whole."""
    size = sum(4 * done * store.audio.channels for store in stores.values())
    entry, part = _folder() / mark, _folder() / f"{_PART}{mark}"
    for old in (entry, part):
        shutil.rmtree(old, ignore_errors=True)
    part.mkdir(parents=True)
    entries = [one for one in _entries() if one != part]
    sizes = [sum(file.stat().st_size for file in one.iterdir()) for one in entries]
    while entries and (len(entries) >= _MOST or sum(sizes) + size > _LARGEST):
        shutil.rmtree(entries.pop(0), ignore_errors=True)
        sizes.pop(0)
    if size > _LARGEST or not paths.room_for(size, part):
        shutil.rmtree(part, ignore_errors=True)
        log.info("%d bytes of finished stems are too much to keep on the disk", size)
        return
    try:
        sums = []
        # By number: names come from others, too.
        for number, store in enumerate(stores.values()):
            digest = sha256()
            with (part / f"{number}{_ENDING}").open("wb") as file:
                for start in range(0, done, _BLOCK):
                    samples = store.audio.slice(start, min(start + _BLOCK, done)).samples
                    block = np.ascontiguousarray(samples.T, "<f4").tobytes()
                    file.write(block)
                    digest.update(block)
                    release_pages(store.audio)
            paths.flush(part / f"{number}{_ENDING}")
            sums.append(digest.hexdigest())
        paths.write_whole(part / _SUMS, json.dumps(sums))
        part.replace(entry)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _read(entry: Path, question: Question, folder: Path, progress: Progress) -> dict[str, SoundStore] | None:
    """Return the stems of another run; None if they are not whole."""
    song = question.song
    found = {}
    try:
        sums = json.loads((entry / _SUMS).read_text(encoding="utf-8"))
        for number, name in enumerate(question.names):
            store = found[name] = SoundStore(song.channels, song.rate, song.frames, folder)
            digest = sha256()
            with (entry / f"{number}{_ENDING}").open("rb") as file:
                while block := file.read(_BLOCK * 4 * song.channels):
                    progress.check()
                    digest.update(block)
                    store.append(np.frombuffer(block, "<f4").reshape(-1, song.channels).T.astype(np.float32))
            if digest.hexdigest() != sums[number]:
                raise ValueError(f"{name} is not what it was")
    except (OSError, ValueError, LookupError, TypeError, FileProblem) as problem:
        log.info("what another run did cannot be read: %s", problem)
        return None
    return found if max(store.filled for store in found.values()) <= song.frames else None


def forget() -> None:
    """Keep nothing any more, neither here nor on the disk."""
    with _lock:
        _kept.clear()
    shutil.rmtree(_folder(), ignore_errors=True)


def _hash(song: Audio, progress: Progress) -> str:
    digest = sha256()
    for start in range(0, song.frames, _BLOCK):
        progress.check()
        part = song.slice(start, min(start + _BLOCK, song.frames))
        digest.update(np.ascontiguousarray(part.samples).tobytes())
        release_pages(song)
    return digest.hexdigest()
