"""The whole program once, by itself: open, separate, hear every lane, export, report."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from stemeditor import paths
from stemeditor.audio.store import release_pages
from stemeditor.errors import UserError
from stemeditor.jobs.doctor import peak_memory_mb

_PATIENCE_S = 3600.0
_LISTEN_S = 1.0
_CHECK_FRAMES = 1 << 20

_STUTTERS_MOST = 2
"""So many are the machine's, busy with something else for a moment; more of them in these few seconds are ours."""


class _Stuck(Exception):
    """Something that should have come did not; the text says what."""


def run_smoke(song: Path | None, folder: Path) -> int:
    """Drive the real window through its main job and write what happened to `folder`.

    Opens the song (the demo if None), separates it, plays a second with each lane solo, exports the stems as float
    WAV to ``folder/stems``, saves ``window.png`` and ``report.json``.

    Returns
    -------
    int
        0 if all of it worked, every stem added up and the sound kept going; else 1, and the report says why.
    """
    song = song or paths.resource("demo", "demo.flac")
    report: dict[str, Any] = {"song": str(song), "ok": False, "problems": []}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _drive(song, folder, report)
    except (UserError, _Stuck, OSError) as problem:
        report["problems"].append(str(problem))
    report["ok"] = not report["problems"]
    report["peak_memory_mb"] = round(peak_memory_mb(), 1)
    text = json.dumps(report, indent=1)
    try:
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    except OSError as problem:
        print(f"stemeditor: the report cannot be written ({problem.strerror})", file=sys.stderr)
        return 1
    print(text)
    return 0 if report["ok"] else 1


def _drive(song: Path, folder: Path, report: dict[str, Any]) -> None:
    began = time.perf_counter()
    from stemeditor.app.application import build
    from stemeditor.settings import Settings

    parts = build(settings=Settings(None))
    times = report["times_s"] = {}
    try:
        controller, window, app = parts.controller, parts.window, parts.application
        window.resize(1280, 800)
        window.show()
        app.processEvents()
        times["window"] = _since(began)
        problems: list[str] = report["problems"]
        told: list[str] = []
        controller.noticed.connect(
            lambda notice: (
                told.append(f"{notice.text} {notice.details}".strip()) if notice.kind in ("error", "bug") else None
            )
        )

        def wait(what: str, done: Callable[[], bool]) -> float:
            start = time.perf_counter()
            while not done():
                if told:
                    problems.extend(told)
                    raise _Stuck(f"{what} failed")
                if time.perf_counter() - start > _PATIENCE_S:
                    raise _Stuck(f"{what} takes longer than {_PATIENCE_S:g} s")
                app.processEvents()
                time.sleep(0.01)
            return _since(start)

        controller.open(song)
        times["first_waveform"] = wait("opening", lambda: controller.project.song is not None)
        times["open"] = times["first_waveform"] + wait("opening", lambda: not controller.opening)
        audio = controller.project.song.sound.audio  # type: ignore[union-attr]
        report["duration_s"], report["rate"], report["channels"] = audio.duration_s, audio.rate, audio.channels

        controller.separate()
        times["first_stem"] = wait("separating", lambda: bool(controller.project.filled) or not controller.separating)
        times["separate"] = times["first_stem"] + wait("separating", lambda: not controller.separating)
        project = controller.document.base
        report["method"] = project.method
        report["stems"] = [lane.role for lane in project.stems]
        report["real_time_factor"] = round(audio.duration_s / times["separate"], 2)
        if not project.stems:
            raise _Stuck("separating made no stems")
        report["sum_error_db"] = round(_sum_error_db(project), 1)
        if report["sum_error_db"] > -80.0:
            problems.append("the stems do not add up to the song")

        parts.output.open(controller.settings.text("output_device"))
        for lane in project.lanes:
            controller.solo_only(lane.id)
            controller.seek(audio.frames // 3)
            controller.play_pause()
            start = time.perf_counter()
            wait(f"playing {lane.name}", lambda start=start: _since(start) >= _LISTEN_S)  # type: ignore[misc]
            if controller.player.playing and controller.player.position == audio.frames // 3:
                problems.append(f"{lane.name} does not play")
            if controller.player.playing:
                controller.play_pause()
        controller.clear_solo()
        report["output"] = parts.output.status.text
        report["underruns"] = parts.output.underruns
        if report["underruns"] > _STUTTERS_MOST:
            problems.append(f"the sound stuttered {report['underruns']} times")

        _keep(controller, folder / "project.stemeditor", times, wait, report)
        _export(controller, folder, times, wait, report)
        app.processEvents()
        if not window.grab().save(str(folder / "window.png")):
            problems.append("the picture of the window cannot be written")
        problems.extend(told)
    finally:
        parts.close()


def _keep(
    controller: Any,
    path: Path,
    times: dict[str, float],
    wait: Callable[[str, Callable[[], bool]], float],
    report: dict[str, Any],
) -> None:
    """Save the project, and open it again in the place of itself."""
    from stemeditor.project.description import describe

    controller.filing.save(path)
    times["save"] = wait("saving", lambda: not controller.filing.saving)
    before = controller.document.base
    controller.open(path)
    times["open_project"] = wait("opening the project", lambda: not controller.opening)
    after = controller.document.base
    if after is before or describe(after) != describe(before) or controller.filing.unsaved:
        report["problems"].append("the project did not come back as it was saved")


def _export(
    controller: Any,
    folder: Path,
    times: dict[str, float],
    wait: Callable[[str, Callable[[], bool]], float],
    report: dict[str, Any],
) -> None:
    from stemeditor.jobs.export import ExportRequest, stem_items

    project = controller.document.base
    request = ExportRequest(
        project.song, stem_items(project), folder / "stems", "{stem}", "wav", "float", overwrite=True
    )
    controller.export(replace(request))
    times["export"] = wait("exporting", lambda: not controller.jobs)
    written = sorted(path.name for path in (folder / "stems").glob("*.wav"))
    report["files"] = written
    if len(written) < len(project.stems):
        report["problems"].append("not every stem was written")


def _sum_error_db(project: Any) -> float:
    """Return the level of the song minus the stems of the document, relative to the song; -300 for nothing."""
    from stemeditor.jobs.tasks import SumCheck

    sounds = [project.song.sound.audio, *(lane.sound.audio for lane in project.stems)]
    total = SumCheck()
    for start in range(0, sounds[0].frames, _CHECK_FRAMES):
        song, *stems = (sound.slice(start, start + _CHECK_FRAMES).samples for sound in sounds)
        total.add(song, stems)
        for sound in sounds:
            release_pages(sound)
    return total.error_db


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 3)
