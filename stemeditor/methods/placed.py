"""A network as PyTorch computes it: where it lies, in which precision a card does, and how many pieces it is given."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from stemeditor.methods import cards, device, exported, pytorch
from stemeditor.methods.exported import Array
from stemeditor.methods.measured import remembered
from stemeditor.progress import Progress, Silent

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.hooks import RemovableHandle

log = logging.getLogger(__name__)

_WORTH_IT = 1.2
"""Times as fast as single precision from which on a graphics card computes in half."""

_WORTH_MEMORY = 1.2
"""Times as fast as one after the other from which on it computes several pieces at once, in as much more memory."""

_TELLING = 1 << 17
"""Numbers of a piece from which on it is worth measuring: shorter ones tell of the card's start, and are over soon."""

_HALVES = "half precision"


@dataclass(slots=True)
class Room:
    """What a card turned out to have room for, in one separation.

    Parameters
    ----------
    longest
        Length of pieces that are not cut without being tried, frames.
    tidied
        Whether a piece was tried again once it held nothing else.
    several
        Whether several pieces at once may be tried.
    unmeasured
        What could not be measured.
    over
        Whether the processor computes what is left.
    """

    longest: float = float("inf")
    tidied: bool = False
    several: bool = True
    unmeasured: set[str] = field(default_factory=set)
    over: bool = False


class Placed:
    """A network, wherever it lies. Whoever uses it does so alone, and in the card's thread where it is one.

    It goes to a card, and never comes back: it is read anew. A card that is lost keeps what it has, and one that is
    full shall be empty at once.

    Parameters
    ----------
    build
        Gives the network with its weights.
    suited
        Gives the network as a card of NVIDIA's kind computes it fast, made of what `build` gave.
    """

    def __init__(
        self, build: Callable[[], nn.Module], suited: Callable[[nn.Module], nn.Module] = lambda net: net
    ) -> None:
        self.place = device.CPU
        self._build = build
        self._suited = suited
        self._net: nn.Module | None = None
        self._hooks: list[RemovableHandle] = []
        self._progress: Progress = Silent()
        self._gains: dict[str, float] = {}
        self._exact = False

    @property
    def read(self) -> bool:
        """Whether it is in memory, here or there."""
        return self._net is not None

    def drop(self) -> None:
        """Give back its memory, here or there."""
        self._net, self._hooks, self.place = None, [], device.CPU

    def prepare(self, place: str) -> None:
        """Read it where it is not read yet, or lies on another card; in any thread."""
        if self._net is not None and self.place not in (device.CPU, place):
            self.drop()
        if self._net is None:
            self._net = self._build().eval()
            # It may have been there before, who knows.
            self.place = ""

    def compute(self, sounds: Array, place: str, progress: Progress, room: Room) -> Array:
        """Return what it makes of some pieces of one length: (pieces, channels, frames).

        Parameters
        ----------
        sounds
            Read-only.
        place
            Key of a device.
        progress
            Checked before every layer; not on accelerators, which would wait for that.
        room
            Of the separation; noted there is what cannot be measured.
        """
        import torch

        net = self._moved(place)
        self._progress = progress
        try:
            # A copy, which on its way to a card is made anyway: sound may be read-only, which PyTorch does not know.
            goes = place != device.CPU and sounds.flags.writeable
            given = (torch.from_numpy(sounds) if goes else torch.tensor(sounds)).to(place)
            halves = self._in_halves(net, sounds[0], place, room)
            found = _computed(net, given, halves)
            if halves and not np.isfinite(found).all():
                # The narrow kind of halves knows no large numbers.
                log.info("half precision is not enough for %s", type(net).__name__)
                self._exact = True
                found = _computed(net, given, False)
            return found
        finally:
            self._progress = Silent()

    def several_pay(self, sound: Array, place: str, room: Room) -> bool:
        """Whether a card computes several pieces like this one faster at once; measured where that is not known."""
        net = self._moved(place)
        halves = self._in_halves(net, sound, place, room)
        return self._gain(self._several_at_once(sound, halves), net, sound, room, halves) > _WORTH_MEMORY

    def several_may_pay(self, sound: Array, place: str, room: Room) -> bool:
        """Whether that is so, as far as it is known."""
        halves = self._may_be_halves(place) and self._gains.get(f"{_HALVES}, {_kind(sound)}", 0.0) > _WORTH_IT
        what = self._several_at_once(sound, halves)
        return what not in room.unmeasured and self._gains.get(what, float("inf")) > _WORTH_MEMORY

    def without_halves(self) -> bool:
        """Compute in single precision from now on; return whether that is something else."""
        before, self._exact = self._exact, True
        return not before and any(name.startswith(_HALVES) and gain > _WORTH_IT for name, gain in self._gains.items())

    def _moved(self, place: str) -> nn.Module:
        """Return the network where it shall lie."""
        self.prepare(place)
        net = self._net
        assert net is not None
        if place == self.place:
            return net
        try:
            if place == device.CUDA:
                net = self._net = self._suited(net)
            net.to(place)
        except BaseException:
            # Some of it is there, and some here.
            self.drop()
            raise
        for hook in self._hooks:
            hook.remove()
        self._hooks = [part.register_forward_pre_hook(self._look) for part in net.modules() if place == device.CPU]
        self.place = place
        return net

    def _may_be_halves(self, place: str) -> bool:
        return place == device.CUDA and not self._exact and not exported.exactly()

    def _in_halves(self, net: nn.Module, sound: Array, place: str, room: Room) -> bool:
        """Whether a graphics card computes the network in half precision: if it is faster, and not unwanted."""
        # Large cards wait for what they shall do next, and changes of precision are more to do.
        return self._may_be_halves(place) and self._gain(f"{_HALVES}, {_kind(sound)}", net, sound, room) > _WORTH_IT

    def _several_at_once(self, sound: Array, halves: bool) -> str:
        return f"{device.SEVERAL} at once, {'half' if halves else 'single'} precision, {_kind(sound)}"

    def _gain(self, what: str, net: nn.Module, sound: Array, room: Room, halves: bool = False) -> float:
        """Return what is gained by something, measured for pieces of about this length, once."""
        import torch

        if what in self._gains:
            return self._gains[what]
        if what in room.unmeasured or sound.size < _TELLING:
            return 0.0

        def measure() -> float:
            given = torch.tensor(sound[None]).to(self.place)
            if what.startswith(_HALVES):
                return pytorch.gain_of_halves(net, given)
            return pytorch.gain_of_several(net, given, device.SEVERAL, halves)

        try:
            self._gains[what] = _remembered(what, net, measure)
            return self._gains[what]
        except RuntimeError as problem:
            # Not remembered: another time there may be more room.
            log.info("%s cannot be measured: %s", what, problem)
        # Only outside the handler are the tensors of the failed try given back.
        room.unmeasured.add(what)
        cards.free(self.place)
        return 0.0

    def _look(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        self._progress.check()


def _computed(net: nn.Module, given: Tensor, halves: bool) -> Array:
    import torch

    with torch.inference_mode(), pytorch.precision(halves):
        return pytorch.fetched(net(given).float())


def _kind(sound: Array) -> str:
    """Return how much a piece is, within a factor of two."""
    return f"2^{sound.size.bit_length()} numbers"


def _remembered(what: str, net: nn.Module, measure: Callable[[], float]) -> float:
    """Return what was measured once for a network on the device that computes."""
    import torch

    weights = sum(part.numel() for part in net.parameters())
    name = f"{what}, {device.chosen().name}, {type(net).__name__} of {weights} weights, PyTorch {torch.__version__}"
    return remembered(name, measure)
