"""The songs that a plan learns from, as files, wherever they come from."""

from __future__ import annotations

from pathlib import Path

from stemeditor import paths
from stemeditor.errors import UserError
from stemeditor.evaluation import datasets
from stemeditor.progress import Part, Progress
from stemeditor.training import library
from stemeditor.training.plan import Plan
from stemeditor.training.songs import Recipe

SHARE_OF_GATHERING = 0.1
"""Of the whole, as far as a person is told."""


def gathered(plan: Plan, progress: Progress) -> tuple[list[Path], list[Path]]:
    """Return the songs of a plan and its recordings without a voice, as files, made if they are not there yet.

    Raises
    ------
    UserError
        If there are none, or what they come from is not there.
    """
    source = plan.songs
    files: list[Path] = []
    kept = library.of_stems(source.folder, plan.stems)
    for number, name in enumerate(source.data_sets):
        part = Part(progress, number / len(source.data_sets), (number + 1) / len(source.data_sets))
        files += library.convert(kept, datasets.find(Path(name)), plan.stems, paths.cache_folder() / "session", part)
    if source.modules:
        for path in library.play(kept, Path(source.modules).expanduser(), plan.stems, progress):
            files += [path] * max(round(library.seconds(path) / source.seconds), 1)
    if source.corpus:
        recipe = Recipe(
            Path(source.corpus).expanduser(), source.seconds, source.sound_fonts, source.codecs, source.electronic
        )
        folder = kept / "made"
        library.make(folder, recipe, source.seed, source.count, progress, stems=plan.stems)
        files += [library.song_path(folder, number) for number in range(source.count)]
    if not files:
        raise UserError("There are no songs to learn from.", "Give [songs] a corpus, data_sets, or modules.")
    backings = []
    if source.backings:
        backings = library.recordings(source.folder, Path(source.backings).expanduser(), progress)
    return files, backings
