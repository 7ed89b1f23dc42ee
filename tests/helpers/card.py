"""A machine with a graphics card, as far as the program can see."""

import pytest
import torch

from stemeditor.methods import device
from stemeditor.methods.device import Device


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine have a card, on which tensors are where they were."""
    monkeypatch.setattr(device, "found", lambda: (Device("xpu", "Card"), Device("cpu", "Processor")))
    monkeypatch.setattr(device, "rate", lambda one: 2.0 if one.key == "xpu" else 1.0)
    for kind in (torch.Tensor, torch.nn.Module):
        original = kind.to

        def there(self: object, *given: object, original: object = original) -> object:
            return self if given == ("xpu",) else original(self, *given)

        monkeypatch.setattr(kind, "to", there)
