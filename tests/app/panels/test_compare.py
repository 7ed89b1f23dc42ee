"""Comparing methods in the window: hearing, seeing, scores, the blind test, parts."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog
from pytestqt.qtbot import QtBot

from stemeditor.app.application import Parts
from stemeditor.app.panels.chart import ChartDialog
from stemeditor.app.panels.compare import CompareDialog
from stemeditor.app.panels.listening import ListeningDialog, excerpts
from stemeditor.app.panels.parts import PartsDialog
from stemeditor.app.panels.picture import DifferenceRequest, paint_difference
from stemeditor.app.panels.ranking import Ranking, RankingRow
from stemeditor.app.panels.separate import SeparateDialog
from stemeditor.app.theme import DARK
from stemeditor.audio.buffer import Audio
from stemeditor.errors import UserError
from stemeditor.evaluation.protocol import StemScore, Table
from stemeditor.jobs import compare
from stemeditor.jobs.compare import Contender
from stemeditor.progress import Silent
from stemeditor.project import edits
from tests.conftest import ExpectedLogs
from tests.helpers.sounds import music, song_of, tone, write_wav

Show = Callable[[], Parts]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A song of four seconds with its true stems."""
    made = tmp_path / "Song"
    made.mkdir()
    parts = {"vocals": tone(440, 4.0, 0.1), "drums": music(4.0, seed=2)}
    for name, samples in parts.items():
        write_wav(made / f"{name}.wav", samples)
    write_wav(made / "mixture.wav", sum(parts.values()))
    return made


@pytest.fixture
def dialog(parts: Parts, folder: Path, qtbot: QtBot) -> CompareDialog:
    """The panel on that song, with the true stems found beside it; it is closed when the test is over."""
    parts.controller.open(folder / "mixture.wav")
    qtbot.waitUntil(lambda: parts.controller.can_separate, timeout=20000)
    made = CompareDialog(parts.controller, DARK, parts.window)
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(
        lambda: "drums, vocals" in made.true.told.text() or "vocals, drums" in made.true.told.text(), timeout=20000
    )
    return made


def tick(dialog: CompareDialog, *keys: str) -> None:
    for row in range(dialog.methods.count()):
        item = dialog.methods.item(row)
        on = item.data(Qt.ItemDataRole.UserRole) in keys
        item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


def ran(dialog: CompareDialog, qtbot: QtBot, *keys: str) -> CompareDialog:
    tick(dialog, *keys)
    dialog.run()
    qtbot.waitUntil(lambda: not dialog.running, timeout=60000)
    return dialog


def test_at_first_the_default_stands_beside_the_best_of_each_kind(dialog: CompareDialog) -> None:
    assert dialog.chosen == ("blend", "compact", "classic", "kam")
    assert not dialog.stem.isEnabled()


def test_methods_are_run_scored_and_heard_in_the_place_of_the_song(
    dialog: CompareDialog, parts: Parts, qtbot: QtBot
) -> None:
    ran(dialog, qtbot, "hpss", "repet")
    assert dialog.chosen == ("hpss", "repet")
    assert dialog.stem.isEnabled()
    labels = [dialog.table.item(row, 1).text() for row in range(dialog.table.rowCount())]
    assert labels == ["The song", "True drums", "Percussion and harmony", "Loop (REPET)"]
    assert float(dialog.table.item(2, 2).text()) > -20
    player = parts.controller.player
    assert len(player.mix.strips) == 1
    assert player.loop == (0, 4 * 44100)
    dialog.done(0)
    assert [strip.id for strip in player.mix.strips] == [lane.id for lane in parts.controller.project.lanes]
    assert player.loop is None


def test_one_key_switches_without_a_gap_or_a_click(dialog: CompareDialog, parts: Parts, qtbot: QtBot) -> None:
    ran(dialog, qtbot, "hpss", "centre")
    player = parts.controller.player
    parts.output.close()
    dialog.equal.setChecked(False)
    qtbot.keyClick(dialog, Qt.Key.Key_0)
    assert dialog.heard == "song"
    qtbot.keyClick(dialog, Qt.Key.Key_Space)
    assert player.playing
    blocks = [player.read(512) for _ in range(20)]
    before = player.position
    qtbot.keyClick(dialog, Qt.Key.Key_A)
    assert dialog.heard == "hpss"
    blocks += [player.read(512) for _ in range(20)]
    assert player.position == before + 20 * 512
    heard = np.concatenate(blocks, axis=1)
    switch = 20 * 512
    expected = dialog._audition.sound("hpss", "drums").samples[:, switch + 512 : switch + 4096]
    assert np.allclose(heard[:, switch + 512 : switch + 4096], expected, atol=1e-5)
    # While it fades, what is heard lies between the two: nothing jumps.
    step = np.abs(np.diff(heard[:, switch - 64 : switch + 512], axis=1)).max()
    assert step < 2 * np.abs(np.diff(heard, axis=1)).max(axis=1).max()
    qtbot.keyClick(dialog, Qt.Key.Key_T)
    assert dialog.heard == "true"
    qtbot.keyClick(dialog, Qt.Key.Key_Space)


def test_the_promised_keys_work_where_the_keyboard_is(dialog: CompareDialog, parts: Parts, qtbot: QtBot) -> None:
    dialog.activateWindow()
    assert dialog.focusWidget() is dialog.table
    qtbot.keyClick(dialog.focusWidget(), Qt.Key.Key_Space)
    assert parts.controller.player.playing
    qtbot.keyClick(dialog.focusWidget(), Qt.Key.Key_Space)
    ran(dialog, qtbot, "hpss", "centre")
    assert dialog.focusWidget() is dialog.table
    for field in (dialog.table, dialog.methods, dialog.stretch.start, dialog.stem, dialog.against):
        dialog.hear("song")
        qtbot.keyClick(field, Qt.Key.Key_B)
        assert dialog.heard == "centre"
    qtbot.keyClick(dialog.stretch.stop, Qt.Key.Key_Space)
    assert parts.controller.player.playing
    qtbot.keyClick(dialog.stretch.stop, Qt.Key.Key_Space)
    qtbot.keyClick(dialog.table, Qt.Key.Key_Up)
    assert dialog.heard == "hpss"
    # Methods are ticked by the keyboard all the same.
    dialog.methods.setCurrentRow(0)
    before = dialog.chosen
    qtbot.keyClick(dialog.methods, Qt.Key.Key_Space)
    assert dialog.chosen != before
    assert not parts.controller.player.playing


def test_enter_presses_what_has_the_keyboard_and_loses_nothing(
    dialog: CompareDialog, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(dialog, qtbot, "hpss")
    pressed: list[str] = []
    dialog.listen.clicked.disconnect()
    dialog.listen.clicked.connect(lambda: pressed.append("listen"))
    monkeypatch.setattr(dialog, "run", lambda: pressed.append("run"))
    dialog.activateWindow()
    for field in (dialog.table, dialog.stretch.start, dialog.stem, dialog.equal, dialog.listen):
        field.setFocus()
        qtbot.keyClick(field, Qt.Key.Key_Return)
    assert pressed == ["listen"]
    dialog.methods.setFocus()
    qtbot.keyClick(dialog.methods, Qt.Key.Key_Return)
    assert pressed == ["listen", "run"]


def test_a_stretch_never_ends_before_it_begins(dialog: CompareDialog) -> None:
    stretch = dialog.stretch
    assert stretch.start.height() == dialog.stem.height() == dialog.start_button.height()
    stretch.start.setValue(3.0)
    stretch.stop.setValue(2.0)
    assert (stretch.start.value(), stretch.stop.value()) == (2.0, 2.0)
    stretch.start.setValue(3.5)
    assert stretch.frames == (round(3.5 * 44100), round(3.5 * 44100))


def test_equal_loudness_is_a_gain_and_can_be_had_without(dialog: CompareDialog, parts: Parts, qtbot: QtBot) -> None:
    ran(dialog, qtbot, "hpss")
    gains = []
    for on in (True, False):
        dialog.equal.setChecked(on)
        dialog.hear("song")
        gains.append(parts.controller.player.mix.strips[0].gain)
    assert gains[0] < 1.0 == gains[1]


def test_who_switches_waits_for_no_measuring(
    dialog: CompareDialog, parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(dialog, qtbot, "hpss", "centre")

    def slow(audio: Audio) -> float:
        raise AssertionError("measured in the main thread")

    monkeypatch.setattr(compare, "loudness", slow)
    gains = {}
    for key in ("hpss", "centre", "song"):
        dialog.hear(key)
        gains[key] = dialog._audition.gain(key, dialog.stem.currentData())
    assert max(gains.values()) <= 1.0
    assert gains["song"] < 1.0, "the song is louder than any of its stems"


def test_results_stay_as_long_as_the_song(parts: Parts, dialog: CompareDialog, qtbot: QtBot, folder: Path) -> None:
    ran(dialog, qtbot, "hpss")
    table = dialog._audition.table
    dialog.reject()
    again = CompareDialog(parts.controller, DARK, parts.window)
    qtbot.addWidget(again)
    assert again.table.rowCount() == 3
    assert again._audition.table is table
    assert "drums" in again.true.told.text()
    assert again.stretch.frames == (0, 4 * 44100)
    qtbot.keyClick(again, Qt.Key.Key_A)
    assert again.heard == "hpss"
    again.reject()
    parts.controller.open(folder / "drums.wav")
    qtbot.waitUntil(lambda: parts.controller.can_separate and parts.controller.project.song.title == "drums")
    other = CompareDialog(parts.controller, DARK, parts.window)
    qtbot.addWidget(other)
    assert other.table.rowCount() == 1
    other.reject()


def test_a_stem_without_scores_says_why(qtbot: QtBot) -> None:
    table = Ranking()
    qtbot.addWidget(table)
    sound = Audio(music(0.1), 44100)
    silent = StemScore("a", "hpss", "drums", {"sdr": None}, 0)
    row = Contender("hpss", "Percussion and harmony", {"drums": sound, "bass": sound}, scores=(silent,))
    for stem, text, tip in (("drums", "silent", "true drums is silent"), ("bass", "–", "no true bass")):
        table.show_rows([RankingRow("hpss", "A", row.label, row)], stem, "hpss")
        assert table.item(0, 2).text() == text
        assert tip in table.item(0, 2).toolTip()


def test_differences_are_painted(dialog: CompareDialog, qtbot: QtBot) -> None:
    ran(dialog, qtbot, "hpss")
    dialog.hear("hpss")
    dialog.against.setCurrentIndex(dialog.against.findData("song"))
    assert "Blue" in dialog.state.text()
    qtbot.waitUntil(lambda: dialog.picture._image is not None, timeout=10000)
    samples = music(1.0)
    loud, soft = Audio(samples, 44100), Audio(samples * np.float32(0.25), 44100)
    same = paint_difference(DifferenceRequest(loud, loud, 40, 30), Silent())
    assert (same == 128).all()
    apart = paint_difference(DifferenceRequest(loud, soft, 40, 30), Silent())
    # 12 of 24 dB.
    assert np.median(apart[apart != 128]) == pytest.approx(128 + 127 * 12.04 / 24, abs=2)
    assert (paint_difference(DifferenceRequest(soft, loud, 40, 30), Silent()) <= 128).all()


def test_who_is_quick_gets_scores_all_the_same(dialog: CompareDialog, folder: Path, qtbot: QtBot) -> None:
    dialog.true.use(folder)
    assert dialog.true.reading
    tick(dialog, "hpss")
    dialog.run()
    assert dialog.running
    assert dialog.start_button.text() == "Stop"
    dialog.cancel()
    assert not dialog.running
    dialog.run()
    qtbot.waitUntil(lambda: not dialog.running, timeout=60000)
    assert dialog._audition.contenders["hpss"].scores


def test_it_can_be_stopped_and_keeps_what_is_done(
    dialog: CompareDialog, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = dialog._posted

    def stopping(piece: object) -> None:
        original(piece)
        dialog.cancel()

    monkeypatch.setattr(dialog, "_posted", stopping)
    tick(dialog, "hpss", "lead_voice", "ilrma")
    dialog.run()
    assert dialog.running
    qtbot.waitUntil(lambda: "hpss" in dialog._audition.contenders, timeout=60000)
    assert not dialog.running
    assert dialog.start_button.text() == "Compare"
    assert dialog.table.rowCount() == 3


def test_nothing_comes_to_a_dialog_that_is_closed(parts: Parts, folder: Path, qtbot: QtBot) -> None:
    """What is painted or read for it goes on in the background; its widgets may be gone when that ends."""
    parts.controller.open(folder / "mixture.wav")
    qtbot.waitUntil(lambda: parts.controller.can_separate, timeout=20000)
    made = CompareDialog(parts.controller, DARK, parts.window)
    made.show()
    qtbot.waitExposed(made)
    made.picture.resize(made.picture.width() + 40, made.picture.height())
    assert made.true.reading
    assert made.picture._job is not None
    waiting = {made.true._job.id, made.picture._job.id}
    made.done(0)
    assert not waiting & set(parts.controller._ongoing)
    assert made.picture._job is None
    assert not parts.controller.jobs


def test_an_empty_choice_says_so(dialog: CompareDialog) -> None:
    tick(dialog)
    dialog.run()
    assert not dialog.running
    assert "Tick a method" in dialog.state.text()


def test_scores_are_written_and_drawn(dialog: CompareDialog, qtbot: QtBot, tmp_path: Path) -> None:
    ran(dialog, qtbot, "hpss")
    dialog.write_scores(tmp_path / "scores.csv")
    dialog.write_scores(tmp_path / "scores.json")
    assert "hpss" in (tmp_path / "scores.csv").read_text()
    assert (tmp_path / "scores.json").read_text().startswith("{")
    dialog.write_scores(tmp_path / "no" / "where.csv")
    assert "cannot be written" in dialog.state.text()
    chart = ChartDialog(dialog._audition.table, DARK, dialog)
    qtbot.addWidget(chart)
    before = chart.image.pixmap().toImage()
    chart.measure.setCurrentIndex(1)
    assert chart.image.pixmap().toImage() != before
    chart.write(tmp_path / "figure.svg")
    assert "svg" in (tmp_path / "figure.svg").read_text()[:400]


def test_the_winner_takes_the_whole_song_apart(dialog: CompareDialog, parts: Parts, qtbot: QtBot) -> None:
    ran(dialog, qtbot, "hpss")
    dialog.hear("hpss")
    qtbot.mouseClick(dialog.use, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(parts.controller.project.stems) == 2, timeout=30000)
    qtbot.waitUntil(lambda: not parts.controller.separating, timeout=30000)
    assert parts.settings.text("method") == "hpss"


def test_methods_that_do_not_suit_cannot_be_ticked(parts: Parts, qtbot: QtBot) -> None:
    mono = song_of(music(2.0)[:1])
    parts.controller.document.apply("Open song", lambda project: edits.open_song(mono))
    made = CompareDialog(parts.controller, DARK, parts.window)
    qtbot.addWidget(made)
    rows = {made.methods.item(row).data(Qt.ItemDataRole.UserRole): row for row in range(made.methods.count())}
    assert not made.methods.item(rows["ilrma"]).flags() & Qt.ItemFlag.ItemIsEnabled
    assert "mono" in made.methods.item(rows["ilrma"]).toolTip()
    assert made.methods.item(rows["nmf"]).flags() & Qt.ItemFlag.ItemIsEnabled
    made.done(0)
    separate = SeparateDialog(parts.controller)
    qtbot.addWidget(separate)
    separate.choose("ilrma")
    assert not separate.start.isEnabled()
    assert "mono" in separate.trouble.text()
    qtbot.mouseClick(separate.instead, Qt.MouseButton.LeftButton)
    assert separate.key == "classic"
    assert separate.start.isEnabled()


# The blind test


@pytest.fixture
def listening(show: Show, qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[[], ListeningDialog]]:
    """Return a function that opens the test on two methods and a true stem."""
    made: list[ListeningDialog] = []

    def opened() -> ListeningDialog:
        parts = show() if not made else made[0].parts_
        song = parts.controller.document.base.song.sound.audio
        sounds = {"classic": Audio(song.samples * np.float32(0.5), song.rate), "kam": Audio(song.samples, song.rate)}
        test = ListeningDialog(
            parts.controller, "Song, vocals", sounds, song, song, {"classic": 3.0, "kam": 5.0}, 0, None, tmp_path
        )
        test.parts_ = parts
        qtbot.addWidget(test)
        test.show()
        qtbot.waitUntil(lambda: test._prepared is not None, timeout=20000)
        made.append(test)
        return test

    yield opened
    for test in made:
        test.done(0)


def test_the_whole_test_by_keyboard_alone(
    listening: Callable[[], ListeningDialog], qtbot: QtBot, tmp_path: Path
) -> None:
    test = listening()
    qtbot.keyClick(test, Qt.Key.Key_Return)
    assert "name" in test.trouble.text()
    qtbot.keyClicks(test.name, "Ann")
    qtbot.keyClick(test, Qt.Key.Key_Return)
    assert test.head.text().startswith("Training")
    qtbot.keyClick(test, Qt.Key.Key_Return)
    assert "Every field" in test.hint.text()
    names = {"classic", "kam", "reference", "anchor"}
    trials = 0
    while test.trial is not None and trials < 9:
        assert set(test.trial.order) == names
        texts = [test.grid.verticalHeaderItem(row).text() for row in range(test.grid.rowCount())]
        assert texts == ["A", "B", "C", "D"], "nothing on the screen says who is who"
        qtbot.keyClick(test, Qt.Key.Key_A)
        for _ in range(16):
            qtbot.keyClick(test, Qt.Key.Key_4)
        qtbot.keyClick(test, Qt.Key.Key_Return)
        trials += 1
    assert trials == 3, "training, one excerpt of four seconds, and that once more"
    shown = {test.table.verticalHeaderItem(row).text() for row in range(test.table.rowCount())}
    assert shown == {"Classic four stems", "Kernels (KAM)", "True stem", "Bad on purpose"}
    test.write(tmp_path / "answers.csv")
    assert (tmp_path / "answers.csv").read_text().count("Ann") == 8


def test_letters_switch_what_is_heard_and_levels_match(listening: Callable[[], ListeningDialog], qtbot: QtBot) -> None:
    test = listening()
    test.name.setText("Ann")
    test.begin()
    player = test.parts_.controller.player
    heard = {}
    for row, letter in enumerate("ABCD"):
        qtbot.keyClick(test, letter)
        strip = player.mix.strips[0]
        heard[test.trial.order[row]] = strip.gain * float(np.abs(strip.audio.samples).mean())
    assert heard["classic"] == pytest.approx(heard["kam"], rel=1e-3)
    assert heard["reference"] == pytest.approx(heard["kam"], rel=1e-3)
    qtbot.keyClick(test, Qt.Key.Key_Space)
    assert player.playing
    test.done(0)
    assert not player.playing


def test_it_goes_on_where_the_listener_left_off(listening: Callable[[], ListeningDialog]) -> None:
    test = listening()
    test.name.setText("Ann")
    test.begin()
    for _ in range(16):
        test.rate(3)
    test.confirm()
    assert test.trial.number == 0
    again = listening()
    assert "Ann" in again.known.text()
    again.name.setText("Ann")
    again.begin()
    assert again.trial.number == 0
    again._again()
    again.name.setText("Bob")
    again.begin()
    assert again.trial.number == -1


@pytest.mark.parametrize(("seconds", "count"), [(3.0, 1), (8.0, 2), (20.0, 5), (600.0, 8)])
def test_excerpts_are_four_to_eight_seconds(seconds: float, count: int) -> None:
    found = excerpts(round(seconds * 44100), 44100)
    assert len(found) == count
    for start, stop in found:
        assert stop - start <= 8.001 * 44100
        assert stop <= round(seconds * 44100)
        assert stop - start >= min(seconds, 4.0) * 44100 - 2


# Parts


def test_parts_are_shown_and_moved(show: Show, qtbot: QtBot) -> None:
    parts = show()
    separate = SeparateDialog(parts.controller)
    qtbot.addWidget(separate)
    separate.choose("nmf")
    assert not separate.parts.isHidden()
    made = PartsDialog(parts.controller, "nmf", {"parts": 6, "passes": 5}, separate)
    qtbot.addWidget(made)
    qtbot.waitUntil(lambda: made.table.rowCount() == 6, timeout=20000)
    now = made._rules[2]
    other = "vocals" if now != "vocals" else "bass"
    made.move_part(2, other)
    made.accept()
    assert made.result() == QDialog.DialogCode.Accepted
    assert made.orders == f"2 {other}"
    again = PartsDialog(parts.controller, "nmf", {"parts": 6, "passes": 5, "overrule": made.orders}, separate)
    qtbot.addWidget(again)
    qtbot.waitUntil(lambda: again.table.rowCount() == 6, timeout=20000)
    again.accept()
    assert again.orders == f"2 {other}", "what was moved before stays moved"


def test_parts_are_heard_one_by_one(show: Show, qtbot: QtBot) -> None:
    parts = show()
    player = parts.controller.player
    made = PartsDialog(parts.controller, "nmf", {"parts": 6, "passes": 5})
    qtbot.addWidget(made)
    made.hear(3)  # nothing is known of it yet
    qtbot.waitUntil(lambda: made.table.rowCount() == 6, timeout=20000)
    made.show()
    first, second = (made._buttons[number] for number in (3, 5))
    qtbot.mouseClick(first, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: player.playing, timeout=20000)
    assert (first.isChecked(), second.isChecked()) == (True, False)
    (strip,) = player.mix.strips
    sound = made._sounds[3]
    assert strip.audio is sound.audio
    assert strip.gain == sound.gain
    assert player.loop == (sound.start, sound.start + sound.audio.frames)
    # Another one in its place, without a pause between.
    qtbot.mouseClick(second, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: 5 in made._sounds, timeout=20000)
    assert player.playing
    assert player.mix.strips[0].audio is made._sounds[5].audio
    assert (first.isChecked(), second.isChecked()) == (False, True)
    # Pressed again it stops, and so does Space on the table.
    qtbot.mouseClick(second, Qt.MouseButton.LeftButton)
    assert not player.playing
    assert not second.isChecked()
    made.hear(3)
    assert player.playing
    qtbot.keyClick(made.table, Qt.Key.Key_Space)
    assert not player.playing
    made.hear(3)
    made.reject()
    assert not player.playing
    assert [strip.id for strip in player.mix.strips] == [lane.id for lane in parts.controller.project.lanes]
    assert player.loop is None


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (UserError("This part is lost.", "Ask again."), "This part is lost. Ask again."),
        (ZeroDivisionError("x"), "wrong"),
    ],
)
def test_a_part_that_cannot_be_heard_leaves_no_button_pressed(
    show: Show,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    logs: ExpectedLogs,
    problem: Exception,
    told: str,
) -> None:
    def broken(request: object, progress: object) -> None:
        raise problem

    monkeypatch.setattr("stemeditor.app.panels.parts.hear_part", broken)
    logs.expect("ZeroDivisionError")
    parts = show()
    made = PartsDialog(parts.controller, "nmf", {"parts": 6, "passes": 5})
    qtbot.addWidget(made)
    qtbot.waitUntil(lambda: made.table.rowCount() == 6, timeout=20000)
    made.hear(3)
    assert made._buttons[3].isChecked()
    qtbot.waitUntil(lambda: told in made.state.text())
    assert not made._buttons[3].isChecked()
    assert not parts.controller.player.playing
    made.reject()


def test_a_search_for_parts_that_breaks_says_so(
    show: Show, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, logs: ExpectedLogs
) -> None:
    def broken(request: object, progress: object) -> None:
        raise ZeroDivisionError("x")

    monkeypatch.setattr("stemeditor.app.panels.parts.list_parts", broken)
    logs.expect("ZeroDivisionError")
    parts = show()
    made = PartsDialog(parts.controller, "nmf", {})
    qtbot.addWidget(made)
    qtbot.waitUntil(lambda: "wrong" in made.state.text())
    assert made.bar.isHidden()
    made.reject()


def test_the_selection_is_the_example(show: Show, qtbot: QtBot) -> None:
    parts = show()
    parts.controller.set_selection(44100, 2 * 44100)
    separate = SeparateDialog(parts.controller)
    qtbot.addWidget(separate)
    separate.choose("guided_nmf")
    qtbot.mouseClick(separate.selection, Qt.MouseButton.LeftButton)
    assert (separate.form.values["from_s"], separate.form.values["to_s"]) == (1.0, 2.0)
    separate.choose("hpss")
    assert separate.selection.isHidden()


def test_a_chart_of_one_song_is_drawn(qtbot: QtBot) -> None:
    table = Table((StemScore("a", "hpss", "drums", {"sdr": 3.0}, 4),))
    chart = ChartDialog(table, DARK)
    qtbot.addWidget(chart)
    assert not chart.image.pixmap().isNull()
