"""Spleeter's two, four and five stems, with the weights of a folder that a person has."""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemeditor import threads
from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.stft import Stft
from stemeditor.errors import FileProblem
from stemeditor.methods.base import MethodInfo, Missing, Param, Params, Stems
from stemeditor.methods.exported import COMPILED, Array, Form, form_of
from stemeditor.methods.picture_core import PictureCore
from stemeditor.methods.pretrained import Pretrained
from stemeditor.nets.spleeter_picture import BINS, HOP, HOPS, WINDOW
from stemeditor.progress import Progress
from stemeditor.weights import reading, store, tensorflow

if TYPE_CHECKING:
    from torch import nn

KIND = "spleeter"
WEIGHTS = "weights.safetensors"

ABOVE = Param(
    "above",
    "Above 11 kHz",
    "average",
    "The networks end at 11 kHz. Their mean goes on above it; silence there is what the original does, and is dull.",
    choices=(("average", "the mean of the masks"), ("zeros", "silence")),
)

_STEMS = {
    2: ("vocals", "accompaniment"),
    4: ("vocals", "drums", "bass", "other"),
    5: ("vocals", "piano", "drums", "bass", "other"),
}
_SEGMENT_S = 507 * 1024 / 44100
"""With the windows that stick out at both ends these are 512 hops: as many as the networks look at together."""

_OVERLAP_S = 1.0
_ARCHIVES = (".tar.gz", ".tgz")


class SpleeterMethod(Pretrained):
    """A set of Spleeter's networks.

    Parameters
    ----------
    count
        How many stems: 2, 4 or 5.
    """

    elastic = False

    def __init__(self, count: int) -> None:
        stems = _STEMS[count]
        info = MethodInfo(
            key=f"{KIND}:{count}",
            name=f"Spleeter, {count} stems",
            family="network",
            sentence=f"{', '.join(stems).capitalize()} by Spleeter's networks: rough, and quick on any machine.",
            source="R. Hennequin et al., Spleeter: a fast and efficient music source separation tool, JOSS 5, 2020",
            stems=stems,
            rate=44100,
            channels=2,
            segment_s=_SEGMENT_S,
            overlap_s=_OVERLAP_S,
            rest=stems[-1],
            speed=24.0 / count,
            params=(ABOVE,),
        )
        super().__init__(info, info.key, ())
        self._count = count

    def missing(self) -> Missing | None:
        """Return what is not here, or None if the method can be used."""
        if WEIGHTS in store.contents(self.pack):
            return None
        return Missing(
            f"{self.info.name} needs the folder {self._count}stems that Spleeter's authors publish.",
            f"stemeditor models import {self._count}stems.tar.gz",
        )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        frames = mix.frames
        # A window of silence at both ends: four windows overlap everywhere, as in the original.
        around = WINDOW // 2
        sound = np.pad(np.asarray(mix.samples, np.float32), ((0, 0), (around, around + -frames % HOP)))
        transform = Stft(WINDOW, HOP)
        spectrum = transform.forward(sound)
        engine, magnitude = self.engine(WEIGHTS), np.abs(spectrum)
        # The end of a song may be longer; the networks look at so many hops at once, whoever computes them.
        parts = [engine(magnitude[..., at : at + HOPS], progress) for at in range(0, magnitude.shape[-1], HOPS)]
        masks = np.concatenate(parts, axis=-1)

        def draw(mask: Array) -> Samples:
            stem = np.empty_like(spectrum)
            np.multiply(spectrum[:, :BINS], mask, out=stem[:, :BINS])
            above = mask.mean(axis=1, keepdims=True) if params[ABOVE.name] == "average" else np.float32(0.0)
            np.multiply(spectrum[:, BINS:], above, out=stem[:, BINS:])
            return transform.inverse(stem, sound.shape[1])[:, around : around + frames]

        stems = self.info.stems[:-1]
        return dict(zip(stems, threads.each(draw, masks[: len(stems)], progress), strict=True))

    def networks(self) -> tuple[str, ...]:
        """See `Pretrained.networks`."""
        return (WEIGHTS,)

    def _form(self, file: Path) -> Form:
        return Form(form_of(file), PictureCore(2, BINS, HOPS), compiled=file.parent / COMPILED)

    def _read(self, file: Path) -> nn.Module:
        from stemeditor.nets.spleeter import Spleeter

        net = Spleeter(self._count)
        try:
            net.load_state_dict(reading.load(file))
        except RuntimeError as problem:
            raise FileProblem(f"The weights of {self.info.name} are broken.", "Import them again.") from problem
        return net


def two() -> SpleeterMethod:
    """Return vocals and accompaniment."""
    return SpleeterMethod(2)


def four() -> SpleeterMethod:
    """Return vocals, drums, bass, other."""
    return SpleeterMethod(4)


def five() -> SpleeterMethod:
    """Return the four, and piano."""
    return SpleeterMethod(5)


def is_published(path: Path) -> bool:
    """Whether this is a folder or an archive as Spleeter's authors publish them, or the index in it."""
    if path.is_dir():
        return any(path.glob(f"*{tensorflow.INDEX}"))
    return path.name.endswith((*_ARCHIVES, tensorflow.INDEX))


def bring(path: Path, progress: Progress) -> str:
    """Convert what is published to our form and keep it; return the key of the method that uses it.

    Raises
    ------
    FileProblem
        If it holds no networks of Spleeter's.
    """
    from safetensors.torch import save_file

    from stemeditor.nets.spleeter import Spleeter, from_tensorflow

    with _unpacked(path) as index:
        found = tensorflow.read(index, progress)
    # Some programs keep what the optimiser knew as well, under longer names.
    layers = sum(name.startswith("conv2d_transpose") and name.endswith("/kernel") for name in found)
    count = layers // 6
    try:
        if count not in _STEMS:
            raise ValueError(f"{layers} layers")
        state = from_tensorflow(found, count)
        Spleeter(count).load_state_dict(state)
    except (ValueError, RuntimeError) as problem:
        raise FileProblem(f"“{path.name}” holds no networks of Spleeter's.", "Get the archive again.") from problem
    key = f"{KIND}:{count}"
    with tempfile.TemporaryDirectory(prefix="stemeditor-") as folder:
        converted = Path(folder) / WEIGHTS
        save_file(state, converted)
        store.bring(key, {WEIGHTS: converted}, path.name, progress)
    return key


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """Give the index of a checkpoint that lies in a folder or an archive."""
    if path.name.endswith(tensorflow.INDEX):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="stemeditor-") as folder:
        place = path
        if not path.is_dir():
            place = Path(folder)
            try:
                with tarfile.open(path) as archive:
                    archive.extractall(place, filter="data")
            except (tarfile.TarError, OSError, EOFError) as problem:
                raise FileProblem(f"“{path.name}” cannot be unpacked.", "Get the archive again.") from problem
        found = sorted(place.rglob(f"*{tensorflow.INDEX}"))
        if not found:
            raise FileProblem(f"There is no checkpoint in “{path.name}”.", "Get the archive again.")
        yield found[0]
