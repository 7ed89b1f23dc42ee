"""Tracker modules played by libopenmpt, with some of their instruments or all."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_double, c_float, c_int, c_int32, c_size_t, c_uint8
from ctypes import c_void_p as handle
from ctypes.util import find_library
from functools import lru_cache
from typing import Any

import numpy as np

from stemeditor.audio.buffer import Samples
from stemeditor.errors import FileProblem, UserError
from stemeditor.training.corpus import RATE

_NOTE, _INSTRUMENT = 0, 1
"""OPENMPT_MODULE_COMMAND_..."""

_HIGHEST_NOTE = 120
_SEPARATION_PERCENT = 2
"""OPENMPT_MODULE_RENDER_STEREOSEPARATION_PERCENT"""

_AT_ONCE = 1 << 15


class _Interactive(Structure):
    """The functions of libopenmpt's interface "interactive", in their order."""

    _fields_ = tuple(
        (name, handle)
        for name in (
            "set_current_speed",
            "set_current_tempo",
            "set_tempo_factor",
            "get_tempo_factor",
            "set_pitch_factor",
            "get_pitch_factor",
            "set_global_volume",
            "get_global_volume",
            "set_channel_volume",
            "get_channel_volume",
            "set_channel_mute_status",
            "get_channel_mute_status",
            "set_instrument_mute_status",
            "get_instrument_mute_status",
            "play_note",
            "stop_note",
        )
    )


_MUTE = CFUNCTYPE(c_int, handle, c_int32, c_int)

_KINDS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "module_ext_create_from_memory": (handle, (c_char_p, c_size_t, *(handle,) * 7)),
    "module_ext_destroy": (None, (handle,)),
    "module_ext_get_module": (handle, (handle,)),
    "module_ext_get_interface": (c_int, (handle, c_char_p, POINTER(_Interactive), c_size_t)),
    "module_get_num_instruments": (c_int32, (handle,)),
    "module_get_num_samples": (c_int32, (handle,)),
    "module_get_num_channels": (c_int32, (handle,)),
    "module_get_num_orders": (c_int32, (handle,)),
    "module_get_order_pattern": (c_int32, (handle, c_int32)),
    "module_get_pattern_num_rows": (c_int32, (handle, c_int32)),
    "module_get_pattern_row_channel_command": (c_uint8, (handle, c_int32, c_int32, c_int32, c_int)),
    "module_get_instrument_name": (handle, (handle, c_int32)),
    "module_get_sample_name": (handle, (handle, c_int32)),
    "module_get_duration_seconds": (c_double, (handle,)),
    "module_set_render_param": (c_int, (handle, c_int, c_int32)),
    "module_read_interleaved_float_stereo": (c_size_t, (handle, c_int32, c_size_t, POINTER(c_float))),
    "free_string": (None, (handle,)),
}
"""What is called of it, without the prefix that all names have: what it returns, and what it takes."""


@lru_cache(maxsize=1)
def _library() -> dict[str, Any]:
    name = find_library("openmpt")
    if name is None:
        raise UserError("Tracker modules are played by libopenmpt, which is not installed.", "Install libopenmpt.")
    library = ctypes.CDLL(name)
    functions = {}
    for key, (returned, taken) in _KINDS.items():
        function = getattr(library, f"openmpt_{key}")
        function.restype, function.argtypes = returned, taken
        functions[key] = function
    return functions


def available() -> bool:
    """Whether libopenmpt is installed."""
    return find_library("openmpt") is not None


class Module:
    """A module, read.

    Parameters
    ----------
    content
        Of its file.

    Raises
    ------
    FileProblem
        If it is none.
    UserError
        If libopenmpt is not installed.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        with self._opened() as (call, module, _):
            instruments = call["module_get_num_instruments"](module)
            self._name_of = "module_get_instrument_name" if instruments else "module_get_sample_name"
            count = instruments or call["module_get_num_samples"](module)
            self.names = tuple(self._text(call, module, at) for at in range(count))
            self.seconds = float(call["module_get_duration_seconds"](module))
            self.notes = self._notes(call, module)
        """Names of the instruments, its length, and which notes each instrument plays in the patterns that are played,
        one number a semitone, each as often as it is written. Older modules have samples in their place."""

    def play(self, instruments: frozenset[int], seconds: float, separation: float = 1.0) -> Samples:
        """Return (2, frames) of some of its instruments; those of all of them add up to the module.

        Parameters
        ----------
        instruments
            Their places in `names`.
        seconds
            At most so long, from the beginning.
        separation
            How far left and right are apart, 1 for as they are written.
        """
        left = round(seconds * RATE)
        parts = [np.zeros((0, 2), np.float32)]
        with self._opened() as (call, module, mute):
            call["module_set_render_param"](module, _SEPARATION_PERCENT, round(100 * separation))
            for at in range(len(self.names)):
                mute(at, at not in instruments)
            while left > 0:
                part = np.zeros((min(left, _AT_ONCE), 2), np.float32)
                given = part.ctypes.data_as(POINTER(c_float))
                count = int(call["module_read_interleaved_float_stereo"](module, RATE, len(part), given))
                if count == 0:
                    break
                parts.append(part[:count])
                left -= count
        return np.ascontiguousarray(np.concatenate(parts).T)

    @contextmanager
    def _opened(self) -> Iterator[tuple[dict[str, Any], int, Any]]:
        """Read it anew, from its beginning; gives the library, its name there, and what mutes an instrument."""
        call = _library()
        whole = call["module_ext_create_from_memory"](self._content, len(self._content), *(None,) * 7)
        if not whole:
            raise FileProblem("It is no tracker module.", "Take it out of the folder.")
        try:
            functions = _Interactive()
            size = ctypes.sizeof(functions)
            if not call["module_ext_get_interface"](whole, b"interactive", byref(functions), size):
                raise UserError("This libopenmpt cannot mute instruments.", "Install a newer one.")
            set_mute = _MUTE(functions.set_instrument_mute_status)
            yield call, call["module_ext_get_module"](whole), lambda at, on: set_mute(whole, at, int(on))
        finally:
            call["module_ext_destroy"](whole)

    def _text(self, call: dict[str, Any], module: int, at: int) -> str:
        found = call[self._name_of](module, at)
        if not found:
            return ""
        try:
            return (ctypes.string_at(found)).decode("utf-8", "replace").strip()
        finally:
            call["free_string"](found)

    def _notes(self, call: dict[str, Any], module: int) -> dict[int, list[int]]:
        channels = range(call["module_get_num_channels"](module))
        command = call["module_get_pattern_row_channel_command"]
        orders = range(call["module_get_num_orders"](module))
        # Each pattern once, in the order in which they are played first.
        patterns = dict.fromkeys(call["module_get_order_pattern"](module, at) for at in orders)
        # A note without an instrument is played by the one that the channel played last.
        last = [0] * len(channels)
        notes: dict[int, list[int]] = {}
        for pattern in patterns:
            for row in range(max(call["module_get_pattern_num_rows"](module, pattern), 0)):
                for channel in channels:
                    last[channel] = command(module, pattern, row, channel, _INSTRUMENT) or last[channel]
                    note = command(module, pattern, row, channel, _NOTE)
                    if 0 < note <= _HIGHEST_NOTE and 0 < last[channel] <= len(self.names):
                        notes.setdefault(last[channel] - 1, []).append(note)
        return notes
