"""What a network has a card do, recorded: one order plays back what took hundreds, each waited for by the card."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from stemeditor.methods import device, pytorch

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

log = logging.getLogger(__name__)

_MOST = 2
"""How many recordings are kept, each of which keeps the memory that it works in: one piece, and several at once."""

_OFF = 1e-3
"""How far from what the network found a recording may be, as a share of it: chance in the order of sums, no more."""

_Kind: TypeAlias = "tuple[tuple[int, ...], bool]"


@dataclass(frozen=True, slots=True, eq=False)
class _Recording:
    """What plays, and where it takes its pieces from and puts what it finds."""

    graph: torch.cuda.CUDAGraph
    given: Tensor
    found: Tensor


class Recorded:
    """A network on a card, for the card's thread.

    What pieces of one length, and as many at once, have a card do is recorded when it is done for the second time. A
    recording counts if it finds what the network found. Networks that look at what they find cannot be recorded, and
    are computed order by order.

    Parameters
    ----------
    net
        Lies where it is computed, and stays there.
    place
        Key of a device.
    """

    def __init__(self, net: nn.Module, place: str) -> None:
        self._net = net
        self._place = place
        self._records = place == device.CUDA and pytorch.records()
        self._met: set[_Kind] = set()
        self._recordings: dict[_Kind, _Recording] = {}

    def forget(self) -> None:
        """Give back the memory of all recordings."""
        self._recordings.clear()
        self._met.clear()

    def __call__(self, given: Tensor, halves: bool) -> Tensor:
        """Return what it makes of some pieces of one length, where it lies; it stays so until the next call.

        Parameters
        ----------
        given
            (pieces, ...), there or in the processor's memory.
        halves
            Whether in half precision.
        """
        if not self._records:
            return self._computed(given.to(self._place), halves)
        own_stream()
        kind = (tuple(given.shape), halves)
        recording = self._recordings.pop(kind, None)
        if recording is None:
            there = given.to(self._place, copy=True)
            found = self._computed(there, halves)
            if kind in self._met:
                self._record(kind, there, found)
            self._met.add(kind)
            return found
        # The one that was asked for last is the last to go.
        self._recordings[kind] = recording
        recording.given.copy_(given)
        recording.graph.replay()
        return recording.found

    def _computed(self, given: Tensor, halves: bool) -> Tensor:
        import torch

        with torch.inference_mode(), pytorch.precision(halves):
            found: Tensor = self._net(given).float()
        return found

    def _record(self, kind: _Kind, given: Tensor, expected: Tensor) -> None:
        """Record what the network does with some pieces, where they lie, if that can be and finds what is expected."""
        import torch

        while len(self._recordings) >= _MOST:
            del self._recordings[next(iter(self._recordings))]
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads may ask the driver for something meanwhile.
            with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
                found = self._computed(given, kind[1])
            graph.replay()
            off = float((found - expected).norm())
            if off <= _OFF * float(expected.norm()):
                self._recordings[kind] = _Recording(graph, given, found)
                return
            log.info("a recording of %s is off by %g", type(self._net).__name__, off)
        except RuntimeError as problem:
            log.info("%s is not recorded: %s", type(self._net).__name__, problem)
        self._records = False
        self._recordings.clear()


def own_stream() -> None:
    """Have this thread give its orders apart from those of others: only such can be recorded."""
    import torch

    if torch.cuda.current_stream() == torch.cuda.default_stream():
        torch.cuda.set_stream(torch.cuda.Stream())  # type: ignore[no-untyped-call]
