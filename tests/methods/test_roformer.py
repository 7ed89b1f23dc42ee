"""The same stems as the program that people train these networks with."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stemeditor import settings
from stemeditor.audio.buffer import Audio
from stemeditor.errors import UserError
from stemeditor.jobs import models as preparing
from stemeditor.jobs.models import ImportRequest, import_model, models
from stemeditor.methods import pretrained, processor, registry, runner
from stemeditor.methods.base import Stems
from stemeditor.methods.engine import Engine
from stemeditor.methods.exported import Array
from stemeditor.nets.roformer import BANDS, Norm, RoformerHeart, from_state, mel_bands, split_bands
from stemeditor.progress import Progress, Silent
from stemeditor.settings import Settings
from stemeditor.weights import store
from tests.helpers.networks import noise

SMALL: dict[str, Any] = {
    "dim": 16,
    "depth": 1,
    "stereo": True,
    "num_stems": 1,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "dim_head": 8,
    "heads": 2,
}


@pytest.fixture(autouse=True)
def nothing_kept():
    pretrained.forget()
    yield
    pretrained.forget()


def theirs(config: dict[str, Any]) -> torch.nn.Module:
    from bs_roformer import BSRoformer, MelBandRoformer

    torch.manual_seed(2)
    alone: dict[str, Any] = {"num_residual_streams": 1, "flash_attn": False}
    with warnings.catch_warnings():
        # Without a window these networks find out how many bins there are, which PyTorch does not like.
        warnings.simplefilter("ignore")
        mel = "num_bands" in config
        net = MelBandRoformer(**config, **alone, add_value_residual=False) if mel else BSRoformer(**config, **alone)
    for name, value in net.state_dict().items():
        if not name.endswith("freqs") and value.is_floating_point():
            value.normal_(0, 0.3) if value.dim() > 1 else value.uniform_(0.5, 1.5)
    return net.eval()


CONFIGS = {
    "bands": SMALL,
    "stems": {**SMALL, "num_stems": 3, "stft_hop_length": 441, "mask_estimator_depth": 1},
    "mel": {**SMALL, "depth": 2, "num_bands": 60, "linear_transformer_depth": 0},
    "linear": {**SMALL, "num_bands": 48, "linear_transformer_depth": 1, "mask_estimator_depth": 2},
    "mono": {**SMALL, "stereo": False},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_network_equals_the_one_it_was_trained_with(name: str) -> None:
    config = CONFIGS[name]
    net = theirs(config)
    ours = from_state(net.state_dict(), config)
    sound = torch.randn(1, 2 if config["stereo"] else 1, 512 * 30) * 0.1
    with torch.inference_mode():
        expected = net(sound)
        found = ours(sound)
    expected = expected if expected.dim() == 4 else expected[:, None]
    frames = expected.shape[-1]
    assert float(expected.abs().max()) > 1e-2
    assert float((found[..., :frames] - expected).abs().max()) < 1e-4


def test_in_its_form_it_sees_a_few_bands_or_hops_at_a_time() -> None:
    config = CONFIGS["mel"]
    net = from_state(theirs(config).state_dict(), config)
    spectra = torch.randn(2, 1, 2050, 21)
    with torch.inference_mode():
        expected = net.parts(*spectra)
        seen: list[int] = []
        for name, part in net.named_modules():
            if name.endswith("to_qkv"):
                part.register_forward_pre_hook(lambda part, given: seen.append(given[0].shape[0]))
        found = RoformerHeart(net)(*spectra)
    # 60 bands and 21 hops, in two layers.
    assert sorted(seen) == [5] * 6 + [6] * 2 + [15] * 8
    for one, other in zip(found, expected, strict=True):
        assert float(other.abs().max()) > 1e-2
        assert float((one - other).abs().max()) < 1e-5


@pytest.mark.parametrize("level", [0.0, 1e-9, 1.0], ids=["silence", "quiet", "loud"])
def test_norms_hold_for_any_level(level: float) -> None:
    norm = Norm(6)
    norm.gamma.data.copy_(torch.arange(6.0))
    vectors = level * torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = norm(vectors)
        length = vectors.double().norm(dim=-1, keepdim=True).clamp(min=1e-12)
        torch.testing.assert_close(found, (vectors / length * 6**0.5 * norm.gamma).float())
        # The least that is added is nothing in half precision.
        assert norm(vectors.half()).isfinite().all()


def test_bands_cover_the_spectrum() -> None:
    assert sum(BANDS) == 1025
    assert [len(band) for band in split_bands()] == list(BANDS)
    from librosa import filters

    bands = mel_bands(60, 2048, 44100)
    bank = filters.mel(sr=44100, n_fft=2048, n_mels=60) > 0
    bank[0, 0] = bank[-1, -1] = True
    assert [set(band) for band in bands] == [set(np.flatnonzero(row)) for row in bank]


def files(folder: Path, config: dict[str, Any], instruments: list[str], target: str | None) -> tuple[Path, Path]:
    weights, text = folder / "Fine Vocals v2.ckpt", folder / "config.yaml"
    torch.save({"state_dict": theirs(config).state_dict()}, weights)
    net = "\n".join(f"  {name}: {str(value).lower()}" for name, value in config.items())
    text.write_text(
        f"audio:\n  chunk_size: 66150\n  sample_rate: 44100\nmodel:\n{net}\n  multi: !!python/tuple\n  - 4096\n"
        f"training:\n  instruments: {json.dumps(instruments)}\n  target_instrument: {json.dumps(target)}\n",
        encoding="utf-8",
    )
    return weights, text


def test_a_checkpoint_is_imported_and_takes_songs_apart(tmp_path: Path) -> None:
    lacking = registry.missing("mel_band_roformer")
    assert lacking is not None
    assert "models import" in lacking.command
    weights, text = files(tmp_path, CONFIGS["mel"], ["vocals", "other"], "vocals")
    assert import_model(ImportRequest((weights, text)), Silent()) == "mel_band_roformer"
    method = registry.load("mel_band_roformer")
    assert method.info.stems == ("vocals", "instrumental")
    assert method.info.segment_s == 1.5
    assert method.info.name == "Mel-Band RoFormer: Fine Vocals v2"
    assert registry.missing("mel_band_roformer") is None
    sound = noise(1.5)
    (piece,) = list(runner.stream(Audio(sound, 44100), method, {"overlap": 0.02}, Silent()))[:1]
    with torch.inference_mode():
        expected = theirs(CONFIGS["mel"])(torch.from_numpy(sound)[None])[0].numpy()
    frames = min(expected.shape[-1], piece.stems["vocals"].shape[1])
    assert np.abs(piece.stems["vocals"][:, :frames] - expected[:, :frames]).max() < 1e-4
    assert import_model(ImportRequest((weights, text)), Silent()) == "mel_band_roformer:fine_vocals_v2"
    assert "mel_band_roformer:fine_vocals_v2" in registry.keys()  # noqa: SIM118 a function, no mapping
    assert {row.key for row in models() if row.own} == {"mel_band_roformer", "mel_band_roformer:fine_vocals_v2"}
    assert store.keys() == ("mel_band_roformer", "mel_band_roformer:fine_vocals_v2")


@pytest.mark.parametrize("name", ["stems", "mel", "linear", "mono"])
def test_openvino_gives_the_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if processor.package() is None:
        pytest.skip("OpenVINO is not here")
    monkeypatch.setattr(preparing, "prepare", lambda key, progress: None)
    names = ["Vocals", "Drums", "Other"] if name == "stems" else ["Vocals"]
    weights, text = files(tmp_path, {**CONFIGS[name], "stft_normalized": name == "mel"}, names, None)
    key = import_model(ImportRequest((weights, text)), Silent())
    Settings(settings.file()).set("exact", True)
    sound = noise(2.9, 1 if name == "mono" else 2)

    def separated() -> Stems:
        pieces = list(runner.stream(Audio(sound, 44100), registry.load(key), {}, Silent()))
        return {stem: np.concatenate([piece.stems[stem] for piece in pieces], axis=1) for stem in pieces[0].stems}

    plain = separated()
    method = registry.load(key).method
    assert isinstance(method, pretrained.Pretrained)
    method.prepare()
    programs: list[str] = []
    compute = Engine.__call__

    def watched(self: Engine, sound: Array, progress: Progress) -> Array:
        found = compute(self, sound, progress)
        programs.append(self.program)
        return found

    monkeypatch.setattr(Engine, "__call__", watched)
    found = separated()
    # The last piece, too, which is shorter.
    assert programs == ["OpenVINO, f32"] * len(programs)
    assert len(programs) > 1
    assert np.abs(plain["vocals"]).max() > 1e-3
    assert max(np.abs(found[stem] - plain[stem]).max() for stem in plain) < 1e-5
    # The end is heard with what comes before it where nobody asks for exactly what others do.
    assert not method.learn(Audio(sound, 44100), {}, Silent()).info.whole
    Settings(settings.file()).set("exact", False)
    assert method.learn(Audio(sound, 44100), {}, Silent()).info.whole


@pytest.mark.parametrize("seconds", [0, 0.02, 0.5])
def test_short_songs_add_up(tmp_path: Path, seconds: float) -> None:
    weights, text = files(tmp_path, CONFIGS["stems"], ["Vocals", "Drums", "Other"], None)
    key = import_model(ImportRequest((weights, text)), Silent())
    sound = noise(seconds)
    (piece,) = runner.stream(Audio(sound, 44100), registry.load(key), {}, Silent())
    assert list(piece.stems) == ["vocals", "drums", "other", "residual"]
    assert np.abs(sum(piece.stems.values()) - sound).max() < 1e-6


def test_what_is_left_of_accompaniment_is_the_voice(tmp_path: Path) -> None:
    weights, text = files(tmp_path, CONFIGS["mel"], ["Vocals", "Instrumental"], "Instrumental")
    key = import_model(ImportRequest((weights, text)), Silent())
    method = registry.load(key)
    assert method.info.stems == ("instrumental", "vocals")
    sound = noise(1.6)
    (piece, *_) = runner.stream(Audio(sound, 44100), method, {}, Silent())
    assert list(piece.stems) == ["instrumental", "vocals"]
    assert np.abs(sum(piece.stems.values()) - sound[:, : piece.stems["vocals"].shape[1]]).max() < 1e-6


def test_no_checkpoint_takes_the_place_of_another(tmp_path: Path) -> None:
    weights, text = files(tmp_path, CONFIGS["mel"], ["vocals"], None)
    found = []
    for name in ("first", "声乐模型", "Вокал", "a" * 41, "a" * 42, "a" * 42):
        found.append(import_model(ImportRequest((weights.rename(tmp_path / f"{name}.CKPT"), text)), Silent()))
        weights = tmp_path / f"{name}.CKPT"
    kind = "mel_band_roformer"
    long = f"{kind}:{'a' * 40}"
    assert found == [kind, f"{kind}:声乐模型", f"{kind}:вокал", long, f"{long}_2", f"{long}_2"]
    assert store.verify(kind, Silent()) == ()


def test_another_ending_replaces_what_was_there(tmp_path: Path) -> None:
    weights, text = files(tmp_path, CONFIGS["mel"], ["vocals"], None)
    first = import_model(ImportRequest((weights, text)), Silent())
    key = import_model(ImportRequest((weights, text)), Silent())
    safe = weights.with_suffix(".safetensors")
    save_file({name: value.clone() for name, value in theirs(CONFIGS["mel"]).state_dict().items()}, safe)
    assert import_model(ImportRequest((safe, text)), Silent()) == key != first
    assert set(store.contents(key)) == {"weights.safetensors", "model.json"}
    assert store.verify(key, Silent()) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  dim: 16", "  dim: &a [*a]"),
        ("  dim: 16", "  dim: .inf"),
        ("  dim: 16", "  dim: 2024-13-45"),
        ("  dim: 16", "  dim: 16\n  since: 2024-10-05"),
        ("  dim: 16", "  dim: 16\n  many: !!set {a, b}"),
        ("  dim: 16", "  dim: 99999999999"),
        ("num_bands: 60", "num_bands: 0"),
        ("  dim: 16", "  dim: 16\n  stft_hop_length: 0"),
        ("  dim: 16", "  dim: 16\n  stft_n_fft: -2"),
        ("chunk_size: 66150", "chunk_size: 1"),
        ("sample_rate: 44100", "sample_rate: -1"),
        ('instruments: ["vocals"]', "instruments: &a [*a]"),
        ('instruments: ["vocals"]', f"instruments: {'[' * 3000}{']' * 3000}"),
    ],
)
def test_configurations_without_sense_are_told_in_words(tmp_path: Path, old: str, new: str) -> None:
    weights, text = files(tmp_path, CONFIGS["mel"], ["vocals"], None)
    whole = text.read_text(encoding="utf-8")
    assert old in whole
    text.write_text(whole.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError):
        import_model(ImportRequest((weights, text)), Silent())
    assert store.keys() == ()


def test_a_spoilt_note_costs_nothing_else(tmp_path: Path) -> None:
    weights, text = files(tmp_path, CONFIGS["mel"], ["vocals"], None)
    key = import_model(ImportRequest((weights, text)), Silent())
    for said in ('{"rate": "abc"}', "[]", '{"stems": 3}', '{"segment_s": null}', "no JSON"):
        store.path(key, "model.json").write_text(said, encoding="utf-8")
        assert registry.load(key).info.stems == ("vocals", "instrumental")


def test_what_is_no_number_is_refused(tmp_path: Path) -> None:
    weights, text = files(tmp_path, CONFIGS["mel"], ["vocals"], None)
    state = theirs(CONFIGS["mel"]).state_dict()
    next(iter(state.values())).fill_(torch.nan)
    torch.save(state, weights)
    with pytest.raises(UserError, match="no number"):
        import_model(ImportRequest((weights, text)), Silent())


def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    weights, text = files(tmp_path, CONFIGS["mel"], ["vocals"], "vocals")
    other = tmp_path / "other.yaml"
    other.write_text(text.read_text(encoding="utf-8").replace("dim: 16", "dim: 24"), encoding="utf-8")
    empty = tmp_path / "empty.yml"
    empty.write_text("a: 1\n", encoding="utf-8")
    evil = tmp_path / "evil.yaml"
    evil.write_text('model: !!python/object/apply:os.system ["true"]\n', encoding="utf-8")
    cases = [
        ((weights, other), "do not belong together"),
        ((weights, empty), "describes no RoFormer"),
        ((weights, evil), "cannot be read as a configuration"),
        ((weights, text, other), "checkpoint and its configuration"),
        ((text,), "checkpoint and its configuration"),
    ]
    for given, words in cases:
        with pytest.raises(UserError, match=words):
            import_model(ImportRequest(given), Silent())
    assert store.keys() == ()
