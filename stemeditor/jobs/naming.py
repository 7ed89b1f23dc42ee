"""What written files are called."""

from __future__ import annotations

import re
import string
from collections.abc import Collection
from itertools import chain, count

from stemeditor.errors import UserError
from stemeditor.interchange.formats import format_of
from stemeditor.project.model import Song

FIELDS = ("song", "stem", "artist", "title", "number")
"""What a file name template may name in braces."""

_FORBIDDEN = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)
_LONGEST = 200
"""Bytes of a file's name, without what stands behind it: most disks take 255."""
_TEMPLATE_HINT = "Use " + ", ".join(f"{{{field}}}" for field in FIELDS) + " and plain text."


def file_names(song: Song, names: tuple[str, ...], template: str, called: str = "") -> tuple[str, ...]:
    """Return the relative file names without ending that a template gives, one for each stem name, all different.

    {song} is what the song is `called`, the name of its file by default.

    Raises
    ------
    UserError
        If the template names an unknown field, or leaves a name empty.
    """
    try:
        asked = [
            (field, form, turned) for _, field, form, turned in string.Formatter().parse(template) if field is not None
        ]
    except ValueError as problem:
        raise UserError("The file name template has a brace without its partner.", _TEMPLATE_HINT) from problem
    for field, form, turned in asked:
        if form or turned:
            raise UserError(f"The file name template says more than a name in “{{{field}…}}”.", _TEMPLATE_HINT)
        if field not in FIELDS:
            raise UserError(f"The file name template names “{{{field}}}”, which is unknown.", _TEMPLATE_HINT)
    found: list[str] = []
    for number, name in enumerate(names, 1):
        fields = {
            "song": called or song.path.stem or song.title,
            "stem": name,
            "artist": song.tags.get("artist", "") or "Unknown artist",
            "title": song.title,
            "number": f"{number:02d}",
        }
        parts = [
            _clean(part.format_map({key: _short(_FORBIDDEN.sub("_", text)) for key, text in fields.items()}))
            for part in template.replace("\\", "/").split("/")
        ]
        parts = [part for part in parts if part]
        if not parts or template.rstrip().endswith("/"):
            raise UserError("The file name template gives an empty name.", _TEMPLATE_HINT)
        found.append(told_apart("/".join(parts), found))
    return tuple(found)


def session_name(song: Song, kind: str, called: str = "") -> str:
    """Return the file name of a project of another program, which lies beside the first of its files."""
    return f"{_clean(called or song.path.stem or song.title) or 'Song'}{format_of(kind).ending}"


def told_apart(name: str, others: Collection[str]) -> str:
    """Return a name that is none of the others, also where case is one: itself, or with a number behind it."""
    taken = {other.casefold() for other in others}
    candidates = chain((name,), (f"{name} {number}" for number in count(2)))
    return next(one for one in candidates if one.casefold() not in taken)


def _clean(part: str) -> str:
    """Return a piece of a path that every system takes: no trailing dots, no device names, not too long."""
    part = _FORBIDDEN.sub("_", part).strip().strip(".").strip()
    if _RESERVED.match(part):
        part = f"_{part}"
    return _short(part, _LONGEST).rstrip()


def _short(text: str, most: int = _LONGEST // 3) -> str:
    """Return the beginning of a text that is so many bytes long at most: what is filled in leaves room for the rest."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
