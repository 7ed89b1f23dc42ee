"""What a person can do to the sound of a lane between two moments: pure functions Project -> Project.

Nothing is written over: a lane notes which sounds it plays and how loud they are when (`Take`), and everything can be
brought back. Where a band is given, only that band of frequencies is meant.

All of it is linear. A lane is a sum of takes; what is meant of it, a *part*, is each of them times a window and through
the band; every edit adds or takes away such parts. So what is moved from one lane to another keeps the sum of all
lanes, to the rounding of 32-bit numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from stemeditor.audio.band import Band
from stemeditor.audio.envelope import Envelope
from stemeditor.mixing.mix import JOIN_S
from stemeditor.project.edits import MAX_GAIN
from stemeditor.project.model import Lane, Project, Take, Takes

_NOTHING = 1e-9
"""Linear gain that is none: what rounding leaves where a take was taken away whole."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What was copied.

    Parameters
    ----------
    takes
        The sounds, which begin at frame 0 of a time of their own.
    frames
        How long it is.
    rate
        Frames a second.
    band
        Which band of them was copied; None for all.
    """

    takes: Takes
    frames: int
    rate: int
    band: Band | None = None


def silence(project: Project, lane_id: str, start: int, stop: int, band: Band | None = None) -> Project:
    """Silence the frames [start, stop) of a lane."""
    return _add(project, lane_id, _window(project, start, stop), band, -1.0)


def keep(project: Project, lane_id: str, start: int, stop: int, band: Band | None = None) -> Project:
    """Silence everything else of a lane."""
    if not project.has_lane(lane_id):
        return project
    lane = project.lane(lane_id)
    return _with(project, lane, _part(_takes(lane), _window(project, start, stop), band))


def amplify(project: Project, lane_id: str, start: int, stop: int, factor: float, band: Band | None = None) -> Project:
    """Multiply the frames [start, stop) of a lane by a linear gain; what was `MAX_GAIN` as loud gets no louder."""
    return _add(project, lane_id, _window(project, start, stop), band, factor - 1.0)


def fade(project: Project, lane_id: str, start: int, stop: int, out: bool = False, band: Band | None = None) -> Project:
    """Let a lane come, or go, over the frames [start, stop)."""
    return _add(project, lane_id, Envelope.fade(start, stop, _ramp(project), out).rest(), band, -1.0)


def transfer(project: Project, lane_id: str, other_id: str, start: int, stop: int, band: Band | None = None) -> Project:
    """Move the frames [start, stop) from a lane to another. The sum of both stays."""
    if not (project.has_lane(lane_id) and project.has_lane(other_id)) or lane_id == other_id:
        return project
    lane, other = project.lane(lane_id), project.lane(other_id)
    moved = _part(_takes(lane), _window(project, start, stop), band)
    if not moved:
        return project
    changed = _with(project, lane, _takes(lane) + _times(moved, -1.0))
    return _with(changed, other, _takes(other) + moved)


def copy(project: Project, lane_id: str, start: int, stop: int, band: Band | None = None) -> Clip:
    """Return the frames [start, stop) of a lane, to be pasted somewhere. Raises KeyError if there is no such lane."""
    half = _ramp(project) // 2
    # It may be put anywhere: at the ends of the song, too, it must come and go without a click.
    low, high = max(start, half), min(stop, project.frames - half)
    window = _window(project, low, high) if low < high else Envelope.level(0.0)
    copied = _part(_takes(project.lane(lane_id)), window, band)
    return Clip(tuple(replace(_later(take, -start), copied=True) for take in copied), stop - start, project.rate, band)


def paste(project: Project, lane_id: str, at: int, clip: Clip) -> Project:
    """Put what was copied in the place of what a lane has from frame `at` on; what reaches behind the end is lost.

    Of a band that was copied it takes the place of that band.
    """
    if not project.has_lane(lane_id) or at >= project.frames or clip.rate != project.rate:
        return project
    lane = project.lane(lane_id)
    gone = _part(_takes(lane), _window(project, at, min(at + clip.frames, project.frames)), clip.band)
    added = tuple(_later(take, at) for take in clip.takes)
    return _with(project, lane, _takes(lane) + _times(gone, -1.0) + added)


def restore(project: Project, lane_id: str, start: int, stop: int, band: Band | None = None) -> Project:
    """Bring back what a lane had in the frames [start, stop) before it was edited.

    What was moved to it goes back to where it came from, and what was moved away from it comes back.
    """
    if not project.has_lane(lane_id):
        return project
    lane = project.lane(lane_id)
    # Several lanes may have a share of its sound: what is done to each is done at the same points.
    shares = (take.envelope for one in project.lanes for take in _takes(one))
    window = _window(project, start, stop).through(shares)
    gone = _part(_takes(lane), window, band)
    own = _part((_whole_take(lane),), window, band)
    changed = _with(project, lane, _takes(lane) + _times(gone, -1.0) + own)
    for other in project.lanes:
        if other.id != lane.id:
            shared = tuple(take for take in _takes(other) if _is_share(take, lane))
            takes = _takes(other) + _times(_part(shared, window, band), -1.0)
            back = tuple(take for take in gone if _is_share(take, other))
            changed = _with(changed, other, _given_back(other, takes, back) if back else takes)
    return changed


def edited(lane: Lane, start: float, stop: float) -> bool:
    """Whether a lane plays anything else in the frames [start, stop) than it had before it was edited."""
    if lane.takes is None:
        return False
    for take in lane.takes:
        level = take.envelope.constant(start, stop)
        if level != (1.0 if is_own(take, lane) else 0.0):
            return True
    return not any(is_own(take, lane) for take in lane.takes)


def missing(lane: Lane) -> list[tuple[float, float]]:
    """Return the stretches (start, stop) in which a lane plays its own sound softer than it is, in frames."""
    own = next((take.envelope for take in _takes(lane) if is_own(take, lane)), Envelope.level(0.0))
    return own.held(1.0).rest().heard()


def is_own(take: Take, lane: Lane) -> bool:
    """Whether a take is the lane's own sound, all of it, at its own time."""
    return _is_share(take, lane) and not take.bands


def is_foreign(take: Take, lane: Lane) -> bool:
    """Whether a take came from another lane, or another time."""
    return not _is_share(take, lane) and any(gain > 0.0 for _, gain in take.envelope.points)


def carried(old: Project, stems: tuple[Lane, ...]) -> tuple[Lane, ...]:
    """Return new stems edited as the stems of the same roles are; as they are if some of those are not there."""
    new = {lane.role: lane.sound for lane in stems}
    roles = {lane.sound.id: lane.role for lane in old.stems}
    before = {lane.role: lane.takes for lane in old.stems}
    played = {take.sound.id for takes in before.values() for take in takes or ()}
    if not all(roles.get(name) in new for name in played):
        return stems

    def again(stem: Lane) -> Lane:
        takes = before.get(stem.role)
        if takes is None:
            return stem
        return replace(stem, takes=tuple(replace(take, sound=new[roles[take.sound.id]]) for take in takes))

    return tuple(again(stem) for stem in stems)


def _add(project: Project, lane_id: str, window: Envelope, band: Band | None, factor: float) -> Project:
    """Add a part of a lane to it, times a factor."""
    if not project.has_lane(lane_id):
        return project
    lane = project.lane(lane_id)
    takes = _joined(_takes(lane) + _times(_part(_takes(lane), window, band), factor))
    return _with(project, lane, tuple(replace(take, envelope=take.envelope.held(MAX_GAIN)) for take in takes))


def _part(takes: Takes, window: Envelope, band: Band | None) -> Takes:
    """Return what a window, and a band, let through. A band that something went through already changes nothing."""

    def through(take: Take) -> Take:
        bands = take.bands if band is None or band in take.bands else tuple(sorted((*take.bands, band)))
        return replace(take, envelope=take.envelope * window, bands=bands)

    return _joined(tuple(through(take) for take in takes))


def _times(takes: Takes, factor: float) -> Takes:
    return tuple(replace(take, envelope=take.envelope.times(factor)) for take in takes)


def _joined(takes: Takes) -> Takes:
    """Return takes of which no two are the same sound at the same time, without those that are not heard."""
    found: dict[object, Take] = {}
    for take in takes:
        key = (take.sound.id, take.shift, take.bands, take.copied)
        there = found.get(key)
        found[key] = replace(there, envelope=there.envelope + take.envelope) if there else take
    return tuple(take for take in found.values() if take.envelope.peak > _NOTHING)


def _with(project: Project, lane: Lane, takes: Takes) -> Project:
    """Return the project in which a lane plays these takes; the project itself if it does so already."""
    heard: Takes | None = _joined(takes)
    if heard and len(heard) == 1 and is_own(heard[0], lane) and heard[0].envelope.is_one:
        heard = None
    if heard == lane.takes:
        return project
    return replace(
        project, lanes=tuple(replace(one, takes=heard) if one.id == lane.id else one for one in project.lanes)
    )


def _takes(lane: Lane) -> Takes:
    return (_whole_take(lane),) if lane.takes is None else lane.takes


def _whole_take(lane: Lane) -> Take:
    return Take(lane.sound, lane.role, Envelope.level(1.0))


def _is_share(take: Take, lane: Lane) -> bool:
    """Whether a take is of a lane's own sound, and no copy of it."""
    return take.sound is lane.sound and take.shift == 0 and not take.copied


def _given_back(lane: Lane, takes: Takes, back: Takes) -> Takes:
    """Return a lane's takes with a part of its own sound that was elsewhere, no louder than it was."""
    most = max((take.envelope.peak for take in takes if is_own(take, lane)), default=1.0)
    return tuple(
        replace(take, envelope=take.envelope.held(max(most, 1.0))) if is_own(take, lane) else take
        for take in _joined(takes + back)
    )


def _later(take: Take, by: int) -> Take:
    return replace(take, envelope=take.envelope.shifted(by), shift=take.shift + by)


def _ramp(project: Project) -> int:
    return max(round(JOIN_S * project.rate), 2)


def _window(project: Project, start: int, stop: int) -> Envelope:
    """Return 1 in the frames [start, stop), 0 elsewhere, joined without a click."""
    return Envelope.window(start, stop, project.frames, _ramp(project))
