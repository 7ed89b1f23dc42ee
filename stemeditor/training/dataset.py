"""Examples to learn from: stretches of songs with true stems, changed and mixed anew, each a function of its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples
from stemeditor.errors import UserError
from stemeditor.training import augment
from stemeditor.training.augment import Augmentation, Change
from stemeditor.training.library import as_float, open_song

VOICE = "vocals"

_TRIES = 4
_QUIET = 1e-4


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where a stem of an example comes from, and what is done to it.

    Parameters
    ----------
    file
        Its place among `Examples.files`.
    stem
        Its place in that file.
    start, frames
        What is taken; played faster or slower if it is not as long as an example.
    change
        What is done then; None for nothing.
    """

    file: int
    stem: int
    start: int
    frames: int
    change: Change | None = None


Example: TypeAlias = tuple[Stretch | None, ...]
"""One for each stem; None for silence."""


class Batch(NamedTuple):
    """What a network learns from at once.

    Parameters
    ----------
    stems
        (batch, stems, 2, frames); their sum over the stems is what the network is given.
    joined
        (batch,): of which examples only the voice and the sum of all else is known. That sum is the last stem then.
    """

    stems: Samples
    joined: NDArray[np.bool_]


class Examples:
    """Batches of stems by number. The same songs, settings and seed give the same batches.

    Parameters
    ----------
    songs
        Files as `library` writes them.
    frames
        Length of an example.
    batch
        How many make a batch.
    seed
        Where the draws begin.
    plan
        What is changed; None for songs as they are.
    names
        Of the stems, for what is done to one of them alone.
    backings
        Files of one stem each: recordings without a voice.
    backed
        Share of examples whose voice, one of the songs', is accompanied by one of these.

    Raises
    ------
    UserError
        If there are no songs, or they are shorter than an example.
    """

    def __init__(
        self,
        songs: Sequence[Path],
        frames: int,
        batch: int,
        seed: int,
        plan: Augmentation | None,
        names: Sequence[str] = (),
        backings: Sequence[Path] = (),
        backed: float = 0.0,
    ) -> None:
        if not songs:
            raise UserError("There are no songs to learn from.", "Make some, or name a folder that holds some.")
        self.files = (*songs, *backings)
        self.frames = frames
        self._songs = len(songs)
        self._size, self._seed, self._plan = batch, seed, plan
        self._names = tuple(names)
        self._backed = backed if backings else 0.0
        self._stems, self._lengths = zip(
            *((len(song), song.shape[-1]) for song in map(open_song, self.files)), strict=True
        )
        longest = 1.0 + (plan.speed if plan else 0.0)
        if min(self._lengths) < frames * longest:
            raise UserError("A song is shorter than an example.", "Choose shorter examples, or longer songs.")

    def batch(self, number: int) -> Batch:
        """Return the stems of a batch."""
        examples = self.drawn(number)
        stems = np.stack([np.stack([self._heard(part) for part in example]) for example in examples])
        return Batch(stems, self.joined(examples))

    def drawn(self, number: int) -> list[Example]:
        """Return what a batch is made from."""
        rng = np.random.default_rng([self._seed, number])
        return [self._example(rng) for _ in range(self._size)]

    def joined(self, examples: Sequence[Example]) -> NDArray[np.bool_]:
        """Return of which examples only the sum of all but the voice is known; see `Batch`."""
        return np.array([any(part and part.file >= self._songs for part in example) for example in examples])

    def _example(self, rng: np.random.Generator) -> Example:
        song = self._drawn(rng)
        plan = self._plan
        stems = self._stems[song]
        if plan is None:
            start = int(rng.integers(self._lengths[song] - self.frames + 1))
            return tuple(Stretch(song, stem, start, self.frames) for stem in range(stems))
        if rng.random() < self._backed:
            return self._backing(stems, rng)
        remixed = rng.random() < plan.remixed
        at = rng.random()
        speed = augment.factor(plan, rng)
        parts = []
        for stem in range(stems):
            role = self._names[stem] if self._names else ""
            own = speed * (augment.deeper(plan, rng) if role == "bass" else 1.0)
            place = self._audible(stem, own / speed, rng) if remixed else self._place(song, stem, at, own)
            parts.append(Stretch(*place, augment.drawn(plan, rng, role)))
        return tuple(parts)

    def _backing(self, stems: int, rng: np.random.Generator) -> Example:
        """Return a voice, and a recording without one as the last stem."""
        assert self._plan is not None
        file = int(rng.integers(self._songs, len(self.files)))
        voice = self._names.index(VOICE)
        parts: list[Stretch | None] = [None] * stems
        parts[voice] = Stretch(*self._audible(voice, 1.0, rng), augment.drawn(self._plan, rng, VOICE))
        place = self._place(file, 0, rng.random(), augment.factor(self._plan, rng))
        parts[-1] = Stretch(*place, augment.drawn(self._plan, rng))
        return tuple(parts)

    def _audible(self, stem: int, slower: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Return a stretch of any song's stem; mostly one in which something sounds."""
        assert self._plan is not None
        for _ in range(_TRIES):
            speed = slower * augment.factor(self._plan, rng)
            file, _, start, frames = place = self._place(self._drawn(rng), stem, rng.random(), speed)
            if np.abs(as_float(open_song(self.files[file])[stem, :, start : start + frames : 64])).max() > _QUIET:
                break
        return place

    def _place(self, file: int, stem: int, at: float, speed: float) -> tuple[int, int, int, int]:
        """Return file, stem, start and frames of a stretch."""
        frames = round(self.frames * speed)
        return file, stem, int(at * (self._lengths[file] - frames + 1)), frames

    def _heard(self, part: Stretch | None) -> Samples:
        """Return (2, frames) of a stretch."""
        if part is None:
            return np.zeros((2, self.frames), np.float32)
        song = open_song(self.files[part.file])
        sound = augment.varied(as_float(song[part.stem, :, part.start : part.start + part.frames]), self.frames)
        return sound if part.change is None else augment.changed(sound, part.change)

    def _drawn(self, rng: np.random.Generator) -> int:
        return int(rng.integers(self._songs))
