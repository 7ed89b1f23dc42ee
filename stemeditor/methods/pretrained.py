"""What all methods whose weights others have published have in common: what they need, and their network once read."""

from __future__ import annotations

import shutil
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from stemeditor import paths
from stemeditor.audio.buffer import Audio
from stemeditor.methods import cards
from stemeditor.methods.base import OVERLAP, SHIFTS, MethodInfo, Missing, Param, Params, Preset, Stems
from stemeditor.methods.engine import Engine
from stemeditor.methods.exported import COMPILED, Form, exactly
from stemeditor.progress import Progress
from stemeditor.weights import catalogue, store

if TYPE_CHECKING:
    from torch import nn

OVERLAP_PARAM = Param(
    OVERLAP,
    "Overlap",
    0.25,
    "How much of each piece is computed twice and blended. More of it hides the joins, and takes longer.",
    0.02,
    0.9,
)
SHIFTS_PARAM = Param(
    SHIFTS,
    "Passes",
    0,
    "How often the song is gone over with other places for the joins; the mean of several is a little cleaner.",
    0,
    10,
)
PRESETS = (
    Preset("Draft", {OVERLAP: 0.1, SHIFTS: 0}),
    Preset("Good", {OVERLAP: 0.25, SHIFTS: 0}),
    Preset("Best", {OVERLAP: 0.5, SHIFTS: 2}),
)


class Pretrained(ABC):
    """A method whose network is read from files that others have published.

    Parameters
    ----------
    info
        What it says about itself.
    pack
        Key of its weights; the files that are not of a catalogue's pack are a person's own.
    packages
        Modules that build the network, and what installs each.
    """

    elastic = True
    """Whether the networks take sound of any length."""

    def __init__(self, info: MethodInfo, pack: str, packages: tuple[tuple[str, str], ...]) -> None:
        self.info = replace(info, needs="a download")
        self.pack = pack
        self._packages = packages

    def missing(self) -> Missing | None:
        """Return what is not here, or None if the method can be used."""
        for module, package in self._packages:
            if find_spec(module) is None:
                return Missing(f"{self.info.name} needs the package {package}.", f"python -m pip install {package}")
        published = catalogue.packs().get(self.pack)
        if published is not None and store.missing(published):
            return Missing(
                f"{self.info.name} needs its weights, a download of about {published.size_mb:.0f} MB.",
                f"stemeditor models download {self.pack}",
                self.pack,
            )
        return None

    @property
    def packages_are_here(self) -> bool:
        """Whether what builds the network is installed."""
        return all(find_spec(module) is not None for module, _ in self._packages)

    def read(self, file: Path) -> nn.Module:
        """Return the network of a file, wherever it lies. Raises FileProblem if it holds another, or none."""
        return self._read(file)

    def engine(self, name: str) -> Engine:
        """Return the network of one file of the pack, read at the first call.

        Raises
        ------
        UserError
            If something is missing (the hint says how to get it), or the file is broken.
        """
        file = store.path(self.pack, name)
        return self._kept(
            name,
            (file,),
            lambda rate: Engine(
                lambda: self._read(file), rate, self.elastic, self._form(file), lambda net: self._suited(file, net)
            ),
        )

    def _kept(self, what: str, files: Iterable[Path], make: Callable[[int], Engine]) -> Engine:
        """Return what computes networks that are read from files; made at the first call, for a rate in Hz.

        Raises as `engine`.
        """
        key = (self.info.key, what, *((file, paths.written(file)) for file in files))
        with _lock:
            # Asked for with every piece: what is missing is only looked for when the network is read.
            if key not in _engines:
                lacking = self.missing()
                if lacking is not None:
                    raise lacking.problem()
                while len(_engines) >= _MOST:
                    _engines.pop(next(iter(_engines)))
                _engines[key] = make(self.info.rate or _RATE)
            return _engines[key]

    def shaped(self, names: Iterable[str]) -> MethodInfo:
        """Return `info` as it is for the networks of these files: with pieces of one length if that makes them fast.

        Then the end of a song is heard with what comes before it.
        """
        engines = [self.engine(name) for name in names]
        return replace(self.info, whole=self.info.whole or (not exactly() and any(engine.shaped for engine in engines)))

    def prepare(self, again: bool = False) -> None:
        """See `Preparable`."""
        if again:
            shutil.rmtree(store.path(self.pack, COMPILED), ignore_errors=True)
        for name in self.networks():
            self.engine(name).prepare(again)

    def warm(self) -> None:
        """See `Warmable`."""
        if self.missing() is None:
            for name in self.networks():
                self.engine(name).warm()

    def networks(self) -> tuple[str, ...]:
        """Return the names of the files that hold a network each."""
        published = catalogue.packs().get(self.pack)
        return tuple(source.name for source in published.files) if published else ()

    def _form(self, file: Path) -> Form | None:
        """Return how the network of one file can be put into the form of OpenVINO, if it can."""
        return None

    def _suited(self, file: Path, net: nn.Module) -> nn.Module:
        """Return the network of one file as a graphics card of NVIDIA's kind computes it fast."""
        return net

    @abstractmethod
    def _read(self, file: Path) -> nn.Module:
        """Read the network of one file. Raises as `engine`."""

    @abstractmethod
    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""


_RATE = 44100

_MOST = 4
"""How many networks stay in memory: the largest set has as many."""

_engines: dict[tuple[object, ...], Engine] = {}
_lock = threading.Lock()


def forget() -> None:
    """Give back the memory of all networks that have been read."""
    with _lock:
        _engines.clear()
    cards.end()
