"""What every network promises. A line in NETS brings all of these tests."""

from math import prod

import pytest
import torch
from torch import nn

from stemeditor.nets import bsrnn, wave_unet
from stemeditor.nets.catalogue import KINDS
from stemeditor.nets.checkpoint import build
from stemeditor.nets.conv_tasnet import ConvTasNet
from stemeditor.nets.demucs import Demucs
from stemeditor.nets.fronts import ROWS, ComplexStft, Points, Sight
from stemeditor.nets.hs_tasnet import HsTasNet
from stemeditor.nets.mask_unet import MaskUNet
from stemeditor.nets.masking import Masking, Sharing
from stemeditor.nets.sounding import Sounding

SMALL = {
    "unet": {"widths": (4, 6, 8), "kernel": 3},
    "band_split": {"features": 8, "layers": 2},
    "mask_unet": {"widths": (4, 6, 8), "attention": True, "memory": 8},
    "bsrnn": {"features": 8, "layers": 2},
    "conv_tasnet": {"features": 16, "hidden": 24, "bands": 2, "whole": True, "repeats": 1, "depth": 4},
    "wave_unet": {"levels": 5, "features": 4, "wavelet": True, "attention": True},
    "demucs": {"levels": 3, "features": 4},
    "hs_tasnet": {"features": 16, "filters": 32},
}
SHARING = ["unet", "band_split"]
MASKING = [name for name, kind in KINDS.items() if kind.masks]
ADDING_UP = [*SHARING, "wave_unet"]


def any_net(name: str, **arguments: object) -> nn.Module:
    torch.manual_seed(0)
    net = build(name, {**SMALL[name], **arguments})
    # A network begins with equal masks: what it has learned shall matter here.
    with torch.no_grad():
        for value in net.parameters():
            value.add_(0.1 * torch.randn_like(value))
    return net.eval()


def small(name: str, **arguments: object) -> Masking:
    net = any_net(name, **arguments)
    assert isinstance(net, Masking)
    return net


def sound(frames: int, batch: int = 1, seed: int = 0) -> torch.Tensor:
    return 0.3 * torch.randn(batch, 2, frames, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", KINDS)
def test_a_network_is_what_the_catalogue_says(name: str) -> None:
    assert isinstance(any_net(name), Masking if KINDS[name].masks else Sounding)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("frames", [1, 100, 1024, 44100, 50001])
def test_stems_have_the_shape_of_the_sound(name: str, frames: int) -> None:
    net = any_net(name)
    mix = sound(frames, batch=2)
    with torch.inference_mode():
        stems = net(mix)
    assert stems.shape == (2, 4, 2, frames)
    assert torch.isfinite(stems).all()
    if name in ADDING_UP:
        assert (stems.sum(dim=1) - mix).abs().max() < 1e-4


@pytest.mark.parametrize("name", MASKING)
def test_masks_are_as_many_as_points_and_not_all_the_same(name: str) -> None:
    net = small(name)
    spectra = net.front(sound(30000))
    with torch.inference_mode():
        masks = net.masks(spectra)
    assert masks.shape == (1, 4, 2, net.points.count, spectra.shape[-1])
    assert masks.real.std() > 1e-3
    if isinstance(net, Sharing):
        assert (masks.sum(dim=1) - 1).abs().max() < 1e-5
        assert masks.imag.abs().max() > 1e-4


@pytest.mark.parametrize("name", KINDS)
def test_a_song_is_separated_alike_at_any_level_and_in_any_batch(name: str) -> None:
    net = any_net(name)
    one, other = sound(30000), sound(30000, seed=1) * 0.1
    with torch.inference_mode():
        alone, both = net(one), net(torch.cat([one, other]))
        quiet = net(one * 0.01)
    assert (alone[0] - both[0]).abs().max() < 1e-4
    if name != "hs_tasnet":
        assert (quiet * 100 - alone).abs().max() < 1e-3


@pytest.mark.parametrize("name", KINDS)
def test_every_weight_is_learned(name: str) -> None:
    net = any_net(name).train()
    net(sound(30000)).square()[:, :2].sum().backward()
    still = [key for key, value in net.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    # A constant before a normalisation changes nothing; and the other stems were not asked for.
    others = tuple(f"nets.{stem}." for stem in (2, 3))
    writers = tuple(f"writers.{band}.net.{stem}." for band in range(41) for stem in (2, 3))
    assert [key for key in still if not (key.endswith("over_rows.bias") or key.startswith((*others, *writers)))] == []


@pytest.mark.parametrize("name", KINDS)
def test_silence_stays_silent(name: str) -> None:
    with torch.inference_mode():
        stems = any_net(name)(torch.zeros(1, 2, 20000))
    if KINDS[name].masks or name != "hs_tasnet":
        assert not stems.any()


@pytest.mark.parametrize("name", MASKING)
def test_it_can_be_stopped_between_its_parts(name: str) -> None:
    net = small(name)
    asked = []
    with torch.inference_mode():
        net.masks(net.front(sound(20000)), lambda: asked.append(1))
    assert len(asked) >= 2


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


# --- networks of the literature


def weights(net: nn.Module) -> int:
    return sum(value.numel() for value in net.parameters())


@pytest.mark.parametrize(
    ("name", "arguments", "count"),
    [
        ("M1", {}, 6_595_120),
        ("M2", {"bands": 2}, 6_582_880),
        ("M3", {"bands": 2, "whole": True}, 10_044_560),
        ("M4", {"bands": 4}, 6_705_856),
        ("S1", {"strong": True}, 7_323_440),
        ("S2", {"bands": 2, "strong": True}, 7_311_200),
    ],
)
def test_the_published_tasnets_have_the_published_size(name: str, arguments: dict[str, int], count: int) -> None:
    with torch.device("meta"):
        assert weights(ConvTasNet(stems=2, **arguments)) == count


def test_other_networks_have_the_published_size() -> None:
    with torch.device("meta"):
        # One stem of mono sound at 8192 Hz; 266 million weights were 1,014 MB.
        assert weights(MaskUNet(stems=1, channels=1, window=1024, hop=768, seen=512)) == 9_823_313
        assert 4 * weights(Demucs()) / (1 << 20) == pytest.approx(1014, abs=1)


def test_bands_that_are_computed_together_are_computed_apart() -> None:
    whole = any_net("conv_tasnet", whole=False)
    assert isinstance(whole, ConvTasNet)
    apart = any_net("conv_tasnet", whole=False, bands=1, features=8)
    assert isinstance(apart, ConvTasNet)
    heard = torch.rand(1, 16, 50, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        both = whole.separator(heard)
        for band in range(2):
            own = {}
            for (name, value), part in zip(
                whole.separator.state_dict().items(), apart.separator.state_dict().values(), strict=True
            ):
                pieces = value.chunk(2)
                assert prod(pieces[band].shape) == prod(part.shape), name
                own[name] = pieces[band].reshape(part.shape)
            apart.separator.load_state_dict(own)
            part = apart.separator(heard[:, 8 * band : 8 * band + 8])
            assert (both[:, :, 8 * band : 8 * band + 8] - part).abs().max() < 1e-5


def test_filters_are_ordered_by_frequency_and_sound_as_before() -> None:
    net = any_net("conv_tasnet", bands=1, whole=False)
    assert isinstance(net, ConvTasNet)
    encoder, decoder = net.encoder.get_parameter("filters.weight"), net.decoder.get_parameter("filters.weight")
    before = {tuple(row.flatten().tolist()): other.clone() for row, other in zip(encoder, decoder, strict=True)}
    net.order()
    peaks = torch.fft.rfft(encoder.detach(), 1024).abs().sum(dim=1).argmax(dim=1)
    assert (peaks.diff() >= 0).all()
    assert peaks.max() > peaks.min()
    # Each with its own way back.
    for row, other in zip(encoder, decoder, strict=True):
        assert torch.equal(before[tuple(row.flatten().tolist())], other)
    strong = any_net("conv_tasnet", strong=True)
    assert isinstance(strong, ConvTasNet)
    with pytest.raises(ValueError, match="plain front"):
        strong.order()


def test_a_wavelet_loses_nothing_and_smooths() -> None:
    x = sound(64)
    halves = wave_unet.halved(x)
    assert halves.shape == (1, 4, 32)
    assert (wave_unet.doubled(halves) - x).abs().max() < 1e-6
    ramp = torch.arange(64.0).expand(1, 1, 64)
    smooth, detail = wave_unet.halved(ramp).chunk(2, dim=1)
    assert detail[..., :-1].abs().max() < 1e-5
    assert torch.allclose(smooth[..., :-1], ramp[..., :-2:2], atol=1e-4)
    assert wave_unet.between(torch.tensor([[[0.0, 2.0, 4.0]]])).flatten().tolist() == [0, 1, 2, 3, 4, 4]


@pytest.mark.parametrize("name", ["wave_unet", "mask_unet", "conv_tasnet"])
def test_what_can_be_left_out_can_be_left_out(name: str) -> None:
    plain = {
        "wave_unet": {"wavelet": False, "attention": False},
        "mask_unet": {"attention": False, "memory": 0, "channels": 1},
        "conv_tasnet": {"bands": 1, "whole": False, "strong": True},
    }[name]
    with torch.inference_mode():
        stems = any_net(name, **plain)(sound(9000))
    assert stems.shape == (1, 4, 2, 9000)
    assert stems.std() > 1e-3


@pytest.mark.parametrize("small", [True, False])
def test_what_is_told_23_ms_later_knows_nothing_later(small: bool) -> None:
    net = any_net("hs_tasnet", small=small)
    assert isinstance(net, HsTasNet)
    mix = sound(8192)
    later = mix.clone()
    later[..., 5120:] += 1.0
    with torch.inference_mode():
        first, second = net(mix), net(later)
    known = 5120 - net.window
    assert (first[..., :known] - second[..., :known]).abs().max() < 1e-6
    assert (first[..., 5120:] - second[..., 5120:]).abs().max() > 1e-2


def test_nothing_is_left_over_at_any_level() -> None:
    net = any_net("demucs")
    assert isinstance(net, Demucs)
    for frames in (1, 63, 64, 65, 1000, 4096):
        length = net.whole(frames)
        assert length >= frames
        # No shorter one would do.
        assert length == frames or net.whole(length - 1) == length
        assert net.whole(length) == length


def test_bands_cover_all_bins() -> None:
    widths = bsrnn.bands(44100, 2048)
    assert len(widths) == 41
    assert sum(widths) == 1025
    assert sum(bsrnn.bands(22050, 1024)) == 513
    with pytest.raises(ValueError, match="no bin"):
        bsrnn.bands(44100, 256)


def test_networks_that_cannot_be_are_refused() -> None:
    for name, wrong in (
        ("conv_tasnet", {"bands": 3}),
        ("wave_unet", {"features": 3}),
        ("demucs", {"kernel": 2}),
        ("mask_unet", {"seen": 1020}),
        ("hs_tasnet", {"hop": 500}),
    ):
        with pytest.raises(ValueError, match="no|gaps|cannot"):
            build(name, {**SMALL[name], **wrong})
