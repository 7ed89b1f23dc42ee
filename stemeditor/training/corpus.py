"""A folder of single notes, hits, syllables, impulse responses and scores, as it lies on disk."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from stemeditor.audio import files
from stemeditor.audio.buffer import Samples
from stemeditor.audio.convert import resample
from stemeditor.errors import UserError
from stemeditor.progress import Progress

RATE = 44100
"""Hz: everything here is made and trained at this rate."""

_BANK_PITCHES = {"erithacus": 48, "yuki": 65}
_NOTE_NAMES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_KEPT_SOUNDS = 3000
_HEADER_BYTES = 400


@dataclass(frozen=True, slots=True)
class Sample:
    """One recording of the corpus.

    Parameters
    ----------
    path
        File.
    instrument
        Name shared by the recordings of one instrument, kit or singer.
    midi
        Sounding pitch as a MIDI number; None if it has none or nobody knows it.
    duration_s
        Length as the manifest says it.
    """

    path: Path
    instrument: str
    midi: float | None
    duration_s: float


@dataclass(frozen=True, slots=True)
class Syllable:
    """Where a syllable lies in a singer's recording (a line of `oto.ini`, the format of UTAU voice banks).

    Parameters
    ----------
    sample
        The recording.
    start_s, stop_s
        Seconds from its start.
    onset_s
        From `start_s`, how long the consonant lasts that is never stretched.
    """

    sample: Sample
    start_s: float
    stop_s: float
    onset_s: float


def read(path: Path, progress: Progress | None = None) -> Samples:
    """Return (channels, frames) of a sound file at `RATE`.

    Raises
    ------
    FileProblem
        If it cannot be read.
    """
    info = files.probe(path)
    return resample(np.concatenate(list(files.decode(info, progress)), axis=1), info.rate, RATE)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Everything that songs are made of.

    Parameters
    ----------
    folder
        Where it lies.
    instruments
        Class ("bass", "drums", "other", "vocals", "ir") -> instrument -> its recordings, sorted by path.
    syllables
        Singer -> syllables with known places.
    scores
        Collection ("gmd", "freedoom", ...) -> MIDI files, sorted.
    """

    folder: Path
    instruments: Mapping[str, Mapping[str, tuple[Sample, ...]]]
    syllables: Mapping[str, tuple[Syllable, ...]]
    scores: Mapping[str, tuple[Path, ...]]
    _sounds: dict[Path, Samples] = field(default_factory=dict, repr=False)

    def sound(self, sample: Sample) -> Samples:
        """Return (channels, frames) of a recording at `RATE`; the most recent ones are kept in memory."""
        found = self._sounds.pop(sample.path, None)
        if found is None:
            found = np.ascontiguousarray(read(sample.path))
            found.setflags(write=False)
            if len(self._sounds) >= _KEPT_SOUNDS:
                self._sounds.pop(next(iter(self._sounds)))
        self._sounds[sample.path] = found
        return found

    def of(self, kind: str) -> Mapping[str, tuple[Sample, ...]]:
        """Return the instruments of a class; empty if the corpus has none."""
        return self.instruments.get(kind, {})


@lru_cache(maxsize=4)
def load(folder: Path) -> Corpus:
    """Read the corpus' `manifest.json` and the syllable tables beside its recordings.

    The manifest is a list of objects with `file`, `cls`, `inst`, `dur` and, where it is known, `midi` (or `yin_midi`).

    Raises
    ------
    UserError
        If there is no corpus in the folder.
    """
    manifest = folder / "manifest.json"
    try:
        rows = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise UserError(
            f"There is no corpus in “{folder}”.", "It is a folder of recordings with a manifest.json."
        ) from problem
    kinds: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if not _has_sound(folder / row["file"]):
            continue
        midi = row.get("midi", row.get("yin_midi"))
        if midi is None and row["cls"] == "vocals":
            midi = _sung(row)
        sample = Sample(folder / row["file"], row["inst"], midi, float(row.get("dur", 0.0)))
        kinds[row["cls"]][row["inst"]].append(sample)
    instruments = {
        kind: {name: tuple(sorted(samples, key=lambda one: one.path)) for name, samples in sorted(found.items())}
        for kind, found in kinds.items()
    }
    syllables = {
        name: found for name, samples in instruments.get("vocals", {}).items() if (found := _syllables(samples))
    }
    scores = {
        inside.name: tuple(sorted(inside.rglob("*.mid"))) for inside in sorted(folder.glob("midi/*")) if inside.is_dir()
    }
    return Corpus(folder, instruments, syllables, scores)


def _has_sound(path: Path) -> bool:
    """Return whether there is more in a file than the headers of its container."""
    return path.is_file() and path.stat().st_size > _HEADER_BYTES


def _sung(row: Mapping[str, str]) -> float | None:
    """Return the pitch that a singer's recording is known to have been sung at."""
    note = re.search(r"note(\d+)", row["file"])
    if note:
        return float(note.group(1))
    name = re.fullmatch(r"([A-G])(\d)", row.get("bank_pitch", ""))
    if name:
        return 12.0 * (int(name.group(2)) + 1) + _NOTE_NAMES[name.group(1)]
    return _BANK_PITCHES.get(row["inst"])


def _syllables(samples: tuple[Sample, ...]) -> tuple[Syllable, ...]:
    """Return the syllables that the tables beside the recordings name."""
    known = {sample.path: sample for sample in samples}
    found = []
    for folder in sorted({sample.path.parent for sample in samples}):
        table = folder / "oto.ini"
        if not table.is_file():
            continue
        names = _renamed(folder)
        for line in table.read_bytes().decode("utf-8", "replace").splitlines():
            name, _, rest = line.partition("=")
            sample = known.get(folder / names.get(name, name.rsplit(".", 1)[0] + ".opus"))
            fields = rest.split(",")
            if sample is None or len(fields) < 6 or sample.midi is None:
                continue
            try:
                offset, fixed, cut = (float(value) / 1000.0 for value in fields[1:4])
            except ValueError:
                continue
            stop = offset - cut if cut < 0 else sample.duration_s - cut
            if stop - offset > fixed + 0.1:
                found.append(Syllable(sample, offset, min(stop, sample.duration_s), max(fixed, 0.0)))
    return tuple(found)


def _renamed(folder: Path) -> dict[str, str]:
    """Return what a bank's files are called on disk, where `names.json` says it (name -> file, or file -> name)."""
    try:
        table = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    names = {}
    for left, right in table.items():
        key, file = (left, right) if right.endswith(".opus") else (right, left)
        if not file.endswith(".opus"):
            file += ".opus"
        names[key] = file
        names[key.rsplit(".", 1)[0] + ".wav"] = file
    return names
