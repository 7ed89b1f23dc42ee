"""What keeps a file from being read or written, in the user's words."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from stemeditor.errors import FileProblem


def check_readable(path: Path) -> None:
    """Raise `FileProblem` unless there is a file with something in it."""
    try:
        if path.is_dir():
            raise FileProblem(f"“{path.name}” is a folder.", "Choose a sound file in it.")
        if path.exists() and not path.is_file():  # reading a pipe could take for ever
            raise FileProblem(f"“{path.name}” is not a sound file.", "Choose another file.")
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as problem:
        raise FileProblem(f"“{path.name}” is not there.", "It may have been moved or renamed.") from problem
    except PermissionError as problem:
        raise FileProblem(f"“{path.name}” may not be read.", "Check the permissions of the file.") from problem
    except (OSError, ValueError) as problem:
        raise FileProblem(f"“{path.name}” cannot be read.", "Check the disk or the connection.") from problem
    if empty:
        raise FileProblem(f"“{path.name}” is empty.", "Get the file again from where it came from.")


def taken(path: Path) -> FileProblem:
    """Return words for a name that is in use."""
    return FileProblem(f"“{path.name}” is there already.", "Choose another name, or allow replacing.")


def of_writing(problem: Exception, path: Path) -> FileProblem | None:
    """Return words for a failed write; None if it is no matter of files. Ask before the room is given back."""
    if not _is_about_files(problem):
        return None
    code = getattr(problem, "errno", None)
    folder = path.parent
    if not folder.is_dir():
        return FileProblem(f"The folder “{folder.name}” is not there.", "Choose another folder.")
    if code in (errno.ENOSPC, errno.EDQUOT) or _nearly_full(folder):
        return FileProblem(
            f"The disk is full; “{path.name}” was not written.",
            "Free some space or choose another disk, then try again.",
        )
    if code in (errno.EACCES, errno.EPERM, errno.EROFS) or not os.access(folder, os.W_OK):
        return FileProblem(f"The folder “{folder.name}” may not be written to.", "Choose another folder.")
    if code == errno.ENAMETOOLONG:
        return FileProblem(f"The name “{path.name[:40]}…” is too long for this disk.", "Choose a shorter one.")
    return FileProblem(f"“{path.name}” cannot be written.", "Choose another folder or name.")


def _is_about_files(problem: Exception) -> bool:
    import mutagen
    import soundfile

    return isinstance(problem, (OSError, soundfile.SoundFileError, mutagen.MutagenError))


def _nearly_full(folder: Path) -> bool:
    # libsndfile does not say why a write failed.
    try:
        return shutil.disk_usage(folder).free < 1 << 20
    except OSError:
        return False
