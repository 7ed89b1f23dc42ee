"""Where weights lie, whether they are whole, and how they get there and away."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

from stemeditor import paths, settings
from stemeditor.errors import FileProblem, UserError
from stemeditor.progress import Progress, Silent
from stemeditor.weights.catalogue import Pack, Source
from stemeditor.weights.half import ENDING, NOTE, Half

_NOTE = "contents.json"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a file since it came: its length in bytes, its SHA-256, and where it came from."""

    size: int
    sha256: str
    origin: str


def folder() -> Path:
    """Return where weights are kept (may not exist yet): as set, or in the system's folder for such files."""
    chosen = settings.stored("weights_folder")
    return Path(str(chosen)) if chosen else paths.cache_folder() / "weights"


def path(key: str, name: str) -> Path:
    """Return where a file of a pack lies, or would lie."""
    return place(key) / name


def contents(key: str) -> Mapping[str, Kept]:
    """Return what is kept under a key, by file name; empty if nothing is."""
    try:
        found = json.loads((place(key) / _NOTE).read_text(encoding="utf-8"))
        return {name: Kept(int(row["size"]), str(row["sha256"]), str(row["origin"])) for name, row in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}


def missing(pack: Pack) -> tuple[Source, ...]:
    """Return the files of a pack that are not here, or not as long as they were when they came."""
    kept = contents(pack.key)
    return tuple(one for one in pack.files if one.name not in kept or not _same_size(pack.key, one.name, kept))


def begun(pack: Pack) -> bool:
    """Whether a file of a pack lies here in part."""
    return any(Half(path(pack.key, one.name)).size for one in pack.files)


def keys() -> tuple[str, ...]:
    """Return the keys under which anything is kept, sorted."""
    return tuple(one.name.replace("@", ":") for one in places() if _holds(one, _NOTE))


def places() -> tuple[Path, ...]:
    """Return the folders that this program made for weights, also for what has come only in part; sorted."""
    try:
        found = sorted(folder().iterdir())
    except OSError:
        return ()
    # A folder without a note was not made by this program, whatever it is called.
    return tuple(one for one in found if _holds(one, _NOTE) or _holds(one, f"*{NOTE}"))


def keep(key: str, name: str, finished: Path, origin: str, digest: str) -> Path:
    """Move a whole, checked file to its place, and note what it is."""
    target = path(key, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    kept = Kept(finished.stat().st_size, digest, origin)
    os.replace(finished, target)
    gone = set()
    for made in target.parent.glob(f"{glob.escape(target.stem)}.*"):
        # What was made from the file that lay here before, or that file, if its name ended otherwise.
        if made != target and not made.name.startswith(f"{target.name}."):
            made.unlink(missing_ok=True)
            gone.add(made.name)
    _write(key, {**{one: row for one, row in contents(key).items() if one not in gone}, name: kept})
    return target


def verify(key: str, progress: Progress) -> tuple[str, ...]:
    """Return the names of files that are not what they were when they came: missing, cut, or changed.

    Raises
    ------
    UserError
        If nothing is kept under that key.
    """
    kept = contents(key)
    if not kept:
        raise UserError(f"There are no weights “{key}” on this machine.", "See: stemeditor models list")
    wrong = []
    for number, (name, row) in enumerate(kept.items()):
        progress.advance(number / len(kept), name)
        try:
            whole = _same_size(key, name, kept) and hashed(path(key, name), progress) == row.sha256
        except OSError:
            whole = False
        if not whole:
            wrong.append(name)
    return tuple(wrong)


def remove(key: str) -> int:
    """Delete what is kept under a key and return how many bytes that was.

    Raises
    ------
    UserError
        If nothing is kept under that key, or the files cannot be deleted.
    """
    pack = place(key)
    if pack not in places():
        raise UserError(f"There are no weights “{key}” on this machine.", "See: stemeditor models list")
    try:
        size = sum(file.stat().st_size for file in pack.rglob("*") if file.is_file())
        shutil.rmtree(pack)
    except OSError as problem:
        raise FileProblem(
            f"The weights “{key}” cannot be deleted ({problem.strerror or problem}).", "Close what uses them."
        ) from problem
    return size


def bring(key: str, files: Mapping[str, Path], origin: str, progress: Progress) -> None:
    """Copy a person's own files, already looked at, to the place of a pack; all of them or none.

    Raises
    ------
    FileProblem
        If one cannot be read, or there is no room.
    """
    pack = place(key)
    copies = {name: pack / f"{name}.{os.getpid()}{ENDING}" for name in files}
    try:
        pack.mkdir(parents=True, exist_ok=True)
        digests = {}
        for number, (name, file) in enumerate(files.items()):
            progress.advance(number / len(files), file.name)
            digests[name] = copy(file, copies[name], progress)
        for name, made in copies.items():
            keep(key, name, made, origin, digests[name])
    except OSError as problem:
        raise FileProblem(
            f"The weights cannot be kept ({problem.strerror or problem}).", "Free some space, or choose another folder."
        ) from problem
    finally:
        with contextlib.suppress(OSError):
            for made in copies.values():
                made.unlink(missing_ok=True)
            if not any(pack.iterdir()):
                pack.rmdir()


def hashed(file: Path, progress: Progress | None = None) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = sha256()
    for block in _blocks(file, progress or Silent()):
        digest.update(block)
    return digest.hexdigest()


def copy(source: str | Path, target: str | Path, progress: Progress) -> str:
    """Copy a file and return its SHA-256. Raises OSError."""
    digest = sha256()
    with Path(target).open("wb") as file:
        for block in _blocks(Path(source), progress):
            digest.update(block)
            file.write(block)
    # What was made from it goes by when it was written.
    shutil.copystat(source, target)
    return digest.hexdigest()


def place(key: str) -> Path:
    """Return the folder of a pack (may not exist yet)."""
    # Not every system lets a folder's name have the colon that some keys have.
    return folder() / key.replace(":", "@")


def _blocks(file: Path, progress: Progress) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            progress.check()
            yield block


def _holds(folder: Path, pattern: str) -> bool:
    """Whether a folder has such a file; one that may not be looked into has none."""
    try:
        return any(fnmatchcase(one, pattern) for one in os.listdir(folder))
    except OSError:
        return False


def _same_size(key: str, name: str, kept: Mapping[str, Kept]) -> bool:
    try:
        return path(key, name).stat().st_size == kept[name].size
    except OSError:
        return False


def _write(key: str, kept: Mapping[str, Kept]) -> None:
    paths.write_whole(place(key) / _NOTE, json.dumps({name: asdict(row) for name, row in kept.items()}, indent=1))
