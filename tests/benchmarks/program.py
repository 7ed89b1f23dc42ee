"""How fast the whole program is, on a song of five minutes (or --minutes). Prints a table; asserts nothing.

.venv/bin/python tests/benchmarks/program.py [--minutes 5] [--song FILE]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

if not os.environ.get("DISPLAY"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

LAUNCH = """
import time, sys
from stemeditor.app.application import build
from stemeditor.settings import Settings
parts = build(Settings(None))
parts.window.show()
parts.application.processEvents()
parts.window.grab()
print(time.time())
parts.close()
"""


def launch_s() -> float:
    """Time from the start of the process to the painted window, median of five."""
    found = []
    for _ in range(5):
        start = time.time()
        done = subprocess.run([sys.executable, "-c", LAUNCH], capture_output=True, text=True, check=True)
        found.append(float(done.stdout.split()[-1]) - start)
    return statistics.median(found)


def long_song(folder: Path, minutes: float, source: Path | None) -> Path:
    """Write a song of that length: the source (the demo by default) again and again."""
    source = source or Path(__file__).parents[2] / "resources" / "demo" / "demo.flac"
    samples, rate = soundfile.read(source, dtype="int16", always_2d=True)
    path = folder / "song.wav"
    left = round(minutes * 60 * rate)
    with soundfile.SoundFile(path, "w", rate, samples.shape[1], subtype="PCM_16") as file:
        while left > 0:
            file.write(samples[:left])
            left -= len(samples)
    return path


def frames_ms(parts: object, view: str) -> tuple[float, float]:
    """Median and 99th percentile of the time that one step of scrolling takes to paint, at 1280 x 800."""
    window = parts.window  # type: ignore[attr-defined]
    window.lanes.set_view(None, view)
    whole = window.viewport.window.frames
    window.viewport.show(0, whole / 12)
    deadline = time.time() + 2
    while time.time() < deadline:
        parts.application.processEvents()  # type: ignore[attr-defined]
    found = []
    for _ in range(600):
        window.viewport.scroll(whole / 12 / 1044 * 6)
        start = time.perf_counter()
        for lane in window.controller.project.lanes:
            window.lanes.row(lane.id)[1].repaint()
        window.lanes.ruler.repaint()
        window.overview.repaint()
        found.append((time.perf_counter() - start) * 1000)
    return statistics.median(found), float(np.percentile(found, 99))


def main() -> None:
    """Measure and print."""
    from stemeditor import memory

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--song", type=Path)
    given = parser.parse_args()
    # As the program does when it starts.
    memory.share()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"launch to window              {launch_s():8.2f} s")
    from PySide6.QtCore import QEventLoop, QTimer

    from stemeditor.app.application import build
    from stemeditor.jobs.doctor import peak_memory_mb
    from stemeditor.jobs.export import ExportRequest, stem_items
    from stemeditor.settings import Settings

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        song = long_song(folder, given.minutes, given.song)
        parts = build(Settings(None), folder / "session")
        controller = parts.controller
        parts.window.resize(1280, 800)
        parts.window.show()

        def until(done: object) -> float:
            start = time.perf_counter()
            while not done():  # type: ignore[operator]
                loop = QEventLoop()
                QTimer.singleShot(5, loop.quit)
                loop.exec()
            return time.perf_counter() - start

        controller.open(song)
        first = until(lambda: controller.project.song is not None)
        whole = first + until(lambda: not controller.opening)
        print(f"open to first waveform        {first:8.2f} s   (all of it {whole:.2f} s)")
        parts.output.open()
        controller.separate()
        audible = until(lambda: bool(controller.project.filled) or not controller.separating)
        total = audible + until(lambda: not controller.separating)
        duration = controller.project.frames / controller.project.rate
        print(f"separate to first stem        {audible:8.2f} s")
        print(f"separate                      {total:8.2f} s   ({duration / total:.1f}x real time)")
        for view in ("waveform", "spectrogram"):
            middle, slow = frames_ms(parts, view)
            print(f"scrolling, {view:12s}       {middle:8.2f} ms  (99th percentile {slow:.2f} ms)")
        project = controller.project
        start = time.perf_counter()
        controller.export(ExportRequest(project.song, stem_items(project), folder / "out", "{stem}"))  # type: ignore[arg-type]
        until(lambda: not controller.jobs)
        print(f"export of {len(project.stems)} WAV stems        {time.perf_counter() - start:8.2f} s")
        print(f"underruns                     {parts.output.underruns:8d}")
        print(f"peak memory                   {peak_memory_mb():8.0f} MB")
        parts.close()


if __name__ == "__main__":
    main()
