"""What goes on in the background, what it told, and where sound goes: the lower edge of the window."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QToolButton, QVBoxLayout, QWidget

from stemeditor.app.actions import Actions
from stemeditor.app.durations import spoken
from stemeditor.app.job_state import JobState
from stemeditor.app.labels import ElidingLabel
from stemeditor.app.messages import BUG, INFO, Notice
from stemeditor.app.theme import Theme, icon

_INFO_MS = 8000
_BAR_STEPS = 1000
_COPY = "Copy details"


def time_left(seconds: float | None) -> str:
    """Return an estimate as people say it."""
    return "" if seconds is None else f"{spoken(seconds)} left"


class JobRow(QWidget):
    """One job: its name, how far it is, and a cross that stops or dismisses it."""

    cancelled = Signal(int)
    dismissed = Signal(int)

    def __init__(self, theme: Theme, state: JobState) -> None:
        super().__init__()
        self.state = state
        self.label = ElidingLabel()
        self.bar = QProgressBar()
        self.bar.setRange(0, _BAR_STEPS)
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(160)
        self.left = QLabel()
        self.left.setProperty("role", "small")
        self.cross = QToolButton()
        self.cross.setProperty("role", "flat")
        self.cross.setFixedSize(22, 22)
        self.cross.setIconSize(QSize(12, 12))
        self.cross.setIcon(icon("close", theme.text, 12))
        self.cross.clicked.connect(self._crossed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for widget in (self.label, self.bar, self.left, self.cross):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.show_state(state)

    def show_state(self, state: JobState, newest: bool = False) -> None:
        """Show how far the job is; Escape stops the newest."""
        self.state = state
        failed = state.state == "failed"
        text = f"{state.title}: {state.text}" if state.text else state.title
        self.label.show_text(text, state.hint)
        role = "error" if failed else ""
        if self.label.property("role") != role:
            self.label.setProperty("role", role)
            self.label.style().polish(self.label)
            self.label.updateGeometry()
        self.bar.setVisible(not failed)
        self.bar.setValue(round(state.fraction * _BAR_STEPS))
        self.bar.setAccessibleName(f"Progress of {state.title}")
        # What lasts may have begun in the middle: what it has done so far tells nothing.
        self.left.setText("" if failed or state.lasting else time_left(state.left_s))
        word = "Dismiss" if failed else "Cancel"
        self.cross.setAccessibleName(f"{word} {state.title}")
        self.cross.setToolTip(f"{word} (Esc)" if failed or newest else word)

    def _crossed(self) -> None:
        (self.dismissed if self.state.state == "failed" else self.cancelled).emit(self.state.id)


class StatusBar(QFrame):
    """Jobs at the left, the sound output and the zoom at the right."""

    cancelled = Signal(int)
    dismissed = Signal(int)

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._zooms: list[tuple[QToolButton, str]] = []
        self._rows: dict[int, JobRow] = {}
        self.setProperty("role", "status")
        self.setFixedHeight(34)
        self.idle = ElidingLabel()
        self.idle.setProperty("role", "small")
        self.output = QLabel()
        self.output.setProperty("role", "small")
        self.output.setAccessibleName("Sound output")
        self._jobs = QHBoxLayout()
        self._jobs.setSpacing(20)
        self._tools = QHBoxLayout()
        self._tools.setSpacing(2)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 0, 8, 0)
        layout.setSpacing(14)
        layout.addWidget(self.idle, 1)
        layout.addLayout(self._jobs, 1)
        layout.addStretch()
        layout.addWidget(self.output)
        layout.addLayout(self._tools)

    def show_jobs(self, states: tuple[JobState, ...]) -> None:
        """Show these jobs."""
        ids = {state.id for state in states}
        for job_id in [job_id for job_id in self._rows if job_id not in ids]:
            row = self._rows.pop(job_id)
            row.hide()
            self._jobs.removeWidget(row)
            row.deleteLater()
        newest = max((state.id for state in states if state.state != "failed" and not state.lasting), default=None)
        for state in states:
            if state.id not in self._rows:
                row = self._rows[state.id] = JobRow(self._theme, state)
                row.cancelled.connect(self.cancelled)
                row.dismissed.connect(self.dismissed)
                self._jobs.addWidget(row)
            self._rows[state.id].show_state(state, state.id == newest)
        self.idle.setVisible(not states)

    def add_zooms(self, actions: Actions) -> None:
        """Put the buttons of the zoom at the right end."""
        for action_id, name in (("zoom_out", "zoom_out"), ("fit", "zoom_fit"), ("zoom_in", "zoom_in")):
            button = QToolButton()
            button.setProperty("role", "flat")
            button.setFixedSize(26, 26)
            button.setIconSize(QSize(16, 16))
            button.setToolTip(actions.tip(action_id))
            button.setAccessibleName(actions[action_id].text().replace("&", ""))
            button.clicked.connect(actions[action_id].trigger)
            actions[action_id].enabledChanged.connect(button.setEnabled)
            self._tools.addWidget(button)
            self._zooms.append((button, name))
        self.set_theme(self._theme)

    def stops(self) -> list[QWidget]:
        """Return what Tab goes through, beside the crosses of the jobs."""
        return [button for button, _ in self._zooms]

    def rows(self) -> tuple[JobRow, ...]:
        """Return the rows that are shown."""
        return tuple(self._rows.values())

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self._theme = theme
        for row in self._rows.values():
            row.cross.setIcon(icon("close", theme.text, 12))
        for button, name in self._zooms:
            button.setIcon(icon(name, theme.text, 16, theme.muted))


class NoticeBar(QFrame):
    """What the program has to say, until it is read. News goes by itself, trouble stays."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.notice: Notice | None = None
        self._parent = parent
        self.setProperty("role", "notice")
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setMinimumWidth(300)
        self.hint = QLabel()
        self.hint.setProperty("role", "small")
        self.hint.setWordWrap(True)
        self.copy = QPushButton(_COPY)
        self.copy.clicked.connect(self._copy)
        self.folder = QPushButton("Show folder")
        self.folder.clicked.connect(self._show_folder)
        self.offer = QPushButton()
        self.offer.setToolTip("Do this, and close the message")
        self.offer.clicked.connect(self._take_offer)
        self.cross = QToolButton()
        self.cross.setProperty("role", "flat")
        self.cross.setAccessibleName("Close the message")
        self.cross.setToolTip("Close (Esc)")
        self.cross.setIconSize(QSize(14, 14))
        self.cross.clicked.connect(self.hide)
        column = QVBoxLayout()
        column.setSpacing(2)
        column.addWidget(self.text)
        column.addWidget(self.hint)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 10, 10, 10)
        layout.setSpacing(10)
        layout.addLayout(column, 1)
        for widget in (self.offer, self.copy, self.folder, self.cross):
            layout.addWidget(widget, alignment=Qt.AlignmentFlag.AlignVCenter)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_INFO_MS)
        self._timer.timeout.connect(self.hide)
        self.set_theme(theme)
        self.hide()

    def show_notice(self, notice: Notice) -> None:
        """Say something; it takes the place of what was said before."""
        self.notice = notice
        self.text.setText(notice.text)
        self.hint.setText(notice.hint)
        self.hint.setVisible(bool(notice.hint))
        self.copy.setText(_COPY)
        self.copy.setVisible(notice.kind == BUG)
        self.folder.setVisible(notice.folder is not None)
        self.offer.setVisible(notice.offer is not None)
        self.offer.setText(notice.offer[0] if notice.offer else "")
        self.setProperty("kind", notice.kind)
        self.style().unpolish(self)
        self.style().polish(self)
        self.setAccessibleName(notice.text)
        self.show()
        self.place()
        self.raise_()
        if notice.kind == INFO:
            self._timer.start()
        else:
            self._timer.stop()

    def place(self) -> None:
        """Stand above the lower edge of the window, in the middle."""
        parent = self._parent
        width = min(620, parent.width() - 40)
        self.setFixedWidth(width)
        self.adjustSize()
        self.move((parent.width() - width) // 2, parent.height() - self.height() - 48)

    def set_theme(self, theme: Theme) -> None:
        """Take other colours."""
        self.cross.setIcon(icon("close", theme.text, 14))

    def _take_offer(self) -> None:
        self.hide()
        if self.notice is not None and self.notice.offer is not None:
            self.notice.offer[1]()

    def _copy(self) -> None:
        if self.notice is not None:
            QGuiApplication.clipboard().setText(self.notice.details)
            self.copy.setText("Copied")

    def _show_folder(self) -> None:
        if self.notice is not None and self.notice.folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.notice.folder)))
