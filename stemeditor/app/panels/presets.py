"""Buttons that set several parameters at once, each with how long that takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from stemeditor.app.durations import spoken
from stemeditor.methods.base import ParamValue, Preset


def duration_text(seconds: float) -> str:
    """Return an estimate in words."""
    return f"about {spoken(seconds)}"


class Presets(QWidget):
    """Buttons for people who want a result rather than parameters."""

    chosen = Signal(object)
    """(Preset)"""

    def __init__(self) -> None:
        super().__init__()
        self._presets: tuple[Preset, ...] = ()
        self.buttons: list[QPushButton] = []
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 4, 0, 4)
        self._row.setSpacing(8)

    def show_presets(self, presets: tuple[Preset, ...]) -> None:
        """Show one button for each."""
        for button in self.buttons:
            button.setParent(None)
        self._presets, self.buttons = presets, []
        for preset in presets:
            button = QPushButton(preset.name)
            button.setCheckable(True)
            button.setProperty("role", "preset")
            button.setAutoDefault(False)
            button.setToolTip(_PRESET_TIPS.get(preset.name, ""))
            button.clicked.connect(lambda _, one=preset: self.chosen.emit(one))
            self._row.addWidget(button, 1)
            self.buttons.append(button)
        self.setVisible(bool(presets))

    def show_state(self, values: Mapping[str, ParamValue], times: Sequence[str]) -> None:
        """Press the button whose parameters are set, and write on each how long it takes."""
        for button, preset, time in zip(self.buttons, self._presets, times, strict=True):
            button.setChecked(all(values.get(name) == value for name, value in preset.params.items()))
            button.setText(f"{preset.name}  ·  {time}" if time else preset.name)


_PRESET_TIPS = {
    "Draft": "To hear quickly what there is; joins may be audible",
    "Good": "What the method was published with",
    "Best": "More overlap and several passes: a little cleaner, and several times the time",
}
