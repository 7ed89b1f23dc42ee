"""Text that is cut where there is no room for it."""

from pytestqt.qtbot import QtBot

from stemeditor.app.labels import ElidingLabel

LONG = "A name that goes on and on, and says in its last word what it is about"


def test_what_does_not_fit_ends_in_an_ellipsis_and_is_whole_in_the_tooltip(qtbot: QtBot) -> None:
    label = ElidingLabel(LONG)
    qtbot.addWidget(label)
    label.resize(100, 20)
    label.show()
    assert label.text().endswith("…")
    assert (label.whole, label.toolTip(), label.accessibleName()) == (LONG, LONG, LONG)
    label.resize(label.sizeHint())
    assert label.text() == LONG
    assert label.toolTip() == ""
    assert label.minimumSizeHint().width() < 100


def test_what_else_there_is_to_say_stands_in_the_tooltip(qtbot: QtBot) -> None:
    label = ElidingLabel()
    qtbot.addWidget(label)
    label.show_text("It failed.", "Try again.")
    label.resize(400, 20)
    assert label.text() == "It failed."
    assert label.toolTip() == "It failed. Try again."
