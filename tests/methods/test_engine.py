"""Networks at work: stopped in the middle, with a full memory, on a lost card, and computed by OpenVINO."""

import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from stemeditor import settings
from stemeditor.errors import Cancelled, DeviceProblem
from stemeditor.methods import device
from stemeditor.methods import engine as engine_module
from stemeditor.methods.base import Remark
from stemeditor.methods.demucs import SOURCES, read
from stemeditor.methods.device import Device
from stemeditor.methods.engine import EXPORTED, Engine, export
from stemeditor.methods.hybrid_core import HybridCore
from stemeditor.progress import Silent, Stoppable
from stemeditor.settings import Settings
from tests.helpers.card import card
from tests.helpers.networks import demucs, save_demucs

RATE = 1000

__all__ = ["card"]


class Remarks(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def post(self, piece: object) -> None:
        assert isinstance(piece, Remark)
        self.texts.append(piece.text)


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
    sound = torch.randn(1, 2, 30 * RATE)
    net = Doubling(most=10 * RATE)
    remarks = Remarks()
    found = Engine(net, RATE)(sound, remarks)
    assert torch.allclose(found, torch.stack([sound, sound], dim=1), atol=1e-6)
    assert max(net.lengths) <= 10 * RATE
    assert len(net.lengths) == 4
    assert remarks.texts == []


@pytest.mark.parametrize(
    ("words", "told"), [("CUDA out of memory.", "memory is full"), ("CUDA error: device lost", "does not answer")]
)
def test_a_card_that_cannot_go_on_hands_over_to_the_processor(card: None, words: str, told: str) -> None:
    sound = torch.randn(1, 2, 3 * RATE)
    net = Doubling(most=0, words=words)
    remarks = Remarks()
    engine = Engine(net, RATE)
    assert torch.equal(engine(sound, remarks), torch.stack([sound, sound], dim=1))
    assert net.place == "cpu"
    assert told in remarks.texts[0]
    engine(sound, remarks)
    assert len(remarks.texts) == 1


def test_a_bug_is_no_full_memory(card: None) -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        Engine(Doubling(most=0, words="mat1 and mat2 shapes cannot be multiplied"), RATE)(
            torch.zeros(1, 2, RATE), Silent()
        )


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
        Engine(Slow(500), RATE)(torch.zeros(1, 2, RATE), progress)
    timer.join()
    # All of it would take ten seconds.
    assert time.monotonic() - began < 3.0


def test_threads_that_want_the_same_network_wait_and_may_give_up() -> None:
    engine = Engine(Slow(40), RATE)
    found: list[object] = []
    first = threading.Thread(target=lambda: found.append(engine(torch.zeros(1, 2, RATE), Silent())))
    first.start()
    while not engine._busy.locked():
        time.sleep(0.001)
    stopped = Stoppable()
    stopped.cancel()
    with pytest.raises(Cancelled):
        engine(torch.zeros(1, 2, RATE), stopped)
    first.join()
    assert len(found) == 1


def test_openvino_gives_the_same_and_can_be_stopped(tmp_path: Path) -> None:
    if engine_module._openvino() is None:
        pytest.skip("OpenVINO is not here")
    assert sys.modules["openvino_telemetry"] is None
    core = HybridCore(demucs("HTDemucs", SOURCES))
    path = tmp_path / f"net{EXPORTED}"
    export(core, path)
    assert {one.name for one in tmp_path.iterdir()} == {f"net{EXPORTED}", f"net{EXPORTED}".replace(".xml", ".bin")}
    Settings(settings.file()).set("exact", True)
    sound = torch.randn(1, 2, core.length) * 0.1
    engine = Engine(core, 44100, False, path)
    plain = Engine(core, 44100, False)
    for frames in (core.length, core.length - 1234, 1):
        assert float((engine(sound[..., :frames], Silent()) - plain(sound[..., :frames], Silent())).abs().max()) < 1e-4
    assert engine.program == "OpenVINO, f32"
    assert plain.program == "PyTorch on cpu"

    stopped = Stoppable()
    stopped.cancel()
    with pytest.raises(Cancelled):
        engine(sound, stopped)
    assert engine(sound, Silent()).shape == (1, 4, 2, core.length)


def test_a_request_that_openvino_gave_up_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stopped in the middle says so by an exception of its own, which is nobody's business."""
    core = HybridCore(demucs("HTDemucs", SOURCES))

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

    class Compiled:
        outputs = ()

        def create_infer_request(self) -> Request:
            return Request()

    engine = Engine(core, 44100, False, tmp_path / "x")
    engine._compiled = Compiled()
    monkeypatch.setattr(engine, "_start", lambda: True)
    progress = Stoppable()
    threading.Timer(0.2, progress.cancel).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        engine(torch.zeros(1, 2, core.length), progress)
    assert time.monotonic() - began < 3.0


def test_a_form_that_openvino_does_not_take_is_computed_by_pytorch(tmp_path: Path) -> None:
    core = HybridCore(demucs("HTDemucs", SOURCES))
    path = tmp_path / f"net{EXPORTED}"
    path.write_text("no network", encoding="utf-8")
    engine = Engine(core, 44100, False, path)
    assert engine(torch.zeros(1, 2, core.length), Silent()).shape == (1, 4, 2, core.length)
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


def test_weights_are_read_only_where_pytorch_computes(tmp_path: Path) -> None:
    if engine_module._openvino() is None:
        pytest.skip("OpenVINO is not here")
    file = tmp_path / "net.safetensors"
    save_demucs(demucs("HTDemucs", SOURCES), "HTDemucs", SOURCES, file)
    full = HybridCore(read(file, SOURCES))
    path = tmp_path / f"net{EXPORTED}"
    export(full, path)
    empty = HybridCore(read(file, SOURCES, empty=True))
    assert all(value.is_meta for value in empty.heart.parameters())
    asked: list[int] = []

    def filled() -> HybridCore:
        asked.append(1)
        return full

    sound = torch.randn(1, 2, full.length) * 0.1
    expected = Engine(full, 44100, False)(sound, Silent())
    Settings(settings.file()).set("exact", True)
    engine = Engine(empty, 44100, False, path, filled)
    assert float((engine(sound, Silent()) - expected).abs().max()) < 1e-4
    assert asked == []
    path.unlink()
    engine = Engine(empty, 44100, False, path, filled)
    assert float((engine(sound, Silent()) - expected).abs().max()) < 1e-4
    assert asked == [1]
