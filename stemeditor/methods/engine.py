"""A network at work: on which device, with which program, stoppable in the middle, and going on when memory is full."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from stemeditor import settings
from stemeditor.methods import device
from stemeditor.methods.base import Remark
from stemeditor.methods.segments import fade
from stemeditor.progress import Progress, Silent

log = logging.getLogger(__name__)

EXPORTED = ".openvino.xml"
"""What the name of a network in OpenVINO's form ends with; its numbers lie beside it."""

_JOIN_S = 1.0
_SHORTEST_S = 4.0
_LOOK_MS = 40
_ENDING_MS = 10_000


class Core(Protocol):
    """A network cut in three, so that its heart can be computed by another program than PyTorch."""

    @property
    def length(self) -> int:
        """How many frames the heart is written down for."""

    def fits(self, frames: int) -> bool:
        """Whether sound of so many frames can be computed in that one shape."""

    @property
    def heart(self) -> nn.Module:
        """What is computed elsewhere: tensors in, tensors out, of shapes that never change."""

    def before(self, sound: Tensor) -> tuple[tuple[Tensor, ...], Any]:
        """Return what the heart takes, and what `after` needs to know."""

    def after(self, found: tuple[Tensor, ...], known: Any) -> Tensor:
        """Return what the whole network returns."""


class Engine:
    """A network, ready to compute. Threads that want it at once wait for each other.

    Parameters
    ----------
    net
        (1, channels, frames) -> (1, stems, channels, frames), float32; or a network cut in three.
    rate
        Of its sound, Hz.
    elastic
        Whether it takes sound of any length, so that a full memory can be met with shorter pieces.
    exported
        Where the heart of a network cut in three lies in OpenVINO's form, or will lie.
    filled
        Gives the same network with its weights, if `net` has none: they are only read once PyTorch computes.
    """

    def __init__(
        self,
        net: nn.Module | Core,
        rate: int,
        elastic: bool = True,
        exported: Path | None = None,
        filled: Callable[[], Core] | None = None,
    ) -> None:
        self._module: nn.Module = net if isinstance(net, nn.Module) else net.heart
        self._core: Core | None = None if isinstance(net, nn.Module) else net
        self._filled = filled
        self._rate = rate
        self._elastic = elastic
        self._exported = exported
        self._compiled: Any = None
        self._request: Any = None
        self._precision = ""
        self._exact = False
        self._place = device.CPU
        self._forced = ""
        self._progress: Progress = Silent()
        self._busy = threading.Lock()
        self._watch()

    def prepare(self) -> None:
        """Write the network's heart in OpenVINO's form if that is of use here and not done yet."""
        if self._core is None or self._exported is None or self._exported.is_file() or _openvino() is None:
            return
        export(self._core if self._filled is None else self._filled(), self._exported)

    def __call__(self, sound: Tensor, progress: Progress) -> Tensor:
        """Return (1, stems, channels, frames) on the processor.

        Stops within a layer's time once `progress` says so. A full or lost accelerator costs time, not the result:
        shorter pieces first, then the processor, and a `Remark` says so.
        """
        while not self._busy.acquire(timeout=_LOOK_MS / 1000):
            progress.check()
        self._progress = progress
        try:
            with torch.inference_mode():
                return self._computed(sound)
        finally:
            self._progress = Silent()
            self._busy.release()

    @property
    def shaped(self) -> bool:
        """Whether pieces of one length only are computed fast."""
        return (
            self._core is not None
            and not self._core.fits(1)
            and self._exported is not None
            and self._exported.is_file()
        )

    @property
    def program(self) -> str:
        """What computes, for people: "OpenVINO, bf16", "PyTorch on cuda"."""
        if self._compiled is not None:
            return f"OpenVINO, {self._precision}"
        return f"PyTorch on {self._place}"

    def _computed(self, sound: Tensor) -> Tensor:
        wanted = self._forced or device.chosen().key
        if wanted == device.CPU and self._core is not None and self._core.fits(sound.shape[-1]) and self._start():
            return self._elsewhere(sound)
        try:
            return self._here(sound, wanted)
        except RuntimeError as problem:
            trouble = device.trouble(problem)
            if not trouble or wanted == device.CPU:
                raise
            log.info("%s is %s: %s", wanted, trouble, problem)
        # Only outside the handler are the tensors of the failed try given back.
        self._let_go(wanted)
        if trouble == device.FULL and self._elastic and sound.shape[-1] > 2 * _SHORTEST_S * self._rate:
            return self._halved(sound)
        self._forced = device.CPU
        what = "The graphics card's memory is full" if trouble == device.FULL else "The graphics card does not answer"
        self._progress.post(Remark(f"{what}: going on on the processor, which takes longer."))
        return self._computed(sound)

    def _watch(self) -> None:
        self._module.eval()
        for part in self._module.modules():
            part.register_forward_pre_hook(self._look)

    def _here(self, sound: Tensor, place: str) -> Tensor:
        if self._filled is not None:
            self._core, self._filled = self._filled(), None
            self._module = self._core.heart
            self._watch()
        if place != self._place:
            self._module.to(place)
            self._place = place
        if place == "cuda" and not settings.stored("exact"):
            with torch.autocast("cuda", torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16):
                return self._whole(sound.to(place)).float().cpu()
        return self._whole(sound.to(place)).float().cpu()

    def _whole(self, sound: Tensor) -> Tensor:
        if self._core is None:
            found: Tensor = self._module(sound)
            return found
        # Not every accelerator knows complex numbers; those that do are too fast to wait for the processor's.
        near = sound if sound.device.type == "cuda" else sound.cpu()
        given, known = self._core.before(near)
        self._progress.check()
        results = self._module(*(one.to(sound.device) for one in given))
        self._progress.check()
        return self._core.after(tuple(one.to(near.device) for one in results), known)

    def _halved(self, sound: Tensor) -> Tensor:
        """Compute two overlapping halves, and fade from one into the other."""
        middle, reach = sound.shape[-1] // 2, int(_JOIN_S * self._rate / 2)
        first = self._computed(sound[..., : middle + reach])
        second = self._computed(sound[..., middle - reach :])
        rise = torch.from_numpy(fade(2 * reach))
        join = first[..., middle - reach :] * (1 - rise) + second[..., : 2 * reach] * rise
        return torch.cat([first[..., : middle - reach], join, second[..., 2 * reach :]], dim=-1)

    def _let_go(self, place: str) -> None:
        try:
            getattr(torch, place).empty_cache()
        except RuntimeError as problem:
            log.info("%s keeps its memory: %s", place, problem)

    def _look(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        self._progress.check()

    def _start(self) -> bool:
        """Have OpenVINO compute, if it is here and the network lies in its form; return whether it does."""
        if self._exported is None or not self._exported.is_file():
            return False
        openvino = _openvino()
        if openvino is None:
            return False
        exact = bool(settings.stored("exact"))
        if self._compiled is not None and exact == self._exact:
            return True
        program = openvino.Core()
        halves = "BF16" in program.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        precision = "bf16" if halves and not exact else "f32"
        if self._compiled is None or precision != self._precision:
            try:
                self._compiled = program.compile_model(
                    self._exported,
                    "CPU",
                    {
                        "INFERENCE_PRECISION_HINT": precision,
                        "PERFORMANCE_HINT": "LATENCY",
                        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                    },
                )
            except RuntimeError as problem:
                log.info("OpenVINO does not take %s: %s", self._exported.name, problem)
                self._exported = None
                return False
            self._request = None
        self._precision, self._exact = precision, exact
        return True

    def _elsewhere(self, sound: Tensor) -> Tensor:
        assert self._core is not None
        given, known = self._core.before(sound)
        if self._request is None:
            self._request = self._compiled.create_infer_request()
        request = self._request
        request.start_async([one.contiguous().numpy() for one in given], share_inputs=True)
        try:
            while not request.wait_for(_LOOK_MS):
                self._progress.check()
        except BaseException:
            request.cancel()
            # Memory that it still writes into must outlive it; that it was stopped it says by an exception.
            with contextlib.suppress(RuntimeError):
                request.wait_for(_ENDING_MS)
            self._request = None
            raise
        found = tuple(torch.from_numpy(request.get_output_tensor(at).data) for at in range(len(self._compiled.outputs)))
        self._progress.check()
        return self._core.after(found, known)


def _openvino() -> Any:
    """Return the package, or None where it is not installed.

    When it is imported it tells its makers over the network that it was, unless the part that does so is missing:
    nobody here was asked for that, so it is.
    """
    if find_spec("openvino") is None:
        return None
    sys.modules.setdefault("openvino_telemetry", cast(Any, None))
    try:
        return import_module("openvino")
    except (ImportError, OSError) as problem:
        log.info("OpenVINO does not start: %s", problem)
        return None


def export(core: Core, path: Path) -> None:
    """Write a network's heart in OpenVINO's form. Takes a minute and as much memory as a few of its runs.

    Parameters
    ----------
    core
        The network.
    path
        Ends with `EXPORTED`.

    Raises
    ------
    ImportError
        If OpenVINO is not installed.
    """
    import warnings

    openvino = _openvino()
    if openvino is None:
        raise ImportError("openvino")
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.inference_mode():
        given, _ = core.before(torch.zeros(1, 2, core.length))
    given = tuple(one.clone() for one in given)
    with torch.no_grad(), warnings.catch_warnings():
        # That its branches are taken as they come for this one length is what is wanted.
        warnings.simplefilter("ignore")
        trace: Any = torch.jit.trace
        traced = trace(core.heart.eval(), given, check_trace=False)
        converter = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced, example_input=given)
        model = converter.convert(converter.load(decoder))
        model.reshape({at: list(one.shape) for at, one in enumerate(given)})
    temporary = path.with_name(f"making-{path.name}")
    openvino.save_model(model, temporary, compress_to_fp16=False)
    temporary.with_suffix(".bin").replace(path.with_suffix(".bin"))
    temporary.replace(path)
