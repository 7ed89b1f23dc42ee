"""Networks in the form of OpenVINO, which computes them on x86 processors faster than PyTorch, and without it."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemeditor import memory, settings
from stemeditor.methods import processor
from stemeditor.methods.quantised import quantise
from stemeditor.progress import Progress

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

Array: TypeAlias = NDArray[np.float32]

ENDING = ".openvino.xml"
"""What the name of a network in this form ends with; its numbers lie beside it."""

_QUANTISED = f".int8{ENDING}"

COMPILED = "compiled"
"""Name of the folder beside weights for what is of use to this machine's processor only."""

_FREE = "lengths"
"""What is written into a form that holds for other lengths, too: those of earlier versions did not."""

_MADV_DONTNEED = 4
_FORGET_S = 0.05

_LOOK_MS = 40
_ENDING_MS = 10_000


def itself(net: nn.Module) -> nn.Module:
    """Return the network: all of it has one shape."""
    return net


class Core(Protocol):
    """What comes before and behind the part of a network that has one shape: transforms, levels, lengths."""

    def example(self) -> Array:
        """Return silence of the shape that the form is made for."""

    def fits(self, length: int) -> bool:
        """Whether something that is so long, along its last axis, can be computed."""

    def before(self, given: Array) -> tuple[tuple[Array, ...], Any]:
        """Return what the shaped part takes, and what `after` needs to know, of what the whole network is given."""

    def after(self, found: tuple[Array, ...], known: Any) -> Array:
        """Return what the whole network returns."""


@dataclass(frozen=True, slots=True)
class Form:
    """A network in the form of OpenVINO, or where it will lie.

    Parameters
    ----------
    path
        Ends with `ENDING`.
    core
        What surrounds the part that lies there.
    heart
        Takes that part out of the whole network: tensors in, tensors out, of shapes that never change.
    elastic
        Whether their last axis may have any length after all.
    refitted
        Whether it holds for other lengths, too, though it is made ready for one only: for another, it is made ready
        anew, which takes seconds. Then the core says what shapes a length comes to. If it is elastic as well, it is
        made ready for the length at hand each time: a network that is ready for any takes more memory.
    quantised
        Whether its large matrices are kept as bytes, too, where processors multiply those faster; see `quantised`.
    compiled
        Folder for what OpenVINO makes of it for this processor: read again, that takes half the time and less memory.
        None to make it anew every time.
    """

    path: Path
    core: Core
    heart: Callable[[nn.Module], nn.Module] = itself
    elastic: bool = False
    refitted: bool = False
    quantised: bool = False
    compiled: Path | None = None

    @property
    def ready(self) -> bool:
        """Whether it lies there."""
        return self.path.is_file()

    @property
    def quantised_path(self) -> Path:
        """Where it lies, or would lie, with matrices of bytes."""
        return self.path.with_name(f"{self.path.name.removesuffix(ENDING)}{_QUANTISED}")

    def other(self, length: int) -> bool:
        """Whether it must be made ready anew for something that is so long, along its last axis."""
        return self.refitted and (self.elastic or length != self.core.example().shape[-1])


class Refused(Exception):
    """OpenVINO does not take what lies there."""


class Compiled:
    """A form, ready to compute.

    Parameters
    ----------
    form
        What to compute.
    exact
        Whether half precision and bytes are out of the question even where they are faster.
    sound
        Something as long as what is to be computed; what the form is made for by default.

    Raises
    ------
    Refused
        If it is broken, or not for this version of OpenVINO, or not for this length.
    ImportError
        If OpenVINO is not installed.
    """

    def __init__(self, form: Form, exact: bool, sound: Array | None = None) -> None:
        if processor.package() is None:
            raise ImportError("openvino")
        self.precision = processor.SINGLE if exact else _fastest(form)
        self._form = form
        other = sound is not None and form.other(sound.shape[-1])
        # As long as what is to be computed, and nothing of it.
        self._like = np.zeros(sound.shape, sound.dtype) if sound is not None and other else None
        self._lock = threading.Lock()
        self._model = self._made()

    def _made(self) -> Any:
        form = self._form
        program = processor.package().Core()
        path = form.quantised_path if self.precision == processor.BYTES else form.path
        wishes = processor.wishes(self.precision)
        if form.compiled is not None and self._like is None:
            wishes |= {"CACHE_DIR": str(form.compiled), "CACHE_MODE": "OPTIMIZE_SIZE"}
        try:
            made = _refitted(program, form, path, self._like) if self._like is not None else path
            with _forgetting(form):
                model = program.compile_model(made, "CPU", wishes)
        except RuntimeError as problem:
            raise Refused(f"OpenVINO does not take {path.name}: {problem}") from problem
        del made
        memory.trim()
        return model

    def __call__(self, sound: Array, progress: Progress) -> Array:
        """Return what the network makes of what it is given; stops in the middle once `progress` says so."""
        given, known = self._form.core.before(sound)
        progress.check()
        with self._lock:
            if self._model is None:
                self._model = self._made()
            model = self._model
        # A new one each time: it keeps hold of what it took and gave.
        request = model.create_infer_request()
        # What the last piece and the transforms of this one left behind would lie beside what the layers ask for.
        memory.trim()
        request.start_async([one[None] for one in given], share_inputs=True)
        try:
            while not request.wait_for(_LOOK_MS):
                progress.check()
        except BaseException:
            request.cancel()
            # Memory that it still writes into must outlive it; that it was stopped it says by an exception.
            with contextlib.suppress(RuntimeError):
                request.wait_for(_ENDING_MS)
            # What is stopped leaves the model with lengths of this piece in some places and of the last in others: the
            # next would fail, or be wrong.
            with self._lock:
                if self._model is model:
                    self._model = None
            raise
        found = tuple(request.get_output_tensor(at).data[0] for at in range(len(model.outputs)))
        progress.check()
        # Asking for it again with the next piece takes no time to speak of.
        model.release_memory()
        return self._form.core.after(found, known)


def export(net: nn.Module, form: Form) -> None:
    """Write a network in the form of OpenVINO. Takes a minute and as much memory as a few of its runs.

    Parameters
    ----------
    net
        With its weights.
    form
        Where to, and how it is cut.

    Raises
    ------
    ImportError
        If OpenVINO is not installed.
    """
    import warnings

    import torch

    openvino = processor.package()
    if openvino is None:
        raise ImportError("openvino")
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from openvino.passes import ConstantFolding, Manager

    example, _ = form.core.before(form.core.example())
    given = tuple(torch.from_numpy(one)[None].clone() for one in example)
    with torch.no_grad(), warnings.catch_warnings():
        # That its branches are taken as they come for this one length is what is wanted.
        warnings.simplefilter("ignore")
        trace: Any = torch.jit.trace
        traced = trace(form.heart(net).eval(), given, check_trace=False)
        converter = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced, example_input=given)
        model = converter.convert(converter.load(decoder))
        _one_way(model)
        folding = Manager()
        folding.register_pass(ConstantFolding())
        folding.run_passes(model)
        shapes = [[*one.shape[:-1], -1] if form.elastic else [*one.shape] for one in given]
        model.reshape({at: openvino.PartialShape(shape) for at, shape in enumerate(shapes)})
    if form.refitted:
        model.set_rt_info(True, _FREE)
    _save(model, form.path)
    if form.quantised and processor.bytes_pay():
        quantise(model)
        _save(model, form.quantised_path)
    else:
        form.quantised_path.unlink(missing_ok=True)


def _save(model: Any, path: Path) -> None:
    """Write a model, which appears under its name once it is whole."""
    temporary = path.with_name(f"making-{os.getpid()}-{path.name}")
    import_module("openvino").save_model(model, temporary, compress_to_fp16=False)
    temporary.with_suffix(".bin").replace(path.with_suffix(".bin"))
    temporary.replace(path)


def _fastest(form: Form) -> str:
    """Return the precision in which this processor computes a form fastest."""
    if processor.halves_pay():
        return processor.HALF
    return processor.BYTES if form.quantised_path.is_file() and processor.bytes_pay() else processor.SINGLE


def _refitted(program: Any, form: Form, path: Path, sound: Array) -> Any:
    """Return the model of a form, as it lies at `path`, for something as long as `sound`; see `Compiled`."""
    model = program.read_model(path)
    if not (form.elastic or model.has_rt_info(_FREE)):
        raise Refused(f"{path.name} is of an earlier version, for one length only")
    given, _ = form.core.before(sound)
    model.reshape({at: [1, *one.shape] for at, one in enumerate(given)})
    return model


def _one_way(model: Any) -> None:
    """Put two layers in the place of each recurrent layer that goes forth and back.

    That is what OpenVINO computes. Left to it, the halves of the weights would be copies, and lie in memory beside the
    file that they came from.
    """
    kinds = import_module("openvino.opset13")
    for layer in model.get_ordered_ops():
        if layer.get_type_name() != "LSTMSequence" or layer.get_attributes()["direction"] != "bidirectional":
            continue
        sound, *states, length, into, across, bias = (place.get_source_output() for place in layer.inputs())
        halves = [kinds.split(state, 1, 2).outputs() for state in states]
        halves += [kinds.split(weights, 0, 2).outputs() for weights in (into, across, bias)]
        ways = [
            kinds.lstm_sequence(sound, state, cell, length, *weights, layer.get_attributes()["hidden_size"], direction)
            for direction, state, cell, *weights in zip(("forward", "reverse"), *halves, strict=True)
        ]
        for place, *both in zip(layer.outputs(), *(way.outputs() for way in ways), strict=True):
            place.replace(kinds.concat(both, 1).output(0))


def form_of(weights: Path) -> Path:
    """Return where the network of a file lies in this form, or will lie: beside it."""
    return weights.with_name(f"{weights.stem}{ENDING}")


@contextlib.contextmanager
def _forgetting(form: Form) -> Iterator[None]:
    """Let the system take back the memory in which the files of a form are read, soon after they are, and in the end.

    OpenVINO keeps the files mapped though it arranges most of their numbers anew, elsewhere: both would lie in memory.
    What it does ask for again is read again. Only Linux counts such memory as the program's, and can be told.
    """
    if sys.platform != "linux":
        yield
        return
    done = threading.Event()

    def forget() -> None:
        while not done.wait(_FORGET_S):
            _forget_pages(form)

    thread = threading.Thread(target=forget, name="forgetting")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        _forget_pages(form)


def _forget_pages(form: Form) -> None:
    numbers = [path.with_suffix(".bin").resolve() for path in (form.path, form.quantised_path)]
    folder = form.compiled.resolve() if form.compiled is not None else None
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        where, rights, *_, name = line.split(maxsplit=5)
        # Nobody can have written to these: nothing is lost.
        if rights.startswith("r--") and (Path(name) in numbers or Path(name).parent == folder):
            start, stop = (int(end, 16) for end in where.split("-"))
            madvise(start, stop - start, _MADV_DONTNEED)


def usable(form: Form) -> bool:
    """Whether a form lies there, and OpenVINO is here to compute it."""
    return form.ready and find_spec("openvino") is not None


def exactly() -> bool:
    """Whether the person wants no half precision."""
    return bool(settings.stored("exact"))
