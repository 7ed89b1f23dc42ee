"""Stem files: one MP4 that holds the mix and its stems as several sounds, with their names in an atom of its own."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from stemeditor.audio import decoders

USUAL = ("drums", "bass", "other", "vocals")
"""Names where a file has none: the order that MUSDB18 and most programs write."""

_MOST_BYTES = 1 << 20
_DEEPEST = ("moov", "udta", "stem")


def is_stem_file(path: Path) -> bool:
    """Return whether the name says so: `.stem.mp4` or `.stem.m4a`."""
    return path.name.lower().endswith((".stem.mp4", ".stem.m4a"))


def names(path: Path) -> tuple[str, ...]:
    """Return the names of the stems, lower case, in the order of the sounds behind the mix.

    Those that the file says, where it says as many as it holds; the usual ones otherwise.

    Raises
    ------
    decoders.Unreadable
        If there is no sound in it.
    """
    count = len(decoders.streams(path)) - 1
    found = _said(path)
    if len(found) == count and len(set(found)) == count:
        return found
    return tuple(USUAL[index] if index < len(USUAL) else f"stem {index + 1}" for index in range(max(count, 0)))


def _said(path: Path) -> tuple[str, ...]:
    try:
        document = json.loads(_atom(path))
        return tuple(str(stem["name"]).strip().lower() for stem in document["stems"])
    except (ValueError, KeyError, TypeError, OSError, struct.error):
        return ()


def _atom(path: Path) -> bytes:
    """Return what the atom moov/udta/stem holds; nothing if there is none."""
    with path.open("rb") as file:
        end = path.stat().st_size
        for depth, wanted in enumerate(_DEEPEST):
            found = False
            while file.tell() + 8 <= end:
                start = file.tell()
                size, name = struct.unpack(">I4s", file.read(8))
                if size == 1:
                    size = struct.unpack(">Q", file.read(8))[0]
                elif size == 0:
                    size = end - start
                if size < 8:
                    return b""
                if name == wanted.encode():
                    end, found = min(start + size, end), True
                    break
                file.seek(start + size)
            if not found:
                return b""
            if depth == len(_DEEPEST) - 1:
                return file.read(min(end - file.tell(), _MOST_BYTES))
    return b""
