"""A network at work: on which device, with which program, stoppable in the middle, and going on when memory is full."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from stemeditor import memory
from stemeditor.errors import Cancelled
from stemeditor.methods import cards, device, exported, processor, pytorch
from stemeditor.methods.base import Remark
from stemeditor.methods.batching import Batcher, Task
from stemeditor.methods.device import Separation
from stemeditor.methods.exported import Array, Compiled, Form
from stemeditor.methods.placed import Placed, Room
from stemeditor.methods.segments import fade
from stemeditor.progress import Progress, Silent
from stemeditor.threads import aside, elsewhere

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

_JOIN_S = 1.0
_SHORTEST_S = 4.0

_TOLD = {
    device.FULL: "The graphics card's memory is full",
    device.LOST: "The graphics card does not answer",
    device.UNABLE: "The graphics card lacks what this network needs",
    "": "The graphics card fails at this network",
}

_UNKNOWN = Room()
"""Of a separation that has not begun."""


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
    suited
        See `Placed`.
    step
        Frames for each number that it gives along its last axis; it gives one more for the end, if more than one.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        rate: int,
        elastic: bool = True,
        form: Form | None = None,
        suited: Callable[[nn.Module], nn.Module] = lambda net: net,
        step: int = 1,
    ) -> None:
        self._build = build
        self._placed = Placed(build, suited)
        self._rate = rate
        self._elastic = elastic
        self._step = step
        self._form = form
        self._compiled: Compiled | None = None
        self._made = (False, 0)
        self._lost = ""
        self._rooms: WeakKeyDictionary[Separation, Room] = WeakKeyDictionary()
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
        accelerator costs time, not the result: shorter pieces first, then the processor for the rest of the separation,
        and a `Remark` says so.

        An accelerator is given pieces of a `Group` at once, a few of them, if that is faster.
        """

        def run(seen: Progress) -> Array:
            place = device.chosen().key
            task = Task(sound, place, seen, device.separation())
            # While a card computes another network this one waits for it.
            with elsewhere() if place != device.CPU and cards.busy(place) else contextlib.nullcontext():
                return self._batcher.run(task, self._do, self._most(task))

        return aside(run, progress)

    @property
    def place(self) -> str:
        """Where PyTorch's network lies; see `cards.Resident`."""
        return self._placed.place

    def leave(self) -> bool:
        """See `cards.Resident`."""
        # Networks of one separation would only drive each other out.
        if self._placed.place == device.CPU or len(self._rooms):
            return False
        return self._batcher.if_idle(self._placed.drop)

    def _most(self, task: Task) -> int:
        """Return how many pieces that are like this one may be computed at once."""
        room = self._rooms.get(task.separation, _UNKNOWN)
        if task.place in (device.CPU, self._lost) or room.over or not room.several:
            return 1
        return device.SEVERAL if self._placed.several_may_pay(task.sound, task.place, room) else 1

    def _do(self, tasks: list[Task]) -> None:
        """Compute pieces of one length; what goes wrong with one is told to whoever waits for it."""
        if len(tasks) > 1 and self._at_once(tasks):
            return
        for task in tasks:
            try:
                task.found = self._computed(task.sound, task)
            except BaseException as problem:
                task.problem = problem
            task.done = True

    def _at_once(self, tasks: list[Task]) -> bool:
        """Have an accelerator compute several pieces; return False if that is not faster, or it cannot."""
        place, separation = tasks[0].place, tasks[0].separation
        try:
            found = self._there(np.stack([task.sound for task in tasks]), tasks)
            if found is None:
                return False
        except Cancelled:
            # Not all of them are wanted any more.
            return False
        except Exception as problem:
            if device.trouble(problem):
                log.info("%d pieces at once are too much for %s: %s", len(tasks), place, problem)
            else:
                log.exception("%d pieces at once failed", len(tasks))
        else:
            for task, one in zip(tasks, found, strict=True):
                task.found, task.done = one, True
            separation.places.extend([place] * len(tasks))
            return True
        # Only outside the handler are the tensors of the failed try given back.
        self._room(tasks[0]).several = False
        cards.free(place)
        return False

    @property
    def ready(self) -> bool:
        """Whether OpenVINO can compute it at once."""
        return self._compiled is not None

    def rest(self) -> None:
        """Give back what OpenVINO computes it with, which is made anew when it is asked again."""
        self._batcher.if_idle(self._leave_openvino)

    @property
    def shaped(self) -> bool:
        """Whether pieces of one length only are computed fast; a card takes any."""
        form = self._form
        if form is None or device.chosen().key != device.CPU:
            return False
        return (form.refitted or not form.core.fits(1)) and exported.usable(form)

    @property
    def program(self) -> str:
        """What computes, for people: "OpenVINO, bf16", "PyTorch on cuda"."""
        if self._compiled is not None:
            return f"OpenVINO, {self._compiled.precision}"
        return f"PyTorch on {self._placed.place}"

    def _computed(self, sound: Array, task: Task) -> Array:
        """Compute a piece, or a part of it, wherever that can be done."""
        room = self._room(task)
        if task.place == device.CPU or room.over:
            return self._locally(sound, task, room)
        if sound.shape[-1] > room.longest:
            return self._halved(sound, task)
        found, trouble, first = self._tried(sound, task)
        if trouble == device.FULL and (cards.make_room(task.place, self) or not room.tidied):
            # What was measured before lay about in its memory.
            room.tidied = True
            found, trouble, first = self._tried(sound, task)
        if trouble == device.UNABLE and self._placed.without_halves():
            found, trouble, first = self._tried(sound, task)
        if found is not None:
            return found
        if trouble == device.FULL and self._elastic and sound.shape[-1] > 2 * _SHORTEST_S * self._rate:
            # What comes next is cut without being tried.
            room.longest = -(-sound.shape[-1] // 2) + self._reach + self._step - 1
            return self._halved(sound, task)
        self._placed.drop()
        if trouble == device.LOST:
            self._lost = task.place
        self._go_on_here(room, trouble, task.progress)
        try:
            return self._locally(sound, task, room)
        except RuntimeError as second:
            if first is None:
                raise
            raise first from second

    def _tried(self, sound: Array, task: Task) -> tuple[Array | None, str, RuntimeError | None]:
        """Have an accelerator compute a piece; return what it found, or its trouble, and what nobody knows."""
        unknown: RuntimeError | None = None
        try:
            found = self._there(sound[None], [task])
        except RuntimeError as problem:
            trouble = device.trouble(problem)
            if trouble:
                log.info("%s is %s: %s", task.place, trouble, problem)
            else:
                log.exception("%s fails", task.place)
                unknown = problem
                # It holds the tensors of the failed try, and is needed for longer.
                traceback.clear_frames(problem.__traceback__)
        else:
            assert found is not None
            task.separation.places.append(task.place)
            return found[0], "", None
        # Only outside the handler are the tensors of the failed try given back.
        cards.free(task.place)
        return None, trouble, unknown

    def _room(self, task: Task) -> Room:
        """Return what a card has room for in one separation, as far as that is known."""
        room = self._rooms.get(task.separation)
        if room is None:
            room = self._rooms[task.separation] = Room()
            if self._lost and self._lost == task.place:
                self._go_on_here(room, device.LOST, task.progress)
        return room

    def _go_on_here(self, room: Room, trouble: str, progress: Progress) -> None:
        """Let the processor compute the rest of a separation, and say so."""
        room.over = True
        progress.post(Remark(f"{_TOLD[trouble]}: going on on the processor, which takes longer."))

    def _locally(self, sound: Array, task: Task, room: Room) -> Array:
        """Have the processor compute a piece."""
        if self._start(sound):
            assert self._compiled is not None
            found = self._compiled(sound, task.progress)
        else:
            self._leave_openvino()
            pytorch.start()
            found = self._placed.compute(sound[None], device.CPU, task.progress, room)[0]
        task.separation.places.append(device.CPU)
        return found

    def _start(self, sound: Array) -> bool:
        """Have OpenVINO compute, if it is here and takes sound of this length; return whether it does."""
        form, frames = self._form, sound.shape[-1]
        if form is None or not form.core.fits(frames) or not exported.usable(form):
            return False
        other = form.other(frames)
        made = (exported.exactly(), frames if other else 0)
        if self._compiled is None or made != self._made:
            if self._placed.read or self._compiled is not None:
                # PyTorch's, for pieces that OpenVINO does not take, or that for another length would lie beside it.
                self._placed.drop()
                self._compiled = None
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

    def _there(self, sounds: Array, tasks: list[Task]) -> Array | None:
        """Let PyTorch compute some pieces of one length, (pieces, channels, frames), in the thread of a card.

        Return None if there are several, and each by itself is computed faster.
        """
        place, room = tasks[0].place, self._room(tasks[0])
        pytorch.start()
        self._leave_openvino()
        # Here, while the card computes another one.
        self._placed.prepare(place)
        cards.settle(self)

        def work() -> Array | None:
            for task in tasks:
                # The card may have had much to do before.
                task.progress.check()
            if len(sounds) > 1 and not self._placed.several_pay(sounds[0], place, room):
                return None
            return self._placed.compute(sounds, place, Silent(), room)

        return cards.do(place, work)

    def _leave_openvino(self) -> None:
        """Give back the memory of a network that PyTorch computes from now on."""
        if self._compiled is not None:
            self._compiled = None
            memory.give_back()

    @property
    def _reach(self) -> int:
        """How far halves reach beyond the middle, frames."""
        return int(_JOIN_S * self._rate / 2) // self._step * self._step

    def _halved(self, sound: Array, task: Task) -> Array:
        """Compute two overlapping halves, and fade from one into the other."""
        step, reach = self._step, self._reach
        middle = sound.shape[-1] // 2 // step * step
        first = self._computed(sound[..., : middle + reach], task)
        second = self._computed(sound[..., middle - reach :], task)
        begin, both = (middle - reach) // step, 2 * reach // step
        rise = fade(both)
        join = first[..., begin : begin + both] * (1 - rise) + second[..., :both] * rise
        return np.concatenate([first[..., :begin], join, second[..., both:]], axis=-1)
