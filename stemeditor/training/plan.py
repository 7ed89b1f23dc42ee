"""A training as data: what a configuration file says, checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from stemeditor.errors import UserError
from stemeditor.training.augment import Augmentation
from stemeditor.training.corpus import RATE
from stemeditor.training.songs import STEMS

Row = TypeVar("Row")

_WHOLE = ("net", "losses")
"""Tables that say nothing by halves."""


@dataclass(frozen=True, slots=True)
class Net:
    """Which network, and what it takes apart.

    Parameters
    ----------
    type
        A key of `nets.catalogue.KINDS`.
    arguments
        Of the network; how many stems it has is known.
    start
        A checkpoint of the same network whose weights it begins with; empty for random ones.
    parts
        Names of the parts whose weights alone are taken from there, of a network of the same family then; all if empty.
    frozen
        Whether these parts stay as they are.
    ordered
        Whether learned filters, if the network has some, are brought into the order of their frequency before.
    rate
        Of the sound it learns from, Hz; 44,100, or a whole part of that.
    """

    type: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""
    parts: tuple[str, ...] = ()
    frozen: bool = False
    ordered: bool = False
    rate: int = RATE


@dataclass(frozen=True, slots=True)
class Songs:
    """What is learned from.

    Parameters
    ----------
    folder
        Where made songs are kept, and data sets once they are converted.
    corpus
        Recordings and scores that songs are made from; empty if none are made.
    count
        How many are made.
    seconds
        Length of a made song.
    seed
        Of the making.
    sound_fonts
        See `songs.Recipe`.
    codecs, electronic
        See `songs.Recipe`.
    data_sets
        Folders with songs and true stems, such as MUSDB18-HQ and MoisesDB.
    modules
        Folder with tracker modules, whose instruments are played one by one; empty for none. Each counts as many songs
        as it is times as long as a made one.
    backings
        Folder with recordings in which nobody sings or speaks, not taken apart; empty for none.
    """

    folder: Path
    corpus: str = ""
    count: int = 400
    seconds: float = 30.0
    seed: int = 1
    sound_fonts: tuple[str, ...] = ()
    codecs: float = 0.15
    electronic: float = 0.4
    data_sets: tuple[str, ...] = ()
    modules: str = ""
    backings: str = ""


@dataclass(frozen=True, slots=True)
class Training:
    """How it is learned.

    Parameters
    ----------
    steps
        Batches in all.
    batch
        Examples in one.
    seconds
        Length of an example.
    learning_rate
        The highest.
    warm_up
        Steps until it is reached, in a straight line.
    cool_down
        Share of the steps, at the end, over which it falls to nothing, in a straight line.
    weight_decay
        Of AdamW.
    clip
        Largest norm of the gradient.
    average
        How slowly the averaged weights, which are what is kept, follow; 0 for those of the moment.
    precision
        "float32", "bfloat16", or "auto": bfloat16 on a GPU that has it.
    compiled
        Whether PyTorch compiles the network first, which takes a minute and pays on a GPU.
    backed
        Share of examples that are a voice over one of the recordings in `Songs.backings`.
    seed
        Of the network's first weights and of all examples.
    """

    steps: int = 10000
    batch: int = 8
    seconds: float = 3.0
    learning_rate: float = 3e-3
    warm_up: int = 100
    cool_down: float = 0.4
    weight_decay: float = 0.01
    clip: float = 5.0
    average: float = 0.999
    precision: str = "auto"
    compiled: bool = False
    backed: float = 0.15
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Validation:
    """How it is watched.

    Parameters
    ----------
    songs
        How many songs, the last ones, are kept from learning.
    seconds
        How much of each is separated.
    every
        Steps from one validation to the next.
    """

    songs: int = 12
    seconds: float = 12.0
    every: int = 250


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a training needs to be repeated.

    Parameters
    ----------
    net, songs, augmentation, losses, training, validation
        Tables of the file. `losses` are names of `losses.LOSSES` and their weights.
    stems
        What the network gives, in order.
    output
        Folder of states, curves and the finished network.
    provenance
        Words for the finished network: licence, attribution.
    """

    net: Net
    songs: Songs
    output: Path
    stems: tuple[str, ...] = STEMS
    augmentation: Augmentation = field(default_factory=Augmentation)
    losses: Mapping[str, float] = field(default_factory=lambda: {"points": 1.0})
    training: Training = field(default_factory=Training)
    validation: Validation = field(default_factory=Validation)
    provenance: Mapping[str, str] = field(default_factory=dict)


def read(path: Path) -> Plan:
    """Return the plan in a TOML file. Relative folders in it are relative to the current folder.

    What it does not say is as in the file beside it that it names as `like`, if it names one: tables line by line, but
    which network and which losses only as a whole.

    Raises
    ------
    UserError
        If it cannot be read, or names something that a plan does not have.
    """
    return parsed(_document(path))


def _document(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise UserError(f"“{path}” cannot be read ({problem.strerror}).", "Name a training configuration.") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise UserError(f"“{path.name}” is no TOML ({problem}).", "Mend that line.") from problem
    like = document.pop("like", "")
    if not like:
        return document
    if path in seen or not isinstance(like, str):
        raise UserError(f"“{path.name}” cannot be like “{like}”.", "Name another configuration beside it.")
    found = _document(path.parent / like, (*seen, path))
    for name, value in document.items():
        before = found.get(name)
        joins = isinstance(value, dict) and isinstance(before, dict) and name not in _WHOLE
        found[name] = {**before, **value} if joins and before else value
    return found


def parsed(document: Mapping[str, Any]) -> Plan:
    """Return the plan of a document as `tomllib` gives it. Raises as `read`."""
    from stemeditor.nets.catalogue import KINDS
    from stemeditor.training.losses import LOSSES

    plan = _row(Plan, document, "the configuration")
    _known("network", plan.net.type, KINDS)
    for name in plan.losses:
        _known("loss", name, LOSSES)
    _known("precision", plan.training.precision, ("auto", "float32", "bfloat16"))
    if not (plan.songs.corpus or plan.songs.data_sets or plan.songs.modules):
        raise UserError("The configuration names no songs.", "Give [songs] a corpus, data_sets, or modules.")
    if plan.net.rate <= 0 or RATE % plan.net.rate:
        raise UserError(f"Songs cannot be brought to {plan.net.rate} Hz.", f"{RATE} Hz, a half or a quarter of it.")
    if (plan.net.parts or plan.net.ordered) and not plan.net.start:
        raise UserError("Parts of a network can only be taken from one that is there.", "Give [net] a start.")
    if plan.net.frozen and not plan.net.parts:
        raise UserError("A network of which nothing may change learns nothing.", "Name the parts in [net].")
    for value, what in (
        (plan.training.steps, "steps"),
        (plan.training.batch, "batch"),
        (plan.training.seconds, "seconds"),
        (plan.training.learning_rate, "learning_rate"),
        (plan.validation.every, "every"),
    ):
        if value <= 0:
            raise UserError(f"“{what}” must be above zero.", f"It is {value:g}.")
    return plan


def _row(kind: type[Row], table: Mapping[str, Any], where: str) -> Row:
    """Return a dataclass from a table; tables within become the dataclasses that its fields are."""
    hints = get_type_hints(kind)
    for name in table:
        _known(f"setting in {where}", name, hints)
    given: dict[str, Any] = {}
    for row in fields(kind):  # type: ignore[arg-type]
        if row.name in table:
            given[row.name] = _value(hints[row.name], table[row.name], row.name)
        elif row.default is MISSING and row.default_factory is MISSING:
            raise UserError(f"{where[0].upper()}{where[1:]} has no “{row.name}”.", "Add it.")
    return kind(**given)


def _value(kind: Any, value: Any, name: str) -> Any:
    if hasattr(kind, "__dataclass_fields__"):
        if isinstance(value, Mapping):
            return _row(kind, value, f"[{name}]")
    elif kind is Path:
        if isinstance(value, str):
            return Path(value).expanduser()
    elif kind is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    elif kind is bool:
        if isinstance(value, bool):
            return value
    elif kind in (int, str):
        if isinstance(value, kind) and not isinstance(value, bool):
            return value
    elif kind == tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif isinstance(value, Mapping):
        return dict(value)
    raise UserError(f"“{name}” cannot be {value!r}.", "See what it says in the configuration that is shipped.")


def _known(what: str, name: str, names: Any) -> None:
    if name not in names:
        near = get_close_matches(name, list(names), 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(names)}."
        raise UserError(f"There is no {what} “{name}”.", hint)
