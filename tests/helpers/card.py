"""A machine with a graphics card, as far as the program can see."""

from weakref import WeakSet

import pytest
import torch

from stemeditor.methods import cards, device, placed, pytorch
from stemeditor.methods.device import Device


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
