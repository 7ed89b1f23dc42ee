"""The main job, from the drop to the files, in the real window: what was heard is what was written."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from pytestqt.qtbot import QtBot

from stemeditor import paths
from stemeditor.app import smoke
from stemeditor.app.application import build
from stemeditor.app.panels.export import ExportDialog
from stemeditor.app.smoke import run_smoke
from stemeditor.settings import Settings


def excerpt(folder: Path, seconds: float) -> Path:
    """Cut the middle out of the demo song, where all four parts play."""
    samples, rate = soundfile.read(paths.resource("demo", "demo.flac"), dtype="int16")
    path = folder / "Excerpt.wav"
    soundfile.write(path, samples[10 * rate : round((10 + seconds) * rate)], rate, subtype="PCM_16")
    return path


def test_drop_separate_solo_export(qtbot: QtBot, tmp_path: Path) -> None:
    parts = build(Settings(None), tmp_path / "cache")
    controller, window = parts.controller, parts.window
    window.show()
    song_path = excerpt(tmp_path, 6.0)

    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(song_path))])
    window.dropEvent(
        QDropEvent(
            QPointF(200, 200),
            Qt.DropAction.CopyAction,
            mime,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )
    qtbot.waitUntil(lambda: not controller.opening and controller.project.song is not None, timeout=10000)

    qtbot.mouseClick(window.toolbar.separate, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: controller.separating)
    qtbot.waitUntil(lambda: not controller.separating, timeout=60000)
    assert [lane.role for lane in controller.project.lanes] == ["song", "vocals", "drums", "bass", "other"]

    vocals = next(lane for lane in controller.project.lanes if lane.role == "vocals")
    header, _ = window.lanes.row(vocals.id)
    qtbot.mouseClick(header.solo, Qt.MouseButton.LeftButton)
    controller.set_gain(vocals.id, 0.5)
    controller.player.play()
    heard = np.concatenate([controller.player.read(512) for _ in range(100)], axis=1)
    controller.player.pause()

    def export(which: str, folder: Path) -> None:
        dialog = ExportDialog(controller, window)
        getattr(dialog, which).setChecked(True)
        dialog.folder.setText(str(folder))
        dialog.template.setText("{stem}")
        dialog.subtype.setCurrentIndex(dialog.subtype.findData("float"))
        qtbot.mouseClick(dialog.start, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: controller.jobs == (), timeout=20000)

    export("mix", tmp_path / "mix")
    export("stems", tmp_path / "stems")
    export("all_but", tmp_path / "karaoke")

    mix = soundfile.read(tmp_path / "mix" / "Mix.wav", dtype="float32")[0].T
    fade = 512
    assert np.array_equal(mix[:, fade : heard.shape[1]], heard[:, fade:]), "the file is what was heard"
    stems = {path.stem: soundfile.read(path, dtype="float64")[0] for path in (tmp_path / "stems").iterdir()}
    song = soundfile.read(song_path, dtype="float64")[0]
    assert set(stems) == {"Vocals", "Drums", "Bass", "Other"}
    assert np.abs(sum(stems.values()) - song).max() < 1e-6, "the stems add up to the song"
    assert np.allclose(mix.T, 0.5 * stems["Vocals"], atol=1e-7), "solo and gain are in the mix, not in the stems"
    without = soundfile.read(tmp_path / "karaoke" / "Without Vocals.wav", dtype="float64")[0]
    assert np.allclose(without, song - stems["Vocals"], atol=1e-6)

    controller.undo()
    controller.undo()
    controller.undo()
    assert [lane.role for lane in controller.project.lanes] == ["song"]
    parts.close()


def test_smoke_runs_the_whole_program(
    qtbot: QtBot, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke, "_LISTEN_S", 0.3)
    assert run_smoke(excerpt(tmp_path, 4.0), tmp_path / "out") == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report == json.loads(capsys.readouterr().out)
    assert report["ok"]
    assert report["stems"] == ["vocals", "drums", "bass", "other"]
    assert report["sum_error_db"] < -120
    assert {"window", "open", "separate", "export"} <= set(report["times_s"])
    assert (tmp_path / "out" / "window.png").stat().st_size > 5000
    assert len(list((tmp_path / "out" / "stems").glob("*.wav"))) == 4


def test_smoke_goes_on_after_a_stutter_and_tells_it(
    qtbot: QtBot, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke, "_LISTEN_S", 0.1)
    monkeypatch.setattr(smoke, "_STUTTERS_MOST", -1)  # any number is too many
    assert run_smoke(excerpt(tmp_path, 2.0), tmp_path / "out") == 1
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert [problem.startswith("the sound stuttered") for problem in report["problems"]] == [True]
    assert len(report["files"]) == 4
    assert (tmp_path / "out" / "window.png").exists()


def test_smoke_on_a_broken_file_says_so_and_fails(
    qtbot: QtBot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"this is no sound" * 100)
    assert run_smoke(broken, tmp_path / "out") == 1
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert not report["ok"]
    assert "broken.mp3" in report["problems"][0]
