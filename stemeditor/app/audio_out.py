"""From the player to the loudspeakers: a thread of its own, which pushes.

Knows no Qt, so that it can be tested without; it lies here because only the window plays.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from stemeditor.audio.buffer import Samples
from stemeditor.mixing.player import Player

DEVICE = "device"
SILENT = "silent"

_BLOCK_FRAMES = 512
_IDLE_S = 0.015

_RETRY_S = 2.0
_RETRY_MOST_S = 30.0
"""Looking for devices can take a second on some systems: the longer there is none, the more seldom."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """Where sound goes: kind "device" or "silent", and a sentence for the status bar."""

    kind: str
    text: str


_NOT_STARTED = OutputStatus(SILENT, "Sound output not started")
_NO_LIBRARY = "No sound: the PortAudio library is missing. Playing silently."


@dataclass(frozen=True, slots=True)
class _Wish:
    device: str
    latency_s: float


class AudioOut:
    """Plays a player on a device, or, where there is none, on a clock that is silent but keeps time.

    A device that goes away gives way to the default one; if that fails too, to the silent clock, and devices are looked
    for again after 2, 4, 8 ... 30 seconds, also while it plays. `open` and `close` belong to one thread, the rest to
    any.

    Parameters
    ----------
    player
        Whose `read` this object's thread calls.
    on_status
        Called with every new `OutputStatus`, in the sound thread: be brief.

    Attributes
    ----------
    underruns
        How often the sound stuttered while it played: underflows of the device; on the silent clock, blocks that came
        so late that a device with the same buffer would have run dry.
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
        # When a block was read, where it begins, and where the next one does.
        self._blocks: collections.deque[tuple[float, int, int]] = collections.deque(maxlen=256)
        # PortAudio's list of devices is not to be read while it is made anew.
        self._listing = threading.Lock()
        self._looked = False
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
        with self._listing:
            return list(dict.fromkeys(device["name"] for _, device in _outputs(sounddevice)))

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
        for read_s, start, following in reversed(self._blocks.copy()):
            if read_s <= heard_s:
                # Round a loop or over a jump there is nothing between both ends.
                ahead = max(following - start, 0)
                share = (heard_s - read_s) * self._player.mix.rate / _BLOCK_FRAMES
                return start + round(min(share, 1.0) * ahead)
        return self._player.position

    # The sound thread

    def _run(self) -> None:
        _hurry()
        retry_s = _RETRY_S
        while not self._closing:
            if self._changed.is_set():
                self._changed.clear()
                retry_s = _RETRY_S
            wish, rate = self._wish, self._player.mix.rate
            began_s = time.perf_counter()
            problem = self._play_on_device(wish, rate)
            if not problem or self._stale(rate):
                continue
            if time.perf_counter() - began_s > _RETRY_S:
                # It has played well until now: another device takes over at once.
                retry_s = _RETRY_S
                problem = self._play_on_device(wish, rate)
            if problem and not self._stale(rate):
                self._tell(OutputStatus(SILENT, problem))
                # A library does not come of itself, and looking for one starts other programs.
                self._play_silently(wish, rate, math.inf if problem == _NO_LIBRARY else retry_s)
                retry_s = min(2 * retry_s, max(_RETRY_MOST_S, _RETRY_S))
        self._blocks.clear()

    def _stale(self, rate: int) -> bool:
        return self._closing or self._changed.is_set() or self._player.mix.rate != rate

    def _play_on_device(self, wish: _Wish, rate: int) -> str:
        """Play until something changes; return "" then, or why the device cannot be used (any more)."""
        sounddevice = _library()
        if sounddevice is None:
            return _NO_LIBRARY
        if self._looked:
            self._look_again(sounddevice)
        self._looked = True
        try:
            with self._listing:
                stream, device_rate, name = _stream(sounddevice, wish, rate)
        except (sounddevice.PortAudioError, ValueError) as problem:
            if self._status.kind == DEVICE or self._status == _NOT_STARTED:
                log.info("no sound output: %s", problem)
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

    def _play_silently(self, wish: _Wish, rate: int, limit_s: float) -> None:
        """Keep time as a device with the same buffer would, until something changes or it is time to look again."""
        now_s = due_s = time.perf_counter()
        until_s = now_s + limit_s
        while now_s < until_s and not self._stale(rate):
            if not self._player.playing:
                self._player.read(_BLOCK_FRAMES)
                self._blocks.clear()
                self._changed.wait(_IDLE_S)
                now_s = due_s = time.perf_counter()
                continue
            if now_s > due_s + wish.latency_s:
                self.underruns += 1
                due_s = now_s
            self._read()
            due_s += _BLOCK_FRAMES / rate
            ahead_s = due_s - time.perf_counter()
            if ahead_s > 0:
                time.sleep(ahead_s)
            now_s = time.perf_counter()

    def _read(self) -> Samples:
        read_s, start = time.perf_counter(), self._player.position
        block = self._player.read(_BLOCK_FRAMES)
        self._blocks.append((read_s, start, self._player.position))
        return block

    def _look_again(self, sounddevice: Any) -> None:
        """Make PortAudio see what was plugged in since it started; it looks only once by itself."""
        with self._listing, contextlib.suppress(sounddevice.PortAudioError):
            sounddevice._terminate()
            sounddevice._initialize()

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


def _outputs(sounddevice: Any) -> list[tuple[int, Any]]:
    """Return (index, facts) of everything that can play, those of the default device's system first."""
    try:
        found = [pair for pair in enumerate(sounddevice.query_devices()) if pair[1]["max_output_channels"] > 0]
        usual = sounddevice.query_devices(None, "output")["hostapi"]
    except (sounddevice.PortAudioError, ValueError):
        return []
    return sorted(found, key=lambda pair: bool(pair[1]["hostapi"] != usual))


def _stream(sounddevice: Any, wish: _Wish, rate: int) -> tuple[Any, int, str]:
    """Open a stream at the song's rate, else at the device's own; on the wished device, else on the default one.

    On Windows one device has one name in several systems of sound, which the library finds ambiguous: hence the index.
    """
    problem: Exception | None = None
    wished = [index for index, facts in _outputs(sounddevice) if facts["name"] == wish.device]
    for device in (*wished, None):
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


def _hurry() -> None:
    """Go before the workers, where the system allows it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)
