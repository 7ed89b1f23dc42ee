"""What every network promises. A line in NETS brings all of these tests."""

import pytest
import torch
from torch import nn

from stemeditor.nets.checkpoint import NETS, build
from stemeditor.nets.fronts import ROWS, ComplexStft, Points, Sight
from stemeditor.nets.masking import Masking

SMALL = {
    "unet": {"widths": (4, 6, 8), "kernel": 3},
    "band_split": {"features": 8, "layers": 2},
}


def small(name: str, **arguments: object) -> Masking:
    torch.manual_seed(0)
    net = build(name, {**SMALL[name], **arguments})
    assert isinstance(net, Masking)
    # A network begins with equal masks: what it has learned shall matter here.
    with torch.no_grad():
        for value in net.parameters():
            value.add_(0.1 * torch.randn_like(value))
    return net.eval()


def sound(frames: int, batch: int = 1, seed: int = 0) -> torch.Tensor:
    return 0.3 * torch.randn(batch, 2, frames, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("frames", [1, 100, 1024, 44100, 50001])
def test_stems_have_the_shape_of_the_sound_and_add_up_to_it(name: str, frames: int) -> None:
    net = small(name)
    mix = sound(frames, batch=2)
    with torch.inference_mode():
        stems = net(mix)
    assert stems.shape == (2, 4, 2, frames)
    assert torch.isfinite(stems).all()
    assert (stems.sum(dim=1) - mix).abs().max() < 1e-4


@pytest.mark.parametrize("name", NETS)
def test_masks_add_up_to_one_and_are_not_all_the_same(name: str) -> None:
    net = small(name)
    with torch.inference_mode():
        masks = net.masks(net.front(sound(30000)))
    assert masks.shape == (1, 4, 2, 420, 31)
    assert (masks.sum(dim=1) - 1).abs().max() < 1e-5
    assert masks.real.std() > 1e-3
    assert masks.imag.abs().max() > 1e-4


@pytest.mark.parametrize("name", NETS)
def test_a_song_is_separated_alike_at_any_level_and_in_any_batch(name: str) -> None:
    net = small(name)
    one, other = sound(30000), sound(30000, seed=1) * 0.1
    with torch.inference_mode():
        alone, both = net(one), net(torch.cat([one, other]))
        quiet = net(one * 0.01)
    assert (alone[0] - both[0]).abs().max() < 1e-4
    assert (quiet * 100 - alone).abs().max() < 1e-3


@pytest.mark.parametrize("name", NETS)
def test_every_weight_is_learned(name: str) -> None:
    net = small(name).train()
    net(sound(30000)).square()[:, :2].sum().backward()
    still = [key for key, value in net.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    # A constant before a normalisation changes nothing.
    assert [key for key in still if not key.endswith("over_rows.bias")] == []


@pytest.mark.parametrize("name", NETS)
def test_silence_stays_silent(name: str) -> None:
    with torch.inference_mode():
        stems = small(name)(torch.zeros(1, 2, 20000))
    assert not stems.any()


@pytest.mark.parametrize("name", NETS)
def test_it_can_be_stopped_between_its_parts(name: str) -> None:
    net = small(name)
    asked = []
    with torch.inference_mode():
        net.masks(net.front(sound(20000)), lambda: asked.append(1))
    assert len(asked) >= 3


def test_the_memory_of_a_causal_network_knows_only_the_past() -> None:
    for along in ("lstm", "dilated"):
        net = small("band_split", along=along, causal=True)
        seen = torch.randn(1, ROWS, 420, 12, generator=torch.Generator().manual_seed(1))
        later = seen.clone()
        later[..., 8:] += 1.0
        with torch.inference_mode():
            first, second = net.draw(seen), net.draw(later)
        assert (first[..., :8] - second[..., :8]).abs().max() < 1e-6
        assert (first[..., 8:] - second[..., 8:]).abs().max() > 1e-3


def test_the_exchange_across_bands_may_be_recurrent() -> None:
    net = small("band_split", across="lstm")
    mix = sound(8000)
    with torch.inference_mode():
        assert (net(mix).sum(dim=1) - mix).abs().max() < 1e-4


def test_a_grown_network_begins_as_the_smaller_one_and_differs_once_it_learned() -> None:
    torch.manual_seed(0)
    smaller = small("unet")
    larger = build("unet", {**SMALL["unet"], "blocks": 2, "memory": 8}).eval()
    missing, unknown = larger.load_state_dict(smaller.state_dict(), strict=False)
    assert not unknown
    assert {name.split(".")[0] for name in missing} == {"behind_down", "behind_up", "memory"}
    mix = sound(30000)
    with torch.inference_mode():
        assert (larger(mix) - smaller(mix)).abs().max() < 1e-6
        for name, value in larger.named_parameters():
            if name in missing:
                value.add_(0.1 * torch.randn_like(value))
        grown = larger(mix)
    assert (grown - smaller(mix)).abs().max() > 1e-3
    assert (grown.sum(dim=1) - mix).abs().max() < 1e-4


def test_a_memory_brings_what_was_heard_when_it_sounded_like_now() -> None:
    torch.manual_seed(0)
    memory = build("unet", {**SMALL["unet"], "memory": 8}).get_submodule("memory")
    nn.init.normal_(memory.get_parameter("added.weight"), std=0.1)
    size = memory.get_parameter("norm.weight").numel()
    moments = torch.randn(1, 8, size // 8, 6)
    with torch.inference_mode():
        first = memory(moments)
        # However the others are ordered in time.
        assert torch.allclose(memory(moments[..., [3, 0, 5, 1, 2, 4]]), first[..., [3, 0, 5, 1, 2, 4]], atol=1e-5)
        moments[..., 5] *= -1
        assert (memory(moments) - first)[..., 0].abs().max() > 1e-4


@pytest.mark.parametrize("frames", [1, 1023, 5000])
@pytest.mark.parametrize(("window", "hop"), [(4096, 1024), (512, 128)])
def test_a_transform_and_its_inverse_are_exact(frames: int, window: int, hop: int) -> None:
    front = ComplexStft(window, hop)
    mix = sound(frames)
    spectra = front(mix)
    assert spectra.shape[-2] == front.bins == window // 2 + 1
    assert (front.inverse(spectra, frames) - mix).abs().max() < 1e-5


def test_points_are_means_of_their_bins_and_spread_back_over_them() -> None:
    points = Points(((3, 1), (2, 2)), 9)
    values = torch.arange(9.0)[:, None]
    assert points.count == 5
    assert points.mean(values).flatten().tolist() == [0, 1, 2, 3.5, 5.5]
    assert points.spread(points.mean(values)).flatten().tolist() == [0, 1, 2, 3.5, 3.5, 5.5, 5.5, 5.5, 5.5]
    with pytest.raises(ValueError, match="cover 10 of 9"):
        Points(((10, 1),), 9)


def test_sight_shows_place_and_steadiness() -> None:
    front = ComplexStft(4096, 1024)
    sight = Sight(Points(((160, 1), (160, 2), (68, 8), (32, 32)), front.bins), 4096, 1024)
    time = torch.arange(44100) / 44100
    tone, between = (torch.sin(2 * torch.pi * bins * 44100 / 4096 * time) for bins in (50, 50.4))
    hit = torch.zeros(44100)
    hit[20 * 1024 + 37] = 1.0

    def seen(*sounds: torch.Tensor) -> torch.Tensor:
        spectra = front(torch.stack(sounds))
        return sight(spectra.real, spectra.imag)

    both = seen(torch.stack([tone, tone]), torch.stack([tone, -tone]))
    others = seen(torch.stack([between, between]), torch.stack([hit, hit]))
    middle, opposite = both
    assert middle.shape == (ROWS, 420, 45)
    # The channels agree: coherence 1, no side. They disagree: coherence -1, no middle.
    assert middle[4, 50, 20] == pytest.approx(1.0, abs=1e-3)
    assert middle[3, 50, 20] < 0.02 * middle[2, 50, 20]
    assert opposite[4, 50, 20] == pytest.approx(-1.0, abs=1e-3)
    assert opposite[2, 50, 20] < 0.02 * opposite[3, 50, 20]
    # From window to window a tone turns by how far it lies from the middle of its bin; a stroke not at all.
    assert middle[6, 50, 20] == pytest.approx(1.0, abs=1e-2)
    turned = torch.atan2(others[0, 7, 50, 20], others[0, 6, 50, 20])
    assert turned == pytest.approx(2 * torch.pi * 0.4 * 1024 / 4096, abs=0.02)
    assert (others[1, 6, :, 21] > 0.9).all()


def test_a_network_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no network"):
        build("transformer", {})
    with pytest.raises(ValueError, match="does not take"):
        build("unet", {"depth": 3})
    with pytest.raises(ValueError, match="4 equal parts"):
        build("unet", {**SMALL["unet"], "memory": 6})
    with pytest.raises(ValueError, match="whole number of bands"):
        build("band_split", {"band": 11})
