"""The verbs of the program that take long: opening, separating, exporting. No widgets in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal

from stemeditor import paths
from stemeditor.app.audio_out import AudioOut
from stemeditor.app.filing import Filing
from stemeditor.app.job_state import ExportQuestion
from stemeditor.app.messages import INFO, WARNING, Notice
from stemeditor.app.recovery import Recovery
from stemeditor.app.relay import Relay
from stemeditor.app.scissors import Scissors
from stemeditor.app.workshop import Workshop, ignore
from stemeditor.errors import UserError
from stemeditor.jobs.job import Job
from stemeditor.jobs.pool import COMPUTE, DISK, Pool
from stemeditor.methods.base import ParamValue, Remark
from stemeditor.mixing.player import Player
from stemeditor.project import cutting, edits
from stemeditor.project.document import Document
from stemeditor.project.model import Project, Song
from stemeditor.settings import Settings

if TYPE_CHECKING:
    from stemeditor.jobs.projects import ProjectFile
    from stemeditor.jobs.rescue import Leftover
    from stemeditor.jobs.tasks import SeparateRequest

RECENT_FILES = 10


class Controller(Workshop):
    """What a person can do, as methods. Main thread only.

    Every verb returns at once. What takes long runs in the background (`workshop`), on a frozen request.
    """

    grown = Signal(object)
    """(tuple of lane ids): more of their sound is final."""
    asked = Signal(object)
    """(ExportQuestion)"""

    def __init__(
        self,
        document: Document,
        player: Player,
        output: AudioOut,
        settings: Settings,
        relay: Relay,
        pool: Pool,
        cache_folder: Path,
    ) -> None:
        super().__init__(document, player, relay, pool)
        self.output = output
        self.settings = settings
        self.cache_folder = cache_folder
        self._opening: Job | None = None
        self._separation: Job | None = None
        self._separate_request: SeparateRequest | None = None
        self._written: set[str] = set()
        self.scissors = Scissors(self)
        self.filing = Filing(self)
        self.recovery = Recovery(self, paths.data_folder() / "unsaved")

    # Asking

    @property
    def opening(self) -> bool:
        """Whether a song is being read."""
        return self._opening is not None

    @property
    def separating(self) -> bool:
        """Whether a song is being taken apart."""
        return self._separation is not None

    @property
    def can_separate(self) -> bool:
        """Whether there is a song and nothing else is being done to it."""
        return self.document.base.song is not None and not self.separating and not self.opening

    @property
    def can_undo(self) -> bool:
        """Whether undo takes a step back; not to another song while this one is taken apart."""
        return super().can_undo and not (self.separating and self.document.undo_changes_song)

    @property
    def can_redo(self) -> bool:
        """Whether redo brings a step back; not to another song while this one is taken apart."""
        return super().can_redo and not (self.separating and self.document.redo_changes_song)

    def was_exported(self, project: Project) -> bool:
        """Whether stems of a project, as they are now, were written to files."""
        return any(lane.id in self._written for lane in project.stems)

    def estimate_s(self, method: str, params: Mapping[str, ParamValue] | None = None) -> float | None:
        """Return about how long a method takes for this song, in seconds; None without a song.

        Measured if the method ever ran on this machine, else from what it says of itself.
        """
        from stemeditor.jobs import speeds
        from stemeditor.methods import registry

        song = self.document.base.song
        if song is None:
            return None
        return song.sound.audio.duration_s / speeds.speed(registry.info(method), params or {})

    # Songs

    def open(self, path: Path, leftover: Leftover | None = None) -> None:
        """Read a song or a project. What is open stays until the new one is there whole.

        Parameters
        ----------
        path
            The file.
        leftover
            What the file is, if an earlier run of the program left it: the user knows nothing of it.
        """
        from stemeditor.jobs.projects import open_any
        from stemeditor.jobs.tasks import OpenRequest

        if self._opening is not None:
            self.cancel_job(self._opening.id)
        self.recovery.give_way()
        request = OpenRequest(path, self.cache_folder)
        title = leftover.title if leftover else path.name

        def opened(result: Song | ProjectFile) -> None:
            self._opened(result, leftover)

        self._opening = self._start(DISK, title, open_any, request, request.song_id, self._open_posted, opened)

    def open_demo(self) -> None:
        """Read the song that is shipped."""
        self.open(paths.resource("demo", "demo.flac"))

    def close_song(self) -> None:
        """Close the song; undo opens it again."""
        if self._opening is not None:
            self.cancel_job(self._opening.id)
        if self.document.base.song is None:
            return
        left = self._leave_separation()
        self._rewind()
        self.document.apply("Close song", lambda project: Project())
        if left is not None:
            self.noticed.emit(left)

    def go_back_to(self, song: Song) -> bool:
        """Undo, or redo, until a song is there again; whether it is. What is on its way is stopped."""
        self.cancel_separation()
        if self._opening is not None:
            self.cancel_job(self._opening.id)

        def there() -> bool:
            return self.project.song is not None and self.project.song.id == song.id

        while self.can_undo and not there():
            self.undo()
        while self.can_redo and not there():
            self.redo()
        return there()

    def separate(self, method: str = "", params: Mapping[str, ParamValue] | None = None) -> None:
        """Take the song apart with a method of the registry; the default one if none is named.

        Parameters
        ----------
        method
            Its key.
        params
            What to set on it, remembered for the next time; what was set last if None.
        """
        from stemeditor.app.remembered import remember, remembered
        from stemeditor.jobs.tasks import SeparateRequest, separate_song
        from stemeditor.methods import registry

        song = self.document.base.song
        if song is None or not self.can_separate:
            return
        key = method or registry.default()
        if params is None:
            params = remembered(self.settings, registry.info(key)) if self.settings.text("parameters") else {}
        else:
            remember(self.settings, registry.info(key), params)
        request = self._separate_request = SeparateRequest(song, key, dict(params), self.cache_folder)
        self._separation = self._start(
            COMPUTE, song.title, separate_song, request, song.id, self._separation_posted, self._separated
        )
        # Only now is it known what the job is: what can be done meanwhile is other.
        self.jobs_changed.emit()

    def cancel_separation(self) -> None:
        """Stop taking the song apart; what was there before comes back at once."""
        if self._separation is not None:
            self.cancel_job(self._separation.id)

    def export(self, request: Any) -> None:
        """Write files (an `ExportRequest`). If it needs the user's word, `asked` says so and nothing was written."""
        from stemeditor.jobs.export import FilesExist, TooLoud, export_stems

        def needs_word(error: UserError) -> bool:
            if isinstance(error, (TooLoud, FilesExist)):
                self.asked.emit(ExportQuestion(request, error))
                return True
            return False

        stems = {lane.id for lane in self.document.base.stems}

        def written(result: Any) -> None:
            self._written |= stems
            self._exported(result)

        self.recovery.give_way()
        title = f"Export {request.song.title}"
        self._start(DISK, title, export_stems, request, request.song.id, ignore, written, needs_word)

    def remember_file(self, path: Path) -> None:
        """Note that a song or project was open lately."""
        names = [str(path), *self.settings.names("recent_files")]
        self.settings.set("recent_files", list(dict.fromkeys(names))[:RECENT_FILES])

    def close(self) -> None:
        """End everything in the background; harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        self._relay.close()
        self.player.pause()
        self.pool.close()
        self.recovery.close()
        self.output.close()

    # Inside

    def _forget(self, job: Job) -> None:
        """Drop what a job that is over left half done."""
        if job is self._opening:
            self._opening = None
            if not self.separating:
                self.document.drop_preview()
        elif job is self._separation:
            self._separation = None
            self.document.drop_preview()

    def _open_posted(self, piece: object) -> None:
        from stemeditor.jobs.tasks import SongGrowing

        if isinstance(piece, SongGrowing):
            if not self.separating:
                self._rewind()
                self.document.begin_preview(edits.open_song(piece.song), lambda base, preview: preview)
        elif self.opening and not self.separating:
            self.grown.emit(tuple(lane.id for lane in self.project.lanes))

    def _opened(self, opened: Song | ProjectFile, leftover: Leftover | None) -> None:
        left = self._leave_separation()
        if isinstance(opened, Song):
            song, path, notice = opened, opened.path, opened.notice
            if self.document.previewing:
                self.document.commit_preview("Open song", lambda preview: _with_song(preview, song))
            else:
                self._rewind()
                self.document.apply("Open song", lambda project: edits.open_song(song))
        else:
            path, notice = opened.path, self._opened_project(opened, leftover)
        self._opening = None
        self.dismiss_failed()
        if leftover is None:
            self.remember_file(path)
        if notice:
            self.noticed.emit(Notice(WARNING, notice))
        if left is not None:
            self.noticed.emit(left)
        if self.settings.flag("separate_on_open") and not self.document.base.stems:
            self.separate(self.settings.text("method"))

    def _opened_project(self, opened: ProjectFile, leftover: Leftover | None) -> str:
        """Show a project as it was left; return what the user should know of it, or ""."""
        kept = opened.kept
        self._rewind()
        self.document.apply("Open project", lambda project: kept.project)
        if leftover is None:
            self.document.note_saved(kept.project, opened.path)
        else:
            self.document.note_unsaved(leftover.path)
            self.recovery.opened(leftover)
        self.go_to_place(kept.place)
        if not kept.damaged:
            return ""
        names = ", ".join(f"“{name}”" for name in kept.damaged)
        name = leftover.title if leftover else opened.path.name
        return f"“{name}” is damaged: parts of {names} could not be read and are silent."

    def _leave_separation(self) -> Notice | None:
        """Stop taking apart a song that goes; return an offer to come back to it."""
        request = self._separate_request
        if not self.separating or request is None:
            return None
        self.cancel_separation()

        def go_back() -> None:
            if self.go_back_to(request.song):
                self.separate(request.method, request.params)

        text = f"“{request.song.title}” was still being taken apart; that was stopped."
        hint = "What is done is kept: it goes on where it was."
        return Notice(WARNING, text, hint, offer=("Go back to it", go_back))

    def _separation_posted(self, piece: object) -> None:
        from stemeditor.jobs.tasks import Grown, StemsGrowing

        if isinstance(piece, StemsGrowing):
            name = piece.method.name
            stems = cutting.carried(self.document.base, edits.carry_over(self.document.base, piece.lanes))
            state = edits.add_stems(self.document.base, stems, name)
            self.document.begin_preview(
                replace(state, filled=0),
                lambda base, preview: replace(edits.add_stems(base, preview.stems, name), filled=preview.filled),
            )
        elif isinstance(piece, Grown):
            self.document.update_preview(lambda preview: replace(preview, filled=piece.filled))
            self.grown.emit(piece.lane_ids)
        elif isinstance(piece, Remark):
            self.noticed.emit(Notice(WARNING, piece.text))

    def _separated(self, result: Any) -> None:
        self._separation = None
        before = self.document.base

        def finish(preview: Project) -> Project:
            new = tuple(lane for lane in result.lanes if not preview.has_lane(lane.id))
            return replace(preview, lanes=preview.lanes + edits.carry_over(before, new), filled=None)

        self.document.commit_preview(f"Separate with {result.method.name}", finish)

    def _exported(self, result: Any) -> None:
        count = len(result.files)
        folder = result.files[0].path.parent
        what = f"“{result.files[0].path.name}”" if count == 1 else f"{count} files"
        down = f" Everything was turned down alike to {result.gain:.2f}." if result.gain != 1.0 else ""
        self.noticed.emit(Notice(INFO, f"{what} written to {folder.name or folder}.{down}", folder=folder))


def _with_song(preview: Project, song: Song) -> Project:
    """Put the finished song in the place of the growing one; the strip settings stay."""
    lanes = tuple(replace(lane, sound=song.sound) for lane in preview.lanes)
    return replace(preview, song=song, lanes=lanes)
