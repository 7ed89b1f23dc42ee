"""Hearing one of several sounds in the place of the song, at equal loudness and without a gap. No widgets in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QObject

from stemeditor.app.controller import Controller
from stemeditor.audio.buffer import Audio
from stemeditor.evaluation.datasets import TrueSong
from stemeditor.evaluation.protocol import Table
from stemeditor.jobs.compare import Contender, MeasureRequest, equal_gains, measure
from stemeditor.jobs.job import Job
from stemeditor.jobs.pool import COMPUTE
from stemeditor.mixing.mix import Mix, Strip
from stemeditor.project.model import Song

SONG, TRUE = "song", "true"
"""Who can be heard beside the methods."""


class Audition:
    """The stretch of a song, what methods made of it, and which of them is heard.

    Nothing is measured here: methods bring the levels of their stems, those of the song and of the true stems come
    from a job.

    Parameters
    ----------
    controller
        Whose player is borrowed; `end` gives it back.
    song
        The open song.
    """

    def __init__(self, controller: Controller, song: Song) -> None:
        self._controller, self.song = controller, song
        self.true: TrueSong | None = None
        self.contenders: dict[str, Contender] = {}
        self.table: Table | None = None
        """The scores of all of them; None until all are there."""
        self.stretch = (0, 0)
        self._levels: dict[tuple[str, str], float] = {}
        self._measuring: Job | None = None

    def begin(self, start: int, stop: int) -> None:
        """Forget what was there; the frames [start, stop) are what is heard from now on."""
        self.stretch = (start, stop)
        self.contenders, self.table, self._levels = {}, None, {}

    def add(self, contender: Contender) -> None:
        """Take in what a method made."""
        self.contenders[contender.method] = contender

    def measure(self, done: Callable[[], None]) -> None:
        """Measure the song and the true stems in the background, and tell when that is done."""
        self._stop_measuring()
        sounds = {(SONG, ""): self.sound(SONG, "")}
        sounds |= {(TRUE, stem): self.sound(TRUE, stem) for stem in (self.true.stems if self.true is not None else ())}
        request = MeasureRequest({place: sound for place, sound in sounds.items() if sound is not None})

        def measured(levels: Mapping[tuple[str, str], float]) -> None:
            self._measuring = None
            self._levels = dict(levels)
            done()

        self._measuring = self._controller.paint(measure, request, measured, COMPUTE)

    @property
    def measured(self) -> bool:
        """Whether the levels of the song and the true stems are known."""
        return bool(self._levels)

    @property
    def stems(self) -> tuple[str, ...]:
        """All stems that some method made, in the order they came."""
        return tuple(dict.fromkeys(name for row in self.contenders.values() for name in row.stems))

    def sound(self, key: str, stem: str) -> Audio | None:
        """Return what is heard of a method, the song or the true stems; None if it has no such stem."""
        start, stop = self.stretch
        if key == SONG:
            return self.song.sound.audio.slice(start, stop)
        if key == TRUE:
            true = self.true.stems.get(stem) if self.true is not None else None
            return true.slice(start, stop) if true is not None else None
        return self.contenders[key].stems.get(stem) if key in self.contenders else None

    def gain(self, key: str, stem: str) -> float:
        """Return the gain, 1 or less, that brings a sound to the loudness of the quietest beside it.

        What is not yet measured is heard as it is.
        """
        levels = {row.method: row.levels[stem] for row in self.contenders.values() if stem in row.levels}
        for who, place in ((SONG, ""), (TRUE, stem)):
            if (who, place) in self._levels:
                levels[who] = self._levels[who, place]
        return equal_gains(levels).get(key, 1.0)

    def play(self, key: str, stem: str, equal: bool) -> None:
        """Put a sound in the place of what is heard; the place in time stays, and the player fades between them."""
        self.hear(self.sound(key, stem), self.gain(key, stem) if equal else 1.0, *self.stretch)

    def hear(self, sound: Audio | None, gain: float, start: int, stop: int) -> None:
        """Put any sound there that begins at the frame `start`; [start, stop) goes round and round."""
        strips = (Strip("audition", sound, gain=gain, start=start),) if sound is not None else ()
        audio = self.song.sound.audio
        self._controller.audition(Mix(strips, 1.0, audio.rate, audio.frames), (start, stop))
        if not start <= self._controller.player.position < stop:
            self._controller.seek(start)

    def end(self) -> None:
        """Give the player back to the song."""
        self._stop_measuring()
        self._controller.audition(None)

    def _stop_measuring(self) -> None:
        if self._measuring is not None:
            self._controller.cancel_job(self._measuring.id)
            self._measuring = None


class _Held(QObject):
    """Keeps what was compared last, as long as its song is open: panels come and go."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self._controller = controller
        self.audition: Audition | None = None
        controller.changed.connect(self._look)

    def _look(self) -> None:
        song = self._controller.document.base.song
        if self.audition is not None and (song is None or song.id != self.audition.song.id):
            self.audition = None


def audition_of(controller: Controller, song: Song) -> Audition:
    """Return what was compared of this song before, or an empty one."""
    held = controller.findChild(_Held) or _Held(controller)
    if held.audition is None or held.audition.song.id != song.id:
        held.audition = Audition(controller, song)
    return held.audition


def scores_of(contenders: Mapping[str, Contender], stem: str) -> dict[str, float]:
    """Return method -> SDR of that stem, where it is known."""
    return {
        key: value
        for key, row in contenders.items()
        for score in row.scores
        if score.stem == stem
        for value in [score.values.get("sdr")]
        if value is not None
    }
