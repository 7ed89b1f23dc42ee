"""The dialogs: what they show, and what they ask for."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QMessageBox
from pytestqt.qtbot import QtBot

from stemeditor.app.application import Parts
from stemeditor.app.job_state import ExportQuestion, JobState
from stemeditor.app.messages import BUG, Notice
from stemeditor.app.panels import separate
from stemeditor.app.panels.export import ExportDialog, ask_export
from stemeditor.app.panels.jobs import StatusBar, time_left
from stemeditor.app.panels.presets import duration_text
from stemeditor.app.panels.separate import SeparateDialog
from stemeditor.app.panels.settings import AboutDialog, SettingsDialog, ShortcutsDialog
from stemeditor.app.table import TABLE
from stemeditor.app.theme import DARK
from stemeditor.jobs import models
from stemeditor.jobs.export import ExportRequest, FilesExist, SessionPlan, TooLoud
from stemeditor.methods import registry
from stemeditor.nets import checkpoint
from stemeditor.nets.description import Description
from tests.nets.test_nets import SMALL, small

Show = Callable[[], Parts]


def test_the_methods_are_all_there_with_their_parameters(show: Show, qtbot: QtBot) -> None:
    parts = show()
    dialog = SeparateDialog(parts.controller)
    qtbot.addWidget(dialog)
    families = {registry.info(key).family for key in registry.keys()}  # noqa: SIM118 a function, no mapping
    assert dialog.methods.count() == len(registry.keys()) + len(families)
    for key in registry.keys():  # noqa: SIM118 a function, no mapping
        dialog.choose(key)
        info = registry.info(key)
        assert dialog.name.text() == info.name
        assert "for this song" in dialog.facts.text()
        assert info.source in (dialog.source.text(), dialog.source.toolTip())
        assert len(dialog.source.text()) <= 400
        assert dialog.form.values == {param.name: param.default for param in info.params}


def test_a_method_is_found_by_a_few_letters(show: Show, qtbot: QtBot) -> None:
    dialog = SeparateDialog(show().controller)
    qtbot.addWidget(dialog)

    def shown() -> list[str]:
        items = [dialog.methods.item(row) for row in range(dialog.methods.count())]
        return [item.text() for item in items if not item.isHidden()]

    everything = shown()
    qtbot.keyClicks(dialog.search, "hpss")
    assert shown()[1:] == [registry.info("hpss").name]
    assert shown()[0].isupper()
    assert dialog.key == "hpss"
    dialog.search.setText("PIANO demucs")
    assert dialog.key == "htdemucs_6s"
    dialog.open()
    dialog.search.setText("low rank")
    first = dialog.key
    # Only what has been laid out can be walked through.
    QApplication.processEvents()
    qtbot.keyClick(dialog.search, Qt.Key.Key_Down)
    assert dialog.key != first
    dialog.search.setText("no such thing")
    assert shown() == []
    assert not dialog.nothing.isHidden()
    # What was chosen last stays chosen, but cannot be used while it is not seen.
    assert registry.info(dialog.key).name == dialog.name.text()
    assert dialog.page.isHidden()
    assert not dialog.start.isEnabled()
    dialog.search.clear()
    assert not dialog.page.isHidden()
    assert dialog.start.isEnabled() == (registry.missing(dialog.key) is None)
    assert shown() == everything
    assert dialog.nothing.isHidden()


def test_what_computes_a_method_is_started_while_its_page_is_read(
    show: Show, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = show()
    started: list[str] = []
    monkeypatch.setattr(separate, "warm", lambda key, progress: started.append(key))
    dialog = SeparateDialog(parts.controller)
    qtbot.addWidget(dialog)
    for key in ("classic", "kam", "compact"):
        dialog.choose(key)
    qtbot.waitUntil(lambda: bool(started))
    assert started == ["compact"]
    monkeypatch.setattr(type(parts.controller.player), "playing", True)
    dialog.choose("blend")
    qtbot.wait(3 * separate._SETTLED_MS)
    assert started == ["compact"]


def test_separate_uses_what_was_set_and_remembers_the_method(
    show: Show, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = show()
    asked: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(parts.controller, "separate", lambda key, params: asked.append((key, params)))
    dialog = SeparateDialog(parts.controller)
    qtbot.addWidget(dialog)
    dialog.choose("hpss")
    dialog.form.editors["margin"].show_value(2.0)
    qtbot.mouseClick(dialog.start, Qt.MouseButton.LeftButton)
    assert asked[0][0] == "hpss"
    assert asked[0][1]["margin"] == 2.0
    assert parts.settings.text("method") == "hpss"


def test_a_dialog_that_waits_for_a_separation_says_so_and_goes_on(show: Show, qtbot: QtBot) -> None:
    parts = show()
    parts.controller.separate("hpss")
    dialog, export = SeparateDialog(parts.controller), ExportDialog(parts.controller)
    qtbot.addWidget(dialog)
    qtbot.addWidget(export)
    dialog.choose("kam")
    assert not dialog.start.isEnabled()
    assert "A separation is running" in dialog.waiting.text()
    qtbot.waitUntil(lambda: parts.controller.document.previewing, timeout=20000)
    assert not export.start.isEnabled()
    assert not export.waiting.isHidden()
    qtbot.waitUntil(lambda: not parts.controller.separating, timeout=20000)
    assert dialog.start.isEnabled()
    assert dialog.waiting.isHidden()
    assert export.start.isEnabled()
    assert export.waiting.isHidden()
    names = [lane.name for lane in parts.controller.project.stems]
    assert [item.name for item in export.request().items] == names


def test_enter_keeps_a_number_and_starts_nothing(show: Show, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = show()
    asked: list[str] = []
    monkeypatch.setattr(parts.controller, "separate", lambda key, params: asked.append(key))
    dialog = SeparateDialog(parts.controller)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.choose("hpss")
    box = dialog.form.editors["margin"]._box
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "2.5")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert dialog.form.values["margin"] == 2.5
    assert asked == []
    assert dialog.isVisible()
    qtbot.keyClick(dialog.methods, Qt.Key.Key_Return)
    assert asked == ["hpss"]


def test_what_comes_with_the_program_says_what_is_cleaner(show: Show, qtbot: QtBot) -> None:
    dialog = SeparateDialog(show().controller)
    qtbot.addWidget(dialog)
    dialog.show()
    for key in ("classic", "compact", "blend"):
        dialog.choose(key)
        assert dialog.better.isVisible()
        assert "a download" in dialog.better.text()
        qtbot.mouseClick(dialog.better, Qt.MouseButton.LeftButton)
        assert dialog.key == "htdemucs"
        assert not dialog.better.isVisible()
        assert dialog.get.isVisible()


def test_reset_brings_the_defaults_back(show: Show, qtbot: QtBot) -> None:
    dialog = SeparateDialog(show().controller)
    qtbot.addWidget(dialog)
    dialog.choose("classic")
    dialog.form.editors["focus"].show_value(3.0)
    qtbot.mouseClick(dialog.reset, Qt.MouseButton.LeftButton)
    assert dialog.form.values["focus"] == 10.0


@pytest.fixture
def export(show: Show, qtbot: QtBot, tmp_path: Path) -> ExportDialog:
    parts = show()
    dialog = ExportDialog(parts.controller)
    dialog.folder.setText(str(tmp_path))
    qtbot.addWidget(dialog)
    return dialog


def test_files_are_written_as_they_are_heard_if_that_is_asked_for(show: Show, tmp_path: Path) -> None:
    parts = show()
    parts.controller.set_pace(0.75, -2.0)
    dialog = ExportDialog(parts.controller)
    dialog.show()
    assert dialog.paced.isVisible()
    assert dialog.paced.text() == "Played as it is now: at 75 % of its speed, 2 semitones lower"
    request = dialog.request()
    assert request.paced.pace == parts.controller.pace
    assert "A song (75 %, -2)/Vocals.wav" in dialog.preview.text()
    dialog.paced.setChecked(False)
    assert dialog.request().paced is None
    assert "A song/Vocals.wav" in dialog.preview.text()
    dialog.close()


def test_of_a_pace_nothing_is_said_where_it_is_the_songs_own(export: ExportDialog) -> None:
    assert not export.paced.isVisibleTo(export)
    assert export.request().paced is None


def test_stems_are_chosen_by_default_and_the_song_is_not(export: ExportDialog) -> None:
    assert [item.name for item in export.request().items] == ["Vocals", "Drums", "Bass", "Other"]
    export.lanes.item(1).setCheckState(Qt.CheckState.Unchecked)
    assert [item.name for item in export.request().items] == ["Drums", "Bass", "Other"]


def test_nothing_chosen_cannot_be_exported(export: ExportDialog) -> None:
    for row in range(export.lanes.count()):
        export.lanes.item(row).setCheckState(Qt.CheckState.Unchecked)
    assert not export.start.isEnabled()


def test_mix_and_everything_but_one(export: ExportDialog) -> None:
    export.mix.setChecked(True)
    assert [item.name for item in export.request().items] == ["Mix"]
    export.all_but.setChecked(True)
    export.without.setCurrentIndex(1)
    assert [item.name for item in export.request().items] == ["Without Drums"]


def test_the_names_are_shown_before_and_a_bad_template_is_told(export: ExportDialog) -> None:
    export.template.setText("{number} {stem}")
    export.show()
    assert export.preview.text().splitlines()[0] == "01 Vocals.wav"
    export.template.setText("{nonsense}")
    assert "nonsense" in export.preview.text()
    assert not export.start.isEnabled()


def test_a_project_for_another_program_is_asked_for_with_stems_only_and_remembered(
    export: ExportDialog, qtbot: QtBot, tmp_path: Path
) -> None:
    controller = export._controller
    controller.set_gain(controller.project.stems[0].id, 0.5)
    controller.set_master_gain(0.7)
    assert export.request().session is None
    export.template.setText("{song}/{stem}")
    export.session.setCurrentIndex(export.session.findData("reaper"))
    export._refresh()
    assert export.preview._names[-1].endswith(".rpp")
    assert export.preview._names[-1].rpartition("/")[0] == export.preview._names[0].rpartition("/")[0]
    request = export.request()
    assert request.session == SessionPlan("reaper", 0.7)
    assert request.items[0].faders.gain == 0.5
    assert len({item.faders.colour for item in request.items}) == len(request.items)
    export.mix.setChecked(True)
    assert export.request().session is None
    assert not export.session.isEnabled()
    export.stems.setChecked(True)
    qtbot.mouseClick(export.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: controller.jobs == (), timeout=20000)
    (written,) = tmp_path.rglob("*.rpp")
    assert "PEAKCOL" in written.read_text(encoding="utf-8")
    again = ExportDialog(controller)
    qtbot.addWidget(again)
    assert again.session.currentData() == "reaper"


def test_format_quality_and_folder_reach_the_request_and_are_remembered(
    export: ExportDialog, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[ExportRequest] = []
    controller = export._controller
    monkeypatch.setattr(controller, "export", asked.append)
    export.format.setCurrentIndex(export.format.findData("flac"))
    export._format_changed()
    export.subtype.setCurrentIndex(export.subtype.findData("16"))
    qtbot.mouseClick(export.start, Qt.MouseButton.LeftButton)
    assert (asked[0].encoding, asked[0].subtype, asked[0].folder) == ("flac", "16", tmp_path)
    again = ExportDialog(controller)
    qtbot.addWidget(again)
    assert (again.format.currentData(), again.subtype.currentData()) == ("flac", "16")
    assert again.folder.text() == str(tmp_path)


def answer(text: str) -> None:
    """Press the button that says so, as soon as a question stands there."""

    def press() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        button = next(button for button in box.buttons() if text in button.text().replace("&", ""))
        button.click()

    QTimer.singleShot(50, press)


def test_names_that_are_too_many_or_too_long_widen_nothing(export: ExportDialog, qtbot: QtBot) -> None:
    export.show()
    width = export.minimumSizeHint().width()
    names = [f"{number} {'a long name ' * 30}.wav" for number in range(9)]
    export.preview.show_names(names)
    lines = export.preview.text().splitlines()
    assert len(lines) == 5
    assert all("…" in line and line.startswith(str(number)) for number, line in enumerate(lines[:4]))
    assert lines[4] == "and 5 more"
    assert export.preview.toolTip().splitlines() == names
    assert export.minimumSizeHint().width() == width
    dialog = SeparateDialog(export._controller)
    qtbot.addWidget(dialog)
    dialog.show()
    width = dialog.minimumSizeHint().width()
    dialog.name.setText(" + ".join(["A method with a name"] * 9))
    assert dialog.minimumSizeHint().width() == width


def test_fields_and_buttons_are_of_one_height_and_have_labels(export: ExportDialog) -> None:
    export.show()
    fields = (export.folder, export.format, export.subtype, export.template, export.session, export.start)
    assert len({field.height() for field in fields}) == 1
    named = {label.text(): label.buddy() for label in export.findChildren(QLabel)}
    assert (named["Format"], named["Folder"], named["File names"]) == (export.format, export.folder, export.template)
    assert named["DAW project"] == export.session


@pytest.mark.parametrize(
    ("button", "overs"),
    [("float", "float"), ("Turn all", "turn_down"), ("Limit", "limit"), ("Cancel", None)],
)
def test_too_loud_is_asked_in_three_ways(export: ExportDialog, button: str, overs: str | None) -> None:
    request = export.request()
    answer(button)
    found = ask_export(ExportQuestion(request, TooLoud({"Drums": 1.5})), export)
    assert (found.overs if found else None) == overs


def test_existing_files_are_asked_about(export: ExportDialog, tmp_path: Path) -> None:
    request = export.request()
    question = ExportQuestion(request, FilesExist((tmp_path / "Drums.wav",)))
    answer("Replace")
    found = ask_export(question, export)
    assert found is not None
    assert found.overwrite
    answer("Cancel")
    assert ask_export(question, export) is None


def test_nothing_is_replaced_by_enter(export: ExportDialog, tmp_path: Path) -> None:
    def press() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        defaults.append(box.defaultButton().text().replace("&", ""))
        box.reject()

    defaults: list[str] = []
    QTimer.singleShot(50, press)
    ask_export(ExportQuestion(export.request(), FilesExist((tmp_path / "Drums.wav",))), export)
    assert defaults == ["Cancel"]


def test_what_was_set_on_a_method_stands_there_the_next_time(show, qtbot: QtBot) -> None:
    parts = show()
    dialog = SeparateDialog(parts.controller)
    qtbot.addWidget(dialog)
    dialog.choose("kam")
    dialog.form.editors["focus"].show_value(8)
    dialog._start()
    parts.controller.cancel_separation()
    again = SeparateDialog(parts.controller)
    qtbot.addWidget(again)
    assert again.key == "kam"
    assert again.form.values["focus"] == 8
    again._reset()
    assert again.form.values["focus"] != 8


def test_settings_are_kept_at_once(parts: Parts, qtbot: QtBot) -> None:
    dialog = SettingsDialog(parts.settings, parts.output)
    qtbot.addWidget(dialog)
    labels = {row.name for row in parts.settings.rows()}
    assert set(dialog.form.editors) | {"output_device"} == labels
    # Everything stands in one column, and Tab goes down it.
    dialog.show()
    boxes = [dialog.device, *(editor.focusProxy() for editor in dialog.form.editors.values())]
    reached = [dialog.device]
    while (following := reached[-1].nextInFocusChain()) is not dialog.device:
        reached.append(following)
    assert [box for box in reached if box in boxes] == boxes
    assert len({widget.x() for widget in (dialog.device, *dialog.form.editors.values())}) == 1
    dialog.form.editors["follow_playhead"]._box.click()
    assert not parts.settings.flag("follow_playhead")
    assert not dialog.later.isVisible()
    size = dialog.form.editors["scale"]._box
    size.setCurrentIndex(size.findData("150"))
    size.activated.emit(size.currentIndex())
    assert parts.settings.text("scale") == "150"
    assert dialog.later.isVisible()
    dialog.device.addItem("Headphones", "Headphones")
    dialog.device.setCurrentIndex(dialog.device.count() - 1)
    dialog._device_chosen(0)
    assert parts.settings.text("output_device") == "Headphones"
    qtbot.waitUntil(lambda: parts.output.status.kind == "silent")


@pytest.mark.parametrize(
    "action", ["method", "compare", "export", "settings", "shortcuts", "about"], ids=lambda action: action
)
def test_a_closed_dialog_is_gone(show: Show, qtbot: QtBot, action: str) -> None:
    parts = show()
    closed: list[str] = []

    def close() -> None:
        dialog = QApplication.activeModalWidget()
        closed.append(type(dialog).__name__)
        dialog.close()

    QTimer.singleShot(200, close)
    parts.window.actions_[action].trigger()
    assert closed != ["NoneType"]
    qtbot.waitUntil(lambda: parts.window.findChildren(QDialog) == [])
    # What goes on tells nobody who is no more.
    parts.controller.jobs_changed.emit()
    parts.controller.changed.emit()
    qtbot.wait(50)


def test_the_help_pages_tell_what_there_is(qtbot: QtBot) -> None:
    keys, about = ShortcutsDialog(), AboutDialog()
    qtbot.addWidget(keys)
    qtbot.addWidget(about)
    assert keys.table.rowCount() == sum(bool(row.keys) for row in TABLE)
    assert keys.table.item(0, 2).text()


def test_a_job_shows_how_far_it_is_and_can_be_stopped(qtbot: QtBot) -> None:
    bar = StatusBar(DARK)
    qtbot.addWidget(bar)
    bar.show()
    bar.show_jobs((JobState(7, "Song", "s", "Separating", 0.25, 12.4, "running"),))
    (row,) = bar.rows()
    assert (row.bar.value(), row.left.text()) == (250, "12 s left")
    assert row.cross.toolTip() == "Cancel (Esc)"
    bar.show_jobs((row.state, JobState(8, "Other", "", "Writing", 0.5, None, "running")))
    assert [one.cross.toolTip() for one in bar.rows()] == ["Cancel", "Cancel (Esc)"]
    bar.show_jobs((row.state,))
    with qtbot.waitSignal(bar.cancelled) as caught:
        qtbot.mouseClick(row.cross, Qt.MouseButton.LeftButton)
    assert caught.args == [7]
    bar.show_jobs((JobState(7, "Song", "s", "It broke.", state="failed", hint="Mend it."),))
    assert bar.rows() == (row,)
    assert not row.bar.isVisible()
    with qtbot.waitSignal(bar.dismissed) as caught:
        qtbot.mouseClick(row.cross, Qt.MouseButton.LeftButton)
    bar.show_jobs(())
    assert bar.rows() == ()


def test_details_of_the_next_problem_are_not_yet_copied(parts: Parts) -> None:
    bar = parts.window.notices
    bar.show_notice(Notice(BUG, "One", details="first"))
    bar.copy.click()
    assert bar.copy.text() == "Copied"
    bar.show_notice(Notice(BUG, "Two", details="second"))
    assert bar.copy.text() == "Copy details"


def test_estimates_read_like_people_talk() -> None:
    assert [time_left(s) for s in (None, 0.2, 59.4, 125)] == ["", "1 s left", "59 s left", "2 min left"]
    assert [duration_text(s) for s in (0.1, 30, 300)] == ["about 1 s", "about 30 s", "about 5 min"]


def test_a_network_of_ones_own_is_added_and_chosen(
    show: Show, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lesson.safetensors"
    stems = ("vocals", "drums", "bass", "other")
    checkpoint.save(path, small("unet"), Description("unet", SMALL["unet"], stems, 44100, {"name": "Lesson"}))
    dialog = SeparateDialog(show().controller)
    qtbot.addWidget(dialog)
    (tmp_path / "none.safetensors").write_bytes(b"nothing")
    before = dialog.key
    prepared: list[str] = []
    monkeypatch.setattr(models, "prepare", lambda key, progress: prepared.append(key))
    dialog.import_files((tmp_path / "none.safetensors",))
    assert dialog.add.text() == "Adding…"
    qtbot.waitUntil(lambda: "none.safetensors" in dialog.trouble.text() and dialog.add.isEnabled())
    assert dialog.key == before
    dialog.import_files((path,))
    qtbot.waitUntil(lambda: dialog.key == "own:lesson")
    assert prepared == ["own:lesson"]
    qtbot.waitUntil(lambda: dialog.add.text() == "Add a network…")
    assert dialog.name.text() == "Lesson"
    assert not dialog.trouble.text()
