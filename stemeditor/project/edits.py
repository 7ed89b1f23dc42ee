"""What a person can do to a project: pure functions Project -> Project.

Every edit sets, none toggles, so that applying one twice is applying it once. An edit of a lane that is not there
returns the project itself, unchanged.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from stemeditor.project.model import SONG_ROLE, Lane, Project, Song

MAX_GAIN = 10 ** (12 / 20)
"""+12 dB, the top of every fader."""


def open_song(song: Song) -> Project:
    """Return a project that holds just the song, in one lane."""
    return Project(song, (Lane(f"{song.id}/song", SONG_ROLE, "Song", song.sound),))


def add_stems(project: Project, stems: tuple[Lane, ...], method: str) -> Project:
    """Put stems in place of those that are there, below the song, and mute the song so that it is not heard twice.

    A solo on the song, or on stems that go, is taken off: it would silence the new ones.
    """
    songs = tuple(replace(lane, muted=True, soloed=False) for lane in project.lanes if lane.role == SONG_ROLE)
    return replace(project, lanes=songs + stems, method=method)


def carry_over(project: Project, stems: tuple[Lane, ...]) -> tuple[Lane, ...]:
    """Return new stems with the name, gain, pan and mute of the stem of the same role that is there already."""
    before = {lane.role: lane for lane in project.stems}

    def carried(stem: Lane) -> Lane:
        old = before.get(stem.role)
        return replace(stem, name=old.name, gain=old.gain, pan=old.pan, muted=old.muted) if old else stem

    return tuple(carried(stem) for stem in stems)


def set_gain(project: Project, lane_id: str, gain: float) -> Project:
    """Set a lane's linear gain, held within 0 and `MAX_GAIN`."""
    return _change(project, lane_id, gain=_clamp(gain, 0.0, MAX_GAIN))


def set_pan(project: Project, lane_id: str, pan: float) -> Project:
    """Set a lane's pan, held within -1 and 1."""
    return _change(project, lane_id, pan=_clamp(pan, -1.0, 1.0))


def set_muted(project: Project, lane_id: str, muted: bool) -> Project:
    """Mute or unmute a lane."""
    return _change(project, lane_id, muted=muted)


def set_soloed(project: Project, lane_id: str, soloed: bool) -> Project:
    """Solo or unsolo a lane; other solos stay."""
    return _change(project, lane_id, soloed=soloed)


def solo_only(project: Project, lane_id: str) -> Project:
    """Solo one lane and take every other solo off."""
    if not project.has_lane(lane_id):
        return project
    return replace(project, lanes=tuple(replace(lane, soloed=lane.id == lane_id) for lane in project.lanes))


def clear_solo(project: Project) -> Project:
    """Take every solo off."""
    return replace(project, lanes=tuple(replace(lane, soloed=False) for lane in project.lanes))


def mutable(project: Project) -> tuple[Lane, ...]:
    """Return the lanes that are heard together: not the song where its stems are, or it would be heard twice."""
    return project.stems or project.lanes


def unmute_all(project: Project) -> Project:
    """Unmute every lane that may be heard together with the others."""
    muted = {lane.id for lane in mutable(project) if lane.muted}
    if not muted:
        return project
    return replace(
        project, lanes=tuple(replace(lane, muted=lane.muted and lane.id not in muted) for lane in project.lanes)
    )


def rename(project: Project, lane_id: str, name: str) -> Project:
    """Give a lane another name; an empty one is ignored."""
    name = " ".join(name.split())
    return _change(project, lane_id, name=name) if name else project


def move_lane(project: Project, lane_id: str, index: int) -> Project:
    """Put a lane at place `index` (0 is the top; held within the lanes)."""
    if not project.has_lane(lane_id):
        return project
    lane = project.lane(lane_id)
    rest = [other for other in project.lanes if other.id != lane_id]
    index = min(max(index, 0), len(rest))
    if project.lanes.index(lane) == index:
        return project
    rest.insert(index, lane)
    return replace(project, lanes=tuple(rest))


def set_master_gain(project: Project, gain: float) -> Project:
    """Set the linear gain on the sum, held within 0 and `MAX_GAIN`."""
    gain = _clamp(gain, 0.0, MAX_GAIN)
    return project if gain == project.master_gain else replace(project, master_gain=gain)


def _clamp(value: float, low: float, high: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no level")
    return min(max(value, low), high)


def _change(project: Project, lane_id: str, **fields: Any) -> Project:
    if not project.has_lane(lane_id):
        return project
    lane = project.lane(lane_id)
    if all(getattr(lane, name) == value for name, value in fields.items()):
        return project
    changed = replace(lane, **fields)
    return replace(project, lanes=tuple(changed if other is lane else other for other in project.lanes))
