"""What a person can do to the sound of a lane between two moments: pure functions Project -> Project.

Nothing is written over: a lane notes which sounds it plays and how loud they are when (`Take`), and everything can be
brought back. What is moved from one lane to another keeps the sum of all lanes, to the rounding of 32-bit numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from stemeditor.audio.envelope import Envelope
from stemeditor.mixing.mix import JOIN_S
from stemeditor.project.edits import MAX_GAIN
from stemeditor.project.model import Lane, Project, Take


@dataclass(frozen=True, slots=True)
class Clip:
    """What was copied: sounds that begin at frame 0 of their own time, and how long it is in frames."""

    takes: tuple[Take, ...]
    frames: int
    rate: int


def silence(project: Project, lane_id: str, start: int, stop: int) -> Project:
    """Silence the frames [start, stop) of a lane."""
    return _shape(project, lane_id, _window(project, start, stop).rest())


def keep(project: Project, lane_id: str, start: int, stop: int) -> Project:
    """Silence a lane everywhere else."""
    return _shape(project, lane_id, _window(project, start, stop))


def amplify(project: Project, lane_id: str, start: int, stop: int, factor: float) -> Project:
    """Multiply the frames [start, stop) of a lane by a linear gain; what was `MAX_GAIN` as loud gets no louder."""
    return _shape(project, lane_id, _window(project, start, stop, factor, 1.0))


def fade(project: Project, lane_id: str, start: int, stop: int, out: bool = False) -> Project:
    """Let a lane come, or go, over the frames [start, stop)."""
    return _shape(project, lane_id, Envelope.fade(start, stop, _ramp(project), out))


def transfer(project: Project, lane_id: str, other_id: str, start: int, stop: int) -> Project:
    """Move the frames [start, stop) from a lane to another. The sum of both stays."""
    if not (project.has_lane(lane_id) and project.has_lane(other_id)) or lane_id == other_id:
        return project
    window = _window(project, start, stop)
    lane, other = project.lane(lane_id), project.lane(other_id)
    moved = _times(_takes(lane), window)
    if not moved:
        return project
    changed = _with(project, lane, _times(_takes(lane), window.rest()))
    return _with(changed, other, _joined(_takes(other) + moved))


def copy(project: Project, lane_id: str, start: int, stop: int) -> Clip:
    """Return the frames [start, stop) of a lane, to be pasted somewhere. Raises KeyError if there is no such lane."""
    half = _ramp(project) // 2
    # It may be put anywhere: at the ends of the song, too, it must come and go without a click.
    low, high = max(start, half), min(stop, project.frames - half)
    window = _window(project, low, high) if low < high else Envelope.level(0.0)
    cut = _times(_takes(project.lane(lane_id)), window)
    return Clip(tuple(_later(take, -start) for take in cut), stop - start, project.rate)


def paste(project: Project, lane_id: str, at: int, clip: Clip) -> Project:
    """Put what was copied in the place of what a lane has from frame `at` on; what reaches behind the end is lost."""
    if not project.has_lane(lane_id) or at >= project.frames or clip.rate != project.rate:
        return project
    lane = project.lane(lane_id)
    window = _window(project, at, min(at + clip.frames, project.frames))
    added = tuple(_later(take, at) for take in clip.takes)
    return _with(project, lane, _joined(_times(_takes(lane), window.rest()) + added))


def restore(project: Project, lane_id: str, start: int, stop: int) -> Project:
    """Bring back what a lane had in the frames [start, stop) before it was edited.

    What it had got from other lanes goes back to them, and what they had got of it comes back.
    """
    if not project.has_lane(lane_id):
        return project
    lane = project.lane(lane_id)
    shares = (take.envelope for one in project.lanes for take in _takes(one))
    window = _window(project, start, stop).through(shares)
    rest = window.rest()
    own = Take(lane.sound, lane.role, window)
    given = {take.sound.id: take for take in _times(_takes(lane), window) if take.shift == 0}
    changed = _with(project, lane, _joined((*_times(_takes(lane), rest), own)))
    for other in project.lanes:
        if other.id == lane.id:
            continue
        takes = tuple(
            replace(take, envelope=take.envelope * rest) if is_own(take, lane) else take for take in _takes(other)
        )
        back = given.get(other.sound.id)
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
    """Whether a take is the lane's own sound, at its own time."""
    return take.sound is lane.sound and take.shift == 0


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


def _shape(project: Project, lane_id: str, envelope: Envelope) -> Project:
    """Multiply all that a lane plays by an envelope."""
    if not project.has_lane(lane_id):
        return project
    lane = project.lane(lane_id)
    return _with(project, lane, _times(_takes(lane), envelope))


def _with(project: Project, lane: Lane, takes: tuple[Take, ...]) -> Project:
    """Return the project in which a lane plays these takes; the project itself if it does so already."""
    heard: tuple[Take, ...] | None = tuple(take for take in takes if take.envelope.peak > 0.0)
    if heard and len(heard) == 1 and is_own(heard[0], lane) and heard[0].envelope.is_one:
        heard = None
    if heard == lane.takes:
        return project
    return replace(
        project, lanes=tuple(replace(one, takes=heard) if one.id == lane.id else one for one in project.lanes)
    )


def _takes(lane: Lane) -> tuple[Take, ...]:
    return (_whole_take(lane),) if lane.takes is None else lane.takes


def _whole_take(lane: Lane) -> Take:
    return Take(lane.sound, lane.role, Envelope.level(1.0))


def _times(takes: tuple[Take, ...], envelope: Envelope) -> tuple[Take, ...]:
    """Return takes as loud as an envelope says, as far as they are heard then."""
    shaped = (replace(take, envelope=(take.envelope * envelope).held(MAX_GAIN)) for take in takes)
    return tuple(take for take in shaped if take.envelope.peak > 0.0)


def _joined(takes: tuple[Take, ...]) -> tuple[Take, ...]:
    """Return takes of which no two are the same sound at the same time."""
    found: dict[tuple[str, int], Take] = {}
    for take in takes:
        key = (take.sound.id, take.shift)
        there = found.get(key)
        found[key] = replace(there, envelope=there.envelope + take.envelope) if there else take
    return tuple(found.values())


def _given_back(lane: Lane, takes: tuple[Take, ...], back: Take) -> tuple[Take, ...]:
    """Return a lane's takes with a part of its own sound that was elsewhere; of what it has itself it gets no more."""
    most = max((take.envelope.peak for take in takes if is_own(take, lane)), default=1.0)
    return tuple(
        replace(take, envelope=take.envelope.held(max(most, 1.0))) if is_own(take, lane) else take
        for take in _joined((*takes, back))
    )


def _later(take: Take, by: int) -> Take:
    return replace(take, envelope=take.envelope.shifted(by), shift=take.shift + by)


def _ramp(project: Project) -> int:
    return max(round(JOIN_S * project.rate), 2)


def _window(project: Project, start: int, stop: int, inside: float = 1.0, outside: float = 0.0) -> Envelope:
    """Return one gain in the frames [start, stop), another elsewhere, joined without a click."""
    return Envelope.window(start, stop, project.frames, _ramp(project), inside, outside)
