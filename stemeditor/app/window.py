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
    QHBoxLayout,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from stemeditor.app.actions import Actions, takes_text
from stemeditor.app.asking import CLOSE, EXPORT, GO_BACK, SAVE, ask_close
from stemeditor.app.controller import Controller
from stemeditor.app.job_state import ExportQuestion
from stemeditor.app.lanes.lane_header import SPECTROGRAM
from stemeditor.app.lanes.lane_list import LaneList
from stemeditor.app.lanes.overview import Overview, SongName
from stemeditor.app.lanes.spectrogram import band_text
from stemeditor.app.menus import Menus
from stemeditor.app.messages import INFO, Notice
from stemeditor.app.panels.jobs import NoticeBar, StatusBar
from stemeditor.app.panels.pace import PacePanel, pace_words
from stemeditor.app.panels.welcome import Welcome
from stemeditor.app.theme import Theme
from stemeditor.app.toolbar import Toolbar
from stemeditor.app.verbs import Verbs
from stemeditor.app.viewport import Follower, Viewport
from stemeditor.project.model import Lane

_PLAYING_MS = 16
_IDLE_MS = 120
_SETTLED_MS = 400


class Window(Verbs):
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
        self.controller = controller
        self.viewport = Viewport()
        self._follower = Follower(self.viewport)
        self._playing = False
        self._seen = (True, 1.0)
        self._tabs: list[QWidget] = []
        self._may_go = False
        self._theme = theme
        self.actions_ = Actions(self, self)
        self.lanes = LaneList(theme, self.viewport, controller.paint)
        self.overview = Overview(theme, self.viewport)
        self.toolbar = Toolbar(theme, self.actions_)
        self.transport, self.master = self.toolbar.transport, self.toolbar.master
        self.pace = PacePanel(self.actions_, self)
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

    def _warm(self) -> None:
        """Start what computes the chosen method, or the one that is used while none was chosen."""
        if self.controller.closed:
            return
        from stemeditor.jobs.models import warm
        from stemeditor.jobs.pool import NET

        self.controller.paint(warm, self.controller.settings.text("method"), queue=NET)

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
        free = self._may_go or self.controller.closed
        if not free and self.controller.filing.saving:
            # The program may end when what is being written is whole.
            event.ignore()
            self.controller.filing.when_saved(self.close)
            return
        answer = CLOSE if free else ask_close(self.controller, self)
        if answer != CLOSE:
            event.ignore()
            if answer == EXPORT:
                self.ask_export()
            elif answer == SAVE:
                self.save(self.close)
            elif answer == GO_BACK:
                song = self.controller.filing.at_risk[0].song
                assert song is not None
                self.controller.go_back_to(song)
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
        lanes.part_menu_requested.connect(self.menus.show_part_menu)
        self.menus.chosen.connect(controller.open)
        self.viewport.listen(self._viewport_moved)
        self.transport.time.clicked.connect(self.actions_["go_to"].trigger)
        self.pace.edited.connect(controller.set_pace)
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
        filing = self.controller.filing
        title = filing.name(project)
        # Qt wants a place for the mark in the title of whatever bears it.
        self.setWindowModified(False)
        self.setWindowTitle(f"{_untouched(title)}[*] – stemeditor" if title else "stemeditor")
        self.setWindowModified(filing.unsaved)
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
        self.transport.show_pace(controller.pace)
        self.pace.show_pace(controller.pace)
        self.lanes.set_selection(controller.selection, controller.looping, controller.band)
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
        file = self.controller.filing.path or project.song.path
        words = f"{file.name}  ·  {audio.rate / 1000:g} kHz {kind}"
        if self.controller.selection is not None:
            start, stop = self.controller.selection
            words += f"  ·  selected {(stop - start) / audio.rate:.2f} s"
            band, lane = self.controller.band, self.controller.selected_lane
            words += f", {band_text(band, audio.rate)}," if band is not None else ""
            if lane is not None:
                words += f" of {lane.name}: {self._part_words(lane)}"
        if not self.controller.pace.plain:
            words += f"  ·  played {pace_words(self.controller.pace)}"
        return words

    def _part_words(self, lane: Lane) -> str:
        """Return what can be done with what is selected of a lane."""
        if self.controller.alone:
            return "heard alone, H ends it"
        if self.controller.band is None and self.lanes.view_of(lane.id) == SPECTROGRAM:
            return "right-click it to edit, drag with Ctrl to select a band of it"
        return "right-click it to edit"

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


def _untouched(title: str) -> str:
    """Return a title as Qt must have it to show all of it: it takes "[*]" for the mark of what is not saved."""
    return title.replace("[*]", "[*][*]")


def _files(event: QDragEnterEvent | QDropEvent) -> list[Path]:
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
