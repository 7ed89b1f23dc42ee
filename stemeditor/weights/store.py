"""Where weights lie, whether they are whole, and how they get there and away."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from stemeditor import paths, settings
from stemeditor.errors import FileProblem, UserError
from stemeditor.progress import Progress, Silent
from stemeditor.weights.catalogue import Pack, Source

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
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def missing(pack: Pack) -> tuple[Source, ...]:
    """Return the files of a pack that are not here, or not as long as they were when they came."""
    kept = contents(pack.key)
    return tuple(one for one in pack.files if one.name not in kept or not _same_size(pack.key, one.name, kept))


def keys() -> tuple[str, ...]:
    """Return the keys under which anything is kept, sorted."""
    root = folder()
    if not root.is_dir():
        return ()
    return tuple(sorted(one.name.replace("@", ":") for one in root.iterdir() if (one / _NOTE).is_file()))


def keep(key: str, name: str, finished: Path, origin: str, digest: str) -> Path:
    """Move a whole, checked file to its place, and note what it is."""
    target = path(key, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    kept = Kept(finished.stat().st_size, digest, origin)
    os.replace(finished, target)
    for made in target.parent.glob(f"{target.stem}.*"):
        # What was made from the file that lay here before.
        if made != target and not made.name.startswith(f"{target.name}."):
            made.unlink(missing_ok=True)
    _write(key, {**contents(key), name: kept})
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
        if not _same_size(key, name, kept) or hashed(path(key, name), progress) != row.sha256:
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
    # A folder without a note was not made by this program, whatever it is called.
    if pack.parent != folder() or not (pack / _NOTE).is_file():
        raise UserError(f"There are no weights “{key}” on this machine.", "See: stemeditor models list")
    size = sum(file.stat().st_size for file in pack.rglob("*") if file.is_file())
    try:
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
    temporary: dict[str, tuple[Path, str]] = {}
    try:
        pack.mkdir(parents=True, exist_ok=True)
        for number, (name, file) in enumerate(files.items()):
            progress.advance(number / len(files), file.name)
            copy = pack / f"{name}.{os.getpid()}.part"
            temporary[name] = (copy, _copied(file, copy, progress))
        for name, (copy, digest) in temporary.items():
            keep(key, name, copy, origin, digest)
    except OSError as problem:
        raise FileProblem(
            f"The weights cannot be kept ({problem.strerror or problem}).", "Free some space, or choose another folder."
        ) from problem
    finally:
        for copy, _ in temporary.values():
            copy.unlink(missing_ok=True)
        if pack.is_dir() and not any(pack.iterdir()):
            pack.rmdir()


def hashed(file: Path, progress: Progress | None = None) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = sha256()
    for block in _blocks(file, progress or Silent()):
        digest.update(block)
    return digest.hexdigest()


def place(key: str) -> Path:
    """Return the folder of a pack (may not exist yet)."""
    # Not every system lets a folder's name have the colon that some keys have.
    return folder() / key.replace(":", "@")


def _copied(source: Path, target: Path, progress: Progress) -> str:
    digest = sha256()
    with target.open("wb") as file:
        for block in _blocks(source, progress):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _blocks(file: Path, progress: Progress) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            progress.check()
            yield block


def _same_size(key: str, name: str, kept: Mapping[str, Kept]) -> bool:
    try:
        return path(key, name).stat().st_size == kept[name].size
    except OSError:
        return False


def _write(key: str, kept: Mapping[str, Kept]) -> None:
    paths.write_whole(place(key) / _NOTE, json.dumps({name: asdict(row) for name, row in kept.items()}, indent=1))
