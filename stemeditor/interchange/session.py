"""What a project of another program is told: files of sound, and how they are mixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Faders:
    """How a track is heard.

    Parameters
    ----------
    gain
        Linear.
    pan
        -1 (left) to 1 (right).
    muted, soloed
        As on a mixer.
    colour
        Such as "#ff8800"; "" for none.
    """

    gain: float = 1.0
    pan: float = 0.0
    muted: bool = False
    soloed: bool = False
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Track:
    """One file of sound, from the beginning of the song on.

    Parameters
    ----------
    name
        What the track is called.
    path
        The file.
    channels
        1 or 2.
    faders
        How it is heard.
    """

    name: str
    path: Path
    channels: int
    faders: Faders = Faders()


@dataclass(frozen=True, slots=True)
class Session:
    """A song in tracks.

    Parameters
    ----------
    title
        Of the song.
    rate
        Frames a second, of every file.
    frames
        How long every file is.
    tracks
        From top to bottom.
    gain
        Linear, on their sum.
    tags
        Of the song, such as "artist".
    """

    title: str
    rate: int
    frames: int
    tracks: tuple[Track, ...]
    gain: float = 1.0
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """How long it is, in seconds."""
        return self.frames / self.rate
