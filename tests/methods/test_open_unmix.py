import numpy as np
import pytest
import torch

from stemeditor import settings
from stemeditor.audio.buffer import Audio
from stemeditor.audio.stft import Stft
from stemeditor.errors import UserError
from stemeditor.methods import exported, open_unmix, pretrained, processor, pytorch, registry, runner, wiener
from stemeditor.progress import Silent
from stemeditor.settings import Settings
from stemeditor.weights import store
from tests.helpers.card import put as card
from tests.helpers.networks import keep, noise, put_state, seeded

CASES = {
    "umxl": (("bass", "drums", "other", "vocals"), 1024, 4096, 1024, 2, 44100),
    "umxhq": (("bass", "drums", "other", "vocals"), 512, 4096, 1024, 2, 44100),
    "umxse": (("speech", "noise"), 256, 1024, 512, 1, 16000),
}


@pytest.fixture(autouse=True)
def nothing_kept():
    pretrained.forget()
    yield
    pretrained.forget()


def put(key: str) -> dict:
    from openunmix.model import OpenUnmix
    from openunmix.utils import bandwidth_to_max_bin

    targets, hidden, window, _, channels, rate = CASES[key]
    nets = {}
    for number, name in enumerate(targets):
        torch.manual_seed(number)
        nets[name] = seeded(
            lambda: OpenUnmix(
                window // 2 + 1, channels, hidden, max_bin=bandwidth_to_max_bin(float(rate), window, 16000)
            )
        )
        put_state(key, f"{name}.pth", nets[name])
    return nets


@pytest.mark.parametrize(("key", "seconds"), [("umxl", 0.9), ("umxhq", 8.37), ("umxse", 2.2)])
def test_stems_equal_those_of_the_package(key: str, seconds: float) -> None:
    from openunmix.model import Separator

    nets = put(key)
    targets, _, window, hop, channels, rate = CASES[key]
    sound = noise(seconds, channels, rate)
    separator = Separator(nets, niter=1, n_fft=window, n_hop=hop, nb_channels=channels, sample_rate=float(rate)).eval()
    with torch.no_grad():
        expected = dict(zip(targets, separator(torch.from_numpy(sound)[None])[0].numpy(), strict=True))
    pieces = list(runner.stream(Audio(sound, rate), registry.load(key), {}, Silent()))
    assert len(pieces) == 1
    for name in targets:
        assert np.abs(expected[name]).max() > 1e-3
        assert np.abs(pieces[0].stems[name] - expected[name]).max() < 1e-4


def test_openvino_gives_the_same_for_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    if processor.package() is None:
        pytest.skip("OpenVINO is not here")
    put("umxse")
    Settings(settings.file()).set("exact", True)
    sounds = [noise(seconds, 1, 16000) for seconds in (2.2, 0.3, 3.1)]
    method = registry.load("umxse").method
    plain = [method.separate(Audio(sound, 16000), {"iterations": 1}, Silent()) for sound in sounds]
    assert method.engine("speech.pth").program == "PyTorch on cpu"
    method.prepare()
    form, before = exported.form_of(store.path("umxse", "speech.pth")), store.path("umxse", exported.COMPILED)
    form.write_text("of an earlier version", encoding="utf-8")
    before.mkdir()
    method.prepare()
    assert before.exists()
    method.prepare(again=True)
    assert not before.exists()
    made = form.read_text(encoding="utf-8")
    # The weights of layers that go both ways would be copied, and lie in memory twice.
    assert made.count('direction="forward"') == made.count('direction="reverse"') == 3
    assert "bidirectional" not in made
    pretrained.forget()
    monkeypatch.setattr(pytorch, "start", lambda: pytest.fail("PyTorch is not needed"))
    for sound, expected in zip(sounds, plain, strict=True):
        found = method.separate(Audio(sound, 16000), {"iterations": 1}, Silent())
        assert max(np.abs(found[name] - expected[name]).max() for name in ("speech", "noise")) < 1e-5
    engine = method.engine("speech.pth")
    assert engine.program == "OpenVINO, f32"
    # Ready for any length, they would lie there twice as well.
    assert engine._compiled is not None
    assert engine._compiled._model.inputs[0].partial_shape.is_static


def test_whole_pieces_are_heard_to_the_end_of_a_song(monkeypatch: pytest.MonkeyPatch) -> None:
    put("umxse")
    method = registry.load("umxse").method
    heard = []
    separate = method.separate

    def listened(mix: Audio, *others):
        heard.append(mix.frames)
        return separate(mix, *others)

    monkeypatch.setattr(method, "separate", listened)
    pieces = list(runner.stream(Audio(noise(23.0, 1, 16000), 16000), method, {}, Silent()))
    assert heard == [12 * 16000] * 3
    assert sum(runner.length_of(piece.stems) for piece in pieces) == 23 * 16000


@pytest.mark.parametrize("sound", [noise(0, 2), noise(0.02, 2), noise(0.5, 1), np.zeros((2, 9000), np.float32)])
def test_odd_songs_add_up(sound: np.ndarray) -> None:
    put("umxhq")
    pieces = list(runner.stream(Audio(sound, 44100), registry.load("umxhq"), {}, Silent()))
    total = sum(samples.astype(np.float64) for samples in pieces[0].stems.values())
    assert np.abs(total - sound).max() < 1e-6


def test_weights_of_another_network_are_refused() -> None:
    put("umxhq")
    put_state("umxhq", "vocals.pth", torch.nn.Linear(2, 2))
    with pytest.raises(UserError, match=r"vocals\.pth” lacks"):
        registry.load("umxhq").separate(Audio(noise(0.3), 44100), {"iterations": 1, "wiener": 0}, Silent())
    put("umxl")
    torch.save(torch.load(store.path("umxl", "bass.pth"), weights_only=True), store.path("umxhq", "vocals.pth"))
    keep("umxhq", "vocals.pth")
    with pytest.raises(UserError, match="are those of another network"):
        registry.load("umxhq").separate(Audio(noise(0.3), 44100), {"iterations": 1, "wiener": 0}, Silent())


def test_a_method_says_what_it_lacks() -> None:
    lacking = registry.missing("umxl")
    assert lacking is not None
    assert lacking.pack == "umxl"
    assert "454 MB" in lacking.text
    with pytest.raises(UserError, match="stemeditor models download umxl"):
        registry.load("umxl").separate(Audio(noise(0.1), 44100), {"iterations": 1, "wiener": 0}, Silent())
    assert registry.missing("classic") is None
    assert open_unmix.umxl().info.needs == "a download"


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    lacking = registry.missing("umxhq")
    assert lacking is not None
    assert lacking.text == "Open-Unmix HQ needs the package openunmix."
    assert lacking.command == "python -m pip install openunmix"
    assert lacking.pack == ""


@pytest.mark.parametrize(("key", "seconds"), [("umxhq", 8.37), ("umxse", 11.0), ("umxhq", 0.02)])
@pytest.mark.parametrize("passes", [0, 2])
def test_a_card_does_all_of_it_and_finds_the_same(
    key: str, seconds: float, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(key)
    _, _, _, _, channels, rate = CASES[key]
    sound = noise(seconds, channels, rate)
    # Where levels are brought down before the filter, and where a window has nothing to filter.
    sound[:, : 3 * rate] *= 100.0
    sound[:, 5 * rate :] = 0.0
    method = registry.load(key).method
    params = {"iterations": passes}
    expected = method.separate(Audio(sound, rate), params, Silent())
    card("cuda", monkeypatch)
    Settings(settings.file()).set("exact", True)
    monkeypatch.setattr(wiener, "scaled", lambda *given: pytest.fail("the processor filters"))
    monkeypatch.setattr(Stft, "forward", lambda *given: pytest.fail("the processor transforms"))
    found = method.separate(Audio(sound, rate), params, Silent())
    assert [*found] == [*expected]
    for name, stem in found.items():
        assert stem.shape == sound.shape
        assert np.abs(stem - expected[name]).max() < 1e-5 * np.abs(sound).max()
