"""Band-split and mel-band RoFormers, from checkpoints that people trained and share with their configurations."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from copy import copy
from itertools import count
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

REST, VOCALS = "instrumental", "vocals"

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
_SIZES = ("dim", "num_bands", "heads", "dim_head", "stft_n_fft", "stft_hop_length", "stft_win_length")
_MOST, _LONGEST = 1 << 24, 1000
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
        stems = tuple(str(name) for name in told.get("stems", (VOCALS,)))
        title = str(told.get("title", ""))
        rest = str(told.get("rest", REST))
        info = MethodInfo(
            key=key,
            name=f"{_NAMES[kind]}: {title}" if title else _NAMES[kind],
            family="network",
            sentence=_SENTENCES[kind],
            source=_SOURCES[kind],
            stems=(stems[0], rest) if len(stems) == 1 else stems,
            rate=int(told.get("rate", 44100)),
            channels=int(told.get("channels", 2)),
            segment_s=float(told.get("segment_s", _SEGMENT_S)),
            grid=True,
            rest=rest if len(stems) == 1 else None,
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
        net = {str(name): _bare(value) for name, value in dict(told["model"]).items()}
        audio = dict(told.get("audio") or {})
        training = dict(told.get("training") or {})
        kind = MEL if "num_bands" in net else BAND_SPLIT
        if min(_whole(net[name]) for name in ("dim", "depth")) < 1:
            raise ValueError("without layers")
        if min(_whole(net[name]) for name in _SIZES if name in net) < 1:
            raise ValueError("with a size of nothing")
        # What is said once and meant often can be made to fill any memory: only bare values are taken.
        names = [str(name).lower() for name in _bare(training.get("instruments") or [VOCALS])]
        target = _bare(training.get("target_instrument"))
        number = _whole(net.get("num_stems", 1))
        stems = names
        if number == 1:
            stems = [str(target).lower() if target else names[0]]
        if len(stems) != number or len(set(stems)) != number:
            raise ValueError(f"{number} stems, and the names of {len(set(stems))}")
        rate = _whole(audio.get("sample_rate") or net.get("sample_rate") or 44100)
        piece = _whole(audio.get("chunk_size") or int(_SEGMENT_S * rate))
        if rate < 1 or piece <= _whole(net.get("stft_n_fft", 2048)):
            raise ValueError("for no sound")
        return {
            "kind": kind,
            "title": title,
            "stems": stems,
            # What the others call what is left is not always what it is left of.
            "rest": VOCALS if stems == [REST] else REST,
            "rate": rate,
            "channels": 2 if net.get("stereo", False) else 1,
            "segment_s": piece / rate,
            "net": net,
        }
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise FileProblem(
            f"“{config.name}” describes no RoFormer ({problem}).",
            "Give the YAML file that was published with the checkpoint.",
        ) from problem


def _whole(value: Any) -> int:
    """Return a whole number of a configuration. Raises ValueError, TypeError, OverflowError."""
    found = int(value)
    if not abs(found) < _MOST:
        raise ValueError(f"{value} is too much")
    return found


def _bare(value: Any) -> Any:
    """Return a value as networks are told of: a number, a word, or a list of such. Raises ValueError."""
    if isinstance(value, (list, tuple)) and len(value) < _LONGEST:
        return [_bare(one) if not isinstance(one, (list, tuple)) else _refused(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else _refused(value)


def _refused(value: Any) -> Any:
    raise ValueError(f"a {type(value).__name__} where there should be a number")


def _yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Plain values only, and tuples, which these files write in Python's way."""

    def tupled(loader: Any, node: Any) -> Any:
        return loader.construct_sequence(node)

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", tupled)
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 a safe loader, see above
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as problem:
        raise FileProblem(f"“{path.name}” cannot be read as a configuration.", "It should be a YAML file.") from problem
    if not isinstance(found, Mapping):
        raise FileProblem(f"“{path.name}” is no configuration.", "It should be a YAML file with a part called model.")
    return found


def _told(key: str) -> Mapping[str, Any]:
    try:
        found = json.loads(store.path(key, CONFIG).read_text(encoding="utf-8"))
        # A note that somebody spoilt must not cost the list of all methods.
        sensible = all(float(found.get(name, 1)) > 0 for name in ("rate", "channels", "segment_s"))
        return found if sensible and isinstance(found.get("stems", []), list) else {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def own_keys() -> tuple[str, ...]:
    """Return the keys of further checkpoints that a person brought."""
    kept = store.keys()
    return tuple(key for key in kept if key.partition(":")[0] in KINDS and ":" in key)


def free_key(kind: str, title: str) -> str:
    """Return the key for a new checkpoint: the kind's own if it is free; one of the same name is replaced."""
    if not store.contents(kind):
        return kind
    slug = re.sub(r"[\W_]+", "_", title.lower()).strip("_")[:40] or "own"
    named = (f"{kind}:{slug}{f'_{number}' if number > 1 else ''}" for number in count(1))
    return next(key for key in named if not store.contents(key) or _told(key).get("title") == title)


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
