"""Reading the tensors of a TensorFlow checkpoint without TensorFlow.

The index is a table of sorted names as of LevelDB; each value says where in the data file a tensor lies. Nothing in
it is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemeditor.errors import FileProblem
from stemeditor.progress import Progress

INDEX = ".index"

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5
_FLOAT = 1


def read(index: Path, progress: Progress) -> dict[str, NDArray[np.float32]]:
    """Return the float32 tensors of a checkpoint by name; counters and the like are left out.

    Parameters
    ----------
    index
        The checkpoint's file that ends with `INDEX`; its data lies beside it, in one piece.
    progress
        Checked between tensors.

    Raises
    ------
    FileProblem
        If a file is not there, or it is no checkpoint.
    """
    data = index.with_name(f"{index.name.removesuffix(INDEX)}.data-00000-of-00001")
    try:
        table, numbers = index.read_bytes(), data.read_bytes()
        found = {}
        for name, entry in _entries(table):
            progress.check()
            if not name:
                continue
            kind, shape, offset, size = _described(entry)
            if kind == _FLOAT:
                values = np.frombuffer(numbers, "<f4", size // 4, offset).astype(np.float32)
                found[name] = values.reshape(shape)
        return found
    except OSError as problem:
        raise FileProblem(
            f"“{Path(problem.filename or index).name}” is missing beside “{index.name}”.",
            "Give the whole folder as it was published.",
        ) from problem
    except (ValueError, IndexError, UnicodeDecodeError) as problem:
        raise FileProblem(f"“{index.name}” is no checkpoint of TensorFlow.", "Get the folder again.") from problem


def _entries(table: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield names and values, in order."""
    if len(table) < _FOOTER_BYTES or int.from_bytes(table[-8:], "little") != _MAGIC:
        raise ValueError("no table")
    at = len(table) - _FOOTER_BYTES
    for _ in range(2):
        # The block that describes the table itself comes first, and is of no use here.
        _, at = _number(table, at)
    offset, at = _number(table, at)
    size, at = _number(table, at)
    for _, handle in _block(table, offset, size):
        begin, used = _number(handle, 0)
        length, _ = _number(handle, used)
        for key, value in _block(table, begin, length):
            yield key.decode("utf-8"), value


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of one block; a key repeats the beginning of the one before it only by its length."""
    if offset + size + _TRAILER_BYTES > len(table):
        raise ValueError("cut short")
    if table[offset + size]:
        raise ValueError("packed")
    block = table[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    stop = size - 4 * (restarts + 1)
    at, key = 0, b""
    while at < stop:
        shared, at = _number(block, at)
        own, at = _number(block, at)
        length, at = _number(block, at)
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + length]
        at += length


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, lowest first, and where the next thing begins."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the numbered fields of a protocol buffer."""
    at = 0
    while at < len(message):
        tag, at = _number(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _number(message, at)
            yield tag >> 3, value
        elif kind == 2:
            length, at = _number(message, at)
            yield tag >> 3, message[at : at + length]
            at += length
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            yield tag >> 3, int.from_bytes(message[at : at + width], "little")
            at += width
        else:
            raise ValueError("no protocol buffer")


def _described(entry: bytes) -> tuple[int, tuple[int, ...], int, int]:
    """Return kind, shape, offset and size in bytes of a tensor."""
    kind = offset = size = 0
    shape: tuple[int, ...] = ()
    for field, value in _fields(entry):
        if field == 1 and isinstance(value, int):
            kind = value
        elif field == 2 and isinstance(value, bytes):
            sides = [
                dict(_fields(side)).get(1, 0)
                for number, side in _fields(value)
                if number == 2 and isinstance(side, bytes)
            ]
            shape = tuple(side for side in sides if isinstance(side, int))
        elif field == 4 and isinstance(value, int):
            offset = value
        elif field == 5 and isinstance(value, int):
            size = value
    return kind, shape, offset, size
