"""A person's own networks: kept in a folder, found there, and used as methods."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

from stemeditor import paths
from stemeditor.errors import FileProblem, UserError
from stemeditor.methods.base import MethodInfo
from stemeditor.methods.exported import form_of
from stemeditor.methods.neural import OVERLAP_S, REST, Network, Neural, SoundToSound, segment_s
from stemeditor.methods.steady import STEADY
from stemeditor.nets.catalogue import KINDS
from stemeditor.nets.description import SUFFIX, describe

log = logging.getLogger(__name__)

OWN = "own:"
"""What their keys begin with."""


def folder() -> Path:
    """Return the folder in which a person's own networks are looked for (may not exist yet)."""
    return paths.data_folder() / "models"


def file(key: str) -> Path:
    """Return where a person's own network lies, or would lie."""
    return folder() / f"{key.removeprefix(OWN)}{SUFFIX}"


def keys() -> tuple[str, ...]:
    """Return the keys of a person's own networks, sorted; files that hold none are left out."""
    place = folder()
    if not place.is_dir():
        return ()
    found = []
    for path in sorted(place.glob(f"*{SUFFIX}")):
        try:
            describe(path)
        except UserError as problem:
            log.info("left out: %s", problem)
        else:
            found.append(f"{OWN}{path.stem}")
    return tuple(found)


def check_name(name: str) -> None:
    """Do nothing if this can be the name of a network.

    Raises
    ------
    UserError
        If it cannot: a file is called like it.
    """
    if not name or Path(name).name != name or name.startswith(".") or set(name) & set('<>:"/\\|?*'):
        raise UserError(f"“{name}” cannot be the name of a network.", "Use letters and digits.")


def install(path: Path, name: str) -> str:
    """Keep a checkpoint among a person's own networks, in place of one of that name, and return its key.

    Raises
    ------
    UserError
        If it is no network, or the name cannot be that of a file.
    """
    describe(path)
    check_name(name)
    place = folder()
    place.mkdir(parents=True, exist_ok=True)
    temporary = place / f"{name}.part"
    shutil.copyfile(path, temporary)
    # What was made of an older one of that name would be computed in its place.
    form_of(place / f"{name}{SUFFIX}").unlink(missing_ok=True)
    temporary.replace(place / f"{name}{SUFFIX}")
    return f"{OWN}{name}"


def remove(key: str) -> int:
    """Delete a person's own network, and return how many bytes that was.

    Raises
    ------
    FileProblem
        If it is not there or cannot be deleted.
    """
    path = file(key)
    form = form_of(path)
    try:
        size = path.stat().st_size
        for one in (form, form.with_suffix(".bin")):
            one.unlink(missing_ok=True)
        path.unlink()
    except OSError as problem:
        raise FileProblem(
            f"There is no network “{key}” that could be deleted.", "See: stemeditor models list"
        ) from problem
    return size


def load(key: str) -> Network:
    """Return a person's own network.

    Raises
    ------
    UserError
        If the file is not there or holds no network.
    """
    path = file(key)
    description = describe(path)
    told: Mapping[str, object] = description.provenance
    kind = KINDS[description.net]
    rest = REST if REST in description.stems else None
    return (Neural if kind.masks else SoundToSound)(
        path,
        MethodInfo(
            key=key,
            name=str(told.get("name", path.stem)),
            family="network",
            sentence=str(told.get("sentence", f"Your own network ({kind.name}): {', '.join(description.stems)}.")),
            source=str(told.get("source", kind.source)),
            stems=description.stems,
            rate=description.rate,
            channels=2,
            segment_s=segment_s(description),
            overlap_s=OVERLAP_S,
            whole=not kind.masks,
            rest=rest,
            speed=kind.speed,
            params=(STEADY,) if kind.masks else (),
        ),
    )
