"""Networks at work: stopped in the middle, with a full memory, on a lost card, and computed by OpenVINO."""

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from weakref import ref

import numpy as np
import pytest
import torch
from demucs.htdemucs import HTDemucs

from stemeditor import paths, settings
from stemeditor.errors import Cancelled, DeviceProblem
from stemeditor.methods import device, exported, measured, neural, processor, pytorch, quantised
from stemeditor.methods.demucs import SOURCES
from stemeditor.methods.device import Device, Separation
from stemeditor.methods.engine import Engine
from stemeditor.methods.exported import ENDING, Array, Form, export
from stemeditor.methods.hybrid_core import HybridCore
from stemeditor.methods.measured import remembered
from stemeditor.methods.placed import Room
from stemeditor.methods.spleeter import BINS, HOPS
from stemeditor.nets.fronts import JoinedHeart
from stemeditor.nets.hybrid_heart import HybridHeart
from stemeditor.nets.roformer import BANDS, Roformer, split_bands
from stemeditor.nets.spleeter import Spleeter
from stemeditor.progress import Silent, Stoppable
from stemeditor.settings import Settings
from tests.conftest import ExpectedLogs
from tests.helpers.card import Remarks, card, computed, put, wave
from tests.helpers.networks import SMALL, demucs, heard, seeded

RATE = 1000

__all__ = ["card"]


class Doubling(torch.nn.Module):
    """Gives its sound twice over; a card that can be full or broken is played by whatever `place` says."""

    def __init__(self, most: int = 10**9, words: str = "CUDA out of memory.") -> None:
        super().__init__()
        self.layer = torch.nn.Identity()
        self.place = "cpu"
        self.most, self.words = most, words
        self.lengths: list[int] = []

    def to(self, place: str) -> "Doubling":  # type: ignore[override]
        self.place = place
        return self

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        if self.place != "cpu" and sound.shape[-1] > self.most:
            if "out of memory" in self.words:
                raise torch.OutOfMemoryError(self.words)
            raise RuntimeError(self.words)
        self.lengths.append(sound.shape[-1])
        return torch.stack([self.layer(sound), self.layer(sound)], dim=1)


def test_a_full_memory_is_met_with_shorter_pieces(card: None) -> None:
    sound = wave(30 * RATE)
    net = Doubling(most=10 * RATE)
    remarks = Remarks()
    found = Engine(lambda: net, RATE)(sound, remarks)
    assert np.allclose(found, np.stack([sound, sound]), atol=1e-6)
    assert max(net.lengths) <= 10 * RATE
    assert len(net.lengths) == 4
    assert remarks.texts == []


@pytest.mark.parametrize(
    ("words", "told"), [("CUDA out of memory.", "memory is full"), ("CUDA error: device lost", "does not answer")]
)
def test_a_card_that_cannot_go_on_hands_over_to_the_processor(card: None, words: str, told: str) -> None:
    sound = wave(3 * RATE)
    net = Doubling(most=0, words=words)
    remarks = Remarks()
    engine = Engine(lambda: net, RATE)
    with device.separating(Separation()):
        assert np.array_equal(engine(sound, remarks), np.stack([sound, sound]))
        assert net.place == "cpu"
        assert told in remarks.texts[0]
        engine(sound, remarks)
        assert len(remarks.texts) == 1
    # The next song is told, too.
    engine(sound, remarks)
    assert len(remarks.texts) == 2


class Stuck(Doubling):
    """A network of which half is on the card when that is full."""

    def to(self, place: str) -> "Doubling":  # type: ignore[override]
        super().to("half there" if place != "cpu" else place)
        if place != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self


def test_a_network_that_does_not_fit_comes_back_as_a_whole(card: None) -> None:
    sound = wave(3 * RATE)
    net, remarks = Stuck(), Remarks()
    assert np.array_equal(Engine(lambda: net, RATE)(sound, remarks), np.stack([sound, sound]))
    assert net.place == "cpu"
    assert len(remarks.texts) == 1


@pytest.mark.parametrize(("gain", "exact", "halves"), [(1.5, False, True), (0.8, False, False), (1.5, True, False)])
def test_a_graphics_card_computes_in_half_precision_where_that_is_faster(
    gain: float, exact: bool, halves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("cuda", monkeypatch)
    Settings(settings.file()).set("exact", exact)
    asked: list[str] = []
    chosen: list[bool] = []
    plain = pytorch.precision

    def measured(net: torch.nn.Module, given: torch.Tensor) -> float:
        asked.append(type(net).__name__)
        return gain

    def noted(halves: bool) -> torch.autocast:
        chosen.append(halves)
        return plain(False)

    monkeypatch.setattr(pytorch, "gain_of_halves", measured)
    monkeypatch.setattr(pytorch, "precision", noted)
    for _ in range(2):
        engine = Engine(Doubling, RATE)
        for _ in range(2):
            engine(wave(RATE), Silent())
    assert chosen == [halves] * 4
    # Once, whichever engine: it is remembered.
    assert asked == ([] if exact else ["Doubling"])


def test_what_halves_gain_is_measured_after_a_first_go(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[bool] = []
    plain = pytorch.precision

    def noted(halves: bool) -> torch.autocast:
        done.append(halves)
        return plain(False)

    class Waiting(torch.nn.Module):
        def forward(self, sound: torch.Tensor) -> torch.Tensor:
            # The first go of each is slow, as is one in three behind it, when the machine has something else to do;
            # half precision is four times as fast.
            time.sleep(0.2 if len(done) <= 2 or len(done) in (3, 6) else 0.01 if done[-1] else 0.04)
            return sound

    monkeypatch.setattr(pytorch, "precision", noted)
    assert 2.5 < pytorch.gain_of_halves(Waiting(), torch.ones(1, 2, 5)) < 4.5


class Counting(Doubling):
    """Notes how many pieces it is given at once, and can be told to wait."""

    def __init__(self, most: int = 10**9, words: str = "CUDA out of memory.") -> None:
        super().__init__()
        self.counts: list[int] = []
        self.most_pieces, self.trouble = most, words
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        self.counts.append(len(sound))
        self.begun.set()
        assert self.go_on.wait(30)
        if len(sound) > self.most_pieces:
            raise RuntimeError(self.trouble)
        return super().forward(sound)


def waves(count: int) -> list[Array]:
    return [wave(RATE) * np.float32(number + 1) for number in range(count)]


@pytest.mark.parametrize(
    ("place", "gain", "counts"), [("xpu", 2.0, [1, 4, 1, 1]), ("xpu", 1.05, [1] * 7), ("cpu", 2.0, [1] * 7)]
)
def test_a_card_is_given_several_pieces_at_once_where_that_is_faster(
    card: None, place: str, gain: float, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def measured(net: torch.nn.Module, given: torch.Tensor, count: int, halves: bool) -> float:
        asked.append(count)
        return gain

    monkeypatch.setattr(pytorch, "gain_of_several", measured)
    for _ in range(2):
        net = Counting()
        sounds = waves(7)
        with device.using(place):
            found = computed(Engine(lambda net=net: net, RATE), sounds)  # type: ignore[misc]
        assert all(np.array_equal(one, np.stack([sound, sound])) for one, sound in zip(found, sounds, strict=True))
        assert net.counts == counts
    # Once, whichever engine: it is remembered.
    assert asked == ([] if place == "cpu" else [device.SEVERAL])


def test_pieces_of_other_lengths_are_computed_by_themselves(card: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytorch, "gain_of_several", lambda *given: 2.0)
    net = Counting()
    sounds = [*waves(5), wave(RATE // 2), *waves(3), *waves(2)]
    found = computed(Engine(lambda: net, RATE), sounds)
    assert all(np.array_equal(one, np.stack([sound, sound])) for one, sound in zip(found, sounds, strict=True))
    assert net.counts == [1, 4, *[1] * 6]


@pytest.mark.parametrize("words", ["CUDA out of memory.", "CUDA error: device lost"])
def test_several_pieces_that_do_not_fit_are_computed_one_by_one(
    card: None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytorch, "gain_of_several", lambda *given: 2.0)
    net = Counting(1, words)
    engine, sounds = Engine(lambda: net, RATE), waves(7)
    found = computed(engine, sounds)
    assert all(np.array_equal(one, np.stack([sound, sound])) for one, sound in zip(found, sounds, strict=True))
    # Tried once; the card goes on.
    assert net.counts == [1, 4, *[1] * 6]
    assert engine.program == "PyTorch on xpu"


def test_where_several_pieces_have_no_room_from_the_start_one_is_computed(
    card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*given: object) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(pytorch, "gain_of_several", measured)
    net = Counting()
    sounds = waves(3)
    found = computed(Engine(lambda: net, RATE), sounds)
    assert all(np.array_equal(one, np.stack([sound, sound])) for one, sound in zip(found, sounds, strict=True))
    assert net.counts == [1, 1, 1]
    # Another time there may be more room.
    monkeypatch.setattr(pytorch, "gain_of_several", lambda *given: 2.0)
    net = Counting()
    computed(Engine(lambda: net, RATE), waves(5))
    assert net.counts == [1, 4]


def test_a_bug_with_several_pieces_is_logged_and_costs_nobody_a_piece(
    card: None, monkeypatch: pytest.MonkeyPatch, logs: ExpectedLogs
) -> None:
    logs.expect("4 pieces at once failed")
    monkeypatch.setattr(pytorch, "gain_of_several", lambda *given: 2.0)
    net = Counting(1, "shapes cannot be multiplied")
    sounds = waves(5)
    found = computed(Engine(lambda: net, RATE), sounds)
    assert all(np.array_equal(one, np.stack([sound, sound])) for one, sound in zip(found, sounds, strict=True))
    assert net.counts == [1, 4, 1, 1, 1, 1]


def test_who_gives_up_while_waiting_costs_the_others_nothing(card: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytorch, "gain_of_several", lambda *given: 2.0)
    net = Counting()
    net.go_on.clear()
    engine, stopped = Engine(lambda: net, RATE), Stoppable()
    sound = wave(RATE)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(engine, sound, Silent())
        assert net.begun.wait(30)
        given_up, kept = pool.submit(engine, sound, stopped), pool.submit(engine, sound, Silent())
        while len(engine._batcher._waiting) < 2:
            time.sleep(0.001)
        stopped.cancel()
        with pytest.raises(Cancelled):
            given_up.result()
        while len(engine._batcher._waiting) > 1:
            time.sleep(0.001)
        net.go_on.set()
        assert np.array_equal(first.result(), kept.result())
    assert net.counts == [1, 1]


@pytest.mark.parametrize(("each_s", "gain"), [(0.02, 4.0), (0.3, 1.0)])
def test_what_several_pieces_at_once_gain_is_measured_unless_the_card_is_busy(each_s: float, gain: float) -> None:
    counts: list[int] = []

    class Waiting(torch.nn.Module):
        def forward(self, sound: torch.Tensor) -> torch.Tensor:
            counts.append(len(sound))
            # As long for one as for four; longer the first time, and once again.
            time.sleep(each_s * (3 if counts.count(len(sound)) in (1, 4) else 1))
            return sound

    assert pytorch.gain_of_several(Waiting(), torch.ones(1, 2, 5), 4, False) == pytest.approx(gain, rel=0.4)
    assert counts == ([1] * 6 + [4] * 4 if gain > 1 else [1, 1])


def open_unmix() -> torch.nn.Module:
    from openunmix.model import OpenUnmix

    return seeded(lambda: OpenUnmix(2049, 2, 16, max_bin=1487))


NETS: dict[str, tuple[Callable[[], torch.nn.Module], tuple[int, ...]]] = {
    "HTDemucs": (lambda: demucs("HTDemucs", SOURCES), (2, 44100)),
    # Recurrent layers hear more than 4.6 s in windows.
    "HDemucs": (lambda: without_transformer(), (2, 5 * 44100)),
    "Open-Unmix": (open_unmix, (2, 2049, 20)),
    "Spleeter": (lambda: seeded(lambda: Spleeter(2)), (2, BINS, HOPS)),
    "RoFormer": (
        lambda: seeded(
            lambda: Roformer(
                dim=16, depth=1, stems=2, bands=split_bands(BANDS), linear_depth=1, heads=2, head_dim=8, mask_layers=2
            )
        ),
        (2, 30000),
    ),
    "compact": (lambda: JoinedHeart(neural.read(neural.Compact().path)), (2, 2, 2049, 60)),
}


@pytest.mark.parametrize("name", NETS)
def test_every_network_gives_several_pieces_at_once_what_it_gives_each(name: str) -> None:
    build, shape = NETS[name]
    sounds = np.random.default_rng(4).normal(0, 0.1, (3, *shape)).astype(np.float32)
    sounds[1] *= 5.0
    sounds[2, ..., shape[-1] // 2 :] = 0.0
    if name == "Open-Unmix":
        sounds = np.abs(sounds)
    engine = Engine(build, 44100)
    found = engine._placed.compute(sounds, device.CPU, Silent(), Room())
    for one, sound in zip(found, sounds, strict=True):
        alone = engine(sound, Silent())
        assert np.abs(alone).max() > 1e-3
        assert np.abs(one - alone).max() < 1e-4 * np.abs(alone).max()


def test_an_engine_that_nobody_needs_is_gone_at_once() -> None:
    engine = Engine(Doubling, RATE)
    kept = ref(engine)
    gc.disable()
    try:
        del engine
        assert kept() is None
    finally:
        gc.enable()


def test_what_fails_on_a_card_for_no_known_reason_is_tried_on_the_processor(card: None, logs: ExpectedLogs) -> None:
    logs.expect("xpu fails")
    sound, remarks = wave(RATE), Remarks()
    engine = Engine(lambda: Doubling(most=0, words="mat1 and mat2 shapes cannot be multiplied"), RATE)
    assert np.array_equal(engine(sound, remarks), np.stack([sound, sound]))
    assert "fails at this network" in remarks.texts[0]


def test_a_bug_is_no_full_memory(card: None, logs: ExpectedLogs) -> None:
    class Wrong(torch.nn.Module):
        def forward(self, sound: torch.Tensor) -> torch.Tensor:
            raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied, try {next(tries)}")

    logs.expect("xpu fails")
    tries = iter(range(1, 3))
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied, try 1") as told:
        Engine(Wrong, RATE)(wave(RATE), Silent())
    assert "try 2" in str(told.value.__cause__)


class Slow(torch.nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(Sleep() for _ in range(layers))

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            sound = layer(sound)
        return sound[:, None]


class Sleep(torch.nn.Module):
    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        time.sleep(0.02)
        return sound


def test_stopping_is_heard_in_the_middle_of_a_network() -> None:
    progress = Stoppable()
    began = time.monotonic()
    timer = threading.Timer(0.2, progress.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        Engine(lambda: Slow(500), RATE)(wave(RATE), progress)
    timer.join()
    # All of it would take ten seconds.
    assert time.monotonic() - began < 3.0


class Long(torch.nn.Module):
    """One layer that nothing looks into."""

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        time.sleep(1.5)
        return sound[:, None]


def test_whoever_stops_is_let_go_at_once_and_the_network_is_free_again() -> None:
    engine = Engine(Long, RATE)
    progress = Stoppable()
    timer = threading.Timer(0.3, progress.cancel)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        engine(wave(RATE), progress)
    assert time.monotonic() - began < 1.2
    timer.join()
    sound = wave(RATE)
    assert np.array_equal(engine(sound, Silent()), sound[None])
    assert time.monotonic() - began > 3.0


def test_threads_that_want_the_same_network_wait_and_may_give_up() -> None:
    engine = Engine(lambda: Slow(40), RATE)
    found: list[object] = []
    first = threading.Thread(target=lambda: found.append(engine(wave(RATE), Silent())))
    first.start()
    while not engine._batcher._busy:
        time.sleep(0.001)
    stopped = Stoppable()
    stopped.cancel()
    with pytest.raises(Cancelled):
        engine(wave(RATE), stopped)
    first.join()
    assert len(found) == 1


@pytest.fixture
def form(tmp_path: Path) -> Form:
    """The place for a small network in OpenVINO's form, where OpenVINO is."""
    if processor.package() is None:
        pytest.skip("OpenVINO is not here")
    assert sys.modules["openvino_telemetry"] is None
    Settings(settings.file()).set("exact", True)
    return Form(tmp_path / f"net{ENDING}", HybridCore(len(SOURCES), 44100, True), HybridHeart)


def small() -> torch.nn.Module:
    return demucs("HTDemucs", SOURCES)


def test_openvino_gives_the_same_without_pytorch_and_can_be_stopped(form: Form) -> None:
    export(small(), form)
    assert {one.name for one in form.path.parent.iterdir()} >= {form.path.name, form.path.with_suffix(".bin").name}
    sound = wave(44100)

    def never() -> torch.nn.Module:
        raise AssertionError("PyTorch is not needed")

    engine = Engine(never, 44100, False, form)
    plain = Engine(small, 44100, False)
    for frames in (44100, 44100 - 1234, 1):
        assert np.abs(engine(sound[:, :frames], Silent()) - plain(sound[:, :frames], Silent())).max() < 1e-5
    assert engine.program == "OpenVINO, f32"
    assert plain.program == "PyTorch on cpu"

    stopped = Stoppable()
    stopped.cancel()
    with pytest.raises(Cancelled):
        engine(sound, stopped)
    assert engine(sound, Silent()).shape == (4, 2, 44100)


def test_a_model_that_was_stopped_in_the_middle_is_not_used_again(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    # OpenVINO leaves it with the lengths of several pieces.
    form = replace(form, elastic=True)
    export(small(), form)
    compiled = exported.Compiled(form, True)
    sound = wave(44100)
    whole = compiled(sound, Silent())
    model = compiled._model

    class Second(Silent):
        asked = 0

        def check(self) -> None:
            self.asked += 1
            if self.asked > 1:
                raise Cancelled

    request = processor.package().InferRequest
    plain = request.wait_for

    def hasty(request: object, most_ms: int) -> bool:
        # A fast machine would be done with so short a piece at the first look.
        return most_ms != exported._LOOK_MS and plain(request, most_ms)

    with monkeypatch.context() as patch:
        patch.setattr(request, "wait_for", hasty)
        with pytest.raises(Cancelled):
            compiled(sound, Second())
    assert compiled._model is None
    assert np.array_equal(compiled(sound, Silent()), whole)
    assert compiled._model is not model


def test_matrices_of_bytes_are_used_unless_exactness_is_wanted(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised, "_LEAST", 1 << 10)
    monkeypatch.setattr(processor, "halves_pay", lambda: False)
    form = replace(form, quantised=True)

    def wide() -> torch.nn.Module:
        sizes = SMALL["HTDemucs"] | {"bottom_channels": 64}
        return heard(seeded(lambda: HTDemucs(sources=list(SOURCES), **sizes)))

    monkeypatch.setattr(processor, "bytes_pay", lambda: False)
    export(wide(), form)
    assert not form.quantised_path.exists()
    monkeypatch.setattr(processor, "bytes_pay", lambda: True)
    export(wide(), form)
    small, large = (path.with_suffix(".bin").stat().st_size for path in (form.quantised_path, form.path))
    assert small < 0.9 * large
    Engine(wide, 44100, False, form).prepare(again=True)
    assert form.quantised_path.exists()
    sound = wave(30000)
    exact = Engine(wide, 44100, False, form)
    expected = exact(sound, Silent())
    assert exact.program == "OpenVINO, f32"
    Settings(settings.file()).set("exact", False)
    engine = Engine(wide, 44100, False, form)
    off = engine(sound, Silent()) - expected
    assert engine.program == "OpenVINO, int8"
    assert 0 < np.abs(off).max() < 0.02 * np.abs(expected).max()
    # The same engine, once the person wants it so.
    Settings(settings.file()).set("exact", True)
    assert np.array_equal(engine(sound, Silent()), expected)


def test_one_network_lies_in_memory_whoever_computes_it(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of another length are PyTorch's: its copy goes when OpenVINO goes on, and OpenVINO's when PyTorch does."""
    export(small(), form)
    nets: list[ref[torch.nn.Module]] = []

    def build() -> torch.nn.Module:
        net = small()
        nets.append(ref(net))
        return net

    core = form.core
    monkeypatch.setattr(type(core), "fits", lambda self, frames: frames == 44100)
    sound = wave(44100)
    plain = Engine(small, 44100, False)
    engine = Engine(build, 44100, False, form)
    for frames, program in ((44100, "OpenVINO, f32"), (30000, "PyTorch on cpu"), (44100, "OpenVINO, f32")) * 2:
        assert np.abs(engine(sound[:, :frames], Silent()) - plain(sound[:, :frames], Silent())).max() < 1e-5
        assert engine.program == program
    assert [net() for net in nets] == [None, None]


def test_what_openvino_makes_of_it_is_kept_and_made_anew_when_broken(form: Form) -> None:
    kept = replace(form, compiled=form.path.parent / "compiled")
    Engine(small, 44100, False, kept).prepare()
    assert kept.compiled is not None
    (file,) = kept.compiled.iterdir()
    sound = wave(44100)
    engine = Engine(small, 44100, False, kept)
    first = engine(sound, Silent())
    # Between two pieces it gives its memory back.
    assert np.array_equal(engine(sound, Silent()), first)
    assert [*kept.compiled.iterdir()] == [file]
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:1000])
    assert np.array_equal(Engine(small, 44100, False, kept)(sound, Silent()), first)


def without_transformer() -> torch.nn.Module:
    """A small network whose lowest layers are heard, the recurrent ones: fresh, they add next to nothing."""
    net = heard(demucs("HDemucs", SOURCES))
    with torch.no_grad():
        for name, values in net.named_parameters():
            if name.endswith(("rewrite.weight", "conv_tr.weight")):
                values.mul_(3.0)
    return net


@pytest.fixture
def refitted(form: Form) -> Form:
    """The place for a network that hears the end of a song at its own length."""
    return replace(form, core=HybridCore(len(SOURCES), 10 * 44100, False), refitted=True)


def test_a_shorter_piece_is_heard_at_its_own_length_without_pytorch(refitted: Form) -> None:
    export(without_transformer(), refitted)
    sound = wave(10 * 44100)

    def never() -> torch.nn.Module:
        raise AssertionError("PyTorch is not needed")

    engine = Engine(never, 44100, True, refitted)
    plain = Engine(without_transformer, 44100)
    assert engine.shaped
    # Recurrent layers hear more than 4.6 s, and those further down more than 9.3 s, in windows; what is shorter than
    # half a window of the transform cannot be mirrored.
    for frames in (441000, 204800, 204801, 9000, 5):
        expected = plain(sound[:, :frames], Silent())
        assert np.abs(expected).max() > 0.01
        assert np.abs(engine(sound[:, :frames], Silent()) - expected).max() < 1e-4 * np.abs(expected).max()
        assert engine.program == "OpenVINO, f32"
    assert np.abs(engine(sound[:, :9000], Silent()) - engine(sound, Silent())[..., :9000]).max() > 1e-3


def test_a_form_of_an_earlier_version_leaves_other_lengths_to_pytorch(refitted: Form) -> None:
    export(without_transformer(), replace(refitted, refitted=False))
    sound = wave(10 * 44100)
    plain = Engine(without_transformer, 44100)
    engine = Engine(without_transformer, 44100, True, refitted)
    for frames, program in ((441000, "OpenVINO, f32"), (200000, "PyTorch on cpu"), (441000, "OpenVINO, f32")):
        expected = plain(sound[:, :frames], Silent())
        assert np.abs(engine(sound[:, :frames], Silent()) - expected).max() < 1e-4 * np.abs(expected).max()
        assert engine.program == program


def test_nothing_of_a_piece_is_kept(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a network took and gave would lie in memory beside what it needs for the next piece."""
    export(small(), form)
    engine = Engine(small, 44100, False, form)
    core = type(form.core)
    passed: list[ref[Array]] = []
    before, after = core.before, core.after

    def watched_before(self: object, sound: Array) -> object:
        given, known = before(self, sound)
        passed.extend(ref(one) for one in given)
        return given, known

    def watched_after(self: object, found: tuple[Array, ...], known: object) -> Array:
        passed.extend(ref(one.base if one.base is not None else one) for one in found)
        return after(self, found, known)

    monkeypatch.setattr(core, "before", watched_before)
    monkeypatch.setattr(core, "after", watched_after)
    engine(wave(44100), Silent())
    gc.collect()
    assert len(passed) == 4
    assert [one() for one in passed] == [None] * 4


def test_a_network_is_prepared_once(form: Form) -> None:
    built: list[int] = []

    def build() -> torch.nn.Module:
        built.append(1)
        return small()

    engine = Engine(build, 44100, False, form)
    assert not engine.shaped
    engine.prepare()
    engine.prepare()
    assert built == [1]
    form.path.write_text("of an earlier version", encoding="utf-8")
    engine.prepare(again=True)
    assert built == [1, 1]
    assert "<net" in form.path.read_text(encoding="utf-8")
    # It takes any length up to its own, so that nothing depends on how long the pieces are.
    assert form.ready
    assert not engine.shaped


def test_a_request_that_openvino_gave_up_is_silent(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stopped in the middle says so by an exception of its own, which is nobody's business."""

    class Request:
        def __init__(self) -> None:
            self.cancelled = False

        def start_async(self, given: object, share_inputs: bool) -> None:
            pass

        def wait_for(self, milliseconds: int) -> bool:
            if self.cancelled:
                raise RuntimeError("Infer Request was canceled")
            return False

        def cancel(self) -> None:
            self.cancelled = True

    class Model:
        outputs = ()

        def create_infer_request(self) -> Request:
            return Request()

    class Program:
        def get_property(self, place: str, name: str) -> list[str]:
            return []

        def compile_model(self, *given: object) -> Model:
            return Model()

    form.path.touch()
    monkeypatch.setattr(processor.package(), "Core", Program)
    engine = Engine(small, 44100, False, form)
    progress = Stoppable()
    threading.Timer(0.2, progress.cancel).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        engine(wave(44100), progress)
    assert time.monotonic() - began < 3.0


def test_a_form_that_openvino_does_not_take_is_computed_by_pytorch(form: Form) -> None:
    form.path.write_text("no network", encoding="utf-8")
    engine = Engine(small, 44100, False, form)
    assert engine(wave(44100), Silent()).shape == (4, 2, 44100)
    assert engine.program == "PyTorch on cpu"


def test_the_device_is_the_asked_the_set_or_the_fastest(card: None) -> None:
    assert device.chosen().key == "xpu"
    with device.using("cpu"):
        assert device.chosen().key == "cpu"
    Settings(settings.file()).set("device", "cpu")
    assert device.chosen().key == "cpu"
    with device.using("auto"):
        assert device.chosen().key == "xpu"
    with device.using("mps"), pytest.raises(DeviceProblem, match="no device “mps”"):
        device.chosen()


def test_a_probe_is_made_once_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_PROBE_S", 0.05)
    here = Device("cpu", "Processor")
    first = device.rate(here)
    assert first > 0
    monkeypatch.setattr(device, "_measured", lambda key: 1 / 0)
    assert device.rate(here) == first
    with pytest.raises(ZeroDivisionError):
        device.rate(Device("cpu", "Another"))


def test_the_processor_is_measured_with_what_computes_there(monkeypatch: pytest.MonkeyPatch) -> None:
    if processor.package() is None:
        pytest.skip("OpenVINO is not here")
    monkeypatch.setattr(device, "_PROBE_S", 0.05)
    asked: list[str] = []
    original = device._small_network
    monkeypatch.setattr(device, "_small_network", lambda key: (asked.append(key), original(key))[1])
    with_it = device.rate(Device("cpu", "Processor"))
    assert with_it > 0
    assert not asked
    with monkeypatch.context() as patch:
        patch.setattr(processor, "package", lambda: None)
        without = device.rate(Device("cpu", "Processor"))
        assert asked == ["cpu"]
        assert without > 0
        # Each is remembered by itself: OpenVINO may come and go.
        assert device.rate(Device("cpu", "Processor")) == without
    assert device.rate(Device("cpu", "Processor")) == with_it


@pytest.fixture
def unmeasured() -> Iterator[None]:
    """What was measured of this processor is forgotten, before and after."""
    for what in (processor.halves_pay, processor.bytes_pay):
        what.cache_clear()
    yield
    for what in (processor.halves_pay, processor.bytes_pay):
        what.cache_clear()


@pytest.mark.parametrize(("gain", "knows", "chosen"), [(1.8, True, True), (0.65, True, False), (1.8, False, False)])
def test_half_precision_is_chosen_where_it_is_known_and_faster(
    monkeypatch: pytest.MonkeyPatch, unmeasured: None, gain: float, knows: bool, chosen: bool
) -> None:
    class Program:
        def get_property(self, where: str, what: str) -> object:
            return (["FP32", "BF16"] if knows else ["FP32"]) if what.startswith("OPT") else "A processor"

    monkeypatch.setattr(processor, "package", lambda: SimpleNamespace(Core=Program, __version__="1"))
    monkeypatch.setattr(processor, "_gain_of_halves", lambda program: gain)
    assert processor.halves_pay() is chosen
    # Another start of the program knows it.
    processor.halves_pay.cache_clear()
    monkeypatch.setattr(processor, "_gain_of_halves", lambda program: 1 / 0)
    assert processor.halves_pay() is chosen


@pytest.mark.parametrize(
    ("halves", "gain", "chosen"), [(0.65, 1.5, True), (0.65, 0.9, False), (1.8, 1.5, False), (0.65, None, False)]
)
def test_bytes_are_chosen_where_they_are_faster_and_half_precision_is_not(
    monkeypatch: pytest.MonkeyPatch, unmeasured: None, halves: float, gain: float | None, chosen: bool
) -> None:
    class Program:
        def get_property(self, where: str, what: str) -> object:
            return ["FP32", "BF16", "INT8"] if what.startswith("OPT") else "A processor"

    def measured(program: object) -> float:
        if gain is None:
            raise RuntimeError("could not create a primitive")
        return gain

    monkeypatch.setattr(processor, "package", lambda: SimpleNamespace(Core=Program, __version__="1"))
    monkeypatch.setattr(processor, "_gain_of_halves", lambda program: halves)
    monkeypatch.setattr(processor, "_gain_of_bytes", measured)
    assert processor.bytes_pay() is chosen


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts mapped files as memory")
def test_memory_in_which_weights_were_read_is_given_back(tmp_path: Path) -> None:
    (tmp_path / "compiled").mkdir()
    names = ("net.openvino.bin", "net.int8.openvino.bin", "compiled/1.blob", "another.bin")
    files = [tmp_path / name for name in names]
    content = np.arange(1 << 18, dtype=np.float32)
    mapped = []
    for file in files:
        content.tofile(file)
        mapped.append(np.memmap(file, np.float32, "r"))
    assert all(float(one.sum()) > 0 for one in mapped)

    def resident_kb(file: Path) -> int:
        lines = iter(Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines())
        return sum(
            next(int(row.split()[1]) for row in lines if row.startswith("Rss:")) for row in lines if str(file) in row
        )

    assert all(resident_kb(file) == 1024 for file in files)
    exported._forget_pages(
        Form(tmp_path / "net.openvino.xml", HybridCore, lambda net: net, compiled=tmp_path / "compiled")
    )
    assert [resident_kb(file) for file in files] == [0, 0, 0, 1024]
    assert all(np.array_equal(one, content) for one in mapped)


def test_what_half_precision_gains_is_measured() -> None:
    program = processor.package().Core()
    if "BF16" not in program.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no half precision")
    assert 0.1 < processor._gain_of_halves(program) < 20


def test_what_bytes_gain_is_measured() -> None:
    program = processor.package().Core()
    if "INT8" not in program.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor multiplies no bytes")
    assert 0.05 < processor._gain_of_bytes(program) < 20


def test_what_was_measured_of_one_part_outlives_what_is_measured_of_another() -> None:
    assert remembered("one", lambda: 2.0) == 2.0
    assert remembered("two", lambda: 3.0) == 3.0
    assert remembered("one", lambda: 1 / 0) == 2.0
    (paths.cache_folder() / measured._REMEMBERED).write_text("[rubbish", encoding="utf-8")
    assert remembered("one", lambda: 5.0) == 5.0


def test_pytorch_is_only_asked_about_cards_where_there_is_a_sign_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    device.found.cache_clear()
    monkeypatch.setattr(device, "_promising", lambda: False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert [one.key for one in device.found()] == ["cpu"]
    device.found.cache_clear()
    monkeypatch.setattr(device, "_promising", lambda: True)
    with pytest.raises(ImportError):
        device.found()
    device.found.cache_clear()


def test_pytorch_starts_by_its_own_libraries_or_is_left_to_python() -> None:
    for change in ("", "pytorch._LIBRARIES = {sys.platform: ('none.so',)}; "):
        code = (
            f"import sys; from stemeditor.methods import pytorch; {change}pytorch.start(); pytorch.start(); "
            "assert 'torch' in sys.modules; import torch; assert float(torch.ones(2) @ torch.ones(2)) == 2.0"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    missing = "import sys; sys.modules['torch'] = None; from stemeditor.methods import pytorch; pytorch.start()"
    subprocess.run([sys.executable, "-c", missing], check=True, timeout=120)
