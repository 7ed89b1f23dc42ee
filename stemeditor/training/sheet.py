"""Made songs to hear and to look at: sound files, and sheets of small spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stemeditor.audio import files, spectrogram
from stemeditor.audio.buffer import Audio, Samples
from stemeditor.progress import Progress
from stemeditor.training.corpus import RATE
from stemeditor.training.library import as_float, open_song
from stemeditor.training.songs import STEMS

_SONGS_A_SHEET = 10
_COLUMNS, _ROWS = 240, 100
_LOWEST_DB = -80.0
_FORMAT, _SUBTYPE = "flac", "16"


def write(songs: Sequence[Path], folder: Path, progress: Progress) -> int:
    """Write every song and its stems as sound files, and pictures of ten songs a sheet.

    Parameters
    ----------
    songs
        Files as `library` writes them, with the stems of `STEMS`.
    folder
        Gets a folder a song, and `sheet-01.png`, `sheet-02.png`, ...
    progress
        Told after every song.

    Returns
    -------
    int
        How many sheets.
    """
    starts = range(0, len(songs), _SONGS_A_SHEET)
    for page, start in enumerate(starts, 1):
        chosen = songs[start : start + _SONGS_A_SHEET]
        figure = Figure((15, 1.5 * len(chosen)), layout="constrained")
        grid = figure.subplots(len(chosen), len(STEMS) + 1, squeeze=False)
        for row, path in enumerate(chosen):
            progress.advance((start + row) / len(songs), path.stem)
            stems = as_float(open_song(path))
            sounds = {"song": stems.sum(axis=0), **dict(zip(STEMS, stems, strict=True))}
            for column, (name, sound) in enumerate(sounds.items()):
                _save(folder / path.stem / f"{name}.{_FORMAT}", sound)
                axes = grid[row, column]
                picture = spectrogram.picture(Audio(sound, RATE), 0, sound.shape[1], _COLUMNS, _ROWS)
                axes.imshow(picture, aspect="auto", vmin=_LOWEST_DB, vmax=0.0, cmap="magma")
                axes.set(xticks=[], yticks=[])
                if row == 0:
                    axes.set_title(name)
            grid[row, 0].set_ylabel(path.stem)
        figure.savefig(folder / f"sheet-{page:02d}.png", dpi=80)
    return len(starts)


def _save(path: Path, sound: Samples) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, [np.ascontiguousarray(sound)], RATE, 2, files.encoding(_FORMAT), _SUBTYPE, overwrite=True)
