"""The shipped network and the classic method as one."""

from pathlib import Path

import numpy as np
import pytest

from stemeditor import settings
from stemeditor.audio.buffer import Audio
from stemeditor.methods import neural, processor, registry
from stemeditor.methods.base import Params
from stemeditor.methods.blend import Blend, agreed
from stemeditor.methods.classic import STEMS, Classic
from stemeditor.methods.engine import Engine
from stemeditor.methods.masking_core import MaskingCore, places
from stemeditor.methods.neural import Compact, read
from stemeditor.nets.description import describe
from stemeditor.nets.fronts import JoinedHeart
from stemeditor.progress import Silent
from stemeditor.settings import Settings
from tests.helpers.card import card
from tests.helpers.sounds import music
from tests.methods.test_neural import breathing

__all__ = ["card"]

RATE = 44100


def defaults(**changed: float) -> Params:
    return {**{param.name: param.default for param in Blend().info.params}, **changed}


def drawn(*masks: complex, hops: int = 3) -> np.ndarray:
    """Masks that are the same at two points, in one channel, as (2, stems, 1, 2, hops)."""
    row = np.broadcast_to(np.asarray(masks)[:, None, None, None], (len(masks), 1, 2, hops))
    return np.stack([row.real, row.imag]).astype(np.float32)


def test_each_point_goes_where_both_hear_it() -> None:
    share = np.broadcast_to(np.asarray([0.5, 0.1, 0.4], np.float32)[:, None, None], (3, 4, 3))
    at = np.asarray([0, 0, 1, 1])
    found = agreed(drawn(0.1, 0.5j, -0.4), share, at, [0.5] * 3, Silent())
    assert found.shape == (3, 1, 4, 3)
    expected = np.sqrt([0.05, 0.05, 0.16])
    assert np.allclose(found[:, 0, 2, 1], expected / expected.sum(), atol=1e-6)
    # One that counts in full is alone; one that counts for nothing is not heard.
    alone = agreed(drawn(0.1, 0.5j, -0.4), share, at, [1.0] * 3, Silent())
    assert np.allclose(alone[:, 0, 0, 0], [0.1, 0.5, 0.4], atol=1e-6)
    known = agreed(drawn(0.1, 0.5j, -0.4), share, at, [0.0] * 3, Silent())
    assert np.allclose(known[:, 0, 0, 0], [0.5, 0.1, 0.4], atol=1e-6)


def test_neither_can_silence_a_stem_alone() -> None:
    share = np.broadcast_to(np.asarray([0.0, 1.0], np.float32)[:, None, None], (2, 1, 3))
    found = agreed(drawn(1.0, 0.0), share, np.asarray([0]), [0.5, 0.5], Silent())
    assert np.allclose(found, 0.5)


def test_points_are_spread_over_their_bins() -> None:
    masks = np.zeros((2, 2, 1, 2, 1), np.float32)
    masks[0, 0, 0, :, 0], masks[0, 1, 0, :, 0] = (0.75, 0.25), (0.25, 0.75)
    share = np.full((2, 3, 1), 0.5, np.float32)
    found = agreed(masks, share, np.asarray([0, 1, 1]), [1.0, 1.0], Silent())
    assert np.allclose(found[0, 0, :, 0], [0.75, 0.25, 0.25])


def test_without_the_network_it_is_the_classic_method() -> None:
    song = Audio(breathing(2.0), RATE)
    found = Blend().separate(song, defaults(network=0.0, network_drums=0.0), Silent())
    expected = Classic().separate(song, {param.name: param.default for param in Classic.info.params}, Silent())
    for name in STEMS[:-1]:
        # Both differ by the share below which nobody is silent.
        assert np.abs(found[name] - expected[name]).max() < 5e-3 * np.abs(song.samples).max()


def test_without_the_classic_method_it_has_the_levels_of_the_network() -> None:
    song = Audio(breathing(2.0), RATE)
    found = Blend().separate(song, defaults(network=1.0, network_drums=1.0), Silent())
    alone = Compact().separate(song, {"steady_hz": 400.0}, Silent())
    for name in ("vocals", "drums", "bass"):
        own, other = (np.sqrt(np.square(stems[name]).mean()) for stems in (found, alone))
        assert own == pytest.approx(other, rel=0.3, abs=1e-3)


def test_it_is_the_same_whatever_computes_the_network() -> None:
    if processor.package() is None:
        pytest.skip("OpenVINO is not here")
    Settings(settings.file()).set("exact", True)
    song = Audio(breathing(1.5), RATE)
    method = Blend()
    neural._engine.cache_clear()
    by_openvino = method.separate(song, defaults(), Silent())
    assert method.program == "OpenVINO, f32"
    description = describe(method.path)
    bare = Engine(lambda: JoinedHeart(read(method.path)), 43)
    given = np.random.default_rng(0).normal(0, 1, (2, 2, 2049, 60)).astype(np.float32)
    core = MaskingCore(description)
    assert core.fits(60)
    assert core.before(core.example())[0][0].shape == (2, 2049, 44)
    assert np.allclose(bare(given, Silent()), neural._engine(method.path, 0.0, False)[0](given, Silent()), atol=1e-3)
    assert bare.program == "PyTorch on cpu"
    assert set(by_openvino) == {"vocals", "drums", "bass"}
    assert len(places(description)) == 2049


def test_a_card_gives_what_the_processor_gives(request: pytest.FixtureRequest) -> None:
    song = Audio(music(1.3), RATE)
    neural._engine.cache_clear()
    Settings(settings.file()).set("exact", True)
    here = Blend().separate(song, defaults(), Silent())
    request.getfixturevalue("card")
    neural._engine.cache_clear()
    there = Blend().separate(song, defaults(), Silent())
    neural._engine.cache_clear()
    for name, sound in here.items():
        assert np.abs(there[name] - sound).max() < 1e-3


def test_its_parameters_are_those_of_both() -> None:
    info = registry.info("blend")
    names = [param.name for param in info.params]
    assert names[:2] == ["network", "network_drums"]
    assert {param.name for param in Classic.info.params} <= set(names)
    assert Path(Blend().path).is_file()
