"""Training a network from the window: what is learned from what, how well it goes, stopping, going on, using it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from stemeditor.app.application import Parts
from stemeditor.app.panels import curves as painted
from stemeditor.app.panels import teaching
from stemeditor.app.panels.curves import Curves
from stemeditor.app.panels.train import TrainDialog
from stemeditor.app.theme import DARK, stem_colour
from stemeditor.errors import UserError
from stemeditor.jobs import training
from stemeditor.jobs.training import TrainRequest
from stemeditor.methods import registry, trained
from stemeditor.nets import checkpoint
from stemeditor.nets.description import Description
from stemeditor.progress import Progress
from stemeditor.training import curves
from stemeditor.training.curves import Watched
from tests.nets.test_nets import SMALL, small

LONG = 20000
"""Milliseconds that a busy machine may take."""

Work = Callable[[TrainRequest, Progress], str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for song in range(2):
        place = tmp_path / "songs" / f"song {song}"
        place.mkdir(parents=True)
        for name in ("vocals", "guitar", "other"):
            soundfile.write(place / f"{name}.wav", np.zeros((800, 2)), 8000)
    return tmp_path / "songs"


def look_at(step: int, vocals: float = 1.0) -> Watched:
    return Watched(step, float(step), 0.5 / step, {"vocals": vocals, "other": float("nan")})


def work(end: Callable[[Progress], None]) -> Work:
    """Return a training that looks twice and keeps a network, and then ends as it is told."""

    def learn(request: TrainRequest, progress: Progress) -> str:
        plan = request.plan
        training._write(plan)
        found = training.begun(plan.output.name)
        assert found is not None
        begin = found[1][-1].step if found[1] else 0
        looks = [*found[1], look_at(begin + 1), look_at(begin + 2, 3.5)]
        for look in looks[-2:]:
            progress.post(look)
        curves.write(plan.output, looks)
        net = small("unet", stems=len(plan.stems))
        arguments = {**SMALL["unet"], "stems": len(plan.stems)}
        checkpoint.save(plan.output / curves.BEST, net, Description("unet", arguments, plan.stems))
        progress.advance(0.5, f"step {begin + 2} of {plan.training.steps}")
        end(progress)
        return training.use_training(plan.output.name, progress)

    return learn


def for_ever(progress: Progress) -> None:
    while True:
        progress.check()


def at_once(progress: Progress) -> None:
    progress.check()


def opened(parts: Parts, qtbot: QtBot) -> TrainDialog:
    dialog = TrainDialog(parts.controller, DARK)
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def ready(parts: Parts, qtbot: QtBot, folder: Path) -> TrainDialog:
    dialog = opened(parts, qtbot)
    dialog.add_folder(folder)
    qtbot.waitUntil(dialog.go.isEnabled, timeout=LONG)
    return dialog


def press(qtbot: QtBot, button: object) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_it_says_what_it_can_learn(parts: Parts, qtbot: QtBot, folder: Path) -> None:
    dialog = opened(parts, qtbot)
    assert "Add the folders" in dialog.told.text()
    assert not dialog.go.isEnabled()
    assert not dialog.use.isEnabled()
    assert not dialog.forget.isEnabled()
    dialog.add_folder(folder)
    dialog.add_folder(folder)
    qtbot.waitUntil(dialog.go.isEnabled, timeout=LONG)
    assert dialog.paths == (folder,)
    assert dialog.told.text() == "2 songs with true stems."
    assert sorted(dialog.chosen) == ["guitar", "vocals"]
    for row in range(2):
        dialog.stems.item(row).setCheckState(Qt.CheckState.Unchecked)
    assert not dialog.go.isEnabled()
    dialog.folders.setCurrentRow(0)
    press(qtbot, dialog.remove)
    assert dialog.stems.count() == 0
    assert "Add the folders" in dialog.told.text()


def test_a_folder_without_songs_is_told_in_words(parts: Parts, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    dialog = opened(parts, qtbot)
    dialog.add_folder(tmp_path / "nothing")
    qtbot.waitUntil(lambda: "no songs with true stems" in dialog.told.text(), timeout=LONG)
    assert not dialog.go.isEnabled()


def test_a_network_is_trained_and_among_the_methods(
    parts: Parts, qtbot: QtBot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "train_network", work(at_once))
    dialog = ready(parts, qtbot, folder)
    assert dialog.name.currentText() == "my network"
    guitar = next(row for row in range(2) if dialog.stems.item(row).text() == "guitar")
    dialog.stems.item(guitar).setCheckState(Qt.CheckState.Unchecked)
    dialog.net.setCurrentIndex(dialog.net.findData("wave_unet"))
    assert "along the samples" in dialog.sentence.text()
    press(qtbot, dialog.go)
    qtbot.waitUntil(lambda: "among the methods" in dialog.state.text(), timeout=LONG)
    assert registry.info("own:my network").stems == ("vocals", "accompaniment")
    assert dialog.curves.accessibleDescription() == "After 2 steps: loss 0.25; vocals 3.5 dB"
    found = training.begun("my network")
    assert found is not None
    assert found[0].net.type == "wave_unet"
    assert found[0].songs.data_sets == (str(folder),)
    assert dialog.go.text() == "Go on"


def test_a_training_is_stopped_closed_upon_gone_on_with_and_deleted(
    parts: Parts, qtbot: QtBot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "train_network", work(for_ever))
    dialog = ready(parts, qtbot, folder)
    dialog.name.setCurrentText("choir")
    press(qtbot, dialog.go)
    qtbot.waitUntil(lambda: dialog.state.text() == "Step 2 of 10000", timeout=LONG)
    assert dialog.go.text() == "Stop"
    assert not dialog.net.isEnabled()
    assert not dialog.name.isEnabled()
    # It goes on when the dialog is closed, and Escape leaves it alone.
    dialog.reject()
    parts.window.escape()
    assert [state.title for state in parts.controller.jobs] == ["Train choir"]
    again = opened(parts, qtbot)
    assert again.name.currentText() == "choir"
    assert again.go.text() == "Stop"
    assert again.curves.accessibleDescription().startswith("After 2 steps")
    press(qtbot, again.go)
    assert parts.controller.jobs == ()
    assert again.state.text() == "Stopped; what it has learned is kept."
    assert again.go.text() == "Go on"
    assert not again.add.isEnabled()
    again.steps.setValue(20000)
    press(qtbot, again.go)
    qtbot.waitUntil(lambda: again.state.text() == "Step 4 of 20000", timeout=LONG)
    parts.controller.cancel_job(parts.controller.jobs[0].id)
    assert again.go.text() == "Go on"
    press(qtbot, again.use)
    qtbot.waitUntil(lambda: "choir is among the methods" in again.state.text(), timeout=LONG)
    assert trained.keys() == ("own:choir",)

    def answer(box: QMessageBox) -> None:
        next(button for button in box.buttons() if button.text() == "Delete").click()

    monkeypatch.setattr(QMessageBox, "exec", answer)
    press(qtbot, again.forget)
    assert training.trainings() == ()
    assert trained.keys() == ("own:choir",)
    assert again.add.isEnabled()
    assert again.go.text() == "Train"


def test_one_is_trained_at_a_time(parts: Parts, qtbot: QtBot, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "train_network", work(for_ever))
    dialog = ready(parts, qtbot, folder)
    dialog.name.setCurrentText("one")
    press(qtbot, dialog.go)
    qtbot.waitUntil(lambda: dialog.state.text().startswith("Step 2"), timeout=LONG)
    dialog.reject()
    other = opened(parts, qtbot)
    other.name.setEnabled(True)
    other.name.setCurrentText("other")
    assert not other.go.isEnabled()
    assert "“one” is being trained" in other.go.toolTip()
    teaching.teaching_of(parts.controller).stop()


def test_trouble_is_told_where_it_belongs(
    parts: Parts, qtbot: QtBot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(progress: Progress) -> None:
        raise UserError("A song is shorter than an example.", "Choose longer songs.")

    monkeypatch.setattr(teaching, "train_network", work(fail))
    dialog = ready(parts, qtbot, folder)
    dialog.name.setCurrentText("a/b")
    press(qtbot, dialog.go)
    assert "cannot be the name" in dialog.state.text()
    dialog.name.setCurrentText("fine")
    press(qtbot, dialog.go)
    qtbot.waitUntil(lambda: "shorter than an example" in dialog.state.text(), timeout=LONG)
    assert dialog.state.property("role") == "error"
    assert parts.controller.jobs == ()


def test_what_is_learned_is_drawn_in_the_colours_of_the_stems(qtbot: QtBot) -> None:
    widget = Curves(DARK)
    qtbot.addWidget(widget)
    widget.resize(500, 360)

    def seen() -> set[int]:
        image = widget.grab().toImage()
        return {image.pixel(x, y) for x in range(image.width()) for y in range(image.height())}

    voice, drums = (QColor(stem_colour(name, DARK)).rgb() for name in ("vocals", "drums"))
    assert voice not in seen()
    nan = float("nan")
    widget.show_looks([Watched(1, 1.0, 0.5, {"vocals": 1.0, "drums": nan})])
    assert voice in seen()
    widget.show_looks([Watched(step, 1.0, 0.5, {"vocals": step, "drums": -step}) for step in range(1, 5)])
    assert {voice, drums} <= seen()
    widget.show_looks([Watched(step, 1.0, 0.5, {}) for step in range(1, 5)])
    assert not {voice, drums} & seen()
    assert painted.described([]) == ""


def test_the_menu_opens_it(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(TrainDialog, "exec", lambda dialog: shown.append(dialog.windowTitle()) or dialog.deleteLater())
    parts.window.actions_["train"].trigger()
    assert shown == ["Train a network"]
