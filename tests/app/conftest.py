"""The wired program, on settings and folders of the test's own, with no sound device."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from stemeditor.app.application import Parts, build
from stemeditor.project import edits
from stemeditor.settings import Settings
from tests.helpers.sounds import lane_of, music, song_of


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    """The program, shown, with nothing open."""
    settings = Settings(None)
    settings.set("theme", "dark")
    made = build(settings, tmp_path / "cache")
    made.window.show()
    qtbot.waitExposed(made.window)
    yield made
    made.close()


@pytest.fixture
def show(parts: Parts) -> Callable[[], Parts]:
    """Return a function that puts a song with four stems into the program."""

    def put() -> Parts:
        samples = music(4.0)
        names = ("vocals", "drums", "bass", "other")
        lanes = tuple(lane_of(name, samples * 0.25) for name in names)
        parts.controller.document.apply(
            "Open song", lambda project: edits.add_stems(edits.open_song(song_of(samples)), lanes, "Test")
        )
        parts.application.processEvents()
        return parts

    return put
