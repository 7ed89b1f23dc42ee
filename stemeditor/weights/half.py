"""A file that has come in part, and what is known of the whole: to go on with that file, and with no other."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path

from stemeditor import paths

ENDING = ".part"
NOTE = f"{ENDING}.json"

_RANGE = re.compile(r"bytes (?:(\d{1,18})-\d{1,18}|\*)/(\d{1,18}|\*)", re.ASCII)
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Told:
    """What a server says of a file.

    Parameters
    ----------
    mark
        What tells this version from others; empty if it says nothing that does.
    whole
        Length, bytes; 0 if unknown.
    sha256
        Hash; empty if unknown.
    """

    mark: str = ""
    whole: int = 0
    sha256: str = ""


class Half:
    """What has come of a file.

    Parameters
    ----------
    target
        Where the whole file shall lie.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}{ENDING}")
        self._note = target.with_name(f"{target.name}{NOTE}")

    @property
    def size(self) -> int:
        """How many bytes have come."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    @property
    def told(self) -> Told:
        """What the server said of the file."""
        try:
            found = json.loads(self._note.read_text(encoding="utf-8"))
            return Told(str(found["mark"]), int(found["whole"]), str(found["sha256"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return Told()

    def note(self, told: Told) -> None:
        """Keep what the server says. Raises OSError."""
        paths.write_whole(self._note, json.dumps(asdict(told)))

    def forget(self) -> None:
        """Begin anew. Raises OSError."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def told(headers: Message | Mapping[str, str], have: int, stated: str) -> Told:
    """Return what an answer says.

    Parameters
    ----------
    headers
        Of the answer.
    have
        How many bytes lie before those that it brings.
    stated
        The hash that was said on the way.
    """
    length = _LENGTH.fullmatch((headers.get("Content-Length") or "").strip())
    begin, total = stretch(headers)
    whole = total or (have + int(length[0]) if length else 0)
    mark = headers.get("ETag") or ""
    if not mark or mark.startswith("W/"):
        # A weak one may stand for several files.
        mark = headers.get("Last-Modified") or ""
    return Told(mark, whole, linked(headers) or stated)


def stretch(headers: Message | Mapping[str, str]) -> tuple[int | None, int]:
    """Return where the bytes of an answer begin, None if it does not say, and how long the file is, 0 likewise."""
    found = _RANGE.fullmatch((headers.get("Content-Range") or "").strip())
    if found is None:
        return None, 0
    return (int(found[1]) if found[1] else None), (int(found[2]) if found[2] != "*" else 0)


def linked(headers: Message | Mapping[str, str]) -> str:
    """Return the SHA-256 of the file that an answer, or the way to it, stands for; empty if it says none.

    An "ETag" is no such thing, although it may look like one: storage has its own.
    """
    said = (headers.get("X-Linked-ETag") or "").removeprefix("W/").strip('"').lower()
    return said if _HASH.fullmatch(said) else ""
