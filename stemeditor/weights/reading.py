"""Reading weights without ever running what a file says: safetensors, or PyTorch's own files as bare tensors."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemeditor import libraries
from stemeditor.errors import FileProblem, UserError

if TYPE_CHECKING:
    from torch import Tensor

SAFE = ".safetensors"
PICKLED = (".pth", ".pt", ".ckpt", ".th", ".bin")

_LENGTH_BYTES = 8
_LONGEST_HEADER = 100 << 20


def check(path: Path, name: str = "", whole: bool = False) -> None:
    """See whether a file is what its name says, from its first bytes and its length.

    Parameters
    ----------
    path
        The file.
    name
        Its name once it is in place; that of `path` by default.
    whole
        Whether to look at all of it, if it says how that can be done.

    Raises
    ------
    FileProblem
        If it is no file of weights, or cut short.
    """
    name = name or path.name
    try:
        if is_safe(name):
            _check_safe(path, name)
        elif Path(name).suffix.lower() in PICKLED:
            _check_archive(path, name, whole)
    except OSError as problem:
        raise FileProblem(f"“{name}” cannot be read ({problem.strerror or problem}).") from problem


def is_safe(name: str) -> bool:
    """Whether a file's name is that of safetensors."""
    return Path(name).suffix.lower() == SAFE


def header(path: Path) -> Mapping[str, Any]:
    """Return the header of a safetensors file: tensors by name, and "__metadata__".

    Raises
    ------
    FileProblem
        If it has none.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if not 0 < length < _LONGEST_HEADER:
                raise ValueError("no header")
            found = json.loads(file.read(length))
        if not isinstance(found, dict):
            raise ValueError("no table")
    except (ValueError, RecursionError) as problem:
        raise FileProblem(f"“{path.name}” holds no safetensors.", "Get the file again.") from problem
    except OSError as problem:
        raise FileProblem(f"“{path.name}” cannot be read ({problem.strerror or problem}).") from problem
    return found


def load(path: Path) -> dict[str, Tensor]:
    """Return tensors by name, floating ones in float32.

    Raises
    ------
    FileProblem
        If the file is broken, or could only be read by running what it says.
    """
    import torch
    from safetensors.torch import load_file

    check(path)
    libraries.read_ahead([path])
    try:
        # Tensors and plain containers only: anything else in the file is refused by PyTorch itself.
        found = load_file(path) if is_safe(path.name) else torch.load(path, "cpu", weights_only=True)
        state = _flat(found, path)
        return {name: _single(value) for name, value in state.items()}
    except UserError:
        raise
    except Exception as problem:
        # Which errors a file that is damaged ends in depends on where the damage is.
        if type(problem).__name__ != "UnpicklingError":
            raise FileProblem(f"“{path.name}” is broken ({_line(problem)}).", "Get the file again.") from problem
        raise FileProblem(
            f"“{path.name}” holds more than numbers and is not opened: reading it would run a stranger's code.",
            "Look for the same weights as safetensors.",
        ) from problem


def _single(value: Tensor) -> Tensor:
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise ValueError("it says one number many times")
    return value.float() if value.is_floating_point() else value


def see_numbers(state: Mapping[str, Tensor], path: Path) -> None:
    """Raise FileProblem if not all that was read from a file are numbers."""
    for name, value in state.items():
        if not bool(value.isfinite().all()):
            raise FileProblem(f"“{path.name}” holds what is no number, in {name}.", "Get the file again.")


def _flat(found: object, path: Path) -> dict[str, Tensor]:
    """Return the table of tensors, which training programs put under one more key."""
    import torch

    for _ in range(3):
        if not isinstance(found, Mapping):
            break
        inner = next(
            (found[key] for key in ("state_dict", "state", "model") if isinstance(found.get(key), Mapping)), None
        )
        if inner is None:
            return {str(name): value for name, value in found.items() if isinstance(value, torch.Tensor)}
        found = inner
    raise FileProblem(f"“{path.name}” holds no table of weights.", "Get the file again.")


def _check_safe(path: Path, name: str) -> None:
    try:
        found = header(path)
        ends = [int(row["data_offsets"][1]) for key, row in found.items() if key != "__metadata__"]
        with path.open("rb") as file:
            begin = _LENGTH_BYTES + int.from_bytes(file.read(_LENGTH_BYTES), "little")
    except (FileProblem, KeyError, TypeError, ValueError, IndexError, OverflowError) as problem:
        raise FileProblem(f"“{name}” holds no safetensors.", "Get the file again.") from problem
    if path.stat().st_size != begin + max(ends, default=0):
        raise FileProblem(f"“{name}” is cut short.", "Get the file again.")


def _check_archive(path: Path, name: str, whole: bool) -> None:
    with path.open("rb") as file:
        first = file.read(4)
    # Since 2020 PyTorch writes zip archives; before that, pickles, which begin with this mark.
    if first[:1] == b"\x80":
        return
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip() if whole else None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as problem:
        raise FileProblem(f"“{name}” holds no weights.", "Get the file again.") from problem
    if damaged is not None:
        raise FileProblem(f"“{name}” is damaged.", "Get the file again.")


def _line(problem: Exception) -> str:
    return " ".join(str(problem).split())[:120]
