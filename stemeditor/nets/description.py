"""What a checkpoint says of itself, read without loading anything that computes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stemeditor.errors import FileProblem
from stemeditor.nets.catalogue import KINDS

KEY = "stemeditor"
SUFFIX = ".safetensors"

WINDOW, HOP = 4096, 1024
"""Of the networks' transforms, unless they say otherwise."""

POINTS = ((160, 1), (160, 2), (68, 8), (32, 32))
"""Of that transform at 44.1 kHz: 11 Hz to 1.7 kHz, 22 Hz to 5.2 kHz, 86 Hz to 11 kHz, 345 Hz above."""

_LENGTH_BYTES = 8
_LONGEST_HEADER = 1 << 24


@dataclass(frozen=True, slots=True)
class Description:
    """What a checkpoint says of itself.

    Parameters
    ----------
    net
        A key of `catalogue.KINDS`.
    arguments
        Of the network.
    stems
        What it gives, in its order.
    rate
        Of the sound it takes, Hz.
    provenance
        What it was trained on, for how long, by whom, under which licence; for people.
    seconds
        Length of what it learned from at once; 0 if that is not known.
    transform
        Window, hop and points of a network that draws masks, where the arguments do not say them all.
    """

    net: str
    arguments: Mapping[str, Any]
    stems: tuple[str, ...]
    rate: int = 44100
    provenance: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    transform: Mapping[str, Any] = field(default_factory=dict)

    @property
    def window(self) -> int:
        """Frames in a window of its transform."""
        return int(self._told("window", WINDOW))

    @property
    def hop(self) -> int:
        """Frames between windows."""
        return int(self._told("hop", HOP))

    @property
    def points(self) -> tuple[tuple[int, int], ...]:
        """Its frequency axis: how many points, and how many bins in each, from 0 Hz up."""
        return tuple((int(count), int(width)) for count, width in self._told("points", POINTS))

    def _told(self, name: str, usual: Any) -> Any:
        return self.transform.get(name, self.arguments.get(name, usual))

    def to_json(self) -> str:
        """Return it as it stands in the header."""
        document = {
            "net": self.net,
            "arguments": dict(self.arguments),
            "stems": list(self.stems),
            "rate": self.rate,
            "provenance": dict(self.provenance),
            "seconds": self.seconds,
            "transform": dict(self.transform),
        }
        return json.dumps(document, sort_keys=True)


def describe(path: Path) -> Description:
    """Return what a checkpoint says of itself.

    Raises
    ------
    FileProblem
        If it is not there, or no checkpoint of ours.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if not 0 < length < _LONGEST_HEADER:
                raise ValueError("no safetensors header")
            header = json.loads(file.read(length))
        document = json.loads(header["__metadata__"][KEY])
        net = str(document["net"])
        if net not in KINDS:
            raise ValueError(f"“{net}” is a kind of network that this version does not know")
        return Description(
            net,
            dict(document["arguments"]),
            tuple(str(name) for name in document["stems"]),
            int(document["rate"]),
            dict(document.get("provenance", {})),
            float(document.get("seconds", 0.0)),
            dict(document.get("transform", {})),
        )
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as problem:
        raise unusable(path, problem) from problem


def unusable(path: Path, problem: Exception) -> FileProblem:
    """Return what to tell about a file that is no network of ours."""
    # What the system says of a file names its whole path, which is nothing to tell.
    reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else problem
    return FileProblem(f"“{path.name}” holds no network that can be used ({reason}).", "Get the file again.")
