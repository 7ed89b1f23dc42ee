"""From the player to the loudspeakers: a thread of its own, which pushes.

Knows no Qt, so that it can be tested without; it lies here because only the window plays.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from stemeditor.mixing.player import Player

DEVICE = "device"
SILENT = "silent"

_BLOCK_FRAMES = 512
_IDLE_S = 0.015
_RETRY_S = 3.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """Where sound goes: kind "device" or "silent", and a sentence for the status bar."""

    kind: str
    text: str


_NOT_STARTED = OutputStatus(SILENT, "Sound output not started")


@dataclass(frozen=True, slots=True)
class _Wish:
    device: str
    latency_s: float


class AudioOut:
    """Plays a player on a device, or, where there is none, on a clock that is silent but keeps time.

    A device that goes away turns into the silent clock, and is looked for again every few seconds.

    Parameters
    ----------
    player
        Whose `read` this object's thread calls.
    on_status
        Called with every new `OutputStatus`, in the sound thread.
    """

    def __init__(self, player: Player, on_status: Callable[[OutputStatus], None] = lambda status: None) -> None:
        self._player = player
        self._on_status = on_status
        self._status = _NOT_STARTED
        self._wish = _Wish("", 0.06)
        self._changed = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._latency_s = 0.0
        self._positions: collections.deque[tuple[float, int]] = collections.deque(maxlen=256)
        self.underruns = 0

    @property
    def status(self) -> OutputStatus:
        """Where sound goes now."""
        return self._status

    @property
    def latency_s(self) -> float:
        """Seconds from the player to the ear; 0 on the silent clock."""
        return self._latency_s

    def devices(self) -> list[str]:
        """Return the names of the outputs that there are; empty if there are none, or no library for them."""
        sounddevice = _library()
        if sounddevice is None:
            return []
        try:
            found = sounddevice.query_devices()
        except sounddevice.PortAudioError:
            return []
        return list(dict.fromkeys(device["name"] for device in found if device["max_output_channels"] > 0))

    def open(self, device: str = "", latency_ms: float = 60) -> None:
        """Play on a device (the system's default if "" or gone); returns at once. Opens anew if already open."""
        self._wish = _Wish(device, latency_ms / 1000)
        if self._thread is None:
            self._closing = False
            self._thread = threading.Thread(target=self._run, name="stemeditor-sound", daemon=True)
            self._thread.start()
        else:
            self._changed.set()

    def close(self) -> None:
        """End the thread and free the device; harmless when repeated."""
        self._closing = True
        self._changed.set()
        if self._thread is not None:
            self._thread.join(5.0)
            self._thread = None

    def heard_position(self) -> int:
        """Return the frame that is heard right now, which is a little behind the one that is read."""
        heard_s = time.perf_counter() - self._latency_s
        for written_s, position in reversed(self._positions.copy()):
            if written_s <= heard_s:
                ahead = round((heard_s - written_s) * self._player.mix.rate)
                return min(position + min(ahead, _BLOCK_FRAMES), max(self._player.mix.frames, 0))
        return self._player.position

    # The sound thread

    def _run(self) -> None:
        _hurry()
        while not self._closing:
            self._changed.clear()
            wish, rate = self._wish, self._player.mix.rate
            problem = self._play_on_device(wish, rate)
            if problem and not self._closing and not self._changed.is_set():
                self._tell(OutputStatus(SILENT, problem))
                self._play_silently(wish, rate)

    def _stale(self, rate: int) -> bool:
        return self._closing or self._changed.is_set() or self._player.mix.rate != rate

    def _play_on_device(self, wish: _Wish, rate: int) -> str:
        """Play until something changes; return "" then, or why the device cannot be used (any more)."""
        sounddevice = _library()
        if sounddevice is None:
            return "No sound: the PortAudio library is missing. Playing silently."
        try:
            stream, device_rate, name = _stream(sounddevice, wish, rate)
        except (sounddevice.PortAudioError, ValueError) as problem:
            if self._status.kind == DEVICE or self._status == _NOT_STARTED:
                log.info("no sound output: %s", problem)
            _look_again(sounddevice)
            return "No sound device. Playing silently."
        try:
            with contextlib.closing(stream):
                stream.start()
                self._latency_s = float(stream.latency)
                self._tell(OutputStatus(DEVICE, f"{name}, {device_rate / 1000:g} kHz"))
                self._push(stream, rate, device_rate)
        except sounddevice.PortAudioError as problem:
            log.info("the sound output went away: %s", problem)
            return "The sound device went away. Playing silently."
        finally:
            self._latency_s = 0.0
        return ""

    def _push(self, stream: Any, rate: int, device_rate: int) -> None:
        convert = None
        if device_rate != rate:
            import soxr

            convert = soxr.ResampleStream(rate, device_rate, 2, dtype="float32")
        while not self._stale(rate):
            block = np.ascontiguousarray(self._read().T)
            if convert is not None:
                block = convert.resample_chunk(block)
            if len(block) and stream.write(block) and self._player.playing:
                self.underruns += 1

    def _play_silently(self, wish: _Wish, rate: int) -> None:
        """Keep time as a device with the same buffer would, until something changes or it is time to look again."""
        began_s = due_s = time.perf_counter()
        while not self._stale(rate):
            now_s = time.perf_counter()
            if now_s - began_s > _RETRY_S and not self._player.playing:
                return
            if not self._player.playing:
                self._player.read(0)
                self._positions.clear()
                self._changed.wait(_IDLE_S)
                due_s = time.perf_counter()
                continue
            if now_s > due_s + wish.latency_s:
                self.underruns += 1
                due_s = now_s
            self._read()
            due_s += _BLOCK_FRAMES / rate
            ahead_s = due_s - time.perf_counter()
            if ahead_s > 0:
                time.sleep(ahead_s)

    def _read(self) -> np.ndarray:
        self._positions.append((time.perf_counter(), self._player.position))
        return self._player.read(_BLOCK_FRAMES)

    def _tell(self, status: OutputStatus) -> None:
        if status != self._status:
            self._status = status
            self._on_status(status)


def _library() -> ModuleType | None:
    try:
        import sounddevice
    except (ImportError, OSError):  # mostly: the Python package is there, the system's PortAudio is not
        return None
    module: ModuleType = sounddevice
    return module


def _stream(sounddevice: Any, wish: _Wish, rate: int) -> tuple[Any, int, str]:
    """Open a stream at the song's rate, else at the device's own; on the wished device, else on the default one."""
    problem: Exception | None = None
    for device in dict.fromkeys((wish.device or None, None)):
        try:
            facts = sounddevice.query_devices(device, "output")
        except (sounddevice.PortAudioError, ValueError) as error:
            problem = problem or error
            continue
        for device_rate in dict.fromkeys((rate, int(facts["default_samplerate"]))):
            try:
                stream = sounddevice.OutputStream(
                    samplerate=device_rate,
                    device=device,
                    channels=2,
                    dtype="float32",
                    blocksize=0,
                    latency=wish.latency_s,
                )
            except (sounddevice.PortAudioError, ValueError) as error:
                problem = problem or error
                continue
            return stream, device_rate, facts["name"]
    raise problem or ValueError("no device")


def _look_again(sounddevice: Any) -> None:
    """Make PortAudio see what was plugged in since it started; it looks only once by itself."""
    with contextlib.suppress(sounddevice.PortAudioError):
        sounddevice._terminate()
        sounddevice._initialize()


def _hurry() -> None:
    """Go before the workers, where the system allows it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)
