"""Getting networks of others from the window: downloads, imports, and the methods that need them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from stemeditor import settings
from stemeditor.app.application import Parts
from stemeditor.app.panels.combine import CombineDialog
from stemeditor.app.panels.models import ModelsDialog
from stemeditor.app.panels.separate import SeparateDialog
from stemeditor.methods import registry
from stemeditor.weights import store
from tests.helpers.server import Server, serving_a_model

Show = Callable[[], Parts]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    with serving_a_model(monkeypatch, tmp_path) as made:
        yield made


def state(dialog: ModelsDialog) -> str:
    item = dialog.table.item(0, 2)
    assert item is not None
    return item.text()


def test_a_model_is_downloaded_checked_and_removed(show: Show, qtbot: QtBot, server: Server) -> None:
    dialog = ModelsDialog(show().controller)
    qtbot.addWidget(dialog)
    assert state(dialog) == "Not downloaded"
    assert not dialog.remove.isEnabled()
    qtbot.mouseClick(dialog.download, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: state(dialog) == "Ready", timeout=10000)
    assert dialog.status.text() == "Hybrid Transformer Demucs is ready."
    assert not dialog.download.isEnabled()
    qtbot.mouseClick(dialog.verify, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.status.text() == "All is whole.", timeout=10000)
    file = store.path("htdemucs", "955717e8.safetensors")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    qtbot.mouseClick(dialog.verify, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "is not what it was" in dialog.status.text(), timeout=10000)
    qtbot.mouseClick(dialog.remove, Qt.MouseButton.LeftButton)
    assert state(dialog) == "Not downloaded"
    assert "freed" in dialog.status.text()


def test_a_download_can_be_stopped_and_continued(show: Show, qtbot: QtBot, server: Server) -> None:
    served = server.files["/955717e8.safetensors"]
    served.fault, served.times = "stall", 1
    parts = show()
    dialog = ModelsDialog(parts.controller)
    qtbot.addWidget(dialog)
    qtbot.mouseClick(dialog.download, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "MB" in state(dialog), timeout=10000)
    assert dialog.download.text() == "Stop"
    assert not dialog.move_button.isEnabled()
    again = SeparateDialog(parts.controller)
    qtbot.addWidget(again)
    again.choose("htdemucs")
    assert again.get.text() == "Stop"
    assert "MB" in again.lacking.text()
    qtbot.mouseClick(dialog.download, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: parts.controller.jobs == (), timeout=5000)
    qtbot.waitUntil(lambda: state(dialog) == "Partly here", timeout=5000)
    assert dialog.download.text() == "Continue"
    assert dialog.remove.isEnabled()
    qtbot.mouseClick(dialog.download, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: state(dialog) == "Ready", timeout=10000)
    assert served.asked[1].startswith("bytes=")
    assert again.get.isHidden()


def test_what_goes_wrong_is_said_where_it_belongs(show: Show, qtbot: QtBot, server: Server, tmp_path: Path) -> None:
    server.files["/955717e8.safetensors"].fault = "404"
    dialog = ModelsDialog(show().controller)
    qtbot.addWidget(dialog)
    qtbot.mouseClick(dialog.download, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "any more" in dialog.status.text(), timeout=10000)
    assert dialog.status.property("role") == "error"
    text = tmp_path / "page.pth"
    text.write_text("<html>", encoding="utf-8")
    dialog.import_files((text,))
    qtbot.waitUntil(lambda: "holds no weights" in dialog.status.text(), timeout=10000)
    blocked = tmp_path / "blocked"
    blocked.write_text("", encoding="utf-8")
    dialog.move_to(blocked / "deep")
    qtbot.waitUntil(lambda: "cannot be moved" in dialog.status.text(), timeout=10000)


def with_a_model(parts: Parts, qtbot: QtBot, server: Server, tmp_path: Path) -> ModelsDialog:
    """Return the panel once a file was imported."""
    file = tmp_path / "955717e8.safetensors"
    file.write_bytes(server.files["/955717e8.safetensors"].data)
    dialog = ModelsDialog(parts.controller)
    qtbot.addWidget(dialog)
    dialog.import_files((file,))
    qtbot.waitUntil(lambda: state(dialog) == "Ready", timeout=10000)
    return dialog


def test_files_are_imported_and_moved(show: Show, qtbot: QtBot, server: Server, tmp_path: Path) -> None:
    parts = show()
    dialog = with_a_model(parts, qtbot, server, tmp_path)
    target = tmp_path / "elsewhere"
    old = store.path("htdemucs", "955717e8.safetensors")
    dialog.move_to(target)
    assert not dialog.remove.isEnabled()
    qtbot.waitUntil(lambda: dialog.status.text() == "All models are there now.", timeout=10000)
    assert (target / "htdemucs" / "955717e8.safetensors").is_file()
    assert not old.exists()
    assert parts.settings.text("weights_folder") == str(target)


def test_models_stay_where_they_are_if_the_settings_cannot_be_written(
    show: Show, qtbot: QtBot, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = show()
    dialog = with_a_model(parts, qtbot, server, tmp_path)
    monkeypatch.setattr(parts.settings, "_write", lambda: False)
    dialog.move_to(tmp_path / "elsewhere")
    qtbot.waitUntil(lambda: "stay where they are" in dialog.status.text(), timeout=10000)
    assert store.path("htdemucs", "955717e8.safetensors").is_file()
    assert not (tmp_path / "elsewhere" / "htdemucs").exists()
    assert parts.settings.text("weights_folder") == ""
    assert state(dialog) == "Ready"


def test_a_method_that_lacks_its_weights_offers_them(show: Show, qtbot: QtBot, server: Server) -> None:
    dialog = SeparateDialog(show().controller)
    qtbot.addWidget(dialog)
    dialog.choose("htdemucs")
    assert not dialog.start.isEnabled()
    assert "Licence: MIT" in dialog.lacking.text()
    assert dialog.methods.currentItem().text().endswith("↓")
    qtbot.mouseClick(dialog.get, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(dialog.start.isEnabled, timeout=10000)
    assert dialog.key == "htdemucs"
    assert dialog.lacking.isHidden()
    assert dialog.methods.currentItem().text() == "HT Demucs"


def test_presets_set_parameters_and_say_how_long_they_take(show: Show, qtbot: QtBot, server: Server) -> None:
    dialog = SeparateDialog(show().controller)
    qtbot.addWidget(dialog)
    dialog.choose("htdemucs")
    draft, good, best = dialog.presets.buttons
    assert [button.isChecked() for button in (draft, good, best)] == [False, True, False]
    assert best.text().startswith("Best  ·  about ")
    qtbot.mouseClick(best, Qt.MouseButton.LeftButton)
    assert dialog.form.values["shifts"] == 2
    assert dialog.form.values["overlap"] == 0.5
    assert best.isChecked()
    assert not good.isChecked()
    dialog.form.editors["shifts"].show_value(3)
    dialog.form.edited.emit("shifts", 3)
    assert not best.isChecked()
    dialog.choose("classic")
    assert dialog.presets.buttons == []


def test_methods_are_combined_and_taken_apart_again(show: Show, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    combine = CombineDialog()
    qtbot.addWidget(combine)
    assert not combine.accept_button.isEnabled()
    for row in range(combine.methods.count()):
        if combine.methods.item(row).data(Qt.ItemDataRole.UserRole) in ("kam", "hpss"):
            combine.methods.item(row).setCheckState(Qt.CheckState.Checked)
    assert combine.accept_button.isEnabled()
    assert set(combine.key.split("+")) == {"kam", "hpss"}
    parts = show()
    monkeypatch.setattr(settings, "stored", parts.settings.get)
    dialog = SeparateDialog(parts.controller)
    qtbot.addWidget(dialog)
    dialog.add_ensemble("kam+hpss")
    assert dialog.key == "kam+hpss"
    assert parts.settings.names("ensembles") == ["kam+hpss"]
    assert dialog.start.isEnabled()
    qtbot.mouseClick(dialog.drop, Qt.MouseButton.LeftButton)
    assert dialog.key == registry.DEFAULT
    assert parts.settings.names("ensembles") == []
