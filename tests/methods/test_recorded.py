"""What a network has a card do, recorded and played back; without a card by one that does what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from stemeditor.methods import device, pytorch
from stemeditor.methods.recorded import Recorded


class Graph:
    """Does what was done while it recorded once more: to the same tensors."""

    made: list[Graph] = []

    def __init__(self) -> None:
        self.again: Callable[[], None] = lambda: None
        self.played = 0
        Graph.made.append(self)

    def replay(self) -> None:
        self.played += 1
        with torch.inference_mode():
            self.again()


class Net(torch.nn.Module):
    """Gives thrice what it is given, and notes when it is asked itself."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.recording: Graph | None = None
        self.words = ""
        self.found = torch.zeros(0)

    def forward(self, sound: Tensor) -> Tensor:
        if self.recording is not None and self.words:
            raise RuntimeError(self.words)
        self.asked.append(len(sound))
        found = self.found = sound * 3
        if self.recording is not None:
            self.recording.again = lambda: found.copy_(sound * 3)
        return found


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    """Let the card be one that can record."""
    one = Net()
    Graph.made = []

    @contextmanager
    def recording(graph: Graph, **how: object) -> Iterator[None]:
        assert how["stream"] == "its own"
        one.recording = graph
        try:
            yield
        finally:
            one.recording = None

    stream = ["the common one"]
    monkeypatch.setattr(pytorch, "records", lambda: True)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: "its own")
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream[0])
    monkeypatch.setattr(torch.cuda, "default_stream", lambda: "the common one")
    monkeypatch.setattr(torch.cuda, "set_stream", lambda one: stream.__setitem__(0, one))
    original = torch.Tensor.to

    def there(self: Tensor, place: str, copy: bool = False) -> Tensor:
        assert place == "cuda"
        return original(self, "cpu", copy=copy)

    monkeypatch.setattr(torch.Tensor, "to", there)
    return one


def pieces(count: int, frames: int = 5) -> Tensor:
    return torch.randn(count, 2, frames)


def test_the_second_piece_of_a_length_is_recorded_and_the_next_ones_are_played(net: Net) -> None:
    run = Recorded(net, device.CUDA)
    for number in range(5):
        sound = pieces(1)
        assert torch.equal(run(sound, False), sound * 3)
        # The second is computed and recorded.
        assert len(net.asked) == min(number * 2 + 1, 3)
    (graph,) = Graph.made
    assert graph.played == 4
    # Others are others.
    for sound in (pieces(1, 6), pieces(4)):
        assert torch.equal(run(sound, False), sound * 3)
    assert len(net.asked) == 5
    assert len(Graph.made) == 1


def test_two_recordings_are_kept(net: Net) -> None:
    run = Recorded(net, device.CUDA)
    for count in (1, 1, 4, 4, 1, 2, 2):
        run(pieces(count), False)
    assert len(Graph.made) == 3
    net.asked.clear()
    for count in (1, 2):
        run(pieces(count), False)
    assert net.asked == []
    # That of four was not asked for as long as the others.
    run(pieces(4), False)
    assert net.asked == [4, 4]


def test_what_is_forgotten_is_recorded_anew(net: Net) -> None:
    run = Recorded(net, device.CUDA)
    for _ in range(3):
        run(pieces(1), False)
    run.forget()
    assert run._recordings == {}
    net.asked.clear()
    for _ in range(3):
        sound = pieces(1)
        assert torch.equal(run(sound, False), sound * 3)
    assert net.asked == [1, 1, 1]
    assert len(Graph.made) == 2


@pytest.mark.parametrize(
    "words", ["CUDA out of memory.", "CUDA error: operation not permitted when stream is capturing", "who knows"]
)
def test_what_cannot_be_recorded_is_computed(net: Net, words: str) -> None:
    run = Recorded(net, device.CUDA)
    net.words = words
    for _ in range(4):
        sound = pieces(1)
        assert torch.equal(run(sound, False), sound * 3)
    # It is tried once.
    assert len(Graph.made) == 1
    assert len(net.asked) == 4


def test_a_recording_that_finds_something_else_is_not_played(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Graph.replay

    def astray(graph: Graph) -> None:
        original(graph)
        with torch.inference_mode():
            net.found.mul_(1.01)

    monkeypatch.setattr(Graph, "replay", astray)
    run = Recorded(net, device.CUDA)
    for _ in range(4):
        sound = pieces(1)
        assert torch.equal(run(sound, False), sound * 3)
    assert len(Graph.made) == 1
    assert len(net.asked) == 5


def test_only_cards_of_one_kind_record(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "to", lambda self, place: self)
    for place, records in (("cpu", True), ("xpu", True), ("mps", True), ("cuda", False)):
        monkeypatch.setattr(pytorch, "records", lambda records=records: records)
        run = Recorded(net, place)
        for _ in range(3):
            run(pieces(1), False)
    assert len(net.asked) == 12
    assert not Graph.made
