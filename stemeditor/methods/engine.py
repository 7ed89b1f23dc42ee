"""A network at work: on which device, with which program, stoppable in the middle, and going on when memory is full."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from stemeditor import memory
from stemeditor.methods import device, exported, processor, pytorch
from stemeditor.methods.base import Remark
from stemeditor.methods.batching import Batcher, Task
from stemeditor.methods.exported import Array, Compiled, Form
from stemeditor.methods.measured import remembered
from stemeditor.methods.segments import fade
from stemeditor.progress import Progress, Silent
from stemeditor.threads import aside

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.hooks import RemovableHandle

log = logging.getLogger(__name__)

_JOIN_S = 1.0
_SHORTEST_S = 4.0
_WORTH_IT = 1.02
"""Times as fast as single precision from which on a graphics card computes in half."""

_WORTH_MEMORY = 1.1
"""Times as fast as one after the other from which on it computes several pieces at once."""


class Engine:
    """A network, ready to compute. Threads that want it at once wait for each other.

    PyTorch, which takes seconds to start and half a gigabyte, is only asked where OpenVINO does not compute.

    Parameters
    ----------
    build
        Gives the network with its weights: (1, channels, frames) -> (1, stems, channels, frames), float32, or whatever
        is asked of it. Called once, when PyTorch computes for the first time.
    rate
        Of its sound, Hz.
    elastic
        Whether it takes sound of any length, so that a full memory can be met with shorter pieces.
    form
        The network in the form of OpenVINO, if it can have one.
    """

    def __init__(
        self, build: Callable[[], nn.Module], rate: int, elastic: bool = True, form: Form | None = None
    ) -> None:
        self._build = build
        self._net: nn.Module | None = None
        self._rate = rate
        self._elastic = elastic
        self._form = form
        self._compiled: Compiled | None = None
        self._made = (False, 0)
        self._place = device.CPU
        self._gain: float | None = None
        self._forced = ""
        self._several: int | None = None
        self._hooks: list[RemovableHandle] = []
        self._progress: Progress = Silent()
        self._batcher = Batcher()

    def prepare(self, again: bool = False) -> None:
        """Write the network in the form of OpenVINO if that is of use here and not done yet, or shall be done again."""
        form = self._form
        if form is not None and (again or not form.ready) and processor.package() is not None:
            exported.export(self._build(), form)
            if form.compiled is not None:
                Compiled(form, exported.exactly())

    def warm(self) -> None:
        """Start the program that will compute."""
        if device.chosen().key == device.CPU and self._form is not None and exported.usable(self._form):
            if processor.package() is not None and not exported.exactly():
                processor.halves_pay()
        else:
            pytorch.start()

    def __call__(self, sound: Array, progress: Progress) -> Array:
        """Return (stems, channels, frames) of (channels, frames).

        Stops at once when `progress` says so, also while a network is read or a long layer computed. A full or lost
        accelerator costs time, not the result: shorter pieces first, then the processor, and a `Remark` says so.

        An accelerator is given pieces that wait for it at once, a few of them, if that is faster.
        """

        def run(seen: Progress) -> Array:
            return self._batcher.run(Task(sound, device.chosen().key, seen), self._do, self._most)

        return aside(run, progress)

    def _most(self, task: Task) -> int:
        """Return how many pieces that are like this one can be computed at once."""
        place = self._forced or task.place
        return 1 if place == device.CPU or self._several is None else self._several

    def _do(self, tasks: list[Task]) -> None:
        """Compute pieces of one length; what goes wrong with one is told to whoever waits for it."""
        if len(tasks) > 1 and self._at_once(tasks):
            return
        for task in tasks:
            self._one(task)

    def _one(self, task: Task) -> None:
        self._progress = task.progress
        try:
            task.found = self._computed(task.sound, task.place)
        except BaseException as problem:
            task.problem = problem
        finally:
            self._progress = Silent()
        task.done = True

    def _at_once(self, tasks: list[Task]) -> bool:
        """Have an accelerator compute several pieces; return False if it cannot, and do so no more."""
        place = tasks[0].place
        try:
            found = self._here(np.stack([task.sound for task in tasks]), place)
        except Exception as problem:
            if device.trouble(problem):
                log.info("%d pieces at once are too much for %s: %s", len(tasks), place, problem)
            else:
                log.exception("%d pieces at once failed", len(tasks))
        else:
            for task, one in zip(tasks, found, strict=True):
                task.found, task.done = one, True
            return True
        # Only outside the handler are the tensors of the failed try given back.
        self._several = 1
        self._let_go(place)
        return False

    @property
    def shaped(self) -> bool:
        """Whether pieces of one length only are computed fast."""
        form = self._form
        return form is not None and (form.refitted or not form.core.fits(1)) and exported.usable(form)

    @property
    def program(self) -> str:
        """What computes, for people: "OpenVINO, bf16", "PyTorch on cuda"."""
        if self._compiled is not None:
            return f"OpenVINO, {self._compiled.precision}"
        return f"PyTorch on {self._place}"

    def _computed(self, sound: Array, place: str) -> Array:
        wanted = self._forced or place
        if wanted == device.CPU and self._start(sound):
            assert self._compiled is not None
            return self._compiled(sound, self._progress)
        try:
            found: Array = self._here(sound[None], wanted)[0]
            return found
        except RuntimeError as problem:
            trouble = device.trouble(problem)
            if not trouble or wanted == device.CPU:
                raise
            log.info("%s is %s: %s", wanted, trouble, problem)
        # Only outside the handler are the tensors of the failed try given back.
        self._let_go(wanted)
        if trouble == device.FULL and self._elastic and sound.shape[-1] > 2 * _SHORTEST_S * self._rate:
            return self._halved(sound, place)
        self._forced = device.CPU
        what = "The graphics card's memory is full" if trouble == device.FULL else "The graphics card does not answer"
        self._progress.post(Remark(f"{what}: going on on the processor, which takes longer."))
        return self._computed(sound, place)

    def _start(self, sound: Array) -> bool:
        """Have OpenVINO compute, if it is here and takes sound of this length; return whether it does."""
        form, frames = self._form, sound.shape[-1]
        if form is None or not form.core.fits(frames) or not exported.usable(form):
            return False
        other = form.other(frames)
        made = (exported.exactly(), frames if other else 0)
        if self._compiled is None or made != self._made:
            if self._net is not None or self._compiled is not None:
                # PyTorch's, for pieces that OpenVINO does not take, or that for another length would lie beside it.
                self._net, self._compiled, self._place = None, None, device.CPU
                memory.give_back()
            try:
                self._compiled = Compiled(form, made[0], sound)
            except (exported.Refused, ImportError) as problem:
                log.info("PyTorch computes: %s", problem)
                if not other:
                    self._form = None
                return False
            self._made = made
        return True

    def _here(self, sounds: Array, place: str) -> Array:
        """Let PyTorch compute some pieces of one length: (pieces, channels, frames)."""
        pytorch.start()
        import torch

        net = self._net
        if net is None:
            if self._compiled is not None:
                self._compiled = None
                memory.give_back()
            net = self._net = self._build().eval()
            self._place = ""
        if place != self._place:
            # If that fails in the middle, some of it is there and some here.
            self._place = ""
            net.to(place)
            self._watch(net, place)
            self._place = place
        # A copy: sound is read-only, which PyTorch does not know.
        given = torch.tensor(sounds).to(place)
        halves = self._halves(net, given, place)
        if self._several is None and place != device.CPU:
            self._several = self._measured(net, given, halves)
        with torch.inference_mode(), pytorch.precision(halves):
            found: Array = net(given).float().cpu().numpy()
        return found

    def _watch(self, net: nn.Module, place: str) -> None:
        """Let every layer ask whether to go on; not on accelerators, which would wait for that."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = [part.register_forward_pre_hook(self._look) for part in net.modules() if place == device.CPU]

    def _halves(self, net: nn.Module, given: Tensor, place: str) -> bool:
        """Whether a graphics card computes the network in half precision: if it is faster, and not unwanted."""
        if place != device.CUDA or exported.exactly():
            return False
        gain = self._gain
        if gain is None:
            # Large cards wait for what they shall do next, and changes of precision are more to do.
            gain = self._gain = _remembered("half precision", net, lambda: pytorch.gain_of_halves(net, given))
        return gain > _WORTH_IT

    def _measured(self, net: nn.Module, given: Tensor, halves: bool) -> int:
        """Return how many pieces an accelerator is given at once: several if that is faster, and there is room."""
        what = f"{device.SEVERAL} at once, {'half' if halves else 'single'} precision"
        try:
            gain = _remembered(what, net, lambda: pytorch.gain_of_several(net, given, device.SEVERAL, halves))
        except RuntimeError as problem:
            if not device.trouble(problem):
                raise
            # Not remembered: another time there may be more room.
            log.info("there is no room for %s: %s", what, problem)
            return 1
        return device.SEVERAL if gain > _WORTH_MEMORY else 1

    def _halved(self, sound: Array, place: str) -> Array:
        """Compute two overlapping halves, and fade from one into the other."""
        middle, reach = sound.shape[-1] // 2, int(_JOIN_S * self._rate / 2)
        first = self._computed(sound[..., : middle + reach], place)
        second = self._computed(sound[..., middle - reach :], place)
        rise = fade(2 * reach)
        join = first[..., middle - reach :] * (1 - rise) + second[..., : 2 * reach] * rise
        return np.concatenate([first[..., : middle - reach], join, second[..., 2 * reach :]], axis=-1)

    def _let_go(self, place: str) -> None:
        import torch

        try:
            getattr(torch, place).empty_cache()
        except RuntimeError as problem:
            log.info("%s keeps its memory: %s", place, problem)

    def _look(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        self._progress.check()


def _remembered(what: str, net: nn.Module, measure: Callable[[], float]) -> float:
    """Return what was measured once for a network on the device that computes."""
    import torch

    name = f"{what}, {device.chosen().name}, {type(net).__name__}, PyTorch {torch.__version__}"
    return remembered(name, measure)
