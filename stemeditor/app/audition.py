"""Hearing one of several sounds in the place of the song, at equal loudness and without a gap. No widgets in here."""

from __future__ import annotations

from collections.abc import Mapping

from stemeditor.app.controller import Controller
from stemeditor.audio.buffer import Audio
from stemeditor.evaluation.datasets import TrueSong
from stemeditor.jobs.compare import Contender, equal_loudness
from stemeditor.mixing.mix import Mix, Strip
from stemeditor.project.model import Song

SONG, TRUE = "song", "true"
"""Who can be heard beside the methods."""


class Audition:
    """The stretch of a song, what methods made of it, and which of them is heard.

    Parameters
    ----------
    controller
        Whose player is borrowed; `end` gives it back.
    song
        The open song.
    """

    def __init__(self, controller: Controller, song: Song) -> None:
        self._controller, self._song = controller, song
        self.true: TrueSong | None = None
        self.contenders: dict[str, Contender] = {}
        self.stretch = (0, 0)
        self._gains: dict[tuple[str, str], float] = {}

    def begin(self, start: int, stop: int) -> None:
        """Forget what was there; the frames [start, stop) are what is heard from now on."""
        self.stretch = (start, stop)
        self.contenders, self._gains = {}, {}

    def add(self, contender: Contender) -> None:
        """Take in what a method made; all gains are found anew, for it may be the quietest."""
        self.contenders[contender.method] = contender
        self._gains = {}

    @property
    def stems(self) -> tuple[str, ...]:
        """All stems that some method made, in the order they came."""
        return tuple(dict.fromkeys(name for row in self.contenders.values() for name in row.stems))

    def sound(self, key: str, stem: str) -> Audio | None:
        """Return what is heard of a method, the song or the true stems; None if it has no such stem."""
        start, stop = self.stretch
        if key == SONG:
            return self._song.sound.audio.slice(start, stop)
        if key == TRUE:
            true = self.true.stems.get(stem) if self.true is not None else None
            return true.slice(start, stop) if true is not None else None
        return self.contenders[key].stems.get(stem) if key in self.contenders else None

    def gain(self, key: str, stem: str) -> float:
        """Return the gain, 1 or less, that brings a sound to the loudness of the quietest beside it."""
        if (key, stem) not in self._gains:
            sounds = {who: self.sound(who, stem) for who in (SONG, TRUE, *self.contenders)}
            found = equal_loudness({who: sound for who, sound in sounds.items() if sound is not None})
            self._gains.update({(who, stem): gain for who, gain in found.items()})
        return self._gains.get((key, stem), 1.0)

    def play(self, key: str, stem: str, equal: bool) -> None:
        """Put a sound in the place of what is heard; the place in time stays, and the player fades between them."""
        self.hear(self.sound(key, stem), self.gain(key, stem) if equal else 1.0, *self.stretch)

    def hear(self, sound: Audio | None, gain: float, start: int, stop: int) -> None:
        """Put any sound there that begins at the frame `start`; [start, stop) goes round and round."""
        strips = (Strip("audition", sound, gain=gain, start=start),) if sound is not None else ()
        audio = self._song.sound.audio
        self._controller.audition(Mix(strips, 1.0, audio.rate, audio.frames), (start, stop))
        if not start <= self._controller.player.position < stop:
            self._controller.seek(start)

    def end(self) -> None:
        """Give the player back to the song."""
        self._controller.audition(None)


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
