"""REAPER's project files: text in nested brackets, which names the files beside it.

What stands in them is described by https://github.com/ReaTeam/Doc (State Chunk Definitions).
"""

from __future__ import annotations

import os
from pathlib import Path

from stemeditor.interchange.session import Session, Track
from stemeditor.progress import Progress

ENDING = ".rpp"

_SOURCES = {".flac": "FLAC", ".mp3": "MP3", ".ogg": "VORBIS", ".m4a": "VIDEO"}
"""What reads a file, by its ending; WAV and AIFF are one."""


def write(session: Session, path: Path, progress: Progress) -> None:
    """Write a session to a file that is not there yet; its sound stays where it is."""
    path.write_text(project(session, path.parent), encoding="utf-8", errors="replace")
    progress.advance(1.0)


def project(session: Session, folder: Path) -> str:
    """Return the project, which lies in a folder, as text."""
    lines = [
        '<REAPER_PROJECT 0.1 "7.0" 0',
        f"  SAMPLERATE {session.rate} 0 0",
        f"  TITLE {_quoted(session.title)}",
        f"  AUTHOR {_quoted(session.tags.get('artist', ''))}",
        f"  MASTER_VOLUME {session.gain:.9g} 0 -1 -1 1",
        *(line for track in session.tracks for line in _track(session, track, folder)),
        ">",
    ]
    return "\n".join(lines) + "\n"


def _track(session: Session, track: Track, folder: Path) -> list[str]:
    faders = track.faders
    return [
        "  <TRACK",
        f"    NAME {_quoted(track.name)}",
        *([f"    PEAKCOL {_colour(faders.colour)}"] if faders.colour else []),
        f"    VOLPAN {faders.gain:.9g} {faders.pan:.9g} -1 -1 1",
        f"    MUTESOLO {int(faders.muted)} {int(faders.soloed)} 0",
        "    NCHAN 2",
        "    <ITEM",
        "      POSITION 0",
        f"      LENGTH {session.duration_s:.9g}",
        "      LOOP 0",
        f"      NAME {_quoted(track.name)}",
        f"      <SOURCE {_SOURCES.get(track.path.suffix.lower(), 'WAVE')}",
        f"        FILE {_quoted(_seen_from(track.path, folder))}",
        "      >",
        "    >",
        "  >",
    ]


def _seen_from(path: Path, folder: Path) -> str:
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # another disk
        return str(path)


def _quoted(text: str) -> str:
    """Return text between marks that do not stand in it."""
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    mark = next((mark for mark in "\"'`" if mark not in text), "")
    return f"{mark}{text}{mark}" if mark else f"`{text.replace('`', chr(39))}`"


def _colour(colour: str) -> int:
    """Return a colour as REAPER counts it: blue, green, red, and a mark that there is one."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return 1 << 24 | blue << 16 | green << 8 | red
