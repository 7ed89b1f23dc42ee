"""Saving and opening projects. Pure functions (request, progress) -> result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stemeditor.jobs.tasks import OpenRequest, open_song
from stemeditor.progress import Progress
from stemeditor.project import storage
from stemeditor.project.model import Song
from stemeditor.project.storage import Kept


@dataclass(frozen=True, slots=True, eq=False)
class ProjectFile:
    """A project, and the file that it comes from or goes to."""

    kept: Kept
    path: Path


def save_project(request: ProjectFile, progress: Progress) -> ProjectFile:
    """Save a project, in the place of what is there; returns what was saved.

    Raises
    ------
    FileProblem
        If it cannot be written; what was there is there still.
    """
    storage.save(request.kept, request.path, progress)
    return request


def open_any(request: OpenRequest, progress: Progress) -> Song | ProjectFile:
    """Open a song, as `open_song` does, or a project.

    Raises
    ------
    FileProblem
        If the file cannot be read, with words for the user.
    """
    if storage.is_project(request.path):
        return ProjectFile(storage.load(request.path, request.folder, request.song_id, progress), request.path)
    return open_song(request, progress)
