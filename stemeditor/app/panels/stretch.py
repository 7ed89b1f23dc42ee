"""The stretch of a song: two times, the first never behind the second."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QWidget

from stemeditor.app.forms import inset
from stemeditor.audio.buffer import Audio

_STEP_S = 1.0


class Seconds(QDoubleSpinBox):
    """A time that Enter keeps: it means nothing else in here, so that nothing is started by it."""

    def __init__(self, name: str, longest_s: float) -> None:
        super().__init__()
        self.setRange(0.0, longest_s)
        self.setDecimals(2)
        self.setSingleStep(_STEP_S)
        self.setSuffix(" s")
        self.setAccessibleName(name)
        self.setKeyboardTracking(False)
        inset(self)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.selectAll()
            event.accept()


class Stretch(QWidget):
    """From and to, in seconds.

    Parameters
    ----------
    song
        What it is a stretch of.
    """

    def __init__(self, song: Audio) -> None:
        super().__init__()
        self._song = song
        self.start = Seconds("Begin of the stretch", song.duration_s)
        self.stop = Seconds("End of the stretch", song.duration_s)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for text, box in (("From", self.start), ("to", self.stop)):
            label = QLabel(text)
            label.setBuddy(box)
            row.addWidget(label)
            row.addWidget(box, 1)
        # Whichever is changed, the other gives way: a stretch that ends before it begins is none.
        self.start.valueChanged.connect(lambda start: self.stop.setValue(max(start, self.stop.value())))
        self.stop.valueChanged.connect(lambda stop: self.start.setValue(min(stop, self.start.value())))

    @property
    def frames(self) -> tuple[int, int]:
        """The stretch in frames, half-open, held within the song."""
        rate = self._song.rate
        return round(self.start.value() * rate), min(round(self.stop.value() * rate), self._song.frames)

    def choose(self, first: int, last: int) -> None:
        """Show the frames [first, last)."""
        self.stop.setValue(last / self._song.rate)
        self.start.setValue(first / self._song.rate)
        self.stop.setValue(last / self._song.rate)
