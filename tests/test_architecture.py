"""The layers, and what may be imported when: checked by machine."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "stemeditor").rglob("*.py"))
CORE = ("cli", "jobs.pool", "jobs.tasks", "jobs.export", "jobs.doctor", "project.document", "mixing.player", "settings")


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)


def test_the_layers_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(linter)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout


def test_the_core_needs_no_qt() -> None:
    modules = ", ".join(f"stemeditor.{name}" for name in CORE)
    done = python(f"import sys; sys.modules['PySide6'] = None; import {modules}")
    assert done.returncode == 0, done.stderr


HEAVY = ("scipy", "torch", "matplotlib", "soundfile", "av", "sounddevice", "soxr", "mutagen", "typer", "rich")


@pytest.mark.parametrize("module", ["stemeditor.app.application", "stemeditor.jobs.pool", "stemeditor.__main__"])
def test_nothing_heavy_stands_between_the_start_and_the_window(module: str) -> None:
    done = python(f"import {module}, sys; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_no_machine_is_named_in_what_is_committed() -> None:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False)
    if listed.returncode != 0:
        pytest.skip("not a checkout")
    pattern = re.compile(r"--(extra-)?index-url|--find.links|(^|[^\w.])/(home|root|work)/\w")
    found = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in {".py", ".toml", ".md", ".txt", ".qss"} and path != Path(__file__):
            found += [name for line in path.read_text(encoding="utf-8").splitlines() if pattern.search(line)]
    assert found == []


def test_qt_returns_the_references_it_takes() -> None:
    """PySide6 6.12.0 loses one reference to None a call on Python 3.11, and the process dies after some seconds."""
    done = python(
        "import os, sys; os.environ['QT_QPA_PLATFORM'] = 'offscreen'\n"
        "from PySide6.QtGui import QImage, QPainter\n"
        "image = QImage(3, 3, QImage.Format.Format_ARGB32)\n"
        "painter = QPainter(image)\n"
        "before = sys.getrefcount(None)\n"
        "for _ in range(200): painter.drawLine(0, 0, 2, 2)\n"
        "print(abs(sys.getrefcount(None) - before) < 100)"
    )
    assert done.stdout.strip() == "True", done.stderr
