"""The sound output with a sounddevice of the test's own, and on the silent clock."""

import sys
import threading
import time
import types
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from stemeditor.app import audio_out
from stemeditor.app.audio_out import AudioOut, OutputStatus
from stemeditor.audio.buffer import Audio
from stemeditor.mixing.mix import Mix, Strip
from stemeditor.mixing.player import Player


class PortAudioError(Exception):
    pass


class Device(types.ModuleType):
    """A sounddevice that notes what it is asked for."""

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.rates = {44100, 48000}
        self.present = True
        self.fail_after: int | None = None
        self.opened: list[tuple[str | None, int]] = []
        self.closed = 0
        self.blocks: list[np.ndarray] = []
        self.underflows = 0
        outer = self

        class OutputStream:
            latency = 0.05

            def __init__(self, samplerate: int, device: str | None, **others: object) -> None:
                if not outer.present or samplerate not in outer.rates:
                    raise PortAudioError("no")
                outer.opened.append((device, samplerate))

            def start(self) -> None:
                pass

            def write(self, block: np.ndarray) -> bool:
                if not outer.present or (outer.fail_after is not None and len(outer.blocks) >= outer.fail_after):
                    raise PortAudioError("gone")
                outer.blocks.append(block.copy())
                time.sleep(0.001)
                if outer.underflows:
                    outer.underflows -= 1
                    return True
                return False

            def close(self) -> None:
                outer.closed += 1

        self.OutputStream = OutputStream

    def query_devices(self, device: str | None = None, kind: str | None = None) -> object:
        facts = {"name": device or "Speakers", "default_samplerate": 48000.0, "max_output_channels": 2}
        if kind is None:
            microphone = {"name": "Microphone", "default_samplerate": 48000.0, "max_output_channels": 0}
            return [facts, microphone] if self.present else []
        if not self.present or device == "Unplugged":
            raise ValueError("no such device")
        return facts

    def _terminate(self) -> None:
        pass

    def _initialize(self) -> None:
        pass


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    device = Device()
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    return device


@pytest.fixture
def player() -> Player:
    player = Player()
    wave = np.sin(2 * np.pi * 300 * np.arange(10 * 44100) / 44100).astype(np.float32) * 0.5
    player.mix = Mix((Strip("a", Audio(wave[np.newaxis], 44100)),), 1.0, 44100, len(wave))
    return player


@pytest.fixture
def output(player: Player) -> Iterator[AudioOut]:
    output = AudioOut(player)
    yield output
    output.close()


def wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not done() and time.monotonic() < deadline:
        time.sleep(0.002)
    assert done()


def test_it_plays_on_the_default_device_at_the_rate_of_the_song(
    device: Device, player: Player, output: AudioOut
) -> None:
    output.open()
    player.play()
    wait(lambda: len(device.blocks) > 20)
    assert device.opened == [(None, 44100)]
    assert output.status == OutputStatus("device", "Speakers, 44.1 kHz")
    assert all(block.shape[1] == 2 and block.dtype == np.float32 for block in device.blocks)
    assert np.abs(np.concatenate(device.blocks)).max() == pytest.approx(0.5, abs=0.01)


def test_a_device_that_refuses_the_rate_gets_its_own(device: Device, player: Player, output: AudioOut) -> None:
    device.rates = {48000}
    output.open()
    player.play()
    wait(lambda: len(device.blocks) > 60)
    assert device.opened == [(None, 48000)]
    sound = np.concatenate(device.blocks)[2000:20000, 0]
    crossings = np.flatnonzero((sound[:-1] < 0) & (sound[1:] >= 0))
    assert np.diff(crossings).mean() == pytest.approx(48000 / 300, rel=0.01)


def test_a_chosen_device_that_is_gone_gives_way_to_the_default(device: Device, output: AudioOut) -> None:
    output.open("Unplugged")
    wait(lambda: output.status.kind == "device")
    assert device.opened == [(None, 44100)]


def test_another_device_is_opened_on_the_fly(device: Device, player: Player, output: AudioOut) -> None:
    output.open()
    wait(lambda: bool(device.blocks))
    output.open("Headphones")
    wait(lambda: ("Headphones", 44100) in device.opened)
    wait(lambda: device.closed == 1)


def test_another_rate_opens_the_device_anew(device: Device, player: Player, output: AudioOut) -> None:
    output.open()
    wait(lambda: bool(device.blocks))
    player.mix = Mix((), 1.0, 48000, 0)
    wait(lambda: (None, 48000) in device.opened)


def test_a_device_that_is_unplugged_ends_nothing_and_is_found_again(
    device: Device, player: Player, output: AudioOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_out, "_RETRY_S", 0.05)
    output.open()
    player.play()
    wait(lambda: len(device.blocks) > 5)
    device.present = False
    wait(lambda: output.status.kind == "silent")
    assert "Playing silently" in output.status.text
    before = player.position
    wait(lambda: player.position > before + 2000)
    player.pause()
    device.present = True
    wait(lambda: output.status.kind == "device")


def test_underruns_of_the_device_are_counted_while_it_plays(device: Device, player: Player, output: AudioOut) -> None:
    device.underflows = 3
    player.play()
    output.open()
    wait(lambda: output.underruns == 3)


def test_without_the_library_it_keeps_time_and_says_so(
    monkeypatch: pytest.MonkeyPatch, player: Player, output: AudioOut
) -> None:
    monkeypatch.setattr(audio_out, "_library", lambda: None)
    output.open()
    player.play()
    start_s, start = time.perf_counter(), player.position
    wait(lambda: player.position > start + 22050)
    spent_s = time.perf_counter() - start_s
    assert 0.35 < spent_s < 3.0, "half a second of sound takes about half a second"
    assert "PortAudio" in output.status.text
    assert output.devices() == []


def test_it_lists_what_can_play(device: Device, output: AudioOut) -> None:
    assert output.devices() == ["Speakers"]
    device.present = False
    assert output.devices() == []


def test_what_is_heard_lags_what_is_read(device: Device, player: Player, output: AudioOut) -> None:
    output.open()
    player.play()
    wait(lambda: len(device.blocks) > 80)
    assert 0 <= output.heard_position() <= player.position


def test_closing_twice_and_before_opening_is_harmless(player: Player) -> None:
    output = AudioOut(player)
    output.close()
    output.open()
    output.close()
    output.close()
    assert "stemeditor-sound" not in [thread.name for thread in threading.enumerate()]
