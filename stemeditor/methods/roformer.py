"""Band-split and mel-band RoFormers, from checkpoints that people trained and share with their configurations."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemeditor.audio.buffer import Audio
from stemeditor.errors import FileProblem, UserError
from stemeditor.methods.base import OVERLAP, SHIFTS, MethodInfo, Missing, Params, Preset, Stems
from stemeditor.methods.exported import COMPILED, Form, form_of
from stemeditor.methods.pretrained import OVERLAP_PARAM, SHIFTS_PARAM, Pretrained
from stemeditor.methods.roformer_core import RoformerCore
from stemeditor.progress import Progress
from stemeditor.weights import reading, store

if TYPE_CHECKING:
    from torch import nn

BAND_SPLIT, MEL = "bs_roformer", "mel_band_roformer"
KINDS = (BAND_SPLIT, MEL)

WEIGHTS, CONFIG = "weights", "model.json"
"""Names of what is kept: the weights (with their own ending), and what of the configuration is needed."""

REST = "instrumental"

_NAMES = {BAND_SPLIT: "BS-RoFormer", MEL: "Mel-Band RoFormer"}
_SOURCES = {
    BAND_SPLIT: "W.-T. Lu et al., Music source separation with band-split RoPE transformer, ICASSP 2024",
    MEL: "J.-C. Wang et al., Mel-band RoFormer for music source separation, ISMIR 2023",
}
_SENTENCES = {
    BAND_SPLIT: "The cleanest separator there is, from a checkpoint of your choice: very slow without a graphics card.",
    MEL: "The cleanest voices there are, from a checkpoint of your choice: very slow without a graphics card.",
}
_SEGMENT_S = 8.0
_SPEED = 0.4


class RoformerMethod(Pretrained):
    """A checkpoint that a person brought, with its configuration.

    Parameters
    ----------
    key
        Of the method: a kind, or a kind, ":", and a name.
    """

    def __init__(self, key: str) -> None:
        kind = key.partition(":")[0]
        told = _told(key)
        stems = tuple(str(name) for name in told.get("stems", ("vocals",)))
        title = str(told.get("title", ""))
        info = MethodInfo(
            key=key,
            name=f"{_NAMES[kind]}: {title}" if title else _NAMES[kind],
            family="network",
            sentence=_SENTENCES[kind],
            source=_SOURCES[kind],
            stems=(stems[0], REST) if len(stems) == 1 else stems,
            rate=int(told.get("rate", 44100)),
            channels=int(told.get("channels", 2)),
            segment_s=float(told.get("segment_s", _SEGMENT_S)),
            grid=True,
            rest=REST if len(stems) == 1 else None,
            speed=_SPEED,
            params=(OVERLAP_PARAM, SHIFTS_PARAM),
            presets=(
                Preset("Draft", {OVERLAP: 0.1, SHIFTS: 0}),
                Preset("Good", {OVERLAP: 0.25, SHIFTS: 0}),
                Preset("Best", {OVERLAP: 0.75, SHIFTS: 0}),
            ),
        )
        super().__init__(info, key, ())
        self._stems = stems
        self._net: Mapping[str, Any] = told.get("net", {})

    def missing(self) -> Missing | None:
        """Return what is not here, or None if the method can be used."""
        kept = store.contents(self.pack)
        if CONFIG in kept and any(name.startswith(WEIGHTS) for name in kept):
            return None
        return Missing(
            f"{self.info.name} needs a checkpoint, and the configuration that was published with it.",
            "stemeditor models import CHECKPOINT CONFIG.yaml",
        )

    def learn(self, song: Audio, params: Params, progress: Progress) -> RoformerMethod:
        """Return the method with pieces as this machine computes them fastest; see `Learner`."""
        fitted = copy(self)
        fitted.info = self.shaped(self.networks())
        return fitted

    def networks(self) -> tuple[str, ...]:
        """See `Pretrained.networks`."""
        return (self._weights,)

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        sound = np.array(mix.samples, np.float32)
        window = int(self._net.get("stft_n_fft", 2048))
        frames = sound.shape[-1]
        if frames <= window:
            # The transform mirrors the ends; what is shorter than the mirror is first followed by silence.
            sound = np.pad(sound, ((0, 0), (0, window + 1 - frames)))
        found = self.engine(self._weights)(sound, progress)
        return {stem: found[at][:, :frames] for at, stem in enumerate(self._stems)}

    @property
    def _weights(self) -> str:
        """Name of the file."""
        return next((one for one in store.contents(self.pack) if one.startswith(WEIGHTS)), WEIGHTS)

    def _form(self, file: Path) -> Form:
        rate = self.info.rate or 44100
        core = RoformerCore(
            self.info.channels or 2,
            int((self.info.segment_s or 0.0) * rate),
            int(self._net.get("stft_n_fft", 2048)),
            int(self._net.get("stft_hop_length", 512)),
            bool(self._net.get("stft_normalized", False)),
            bool(self._net.get("zero_dc", False)),
        )
        return Form(form_of(file), core, _heart, refitted=True, quantised=True, compiled=file.parent / COMPILED)

    def _read(self, file: Path) -> nn.Module:
        from stemeditor.nets.roformer import from_state

        try:
            net: nn.Module = from_state(reading.load(file), self._net)
        except ValueError as problem:
            raise FileProblem(
                f"The checkpoint of {self.info.name} cannot be used ({problem}).", "Import it again, with its own file."
            ) from problem
        return net


def _heart(net: nn.Module) -> nn.Module:
    from stemeditor.nets.roformer import RoformerHeart

    return RoformerHeart(net)


def bs_roformer() -> RoformerMethod:
    """Return the band-split network, whose checkpoint a person may have brought."""
    return RoformerMethod(BAND_SPLIT)


def mel_band_roformer() -> RoformerMethod:
    """Return the network with mel bands, whose checkpoint a person may have brought."""
    return RoformerMethod(MEL)


def described(config: Path, title: str) -> dict[str, Any]:
    """Return what is needed of a published configuration.

    Parameters
    ----------
    config
        YAML with the parts "model", "audio" and "training".
    title
        What people shall call the network.

    Returns
    -------
    dict
        kind, title, stems, rate, channels, segment_s, and the network's own part.

    Raises
    ------
    FileProblem
        If it cannot be read, or describes no such network.
    """
    told = _yaml(config)
    try:
        net = dict(told["model"])
        audio = dict(told.get("audio", {}))
        training = dict(told.get("training", {}))
        kind = MEL if "num_bands" in net else BAND_SPLIT
        int(net["dim"]), int(net["depth"])
        stems = [str(name).lower() for name in training.get("instruments") or ("vocals",)]
        target = training.get("target_instrument")
        count = int(net.get("num_stems", 1))
        if count == 1:
            stems = [str(target).lower() if target else stems[0]]
        if len(stems) != count:
            raise ValueError(f"{count} stems, and the names of {len(stems)}")
        rate = int(audio.get("sample_rate") or net.get("sample_rate") or 44100)
        return {
            "kind": kind,
            "title": title,
            "stems": stems,
            "rate": rate,
            "channels": 2 if net.get("stereo", False) else 1,
            "segment_s": int(audio.get("chunk_size") or _SEGMENT_S * rate) / rate,
            "net": net,
        }
    except (KeyError, TypeError, ValueError) as problem:
        raise FileProblem(
            f"“{config.name}” describes no RoFormer ({problem}).",
            "Give the YAML file that was published with the checkpoint.",
        ) from problem


def _yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Plain values only, and tuples, which these files write in Python's way."""

    def tupled(loader: Any, node: Any) -> Any:
        return loader.construct_sequence(node)

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", tupled)
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 a safe loader, see above
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise FileProblem(f"“{path.name}” cannot be read as a configuration.", "It should be a YAML file.") from problem
    if not isinstance(found, Mapping):
        raise FileProblem(f"“{path.name}” is no configuration.", "It should be a YAML file with a part called model.")
    return found


def _told(key: str) -> Mapping[str, Any]:
    try:
        found = json.loads(store.path(key, CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def own_keys() -> tuple[str, ...]:
    """Return the keys of further checkpoints that a person brought."""
    kept = store.keys()
    return tuple(key for key in kept if key.partition(":")[0] in KINDS and ":" in key)


def free_key(kind: str, title: str) -> str:
    """Return the key for a new checkpoint: the kind's own if it is free."""
    slug = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:40] or "own"
    return f"{kind}:{slug}" if store.contents(kind) else kind


def sorted_files(files: Sequence[Path]) -> tuple[Path, Path]:
    """Return checkpoint and configuration among two files.

    Raises
    ------
    UserError
        If one of them is not there.
    """
    configs = [file for file in files if file.suffix.lower() in (".yaml", ".yml")]
    weights = [file for file in files if file.suffix.lower() in (reading.SAFE, *reading.PICKLED)]
    if len(configs) != 1 or len(weights) != 1:
        raise UserError("A RoFormer is a checkpoint and its configuration.", "Give one of each: CHECKPOINT CONFIG.yaml")
    return weights[0], configs[0]
