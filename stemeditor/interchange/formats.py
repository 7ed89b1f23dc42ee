"""The formats, once, as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stemeditor.errors import UserError
from stemeditor.interchange import dawproject, reaper
from stemeditor.interchange.session import Session
from stemeditor.progress import Progress


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of project: its key, what people call it, its ending with the dot, and what writes it."""

    key: str
    name: str
    ending: str
    write: Callable[[Session, Path, Progress], None]


FORMATS: tuple[Format, ...] = (
    Format("dawproject", "DAWproject: Bitwig Studio, Cubase, Studio One …", dawproject.ENDING, dawproject.write),
    Format("reaper", "REAPER", reaper.ENDING, reaper.write),
)


def format_of(key: str) -> Format:
    """Return the format of that key; raise UserError if there is none."""
    for row in FORMATS:
        if row.key == key:
            return row
    raise UserError(f"There is no kind of project “{key}”.", f"There are {', '.join(row.key for row in FORMATS)}.")
