"""The verbs that act on what is there, at once: editing, mixing, playing, selecting. No widgets in here."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from stemeditor.audio.band import Band
from stemeditor.audio.stretch import FASTEST, HIGHEST, LOWEST, SLOWEST, Pace
from stemeditor.mixing.mix import Mix
from stemeditor.mixing.player import Player
from stemeditor.project import cutting, edits
from stemeditor.project.description import Place
from stemeditor.project.document import Change, Document
from stemeditor.project.model import Lane, Project


class Desk(QObject):
    """Where a person works with what is open. Main thread only.

    Parameters
    ----------
    document
        What is worked on.
    player
        What plays it.
    """

    changed = Signal()
    """What is shown, or the history, is another."""
    transport_changed = Signal()
    """Playing, loop, pace, selection or current lane are other."""

    def __init__(self, document: Document, player: Player) -> None:
        super().__init__()
        self.document = document
        self.player = player
        self.selection: tuple[int, int] | None = None
        self.band: Band | None = None
        """What is selected of the frequencies; None for all."""
        self.looping = False
        self.pace = Pace()
        self.current_lane: str | None = None
        self.alone = False
        """Whether nothing but what is selected of the current lane is heard."""
        self._began_alone = False
        self._audition: tuple[Mix, tuple[int, int] | None] | None = None
        document.listen(self._document_changed)

    @property
    def project(self) -> Project:
        """What is seen and heard."""
        return self.document.shown

    @property
    def selected_lane(self) -> Lane | None:
        """The lane of which something is selected, the current one; None if nothing is, or there is none."""
        if self.selection is None or self.current_lane is None or not self.project.has_lane(self.current_lane):
            return None
        return self.project.lane(self.current_lane)

    @property
    def can_undo(self) -> bool:
        """Whether undo takes a step back."""
        return self.document.undo_name is not None

    @property
    def can_redo(self) -> bool:
        """Whether redo brings a step back."""
        return self.document.redo_name is not None

    @property
    def place(self) -> Place:
        """Where the person is, as it is kept with the project."""
        return Place(self.player.position, self.selection, self.looping, self.pace)

    def go_to_place(self, place: Place) -> None:
        """Be where somebody was."""
        self.pace, self.looping = place.pace, place.looping
        self.selection, self.band = place.selection, None
        self.seek(place.position)
        self._loop()

    # Editing

    def undo(self) -> None:
        """Take the last step back."""
        if self.can_undo:
            self.document.undo()

    def redo(self) -> None:
        """Bring the last undone step back."""
        if self.can_redo:
            self.document.redo()

    def set_gain(self, lane_id: str, gain: float) -> None:
        """Set a lane's linear gain; a drag is one step."""
        self._edit(lane_id, "Gain of", lambda p: edits.set_gain(p, lane_id, gain), "gain")

    def set_pan(self, lane_id: str, pan: float) -> None:
        """Set a lane's pan (-1 to 1); a drag is one step."""
        self._edit(lane_id, "Pan of", lambda p: edits.set_pan(p, lane_id, pan), "pan")

    def end_drag(self) -> None:
        """Say that the mouse was let go: the next change is a step of its own."""
        self.document.seal()

    def set_muted(self, lane_id: str, on: bool) -> None:
        """Mute or unmute a lane."""
        self._edit(lane_id, "Mute" if on else "Unmute", lambda p: edits.set_muted(p, lane_id, on))

    def set_soloed(self, lane_id: str, on: bool) -> None:
        """Solo or unsolo a lane; solos add."""
        self._edit(lane_id, "Solo" if on else "Unsolo", lambda p: edits.set_soloed(p, lane_id, on))

    def solo_only(self, lane_id: str) -> None:
        """Solo this lane alone."""
        self._edit(lane_id, "Solo only", lambda p: edits.solo_only(p, lane_id))

    def clear_solo(self) -> None:
        """Take every solo off."""
        self.document.apply("Clear solo", edits.clear_solo)

    def unmute_all(self) -> None:
        """Unmute every stem; the song stays muted where they are."""
        self.document.apply("Unmute all", edits.unmute_all)

    def rename(self, lane_id: str, name: str) -> None:
        """Give a lane another name."""
        self._edit(lane_id, "Rename", lambda p: edits.rename(p, lane_id, name))

    def move_lane(self, lane_id: str, index: int) -> None:
        """Put a lane at another place."""
        self._edit(lane_id, "Move", lambda p: edits.move_lane(p, lane_id, index))

    def set_master_gain(self, gain: float) -> None:
        """Set the gain of the sum; a drag is one step."""
        self.document.apply("Master gain", lambda p: edits.set_master_gain(p, gain), "master gain")

    # Transport

    def play_pause(self) -> None:
        """Play if paused, pause if playing. What loops is played from its start unless the playhead stands in it."""
        if self.project.song is None:
            return
        if self.player.playing:
            self.player.pause()
        else:
            self._enter(self.player.loop)
            self.player.play()
        self.transport_changed.emit()

    def stop(self) -> None:
        """Stop, and go back to where the playhead was put; see `Player.stop`."""
        self.player.stop()
        self.transport_changed.emit()

    def seek(self, frame: int) -> None:
        """Go to a frame, held within the song."""
        self.player.seek(min(max(int(frame), 0), self.project.frames))
        self.transport_changed.emit()

    def set_looping(self, on: bool) -> None:
        """Loop the selection, or the whole song if nothing is selected."""
        self.looping = on
        self._loop()

    def hear_alone(self, on: bool) -> None:
        """Play what is selected of the current lane and nothing else, again and again; or everything again.

        Nothing if nothing is selected. What did not play before does not play after.
        """
        if on == self.alone or (on and self._part() is None):
            return
        self.alone = on
        self._loop()
        if on:
            self._began_alone = not self.player.playing
            if self._began_alone:
                self.play_pause()
            else:
                self._enter(self.selection)
        elif self._began_alone:
            self.player.pause()
            self.transport_changed.emit()

    def set_pace(self, speed: float | None = None, semitones: float | None = None) -> None:
        """Play slower or faster, higher or lower, held within what can be heard; None leaves it as it is."""
        speed = self.pace.speed if speed is None else min(max(round(speed, 2), SLOWEST), FASTEST)
        semitones = self.pace.semitones if semitones is None else min(max(round(semitones, 1), LOWEST), HIGHEST)
        self.pace = Pace(float(speed), float(semitones))
        self._loop()

    def set_selection(self, start: int, stop: int, band: Band | None = None) -> None:
        """Select the frames [start, stop), held within the song, in any order; an empty one clears.

        What is done to the selection is done to a band of it, if one is named.

        What was just selected is what will be played: unless something plays, the playhead goes to its start.
        """
        self._select(start, stop, band)
        if self.selection is not None and not self.player.playing:
            self.player.seek(self.selection[0])
        if self.alone:
            self._enter(self.selection)
        self._loop()

    def mark_start(self) -> None:
        """Begin the selection at the playhead; it reaches to where it ended, else to the end of the song."""
        at, end = self.player.position, self.project.frames
        self._select(at, self.selection[1] if self.selection and self.selection[1] > at else end, self.band)
        self._loop()

    def mark_stop(self) -> None:
        """End the selection at the playhead; it begins where it began, else at the start of the song."""
        at = self.player.position
        self._select(self.selection[0] if self.selection and self.selection[0] < at else 0, at, self.band)
        self._loop()

    def extend_to(self, frame: int) -> None:
        """Move the end of the selection that is nearer to a frame there; without one, select from the playhead."""
        self._select(far_edge(self.selection, frame, self.player.position), frame, self.band)
        self._loop()

    def clear_selection(self) -> None:
        """Select nothing."""
        self.selection = self.band = None
        self._loop()

    def audition(self, mix: Mix | None, loop: tuple[int, int] | None = None) -> None:
        """Let a panel be heard in the place of the project; None gives the project back."""
        self._audition = None if mix is None else (mix, loop)
        self._tell_player()

    def set_current_lane(self, lane_id: str | None) -> None:
        """Choose the lane that keys act on."""
        if lane_id != self.current_lane:
            self.current_lane = lane_id
            if self.alone:
                self._tell_player()
            self.transport_changed.emit()

    # Inside

    def _edit(self, lane_id: str, verb: str, change: Change, merge: str = "") -> None:
        if self.project.has_lane(lane_id):
            name = self.project.lane(lane_id).name
            self.document.apply(f"{verb} {name}", change, f"{merge} {lane_id}" if merge else "")

    def _select(self, start: int, stop: int, band: Band | None = None) -> None:
        start, stop = sorted((int(start), int(stop)))
        start, stop = max(start, 0), min(stop, self.project.frames)
        self.selection = (start, stop) if stop > start else None
        self.band = band if self.selection is not None else None

    def _loop(self) -> None:
        self._tell_player()
        self.transport_changed.emit()

    def _enter(self, span: tuple[int, int] | None) -> None:
        """Go to where a stretch begins, unless the playhead stands in it."""
        if span is not None and not span[0] <= self.player.position < span[1]:
            self.player.seek(span[0])

    def _part(self) -> tuple[Mix, tuple[int, int]] | None:
        """Return what is selected of the current lane, by itself, and when that is; None if nothing is."""
        lane, span = self.selected_lane, self.selection
        if lane is None or span is None:
            return None
        kept = cutting.keep(self.project, lane.id, *span, self.band)
        return edits.solo_only(kept, lane.id).mix(), span

    def _tell_player(self) -> None:
        whole = (0, self.project.frames)
        loop = (self.selection or whole) if self.looping and self.project.frames else None
        alone = self._part() if self.alone else None
        self.alone = alone is not None
        self.player.mix, self.player.loop = self._audition or alone or (self.project.mix(), loop)
        # Methods are compared as they are.
        self.player.pace = Pace() if self._audition else self.pace

    def _rewind(self) -> None:
        self.player.pause()
        self.player.seek(0)
        self.selection = self.band = None
        self.pace = Pace()

    def _document_changed(self) -> None:
        project = self.project
        if self.selection is not None and self.selection[1] > project.frames:
            self.selection = self.band = None
        self._loop()
        if self.current_lane is None or not project.has_lane(self.current_lane):
            self.set_current_lane(project.lanes[0].id if project.lanes else None)
        self.changed.emit()


def far_edge(selection: tuple[int, int] | None, frame: int, playhead: int) -> int:
    """Return what stays in place when a selection is extended to a frame: its farther edge, else the playhead."""
    if selection is None:
        return playhead
    start, stop = selection
    return stop if abs(frame - start) < abs(frame - stop) else start
