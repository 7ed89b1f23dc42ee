"""Slower or faster, higher or lower, each without the other: a phase vocoder for sounds that belong together.

Short overlapping pieces of the sound are taken where it should be by now and laid where they are to be heard. So that
they join, the phases of each are turned: by as much as the piece before was turned, and by what the sound itself did
between both places (Puckette, Phase-locked vocoder, WASPAA 1995: the sound is looked at twice, one step apart, so that
no frequency has to be guessed; neighbouring bins turn together).

Three things are added here:

- All sounds are turned alike, by angles that come from what is heard of their sum. Stems that add up to a song add up
  to the stretched song.
- Around an attack the sound runs at its own pace, and what begins there is not turned at all, so that it stays as sharp
  as it was; the time that this costs or gains is made up for between attacks.
- At its own speed and pitch the sound comes out as it went in.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples

SLOWEST, FASTEST = 0.25, 2.0
"""What a speed may be."""

LOWEST, HIGHEST = -12.0, 12.0
"""Semitones by which a pitch may move."""

_WINDOW_S = 0.08
"""Length of a piece: long enough for the tones of a bass to be told apart."""

_OVERLAP = 4
_LOCKED = 2
"""Neighbours on each side that turn with a bin."""

_LOOK_S = 0.0058
"""Step in which attacks are looked for."""

_RISE = 0.5
"""Decades by which the energy of an attack grows over that of the steps before."""

_BEFORE = (2, 3, 4, 5, 6)
"""Steps before that it is compared with: an attack may take two."""

_APART = 8
"""Steps within which there is one attack, the strongest."""

_FLOOR = 1e-7
"""Energy a frame below which nothing is an attack."""

_HIDDEN = 2.5
"""Decades below the loudest sound from which on another is not heard."""

_BEGINS = 2.0
"""What grows by this much at an attack begins there."""

_MATTERS = 0.25
"""Share of a sound in a bin from which on it decides whether that begins."""

_LOOKS = 8
"""Steps that are read at once, or more."""

_MARGIN = 64
"""Frames by which a piece that is to be higher or lower is longer at both ends."""

_NOTHING = 1e-20

_Number = TypeVar("_Number", np.float32, np.complex64)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a sound is played.

    Parameters
    ----------
    speed
        Seconds of sound a second, `SLOWEST` to `FASTEST`; 1 is its own.
    semitones
        How much higher, `LOWEST` to `HIGHEST`; 0 is its own pitch.
    """

    speed: float = 1.0
    semitones: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether it is the sound's own."""
        return self.speed == 1.0 and self.semitones == 0.0

    @property
    def ratio(self) -> float:
        """How many times higher its frequencies are."""
        return float(2.0 ** (self.semitones / 12))


class Stretcher:
    """Sounds at another pace, block by block.

    Parameters
    ----------
    read
        frames -> the next (rows, frames) of the sounds, float32, from frame `start - lead` on, for ever. A row is one
        side of one sound: left of the first, right of the first, left of the second, ...
    start
        Number of the frame that is heard first.
    rows
        How many, an even number.
    rate
        Frames a second.
    pace
        How it is played.
    """

    def __init__(self, read: Callable[[int], Samples], start: int, rows: int, rate: int, pace: Pace) -> None:
        self._read = read
        self._start = start
        self._pace = pace
        self._window = _window(rate, pace)
        self._size = len(self._window)
        self._step = self._size // _OVERLAP
        self._look = max(round(_LOOK_S * rate), 1)
        self._first = start - self.lead(rate, pace)
        """Number of the first frame in `_sounds`."""
        self._sounds = np.zeros((rows, 0), np.float32)
        self._attacks = _Attacks(self._first, self._look)
        self._begun: tuple[int | None, NDArray[np.bool_]] = (None, np.zeros(0, bool))
        """The last attack that was near, and which bins begin there."""
        self._turned: NDArray[np.complex64] | None = None
        """Spectra (sounds, 2, bins) of the last piece, as it was heard."""
        self._centre = -self._step
        """Where the middle of the next piece will be heard."""
        self._out = np.zeros((rows, 0), np.float32)
        self._at = 0
        """Number of the frame that `_out` begins with, counted from the first that is heard."""

    @staticmethod
    def lead(rate: int, pace: Pace) -> int:
        """Return how many frames before the first one heard are to be known."""
        size = len(_window(rate, pace))
        return _behind(size, pace) + math.ceil(size * pace.speed)

    def next(self, frames: int, gains: NDArray[np.float32]) -> Samples:
        """Return the next (rows, frames).

        Parameters
        ----------
        frames
            How many.
        gains
            (sounds, 2): how loud each side of each sound is heard. The angles are made for that; the sounds are not
            multiplied by it.
        """
        while self._centre - self._size // 2 < self._at + frames:
            self._add_piece(gains)
        out, self._out = self._out[:, :frames], self._out[:, frames:]
        self._at += frames
        return out

    def _add_piece(self, gains: NDArray[np.float32]) -> None:
        size, step = self._size, self._step
        place, attack = self._place(gains)
        spectra, before = self._spectra(place, exactly=attack is not None)
        if self._turned is not None:
            turn = _turn(_heard(gains, self._turned), _heard(gains, before))
            if attack is not None:
                turn[self._beginning(attack, gains)] = 1.0
            spectra *= turn
        self._turned = spectra
        piece = np.fft.irfft(spectra.reshape(-1, size // 2 + 1), size).astype(np.float32, copy=False)
        piece *= self._window * np.float32(8 / (3 * _OVERLAP))
        low = self._centre - size // 2 - self._at
        missing = low + size - self._out.shape[1]
        if missing > 0:
            self._out = np.pad(self._out, ((0, 0), (0, missing)))
        self._out[:, max(low, 0) : low + size] += piece[:, max(-low, 0) :]
        self._centre += step

    def _place(self, gains: NDArray[np.float32]) -> tuple[float, int | None]:
        """Return which frame is in the middle of the next piece, and the attack that is near, if one is.

        Round an attack the sound goes at its own pace. Behind it, what that cost is made up for within a piece's
        length, or until half way to the next attack.
        """
        speed, ratio, half = self._pace.speed, self._pace.ratio, self._size / 2
        place = self._start + self._centre * speed
        # As far as the next attack matters, and as a piece reaches round one.
        self._know(place + self._size * max(3 * speed, speed + 1.5 * ratio), gains)
        attacks = self._attacks.found
        after = bisect.bisect(attacks, place)
        for number in (after - 1, after):
            if not 0 <= number < len(attacks):
                continue
            away = (place - attacks[number]) / speed
            other = number + (1 if away >= 0 else -1)
            gap = abs(attacks[other] - attacks[number]) / speed if 0 <= other < len(attacks) else 6.0 * half
            edge = min(half, gap / 2)
            back = min(2 * half, gap / 2 - edge)
            beyond = abs(away) - edge
            if beyond > back or (beyond > 0 and back == 0):
                continue
            share = 1.0 if beyond <= 0 else 1.0 - beyond / back
            own = away if beyond <= 0 else (edge if away > 0 else -edge) * share
            near = attacks[number] if beyond <= self._step else None
            return place + own * (ratio - speed), near
        return place, None

    def _beginning(self, attack: int, gains: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which bins of what is heard begin with an attack."""
        if self._begun[0] != attack:
            half = self._pace.ratio * self._size / 2
            sides = (self._spectra(attack + way)[0] * gains[:, :, np.newaxis] for way in (-half, half))
            before, after = (_smooth(np.square(np.abs(side)).sum(axis=1)) for side in sides)
            begins = (after > _BEGINS * before) & (after > _MATTERS * after.sum(axis=0))
            self._begun = (attack, begins.any(axis=0))
        return self._begun[1]

    def _spectra(self, place: float, exactly: bool = False) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
        """Return the spectra (sounds, 2, bins) of a window of sound about a frame, and of one a step before it.

        Parts of a frame are nothing where pieces are turned to fit each other, and are heard where they are not.
        """
        size = self._size
        sound, late = self._around(place)
        both = np.stack([sound[:, self._step :], sound[:, :size]]) * self._window
        spectra = np.fft.rfft(both).astype(np.complex64, copy=False)
        if late and exactly:
            spectra *= np.exp(2j * np.pi * late / size * np.arange(size // 2 + 1)).astype(np.complex64)
        now, before = spectra.reshape(2, -1, 2, size // 2 + 1)
        return now, before

    def _around(self, place: float) -> tuple[Samples, float]:
        """Return (rows, step + window): a window of sound about a frame, at the pitch wanted, and a step before it.

        Sounds begin at whole frames: also by how much, in frames of the output, it begins too early.
        """
        ratio, count = self._pace.ratio, self._step + self._size
        first = place - ratio * (self._step + self._size / 2) - self._first
        if ratio == 1.0:
            # Round an attack this is always the same part of a frame, elsewhere nobody hears it.
            return self._sounds[:, round(first) : round(first) + count], 0.0
        import soxr

        # The ends of what is resampled are not what they would be in the middle of the sound.
        first -= ratio * _MARGIN
        begin = round(first)
        part = self._sounds[:, begin : begin + math.ceil(ratio * (count + 2 * _MARGIN))]
        pitched: Samples = soxr.resample(np.ascontiguousarray(part.T), ratio, 1.0, "MQ").T
        return pitched[:, _MARGIN : _MARGIN + count], (first - begin) / ratio

    def _know(self, until: float, gains: NDArray[np.float32]) -> None:
        """Read on until all that is before a frame is known, attacks too; forget what is far behind."""
        needed = self._start + self._centre * self._pace.speed - _behind(self._size, self._pace)
        missing = math.ceil((until - self._attacks.known) / self._look)
        if missing > 0:
            more = self._read(max(missing, _LOOKS) * self._look)
            self._attacks.listen(more * gains.reshape(-1, 1))
            old = min(max(int(needed) - self._first, 0), self._sounds.shape[1])
            self._sounds = np.concatenate([self._sounds[:, old:], more], axis=1)
            self._first += old
            self._attacks.forget(needed)


def warm(rate: int, pace: Pace) -> None:
    """Load and prepare what a pace needs, so that the first to be heard at it need not wait for that."""
    if not pace.plain:
        silence = Stretcher(lambda frames: np.zeros((2, frames), np.float32), 0, 2, rate, pace)
        silence.next(1, np.ones((1, 2), np.float32))


class _Attacks:
    """Finds where one of several sounds begins: where the energy of its slope grows at once.

    Parameters
    ----------
    first
        Number of the first frame to come.
    look
        Frames in a step of the search.
    """

    def __init__(self, first: int, look: int) -> None:
        self.found: list[int] = []
        """Their frames, in order."""
        self._look = look
        self._first = first
        """Number of the first frame in `_slopes`."""
        self._slopes = np.zeros((0, 0), np.float32)
        """(sounds, frames), squared."""
        self._steps = np.zeros((0, 0))
        """(sounds, steps): decades of energy of each step, from `_first` on."""
        self._last: Samples | None = None

    @property
    def known(self) -> int:
        """All attacks before this frame are found."""
        return self._first + (self._steps.shape[1] - _APART - 1) * self._look

    def listen(self, rows: Samples) -> None:
        """Take in the next (rows, frames), a whole number of steps."""
        last = rows[:, :1] if self._last is None else self._last
        slopes = np.square(np.diff(rows, axis=1, prepend=last)).reshape(-1, 2, rows.shape[1]).sum(axis=1)
        self._last = rows[:, -1:]
        steps = np.log10(slopes.reshape(len(slopes), -1, self._look).mean(axis=2) + _FLOOR)
        begin = max(self._steps.shape[1] - _APART, max(_BEFORE) + _APART)
        self._slopes = np.concatenate([self._slopes.reshape(len(slopes), -1), slopes], axis=1)
        self._steps = np.concatenate([self._steps.reshape(len(steps), -1), steps], axis=1)
        self._search(begin)
        old = self._steps.shape[1] - (max(_BEFORE) + 2 * _APART + 2)
        if old > 0:
            self._steps, self._slopes = self._steps[:, old:], self._slopes[:, old * self._look :]
            self._first += old * self._look

    def forget(self, before: float) -> None:
        """Forget the attacks before a frame, except the last: the next one keeps its distance from it."""
        old = bisect.bisect(self.found, before) - 1
        if old > 0:
            del self.found[:old]

    def _search(self, begin: int) -> None:
        """Look for attacks from a step on, as far as is known what follows them."""
        steps, far = self._steps, max(_BEFORE)
        count = steps.shape[1]
        if count <= far or not len(steps):
            return
        grown = steps[:, far:] - np.max([steps[:, far - ago : count - ago] for ago in _BEFORE], axis=0)
        # What is so much softer than another that nobody hears it begins for nobody.
        grown[steps[:, far:] < steps[:, far:].max(axis=0) - _HIDDEN] = 0.0
        rises = np.concatenate([np.zeros(far), grown.max(axis=0)])
        for at in (begin + np.flatnonzero(rises[begin : count - _APART] > _RISE)).tolist():
            if rises[at] == rises[at - _APART : at + _APART + 1].max():
                # Where the slope of that sound first comes near to what it will be.
                low = (at - 1) * self._look
                slopes = self._slopes[int(grown[:, at - far].argmax()), low : low + 3 * self._look]
                self.found.append(self._first + low + int(np.argmax(slopes > 0.1 * slopes.max())))


def _window(rate: int, pace: Pace) -> NDArray[np.float32]:
    """Return a periodic Hann window, a whole number of steps long."""
    # What is to be lower lies nearer together then, and is heard in less of the sound.
    size = 2 * _OVERLAP * round(_WINDOW_S * rate / min(pace.ratio, 1.0) / (2 * _OVERLAP))
    return np.square(np.sin(np.pi * np.arange(size) / size)).astype(np.float32)


def _behind(size: int, pace: Pace) -> int:
    """Return how many frames before the place of a piece may be asked for."""
    return math.ceil(size * (2 * pace.ratio + pace.speed))


def _heard(gains: NDArray[np.float32], spectra: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Return what is heard of spectra (sounds, 2, bins): (2, bins)."""
    heard: NDArray[np.complex64] = np.einsum("sc,scb->cb", gains, spectra)
    return heard


def _turn(last: NDArray[np.complex64], before: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Return by what a piece is to be turned: each bin, and its neighbours with it, as far as the last one was.

    Parameters
    ----------
    last
        (2, bins): the last piece, as it was heard.
    before
        (2, bins): the sound where the last piece would be if it had come from just before this one.
    """
    turn = _smooth(np.einsum("cb,cb->b", last, before.conj()))
    length = np.abs(turn)
    return np.where(length > _NOTHING, turn / np.maximum(length, _NOTHING), 1.0).astype(np.complex64)


def _smooth(bins: NDArray[_Number]) -> NDArray[_Number]:
    """Return (..., bins), each the sum of itself and of those that turn with it."""
    smooth = bins.copy()
    for away in range(1, _LOCKED + 1):
        smooth[..., away:] += bins[..., :-away]
        smooth[..., :-away] += bins[..., away:]
    return smooth
