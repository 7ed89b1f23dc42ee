"""Which weights others have published, under which licence, and where."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from stemeditor import paths
from stemeditor.errors import UserError

_HASH_IN_NAME = re.compile(r"[-_]([0-9a-f]{8,64})\.[a-z]+$")


@dataclass(frozen=True, slots=True)
class Source:
    """One published file.

    Parameters
    ----------
    name
        What it is called on this machine.
    address
        Where it is.
    sha256
        The first digits of its hash, as far as its publisher states them; empty if not.
    """

    name: str
    address: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Pack:
    """The weights of one model.

    Parameters
    ----------
    key
        Short name for files and the command line: that of the method that uses them.
    title
        Name for people.
    files
        All of them are needed.
    size_mb
        About how much that is, MB.
    licence
        In words, as stated by whoever publishes them.
    page
        Where one can read about them.
    """

    key: str
    title: str
    files: tuple[Source, ...]
    size_mb: float
    licence: str
    page: str


@lru_cache(maxsize=1)
def packs() -> Mapping[str, Pack]:
    """Return all that can be downloaded, by key, in the order of the catalogue."""
    document = tomllib.loads(paths.resource("models", "catalogue.toml").read_text(encoding="utf-8"))
    return {
        key: Pack(
            key,
            row["title"],
            tuple(Source(name, address, _stated(address)) for name, address in row["files"].items()),
            float(row["size_mb"]),
            row["licence"],
            row["page"],
        )
        for key, row in document.items()
    }


def pack(key: str) -> Pack:
    """Return what is published under a key.

    Raises
    ------
    UserError
        If there is nothing of that name; the hint names the nearest.
    """
    known = packs()
    if key not in known:
        near = get_close_matches(key, known, 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
        raise UserError(f"No weights called “{key}” can be downloaded.", hint)
    return known[key]


def _stated(address: str) -> str:
    found = _HASH_IN_NAME.search(address)
    return found.group(1) if found else ""
