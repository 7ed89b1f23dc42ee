"""The verbs that act on what is selected of the current lane: cutting, copying, fading, moving. No widgets in here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from stemeditor.app.desk import Desk
from stemeditor.audio.band import Band
from stemeditor.audio.levels import gain
from stemeditor.project import cutting
from stemeditor.project.document import Change
from stemeditor.project.model import SONG_ROLE, Lane

_Cut: TypeAlias = Callable[[str, tuple[int, int], Band | None], Change]
"""(lane id, (start, stop), band) -> what is done to the project."""


class Scissors:
    """What can be done to the selected stretch of the current lane. Main thread only.

    Every verb does nothing where there is nothing to do it to.

    Parameters
    ----------
    desk
        Whose selection and current lane are meant.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._clip: tuple[str, cutting.Clip] | None = None
        """What was copied, and from which song."""

    @property
    def edited(self) -> bool:
        """Whether what is selected is other than it was before it was edited."""
        lane, span = self._desk.selected_lane, self._desk.selection
        return lane is not None and span is not None and cutting.edited(lane, *span)

    @property
    def can_paste(self) -> bool:
        """Whether something was copied that belongs to this song, and there is a lane to put it on."""
        song, lane = self._desk.project.song, self._desk.current_lane
        return self._clip is not None and song is not None and lane is not None and self._clip[0] == song.id

    @property
    def others(self) -> tuple[Lane, ...]:
        """The lanes that what is selected can be moved to: none from the song, and not to it."""
        lane = self._desk.selected_lane
        if lane is None or lane.role == SONG_ROLE:
            return ()
        return tuple(other for other in self._desk.project.stems if other.id != lane.id)

    def silence(self) -> None:
        """Silence what is selected."""
        self._do("Silence a part of", lambda lane, span, band: lambda p: cutting.silence(p, lane, *span, band))

    def keep(self) -> None:
        """Silence everything else of the lane."""
        self._do("Keep a part of", lambda lane, span, band: lambda p: cutting.keep(p, lane, *span, band))

    def amplify(self, by_db: float) -> None:
        """Make what is selected louder, or softer; several steps after each other are one."""
        factor = gain(by_db)
        verb = "Louder part of" if by_db > 0 else "Softer part of"
        self._do(verb, lambda lane, span, band: lambda p: cutting.amplify(p, lane, *span, factor, band), "amplify")

    def fade(self, out: bool) -> None:
        """Let the lane come, or go, over what is selected."""
        verb = "Fade out" if out else "Fade in"
        self._do(verb, lambda lane, span, band: lambda p: cutting.fade(p, lane, *span, out, band))

    def restore(self) -> None:
        """Bring back what was there before it was edited."""
        self._do("Restore a part of", lambda lane, span, band: lambda p: cutting.restore(p, lane, *span, band))

    def transfer(self, other_id: str) -> None:
        """Move what is selected to another lane; together they sound as before."""
        if other_id in [other.id for other in self.others]:
            name = self._desk.project.lane(other_id).name
            self._do(
                f"Move to {name} from",
                lambda lane, span, band: lambda p: cutting.transfer(p, lane, other_id, *span, band),
            )

    def copy(self) -> None:
        """Keep what is selected, to be pasted."""
        lane, span, project = self._desk.selected_lane, self._desk.selection, self._desk.project
        if lane is not None and span is not None and project.song is not None:
            self._clip = (project.song.id, cutting.copy(project, lane.id, *span, self._desk.band))
            self._desk.transport_changed.emit()

    def cut(self) -> None:
        """Copy what is selected, and silence it."""
        self.copy()
        self._do("Cut a part of", lambda lane, span, band: lambda p: cutting.silence(p, lane, *span, band))

    def paste(self) -> None:
        """Put what was copied on the current lane, from the selection or the playhead on, and go to its end."""
        desk = self._desk
        if not self.can_paste or self._clip is None or desk.current_lane is None:
            return
        clip, lane_id = self._clip[1], desk.current_lane
        at = desk.selection[0] if desk.selection else desk.player.position
        name = desk.project.lane(lane_id).name
        desk.document.apply(f"Paste to {name}", lambda p: cutting.paste(p, lane_id, at, clip))
        desk.clear_selection()
        if not desk.player.playing:
            desk.seek(at + clip.frames)

    def _do(self, verb: str, change: _Cut, merge: str = "") -> None:
        lane, span = self._desk.selected_lane, self._desk.selection
        if lane is not None and span is not None:
            band = self._desk.band
            key = f"{merge} {lane.id} {span} {band}" if merge else ""
            self._desk.document.apply(f"{verb} {lane.name}", change(lane.id, span, band), key)
