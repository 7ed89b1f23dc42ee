from __future__ import annotations

from typing import Any

import pytest
import torch
from demucs.hdemucs import HDecLayer, HEncLayer
from torch import Tensor, nn

from stemeditor.nets.hybrid_layers import Branch, Down, Gate, Spread, Up

CHANNELS, ROWS, HOPS, FRAMES = 16, 8, 19, 76

BRANCH = {"norm": True, "compress": 4}
PUBLISHED = {"norm": False, "dconv_kw": BRANCH}
LAYERS: dict[str, dict[str, Any]] = {
    "as published": {},
    "deep, with groups": {"norm": True, "norm_groups": 4, "dconv_kw": {**BRANCH, "lstm": True, "attn": True}},
    "without a branch": {"dconv": False},
    "without a gate": {"rewrite": False},
    "branch without norms": {"dconv_kw": {"norm": False, "compress": 4}},
    "branch of another kind": {"dconv_kw": {**BRANCH, "gelu": False}},
}


def stirred(layer: nn.Module) -> Any:
    """Let every number count: new networks have gains of 1, shifts of 0, and branches that are hardly heard."""
    torch.manual_seed(2)
    with torch.no_grad():
        for value in layer.parameters():
            value.add_(torch.randn_like(value) * 0.4)
    return layer.double().eval()


def drawn(*shape: int) -> Tensor:
    torch.manual_seed(3)
    return torch.randn(1, *shape, dtype=torch.float64) + 0.5


@pytest.mark.parametrize("freq", [True, False], ids=["spectrum", "wave"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_on_the_way_down_give_the_same(name: str, freq: bool) -> None:
    layer = stirred(HEncLayer(4, CHANNELS, freq=freq, **{**PUBLISHED, **LAYERS[name]}))
    sound = drawn(4, 4 * ROWS, HOPS) if freq else drawn(4, FRAMES)
    other = drawn(CHANNELS, HOPS)
    with torch.no_grad():
        torch.testing.assert_close(Down(layer)(sound), layer(sound), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(Down(layer)(sound, other), layer(sound, other), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("last", [True, False], ids=["last", "inner"])
@pytest.mark.parametrize("freq", [True, False], ids=["spectrum", "wave"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_on_the_way_up_give_the_same(name: str, freq: bool, last: bool) -> None:
    layer = stirred(HDecLayer(CHANNELS, 8, last=last, freq=freq, **{**PUBLISHED, **LAYERS[name]}))
    shape = (CHANNELS, ROWS, HOPS) if freq else (CHANNELS, HOPS)
    sound, skip = drawn(*shape), drawn(*shape) * 2
    with torch.no_grad():
        for found, known in zip(Up(layer)(sound, skip, 4 * HOPS - 1), layer(sound, skip, 4 * HOPS - 1), strict=True):
            torch.testing.assert_close(found, known, rtol=1e-9, atol=1e-9)


def test_layers_without_inner_life_give_the_same() -> None:
    down = stirred(HEncLayer(4, CHANNELS, freq=False, empty=True))
    up = stirred(HDecLayer(CHANNELS, 6, freq=False, empty=True, **PUBLISHED))
    both = stirred(HDecLayer(CHANNELS, 6, freq=True, **PUBLISHED))
    with torch.no_grad():
        # A layer of the wave is given a spectrum of one row, and one of the spectrum what has no rows.
        torch.testing.assert_close(Down(down)(drawn(2, 2, FRAMES)), down(drawn(2, 2, FRAMES)))
        sound, skip = drawn(CHANNELS * ROWS, HOPS), drawn(CHANNELS, ROWS, HOPS)
        torch.testing.assert_close(Up(both)(sound, skip, 0)[0], both(sound, skip, 0)[0])
        torch.testing.assert_close(
            Up(up)(drawn(CHANNELS, HOPS), None, 3 * HOPS)[0], up(drawn(CHANNELS, HOPS), None, 3 * HOPS)[0]
        )


def test_published_layers_take_the_short_way() -> None:
    down = Down(HEncLayer(4, CHANNELS, **PUBLISHED))
    up = Up(HDecLayer(CHANNELS, 6, freq=False, **PUBLISHED))
    assert isinstance(down.branch, Branch)
    assert isinstance(down.gate, Gate)
    assert isinstance(up.branch, Branch)
    assert isinstance(up.gate, Gate)
    assert isinstance(up.wider, Spread)
    assert not isinstance(Up(HDecLayer(CHANNELS, 6, freq=True, **PUBLISHED)).wider, Spread)
    assert isinstance(Up(HDecLayer(CHANNELS, 6, freq=True, last=True, **PUBLISHED)).wider, Spread)


@pytest.mark.parametrize("level", [0.0, 1e-9, 1e3], ids=["silence", "quiet", "loud"])
def test_branches_hold_for_any_level(level: float) -> None:
    layer = stirred(HEncLayer(4, CHANNELS, **PUBLISHED))
    sound = drawn(CHANNELS, ROWS, HOPS) * level
    with torch.no_grad():
        flat = sound.transpose(1, 2).flatten(0, 1)
        known = layer.dconv(flat)[None].transpose(1, 2)
        found = Branch(layer.dconv, True)(sound)
        torch.testing.assert_close(found, known, rtol=1e-9, atol=1e-9)
        single = Branch(layer.dconv.float(), True)(sound.float())
        torch.testing.assert_close(single.double(), known, rtol=1e-4, atol=1e-4 * max(level, 1.0))


@pytest.mark.parametrize(("length", "stride"), [(8, 4), (4, 4), (6, 2), (9, 3)])
def test_a_transposed_convolution_is_a_convolution(length: int, stride: int) -> None:
    along = stirred(nn.ConvTranspose1d(5, 3, length, stride))
    down = stirred(nn.ConvTranspose2d(5, 3, (length, 1), (stride, 1)))
    with torch.no_grad():
        for steps in (1, 2, 17):
            for conv, sound in ((along, drawn(5, steps)), (down, drawn(5, steps, HOPS))):
                torch.testing.assert_close(Spread(conv)(sound), conv(sound))
