"""What every test gets: no screen, no sound card, no user's settings; and a demand for quiet."""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from stemeditor import threads

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# As the program does when it starts.
threads.rest()


class ExpectedLogs:
    """Log records that a test says it expects: `expect(text)` lets records through whose message contains it."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def expect(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's folders out of every test."""
    from stemeditor import paths

    home = tmp_path_factory.mktemp("home")
    monkeypatch.setattr(paths, "config_folder", lambda: home / "config")
    monkeypatch.setattr(paths, "cache_folder", lambda: home / "cache")
    monkeypatch.setattr(paths, "log_folder", lambda: home / "log")
    monkeypatch.setattr(paths, "data_folder", lambda: home / "data")


@pytest.fixture(autouse=True)
def no_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test play on the loudspeakers of whoever runs it."""
    monkeypatch.setitem(sys.modules, "sounddevice", None)


@pytest.fixture
def logs() -> ExpectedLogs:
    return ExpectedLogs()


@pytest.fixture(autouse=True)
def quiet(logs: ExpectedLogs, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test that logs a warning nobody expected, or leaves a thread behind."""
    before = set(threading.enumerate())
    yield
    loud = [
        record.getMessage()
        for when in ("setup", "call")
        for record in caplog.get_records(when)
        if record.levelno >= logging.WARNING and not any(text in record.getMessage() for text in logs.texts)
    ]
    assert not loud, f"unexpected log records: {loud}"
    if (cards := sys.modules.get("stemeditor.methods.cards")) is not None:
        cards.end()
    deadline = time.monotonic() + 5.0
    while (left := _alive(before)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"threads left behind: {left}"


def _alive(before: set[threading.Thread]) -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        # Qt shows its own threads to Python as dummies, and they live as long as the application.
        if thread not in before and thread.is_alive() and not isinstance(thread, threading._DummyThread)
    ]
