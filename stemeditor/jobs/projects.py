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
class SaveRequest:
    """Write a project to the file at `path`, in the place of what is there."""

    kept: Kept
    path: Path


@dataclass(frozen=True, slots=True, eq=False)
class OpenedProject:
    """A project, and the file that it came from."""

    kept: Kept
    path: Path


def save_project(request: SaveRequest, progress: Progress) -> SaveRequest:
    """Save a project; returns what was saved. Raises `FileProblem`, and then what was there is there still."""
    storage.save(request.kept, request.path, progress)
    return request


def open_any(request: OpenRequest, progress: Progress) -> Song | OpenedProject:
    """Open a song, as `open_song` does, or a project.

    Raises
    ------
    FileProblem
        If the file cannot be read, with words for the user.
    """
    if storage.is_project(request.path):
        return OpenedProject(storage.load(request.path, request.folder, request.song_id, progress), request.path)
    return open_song(request, progress)
