"""Hybrid Demucs, with and without transformer: the networks of the `demucs` package, and those of torchaudio."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from fractions import Fraction
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.convert import to_channels
from stemeditor.audio.store import release_pages
from stemeditor.errors import FileProblem
from stemeditor.methods.base import Method, MethodInfo, Params, Stems
from stemeditor.methods.engine import Engine
from stemeditor.methods.exported import COMPILED, Form, exactly, form_of
from stemeditor.methods.hybrid_core import HybridCore
from stemeditor.methods.pretrained import OVERLAP_PARAM, PRESETS, SHIFTS_PARAM, Pretrained
from stemeditor.progress import Progress
from stemeditor.weights import reading

if TYPE_CHECKING:
    from torch import Tensor, nn


SOURCES = ("drums", "bass", "other", "vocals")
"""In the order of the networks."""

_LANES = ("vocals", "drums", "bass", "other")
_KINDS = {
    "demucs.htdemucs.HTDemucs": ("demucs.htdemucs", "HTDemucs"),
    "demucs.hdemucs.HDemucs": ("demucs.hdemucs", "HDemucs"),
    "demucs.demucs.Demucs": ("demucs.demucs", "Demucs"),
}
"""Networks that a file may ask for: nothing else is imported because a file says so."""

_BRANCHES = {
    "freq_encoder": "encoder",
    "time_encoder": "tencoder",
    "freq_decoder": "decoder",
    "time_decoder": "tdecoder",
}
"""What torchaudio calls the parts of the network, and what its authors do."""

_USUAL = {
    "nfft": 4096,
    "audio_channels": 2,
    "samplerate": 44100,
    "hybrid": True,
    "use_train_segment": True,
}
"""How the networks are built that `HybridCore` knows the surroundings of."""

_TRANSFORMER_SEGMENT_S = 7.8
_HYBRID_SEGMENT_S = 11.0
_BLOCK = 1 << 20
_TOGETHER = 4

_HYBRID = "A. Defossez, Hybrid spectrogram and waveform source separation, MDX workshop at ISMIR 2021"
_TRANSFORMER = "S. Rouard, F. Massa, A. Defossez, Hybrid transformers for music source separation, ICASSP 2023"


class Demucs(Pretrained):
    """One network or several, each of which counts as much for each stem as a table says.

    Parameters
    ----------
    info, pack, packages
        See `Pretrained`.
    files
        Of the pack, one for each network.
    sources
        What the networks give, in their order.
    counts
        For each network and source, how much it counts in the mean; all the same by default.
    at_hand
        How many networks are kept ready at a time where they are computed exactly, in twice the memory. If that is not
        all of them, pieces are computed by fours, so that networks need not be made ready anew as often.
    """

    def __init__(
        self,
        info: MethodInfo,
        pack: str,
        packages: tuple[tuple[str, str], ...],
        files: tuple[str, ...],
        sources: tuple[str, ...] = SOURCES,
        counts: tuple[tuple[float, ...], ...] = (),
        at_hand: int = 4,
    ) -> None:
        super().__init__(info, pack, packages)
        self._at_hand = at_hand
        self._files = files
        self._sources = sources
        self._counts = counts or tuple((1.0,) * len(sources) for _ in files)
        self._wanted = sources
        # Those with a transformer hear pieces of one length only.
        self.elastic = not info.whole

    def learn(self, song: Audio, params: Params, progress: Progress) -> Method:
        """Return the method for one song, whose level it must know; see `Learner`."""
        # What is missing is said before anything else.
        info = self.shaped(self._needed())
        return _Levelled(self, info, *level(song, progress))

    def only(self, stems: Iterable[str]) -> Demucs:
        """Return the method for some of its stems: networks that give nothing to them are not asked."""
        narrowed = copy(self)
        narrowed._wanted = tuple(name for name in self._sources if name in set(stems))
        narrowed.info = replace(self.info, stems=tuple(name for name in self.info.stems if name in narrowed._wanted))
        return narrowed

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """Return the stems of one piece that is a song by itself; see `Method`."""
        return self.learn(mix, params, progress).separate(mix, params, progress)

    def normalised(self, mixes: Sequence[Audio], mean: float, spread: float, progress: Progress) -> list[Stems]:
        """Return the stems of each piece of a song whose mean and standard deviation are known."""
        sounds = [(mix.samples - np.float32(mean)) / np.float32(spread) for mix in mixes]
        totals: list[dict[str, Samples]] = [{} for _ in sounds]
        weights = dict.fromkeys(self._wanted, 0.0)
        engines = {name: self.engine(name) for name in self._needed()}
        for name, engine in engines.items():
            counts = dict(zip(self._sources, self._counts[self._files.index(name)], strict=True))
            self._make_room([*engines.values()], engine)
            for sound, total in zip(sounds, totals, strict=True):
                found = engine(sound, progress)
                for at, source in enumerate(self._sources):
                    if source in weights and counts[source]:
                        part = found[at] if counts[source] == 1.0 else found[at] * np.float32(counts[source])
                        total[source] = total[source] + part if source in total else part
                del found
            for source in weights:
                weights[source] += counts[source]
        for total in totals:
            for name in self._wanted:
                stem = total[name]
                stem *= np.float32(spread / weights[name])
                stem += np.float32(mean)
        return [{name: total[name] for name in self._wanted} for total in totals]

    @property
    def together(self) -> int:
        """How many pieces are computed at a time."""
        return _TOGETHER if exactly() and len(self._needed()) > self._at_hand else 1

    def _make_room(self, engines: list[Engine], coming: Engine) -> None:
        """Let those rest that are needed last, so that no more than shall be are ready beside one that comes."""
        if not exactly() or coming.ready:
            return
        place = engines.index(coming)
        # In this round, or in the next one.
        later = sorted(range(len(engines)), key=lambda at: (at - place) % len(engines))
        ready = [engines[at] for at in later if engines[at].ready]
        for engine in ready[max(self._at_hand - 1, 0) :]:
            engine.rest()

    def _needed(self) -> tuple[str, ...]:
        """Return the files of the networks that give something to the wanted stems."""
        at = [self._sources.index(name) for name in self._wanted]
        return tuple(
            name for name, counts in zip(self._files, self._counts, strict=True) if any(counts[one] for one in at)
        )

    def _form(self, file: Path) -> Form | None:
        core = self._core(file)
        if core is None:
            return None
        # Most of what a transformer knows stands in matrices; the others have hardly any.
        return Form(
            form_of(file),
            core,
            _heart,
            refitted=not core.filling,
            quantised=core.filling,
            compiled=file.parent / COMPILED,
        )

    def _core(self, file: Path) -> HybridCore | None:
        """Return what surrounds the network's layers, as far as its file says; None if it is of another build."""
        kind, ordered, named = told(file)
        filling = kind.endswith(".HTDemucs")
        others = len(ordered) > 1 or any(named.get(name, usual) != usual for name, usual in _USUAL.items())
        magnitudes = not named.get("cac", True)
        # Of those that draw magnitudes some have a filter behind their layers.
        if others or not (filling or kind.endswith(".HDemucs")) or (magnitudes and named.get("wiener_iters", 0)):
            return None
        segment = named.get("segment", 10) if filling else self.info.segment_s or 0.0
        late = bool(named.get("hybrid_old", False))
        return HybridCore(len(self._sources), int(segment * 44100), filling, late, magnitudes)

    def _suited(self, file: Path, net: nn.Module) -> nn.Module:
        from stemeditor.nets.card_norms import for_card
        from stemeditor.nets.hybrid_card import HybridCard

        core = self._core(file)
        if core is None:
            return for_card(net)
        return HybridCard(net, core.stems, core.length if core.filling else 0, core.late, core.magnitudes)

    def _read(self, file: Path) -> nn.Module:
        return read(file, self._sources)


class _Levelled:
    """`Demucs` for one song. The networks hear it without its mean, so that its mean is their silence."""

    def __init__(self, method: Demucs, info: MethodInfo, mean: float, spread: float) -> None:
        self.info = info
        self._method = method
        self.silence = mean
        self._spread = spread

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        return self.separate_all([mix], params, progress)[0]

    @property
    def together(self) -> int:
        """See `Grouping`."""
        return self._method.together

    def separate_all(self, mixes: Sequence[Audio], params: Params, progress: Progress) -> list[Stems]:
        """See `Grouping`."""
        return self._method.normalised(mixes, self.silence, self._spread, progress)


class Torchaudio(Demucs):
    """Hybrid Demucs as torchaudio publishes it: the same network, whose parts have other names."""

    def _core(self, file: Path) -> HybridCore | None:
        return HybridCore(len(self._sources), int((self.info.segment_s or 0.0) * 44100), False)

    def _read(self, file: Path) -> nn.Module:
        from demucs.hdemucs import HDemucs

        state = {}
        for name, value in reading.load(file).items():
            branch, _, rest = name.partition(".")
            state[f"{_BRANCHES.get(branch, branch)}.{rest}"] = value
        first = state.get("encoder.0.conv.weight")
        if first is None:
            raise FileProblem(f"“{file.name}” holds no network of torchaudio's.", "Get the file again.")
        net: nn.Module = HDemucs(list(self._sources), channels=first.shape[0])
        known = net.state_dict().keys()
        # Two norms stand in the published file that the network never asks.
        _filled(net, {name: value for name, value in state.items() if name in known}, file)
        return net


def _heart(net: nn.Module) -> nn.Module:
    from stemeditor.nets.hybrid_heart import HybridHeart

    return HybridHeart(net)


def level(song: Audio, progress: Progress) -> tuple[float, float]:
    """Return mean and standard deviation of a song's channels' mean, as the networks' own programs measure them."""
    count, total, squares = 0, 0.0, 0.0
    for start in range(0, song.frames, _BLOCK):
        progress.check()
        part = to_channels(np.asarray(song.slice(start, min(start + _BLOCK, song.frames)).samples), 1)[0]
        count += len(part)
        total += float(part.sum(dtype=np.float64))
        squares += float(np.square(part, dtype=np.float64).sum())
        release_pages(song)
    mean = total / max(count, 1)
    variance = max(squares - count * mean * mean, 0.0) / max(count - 1, 1)
    return mean, variance**0.5 + 1e-8


def told(file: Path) -> tuple[str, list[Any], dict[str, Any]]:
    """Return the class of the network in a file, and the arguments that it was built with, by order and by name.

    Raises
    ------
    FileProblem
        If it says nothing of the kind, or the class is none of Demucs' networks.
    """
    header = reading.header(file).get("__metadata__", {})
    try:
        kind = header["klass"]
        ordered, named = _plain(json.loads(header.get("args", "[]"))), _plain(json.loads(header.get("kwargs", "{}")))
        if kind not in _KINDS or not isinstance(ordered, list) or not isinstance(named, dict):
            raise ValueError(kind)
    except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as problem:
        raise _no_network(file) from problem
    return kind, ordered, named


def read(file: Path, sources: tuple[str, ...]) -> nn.Module:
    """Return the network of a safetensors file that says of itself how it is built.

    Parameters
    ----------
    file
        As the authors of Demucs publish them: class and arguments stand in the header.
    sources
        What the network must give.

    Raises
    ------
    FileProblem
        If the file is broken, or asks for something else than one of Demucs' networks.
    """
    from importlib import import_module

    klass, ordered, named = told(file)
    module, name = _KINDS[klass]
    kind = getattr(import_module(module), name)
    known = signature(kind).parameters
    try:
        net: nn.Module = kind(*ordered, **{key: value for key, value in named.items() if key in known})
    except (TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, MemoryError) as problem:
        raise _no_network(file) from problem
    given = tuple(str(name) for name in getattr(net, "sources", ()))
    if given != sources:
        raise FileProblem(f"“{file.name}” gives {', '.join(given)}, not {', '.join(sources)}.", "Get the file again.")
    _filled(net, reading.load(file), file)
    return net


def _no_network(file: Path) -> FileProblem:
    return FileProblem(f"“{file.name}” holds no network of Demucs.", "Get the file again.")


def _filled(net: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    try:
        net.load_state_dict(state)
    except RuntimeError as problem:
        raise FileProblem(
            f"The weights in “{file.name}” are those of another network.", "Get the file again."
        ) from problem


def _plain(value: Any) -> Any:
    """Return what JSON says, with the fractions in which lengths are given."""
    if isinstance(value, dict):
        if value.get("_type") == "fraction":
            return Fraction(int(value["numerator"]), int(value["denominator"]))
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


def _info(key: str, name: str, sentence: str, source: str, segment_s: float, speed: float, **more: Any) -> MethodInfo:
    return MethodInfo(
        key=key,
        name=name,
        family="network",
        sentence=sentence,
        source=source,
        stems=more.pop("stems", _LANES),
        rate=44100,
        channels=2,
        segment_s=segment_s,
        grid=True,
        speed=speed,
        listening=0.01,
        params=(OVERLAP_PARAM, SHIFTS_PARAM),
        presets=PRESETS,
        **more,
    )


_PACKAGE = (("demucs", "demucs"),)


def htdemucs() -> Demucs:
    """Return the transformer network that people mean by Demucs."""
    info = _info(
        "htdemucs",
        "HT Demucs",
        "The best known separator: clean vocals, drums, bass and other, for most songs.",
        _TRANSFORMER,
        _TRANSFORMER_SEGMENT_S,
        1.3,
        whole=True,
    )
    return Demucs(info, "htdemucs", _PACKAGE, ("955717e8.safetensors",))


def htdemucs_ft() -> Demucs:
    """Return the four transformer networks of which each was tuned to one stem."""
    info = _info(
        "htdemucs_ft",
        "HT Demucs, fine-tuned",
        "One network for each stem: a little cleaner than HT Demucs, and four times the time unless you ask for one.",
        _TRANSFORMER,
        _TRANSFORMER_SEGMENT_S,
        0.33,
        whole=True,
    )
    files = tuple(f"{name}.safetensors" for name in ("f7e0c4bc", "d12395a8", "92cfc3b6", "04573f0d"))
    counts = tuple(tuple(float(row == column) for column in range(4)) for row in range(4))
    return Demucs(info, "htdemucs_ft", _PACKAGE, files, SOURCES, counts)


def htdemucs_6s() -> Demucs:
    """Return the transformer network with guitar and piano."""
    info = _info(
        "htdemucs_6s",
        "HT Demucs, six stems",
        "Guitar and piano as stems of their own; the piano is its weak side.",
        _TRANSFORMER,
        _TRANSFORMER_SEGMENT_S,
        1.4,
        whole=True,
        stems=("vocals", "drums", "bass", "guitar", "piano", "other"),
    )
    sources = (*SOURCES, "guitar", "piano")
    return Demucs(info, "htdemucs_6s", _PACKAGE, ("5c90dfd2.safetensors",), sources)


def hdemucs_mmi() -> Demucs:
    """Return the hybrid network without transformer, retrained on more songs."""
    info = _info(
        "hdemucs_mmi",
        "Hybrid Demucs",
        "The network before the transformer: sometimes the better bass.",
        _HYBRID,
        _HYBRID_SEGMENT_S,
        1.2,
    )
    return Demucs(info, "hdemucs_mmi", _PACKAGE, ("75fc33f5.safetensors",))


def mdx_extra() -> Demucs:
    """Return the four networks of the Music Demixing Challenge."""
    info = _info(
        "mdx_extra",
        "Demucs, MDX challenge",
        "Four networks and their mean, second in the challenge of 2021: slow, and robust on odd songs.",
        _HYBRID,
        _HYBRID_SEGMENT_S,
        0.3,
    )
    files = tuple(f"{name}.safetensors" for name in ("e51eebcc", "a1d90b5c", "5d2d6c55", "cfa93e08"))
    return Demucs(info, "mdx_extra", _PACKAGE, files, at_hand=3)


def hdemucs_high_musdb_plus() -> Demucs:
    """Return torchaudio's network that was trained on more than MUSDB."""
    info = _info(
        "hdemucs_high_musdb_plus",
        "Hybrid Demucs by torchaudio",
        "Hybrid Demucs trained on MUSDB-HQ and 150 more songs.",
        _HYBRID,
        _HYBRID_SEGMENT_S,
        1.2,
    )
    return Torchaudio(info, "hdemucs_high_musdb_plus", _PACKAGE, ("hdemucs_high_trained.pt",))


def hdemucs_high_musdb() -> Demucs:
    """Return torchaudio's network that was trained on MUSDB alone."""
    info = _info(
        "hdemucs_high_musdb",
        "Hybrid Demucs by torchaudio, MUSDB only",
        "For comparisons with papers: nothing but MUSDB-HQ's training songs went into it.",
        _HYBRID,
        _HYBRID_SEGMENT_S,
        1.2,
    )
    return Torchaudio(info, "hdemucs_high_musdb", _PACKAGE, ("hdemucs_high_musdbhq_only.pt",))
