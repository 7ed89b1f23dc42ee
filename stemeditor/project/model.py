"""The values that the document is made of. All frozen; an edit makes new ones."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from stemeditor.audio.band import Band, Filters
from stemeditor.audio.buffer import Audio
from stemeditor.audio.envelope import Envelope
from stemeditor.audio.montage import Montage, Part
from stemeditor.audio.peaks import Peaks
from stemeditor.mixing.mix import JOIN_S, Mix, Strip

SONG_ROLE = "song"
RESIDUAL_ROLE = "residual"

PENDING_ID = "pending"
"""Id of the strip that plays the song where its stems are not yet made."""


def new_id() -> str:
    """Return a name that nothing else has, in any run of the program."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Sound, its peak pyramid, and the bands of it. `peaks.filled` frames of it are final; it may still grow.

    Its `id` goes with it into project files and comes back: a file that holds it already need not be written anew.
    """

    audio: Audio
    peaks: Peaks
    id: str = field(default_factory=new_id)
    filters: Filters = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", Filters(self.peaks))


@dataclass(frozen=True, slots=True, eq=False)
class Song:
    """What was opened.

    Parameters
    ----------
    id
        Unique in the session; answers that carry another id are stale.
    title
        What the window calls it: the title tag, or the file's name without ending.
    path
        Where it came from.
    sound
        At the song's own rate; mono or stereo.
    tags
        Text tags such as "title" and "artist", to be kept on export.
    cover
        The picture as it stood in the file, or None.
    notice
        What the user should know about how it was read (folded down, cut short), or "".
    """

    id: str
    title: str
    path: Path
    sound: Sound
    tags: Mapping[str, str] = field(default_factory=dict)
    cover: bytes | None = None
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Take:
    """A sound that a lane plays, and when how much of it.

    Parameters
    ----------
    sound
        Which one.
    role
        Of the lane that it came from.
    envelope
        Linear gain over the frames of the project; 0 where it does not sound.
    shift
        The frame of the project at which the sound begins; 0 unless it was copied to another time.
    bands
        Only what lies in all of these bands of it is meant; all of it if there is none.
    copied
        Whether it was pasted, so that the lane it came from has it as well.
    """

    sound: Sound
    role: str
    envelope: Envelope
    shift: int = 0
    bands: tuple[Band, ...] = ()
    copied: bool = False


Takes: TypeAlias = tuple[Take, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """One row of the window.

    Parameters
    ----------
    id
        Unique in the project, and the same for the same stem from preview to final.
    role
        "song", the stem's name as the method gave it ("vocals", "drums", ...), or "residual"; chooses the colour.
    name
        What the user calls it.
    sound
        What was opened, or what the separation gave.
    gain
        Linear, 0 or more; 1 leaves the level as it is.
    pan
        -1 (left) to 1 (right).
    muted, soloed
        As on a mixer.
    takes
        What it plays instead, since it was edited; none of them: nothing. None if it plays its sound as it is.
    """

    id: str
    role: str
    name: str
    sound: Sound
    gain: float = 1.0
    pan: float = 0.0
    muted: bool = False
    soloed: bool = False
    takes: Takes | None = None

    @property
    def content(self) -> Audio | Montage:
        """What it plays, before its fader."""
        return self.sound.audio if self.takes is None else self._montage()

    @property
    def picture(self) -> Peaks | Montage:
        """What its waveform is drawn of."""
        return self.sound.peaks if self.takes is None else self._montage()

    def strip(self, frames: int | None = None, fade_out: int = 0) -> Strip:
        """Return what is heard of it: the first `frames`, all by default, of which the last `fade_out` fade out."""
        audio = self.content if frames is None else self.content.slice(0, frames)
        return Strip(self.id, audio, self.gain, self.pan, self.muted, self.soloed, fade_out=fade_out)

    def _montage(self) -> Montage:
        takes, own = self.takes or (), self.sound.audio
        parts = tuple(Part(take.sound.filters, take.envelope, take.shift, take.bands) for take in takes)
        channels = max((part.audio.channels for part in parts), default=own.channels)
        return Montage(parts, channels, own.rate, own.frames)


@dataclass(frozen=True, slots=True, eq=False)
class Project:
    """Everything that undo brings back. Empty when nothing is open (`song` None, no lanes).

    Parameters
    ----------
    song
        What was opened.
    lanes
        From top to bottom.
    master_gain
        Linear, on the sum of the lanes.
    method
        Name of the method that made the stems; "" before a separation.
    filled
        While stems are on their way: only [0, filled) of them is heard, behind it the song itself. None otherwise.
    """

    song: Song | None = None
    lanes: tuple[Lane, ...] = ()
    master_gain: float = 1.0
    method: str = ""
    filled: int | None = None

    @property
    def rate(self) -> int:
        """The song's rate in Hz; 44100 when nothing is open."""
        return self.song.sound.audio.rate if self.song else 44100

    @property
    def frames(self) -> int:
        """The song's length; 0 when nothing is open."""
        return self.song.sound.audio.frames if self.song else 0

    @property
    def stems(self) -> tuple[Lane, ...]:
        """The lanes that a separation made, residual included."""
        return tuple(lane for lane in self.lanes if lane.role != SONG_ROLE)

    def lane(self, lane_id: str) -> Lane:
        """Return the lane of that id; KeyError if there is none."""
        for lane in self.lanes:
            if lane.id == lane_id:
                return lane
        raise KeyError(lane_id)

    def has_lane(self, lane_id: str) -> bool:
        """Whether there is a lane of that id."""
        return any(lane.id == lane_id for lane in self.lanes)

    def mix(self) -> Mix:
        """Return what is heard."""
        if self.filled is None or self.song is None:
            strips = tuple(lane.strip() for lane in self.lanes)
        else:
            filled, sound = self.filled, self.song.sound.audio
            # Where faders are set or stems muted, the song would begin with a click.
            join = min(round(JOIN_S * self.rate), filled) if filled < sound.frames else 0
            begin = filled - join
            strips = (
                *(lane.strip() if lane.role == SONG_ROLE else lane.strip(filled, join) for lane in self.lanes),
                Strip(PENDING_ID, sound.slice(begin, sound.frames), start=begin, fade_in=join),
            )
        return Mix(strips, self.master_gain, self.rate, self.frames)
