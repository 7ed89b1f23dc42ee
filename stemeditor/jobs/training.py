"""Training networks of a person's own, each in a process by itself: it takes hours, and all that it can get."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from stemeditor import paths
from stemeditor.errors import Cancelled, FileProblem, UserError
from stemeditor.evaluation import datasets
from stemeditor.jobs.models import prepare
from stemeditor.methods import trained
from stemeditor.progress import Part, Progress, Silent
from stemeditor.training import curves
from stemeditor.training.corpus import RATE
from stemeditor.training.curves import Watched
from stemeditor.training.plan import Plan, Songs, Validation, parsed, read

PLAN = "plan.json"
REST, ACCOMPANIMENT = RESTS = ("other", "accompaniment")
"""What the stem is called that takes what the others leave."""

_SHIPPED = {"unet": "default"}
"""The plan of a network, where it is not called as the network is."""

_WIDER: Mapping[str, Mapping[str, int]] = {"conv_tasnet": {"window": 40}}
"""What makes a network that was published for 22 kHz hear as far at 44.1."""

_VOICE = "vocals"
_KEPT_FROM, _MOST_KEPT = 6, 12
_LOOKS = 100
_LARGEST_BATCH, _LONGEST_S = 4, 4.0
_LEARNING = 0.95
_LOOK_S, _TELL_S = 0.05, 0.2
_ENDING_S = 8.0
_NICENESS = 10


@dataclass(frozen=True, slots=True)
class Material:
    """What can be learned from some folders.

    Parameters
    ----------
    songs
        How many have true stems.
    stems
        Name -> in how many of them it is, the most frequent first.
    """

    songs: int
    stems: Mapping[str, int]


def look(folders: tuple[Path, ...], progress: Progress) -> Material:
    """Return what there is in folders of songs with true stems.

    Raises
    ------
    UserError
        If there is nothing in one of them.
    """
    songs, stems = 0, Counter[str]()
    for folder in folders:
        progress.check()
        for reference in datasets.find(folder):
            songs += 1
            stems.update(reference.stems.keys())
    return Material(songs, dict(stems.most_common()))


def stems_of(chosen: Sequence[str], material: Material) -> tuple[str, ...]:
    """Return what a network gives: the chosen stems, and one for what they leave if they leave anything."""
    left = [name for name in material.stems if name not in chosen]
    rest = ACCOMPANIMENT if list(chosen) == [_VOICE] else REST
    named = tuple(name for name in chosen if name != rest)
    return (*named, rest) if left or len(named) < len(chosen) or len(named) < 2 else named  # noqa: PLR2004


def plan_of(name: str, folders: Sequence[Path], songs: int, stems: Sequence[str], net: str, steps: int) -> Plan:
    """Return the plan that is shipped for a network, for a person's own songs.

    All learn at 44.1 kHz here, whatever was published: what a network does not hear stays out of its stems.

    Parameters
    ----------
    name
        Of the network that shall come of it.
    folders, songs
        Where songs with true stems are, and how many.
    stems
        What it gives, in order; see `stems_of`.
    net
        A key of `KINDS`.
    steps
        How long it learns.

    Raises
    ------
    UserError
        If the name cannot be that of a network.
    """
    shipped = read(paths.resource("training", f"{_SHIPPED.get(net, net)}.toml"))
    kept = min(songs // _KEPT_FROM or songs // 2, _MOST_KEPT)
    return replace(
        shipped,
        output=folder_of(name),
        net=replace(shipped.net, rate=RATE, arguments={**shipped.net.arguments, **_WIDER.get(net, {})}),
        stems=tuple(stems),
        songs=Songs(_songs(), data_sets=tuple(str(folder) for folder in folders)),
        training=replace(shipped.training, steps=steps),
        validation=Validation(kept, shipped.validation.seconds, max(steps // _LOOKS, 1)),
        provenance={"name": name},
    )


def _songs() -> Path:
    """Return where songs are kept as networks learn from them."""
    return paths.cache_folder() / "training"


def folder_of(name: str) -> Path:
    """Return where a training of that name keeps what it has come to.

    Raises
    ------
    UserError
        If the name cannot be that of a network.
    """
    trained.check_name(name)
    return paths.data_folder() / "training" / name


def trainings() -> tuple[str, ...]:
    """Return the names of all trainings that were begun, the newest first."""
    folder = paths.data_folder() / "training"
    plans = sorted(folder.glob(f"*/{PLAN}"), key=paths.written, reverse=True)
    return tuple(plan.parent.name for plan in plans)


def begun(name: str) -> tuple[Plan, tuple[Watched, ...]] | None:
    """Return the plan of a training and what it has come to; None if there is none of that name, or it is broken."""
    try:
        folder = folder_of(name)
        document = json.loads((folder / PLAN).read_text("utf-8"))
        return replace(parsed(document), output=folder), curves.read(folder)
    except (OSError, ValueError, UserError):
        return None


def learned(name: str) -> bool:
    """Whether a training has come to something that could be used."""
    return (folder_of(name) / curves.BEST).is_file()


def longer(plan: Plan, steps: int) -> Plan:
    """Return a plan that ends after so many steps."""
    return replace(
        plan,
        training=replace(plan.training, steps=steps),
        validation=replace(plan.validation, every=max(steps // _LOOKS, 1)),
    )


def humbler(plan: Plan) -> Plan:
    """Return a plan that learns from less at once: what is published is more than a processor has memory for."""
    training = plan.training
    return replace(
        plan,
        training=replace(
            training, batch=min(training.batch, _LARGEST_BATCH), seconds=min(training.seconds, _LONGEST_S)
        ),
    )


def forget(name: str) -> None:
    """Delete what a training keeps, as far as that can be done; a network that came of it stays.

    With the last of them go the songs that they learned from, as they were converted.
    """
    shutil.rmtree(folder_of(name), ignore_errors=True)
    if not trainings():
        shutil.rmtree(_songs(), ignore_errors=True)


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """Learn by `plan`, or go on with it, on `device`; what comes of it is then among the methods by its name."""

    plan: Plan
    device: str = "auto"


def train_network(request: TrainRequest, progress: Progress) -> str:
    """Return the key of the method that was learned. Every look at it is posted (`Watched`).

    Stopping keeps what is there: the same request goes on from it.

    Raises
    ------
    UserError
        If the songs do not do, or the device is not there.
    """
    plan = request.plan
    _write(plan)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_train, args=(plan, request.device, there), daemon=True)
    process.start()
    there.close()
    try:
        _follow(here, Part(progress, 0.0, _LEARNING))
    except BaseException:
        # It is told to stop, and keeps what it has learned, if that does not take too long.
        with contextlib.suppress(OSError):
            here.send(None)
        process.join(_ENDING_S)
        process.kill()
        raise
    finally:
        process.join()
        here.close()
    return use_training(plan.output.name, Part(progress, _LEARNING, 1.0))


def use_training(name: str, progress: Progress) -> str:
    """Return the key of the method that a training, ended or not, has come to; it is among the methods now.

    Raises
    ------
    UserError
        If it has not come to anything yet.
    """
    key = trained.install(folder_of(name) / curves.BEST, name)
    prepare(key, progress)
    return key


def _write(plan: Plan) -> None:
    document = asdict(replace(plan, output=plan.output.name))  # type: ignore[arg-type]
    document["songs"]["folder"] = str(plan.songs.folder)
    try:
        paths.write_whole(plan.output / PLAN, json.dumps(document, indent=1))
    except OSError as problem:
        raise FileProblem(
            f"“{plan.output.name}” cannot be written ({problem.strerror}).", "Make room on the disk."
        ) from problem


def _follow(here: Connection, progress: Progress) -> None:
    """Pass on what a training tells until it ends.

    Raises
    ------
    UserError
        If it ends because of something that the person can mend.
    RuntimeError
        If it ends otherwise.
    """
    while True:
        progress.check()
        if not here.poll(_LOOK_S):
            continue
        try:
            kind, told = here.recv()
        except EOFError:
            raise RuntimeError("the training ended without a word") from None
        if kind == "done":
            return
        if kind == "further":
            progress.advance(*told)
        elif kind == "look":
            progress.post(told)
        elif kind == "trouble":
            raise UserError(*told)
        else:
            raise RuntimeError(told)


class _Told(Silent):
    """The progress of a training, told to the process that waits for it."""

    def __init__(self, there: Connection) -> None:
        self._there = there
        self._told_s = float("-inf")

    def advance(self, fraction: float, text: str = "") -> None:
        self.check()
        now = time.monotonic()
        if now - self._told_s > _TELL_S or fraction >= 1.0:
            self._told_s = now
            self._there.send(("further", (fraction, text)))

    def check(self) -> None:
        # All that is ever said is that it shall stop; a program that is gone says so by that.
        if self._there.poll():
            raise Cancelled

    def post(self, piece: object) -> None:
        self._there.send(("look", piece))


def _train(plan: Plan, device: str, there: Connection) -> None:
    """Learn; in a process of its own."""
    if sys.platform != "win32":
        os.nice(_NICENESS)
    progress = _Told(there)
    message: tuple[str, Any]
    try:
        from stemeditor.training.gathering import SHARE_OF_GATHERING, gathered
        from stemeditor.training.trainer import Trainer, chosen_device

        if chosen_device(device).type == "cpu":
            plan = humbler(plan)
        files, backings = gathered(plan, Part(progress, 0.0, SHARE_OF_GATHERING))
        Trainer(plan, files, device, backings).run(Part(progress, SHARE_OF_GATHERING, 1.0))
        message = ("done", None)
    except Cancelled:
        return
    except UserError as problem:
        message = ("trouble", (problem.message, problem.hint))
    except (ImportError, OSError) as problem:
        message = ("trouble", (f"The training cannot go on ({problem}).", "Reinstall, or make room on the disk."))
    except Exception:
        message = ("bug", traceback.format_exc())
    with contextlib.suppress(OSError):
        there.send(message)
