"""What the window does when it is asked, mostly by showing a dialog; what it looks like stands in `window`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QMainWindow

from stemeditor.app.asking import BRING_BACK, LATER, ask_leftover, ask_save_as, ask_time
from stemeditor.app.controller import Controller
from stemeditor.app.lanes.controls import ValueSlider
from stemeditor.app.lanes.lane_list import LaneList
from stemeditor.app.panels.jobs import NoticeBar
from stemeditor.app.panels.pace import PacePanel
from stemeditor.app.panels.transport import Transport
from stemeditor.app.theme import Theme
from stemeditor.app.viewport import Follower, Viewport


class Verbs(QMainWindow):
    """The verbs of the table of actions, as far as they are the window's."""

    controller: Controller
    viewport: Viewport
    lanes: LaneList
    notices: NoticeBar
    transport: Transport
    pace: PacePanel
    _follower: Follower
    _theme: Theme
    _may_go = False
    """Whether the window closes without asking."""

    def ask_open(self) -> None:
        """Let the user choose a song or a project."""
        from stemeditor.audio.files import OPENABLE
        from stemeditor.project.storage import ENDING

        recent = self.controller.settings.names("recent_files")
        folder = str(Path(recent[0]).parent) if recent else ""
        sounds = " ".join(f"*{ending}" for ending in OPENABLE)
        kinds = f"Songs and projects ({sounds} *{ENDING});;Projects (*{ENDING});;All files (*)"
        path, _ = QFileDialog.getOpenFileName(self, "Open a song or a project", folder, kinds)
        if path:
            self.controller.open(Path(path))

    def ask_leftovers(self) -> bool:
        """Ask about what earlier runs of the program did not come to save; whether some of it is opened."""
        recovery = self.controller.recovery
        for leftover in recovery.leftovers():
            answer = ask_leftover(leftover, self)
            if answer == BRING_BACK:
                recovery.bring_back(leftover)
                return True
            if answer == LATER:
                break
            recovery.discard(leftover)
        return False

    def separate(self) -> None:
        """Take the song apart with the method that was chosen last."""
        self.controller.separate(self.controller.settings.text("method"))

    def ask_separate(self) -> None:
        """Show the methods."""
        from stemeditor.app.panels.separate import SeparateDialog

        SeparateDialog(self.controller, self).exec()

    def ask_models(self) -> None:
        """Show the networks of others."""
        from stemeditor.app.panels.models import ModelsDialog

        ModelsDialog(self.controller, self).exec()

    def ask_train(self) -> None:
        """Show what networks can be trained."""
        from stemeditor.app.panels.train import TrainDialog

        TrainDialog(self.controller, self._theme, self).exec()

    def ask_compare(self) -> None:
        """Show methods side by side."""
        from stemeditor.app.panels.compare import CompareDialog

        CompareDialog(self.controller, self._theme, self).exec()

    def save(self, then: Callable[[], object] | None = None) -> None:
        """Save the project, into a file of the user's choice if it has none; `then()` follows once it is written."""
        if self.controller.filing.path is None:
            self.ask_save_as(then)
        else:
            self.controller.filing.save(then=then)

    def ask_save_as(self, then: Callable[[], object] | None = None) -> None:
        """Save the project into a file of the user's choice."""
        song, filing = self.controller.document.base.song, self.controller.filing
        path = ask_save_as(song, filing.path, self) if song is not None else None
        if path is not None:
            filing.save(path, then)

    def ask_export(self) -> None:
        """Show what can be written."""
        from stemeditor.app.panels.export import ExportDialog

        if self.controller.document.base.song is not None:
            ExportDialog(self.controller, self).exec()

    def ask_export_lane(self) -> None:
        """Show how the current lane can be written."""
        from stemeditor.app.panels.export import ExportDialog

        if self.controller.document.base.stems:
            dialog = ExportDialog(self.controller, self)
            dialog.stems.setChecked(True)
            for item in (dialog.lanes.item(row) for row in range(dialog.lanes.count())):
                chosen = item.data(Qt.ItemDataRole.UserRole) == self.controller.current_lane
                item.setCheckState(Qt.CheckState.Checked if chosen else Qt.CheckState.Unchecked)
            dialog.exec()

    def ask_time(self) -> None:
        """Let the user say where to go."""
        rate = self.controller.project.rate
        seconds = ask_time(self.controller.player.position / rate, self)
        if seconds is not None:
            self.go_to(round(seconds * rate))

    def ask_settings(self) -> None:
        """Show the settings."""
        from stemeditor.app.panels.settings import SettingsDialog

        SettingsDialog(self.controller.settings, self.controller.output, self).exec()

    def show_shortcuts(self) -> None:
        """Show all keys."""
        from stemeditor.app.panels.settings import ShortcutsDialog

        ShortcutsDialog(self).exec()

    def show_about(self) -> None:
        """Show version and licences."""
        from stemeditor.app.panels.settings import AboutDialog

        AboutDialog(self).exec()

    def select_all(self) -> None:
        """Select the whole song."""
        self.controller.set_selection(0, self.controller.project.frames)

    def go_to(self, frame: int) -> None:
        """Put the playhead somewhere, and show it."""
        self.controller.seek(frame)
        self._follower.go(self.controller.player.position)

    def show_pace(self) -> None:
        """Show how fast, and how high, it is played."""
        self.pace.open_below(self.transport.pace)

    def close_song(self) -> None:
        """Close the song; the window if there is none."""
        if self.controller.project.song is None and not self.controller.opening:
            self.close()
        else:
            self.controller.close_song()

    def close_unasked(self) -> None:
        """Close the window, whatever is lost: the program ends."""
        self._may_go = True
        self.close()

    def escape(self) -> None:
        """Get out of the nearest thing, one at a time: a slider, a message, hearing a part, the selection, a job."""
        if isinstance(QApplication.focusWidget(), ValueSlider):
            self.setFocus()
        elif self.notices.isVisible():
            self.notices.hide()
            self.controller.dismiss_failed()
        elif self.controller.dismiss_failed():
            pass
        elif self.controller.alone:
            self.controller.hear_alone(False)
        elif self.controller.selection is not None:
            self.controller.clear_selection()
        else:
            self.controller.cancel_newest()

    def toggle_full_screen(self) -> None:
        """Fill the screen, or no longer."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)
