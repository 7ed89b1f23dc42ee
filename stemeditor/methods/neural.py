"""Networks of ours as methods: any checkpoint, and the small one that is shipped."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemeditor import paths, threads
from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.stft import Spectra, Stft
from stemeditor.errors import UserError
from stemeditor.methods import device
from stemeditor.methods.base import BETTER, MethodInfo, Params, Stems
from stemeditor.methods.engine import Engine
from stemeditor.methods.exported import Array, Form, form_of
from stemeditor.methods.masking_core import MaskingCore, places
from stemeditor.methods.sound_core import SoundCore
from stemeditor.methods.steady import STEADY, steadied
from stemeditor.nets.catalogue import KINDS
from stemeditor.nets.description import SUFFIX, Description, describe
from stemeditor.progress import Progress

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

REST = "other"
_SEGMENT_S = 10.0
"""Longer than what they learn from: how loud a song is as a whole tells them something, a pause alone misleads."""

OVERLAP_S = 1.0
_TIMES_LEARNED, _SHORTEST_S = 2.0, 4.0
_SPEED = 30.0


class Network(ABC):
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

    @abstractmethod
    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """Return every stem but the rest; see `Method`.

        Raises
        ------
        UserError
            If the file cannot be used, or what computes is not installed as it should be.
        """

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the stems that it gives: all but the rest."""
        return tuple(name for name in self.info.stems if name != self.info.rest)

    def loaded(self) -> tuple[Engine, Description]:
        """Return what computes the network, and what the network says of itself."""
        return _engine(self.path, paths.written(self.path), _on_card())

    @property
    def program(self) -> str:
        """What computes, for people; see `Engine.program`."""
        return self.loaded()[0].program

    def warm(self) -> None:
        """See `Warmable`."""
        self.loaded()[0].warm()

    def prepare(self, again: bool = False) -> None:
        """See `Preparable`; what came with the program is as it should be."""
        engine, _ = _engine(self.path, paths.written(self.path), False)
        engine.prepare(again and self.path.parent != paths.resource("models"))


class SoundToSound(Network):
    """A checkpoint of a network that goes from sound to sound."""

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Network`."""
        engine, description = self.loaded()
        found = engine(np.asarray(mix.samples, np.float32), progress)
        return {name: found[description.stems.index(name)] for name in self.wanted}


class Neural(Network):
    """A checkpoint of a network that draws masks on spectra."""

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Network`."""
        spectra, masks = self.drawn(mix, float(params[STEADY.name]), progress)
        _, description = self.loaded()
        at = places(description)
        transform = transform_of(description)

        def sound(stem: int) -> Samples:
            mask = np.empty(masks.shape[2:], np.complex64)
            mask.real, mask.imag = masks[:, stem]
            return transform.inverse(spectra, mix.frames, np.take(mask, at, axis=1))

        sounds = threads.each(sound, [description.stems.index(name) for name in self.wanted], progress)
        return dict(zip(self.wanted, sounds, strict=True))

    def drawn(self, mix: Audio, steady_hz: float, progress: Progress) -> tuple[Spectra, Array]:
        """Return the spectra of a piece, and what the network draws on them.

        Returns
        -------
        Spectra
            (channels, bins, hops).
        Array
            Real and imaginary parts of the masks, (2, stems, channels, points, hops), in the network's order; see
            `steadied`.
        """
        engine, description = self.loaded()
        spectra = transform_of(description).forward(mix.samples)
        progress.check()
        masks = engine(mix.samples if _on_card() else np.stack([spectra.real, spectra.imag]), progress)
        return spectra, steadied(masks, spectra, steady_hz, description, progress)


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
                overlap_s=OVERLAP_S,
                rest=REST,
                speed=_SPEED,
                better=BETTER,
                params=(STEADY,),
            ),
        )


def segment_s(description: Description) -> float:
    """Return how much a network hears at once, seconds.

    What goes from sound to sound takes the level, and often means of all that it hears, from there: not much longer
    than what it learned from.
    """
    if KINDS[description.net].masks or not description.seconds:
        return _SEGMENT_S
    return min(max(_TIMES_LEARNED * description.seconds, _SHORTEST_S), _SEGMENT_S)


def _on_card() -> bool:
    """Whether what computes gets the sound: of cards those that know all operations on complex numbers."""
    return device.chosen().key == device.CUDA


@lru_cache(maxsize=4)
def _engine(path: Path, written_at: float, on_card: bool) -> tuple[Engine, Description]:
    description = describe(path)
    kind = KINDS[description.net]
    if not kind.masks:
        core = SoundCore(2, round(segment_s(description) * description.rate))
        form = Form(form_of(path), core) if kind.exported and not on_card else None
        return Engine(lambda: read(path), description.rate, form=form), description
    if on_card:
        return Engine(lambda: _sounding(path), description.rate, step=description.hop), description
    form = Form(form_of(path), MaskingCore(description), _heart, elastic=True)
    return Engine(lambda: _joined(path), round(description.rate / description.hop), form=form), description


def transform_of(description: Description) -> Stft:
    """Return the transform whose spectra a network draws on."""
    return Stft(description.window, description.hop)


def _joined(path: Path) -> nn.Module:
    from stemeditor.nets.fronts import JoinedHeart

    return JoinedHeart(read(path))


def _sounding(path: Path) -> nn.Module:
    from stemeditor.nets.fronts import SoundMasks

    return SoundMasks(read(path))


def _heart(joined: nn.Module) -> nn.Module:
    """Return what of a `JoinedHeart` lies in the form of OpenVINO, which takes and gives both parts apart."""
    heart: nn.Module = joined.heart  # type: ignore[assignment]
    return heart


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
