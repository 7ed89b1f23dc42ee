"""Networks as methods: the one that is shipped, and a person's own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stemeditor import nets, settings
from stemeditor.audio.buffer import Audio
from stemeditor.errors import FileProblem, UserError
from stemeditor.methods import device, exported, neural, processor, registry, runner, trained
from stemeditor.methods.placed import Placed
from stemeditor.nets import checkpoint
from stemeditor.nets.catalogue import KINDS
from stemeditor.nets.description import Description, describe
from stemeditor.progress import Silent
from stemeditor.settings import Settings
from tests.helpers.card import put
from tests.helpers.sounds import music
from tests.nets.test_nets import SMALL, any_net, small


def separated(key: str, samples: np.ndarray, rate: int = 44100) -> dict[str, np.ndarray]:
    pieces = list(runner.stream(Audio(samples, rate), registry.load(key), {}, Silent()))
    return {name: np.concatenate([piece.stems[name] for piece in pieces], axis=1) for name in pieces[0].stems}


def breathing(seconds: float) -> np.ndarray:
    """Music over noise: between clean tones there is only rounding, of which each program has its own."""
    song = music(seconds)
    return song + np.random.default_rng(0).normal(0, 1e-3, song.shape).astype(np.float32)


@pytest.fixture
def own_network(tmp_path: Path) -> Path:
    path = tmp_path / "trained.safetensors"
    larger = {"stems": 3, "blocks": 1, "memory": 8}
    description = Description(
        "unet", {**SMALL["unet"], **larger}, ("guitar", "keys", "other"), 44100, {"name": "Lesson"}
    )
    checkpoint.save(path, small("unet", **larger), description)
    return path


def test_the_network_that_is_shipped_is_small_and_says_where_it_comes_from() -> None:
    path = neural.Compact().path
    assert path.stat().st_size < 13e6
    description = describe(path)
    assert description.stems == registry.info("compact").stems
    assert description.provenance["licence"]
    assert float(description.provenance["hours heard"]) > 1
    net, _ = checkpoint.load(path)
    assert sum(value.numel() for value in net.parameters()) < 6e6
    assert path.with_suffix(".md").is_file()


def test_an_own_network_can_be_chosen_and_its_stems_add_up(own_network: Path) -> None:
    assert trained.install(own_network, "lesson") == "own:lesson"
    assert registry.keys()[-1] == "own:lesson"
    info = registry.info("own:lesson")
    assert (info.name, info.stems, info.rest) == ("Lesson", ("guitar", "keys", "other"), "other")
    song = music(1.5, rate=48000)
    stems = separated("own:lesson", song, 48000)
    assert tuple(stems) == info.stems
    assert np.abs(sum(stems.values()) - song).max() < 1e-5
    assert all(np.abs(stem).max() > 1e-4 for stem in stems.values())


@pytest.mark.parametrize("name", KINDS)
def test_a_network_of_any_kind_can_be_chosen_and_prepared(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trained.safetensors"
    description = Description(name, SMALL[name], ("vocals", "drums", "bass", "other"), 22050, seconds=1.0)
    checkpoint.save(path, any_net(name), description)
    key = trained.install(path, "lesson")
    info = registry.info(key)
    assert info.rate == 22050
    assert info.segment_s == (10.0 if KINDS[name].masks else 4.0)
    assert KINDS[name].name in info.sentence
    Settings(settings.file()).set("exact", True)
    song = breathing(5.5)
    before = separated(key, song)
    assert np.abs(sum(before.values()) - song).max() < 1e-5
    assert all(np.abs(stem).max() > 1e-4 for stem in before.values())
    loudest = max(np.abs(stem).max() for stem in before.values())
    if processor.package() is not None:
        trained.load(key).prepare()
        neural._engine.cache_clear()
        after = separated(key, song)
        assert trained.load(key).program == ("OpenVINO, f32" if KINDS[name].exported else "PyTorch on cpu")
        assert max(np.abs(before[stem] - after[stem]).max() for stem in before) < 1e-4 * max(loudest, 1.0)
    put("cuda", monkeypatch)
    there = separated(key, song)
    assert max(np.abs(before[stem] - there[stem]).max() for stem in before) < 1e-4 * max(loudest, 1.0)


def test_a_network_of_an_unknown_kind_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "later.safetensors"
    checkpoint.save(path, small("unet"), Description("transformer", {}, ("vocals",)))
    with pytest.raises(FileProblem, match="this version does not know"):
        trained.install(path, "later")


def test_a_network_that_is_trained_anew_is_heard_at_once(own_network: Path, tmp_path: Path) -> None:
    trained.install(own_network, "lesson")
    song = music(1.0)
    before = separated("own:lesson", song)
    net, description = checkpoint.load(own_network)
    for value in net.parameters():
        value.data.mul_(1.5)
    checkpoint.save(own_network, net, description)
    trained.install(own_network, "lesson")
    # Files are told apart by their time; two within one tick of the clock would be one.
    target = trained.folder() / "lesson.safetensors"
    os.utime(target, (1, 1))
    after = separated("own:lesson", song)
    assert np.abs(before["guitar"] - after["guitar"]).max() > 1e-4


def test_a_file_that_is_no_network_is_left_out_and_costs_nothing(own_network: Path) -> None:
    trained.install(own_network, "good")
    (trained.folder() / "bad.safetensors").write_bytes(b"no network")
    assert trained.keys() == ("own:good",)
    with pytest.raises(FileProblem, match="no network"):
        registry.load("own:bad")
    with pytest.raises(FileProblem, match="no network"):
        trained.install(trained.folder() / "bad.safetensors", "worse")


@pytest.mark.parametrize("name", ["", "../up", ".hidden", "a/b"])
def test_a_network_is_not_kept_outside_its_folder(own_network: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be the name"):
        trained.install(own_network, name)


def test_without_torch_the_method_says_what_to_do(own_network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained.install(own_network, "lesson")
    monkeypatch.delattr(nets, "checkpoint", raising=False)
    monkeypatch.setitem(sys.modules, "stemeditor.nets.checkpoint", None)
    neural._engine.cache_clear()
    with pytest.raises(UserError, match="does not start here") as told:
        separated("own:lesson", music(0.5))
    assert "classic" in told.value.hint


def test_the_shipped_form_is_that_of_the_shipped_network() -> None:
    """Both lie in the repository: one is made of the other by `Neural.prepare`."""
    if processor.package() is None:
        pytest.skip("OpenVINO is not here")
    method = neural.Compact()
    net, _ = checkpoint.load(method.path)
    Settings(settings.file()).set("exact", True)
    for seconds in (3.5, 0.7):
        song = breathing(seconds)
        with torch.inference_mode():
            expected = net(torch.from_numpy(song)[None])[0].numpy()
        found = method.separate(Audio(song, 44100), {"steady_hz": 0.0}, Silent())
        assert method.program == "OpenVINO, f32"
        assert np.abs(expected[0]).max() > 0.01
        for at, name in enumerate(method.info.stems[:-1]):
            assert np.abs(found[name] - expected[at]).max() < 1e-4


def test_what_was_prepared_for_everybody_stays_as_it_came() -> None:
    form = exported.form_of(neural.Compact().path)
    before = form.stat().st_mtime_ns
    neural.Compact().prepare(again=True)
    assert form.stat().st_mtime_ns == before


def test_an_own_network_can_be_prepared_and_prepared_anew(own_network: Path) -> None:
    if processor.package() is None:
        pytest.skip("OpenVINO is not here")
    Settings(settings.file()).set("exact", True)
    key = trained.install(own_network, "lesson")
    song = breathing(1.3)
    before = separated(key, song)
    trained.load(key).prepare()
    neural._engine.cache_clear()
    after = separated(key, song)
    assert trained.load(key).program == "OpenVINO, f32"
    assert max(np.abs(before[name] - after[name]).max() for name in before) < 1e-4
    trained.install(own_network, "lesson")
    neural._engine.cache_clear()
    separated(key, song)
    assert trained.load(key).program == "PyTorch on cpu"


def test_torch_is_not_imported_before_a_network_works() -> None:
    code = (
        "import sys; from stemeditor.methods import registry; "
        "[registry.info(key) for key in registry.keys()]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_shipped_network_needs_no_torch_where_openvino_is() -> None:
    if processor.package() is None or device.found()[0].key != device.CPU:
        pytest.skip("PyTorch computes here")
    code = (
        "import sys; sys.modules['torch'] = None; import numpy as np; "
        "from stemeditor.audio.buffer import Audio; from stemeditor.progress import Silent; "
        "from stemeditor.methods.neural import Compact; "
        "sound = np.random.default_rng(0).normal(0, 0.1, (2, 9999)).astype('f4'); "
        "found = Compact().separate(Audio(sound, 44100), {'steady_hz': 400.0}, Silent()); "
        "assert set(found) == {'vocals', 'drums', 'bass'}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_join_of_two_segments_makes_no_click() -> None:
    song = music(16.0)
    whole = separated("compact", song)
    info = registry.info("compact")
    assert info.segment_s is not None
    for name in ("vocals", "drums", "bass"):
        steps = np.abs(np.diff(whole[name][0], n=2))
        typical = np.quantile(steps, 0.9999)
        # The first segment is shorter; joins lie where two overlap.
        assert steps[44100 * 3 : 44100 * 6].max() < 3 * max(typical, 1e-5)


@pytest.mark.parametrize(
    ("kind", "samples", "off"),
    [
        ("xpu", music(1.3), 1e-5),
        ("xpu", breathing(31.0), 1e-4),
        ("cuda", breathing(1.3), 1e-4),
        ("cuda", breathing(31.0), 1e-4),
    ],
)
def test_a_network_on_a_card_gives_what_it_gives_on_the_processor(
    kind: str, samples: np.ndarray, off: float, own_network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that transforms the sound itself rounds otherwise."""
    trained.install(own_network, "lesson")
    Settings(settings.file()).set("exact", True)
    here = separated("own:lesson", samples)
    put(kind, monkeypatch)
    there = separated("own:lesson", samples)
    for name, sound in here.items():
        assert np.abs(there[name] - sound).max() < off


def test_a_card_transforms_the_sound_itself(own_network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it can: spectra are four times as many numbers to bring there."""
    trained.install(own_network, "lesson")
    Settings(settings.file()).set("exact", True)
    put("cuda", monkeypatch)
    heard: list[tuple[int, ...]] = []
    original = Placed.compute

    def noted(self: Placed, sounds: np.ndarray, *given: object) -> np.ndarray:
        heard.append(sounds.shape)
        return original(self, sounds, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Placed, "compute", noted)
    separated("own:lesson", music(1.3))
    assert heard == [(1, 2, round(1.3 * 44100))]
