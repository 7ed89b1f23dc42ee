"""The window: what stands where, and which signal goes to which verb."""

from __future__ import annotations

import itertools
from pathlib import Path

from PySide6.QtCore import QByteArray, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QKeyEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from stemeditor.app.actions import Actions, takes_text
from stemeditor.app.asking import CLOSE, EXPORT, ask_close, ask_time
from stemeditor.app.controller import Controller
from stemeditor.app.job_state import ExportQuestion
from stemeditor.app.lanes.controls import ValueSlider
from stemeditor.app.lanes.lane_list import LaneList
from stemeditor.app.lanes.overview import Overview, SongName
from stemeditor.app.menus import Menus
from stemeditor.app.messages import INFO, Notice
from stemeditor.app.panels.jobs import NoticeBar, StatusBar
from stemeditor.app.panels.welcome import Welcome
from stemeditor.app.theme import Theme
from stemeditor.app.toolbar import Toolbar
from stemeditor.app.viewport import Follower, Viewport

_PLAYING_MS = 16
_IDLE_MS = 120
_SETTLED_MS = 400


class Window(QMainWindow):
    """The one window of the program.

    Parameters
    ----------
    controller
        Whose verbs it calls, and whose state it shows.
    theme
        Colours to begin with; `set_theme` changes them.
    """

    theme_wanted = Signal()
    """The system's colours changed."""

    def __init__(self, controller: Controller, theme: Theme) -> None:
        super().__init__()
        self.controller: Controller = controller
        self.viewport: Viewport = Viewport()
        self._follower = Follower(self.viewport)
        self._playing = False
        self._seen = (True, 1.0)
        self._tabs: list[QWidget] = []
        self._may_go = False
        self._theme = theme
        self.actions_ = Actions(self, self)
        self.lanes: LaneList = LaneList(theme, self.viewport, controller.paint)
        self.overview = Overview(theme, self.viewport)
        self.toolbar = Toolbar(theme, self.actions_)
        self.transport, self.master = self.toolbar.transport, self.toolbar.master
        self.status = StatusBar(theme)
        self.status.add_zooms(self.actions_)
        self.welcome = Welcome(theme, controller.settings)
        self.setMinimumSize(900, 560)
        self.resize(1280, 800)
        self.setAcceptDrops(True)
        self._arrange()
        self.menus = Menus(self.menuBar(), self.actions_, controller.settings)
        self.notices = NoticeBar(theme, self)
        self._connect()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._poll)
        self._timer.start(_IDLE_MS)
        self.set_theme(theme)
        self._restore()
        self.setFocus()
        self._show_project()
        self._show_jobs()
        # Before anything plays: what starts later takes the time from it.
        QTimer.singleShot(_SETTLED_MS, self, self._warm)

    # Verbs that need a dialog

    def ask_open(self) -> None:
        """Let the user choose a song."""
        from stemeditor.audio.files import OPENABLE

        recent = self.controller.settings.names("recent_files")
        folder = str(Path(recent[0]).parent) if recent else ""
        kinds = " ".join(f"*{ending}" for ending in OPENABLE)
        path, _ = QFileDialog.getOpenFileName(self, "Open a song", folder, f"Sound and video ({kinds});;All files (*)")
        if path:
            self.controller.open(Path(path))

    def separate(self) -> None:
        """Take the song apart with the method that was chosen last."""
        self.controller.separate(self.controller.settings.text("method"))

    def _warm(self) -> None:
        """Start what computes the chosen method, or the one that is used while none was chosen."""
        if self.controller.closed:
            return
        from stemeditor.jobs.models import warm
        from stemeditor.jobs.pool import NET

        self.controller.paint(warm, self.controller.settings.text("method"), queue=NET)

    def ask_separate(self) -> None:
        """Show the methods."""
        from stemeditor.app.panels.separate import SeparateDialog

        SeparateDialog(self.controller, self).exec()

    def ask_models(self) -> None:
        """Show the networks of others."""
        from stemeditor.app.panels.models import ModelsDialog

        ModelsDialog(self.controller, self).exec()

    def ask_compare(self) -> None:
        """Show methods side by side."""
        from stemeditor.app.panels.compare import CompareDialog

        CompareDialog(self.controller, self._theme, self).exec()

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
        """Get out of the nearest thing: a slider, a message, the selection, the newest job; one at a time."""
        if isinstance(QApplication.focusWidget(), ValueSlider):
            self.setFocus()
        elif self.notices.isVisible():
            self.notices.hide()
            self.controller.dismiss_failed()
        elif self.controller.dismiss_failed():
            pass
        elif self.controller.selection is not None:
            self.controller.clear_selection()
        else:
            self.controller.cancel_newest()

    def toggle_full_screen(self) -> None:
        """Fill the screen, or no longer."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def set_theme(self, theme: Theme) -> None:
        """Take other colours everywhere."""
        self._theme = theme
        for part in (self.lanes, self.overview, self.toolbar, self.status, self.welcome, self.notices):
            part.set_theme(theme)

    @Slot()
    def system_theme_changed(self) -> None:
        """Pass on that the system's colours changed."""
        self.theme_wanted.emit()

    @Slot()
    def show_output(self) -> None:
        """Show where sound goes; called when that changes."""
        status = self.controller.output.status
        self.status.output.setText(status.text)

    # Events

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: D102
        if _files(event):
            event.acceptProposedAction()
            self.welcome.set_dropping(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: D102
        self.welcome.set_dropping(False)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: D102
        self.welcome.set_dropping(False)
        files = _files(event)
        if not files:
            return
        event.acceptProposedAction()
        self.controller.open(files[0])
        if len(files) > 1:
            text = f"One song at a time: “{files[0].name}” is opened, the other {len(files) - 1} are not."
            self.controller.notice(Notice(INFO, text))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        if self.notices.isVisible():
            self.notices.place()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        # What has the keyboard and does not want the key passes it on to here. Space belongs to playing.
        button = QApplication.focusWidget()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and isinstance(button, QAbstractButton):
            button.click()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: D102
        answer = CLOSE if self._may_go or self.controller.closed else ask_close(self.controller, self)
        if answer != CLOSE:
            event.ignore()
            if answer == EXPORT:
                self.ask_export()
            return
        geometry = bytes(self.saveGeometry().toBase64().data()).decode("ascii")
        self.controller.settings.set("window_geometry", geometry)
        self._timer.stop()
        self.controller.close()
        event.accept()

    # Building

    def _arrange(self) -> None:
        song = QWidget()
        column = QVBoxLayout(song)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(self._head())
        column.addWidget(self.lanes, 1)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.welcome)
        self._pages.addWidget(song)
        root = QWidget()
        root.setObjectName("root")
        whole = QVBoxLayout(root)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.toolbar)
        whole.addWidget(self._pages, 1)
        whole.addWidget(self.status)
        self.setCentralWidget(root)

    def _head(self) -> QHBoxLayout:
        """Return the overview, in line with the lanes below, and the name of the song beside it."""
        self._name = SongName()
        beside = QWidget()
        beside.setFixedWidth(0)
        self.lanes.margin_changed.connect(beside.setFixedWidth)
        head = QHBoxLayout()
        head.setSpacing(0)
        head.addWidget(self._name)
        head.addWidget(self.overview, 1)
        head.addWidget(beside)
        return head

    def _connect(self) -> None:
        controller, lanes = self.controller, self.lanes
        controller.changed.connect(self._show_project)
        controller.grown.connect(self._grown)
        controller.jobs_changed.connect(self._show_jobs)
        controller.noticed.connect(self.notices.show_notice)
        controller.transport_changed.connect(self._show_transport)
        controller.asked.connect(self._ask)
        lanes.gain_changed.connect(controller.set_gain)
        lanes.pan_changed.connect(controller.set_pan)
        lanes.drag_ended.connect(controller.end_drag)
        lanes.mute_changed.connect(controller.set_muted)
        lanes.solo_changed.connect(controller.set_soloed)
        lanes.solo_only_requested.connect(controller.solo_only)
        lanes.renamed.connect(controller.rename)
        lanes.moved.connect(controller.move_lane)
        lanes.seek_requested.connect(controller.seek)
        lanes.selection_changed.connect(controller.set_selection)
        lanes.selection_cleared.connect(controller.clear_selection)
        lanes.current_changed.connect(controller.set_current_lane)
        lanes.method_requested.connect(self.actions_["method"].trigger)
        lanes.menu_requested.connect(self.menus.show_lane_menu)
        self.menus.chosen.connect(controller.open)
        self.viewport.listen(self._viewport_moved)
        self.transport.time.clicked.connect(self.actions_["go_to"].trigger)
        self.overview.seek_requested.connect(controller.seek)
        self.master.gain.edited.connect(controller.set_master_gain)
        self.master.gain.released.connect(controller.end_drag)
        self.master.clip.reset.connect(controller.player.reset_clip)
        self.status.cancelled.connect(controller.cancel_job)
        self.status.dismissed.connect(controller.dismiss_job)
        self.welcome.open_requested.connect(self.actions_["open"].trigger)
        self.welcome.demo_requested.connect(self.actions_["demo"].trigger)
        self.welcome.chosen.connect(controller.open)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._focus_changed)

    # Showing

    def _show_project(self) -> None:
        project = self.controller.project
        self.viewport.set_song(project.frames, project.song.id if project.song else "")
        self._pages.setCurrentIndex(0 if project.song is None else 1)
        if project.song is None:
            self.welcome.refresh()
        self.lanes.show_project(project)
        self.overview.show_project(project)
        self.master.show_gain(project.master_gain)
        title = project.song.title if project.song else ""
        self.setWindowTitle(f"{title} – stemeditor" if title else "stemeditor")
        self._name.show_song(project.song)
        self._order_tabs()
        self._show_transport()

    def _order_tabs(self) -> None:
        """Let Tab go through the window as the eye does."""
        ids = [lane.id for lane in self.controller.project.lanes]
        welcome = self.welcome
        tabs = [*self.toolbar.stops(), welcome.open, welcome.demo, welcome.recent, *self.lanes.stops(ids)]
        tabs += self.status.stops()
        if tabs != self._tabs:
            self._tabs = tabs
            for before, after in itertools.pairwise(tabs):
                QWidget.setTabOrder(before, after)

    def _viewport_moved(self) -> None:
        seen = (self.viewport.whole, self.viewport.magnification)
        if seen != self._seen:
            self._seen = seen
            self.actions_.refresh()

    def _show_transport(self) -> None:
        controller = self.controller
        self.transport.show_state(controller.player.playing, controller.looping)
        self.lanes.set_selection(controller.selection, controller.looping)
        self.overview.set_selection(controller.selection)
        self.lanes.set_current(controller.current_lane)
        self.actions_.refresh()
        self.status.idle.show_text(self._idle_text())
        self._poll()

    def _show_jobs(self) -> None:
        self.status.show_jobs(self.controller.jobs)
        self.actions_.refresh()
        self.toolbar.show_separating(self.controller.separating)

    def _grown(self, lane_ids: tuple[str, ...]) -> None:
        self.lanes.grown(lane_ids)
        self.overview.update()

    def _idle_text(self) -> str:
        project = self.controller.project
        if project.song is None:
            return "Ready"
        audio = project.song.sound.audio
        kind = "mono" if audio.channels == 1 else "stereo"
        words = f"{project.song.path.name}  ·  {audio.rate / 1000:g} kHz {kind}"
        if self.controller.selection is not None:
            start, stop = self.controller.selection
            words += f"  ·  selected {(stop - start) / audio.rate:.2f} s"
        return words

    def _poll(self) -> None:
        """Bring playhead, clock and meters to where the sound is; called at display rate while something moves."""
        controller = self.controller
        playing = controller.player.playing
        if playing != self._timer_fast():
            self.transport.show_state(playing, controller.looping)
        rate, frames = controller.project.rate, controller.project.frames
        frame = min(controller.output.heard_position() if playing else controller.player.position, frames)
        self.transport.show_time(frame / rate, frames / rate)
        if playing and not self._playing:
            self._follower.restart()
        self._playing = playing
        if playing and controller.settings.flag("follow_playhead"):
            self._follower.follow(frame)
        self.lanes.set_playhead(frame)
        self.overview.set_playhead(frame)
        meters = controller.player.meters()
        moving = self.lanes.set_meters(meters.strips if playing else {})
        self.master.meter.show_levels(meters.master if playing else None)
        self.master.clip.show_clip(meters.clipped)
        wanted = _PLAYING_MS if playing or moving or not self.master.meter.quiet else _IDLE_MS
        if self._timer.interval() != wanted and not controller.closed:
            self._timer.setInterval(wanted)

    def _timer_fast(self) -> bool:
        return self._timer.interval() == _PLAYING_MS

    def _ask(self, question: ExportQuestion) -> None:
        from stemeditor.app.panels.export import ask_export

        request = ask_export(question, self)
        if request is not None:
            self.controller.export(request)

    def _focus_changed(self, old: QObject | None, new: QObject | None) -> None:
        self.actions_.suspend(takes_text(new if isinstance(new, QWidget) else None))

    def _restore(self) -> None:
        geometry = self.controller.settings.text("window_geometry")
        if geometry:
            self.restoreGeometry(QByteArray.fromBase64(geometry.encode("ascii")))


def _files(event: QDragEnterEvent | QDropEvent) -> list[Path]:
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
