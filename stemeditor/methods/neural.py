"""Networks of ours as methods: the small one that is shipped, and any that a person has trained."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemeditor import paths
from stemeditor.audio.buffer import Audio
from stemeditor.errors import FileProblem, UserError
from stemeditor.methods.base import BETTER, MethodInfo, Params, Stems
from stemeditor.methods.exported import Form, form_of, mask_heart
from stemeditor.methods.masking_core import MaskingCore
from stemeditor.nets.description import SUFFIX, Description, describe
from stemeditor.progress import Progress

if TYPE_CHECKING:
    from torch import nn

    from stemeditor.methods.engine import Engine

log = logging.getLogger(__name__)

OWN = "own:"
"""What the keys of people's own networks begin with."""

_REST = "other"
_SEGMENT_S = 10.0
"""Longer than what they learn from: how loud a song is as a whole tells them something, a pause alone misleads."""

_OVERLAP_S = 1.0
_SPEED = 30.0


class Neural:
    """Any checkpoint of `nets/`.

    Parameters
    ----------
    path
        The checkpoint.
    info
        What it says about itself as a method.
    """

    def __init__(self, path: Path, info: MethodInfo) -> None:
        self.path = path
        self.info = info

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """Return every stem but the rest; see `Method`.

        Raises
        ------
        UserError
            If the file cannot be used, or what computes is not installed as it should be.
        """
        engine, description = self.loaded()
        found = engine(np.array(mix.samples, np.float32), progress)
        return {name: found[at] for at, name in enumerate(description.stems) if name != self.info.rest}

    def loaded(self) -> tuple[Engine, Description]:
        """Return what computes the network, and what the network says of itself."""
        return _engine(self.path, written(self.path))

    @property
    def program(self) -> str:
        """What computes, for people; see `Engine.program`."""
        return self.loaded()[0].program

    def warm(self) -> None:
        """See `Warmable`."""
        self.loaded()[0].warm()

    def prepare(self) -> None:
        """See `Preparable`."""
        self.loaded()[0].prepare()


class Compact(Neural):
    """The network that is shipped; see `resources/models/default.md` for what it was trained on."""

    def __init__(self) -> None:
        super().__init__(
            paths.resource("models", f"default{SUFFIX}"),
            MethodInfo(
                key="compact",
                name="Compact network",
                family="network",
                sentence="Vocals, drums, bass and other by a small network that is shipped: no download, any machine.",
                source=(
                    "A. Jansson et al., Singing voice separation with deep U-Net convolutional networks, ISMIR 2017; "
                    "W. Choi et al., Investigating U-Nets with various intermediate blocks for spectrogram-based "
                    "singing voice separation, ISMIR 2020"
                ),
                stems=("vocals", "drums", "bass", "other"),
                rate=44100,
                channels=2,
                segment_s=_SEGMENT_S,
                overlap_s=_OVERLAP_S,
                rest=_REST,
                speed=_SPEED,
                better=BETTER,
            ),
        )


def own_folder() -> Path:
    """Return the folder in which a person's own networks are looked for (may not exist yet)."""
    return paths.data_folder() / "models"


def own_keys() -> tuple[str, ...]:
    """Return the keys of a person's own networks, sorted; files that hold none are left out."""
    folder = own_folder()
    if not folder.is_dir():
        return ()
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            describe(path)
        except UserError as problem:
            log.info("left out: %s", problem)
        else:
            found.append(f"{OWN}{path.stem}")
    return tuple(found)


def install(path: Path, name: str) -> str:
    """Keep a checkpoint among a person's own networks, in place of one of that name, and return its key.

    Raises
    ------
    UserError
        If it is no network, or the name cannot be that of a file.
    """
    describe(path)
    if not name or Path(name).name != name or name.startswith("."):
        raise UserError(f"“{name}” cannot be the name of a network.", "Use letters and digits.")
    folder = own_folder()
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{name}.part"
    shutil.copyfile(path, temporary)
    # What was made of an older one of that name would be computed in its place.
    form_of(folder / f"{name}{SUFFIX}").unlink(missing_ok=True)
    temporary.replace(folder / f"{name}{SUFFIX}")
    return f"{OWN}{name}"


def remove(key: str) -> int:
    """Delete a person's own network, and return how many bytes that was.

    Raises
    ------
    FileProblem
        If it is not there or cannot be deleted.
    """
    path = own_folder() / f"{key.removeprefix(OWN)}{SUFFIX}"
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


def own(key: str) -> Neural:
    """Return a person's own network.

    Raises
    ------
    UserError
        If the file is not there or holds no network.
    """
    path = own_folder() / f"{key.removeprefix(OWN)}{SUFFIX}"
    description = describe(path)
    told: Mapping[str, object] = description.provenance
    rest = _REST if _REST in description.stems else None
    return Neural(
        path,
        MethodInfo(
            key=key,
            name=str(told.get("name", path.stem)),
            family="network",
            sentence=str(told.get("sentence", f"Your own network: {', '.join(description.stems)}.")),
            source=str(told.get("source", f"{description.net}, trained here")),
            stems=description.stems,
            rate=description.rate,
            channels=2,
            segment_s=_SEGMENT_S,
            overlap_s=_OVERLAP_S,
            rest=rest,
            speed=_SPEED,
        ),
    )


def written(path: Path) -> float:
    """Return when the file was last written: a network that was trained anew is loaded anew."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


@lru_cache(maxsize=4)
def _engine(path: Path, written_at: float) -> tuple[Engine, Description]:
    from stemeditor.methods.engine import Engine

    description = describe(path)
    form = Form(form_of(path), MaskingCore(description), mask_heart, elastic=True)
    return Engine(lambda: read(path), description.rate, form=form), description


def read(path: Path) -> nn.Module:
    """Return the network of a checkpoint, as PyTorch computes it.

    Raises
    ------
    UserError
        If PyTorch does not start, or the file holds no network.
    """
    try:
        from stemeditor.nets import checkpoint
    except (ImportError, OSError) as problem:
        raise UserError(
            f"What networks compute with does not start here ({problem}).",
            "Reinstall torch 2.11 with the installer, or choose a method that needs none, such as classic.",
        ) from problem
    return checkpoint.load(path)[0]
