"""The table of what can be done, as Qt actions."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from stemeditor.app.host import Host
from stemeditor.app.table import GIVE, TABLE


class Actions(QObject):
    """The table as Qt actions of a window."""

    def __init__(self, window: QWidget, host: Host) -> None:
        super().__init__(window)
        self._window = host
        self._actions: dict[str, QAction] = {}
        for row in TABLE:
            action = QAction(row.text, self)
            action.setShortcuts([QKeySequence(key) for key in row.keys])
            action.setAutoRepeat(row.id not in ("play", "stop", "loop"))
            action.setData(row.id)
            action.triggered.connect(self._triggered)
            self._actions[row.id] = action
            window.addAction(action)

        self._givers = [row for row in TABLE if row.id.startswith(GIVE)]

    def __getitem__(self, action_id: str) -> QAction:
        return self._actions[action_id]

    def tip(self, action_id: str, text: str = "") -> str:
        """Return a tooltip: what it does, and its shortcut."""
        action = self._actions[action_id]
        words = text or action.text().replace("&", "").rstrip("…")
        keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        return f"{words} ({keys})" if keys else words

    def refresh(self) -> None:
        """Enable what can be done now; name what undo and redo would do."""
        window = self._window
        lanes = window.controller.project.lanes
        for lane, row in zip(lanes, self._givers, strict=False):
            self._actions[row.id].setText(plain(lane.name))
        for row in TABLE:
            enabled = row.enabled(window)
            if row.id.startswith(GIVE):
                # One that is hidden is no more enabled, whatever it is told.
                self._actions[row.id].setVisible(enabled)
            self._actions[row.id].setEnabled(enabled)
        document = window.controller.document
        for action_id, name in (("undo", document.undo_name), ("redo", document.redo_name)):
            word = f"&{action_id.capitalize()}"
            self._actions[action_id].setText(f"{word} {plain(name[0].lower() + name[1:])}" if name else word)

    def suspend(self, on: bool) -> None:
        """Take the single-letter keys away while text is being typed, or give them back."""
        for row in TABLE:
            keys = () if on and all(len(key) == 1 or key in _TYPING_KEYS for key in row.keys) else row.keys
            self._actions[row.id].setShortcuts([QKeySequence(key) for key in keys])

    def _triggered(self) -> None:
        action = self.sender()
        assert isinstance(action, QAction)
        row = next(row for row in TABLE if row.id == action.data())
        row.verb(self._window)


def plain(text: str) -> str:
    """Return text as it must be written for a menu to show all of it: "&" would else underline what follows."""
    return text.replace("&", "&&")


_MOVING_KEYS = ("Left", "Right", "Up", "Down", "Home", "End")
_TYPING_KEYS = frozenset(
    (*_MOVING_KEYS, *(f"Shift+{key}" for key in _MOVING_KEYS), "PgUp", "PgDown", "Space", "Shift+Space")
    + ("Esc", "Del", "Backspace", "Shift+M", "Shift+S", "Shift+W")
)


def takes_text(widget: QWidget | None) -> bool:
    """Whether keys typed now belong to a text field."""
    from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QLineEdit, QPlainTextEdit

    if isinstance(widget, (QLineEdit, QPlainTextEdit)):
        return not widget.isReadOnly()
    return isinstance(widget, QAbstractSpinBox) or (isinstance(widget, QComboBox) and widget.isEditable())
