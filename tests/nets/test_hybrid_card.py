"""Hybrid Demucs as a graphics card computes it: the same as published, in orders that it need not wait for."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from stemeditor.methods.demucs import SOURCES
from stemeditor.nets.card_norms import CardNorm, for_card
from stemeditor.nets.fronts import overlapped
from stemeditor.nets.hybrid_card import HybridCard
from tests.helpers.networks import OLD, demucs, heard

BUILT: dict[str, tuple[str, dict[str, Any]]] = {
    "with a transformer": ("HTDemucs", {}),
    "without": ("HDemucs", {}),
    "late": ("HDemucs", OLD),
    "late, of magnitudes": ("HDemucs", OLD | {"cac": False}),
    "of magnitudes": ("HDemucs", {"cac": False, "wiener_iters": 0, "end_iters": 0}),
}


def both(name: str) -> tuple[nn.Module, HybridCard]:
    """Return a network as published and as a card computes it."""
    kind, build = BUILT[name]
    net = heard(demucs(kind, SOURCES, **build), 0.3)
    length = 44100 if kind == "HTDemucs" else 0
    late, magnitudes = bool(build.get("hybrid_old")), not build.get("cac", True)
    return net, HybridCard(deepcopy(net), len(SOURCES), length, late, magnitudes).eval()


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("frames", [44100, 100_077, 30000, 1000, 1])
def test_it_gives_what_the_published_network_gives(name: str, frames: int) -> None:
    net, card = both(name)
    # That with a transformer hears a second at a time.
    sound = torch.randn(3, 2, frames if name != "with a transformer" else min(frames, 44100)) * 0.1 + 0.01
    with torch.inference_mode():
        expected, found = net(sound), card(sound)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 2e-5 * max(float(expected.abs().max()), 0.1)


@pytest.mark.parametrize("name", BUILT)
def test_silence_stays_finite(name: str) -> None:
    with torch.inference_mode():
        assert both(name)[1](torch.zeros(1, 2, 44100)).isfinite().all()


@pytest.mark.parametrize("name", BUILT)
def test_nothing_is_brought_to_the_card_or_looked_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time, that is: what can be known beforehand is brought with the first piece."""
    _, card = both(name)
    sound = torch.randn(2, 2, 44100)
    with torch.inference_mode():
        card(sound)

        def refused(*given: object, **more: object) -> None:
            pytest.fail("the card would wait")

        for called in ("item", "__bool__", "__float__", "__int__", "tolist", "numpy", "cpu", "nonzero"):
            monkeypatch.setattr(torch.Tensor, called, refused)
        original = torch.Tensor.to

        def there(self: torch.Tensor, *given: Any, **more: Any) -> torch.Tensor:
            assert not any(isinstance(one, (str, torch.device, torch.Tensor)) for one in given), "brought there"
            return original(self, *given, **more)

        monkeypatch.setattr(torch.Tensor, "to", there)
        monkeypatch.setattr(torch, "istft", refused)
        card(sound)


@given(
    pieces=st.integers(1, 3),
    groups=st.sampled_from([1, 2, 4]),
    level=st.sampled_from([0.0, 1e-3, 1.0, 100.0]),
    trailing=st.lists(st.integers(1, 5), max_size=2),
)
def test_norms_are_norms(pieces: int, groups: int, level: float, trailing: list[int]) -> None:
    norm = nn.GroupNorm(groups, 8)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    values = torch.randn(pieces, 8, *trailing) * level + level
    assert torch.allclose(CardNorm(norm)(values), norm(values), atol=1e-4)
    if groups == 1:
        turned = CardNorm(norm, last=True)(values.movedim(1, -1)).movedim(-1, 1)
        assert torch.allclose(turned, norm(values), atol=1e-4)


def test_norms_of_another_kind_are_left_alone() -> None:
    plain = nn.GroupNorm(2, 8, affine=False)
    net = for_card(nn.Sequential(nn.GroupNorm(2, 8), plain, nn.LayerNorm(8)))
    assert [type(part).__name__ for part in net.children()] == ["CardNorm", "GroupNorm", "LayerNorm"]
    with pytest.raises(ValueError, match="not a norm of that kind"):
        CardNorm(plain)
    with pytest.raises(ValueError, match="not a norm of that kind"):
        CardNorm(nn.GroupNorm(2, 8), last=True)


def test_half_precision_is_summed_in_single() -> None:
    norm = nn.GroupNorm(1, 8)
    values = (torch.randn(1, 8, 4000) * 200).half()
    found = CardNorm(norm)(values)
    assert found.dtype == torch.float32
    assert torch.allclose(found, norm(values.float()), atol=1e-5)


@given(
    frames=st.integers(0, 3000),
    window=st.sampled_from([64, 96, 256]),
    share=st.sampled_from([2, 3, 4]),
    sounds=st.integers(1, 3),
)
def test_windows_are_added_as_the_library_does(frames: int, window: int, share: int, sounds: int) -> None:
    hop, shape = window // share, torch.hann_window(window)
    sound = torch.randn(sounds, frames + 1)
    spectra = torch.stft(sound, window, hop, window=shape, pad_mode="constant", return_complex=True)
    # No transform of any sound.
    spectra = spectra * torch.randn_like(spectra.real)
    length = (spectra.shape[-1] - 1) * hop
    expected = torch.istft(spectra, window, hop, window=shape, length=max(length, 1))
    found = overlapped(spectra, shape, hop, window // 2, max(length, 1))
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))
    longer = overlapped(spectra, shape, hop, window // 2, length + window)
    assert not longer[:, length + window // 2 :].any()
