"""Examples, losses, and a training that can stop at any moment."""

import csv
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from stemeditor import paths
from stemeditor.errors import Cancelled, FileProblem, UserError
from stemeditor.nets import checkpoint
from stemeditor.nets.catalogue import KINDS
from stemeditor.nets.conv_tasnet import ConvTasNet
from stemeditor.nets.description import Description, describe
from stemeditor.nets.masking import Masking
from stemeditor.progress import Silent, Stoppable
from stemeditor.training import augment, bank, console, curves, filters, library, plan, trainer
from stemeditor.training.augment import Augmentation
from stemeditor.training.bank import Bank
from stemeditor.training.corpus import RATE
from stemeditor.training.dataset import Examples
from stemeditor.training.gathering import gathered
from stemeditor.training.losses import LOSSES, Outcome, weighted
from stemeditor.training.plan import Net, Plan, Songs, Training, Validation
from stemeditor.training.trainer import Trainer
from tests.nets.test_nets import SMALL, any_net, small

NAMES = ("vocals", "drums", "bass", "other")
STILL = Augmentation(**dict.fromkeys((row.name for row in fields(Augmentation)), 0.0))


def tones(seed: int, seconds: float = 1.5) -> np.ndarray:
    """Four stems that differ in register and place: a noise above, a bass below, two tones between."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    voice = np.sin(2 * np.pi * rng.uniform(500, 700) * time) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))
    drums = rng.normal(0, 0.5, len(time)) * np.exp(-(time % 0.25) * 40)
    bass = np.sin(2 * np.pi * rng.uniform(50, 80) * time)
    other = np.sin(2 * np.pi * rng.uniform(1500, 2500) * time)
    sides = [(1, 1), (1, 1), (1, 1), (1, 0.2)]
    stems = [np.outer(side, wave) for side, wave in zip(sides, (voice, drums, bass, other), strict=True)]
    return (0.2 * np.stack(stems)).astype(np.float32)


def changed(sound: np.ndarray, how: Augmentation, rng: np.random.Generator, role: str = "") -> np.ndarray:
    return augment.changed(sound, augment.drawn(how, rng, role))


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("songs")
    files = [library.song_path(folder, number) for number in range(4)]
    for number, path in enumerate(files):
        np.save(path, np.round(tones(number) * 32767).astype(np.int16))
    return files


def a_plan(output: Path, steps: int = 6, **training: object) -> Plan:
    settings: dict[str, object] = {"batch": 2, "seconds": 0.5, "warm_up": 2, "learning_rate": 5e-3, "seed": 4}
    return Plan(
        net=Net("unet", SMALL["unet"]),
        songs=Songs(output, corpus="corpus"),
        output=output,
        training=Training(steps=steps, **{**settings, **training}),  # type: ignore[arg-type]
        validation=Validation(1, 1.0, 3),
    )


# --- examples


def test_examples_are_functions_of_their_number(songs: list[Path]) -> None:
    one, other = Examples(songs, 8000, 3, 1, Augmentation()), Examples(songs, 8000, 3, 1, Augmentation())
    assert one.batch(5).stems.shape == (3, 4, 2, 8000)
    assert one.batch(5).stems.dtype == np.float32
    assert np.array_equal(one.batch(5).stems, other.batch(5).stems)
    assert not np.array_equal(one.batch(5).stems, one.batch(6).stems)
    assert not np.array_equal(one.batch(5).stems, Examples(songs, 8000, 3, 2, Augmentation()).batch(5).stems)
    assert not one.batch(5).joined.any()


def test_without_changes_stems_of_an_example_belong_together(songs: list[Path]) -> None:
    batch = Examples(songs, 8000, 4, 0, None).batch(0).stems
    whole = [library.as_float(library.open_song(path)) for path in songs]
    for example in batch:
        hits = [song for song in whole if _place(song[0, 0], example[0, 0]) is not None]
        assert len(hits) == 1
        at = _place(hits[0][0, 0], example[0, 0])
        assert np.array_equal(hits[0][..., at : at + 8000], example)


def _place(long: np.ndarray, short: np.ndarray) -> int | None:
    starts = np.flatnonzero(long[: len(long) - len(short) + 1] == short[0])
    return next((int(at) for at in starts if np.array_equal(long[at : at + len(short)], short)), None)


@pytest.fixture
def backings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[Path]:
    """A recording in which nobody sings as a file to learn from; one is too short, and one is none."""
    monkeypatch.setattr(library, "_SHORTEST_S", 1.9)
    wavfile.write(tmp_path / "call.wav", RATE, np.ones((RATE, 2), np.int16))
    (tmp_path / "noise.flac").write_bytes(b"no sound")
    wavfile.write(tmp_path / "band.wav", RATE, np.round(tones(9, 2.0)[1:].sum(axis=0).T * 32767).astype(np.int16))
    kept = library.recordings(tmp_path / "kept", tmp_path, Silent())
    assert "noise.flac is left out" in caplog.text
    caplog.clear()
    return kept


def test_a_recording_without_a_voice_goes_under_one(songs: list[Path], backings: list[Path]) -> None:
    examples = Examples(songs, 8000, 12, 1, STILL, NAMES, backings, 0.5)
    stems, joined = examples.batch(0)
    assert 2 < joined.sum() < 10
    assert len(backings) == 1
    band = library.as_float(library.open_song(backings[0]))[0]
    assert band.shape == (2, 2 * RATE)
    for example, one in zip(stems, joined, strict=True):
        assert example[0].any()
        assert example[1:3].any() != one
        assert (_place(band[0], example[3, 0]) is not None) == one


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no recordings"):
        library.recordings(tmp_path, tmp_path, Silent())


# --- the same on a graphics card


def test_a_bank_gives_what_the_examples_do(songs: list[Path], backings: list[Path]) -> None:
    much = Augmentation(sped=0.7, speed=0.3, cleared=1.0, narrowed=1.0, silent=0.1)
    examples = Examples(songs, 16384, 8, 1, much, NAMES, backings, 0.3)
    stems, joined = examples.batch(3)
    found, same = Bank(examples, torch.device("cpu")).batch(3)
    assert same.numpy().tolist() == joined.tolist()
    assert found.shape == stems.shape
    assert found.dtype == torch.float32
    # What rings at the end is heard at the begin, and the highest frequencies go through another filter.
    inner = slice(3000, -500)
    errors = np.square(found.numpy() - stems)[..., inner].sum(axis=(2, 3))
    powers = np.square(stems)[..., inner].sum(axis=(2, 3))
    assert (errors <= [[1e-3, 5e-2, 1e-5, 2e-3]] * powers).all()
    assert not np.array_equal(found.numpy(), stems)


def test_a_bank_gives_songs_as_they_are_if_nothing_is_changed(songs: list[Path]) -> None:
    examples = Examples(songs, 8000, 3, 0, None)
    found, _ = Bank(examples, torch.device("cpu")).batch(1)
    assert found.numpy() == pytest.approx(examples.batch(1).stems, abs=1e-7)


@pytest.mark.parametrize("speed", [0.5, 0.9, 1.15])
def test_what_is_played_at_another_speed_is_what_it_was(speed: float) -> None:
    at = np.arange(20000)

    def tone(cycles: float) -> torch.Tensor:
        return torch.from_numpy(np.sin(2 * np.pi * cycles * at)).float()

    found = bank.played(torch.stack([tone(0.05), tone(0.3)])[None], torch.tensor([speed]), 15000)[0, :, 100:-100]
    for row, cycles in zip(found, (0.05, 0.3), strict=True):
        assert row.numpy() == pytest.approx(np.asarray(tone(cycles * speed))[100 : 100 + len(row)], abs=5e-3)


def test_what_would_fold_is_gone() -> None:
    high = torch.from_numpy(np.sin(2 * np.pi * 0.48 * np.arange(20000))).float()
    found = bank.played(high[None, None], torch.tensor([1.3]), 15000)[0, 0, 100:-100]
    assert found.square().mean() < 1e-4


def test_songs_go_to_a_graphics_card_alone(songs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    examples = Examples(songs, 8000, 1, 0, None)
    assert not bank.fits(examples, torch.device("cpu"))
    for free, there in ((10**9, True), (10**6, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 10**10))
        assert bank.fits(examples, torch.device("cuda")) is there


def test_what_is_too_short_or_not_there_is_refused(songs: list[Path]) -> None:
    with pytest.raises(UserError, match="no songs"):
        Examples([], 100, 1, 0, None)
    with pytest.raises(UserError, match="shorter"):
        Examples(songs, 2 * RATE, 1, 0, None)


def test_each_change_does_what_it_says() -> None:
    sound = tones(0)[3]
    rng = np.random.default_rng(0)
    assert np.allclose(changed(sound, STILL, rng), sound, atol=1e-6)
    assert np.allclose(changed(sound, replace(STILL, swapped=1.0), rng), sound[::-1], atol=1e-6)
    assert np.allclose(changed(sound, replace(STILL, flipped=1.0), rng), -sound, atol=1e-6)
    assert not changed(sound, replace(STILL, silent=1.0), rng).any()
    narrow = changed(sound, replace(STILL, narrowed=1.0), rng)
    assert np.allclose(narrow.mean(axis=0), sound.mean(axis=0), atol=1e-6)
    gains = [np.abs(changed(sound, replace(STILL, gain_db=3.0), rng)).max() / 0.2 for _ in range(200)]
    assert 2.0 < np.std(20 * np.log10(gains)) < 4.0


def test_a_mixer_makes_room_for_the_bass_alone() -> None:
    time = np.arange(RATE) / RATE
    low, high = (np.sin(2 * np.pi * frequency * time) for frequency in (40, 2000))
    sound = np.stack([low + high, low - high]).astype(np.float32)

    def levels_db(plan: Augmentation, role: str, seed: int = 3) -> tuple[float, float]:
        spectrum = np.abs(np.fft.rfft(changed(sound, plan, np.random.default_rng(seed), role)))[0] / (RATE / 2)
        return 20 * np.log10(spectrum[40]), 20 * np.log10(spectrum[2000])

    cleared, lifted = replace(STILL, cleared=1.0), replace(STILL, lifted_db=10.0)
    thinned = replace(STILL, thinned=1.0)
    for role, change in (("vocals", cleared), ("other", cleared), ("drums", thinned)):
        lows, highs = levels_db(change, role)
        assert lows < -6
        assert abs(highs) < 0.1
    # Level for lows: as much less of all else as there is more of them.
    heard = [levels_db(lifted, "bass", seed) for seed in range(8)]
    assert all(lows > 0 > highs for lows, highs in heard)
    assert 4 < max(lows - highs for lows, highs in heard) < 10
    for role, change in (
        ("drums", replace(cleared, lifted_db=10.0)),
        ("bass", cleared),
        ("other", lifted),
        ("other", thinned),
    ):
        assert levels_db(change, role) == pytest.approx((0.0, 0.0), abs=0.01)
    sides = {}
    for role in ("vocals", "drums", "bass", "other"):
        made = changed(sound, replace(STILL, centred=1.0), np.random.default_rng(5), role)
        sides[role] = np.abs(made[0] - made[1]).max() / np.abs(sound[0] - sound[1]).max()
    assert sides["vocals"] < 0.31
    assert sides["bass"] < 0.31
    assert sides["drums"] == sides["other"] == pytest.approx(1.0)


def test_a_slope_lowers_one_end_and_raises_the_other() -> None:
    click = np.zeros((2, 512), np.float32)
    click[:, 0] = 1.0
    levels = 20 * np.log10(np.abs(np.fft.rfft(console.filtered(click, augment.sloping(6.0))[0])))
    assert levels[0] - levels[-1] == pytest.approx(-6.0, abs=0.01) or levels[-1] - levels[0] == pytest.approx(
        -6.0, abs=0.01
    )
    assert abs(levels[len(levels) // 2]) < 0.2


def test_a_stem_that_is_sped_up_is_higher_by_as_much() -> None:
    time = np.arange(int(1.1 * 10000)) / RATE
    sound = np.stack([np.sin(2 * np.pi * 1000 * time)] * 2).astype(np.float32)
    faster = augment.varied(sound, 10000)
    assert faster.shape == (2, 10000)
    peak = np.abs(np.fft.rfft(faster[0] * np.hanning(10000), 1 << 17)).argmax() * RATE / (1 << 17)
    assert peak == pytest.approx(1100, rel=0.002)
    factors = [augment.factor(Augmentation(sped=0.5, speed=0.12), np.random.default_rng(n)) for n in range(300)]
    assert 0.35 < np.mean([one != 1.0 for one in factors]) < 0.65
    assert 1 / 1.12 <= min(factors) < 0.95 < 1.05 < max(factors) <= 1.12


def test_only_the_bass_goes_deeper(songs: list[Path]) -> None:
    factors = [augment.deeper(Augmentation(deep=0.5), np.random.default_rng(n)) for n in range(300)]
    assert 0.35 < np.mean([one != 1.0 for one in factors]) < 0.65
    assert 0.5 <= min(factors) < 0.6
    assert max(one for one in factors if one != 1.0) < 0.9
    batch = Examples(songs[:1], 16384, 8, 1, replace(STILL, deep=1.0), NAMES).batch(0).stems
    own = library.as_float(library.open_song(songs[0]))
    for stem, deep in ((0, False), (2, True)):
        truth = _strongest(own[stem, 0, :16384])
        found = [_strongest(example[stem, 0]) for example in batch]
        assert all((one < 0.92 * truth) == deep for one in found)


def _strongest(sound: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 18)).argmax())


# --- losses


class Giver(torch.nn.Module):
    """A network that gives what it was told."""

    def __init__(self, stems: torch.Tensor) -> None:
        super().__init__()
        self.stems = torch.nn.Parameter(stems)

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        return self.stems


SOUND_LOSSES = [name for name in LOSSES if name != "points"]


@pytest.mark.parametrize("name", SOUND_LOSSES)
def test_a_loss_is_least_for_the_truth_and_grows_with_the_error(name: str) -> None:
    true = torch.from_numpy(np.stack([tones(0), tones(1)]))
    noise = torch.randn(true.shape, generator=torch.Generator().manual_seed(0))
    values = []
    for level in (0.0, 0.003, 0.03):
        giver = Giver(true + level * noise)
        loss = weighted(Outcome(giver, true), {name: 1.0})
        values.append(float(loss.detach()))
        loss.backward()
        assert giver.stems.grad is not None
        assert torch.isfinite(giver.stems.grad).all()
    assert values[0] < values[1] < values[2]
    if name != "si_sdr":
        assert values[0] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("net", ["unet", "mask_unet", "wave_unet", "hs_tasnet"])
def test_every_loss_reaches_every_kind_of_network(name: str, net: str) -> None:
    true = torch.from_numpy(np.stack([tones(0, 0.4)]))
    made = any_net(net).train()
    if name == "points" and not KINDS[net].masks:
        with pytest.raises(ValueError, match="draw masks"):
            weighted(Outcome(made, true), {name: 1.0})
        return
    loss = weighted(Outcome(made, true), {name: 2.0})
    loss.backward()
    assert torch.isfinite(loss)
    assert sum(float(value.grad.abs().sum()) for value in made.parameters() if value.grad is not None) > 0


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_does_not_depend_on_the_level_of_the_song(name: str) -> None:
    true = torch.from_numpy(np.stack([tones(0, 0.4)]))
    net = small("unet")
    with torch.inference_mode():
        loud, soft = (float(weighted(Outcome(net, true * gain), {name: 1.0})) for gain in (1.0, 0.05))
    assert soft == pytest.approx(loud, rel=0.02, abs=0.02)


def test_the_short_cut_over_points_is_the_error_of_the_spectrum() -> None:
    true = torch.from_numpy(np.stack([tones(0, 0.4)]))
    net = small("unet")
    outcome = Outcome(net, true)
    with torch.inference_mode():
        short = float(LOSSES["points"](outcome))
        power = (outcome.spectra - outcome.true_spectra).abs().square()
        level = net.points.mean(outcome.true_spectra.sum(dim=1).abs().square()).mean()
        widths = torch.cat([torch.full((count,), float(width)) for count, width in net.points.groups])
        lengths = (net.points.mean(power) / level).sqrt() * (widths / widths.mean())[:, None]
    assert short == pytest.approx(float(lengths.mean()), rel=1e-3)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_of_what_is_known_together_only_the_sum_counts(name: str) -> None:
    torch.manual_seed(0)
    net = small("unet").eval()
    with torch.no_grad():
        net.head.bias.normal_()  # type: ignore[union-attr, operator]
    stems = torch.from_numpy(np.stack([tones(0, 0.5), tones(1, 0.5)]))
    together = stems.clone()
    together[1, 3] = together[1, 1:].sum(dim=0)
    together[1, 1:3] = 0
    joined = torch.tensor([False, True])
    loss = LOSSES[name](Outcome(net, together, joined))
    loss.backward()
    gradient = net.head.bias.grad
    assert gradient is not None
    # Masks that move from one of the stems to another of them change nothing; those of the voice do.
    alone = Outcome(net, together[1:], joined[1:])
    before = LOSSES[name](alone).item()
    with torch.no_grad():
        moved = net.head.bias.reshape(2, 4, 2)
        moved[:, 1] += 0.5
        moved[:, 3] -= 0.5
    assert LOSSES[name](Outcome(net, together[1:], joined[1:])).item() == pytest.approx(before, rel=1e-4)
    with torch.no_grad():
        moved[:, 0] += 0.5
        moved[:, 3] -= 0.5
    assert LOSSES[name](Outcome(net, together[1:], joined[1:])).item() != pytest.approx(before, rel=1e-3)
    assert torch.isfinite(loss)


def test_a_loss_on_masks_is_refused_for_a_network_without() -> None:
    true = torch.from_numpy(np.stack([tones(0, 0.2)]))
    with pytest.raises(ValueError, match="draw masks"):
        weighted(Outcome(Giver(true), true), {"points": 1.0})


# --- training


def test_the_learning_rate_rises_stays_and_falls() -> None:
    long = a_plan(Path("."), steps=100, warm_up=10, cool_down=0.5)
    rates = [trainer.schedule(step, long) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:50] == [1.0] * 41
    assert rates[75] == pytest.approx(0.5)
    assert 0 < rates[99] <= 0.021


def test_a_few_steps_lower_the_loss(songs: list[Path], tmp_path: Path) -> None:
    learning = replace(a_plan(tmp_path, steps=30), augmentation=STILL)
    taught = Trainer(learning, songs, "cpu")
    batch = torch.from_numpy(Examples(songs, RATE // 2, 4, 9, None).batch(0).stems)

    def loss() -> float:
        with torch.inference_mode():
            return float(weighted(Outcome(taught.average.eval(), batch), learning.losses))

    before = loss()
    taught.run(Silent())
    assert loss() < 0.8 * before
    rows = list(csv.DictReader((tmp_path / curves.CURVES).read_text().splitlines()))
    assert [float(row["step"]) for row in rows] == [*range(3, 31, 3)]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert set(rows[0]) == {"step", "seconds", "loss", *learning.stems}
    assert (tmp_path / curves.FIGURE).stat().st_size > 5000
    assert describe(tmp_path / curves.LAST).provenance["steps"] == 30
    net, description = checkpoint.load(tmp_path / curves.BEST)
    assert description.provenance["steps"] <= 30
    assert description.stems == learning.stems
    assert torch.isfinite(net(batch[:1].sum(dim=1))).all()


class StopAt(Stoppable):
    def __init__(self, fraction: float) -> None:
        super().__init__()
        self._fraction = fraction

    def advance(self, fraction: float, text: str = "") -> None:
        if fraction >= self._fraction:
            self.cancel()
        super().advance(fraction, text)


def test_a_training_that_was_stopped_ends_with_the_same_weights(songs: list[Path], tmp_path: Path) -> None:
    through = Trainer(a_plan(tmp_path / "through"), songs, "cpu")
    through.run(Silent())
    stopped = Trainer(a_plan(tmp_path / "stopped"), songs, "cpu")
    with pytest.raises(Cancelled):
        stopped.run(StopAt(0.5))
    assert stopped.step == 3
    resumed = Trainer(a_plan(tmp_path / "stopped"), songs, "cpu")
    assert resumed.step == 3
    resumed.run(Silent())
    assert resumed.step == through.step == 6
    for mine, theirs in ((through.net, resumed.net), (through.average, resumed.average)):
        for (name, first), (_, second) in zip(mine.state_dict().items(), theirs.state_dict().items(), strict=True):
            assert torch.equal(first, second), name
    rows = (tmp_path / "through" / curves.CURVES).read_text(), (tmp_path / "stopped" / curves.CURVES).read_text()
    strip = [[line.split(",")[:1] + line.split(",")[2:] for line in text.splitlines()] for text in rows]
    assert strip[0] == strip[1]


def test_a_training_that_has_ended_does_nothing_more(songs: list[Path], tmp_path: Path) -> None:
    Trainer(a_plan(tmp_path, steps=2), songs, "cpu").run(Silent())
    again = Trainer(a_plan(tmp_path, steps=2), songs, "cpu")
    seconds = again.seconds
    again.run(Silent())
    assert (again.step, again.seconds) == (2, seconds)


def test_a_training_may_begin_with_the_weights_of_another(songs: list[Path], tmp_path: Path) -> None:
    first = Trainer(a_plan(tmp_path / "first"), songs, "cpu")
    first.run(Silent())
    path = tmp_path / "first" / "kept.safetensors"
    first.write(path, {})
    begun = replace(a_plan(tmp_path / "second"), net=Net("unet", SMALL["unet"], str(path)))
    second = Trainer(begun, songs, "cpu")
    assert second.step == 0
    before, after = first.average.state_dict()["head.weight"], second.net.state_dict()["head.weight"]
    assert torch.equal(before.half(), after.half())
    grown = replace(a_plan(tmp_path / "third"), net=Net("unet", {**SMALL["unet"], "blocks": 1}, str(path)))
    third = Trainer(grown, songs, "cpu")
    assert torch.equal(before.half(), third.net.state_dict()["head.weight"].half())
    third.run(Silent())
    assert third.average.state_dict()["behind_up.0.0.second.weight"].any()
    other = replace(begun, net=Net("unet", {"widths": (4, 6)}, str(path)))
    with pytest.raises(UserError, match="another network"):
        Trainer(other, songs, "cpu")


@pytest.mark.parametrize("name", KINDS)
def test_every_network_can_be_trained(name: str, songs: list[Path], tmp_path: Path) -> None:
    loss = {"points" if KINDS[name].masks else "time_l1": 1.0}
    told = replace(a_plan(tmp_path, steps=3), net=Net(name, SMALL[name], rate=22050), losses=loss)
    made = Trainer(told, songs, "cpu")
    before = [value.clone() for value in made.net.parameters()]
    made.run(Silent())
    assert any(not torch.equal(a, b) for a, b in zip(before, made.net.parameters(), strict=True))
    net, description = checkpoint.load(tmp_path / curves.BEST)
    assert (description.net, description.rate, description.seconds) == (name, 22050, 0.5)
    assert description.provenance["learned with"]["losses"] == loss
    if isinstance(net, Masking):
        assert (description.window, description.hop, description.points) == (
            net.front.window,
            net.front.hop,
            net.points.groups,
        )


def test_songs_are_brought_to_the_rate_of_the_network(songs: list[Path], tmp_path: Path) -> None:
    at = np.arange(8820) / RATE
    low, high = (np.sin(2 * np.pi * frequency * at) for frequency in (3000, 15000))
    stems = torch.from_numpy(np.stack([np.stack([low, high])] * 4)[None].astype(np.float32))
    told = replace(a_plan(tmp_path), net=Net("wave_unet", SMALL["wave_unet"], rate=22050))
    brought = Trainer(told, songs, "cpu")._brought(stems)
    assert brought.shape == (1, 4, 2, 4410)
    assert brought[0, 0, 0, 200:-200].numpy() == pytest.approx(low[::2][200:-200], abs=2e-3)
    # What would fold is gone.
    assert brought[0, 0, 1, 200:-200].abs().max() < 2e-3


@pytest.mark.parametrize("ordered", [False, True])
def test_filters_of_one_network_are_taken_by_another_and_stay(ordered: bool, songs: list[Path], tmp_path: Path) -> None:
    """The published M5 and M6: bands on the filters of a network without any."""
    plain = {**SMALL["conv_tasnet"], "bands": 1, "whole": False}
    path = tmp_path / "m1.safetensors"
    description = Description("conv_tasnet", plain, NAMES)
    checkpoint.save(path, any_net("conv_tasnet", bands=1, whole=False), description, half=False)
    parts = ("encoder", "decoder")
    net = Net("conv_tasnet", {**plain, "bands": 2}, str(path), parts, frozen=True, ordered=ordered, rate=22050)
    told = replace(a_plan(tmp_path / "m5", steps=2), net=net, losses={"time_l1": 1.0})
    made = Trainer(told, songs, "cpu")
    first, _ = checkpoint.load(path)
    assert isinstance(first, ConvTasNet)
    if ordered:
        first.order()
    before = {name: value.clone() for name, value in made.net.state_dict().items()}
    made.run(Silent())
    for name, value in made.net.state_dict().items():
        taken = name.split(".")[0] in parts
        assert torch.equal(value, first.state_dict()[name] if taken else before[name]) == taken, name
    for wrong, words in (
        (replace(net, parts=("encoder", "head")), "another network"),
        (replace(net, arguments={**plain, "features": 8}), "another network"),
    ):
        with pytest.raises(UserError, match=words):
            Trainer(replace(told, net=wrong, output=tmp_path / "wrong"), songs, "cpu")
    checkpoint.save(path, small("unet"), Description("unet", SMALL["unet"], NAMES))
    with pytest.raises(UserError, match="no filters" if ordered else "another network"):
        Trainer(replace(told, output=tmp_path / "wrong"), songs, "cpu")


def test_filters_are_drawn_by_what_they_let_through(songs: list[Path], tmp_path: Path) -> None:
    plain = {**SMALL["conv_tasnet"], "bands": 1, "whole": False}
    net = any_net("conv_tasnet", bands=1, whole=False)
    assert isinstance(net, ConvTasNet)
    at = torch.arange(20.0)
    tones_of = torch.stack([torch.cos(2 * torch.pi * at * number / 40) for number in (12, 3, 8, 5)] * 4)
    net.filters().data.copy_((tones_of * torch.hann_window(20))[:, None].expand(-1, 2, -1))
    found = filters.responses(net)
    assert found.shape == (16, 513)
    assert found.max(dim=1).values.tolist() == [0.0] * 16
    assert (found.argmax(dim=1) / 512 * 20).round().tolist() == [3] * 4 + [5] * 4 + [8] * 4 + [12] * 4
    told = replace(a_plan(tmp_path, steps=1), net=Net("conv_tasnet", plain, rate=22050), losses={"time_l1": 1.0})
    Trainer(told, songs, "cpu").run(Silent())
    assert (tmp_path / filters.FILTERS).stat().st_size > 5000
    with pytest.raises(ValueError, match="plain front"):
        filters.responses(any_net("conv_tasnet", strong=True))  # type: ignore[arg-type]


def test_the_published_filters_alone_do_not_learn() -> None:
    """M5 and M6 learn 6,562,400 weights: those of M2 without its filters."""
    with torch.device("meta"):
        net = ConvTasNet(stems=2, bands=2)
    learning = [value for name, value in net.named_parameters() if name.split(".")[0] not in ("encoder", "decoder")]
    assert sum(value.numel() for value in learning) == 6_562_400


def test_a_compiled_network_learns_the_same(songs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def compiled(function: Callable[..., object]) -> Callable[..., object]:
        seen.append(function)
        return function

    monkeypatch.setattr(torch, "compile", compiled)
    one = Trainer(a_plan(tmp_path / "one", steps=2, compiled=True), songs, "cpu")
    other = Trainer(a_plan(tmp_path / "other", steps=2), songs, "cpu")
    for each in (one, other):
        each.run(Silent())
    assert len(seen) == 1
    assert one.net.state_dict().keys() == other.net.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(one.net.parameters(), other.net.parameters(), strict=True))


def test_a_training_learns_from_backings_too(songs: list[Path], backings: list[Path], tmp_path: Path) -> None:
    without, with_them = (
        Trainer(a_plan(tmp_path / str(len(more)), steps=2, backed=1.0), songs, "cpu", more) for more in ([], backings)
    )
    for each in (without, with_them):
        each.run(Silent())
    assert not all(torch.equal(a, b) for a, b in zip(without.net.parameters(), with_them.net.parameters(), strict=True))


def test_a_broken_state_is_refused_in_words(songs: list[Path], tmp_path: Path) -> None:
    (tmp_path / curves.STATE).write_bytes(b"no state")
    with pytest.raises(FileProblem, match="cannot be taken up"):
        Trainer(a_plan(tmp_path), songs, "cpu")


def test_too_few_songs_are_refused(songs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="too few"):
        Trainer(a_plan(tmp_path), songs[:1], "cpu")


def test_a_device_that_is_not_there_is_refused() -> None:
    assert trainer.chosen_device("cpu").type == "cpu"
    with pytest.raises(UserError, match="no device"):
        trainer.chosen_device("abacus")


def test_medians_are_those_of_the_windows_that_sound() -> None:
    true = torch.from_numpy(np.stack([tones(0, 3.0)]))
    true[:, 1] = 0.0
    noise = torch.randn(true.shape, generator=torch.Generator().manual_seed(0))
    noise *= 0.1 * true.square().mean(dim=(2, 3), keepdim=True).sqrt()
    found = trainer.medians(Giver(true + noise), true, ("a", "b", "c", "d"), torch.device("cpu"))
    assert np.isnan(found["b"])
    assert [found[name] for name in "acd"] == pytest.approx([20.0] * 3, abs=0.5)


# --- plans


def test_the_plan_that_is_shipped_is_read() -> None:
    shipped = plan.read(paths.resource("training", "default.toml"))
    assert shipped.net.type in KINDS
    assert shipped.losses == {"points": 1.0}
    made = checkpoint.build(shipped.net.type, shipped.net.arguments)
    assert sum(value.numel() for value in made.parameters()) < 6e6


@pytest.mark.parametrize("name", [name for name in KINDS if name != "unet"])
def test_every_published_network_has_a_plan_like_the_one_that_is_shipped(name: str) -> None:
    shipped, found = (plan.read(paths.resource("training", f"{stem}.toml")) for stem in ("default", name))
    assert found.net.type == name
    assert found.songs == shipped.songs
    assert found.augmentation == shipped.augmentation
    assert found.losses != shipped.losses
    assert found.training.seed == shipped.training.seed
    assert found.training.steps > shipped.training.steps
    assert found.output.name == name
    assert found.provenance["name"] != shipped.provenance["name"]
    with torch.device("meta"):
        checkpoint.build(name, found.net.arguments)


def test_a_plan_is_like_another_or_says_why_not(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('like = "b.toml"\n[training]\nsteps = 7\n[losses]\nmel = 1.0', "utf-8")
    (tmp_path / "b.toml").write_text(
        'output = "out"\n[net]\ntype = "unet"\n[songs]\nfolder = "songs"\ncorpus = "corpus"\n[training]\nbatch = 3\n'
        "[losses]\npoints = 1.0",
        "utf-8",
    )
    found = plan.read(tmp_path / "a.toml")
    assert (found.training.steps, found.training.batch, dict(found.losses)) == (7, 3, {"mel": 1.0})
    for like, words in (("a.toml", "cannot be like"), ("c.toml", "cannot be read")):
        (tmp_path / "a.toml").write_text(f'like = "{like}"', "utf-8")
        with pytest.raises(UserError, match=words):
            plan.read(tmp_path / "a.toml")


WRONG: list[tuple[Callable[[dict[str, dict[str, object]]], object], str]] = [
    (lambda document: document["net"].update(type="unett"), "Did you mean unet"),
    (lambda document: document["net"].update(typo=1), "no setting in \\[net\\] “typo”"),
    (lambda document: document.update(losses={"l3": 1.0}), "no loss “l3”"),
    (lambda document: document.update(training={"steps": "many"}), "“steps” cannot be 'many'"),
    (lambda document: document.update(training={"batch": 0}), "“batch” must be above zero"),
    (lambda document: document.update(training={"precision": "double"}), "no precision"),
    (lambda document: document["songs"].update(corpus=""), "names no songs"),
    (lambda document: document.pop("net"), "has no “net”"),
    (lambda document: document["net"].update(rate=32000), "cannot be brought to 32000 Hz"),
    (lambda document: document["net"].update(parts=["encoder"]), "one that is there"),
    (lambda document: document["net"].update(start="a", frozen=True), "learns nothing"),
    (lambda document: document.update(net=3), "“net” cannot be 3"),
    (lambda document: document["songs"].update(data_sets="musdb"), "“data_sets” cannot be"),
    (lambda document: document["songs"].update(count=True), "“count” cannot be True"),
]


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_a_wrong_plan_is_refused_in_words(change: Callable[[dict[str, dict[str, object]]], object], words: str) -> None:
    document: dict[str, dict[str, object]] = {
        "net": {"type": "unet"},
        "songs": {"folder": "songs", "corpus": "corpus"},
        "output": "out",  # type: ignore[dict-item]
    }
    plan.parsed(document)
    change(document)
    with pytest.raises(UserError, match=words):
        plan.parsed(document)


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        plan.read(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("steps = = 3")
    with pytest.raises(UserError, match="no TOML"):
        plan.read(tmp_path / "bad.toml")


# --- data sets


def test_a_data_set_becomes_songs_to_learn_from(tmp_path: Path) -> None:
    stems = tones(3)
    for name, rate in (("first", RATE), ("second", 22050)):
        folder = tmp_path / "set" / "train" / name
        folder.mkdir(parents=True)
        for stem, sound in zip(("vocals", "drums", "bass", "piano"), stems, strict=True):
            wavfile.write(folder / f"{stem}.wav", rate, np.ascontiguousarray(sound.T))
    wanted = replace(a_plan(tmp_path), songs=Songs(tmp_path / "kept", data_sets=(str(tmp_path / "set"),)))
    files, _ = gathered(wanted, Silent())
    assert len(files) == 2
    first = library.as_float(library.open_song(files[0]))
    # What the network does not give belongs to the rest.
    assert np.abs(first - stems).max() < 1e-4
    assert library.open_song(files[1]).shape[-1] == 2 * stems.shape[-1]
    times = [file.stat().st_mtime_ns for file in files]
    assert [file.stat().st_mtime_ns for file in gathered(wanted, Silent())[0]] == times
