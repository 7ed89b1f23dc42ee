"""The parts that a factorisation finds: how they sound, what is measured of them, and where they go."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from stemeditor.app.audition import Audition
from stemeditor.app.controller import Controller
from stemeditor.app.panels.passing import Passing
from stemeditor.app.theme import icon, scaled
from stemeditor.errors import UserError
from stemeditor.jobs.job import Job
from stemeditor.jobs.parts import HearRequest, Parts, PartSound, PartsRequest, hear_part, list_parts
from stemeditor.jobs.pool import COMPUTE
from stemeditor.methods import registry
from stemeditor.methods.base import ParamValue
from stemeditor.methods.components import OVERRULE, placed

_HEADS = ("Part", "Loudness", "Percussive", "Register", "Voicing", "Place", "Stem")
_TIPS = (
    "Number of the part; press it to hear the part where it is loudest",
    "Its share of the sound",
    "How much of it are strokes: from 38 % on it goes to the drums",
    "Nine tenths of its power lie below: under 330 Hz it goes to the bass",
    "How much it is like a sung note: from 25 %, in the middle, it goes to the vocals",
    "Where it stands between the loudspeakers",
    "Where it goes; choose another stem to move it",
)


class PartsDialog(Passing):
    """Finds the parts in the background, shows them loudest first, and lets each be moved to another stem.

    Attributes
    ----------
    orders
        What was moved, as the parameter `overrule` takes it.
    """

    def __init__(
        self, controller: Controller, method: str, params: Mapping[str, ParamValue], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        song = controller.document.base.song
        assert song is not None, "parts are those of a song"
        self._controller = controller
        self._stems = registry.info(method).stems
        self._audition = Audition(controller, song)
        self._parts: Parts | None = None
        self._sounds: dict[int, PartSound] = {}
        self._heard: int | None = None
        self._hearing: Job | None = None
        self._buttons: dict[int, QPushButton] = {}
        self._boxes: dict[int, QComboBox] = {}
        self._rules: dict[int, str] = {}
        self.orders = str(params.get(OVERRULE.name, ""))
        self.setWindowTitle(f"Parts – {registry.info(method).name}")
        self.fit(720, 560)
        self.state = QLabel("Listening for parts…")
        self.state.setProperty("role", "small")
        self.state.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)
        self.bar.setTextVisible(False)
        self.table = QTableWidget(0, len(_HEADS))
        self.table.setAccessibleName("Parts")
        self.table.installEventFilter(self)
        self.table.setHorizontalHeaderLabels(list(_HEADS))
        for column, tip in enumerate(_TIPS):
            head = self.table.horizontalHeaderItem(column)
            if head is not None:
                head.setToolTip(tip)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(38)
        self.table.setShowGrid(False)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        last = len(_HEADS) - 1
        self.table.horizontalHeader().setSectionResizeMode(last, QHeaderView.ResizeMode.Fixed)
        self.table.setColumnWidth(last, scaled(130))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.ok = buttons.button(QDialogButtonBox.StandardButton.Ok)
        self.ok.setEnabled(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 16)
        layout.setSpacing(12)
        layout.addWidget(self.state)
        layout.addWidget(self.bar)
        layout.addWidget(self.table, 1)
        layout.addWidget(buttons)
        request = PartsRequest(song, method, dict(params))
        self._job: Job | None = controller.compute("Parts", list_parts, request, _ignore, self._found, self._failed)

    def done(self, result: int) -> None:
        """Keep what was moved; stop listening if it still goes on, and give the player back."""
        self._fall_silent()
        self._audition.end()
        if self._job is not None:
            self._controller.cancel_job(self._job.id)
        elif result == QDialog.DialogCode.Accepted:
            moved = [
                f"{number} {box.currentData()}"
                for number, box in sorted(self._boxes.items())
                if box.currentData() != self._rules[number]
            ]
            self.orders = ", ".join(moved)
        super().done(result)

    def move_part(self, number: int, stem: str) -> None:
        """Put a part into a stem."""
        box = self._boxes[number]
        box.setCurrentIndex(box.findData(stem))

    def hear(self, number: int) -> None:
        """Play a part over and over, as loud as the song; stop it if it is heard already."""
        if self._parts is None:
            return
        if number == self._heard:
            self._fall_silent()
            return
        self._forget_hearing()
        self._heard = number
        self._show_heard()
        if number in self._sounds:
            self._play(self._sounds[number])
            return

        def made(sound: PartSound) -> None:
            self._hearing = None
            self._sounds[number] = sound
            self._play(sound)

        def failed(problem: UserError) -> bool:
            self._hearing = None
            self._fall_silent()
            self.state.setText(str(problem))
            return True

        request = HearRequest(self._audition.song, self._parts, number)
        self._hearing = self._controller.paint(hear_part, request, made, COMPUTE, failed)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let Space stop what is heard while the keyboard is on the table, which has no use for it."""
        space = (
            isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() == Qt.Key.Key_Space
        )
        if space and self._heard is not None:
            self._fall_silent()
            return True
        return super().eventFilter(watched, event)

    def _play(self, sound: PartSound) -> None:
        self._audition.hear(sound.audio, sound.gain, sound.start, sound.start + sound.audio.frames)
        if not self._controller.player.playing:
            self._controller.play_pause()

    def _fall_silent(self) -> None:
        self._forget_hearing()
        if self._heard is not None:
            self._heard = None
            self._controller.player.pause()
            self._show_heard()

    def _forget_hearing(self) -> None:
        if self._hearing is not None:
            self._controller.cancel_job(self._hearing.id)
            self._hearing = None

    def _show_heard(self) -> None:
        colour = self.palette().windowText().color().name()
        play, stop = icon("play", colour, 16), icon("stop", colour, 16)
        for number, button in self._buttons.items():
            heard = number == self._heard
            button.setIcon(stop if heard else play)
            button.setChecked(heard)

    def _found(self, parts: Parts) -> None:
        self._job = None
        self._parts = parts
        self.bar.hide()
        self.ok.setEnabled(True)
        self.state.setText(
            "Each part goes where its measures say. Press its number to hear it, and choose another stem to move it."
        )
        self.table.setRowCount(len(parts.components))
        for row, part in enumerate(sorted(parts.components, key=lambda part: -part.share)):
            self._rules[part.number] = placed(part)
            button = QPushButton(str(part.number))
            button.setProperty("role", "flat")
            button.setCheckable(True)
            button.setAutoDefault(False)
            button.setToolTip("Hear this part where it is loudest, over and over")
            button.setAccessibleName(f"Hear part {part.number}")
            button.clicked.connect(partial(self._pressed, part.number))
            self.table.setCellWidget(row, 0, button)
            self._buttons[part.number] = button
            for column, text in enumerate(
                (
                    f"{100 * part.share:.1f} %",
                    f"{100 * part.percussive:.0f} %",
                    f"{part.register_hz:.0f} Hz",
                    f"{100 * part.voicing:.0f} %",
                    _place(part.place),
                ),
                start=1,
            ):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                self.table.setItem(row, column, item)
            box = QComboBox()
            box.setAccessibleName(f"Stem of part {part.number}")
            for stem in self._stems:
                box.addItem(stem.capitalize(), stem)
            box.setCurrentIndex(box.findData(part.stem))
            self.table.setCellWidget(row, len(_HEADS) - 1, box)
            self._boxes[part.number] = box
        self._show_heard()

    def _pressed(self, number: int, *ignored: object) -> None:
        self.hear(number)

    def _failed(self, problem: UserError) -> bool:
        self._job = None
        self.bar.hide()
        self.state.setText(str(problem))
        return True


def _place(place: float) -> str:
    if abs(place) < 0.05:
        return "middle"
    return f"{100 * abs(place):.0f} % {'left' if place < 0 else 'right'}"


def _ignore(piece: object) -> None:
    """Nothing comes before the end."""
