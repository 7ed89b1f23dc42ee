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
from stemeditor.errors import UserError
from stemeditor.methods import device
from stemeditor.methods.base import MethodInfo, Params, Stems
from stemeditor.nets.description import SUFFIX, Description, describe
from stemeditor.progress import Progress

if TYPE_CHECKING:
    from torch import nn

    from stemeditor.methods.engine import Engine

log = logging.getLogger(__name__)

OWN = "own:"
"""What the keys of people's own networks begin with."""

_REST = "other"
_SEGMENT_S = 3.5
_OVERLAP_S = 0.5
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

    def network(self) -> tuple[nn.Module, Description]:
        """Return the network, read at the first call, and what its file says. Raises as `separate`."""
        return _loaded(self.path, _changed(self.path))

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """Return every stem but the rest; see `Method`.

        Raises
        ------
        UserError
            If the file cannot be used, or what computes is not installed as it should be.
        """
        net, description = self.network()
        import torch

        from stemeditor.nets.masking import Masking

        wanted = {name: at for at, name in enumerate(description.stems) if name != self.info.rest}
        samples = np.array(mix.samples, np.float32)
        if device.chosen().key != device.CPU or not isinstance(net, Masking):
            found = _engine(self.path, _changed(self.path))(samples, progress)
            return {name: found[at] for name, at in wanted.items()}
        with torch.inference_mode():
            progress.check()
            spectra = net.front(torch.from_numpy(samples)[None])
            progress.check()
            masks = net.masks(spectra, progress.check)[0]
            stems = {}
            for name, at in wanted.items():
                progress.check()
                # One stem at a time: all at once would hold eight times the song's spectrum.
                stem = net.points.spread(masks[at]) * spectra[0]
                progress.check()
                stems[name] = net.front.inverse(stem, mix.frames).numpy()
            return stems


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
    temporary.replace(folder / f"{name}{SUFFIX}")
    return f"{OWN}{name}"


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


def _changed(path: Path) -> float:
    """Return when the file was last written: a network that was trained anew is loaded anew."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


@lru_cache(maxsize=2)
def _engine(path: Path, changed: float) -> Engine:
    """Return the network as it computes on whatever device is chosen; another one than that of `_loaded`."""
    from stemeditor.methods.engine import Engine

    return Engine(lambda: _read(path)[0], _loaded(path, changed)[1].rate)


@lru_cache(maxsize=2)
def _loaded(path: Path, changed: float) -> tuple[nn.Module, Description]:
    return _read(path)


def _read(path: Path) -> tuple[nn.Module, Description]:
    try:
        from stemeditor.nets import checkpoint
    except (ImportError, OSError) as problem:
        raise UserError(
            f"What networks compute with does not start here ({problem}).",
            "Reinstall torch 2.11 with the installer, or choose a method that needs none, such as classic.",
        ) from problem
    return checkpoint.load(path)
