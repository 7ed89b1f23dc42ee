"""The same networks give the same stems as their own programs do."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from stemeditor import settings
from stemeditor.audio.buffer import Audio, Samples
from stemeditor.errors import UserError
from stemeditor.methods import device, pretrained, pytorch, registry, runner
from stemeditor.methods.base import MethodInfo, Stems
from stemeditor.methods.demucs import SOURCES, read
from stemeditor.nets.hybrid_card import HybridCard
from stemeditor.progress import Silent
from stemeditor.settings import Settings
from stemeditor.weights import catalogue
from tests.helpers import card
from tests.helpers.networks import RATE, noise, put_demucs, put_state, seeded

SIX = (*SOURCES, "guitar", "piano")
CASES = {
    "htdemucs": ("HTDemucs", SOURCES),
    "htdemucs_ft": ("HTDemucs", SOURCES),
    "htdemucs_6s": ("HTDemucs", SIX),
    "hdemucs_mmi": ("HDemucs", SOURCES),
    "mdx_extra": ("HDemucs", SOURCES),
}


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch):
    """Let the methods cut songs as short as the small networks want them."""
    from stemeditor.methods import demucs

    for name in ("_TRANSFORMER_SEGMENT_S", "_HYBRID_SEGMENT_S"):
        monkeypatch.setattr(demucs, name, 1.0)
    pretrained.forget()
    yield
    pretrained.forget()


def ours(key: str, sound: Samples, rate: int = RATE, **params: float) -> Stems:
    method = registry.load(key)
    pieces = list(runner.stream(Audio(sound, rate), method, params, Silent()))
    return {name: np.concatenate([piece.stems[name] for piece in pieces], axis=1) for name in pieces[0].stems}


def theirs(key: str, nets: list, sound: Samples, monkeypatch: pytest.MonkeyPatch, overlap: float, shifts: int) -> Stems:
    """What `demucs.api.Separator.separate_tensor` does, with shifts that are ours."""
    from demucs.apply import BagOfModels, apply_model

    counts = [[float(row == at) for at in range(4)] for row in range(4)] if key == "htdemucs_ft" else None
    bag = BagOfModels(nets, counts, None)
    # A network's own segment is what the method's pieces are.
    wave = torch.from_numpy(sound)
    middle = wave.mean(0)
    mean, spread = middle.mean(), (middle.std() if wave.shape[1] > 1 else torch.zeros(())) + 1e-8
    most = RATE // 2
    drawn = [most - runner.shift_lead(RATE, number, shifts) for number in range(shifts)] * len(nets)
    monkeypatch.setattr(random, "randint", lambda low, high: drawn.pop(0))
    with torch.no_grad():
        found = apply_model(bag, ((wave - mean) / spread)[None], shifts=shifts, overlap=overlap)[0] * spread + mean
    return dict(zip(nets[0].sources, found.numpy(), strict=True))


@pytest.mark.parametrize("key", ["htdemucs", "hdemucs_mmi", "mdx_extra"])
def test_a_card_finds_the_same(key, monkeypatch) -> None:
    """One of NVIDIA's where there is one, and otherwise what is computed for such a one."""
    put_demucs(key, *CASES[key])
    Settings(settings.file()).set("exact", True)
    sound = noise(7.3)
    here = ours(key, sound)
    computed: list[str] = []
    original = HybridCard.forward
    monkeypatch.setattr(HybridCard, "forward", lambda net, given: computed.append(key) or original(net, given))
    real = torch.cuda.is_available()
    if not real:
        card.put("cuda", monkeypatch)
    with device.using("cuda"):
        there = ours(key, sound)
    assert len(computed) >= 9
    for name, stem in here.items():
        # A real one's convolutions take numbers of eleven bits.
        assert np.abs(there[name] - stem).max() < (2e-3 if real else 1e-4) * np.abs(sound).max()


@pytest.mark.parametrize("key", CASES)
@pytest.mark.parametrize(("seconds", "overlap", "shifts"), [(2.713, 0.25, 0), (1.5, 0.1, 2), (0.31, 0.25, 0)])
def test_stems_equal_those_of_the_package(key, seconds, overlap, shifts, monkeypatch) -> None:
    kind, sources = CASES[key]
    nets = put_demucs(key, kind, sources)
    sound = noise(seconds)
    # A pulse at a join and silence behind it; where magnitudes are drawn, silence has the phases of rounding noise.
    sound[:, len(sound[0]) // 2] = 0.9
    sound[:, -len(sound[0]) // 8 :] *= 0.01 if key == "mdx_extra" else 0.0
    expected = theirs(key, nets, sound, monkeypatch, overlap, shifts)
    found = ours(key, sound, overlap=overlap, shifts=shifts)
    assert {*found} - {"residual"} == set(sources)
    for name in sources:
        assert found[name].shape == sound.shape
        assert np.abs(expected[name]).max() > 1e-3
        assert np.abs(found[name] - expected[name]).max() < 1e-4
    total = sum(samples.astype(np.float64) for samples in found.values())
    assert np.abs(total - sound).max() < 1e-6


@pytest.mark.parametrize(
    "sound", [noise(0, 2), noise(0.7, 1), np.zeros((2, 30000), np.float32)], ids=["one", "mono", "silence"]
)
def test_odd_songs_equal_the_package_too(sound, monkeypatch) -> None:
    nets = put_demucs("htdemucs", "HTDemucs", SOURCES)
    stereo = np.repeat(sound, 2, axis=0) if len(sound) == 1 else sound
    expected = theirs("htdemucs", nets, stereo, monkeypatch, 0.25, 0)
    found = ours("htdemucs", sound)
    for name in SOURCES:
        wanted = expected[name].mean(axis=0, keepdims=True) if len(sound) == 1 else expected[name]
        assert np.abs(found[name] - wanted).max() < 1e-4


def test_another_rate_is_brought_there_and_back() -> None:
    put_demucs("htdemucs", "HTDemucs", SOURCES)
    found = ours("htdemucs", noise(1.9, 2, 48000), 48000)
    assert all(samples.shape == (2, 91200) and np.isfinite(samples).all() for samples in found.values())


def test_only_the_networks_of_the_wanted_stems_are_asked(monkeypatch) -> None:
    put_demucs("htdemucs_ft", "HTDemucs", SOURCES)
    sound = noise(1.3)
    whole = ours("htdemucs_ft", sound)
    asked: list[str] = []
    original = pretrained.Pretrained.engine
    monkeypatch.setattr(
        pretrained.Pretrained, "engine", lambda self, name: (asked.append(name), original(self, name))[1]
    )
    method = registry.load("htdemucs_ft").only(["vocals"])
    info: MethodInfo = method.info
    assert info.stems == ("vocals",)
    pieces = list(runner.stream(Audio(sound, RATE), method, {}, Silent()))
    vocals = np.concatenate([piece.stems["vocals"] for piece in pieces], axis=1)
    assert set(asked) == {"04573f0d.safetensors"}
    assert np.array_equal(vocals, whole["vocals"])


@pytest.mark.parametrize("key", ["hdemucs_high_musdb_plus", "hdemucs_high_musdb"])
def test_torchaudios_networks_run_as_the_others_do(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchaudio.models

    net = seeded(lambda: torchaudio.models.HDemucs(list(SOURCES), nfft=4096, depth=6, channels=4))
    put_state(key, catalogue.pack(key).files[0].name, net)
    net.samplerate, net.segment = RATE, 1.0
    sound = noise(2.3)
    expected = theirs(key, [net], sound, monkeypatch, 0.25, 0)
    found = ours(key, sound)
    for name in SOURCES:
        assert np.abs(expected[name]).max() > 1e-3
        assert np.abs(found[name] - expected[name]).max() < 1e-4


def test_a_file_that_asks_for_something_else_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = {"a": torch.zeros(2)}
    told = [
        ({}, "holds no network of Demucs"),
        ({"klass": "os.system", "args": '["true"]'}, "holds no network of Demucs"),
        ({"klass": "demucs.hdemucs.HDemucs", "kwargs": "no json"}, "holds no network of Demucs"),
        ({"klass": "demucs.hdemucs.HDemucs", "kwargs": '{"sources": ["a", "b"]}'}, "gives a, b, not"),
        ({"klass": "demucs.hdemucs.HDemucs", "kwargs": json.dumps({"sources": SOURCES})}, "are those of another"),
    ]
    for metadata, words in told:
        save_file(state, tmp_path / "net.safetensors", metadata)
        with pytest.raises(UserError, match=words):
            read(tmp_path / "net.safetensors", SOURCES)


# The song's end is shorter than a piece of a second: 0.8 s and 0.05 s of the first, 0.4 s of the other.
@pytest.mark.parametrize(("key", "seconds"), [("hdemucs_mmi", 2.3), ("mdx_extra", 1.15)])
def test_hybrid_demucs_by_openvino_gives_the_same(key: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    from stemeditor.methods import engine, processor

    if processor.package() is None:
        pytest.skip("OpenVINO is not here")
    put_demucs(key, "HDemucs", SOURCES)
    sound = noise(seconds)
    plain = ours(key, sound)
    pretrained.forget()
    registry.load(key).method.prepare()
    pretrained.forget()
    Settings(settings.file()).set("exact", True)
    with monkeypatch.context() as patch:
        patch.setattr(pytorch, "start", lambda: pytest.fail("PyTorch is not needed"))
        exact = ours(key, sound)
    assert max(np.abs(exact[name] - plain[name]).max() for name in SOURCES) < 1e-4
    Settings(settings.file()).set("exact", False)
    pretrained.forget()
    heard: list[int] = []
    original = engine.Engine.__call__
    monkeypatch.setattr(
        engine.Engine,
        "__call__",
        lambda self, wave, progress: (heard.append(wave.shape[-1]), original(self, wave, progress))[1],
    )
    quick = ours(key, sound)
    assert set(heard) == {RATE}
    # All but the end is the same; the end was heard with more of what comes before it.
    middle = slice(0, int((seconds - 0.8) * RATE))
    # Within what half precision costs, where the processor has it: a fiftieth of a decibel at 17 dB SDR.
    for name in SOURCES:
        error = quick[name][:, middle] - plain[name][:, middle]
        assert np.square(plain[name][:, middle]).sum() > 1e4 * np.square(error).sum()


class Stub:
    """A network that must be made ready, and gives what it hears, a little of it."""

    def __init__(self, share: float) -> None:
        self.ready, self.loads, self._share = False, 0, share

    def __call__(self, sound: Samples, progress: Silent) -> Samples:
        self.loads += not self.ready
        self.ready = True
        return np.stack([sound * np.float32(self._share * at) for at in range(1, 5)])

    def rest(self) -> None:
        self.ready = False


def test_where_it_counts_no_more_networks_are_ready_than_shall_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four in single precision take two gigabytes; three, and pieces by fours, hardly more time."""
    from stemeditor.methods import demucs

    method = demucs.mdx_extra()
    stubs = {name: Stub(0.01 * number) for number, name in enumerate(method._files, 1)}
    ready: list[int] = []

    def asked(method: demucs.Demucs, name: str) -> Stub:
        ready.append(sum(stub.ready for stub in stubs.values()))
        return stubs[name]

    monkeypatch.setattr(demucs.Demucs, "engine", asked)
    monkeypatch.setattr(demucs.Demucs, "shaped", lambda method, names: method.info)

    def run() -> Stems:
        stems = [piece.stems for piece in runner.stream(Audio(sound, RATE), method, {"overlap": 0.25}, Silent())]
        return {name: np.concatenate([piece[name] for piece in stems], axis=1) for name in stems[0]}

    # 25 pieces: one alone, then six times four.
    sound = noise(18.5)
    Settings(settings.file()).set("exact", True)
    first = run()
    assert method.together == 4
    assert max(ready) == 3
    loads = sum(stub.loads for stub in stubs.values())
    assert 4 + 6 <= loads <= 4 + 2 * 6
    again = run()
    assert all(np.array_equal(again[name], first[name]) for name in first)
    Settings(settings.file()).set("exact", False)
    assert method.together == 1
    other = run()
    assert max(ready) == 4
    assert all(np.array_equal(other[name], first[name]) for name in first)
    # Of one stem only one network is asked in the tuned set: nothing waits.
    assert demucs.htdemucs_ft().only(["drums"]).together == 1
