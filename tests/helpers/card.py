"""A machine with a graphics card, as far as the program can see."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from weakref import WeakSet

import numpy as np
import pytest
import torch

from stemeditor.methods import cards, device, placed, pytorch
from stemeditor.methods.base import Remark
from stemeditor.methods.batching import Group
from stemeditor.methods.device import Device, Separation
from stemeditor.methods.engine import Engine
from stemeditor.methods.exported import Array
from stemeditor.progress import Silent


def wave(frames: int) -> Array:
    """Return noise on two channels."""
    return np.random.default_rng(2).normal(0, 0.1, (2, frames)).astype(np.float32)


class Remarks(Silent):
    """Keeps what a person is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def post(self, piece: object) -> None:
        assert isinstance(piece, Remark)
        self.texts.append(piece.text)


def put(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine have a card of that key, on which tensors are where they were.

    It computes one piece after the other, and is measured with the shortest pieces.
    """
    monkeypatch.setattr(placed, "_TELLING", 0)
    monkeypatch.setattr(cards, "_residents", WeakSet())
    monkeypatch.setattr(pytorch, "gain_of_several", lambda *given: 1.0)
    monkeypatch.setattr(device, "found", lambda: (Device(key, "Card"), Device("cpu", "Processor")))
    monkeypatch.setattr(device, "rate", lambda one: 2.0 if one.key == key else 1.0)
    for kind in (torch.Tensor, torch.nn.Module):
        original = kind.to

        def there(self: object, *given: object, original: object = original) -> object:
            return self if given == (key,) else original(self, *given)

        monkeypatch.setattr(kind, "to", there)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine have a card; see `put`."""
    put("xpu", monkeypatch)


def computed(engine: Engine, sounds: list[Array]) -> list[Array]:
    """Return what comes of pieces in the groups that the runner makes: the first alone, then several."""

    def piece(group: Group, number: int) -> Array:
        with group.member(number):
            # Whoever comes first is another one each time.
            time.sleep(float(np.random.default_rng().uniform(0, 0.05)))
            return engine(sounds[number], Silent())

    found = []
    with device.separating(Separation()):
        for start in (0, *range(1, len(sounds), device.SEVERAL)):
            numbers = range(start, min(start + device.SEVERAL, len(sounds)) if start else 1)
            group = Group(len(numbers))
            with ThreadPoolExecutor(len(numbers)) as pool:
                jobs = [pool.submit(copy_context().run, piece, group, number) for number in numbers]
                found += [job.result() for job in jobs]
    return found
