"""Examples to learn from: stretches of songs with true stems, changed and mixed anew, each a function of its number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stemeditor.audio.buffer import Samples
from stemeditor.errors import UserError
from stemeditor.training import augment
from stemeditor.training.augment import Augmentation
from stemeditor.training.library import as_float, open_song

_TRIES = 4
_QUIET = 1e-4


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
    ) -> None:
        if not songs:
            raise UserError("There are no songs to learn from.", "Make some, or name a folder that holds some.")
        self._songs = tuple(songs)
        self._frames, self._size, self._seed, self._plan = frames, batch, seed, plan
        self._names = tuple(names)
        shortest = min(open_song(path).shape[-1] for path in songs)
        longest = 1.0 + (plan.speed if plan else 0.0)
        if shortest < frames * longest:
            raise UserError("A song is shorter than an example.", "Choose shorter examples, or longer songs.")

    def batch(self, number: int) -> Samples:
        """Return (batch, stems, 2, frames); their sum over the stems is what the network is given."""
        rng = np.random.default_rng([self._seed, number])
        return np.stack([self._example(rng) for _ in range(self._size)])

    def _example(self, rng: np.random.Generator) -> Samples:
        song = self._draw(rng)
        plan = self._plan
        if plan is None:
            start = int(rng.integers(song.shape[-1] - self._frames + 1))
            return as_float(song[..., start : start + self._frames])
        remixed = rng.random() < plan.remixed
        at = rng.random()
        speed = augment.factor(plan, rng)
        parts = []
        for stem in range(song.shape[0]):
            role = self._names[stem] if self._names else ""
            own = speed * (augment.deeper(plan, rng) if role == "bass" else 1.0)
            part = self._audible(stem, own / speed, rng) if remixed else self._stretch(song, stem, at, own)
            parts.append(augment.changed(part, plan, rng, role))
        return np.stack(parts)

    def _audible(self, stem: int, slower: float, rng: np.random.Generator) -> Samples:
        """Return a stretch of any song's stem; mostly one in which something sounds."""
        assert self._plan is not None
        for _ in range(_TRIES):
            part = self._stretch(self._draw(rng), stem, rng.random(), slower * augment.factor(self._plan, rng))
            if np.abs(part[:, ::64]).max() > _QUIET:
                break
        return part

    def _stretch(
        self, song: np.ndarray[tuple[int, ...], np.dtype[np.int16]], stem: int, at: float, speed: float
    ) -> Samples:
        frames = round(self._frames * speed)
        start = int(at * (song.shape[-1] - frames + 1))
        return augment.varied(as_float(song[stem, :, start : start + frames]), self._frames)

    def _draw(self, rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
        return open_song(self._songs[int(rng.integers(len(self._songs)))])
