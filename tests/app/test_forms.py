"""One battery over every kind of parameter and setting, and over all that there are."""

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QScrollArea, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from stemeditor.app.forms import Editor, Form
from stemeditor.app.theme import font
from stemeditor.methods import registry
from stemeditor.methods.base import Param
from stemeditor.settings import TABLE, Setting

ROWS: list[tuple[Param | Setting, object]] = [
    (Param("yes", "Yes", False, "Whether."), True),
    (Param("count", "Count", 3, "More.", 0, 10), 7),
    (Param("depth", "Depth", 0.5, "Deeper.", 0.0, 2.0, "m"), 1.25),
    (Param("kind", "Kind", "a", "Which.", choices=(("a", "First"), ("b", "Second"))), "b"),
    (Param("text", "Text", "x", "What."), "hello"),
    (Setting("mode", "a", "Mode", "Which.", (("a", "First"), ("b", "Second"))), "b"),
    (Setting("flag", True, "Flag", "Whether."), False),
    (Setting("number", 60, "Number", "How many.", minimum=20, maximum=400), 100),
]
KEYS = registry.keys()
ALL = [param for key in KEYS for param in registry.info(key).params] + [row for row in TABLE if row.label]


@pytest.mark.parametrize(("row", "other"), ROWS, ids=lambda value: getattr(value, "name", None))
def test_an_editor_shows_tells_and_resets(qtbot: QtBot, row: Param | Setting, other: object) -> None:
    editor = Editor(row, row.default)
    qtbot.addWidget(editor)
    told: list[object] = []
    editor.edited.connect(lambda name, value: told.append((name, value)))
    assert editor.value == row.default
    editor.show_value(other)
    assert editor.value == other
    assert told == [], "showing is not editing"
    editor.reset()
    assert editor.value == row.default
    assert told == [(row.name, row.default)]


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)
def test_every_row_of_the_program_has_an_editor_with_name_and_help(qtbot: QtBot, row: Param | Setting) -> None:
    editor = Editor(row, row.default)
    qtbot.addWidget(editor)
    assert editor.value == row.default
    assert type(editor.value) is type(row.default)
    assert editor._box.accessibleName() == row.label
    assert all(part.toolTip() == row.help for part in editor.findChildren(QWidget) if part.objectName() == "")


def test_typing_a_number_moves_the_slider_and_back(qtbot: QtBot) -> None:
    editor = Editor(Param("depth", "Depth", 0.5, "Deeper.", 0.0, 2.0), 0.5)
    qtbot.addWidget(editor)
    editor.show()
    editor._box.setFocus()
    editor._box.selectAll()
    qtbot.keyClicks(editor._box, "1.5")
    qtbot.keyClick(editor._box, Qt.Key.Key_Return)
    assert editor.value == 1.5
    assert editor._slider.value() == 300
    editor._slider.setValue(100)
    assert editor.value == 0.5


def test_a_form_gives_all_values(qtbot: QtBot) -> None:
    form = Form(registry.info("classic").params, {"focus": 5.0})
    qtbot.addWidget(form)
    assert form.values["focus"] == 5.0
    form.reset()
    assert form.values == {param.name: param.default for param in registry.info("classic").params}


@pytest.mark.parametrize(("row", "other"), ROWS, ids=lambda value: getattr(value, "name", None))
def test_the_wheel_scrolls_the_page_and_changes_nothing(qtbot: QtBot, row: Param | Setting, other: object) -> None:
    area = QScrollArea()
    qtbot.addWidget(area)
    page = QWidget()
    layout = QVBoxLayout(page)
    editor = Editor(row, row.default)
    layout.addWidget(editor)
    layout.addStretch(1)
    page.setMinimumHeight(2000)
    area.setWidget(page)
    area.setWidgetResizable(True)
    area.resize(300, 200)
    with qtbot.waitExposed(area):
        area.show()
    assert area.verticalScrollBar().maximum() > 0
    page.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    page.setFocus()
    for part in [editor._box, getattr(editor, "_slider", editor._box)]:
        area.verticalScrollBar().setValue(0)
        QTest.wheelEvent(area.windowHandle(), QPointF(part.mapTo(area, QPoint(5, 5))), QPoint(0, -120))
        assert editor.value == row.default
        assert area.verticalScrollBar().value() > 0


def test_numbers_have_room_with_larger_type(qtbot: QtBot) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    before = application.font()
    application.setFont(font(20))
    try:
        editor = Editor(Param("high", "High", 20000.0, "Up to.", 0.0, 20000.0, "Hz"), 20000.0)
        qtbot.addWidget(editor)
        editor.show()
        line = editor._box.findChild(QLineEdit)
        needed = editor._box.fontMetrics().horizontalAdvance(editor._box.text())
        assert line.width() - line.textMargins().left() - line.textMargins().right() >= needed
    finally:
        application.setFont(before)


def test_numbers_stand_below_each_other(qtbot: QtBot) -> None:
    rows = (
        Param("high", "High", 200.0, "Up to.", 0.0, 20000.0, "Hz"),
        Param("yes", "Yes", False, "Whether."),
        Param("low", "Low", 1.0, "Down to.", 0.0, 2.0),
    )
    form = Form(rows, {})
    qtbot.addWidget(form)
    form.resize(420, 200)
    form.show()
    high, low = (form.editors[name]._box for name in ("high", "low"))
    assert (high.x(), high.width()) == (low.x(), low.width())


def test_a_label_leads_to_the_field_itself(qtbot: QtBot) -> None:
    form = Form((ROWS[1][0],), {})
    qtbot.addWidget(form)
    (label,) = form.findChildren(QLabel)
    assert label.buddy() is form.editors["count"]._box


def test_a_long_label_pushes_no_field_out_of_sight(qtbot: QtBot) -> None:
    area = QScrollArea()
    qtbot.addWidget(area)
    area.setWidget(Form((Param("count", "Many words that say what is counted", 3, "More.", 0, 10), ROWS[1][0]), {}))
    area.setWidgetResizable(True)
    area.resize(300, 400)
    with qtbot.waitExposed(area):
        area.show()
    assert area.horizontalScrollBar().maximum() == 0
