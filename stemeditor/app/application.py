"""The one place that builds and wires the program."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QEvent, QMessageLogContext, QObject, Qt, QTimer, QtMsgType, Signal, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from stemeditor import __version__, libraries, paths
from stemeditor.app.audio_out import AudioOut, OutputStatus
from stemeditor.app.controller import Controller
from stemeditor.app.messages import Notice, notice_of
from stemeditor.app.relay import Relay
from stemeditor.app.theme import DARK, LIGHT, Theme, app_icon, font, load_fonts, palette, stylesheet
from stemeditor.app.window import Window
from stemeditor.jobs.pool import Pool
from stemeditor.mixing.player import Player
from stemeditor.project.document import Document
from stemeditor.settings import Settings
from stemeditor.settings import file as settings_file
from stemeditor.threads import SWITCH_S

log = logging.getLogger(__name__)

_SCALE = "QT_SCALE_FACTOR"
"""Where Qt looks for how large everything is to be."""


class _Bridge(QObject):
    """Brings what other threads tell (a new output, an exception nobody caught) into the main thread."""

    output_changed = Signal()
    failed = Signal(object)


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The wired program."""

    application: QApplication
    controller: Controller
    window: Window
    output: AudioOut
    settings: Settings
    bridge: _Bridge

    def close(self) -> None:
        """End all threads and the window; the application object stays."""
        self.window.close_unasked()
        self.controller.close()
        self.window.deleteLater()
        self.application.processEvents()
        # Outside its loop Qt leaves that for later, and a style sheet would be told to windows that nobody sees.
        self.application.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def build(settings: Settings | None = None, cache_folder: Path | None = None) -> Parts:
    """Build the program without showing it or touching a sound device.

    Parameters
    ----------
    settings
        The user's; read from their file by default.
    cache_folder
        Where the session's sound lies.
    """
    if settings is None:
        settings = Settings(settings_file())
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else _begun(settings)
    application.setApplicationName("stemeditor")
    application.setApplicationDisplayName("stemeditor")
    application.setApplicationVersion(__version__)
    application.setDesktopFileName("stemeditor")
    application.setWindowIcon(app_icon())
    application.setStyle("Fusion")
    load_fonts()
    application.setFont(font(13))
    relay = Relay()
    player = Player()
    bridge = _Bridge()

    def output_status(status: OutputStatus) -> None:
        bridge.output_changed.emit()

    output = AudioOut(player, output_status)
    folder = cache_folder or paths.cache_folder() / "session"
    controller = Controller(Document(), player, output, settings, relay, Pool(relay.post), folder)
    theme = chosen_theme(application, settings)
    dress(application, theme)
    window = Window(controller, theme)
    bridge.output_changed.connect(window.show_output, Qt.ConnectionType.QueuedConnection)
    bridge.failed.connect(controller.notice, Qt.ConnectionType.QueuedConnection)
    parts = Parts(application, controller, window, output, settings, bridge)

    def repaint() -> None:
        new = chosen_theme(application, settings)
        dress(application, new)
        window.set_theme(new)

    def setting_changed(name: str) -> None:
        if name == "theme":
            repaint()
        elif name in ("output_device", "output_latency_ms"):
            start_sound(parts)

    settings.listen(setting_changed)
    application.styleHints().colorSchemeChanged.connect(window.system_theme_changed)
    window.theme_wanted.connect(repaint)
    return parts


def _begun(settings: Settings) -> QApplication:
    """Return the application, as large as the user wants it: Qt takes that from the environment, once.

    What the program starts, such as a folder's window, is not to be told; who set it for this program is obeyed.
    """
    if _SCALE in os.environ:
        return QApplication(sys.argv[:1])
    os.environ[_SCALE] = str(int(settings.text("scale")) / 100)
    try:
        return QApplication(sys.argv[:1])
    finally:
        del os.environ[_SCALE]


def dress(application: QApplication, theme: Theme) -> None:
    """Give the application a theme's colours."""
    application.setPalette(palette(theme))
    application.setStyleSheet(stylesheet(theme))


def chosen_theme(application: QApplication, settings: Settings) -> Theme:
    """Return the theme that the settings ask for, or the system's."""
    choice = settings.text("theme")
    if choice == "system":
        choice = "light" if application.styleHints().colorScheme() == Qt.ColorScheme.Light else "dark"
    return LIGHT if choice == "light" else DARK


def start_sound(parts: Parts) -> None:
    """Open the sound device that the settings name."""
    parts.output.open(parts.settings.text("output_device"), parts.settings.number("output_latency_ms"))


def main(files: list[Path]) -> int:
    """Run the program; returns its exit status.

    Parameters
    ----------
    files
        What was named on the command line; the first is opened.
    """
    _log_to_file()
    sys.setswitchinterval(SWITCH_S)
    libraries.settle()
    parts = build()
    _catch_everything(parts.bridge)
    parts.window.show()

    def after_first_paint() -> None:
        start_sound(parts)
        if not parts.window.ask_leftovers() and files:
            parts.controller.open(files[0])

    QTimer.singleShot(0, parts.window, after_first_paint)
    try:
        return parts.application.exec()
    finally:
        qInstallMessageHandler(None)
        parts.close()


def _log_to_file() -> None:
    folder = paths.log_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.handlers.RotatingFileHandler(
            folder / "stemeditor.log", maxBytes=1_000_000, backupCount=2, encoding="utf-8"
        )
    except OSError:
        handler = logging.StreamHandler()
    logging.basicConfig(
        level=logging.INFO, handlers=[handler], format="%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"
    )


def _catch_everything(bridge: _Bridge) -> None:
    """Let no exception and no word of Qt's go unseen."""

    def tell(error: BaseException | None) -> None:
        notice: Notice | None = notice_of(error) if error is not None else None
        if notice is not None:
            bridge.failed.emit(notice)

    def main_thread(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            # quit() would close the window first, and that asks.
            QApplication.exit(0)
        else:
            tell(error.with_traceback(trace))

    def any_thread(args: threading.ExceptHookArgs) -> None:
        tell(args.exc_value)

    levels = {
        QtMsgType.QtDebugMsg: logging.DEBUG,
        QtMsgType.QtInfoMsg: logging.INFO,
        QtMsgType.QtWarningMsg: logging.WARNING,
        QtMsgType.QtCriticalMsg: logging.ERROR,
        QtMsgType.QtFatalMsg: logging.CRITICAL,
    }

    def qt_says(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
        logging.getLogger("qt").log(levels.get(kind, logging.WARNING), "%s", message)

    sys.excepthook = main_thread
    threading.excepthook = any_thread
    qInstallMessageHandler(qt_says)
