"""Made songs on disk: a folder with one array a song, made once, in several processes, and read in stretches."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict
from functools import lru_cache
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from stemeditor.audio import files
from stemeditor.audio.buffer import Samples
from stemeditor.audio.convert import resample, to_channels
from stemeditor.errors import FileProblem, UserError
from stemeditor.evaluation import datasets
from stemeditor.evaluation.datasets import Reference
from stemeditor.progress import Progress
from stemeditor.training import modules
from stemeditor.training.corpus import RATE, read
from stemeditor.training.songs import STEMS, Band, Recipe

log = logging.getLogger(__name__)

FULL_SCALE = 32767.0
_RECIPE = "recipe.json"
_WAIT_S = 0.25
_SHORTEST_S = 20.0


def song_path(folder: Path, number: int) -> Path:
    """Return where a song of that number lies: int16 (stems, 2, frames), stems in the order of `STEMS`."""
    return folder / f"{number:06d}.npy"


def make(
    folder: Path,
    recipe: Recipe,
    seed: int,
    count: int,
    progress: Progress,
    processes: int = 0,
    stems: Sequence[str] = STEMS,
) -> None:
    """Make the songs 0 to `count` - 1 that are not there yet.

    Parameters
    ----------
    folder
        Where they go; holds songs of one recipe and seed only.
    recipe, seed
        See `Band`.
    count
        How many.
    progress
        Told after every song; stopping loses the songs in the making only.
    processes
        How many songs are made at once; as many as there are processors by default.
    stems
        What the network gives, in order; see `joined`.

    Raises
    ------
    UserError
        If the folder holds songs of another recipe, or the recipe's material is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, recipe, seed)
    Band(recipe, seed)
    missing = [number for number in range(count) if not song_path(folder, number).is_file()]
    if not missing:
        return
    pool = ProcessPoolExecutor(processes or os.cpu_count() or 1, mp_context=get_context("spawn"))
    try:
        pending = {pool.submit(_make, folder, recipe, seed, number, tuple(stems)) for number in missing}
        while pending:
            finished, pending = wait(pending, timeout=_WAIT_S, return_when=FIRST_COMPLETED)
            for one in finished:
                one.result()
            progress.advance(1 - len(pending) / len(missing), f"{count - len(pending)} of {count} songs made")
    finally:
        pool.shutdown(cancel_futures=True)


def _claim(folder: Path, recipe: Recipe, seed: int) -> None:
    """Write what the songs of a folder are made from, or refuse a folder of other songs."""
    wanted = json.dumps({**asdict(recipe), "corpus": recipe.corpus.name, "seed": seed}, sort_keys=True, default=str)
    note = folder / _RECIPE
    if not note.exists():
        note.write_text(wanted, encoding="utf-8")
    elif note.read_text(encoding="utf-8") != wanted:
        raise UserError(f"“{folder}” holds songs of another recipe.", "Choose another folder, or delete that one.")


@lru_cache(maxsize=1)
def _band(recipe: Recipe, seed: int) -> Band:
    return Band(recipe, seed)


def _make(folder: Path, recipe: Recipe, seed: int, number: int, stems: tuple[str, ...]) -> None:
    _write(song_path(folder, number), joined(_band(recipe, seed).song(number), stems))


def joined(sounds: Mapping[str, Samples], stems: Sequence[str]) -> Samples:
    """Return (stems, 2, frames) of sounds by name, (channels, frames) each.

    Those that the network does not give are added to the last, "other" or "accompaniment" as a rule; stems that are not
    there are silent.
    """
    found = np.zeros((len(stems), 2, next(iter(sounds.values())).shape[-1]), np.float32)
    for name, sound in sounds.items():
        found[stems.index(name) if name in stems else -1] += to_channels(np.asarray(sound), 2)
    return found


def of_stems(folder: Path, stems: Sequence[str]) -> Path:
    """Return the folder, in one of all songs, of those that are kept with such stems: files only tell how many."""
    if tuple(stems) == STEMS:
        return folder
    return folder / "-".join("".join(one if one.isalnum() else "_" for one in name) for name in stems)


def open_song(path: Path) -> np.memmap[tuple[int, ...], np.dtype[np.int16]]:
    """Return (stems, 2, frames) int16, memory-mapped."""
    found: np.memmap[tuple[int, ...], np.dtype[np.int16]] = np.load(path, mmap_mode="r")
    return found


def as_float(sound: Sequence[int] | np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> Samples:
    """Return int16 samples as float32 of full scale 1."""
    return np.asarray(sound, np.float32) / np.float32(FULL_SCALE)


def convert(
    folder: Path, references: Sequence[Reference], stems: Sequence[str], session: Path, progress: Progress
) -> list[Path]:
    """Return songs with true stems as files of the same kind, converted if they are not there yet.

    The folder holds songs of such stems only; see `of_stems` and `joined`.

    Parameters
    ----------
    folder
        Where the files go.
    references
        Songs of a data set; see `evaluation.datasets.find`.
    stems
        What the network gives, in order.
    session
        Folder for sound while it is read.
    progress
        Told after every song.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, reference in enumerate(references):
        progress.advance(number / len(references), reference.name)
        # The name alone does not tell two data sets apart.
        source = sorted(str(part.path) for parts in reference.stems.values() for part in parts)
        path = folder / f"{sha256(''.join(source).encode()).hexdigest()[:16]}.npy"
        if not path.is_file():
            song = datasets.load(reference, session, progress)
            sound = joined({name: stem.samples for name, stem in song.stems.items()}, stems)
            if song.song.rate != RATE:
                flat = resample(sound.reshape(2 * len(stems), -1), song.song.rate, RATE)
                sound = flat.reshape(len(stems), 2, -1)
            _write(path, sound)
        written.append(path)
    return written


def play(folder: Path, source: Path, stems: Sequence[str], progress: Progress) -> list[Path]:
    """Return tracker modules as files of the same kind, played if they are not there yet; see `modules`.

    What is no module after all, or too short, is left out.

    Parameters
    ----------
    folder
        Where the files go.
    source
        Where the modules lie, at any depth.
    stems
        What the network gives, in order.
    progress
        Told after every module.

    Raises
    ------
    UserError
        If there is none, or libopenmpt is not installed.
    """
    found = modules.find(source)
    if not found:
        raise UserError(f"There are no tracker modules in “{source}”.", f"They end with {', '.join(modules.ENDINGS)}.")
    return _brought(folder, found, lambda one: modules.stems(one, stems), progress)


def recordings(folder: Path, source: Path, progress: Progress) -> list[Path]:
    """Return recordings as files of one stem, int16 (1, 2, frames), converted if they are not there yet.

    What cannot be read, or is shorter than 20 s, is left out.

    Parameters
    ----------
    folder
        Where the files go.
    source
        Where the recordings lie, at any depth.
    progress
        Told after every recording.

    Raises
    ------
    UserError
        If there is none.
    """
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in files.OPENABLE)
    if not found:
        raise UserError(f"There are no recordings in “{source}”.", "Name a folder that holds some.")

    def heard(one: Path) -> Samples | None:
        sound = to_channels(read(one, progress), 2)
        return sound[None] if sound.shape[1] >= _SHORTEST_S * RATE else None

    return _brought(folder, found, heard, progress)


def _brought(
    folder: Path, found: Sequence[Path], sound_of: Callable[[Path], Samples | None], progress: Progress
) -> list[Path]:
    """Return sources as files, made if they are not there yet; what is broken, or gives nothing, is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, one in enumerate(found):
        progress.advance(number / len(found), one.name)
        path = folder / f"{sha256(one.read_bytes()).hexdigest()[:16]}.npy"
        if not path.is_file():
            try:
                sound = sound_of(one)
            except FileProblem as problem:
                log.warning("%s is left out: %s", one.name, problem)
                continue
            if sound is None:
                continue
            _write(path, sound)
        written.append(path)
    return written


def seconds(path: Path) -> float:
    """Return how long the song in a file is."""
    return open_song(path).shape[-1] / RATE


def _write(path: Path, sound: Samples) -> None:
    """Write (stems, 2, frames) as int16; under another name first, so that a song that is there is whole.

    Stems that go beyond full scale, which one and another may do where the song does not, are turned down alike.
    """
    sound = sound / max(float(np.abs(sound).max(initial=0.0)), 1.0)
    temporary = path.with_suffix(f".{os.getpid()}.part")
    with temporary.open("wb") as file:
        np.save(file, np.round(sound * FULL_SCALE).astype(np.int16))
    temporary.replace(path)
