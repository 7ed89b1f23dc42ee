"""From a parameter or a setting to the widget that edits it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QFont, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSlider,
    QSpinBox,
    QWidget,
)

from stemeditor.app.theme import font, scaled
from stemeditor.methods.base import Param
from stemeditor.settings import Setting

LIST_ITEM_HEIGHT = 30

_SLIDER_STEPS = 400
_ROUND_A_NUMBER = 36
"""Pixels of a number's box that are not text."""


class Manners(QObject):
    """How a field behaves on a page: the wheel scrolls the page past it, and Enter keeps what was written in it.

    Parameters
    ----------
    field
        Obeys from now on, and keeps this.
    """

    def __init__(self, field: QWidget) -> None:
        super().__init__(field)
        # A field that the wheel gives the keyboard to would be changed by the next turn of it.
        if field.focusPolicy() == Qt.FocusPolicy.WheelFocus:
            field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        field.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() in _ENTER:
            if isinstance(watched, QAbstractSpinBox):
                watched.interpretText()
                watched.selectAll()
                return True
            if isinstance(watched, QLineEdit):
                watched.editingFinished.emit()
                return True
        return super().eventFilter(watched, event)


_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class Editor(QWidget):
    """One value: a check box, a list of choices, a slider with a number, or a line of text.

    Parameters
    ----------
    row
        What is edited.
    value
        Its value now.
    """

    edited = Signal(str, object)
    """(name, value)"""

    def __init__(self, row: Param | Setting, value: Any) -> None:
        super().__init__()
        self.row = row
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(10)
        self._box: Any
        default = row.default
        if isinstance(default, bool):
            self._box = QCheckBox()
            self._box.toggled.connect(self._tell)
            self._layout.addWidget(self._box)
        elif row.choices:
            self._box = QComboBox()
            for key, label in row.choices:
                self._box.addItem(label, key)
            self._box.activated.connect(self._tell)
            self._layout.addWidget(self._box, 1)
        elif isinstance(default, (int, float)):
            self._number(row, isinstance(default, int))
        else:
            self._box = QLineEdit()
            self._box.editingFinished.connect(self._tell)
            self._layout.addWidget(self._box, 1)
        self._layout.addStretch(0)
        self.setFocusProxy(self._box)
        for part in self.findChildren(QWidget):
            part.setToolTip(row.help)
        Manners(self._box)
        self._box.setAccessibleName(row.label)
        self._box.setAccessibleDescription(row.help)
        self.show_value(value)

    @property
    def value(self) -> Any:
        """The value that is shown."""
        if isinstance(self._box, QCheckBox):
            return self._box.isChecked()
        if isinstance(self._box, QComboBox):
            return self._box.currentData()
        if isinstance(self._box, QLineEdit):
            return self._box.text()
        return self._box.value()

    @property
    def number(self) -> QAbstractSpinBox | None:
        """The box of a number; None if it is none."""
        return self._box if isinstance(self._box, QAbstractSpinBox) else None

    def show_value(self, value: Any) -> None:
        """Show a value without telling anybody."""
        self._box.blockSignals(True)
        if isinstance(self._box, QCheckBox):
            self._box.setChecked(value)
        elif isinstance(self._box, QComboBox):
            self._box.setCurrentIndex(max(self._box.findData(value), 0))
        elif isinstance(self._box, QLineEdit):
            self._box.setText(value)
        else:
            self._box.setValue(value)
            self._slide(value)
        self._box.blockSignals(False)

    def reset(self) -> None:
        """Bring the default back, and tell."""
        self.show_value(self.row.default)
        self._tell()

    def _number(self, row: Param | Setting, whole: bool) -> None:
        low = row.minimum if row.minimum is not None else -1e9
        high = row.maximum if row.maximum is not None else 1e9
        self._box = QSpinBox() if whole else QDoubleSpinBox()
        self._box.setRange(int(low) if whole else low, int(high) if whole else high)
        if not whole:
            # Three figures of the smallest value are enough for any ear.
            self._box.setDecimals(3 if high - low < 5 else 2 if high - low < 50 else 1)
            self._box.setSingleStep((high - low) / 50)
        unit = getattr(row, "unit", "")
        if unit:
            self._box.setSuffix(f" {unit}")
        longest = max((self._box.textFromValue(end) for end in (self._box.minimum(), self._box.maximum())), key=len)
        needed = self._box.fontMetrics().horizontalAdvance(longest + self._box.suffix()) + _ROUND_A_NUMBER
        self._box.setFixedWidth(max(scaled(96), needed))
        inset(self._box)
        self._box.setKeyboardTracking(False)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, _SLIDER_STEPS)
        self._slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._slider.setMinimumWidth(140)
        self._slider.setAccessibleName(f"{row.label} slider")
        Manners(self._slider)
        self._low, self._high = low, high
        self._box.valueChanged.connect(self._typed)
        self._slider.valueChanged.connect(self._slid)
        self._layout.addWidget(self._slider, 1)
        self._layout.addWidget(self._box)

    def _slide(self, value: float) -> None:
        self._slider.blockSignals(True)
        self._slider.setValue(round((value - self._low) / (self._high - self._low) * _SLIDER_STEPS))
        self._slider.blockSignals(False)

    def _typed(self, value: float) -> None:
        self._slide(value)
        self._tell()

    def _slid(self, position: int) -> None:
        value = self._low + position / _SLIDER_STEPS * (self._high - self._low)
        self._box.setValue(round(value) if isinstance(self._box, QSpinBox) else value)

    def _tell(self, *ignored: object) -> None:
        self.edited.emit(self.row.name, self.value)


def inset(box: QAbstractSpinBox) -> None:
    """Keep a number off the edge of its box; the style sheet's padding does not reach it."""
    line = box.findChild(QLineEdit)
    if line is not None:
        line.setTextMargins(7, 0, 3, 0)


def heading(text: str) -> QLabel:
    """Return a label that heads a group of controls."""
    label = QLabel(text)
    label.setProperty("role", "heading")
    label.setFont(font(14, QFont.Weight.DemiBold))
    return label


class Form(QWidget):
    """Editors below each other, with their labels.

    Parameters
    ----------
    rows
        What is edited.
    values
        Name -> value now; the default where one is missing.
    before
        Label and widget of what stands above them, in line with them.
    """

    edited = Signal(str, object)

    def __init__(
        self,
        rows: tuple[Param, ...] | tuple[Setting, ...],
        values: Mapping[str, Any],
        before: Iterable[tuple[str, QWidget]] = (),
    ) -> None:
        super().__init__()
        self.editors: dict[str, Editor] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(16)
        layout.setVerticalSpacing(8)
        layout.setLabelAlignment(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        # Where there is no room for both, a field goes below its label rather than out of sight.
        layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for text, widget in before:
            layout.addRow(text, widget)
        for row in rows:
            editor = Editor(row, values.get(row.name, row.default))
            editor.edited.connect(self.edited)
            label = QLabel(row.label)
            label.setToolTip(row.help)
            # The field itself, so that who cannot see is told its name.
            label.setBuddy(editor.focusProxy() or editor)
            label.setMinimumHeight(editor.sizeHint().height())
            layout.addRow(label, editor)
            self.editors[row.name] = editor
        # Numbers stand below each other, however long one of them can become.
        numbers = [editor.number for editor in self.editors.values() if editor.number is not None]
        widest = max((number.minimumWidth() for number in numbers), default=0)
        for number in numbers:
            number.setFixedWidth(widest)

    @property
    def values(self) -> dict[str, Any]:
        """Name -> value shown."""
        return {name: editor.value for name, editor in self.editors.items()}

    def reset(self) -> None:
        """Bring all defaults back."""
        for editor in self.editors.values():
            editor.reset()
