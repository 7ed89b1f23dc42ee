"""Where things lie: what is shipped, what the user set, what may be thrown away."""

import os
import secrets
import shutil
from pathlib import Path

import platformdirs

_HERE = Path(__file__).resolve().parent

SPARE = 2 << 30
"""Bytes that stay free on a disk when the program keeps something of its own accord."""


def resource(*parts: str) -> Path:
    """Return the path of a shipped file below ``resources/``.

    An installed package carries its resources inside itself, a checkout beside itself.
    """
    inside = _HERE / "resources"
    root = inside if inside.is_dir() else _HERE.parent / "resources"
    return root.joinpath(*parts)


def config_folder() -> Path:
    """Return the folder of the settings file (it may not exist yet)."""
    return Path(platformdirs.user_config_dir("stemeditor", appauthor=False))


def cache_folder() -> Path:
    """Return the folder for what can be made again: session sound, weights (it may not exist yet)."""
    return Path(platformdirs.user_cache_dir("stemeditor", appauthor=False))


def log_folder() -> Path:
    """Return the folder of the log file (it may not exist yet)."""
    return Path(platformdirs.user_log_dir("stemeditor", appauthor=False))


def data_folder() -> Path:
    """Return the folder for what people made and would miss, such as answers of listening tests (may not exist yet)."""
    return Path(platformdirs.user_data_dir("stemeditor", appauthor=False))


def room_for(size: int, folder: Path) -> bool:
    """Whether so many bytes that nobody asked for may be written to a folder that is there: `SPARE` stay free.

    Raises
    ------
    OSError
        If nobody can say.
    """
    return shutil.disk_usage(folder).free - size >= SPARE


def part_of(file: Path, ending: str = "") -> Path:
    """Return a name beside a file that is to be written, for as long as it is not whole."""
    return file.with_name(f".stemeditor-{secrets.token_hex(4)}.part{ending}")


def flush(file: Path) -> None:
    """Wait until a file is on the disk: a machine that loses its power would else keep its name and lose the rest."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def written(file: Path) -> float:
    """Return when a file was last written, in seconds; 0 if it is not there. What was made of it is made anew then."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def write_whole(file: Path, text: str) -> None:
    """Write a small file, its folder too: readers, and other programs that write it, see the old text or the new one.

    Raises
    ------
    OSError
        If it cannot be written; the old one is still there then.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
