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
        self.present = self.known = True  # there now; there when the library last looked
        self.names = ["Speakers", "Headphones"]
        self.systems = 1
        self.looked_again = 0
        self.opened: list[tuple[str, int]] = []
        self.closed = 0
        self.blocks: list[np.ndarray] = []
        self.underflows = 0
        outer = self

        class OutputStream:
            latency = 0.05

            def __init__(self, samplerate: int, device: int | None, **others: object) -> None:
                if not outer.present or samplerate not in outer.rates:
                    raise PortAudioError("no")
                self.name = str(outer.facts(device)["name"])
                outer.opened.append((self.name, samplerate))

            def start(self) -> None:
                pass

            def write(self, block: np.ndarray) -> bool:
                if not outer.present or self.name not in outer.names:
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

    def facts(self, device: int | None) -> dict[str, object]:
        names = [*(name for _ in range(self.systems) for name in self.names), "Microphone"]
        index = device or 0
        channels = 0 if names[index] == "Microphone" else 2
        system = index // len(self.names)
        return {
            "name": names[index],
            "hostapi": system,
            "default_samplerate": 48000.0,
            "max_output_channels": channels,
        }

    def query_devices(self, device: int | None = None, kind: str | None = None) -> object:
        if kind is None:
            return [self.facts(index) for index in range(self.systems * len(self.names) + 1)] if self.known else []
        if not self.known:
            raise PortAudioError("no such device")
        return self.facts(device)

    def _terminate(self) -> None:
        assert self.closed == len(self.opened), "no stream is open while the library starts anew"
        self.looked_again += 1

    def _initialize(self) -> None:
        self.known = self.present


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
def told() -> list[OutputStatus]:
    return []


@pytest.fixture
def output(player: Player, told: list[OutputStatus]) -> Iterator[AudioOut]:
    output = AudioOut(player, told.append)
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
    assert device.opened == [("Speakers", 44100)]
    assert output.status == OutputStatus("device", "Speakers, 44.1 kHz")
    assert all(block.shape[1] == 2 and block.dtype == np.float32 for block in device.blocks)
    assert np.abs(np.concatenate(device.blocks)).max() == pytest.approx(0.5, abs=0.01)


def test_a_device_that_refuses_the_rate_gets_its_own(device: Device, player: Player, output: AudioOut) -> None:
    device.rates = {48000}
    output.open()
    player.play()
    wait(lambda: len(device.blocks) > 60)
    assert device.opened == [("Speakers", 48000)]
    sound = np.concatenate(device.blocks)[2000:20000, 0]
    crossings = np.flatnonzero((sound[:-1] < 0) & (sound[1:] >= 0))
    assert np.diff(crossings).mean() == pytest.approx(48000 / 300, rel=0.01)


def test_a_chosen_device_that_is_gone_gives_way_to_the_default(device: Device, output: AudioOut) -> None:
    output.open("Unplugged")
    wait(lambda: output.status.kind == "device")
    assert device.opened == [("Speakers", 44100)]


def test_another_device_is_opened_on_the_fly(device: Device, player: Player, output: AudioOut) -> None:
    output.open()
    wait(lambda: bool(device.blocks))
    output.open("Headphones")
    wait(lambda: ("Headphones", 44100) in device.opened)
    wait(lambda: device.closed == 1)


def test_a_name_that_two_systems_of_sound_know_is_found(device: Device, output: AudioOut) -> None:
    device.systems = 2
    output.open("Headphones")
    wait(lambda: output.status.kind == "device")
    assert device.opened == [("Headphones", 44100)]


def test_another_rate_opens_the_device_anew(device: Device, player: Player, output: AudioOut) -> None:
    output.open()
    wait(lambda: bool(device.blocks))
    player.mix = Mix((), 1.0, 48000, 0)
    wait(lambda: ("Speakers", 48000) in device.opened)


def test_a_device_that_is_unplugged_ends_nothing_and_is_found_again(
    device: Device, player: Player, output: AudioOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_out, "_RETRY_S", 0.05)
    output.open(latency_ms=5000)  # a busy machine wakes the silent clock late
    player.play()
    wait(lambda: len(device.blocks) > 5)
    device.present = False
    wait(lambda: output.status.kind == "silent")
    assert "Playing silently" in output.status.text
    before = player.position
    wait(lambda: player.position > before + 2000)
    device.present = True
    wait(lambda: output.status.kind == "device")
    assert player.playing, "it went on all the time"
    assert device.looked_again > 0
    assert output.underruns == 0


def test_the_default_takes_over_at_once_from_a_device_that_played_well(
    device: Device, player: Player, output: AudioOut, told: list[OutputStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_out, "_RETRY_S", 0.01)
    output.open("Headphones")
    player.play()
    wait(lambda: len(device.blocks) > 50)
    device.names = ["Speakers"]
    wait(lambda: len(told) == 2)
    assert [status.text for status in told] == ["Headphones, 44.1 kHz", "Speakers, 44.1 kHz"]


def test_devices_are_looked_for_less_and_less(
    device: Device, output: AudioOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits_s: list[float] = []
    plain = output._play_silently

    def hurried(wish: object, rate: int, limit_s: float) -> None:
        waits_s.append(limit_s)
        plain(wish, rate, 0.001)  # type: ignore[arg-type]

    monkeypatch.setattr(output, "_play_silently", hurried)
    device.present = device.known = False
    output.open()
    wait(lambda: len(waits_s) > 6)
    assert waits_s[:6] == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert device.looked_again >= 6
    device.present = True
    output.open()
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
    assert output.devices() == ["Speakers", "Headphones"]
    device.systems = 2
    assert output.devices() == ["Speakers", "Headphones"], "a device that two systems know is one"
    device.known = False
    assert output.devices() == []


def test_what_is_heard_lags_what_is_read(device: Device, player: Player, output: AudioOut) -> None:
    output.open()
    player.play()
    wait(lambda: len(device.blocks) > 80)
    assert 0 <= output.heard_position() <= player.position
    player.pause()
    blocks = len(device.blocks)
    wait(lambda: len(device.blocks) > blocks + 80)
    assert {output.heard_position() for _ in range(50) if not time.sleep(0.0005)} == {player.position}


def test_what_is_heard_moves_as_slowly_as_it_is_played(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    output = AudioOut(player)
    read_s, block_s = 100.0, 512 / player.mix.rate
    output._blocks.append((read_s, 1000, 1256))
    places = []
    for share in (0.0, 0.25, 0.5, 1.0, 3.0):
        monkeypatch.setattr(time, "perf_counter", lambda share=share: read_s + share * block_s)
        places.append(output.heard_position())
    assert places == [1000, 1064, 1128, 1256, 1256]


def test_a_pause_on_the_silent_clock_empties_the_meters(player: Player, output: AudioOut) -> None:
    output.open()
    player.play()
    wait(lambda: "a" in player.meters().strips)
    player.pause()
    wait(lambda: player.meters().strips == {})
    assert output.heard_position() == player.position


def test_a_late_reader_counts_as_an_underrun_on_the_silent_clock(player: Player, output: AudioOut) -> None:
    read, late = player.read, threading.Event()

    def slow(frames: int) -> np.ndarray:
        if player.playing and not late.is_set():
            late.set()
            time.sleep(0.2)
        return read(frames)

    player.read = slow  # type: ignore[method-assign]
    output.open(latency_ms=60)
    player.play()
    wait(lambda: output.underruns >= 1)


def test_closing_twice_and_before_opening_is_harmless(player: Player) -> None:
    output = AudioOut(player)
    output.close()
    output.open()
    output.close()
    output.close()
    assert "stemeditor-sound" not in [thread.name for thread in threading.enumerate()]
