"""What the program does before there is a window."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from stemeditor.app.application import build
from stemeditor.settings import Settings


@pytest.mark.parametrize(("set_outside", "wanted", "ratio"), [("", "150", 1.5), ("", "100", 1.0), ("2", "150", 2.0)])
def test_everything_is_as_large_as_the_user_wants_it(set_outside: str, wanted: str, ratio: float) -> None:
    # Qt asks once for each process.
    code = (
        "import os; from pathlib import Path; from tempfile import mkdtemp; "
        "from stemeditor.app.application import build; from stemeditor.settings import Settings; "
        f"kept = Settings(None); kept.set('scale', '{wanted}'); "
        "parts = build(kept, Path(mkdtemp())); "
        "print(parts.window.devicePixelRatioF(), os.environ.get('QT_SCALE_FACTOR', '')); parts.close()"
    )
    outside = {name: value for name, value in os.environ.items() if name != "QT_SCALE_FACTOR"}
    outside |= {"QT_SCALE_FACTOR": set_outside} if set_outside else {}
    done = subprocess.run(
        [sys.executable, "-c", code], env=outside, check=True, timeout=60, capture_output=True, text=True
    )
    # What the program starts later is not to be told.
    assert done.stdout.split() == [str(ratio), *([set_outside] if set_outside else [])]
    assert not done.stderr


def test_a_closed_program_leaves_no_widgets(qtbot: QtBot, tmp_path: Path) -> None:
    before = set(QApplication.allWidgets())
    parts = build(Settings(None), tmp_path)
    parts.window.show()
    qtbot.waitExposed(parts.window)
    assert len(QApplication.allWidgets()) > len(before) + 50
    parts.close()
    assert set(QApplication.allWidgets()) <= before
