"""Bringing networks here and taking them away, as long jobs on frozen requests."""

from __future__ import annotations

import contextlib
import multiprocessing
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

from stemeditor.errors import FileProblem, UserError
from stemeditor.methods import importing, registry, trained
from stemeditor.methods.base import Preparable, Warmable
from stemeditor.progress import Part, Progress
from stemeditor.threads import aside
from stemeditor.weights import catalogue, download, store

READY, PARTLY, ABSENT = "ready", "partly here", "not here"

_FETCHING = 0.9
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Model:
    """Weights that can be had, or are here.

    Parameters
    ----------
    key
        Of the weights, and of the method that uses them.
    title
        Name for people.
    state
        `READY`, `PARTLY` or `ABSENT`.
    size_mb
        What is here; else what the download takes.
    licence, page
        As published; empty for a person's own.
    own
        Whether a person brought it.
    """

    key: str
    title: str
    state: str
    size_mb: float
    licence: str
    page: str
    own: bool = False


def models() -> tuple[Model, ...]:
    """Return all weights: those that are published, then a person's own."""
    found = []
    for pack in catalogue.packs().values():
        lacking = store.missing(pack)
        here = sum(row.size for row in store.contents(pack.key).values()) / 1e6
        some = len(lacking) < len(pack.files) or store.begun(pack)
        state = READY if not lacking else PARTLY if some else ABSENT
        found.append(Model(pack.key, pack.title, state, here or pack.size_mb, pack.licence, pack.page))
    for key in importing.own_keys():
        size = sum(row.size for row in store.contents(key).values()) / 1e6
        found.append(Model(key, registry.info(key).name, READY, size, "", "", True))
    for key in trained.keys():  # noqa: SIM118 a function, no mapping
        size = trained.file(key).stat().st_size
        found.append(Model(key, registry.info(key).name, READY, size / 1e6, "", "", True))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """Fetch the weights of `key`, as far as they are not here, and prepare them for this machine."""

    key: str


def download_model(request: DownloadRequest, progress: Progress) -> str:
    """Return the key of the method that can be used now. Raises as `download.fetch`."""
    download.fetch(catalogue.pack(request.key), Part(progress, 0.0, _FETCHING))
    prepare(request.key, Part(progress, _FETCHING, 1.0))
    return request.key


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Take in weights from a person's own `files`; as those of the method `key`, or as what they say they are."""

    files: tuple[Path, ...]
    key: str = ""


def import_model(request: ImportRequest, progress: Progress) -> str:
    """Return the key of the method that uses them now. Raises as `importing.bring`."""
    key = importing.bring(request.files, request.key, Part(progress, 0.0, _FETCHING))
    prepare(key, Part(progress, _FETCHING, 1.0))
    return key


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """Look whether weights are what they were when they came; those of `keys`, or all that are here."""

    keys: tuple[str, ...] = ()


def verify_models(request: VerifyRequest, progress: Progress) -> dict[str, tuple[str, ...]]:
    """Return key -> files that are not what they were; none for weights that are whole."""
    keys = request.keys or store.keys()
    return {
        key: store.verify(key, Part(progress, number / len(keys), (number + 1) / len(keys)))
        for number, key in enumerate(keys)
    }


def remove_model(key: str) -> float:
    """Delete weights, and return how many MB that was.

    Raises
    ------
    UserError
        If they are not here, or cannot be deleted.
    """
    if key.startswith(trained.OWN):
        return trained.remove(key) / 1e6
    return store.remove(key) / 1e6


@dataclass(frozen=True, slots=True)
class MoveRequest:
    """Bring all weights to the folder `target`."""

    target: Path


@dataclass(frozen=True, slots=True)
class Moved:
    """Where weights were, and where copies of them are."""

    old: tuple[Path, ...] = ()
    new: tuple[Path, ...] = ()


def copy_weights(request: MoveRequest, progress: Progress) -> Moved:
    """Bring copies of all weights to another folder: once the settings name it, what is old can go (`delete`).

    Raises
    ------
    FileProblem
        If there is no room or no right; then all is as it was.
    """
    target = request.target
    if target.resolve() == store.folder().resolve():
        return Moved()
    # Only what was brought here is moved: the folder may be one that a person keeps other things in.
    packs = store.places()
    if any(target.resolve().is_relative_to(pack.resolve()) for pack in packs):
        raise FileProblem(f"“{target.name}” is inside the folder of a model.", "Choose another folder.")
    taken = next((pack.name for pack in packs if (target / pack.name).exists()), None)
    if taken is not None:
        raise FileProblem(f"There is a folder “{taken}” in “{target.name}” already.", "Choose another folder.")
    copied = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for number, pack in enumerate(packs):
            progress.advance(number / len(packs), pack.name)
            copied.append(target / pack.name)
            shutil.copytree(pack, copied[-1], copy_function=partial(store.copy, progress=progress))
    except BaseException as problem:
        delete(copied)
        if not isinstance(problem, OSError):
            raise
        raise FileProblem(
            f"The weights cannot be moved ({problem.strerror or problem}).", "Choose another folder."
        ) from problem
    return Moved(packs, tuple(copied))


def delete(places: Iterable[Path]) -> None:
    """Delete folders, as far as that can be done."""
    for place in places:
        shutil.rmtree(place, ignore_errors=True)


def prepare(key: str, progress: Progress, again: bool = False) -> None:
    """Bring a network into the form that is fastest here; in a process of its own, whose memory goes with it.

    Parameters
    ----------
    key
        Of the method.
    progress
        Stops it.
    again
        Whether to make that form anew where it is: another version of the program may know a faster one.

    Raises
    ------
    UserError
        If there is no such method, or, where it shall be made anew, the method lacks something or is broken.
    """
    if _preparable(key) is None:
        return
    lacking = registry.missing(key) if again else None
    if lacking is not None:
        raise lacking.problem()
    progress.advance(0.0, "Preparing for this machine")
    context = multiprocessing.get_context("spawn")
    trouble, telling = context.Pipe(duplex=False)
    process = context.Process(target=_prepare, args=(key, again, telling), daemon=True)
    process.start()
    telling.close()
    try:
        while process.is_alive():
            progress.check()
            process.join(_LOOK_S)
    except BaseException:
        process.kill()
        process.join()
        raise
    # Without that form it works all the same; but who asked for it wants to know.
    if again:
        with trouble, contextlib.suppress(EOFError):
            raise UserError(*trouble.recv())
        if process.exitcode:
            raise UserError(f"{registry.info(key).name} could not be prepared.", "It works without, more slowly.")
    progress.advance(1.0)


def warm(key: str, progress: Progress) -> None:
    """Start the programs that compute a method, while nobody waits for it; one that cannot be used is left alone.

    Then read in what every method says of itself: the first list of methods is not to wait for it.

    Parameters
    ----------
    key
        Of the method; empty for the default one.
    progress
        Stops the waiting.
    """
    try:
        method = registry.load(key or registry.default())
        if isinstance(method, Warmable):
            aside(lambda seen: method.warm(), progress)
    except UserError:
        pass
    for other in registry.keys():  # noqa: SIM118 a function, no mapping
        progress.check()
        try:
            registry.info(other)
        except UserError:
            continue
    import_module("stemeditor.jobs.compare")


def _prepare(key: str, again: bool, telling: Connection) -> None:
    try:
        method = _preparable(key)
        if method is not None:
            method.prepare(again)
    except UserError as problem:
        telling.send((problem.message, problem.hint))


def _preparable(key: str) -> Preparable | None:
    method = registry.load(key)
    inner = getattr(method, "method", method)
    return inner if isinstance(inner, Preparable) else None
