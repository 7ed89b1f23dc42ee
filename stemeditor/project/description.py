"""A project in words, as it stands in its file: everything but the sound itself, as JSON takes it.

What is read may come from anywhere: every value is looked at before it becomes part of a project.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from stemeditor.audio.band import Band
from stemeditor.audio.envelope import Envelope
from stemeditor.audio.stretch import FASTEST, HIGHEST, LOWEST, SLOWEST, Pace
from stemeditor.project.edits import MAX_GAIN
from stemeditor.project.model import SONG_ROLE, Lane, Project, Song, Sound, Take, Takes

_FARTHEST = 1 << 40
"""Frames from the beginning of a song: half a year."""

_LOUDEST = 1000.0
"""Linear gain that no edit reaches."""

_HIGHEST_HZ = 1e6

Description: TypeAlias = dict[str, Any]
"""What JSON can hold."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person was.

    Parameters
    ----------
    position
        Of the playhead, in frames.
    selection
        The selected frames [start, stop), or None.
    looping
        Whether they, or the whole song, are played again and again.
    pace
        How fast, and how high.
    """

    position: int = 0
    selection: tuple[int, int] | None = None
    looping: bool = False
    pace: Pace = Pace()


def describe(project: Project) -> Description:
    """Describe a project that holds a song. Two projects are alike if, and only if, their descriptions are."""
    song = project.song
    if song is None:
        raise ValueError("nothing is open")
    return {
        "song": {"title": song.title, "path": str(song.path), "sound": song.sound.id, "tags": dict(song.tags)},
        "lanes": [
            {
                "role": lane.role,
                "name": lane.name,
                "sound": lane.sound.id,
                "gain": lane.gain,
                "pan": lane.pan,
                "muted": lane.muted,
                "soloed": lane.soloed,
                "takes": None if lane.takes is None else [_describe_take(take) for take in lane.takes],
            }
            for lane in project.lanes
        ],
        "master_gain": project.master_gain,
        "method": project.method,
    }


def sounds(project: Project) -> dict[str, Sound]:
    """Return the sounds of a project by their ids, each once, the song's first."""
    first = (project.song.sound,) if project.song else ()
    taken = (take.sound for lane in project.lanes for take in lane.takes or ())
    return {sound.id: sound for sound in (*first, *(lane.sound for lane in project.lanes), *taken)}


def ids(description: Description) -> tuple[str, ...]:
    """Return the ids of the sounds that a description names, each once, the song's first. Raises ValueError."""
    lanes = list(_lanes(description))
    taken = (_text(take, "sound") for lane in lanes for take in _takes(lane) or ())
    found = [_text(_table(description, "song"), "sound"), *(_text(lane, "sound") for lane in lanes), *taken]
    return tuple(dict.fromkeys(found))


def rebuild(
    description: Description, sound: Mapping[str, Sound], song_id: str, cover: bytes | None, folder: Path
) -> Project:
    """Make a project of its description.

    Parameters
    ----------
    description
        As `describe` gave it, or anything else that JSON can hold.
    sound
        Every sound that it names.
    song_id
        What the song is called in this session.
    cover
        The song's picture.
    folder
        From where its path is seen; see `from_folder`.

    Raises
    ------
    ValueError
        If it describes no project.
    """
    told = _table(description, "song")
    tags = {name: text for name, text in _table(told, "tags").items() if isinstance(text, str)}
    path = Path(os.path.normpath(folder / _text(told, "path")))
    song = Song(song_id, _text(told, "title"), path, sound[_text(told, "sound")], tags, cover)
    lanes = tuple(
        Lane(
            f"{song_id}/{number}",
            _text(lane, "role"),
            _text(lane, "name"),
            sound[_text(lane, "sound")],
            _number(lane, "gain", 0.0, MAX_GAIN),
            _number(lane, "pan", -1.0, 1.0),
            _flag(lane, "muted"),
            _flag(lane, "soloed"),
            _rebuild_takes(lane, sound),
        )
        for number, lane in enumerate(_lanes(description))
    )
    alike = {(one.audio.rate, one.audio.frames) for one in sound.values()}
    if alike != {(song.sound.audio.rate, song.sound.audio.frames)}:
        raise ValueError("the sounds are not all as long as the song")
    if [lane.role for lane in lanes].count(SONG_ROLE) != 1:
        raise ValueError("a project has one lane for its song")
    return Project(song, lanes, _number(description, "master_gain", 0.0, MAX_GAIN), _text(description, "method"))


def describe_place(place: Place) -> Description:
    """Describe where a person was."""
    return {
        "position": place.position,
        "selection": place.selection,
        "looping": place.looping,
        "speed": place.pace.speed,
        "semitones": place.pace.semitones,
    }


def rebuild_place(description: object, frames: int) -> Place:
    """Return where a person was, as far as that can be in a song of so many frames."""
    told = description if isinstance(description, dict) else {}
    position, selection = told.get("position"), told.get("selection")
    edges = selection if isinstance(selection, list) and all(isinstance(edge, int) for edge in selection) else []
    return Place(
        position if isinstance(position, int) and 0 <= position <= frames else 0,
        (edges[0], edges[1]) if len(edges) == 2 and 0 <= edges[0] < edges[1] <= frames else None,
        told.get("looping") is True,
        Pace(_held(told, "speed", SLOWEST, FASTEST, 1.0), _held(told, "semitones", LOWEST, HIGHEST, 0.0)),
    )


def from_folder(path: str, folder: Path) -> str:
    """Return a path as it is seen from a folder, so that both can move together; as it is from another disk."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path


def _describe_take(take: Take) -> Description:
    return {
        "sound": take.sound.id,
        "role": take.role,
        "shift": take.shift,
        "envelope": [list(point) for point in take.envelope.points],
        "bands": [[band.low_hz, band.high_hz] for band in take.bands],
        "copied": take.copied,
    }


def _rebuild_takes(lane: Description, sound: Mapping[str, Sound]) -> Takes | None:
    takes = _takes(lane)
    if takes is None:
        return None
    return tuple(
        Take(
            sound[_text(take, "sound")],
            _text(take, "role"),
            _envelope(take),
            _whole(take.get("shift")),
            _bands(take),
            _flag(take, "copied"),
        )
        for take in takes
    )


def _envelope(take: Description) -> Envelope:
    return Envelope(
        tuple((_whole(frame), _within(gain, "a gain", -_LOUDEST, _LOUDEST)) for frame, gain in _pairs(take, "envelope"))
    )


def _bands(take: Description) -> tuple[Band, ...]:
    edges = ([_within(edge, "an edge", 0.0, _HIGHEST_HZ) for edge in pair] for pair in _pairs(take, "bands"))
    return tuple(sorted(Band(low_hz, high_hz) for low_hz, high_hz in edges))


def _pairs(description: Description, name: str) -> list[list[Any]]:
    pairs = description.get(name)
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise ValueError(f"{name} is {pairs!r:.40}")
    return pairs


def _takes(lane: Description) -> list[Description] | None:
    """Return what a lane plays in the place of its sound; None if it is not said to."""
    takes = lane.get("takes")
    if takes is None:
        return None
    if not isinstance(takes, list) or not all(isinstance(take, dict) for take in takes):
        raise ValueError(f"{takes!r:.40} are no takes")
    return takes


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _FARTHEST:
        raise ValueError(f"{value!r:.40} is no frame")
    return value


def _lanes(description: Description) -> Iterator[Description]:
    lanes = description.get("lanes")
    if not isinstance(lanes, list) or not lanes:
        raise ValueError("there are no lanes")
    for lane in lanes:
        if not isinstance(lane, dict):
            raise ValueError(f"{lane!r:.40} is no lane")
        yield lane


def _table(description: Description, name: str) -> Description:
    value = description.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {value!r:.40}")
    return value


def _text(description: Description, name: str) -> str:
    value = description.get(name)
    if not isinstance(value, str) or "\0" in value:  # no path may hold that
        raise ValueError(f"{name} is {value!r:.40}")
    return value


def _number(description: Description, name: str, low: float, high: float) -> float:
    return _within(description.get(name), name, low, high)


def _within(value: object, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r:.40}")
    return min(max(float(value), low), high)


def _held(description: Description, name: str, low: float, high: float, default: float) -> float:
    """Return a number as it is told, or the default if none is."""
    try:
        return _number(description, name, low, high)
    except ValueError:
        return default


def _flag(description: Description, name: str) -> bool:
    value = description.get(name)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r:.40}")
    return value
