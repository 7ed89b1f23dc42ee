"""Sound files: what is in them, reading them, writing them.

Only here, in `decoders` and in `encoders` is sound ever (frames, channels). What a file is, is told by its content, not
by its ending.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from stemeditor import paths
from stemeditor.audio import fold, troubles
from stemeditor.audio.buffer import Samples
from stemeditor.audio.decoders import DECODERS, Broken, Decoder, Found, Soundless, Unreadable, decoders_for
from stemeditor.audio.encoders import ENCODINGS, Encoding, Subtype, encode
from stemeditor.errors import FileProblem, UserError
from stemeditor.progress import Progress, Silent

log = logging.getLogger(__name__)

__all__ = [
    "ENCODINGS",
    "OPENABLE",
    "Encoding",
    "FileInfo",
    "Subtype",
    "decode",
    "encoding",
    "probe",
    "write",
]

OPENABLE: tuple[str, ...] = (
    *(".wav", ".wave", ".w64", ".rf64", ".aif", ".aiff", ".aifc", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".au"),
    *(".caf", ".m4a", ".m4b", ".aac", ".alac", ".wma", ".mp4", ".m4v", ".mov", ".mkv", ".mka", ".webm"),
)
"""Endings for file dialogs; a file of another ending is opened all the same if it holds sound."""

_SLOWEST_HZ, _FASTEST_HZ = 8000, 192000


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What is in a sound file.

    Parameters
    ----------
    path
        The file.
    format
        Its kind, for people.
    rate, channels
        As in the file (reading it gives one or two channels).
    frames
        Length; an estimate if not `exact`, 0 if unknown.
    tags
        Lower-case name -> text.
    cover
        Picture data, or None.
    notice
        What the user should know about how it is read; "" if there is nothing to say.
    order, decoder
        For `decode`: the channels in the letters of `fold.matrix`, and who knew the file.
    """

    path: Path
    format: str
    rate: int
    channels: int
    frames: int
    exact: bool
    tags: Mapping[str, str] = field(default_factory=dict)
    cover: bytes | None = None
    notice: str = ""
    order: str = ""
    decoder: str = ""


def probe(path: Path) -> FileInfo:
    """Look into a file without reading its sound.

    Raises
    ------
    FileProblem
        If it is missing, a folder, empty, not allowed to be read, no sound file, or of a rate out of 8 to 192 kHz.
    """
    from stemeditor.audio import tags

    troubles.check_readable(path)
    soundless = False
    for decoder in decoders_for(path):
        try:
            found = decoder.look(path)
        except Unreadable as problem:
            soundless = soundless or isinstance(problem, Soundless)
            continue
        if found.exact and found.frames == 0:
            raise FileProblem(f"“{path.name}” is a sound file without any sound in it.", "Choose another file.")
        if not _SLOWEST_HZ <= found.rate <= _FASTEST_HZ:
            raise FileProblem(
                f"“{path.name}” has {found.rate} samples a second; this program takes 8 000 to 192 000.",
                "Convert it to 44 100 or 48 000 first.",
            )
        text, cover = tags.read(path)
        return FileInfo(
            path,
            found.format,
            found.rate,
            found.channels,
            found.frames,
            found.exact,
            text,
            cover,
            _notice(found),
            found.order,
            decoder.name,
        )
    if soundless:
        raise FileProblem(f"There is no sound in “{path.name}”.", "Choose a file with sound.")
    raise FileProblem(
        f"“{path.name}” is not a sound file that this program can read.",
        "It may be damaged, protected, or not sound at all; WAV, AIFF, FLAC, OGG, Opus, MP3, M4A, WMA and videos work.",
    )


def decode(info: FileInfo, progress: Progress | None = None) -> Iterator[Samples]:
    """Read a file's sound in pieces; the first is short, so that there is something to show at once.

    More than two channels are folded down to two (`FileInfo.notice` says so). Samples that are no numbers become 0.
    What one library cannot read to its end, the other goes on with. A file that is damaged or cut short gives what
    can be read of it and then just ends: if fewer frames came than an exact `info.frames`, the rest is missing.

    Yields
    ------
    Samples
        (1 or 2, frames) at the file's own rate, abutting.

    Raises
    ------
    FileProblem
        If nothing at all can be read.
    """
    progress = progress or Silent()
    matrix = fold.matrix(info.channels, info.order) if info.channels > 2 else None
    done = 0
    troubles.check_readable(info.path)
    for decoder in _in_turn(info):
        behind = done
        try:
            for samples in decoder.read(info.path):
                progress.check()
                piece, behind = samples[:, behind:], max(behind - samples.shape[1], 0)
                if piece.shape[0] != info.channels or not piece.shape[1]:
                    continue
                if not np.isfinite(piece).all():
                    piece = np.nan_to_num(piece, nan=0.0, posinf=0.0, neginf=0.0)
                done += piece.shape[1]
                yield piece if matrix is None else matrix @ piece
            break
        except (Broken, Unreadable, OSError) as problem:
            log.info("%s could not read %s to its end (%s)", decoder.name, info.path.name, problem)
    if not done:
        raise FileProblem(f"No sound can be read from “{info.path.name}”.", _DAMAGED_HINT)


def encoding(key: str) -> Encoding:
    """Return the format of that key.

    Raises
    ------
    UserError
        If there is none; the hint names the nearest.
    """
    for row in ENCODINGS:
        if row.key == key:
            return row
    keys = [row.key for row in ENCODINGS]
    near = get_close_matches(key, keys, 1)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(keys)}."
    raise UserError(f"There is no format “{key}”.", hint)


def write(
    path: Path,
    pieces: Iterable[Samples],
    rate: int,
    channels: int,
    kind: Encoding,
    subtype: str,
    tags: Mapping[str, str] | None = None,
    cover: bytes | None = None,
    overwrite: bool = False,
    frames: int = 0,
) -> None:
    """Write sound to a file that appears under its name only when it is whole.

    Parameters
    ----------
    pieces
        (channels, frames) each; an exception that they raise (such as `Cancelled`) passes, and leaves nothing behind.
    kind, subtype
        A row of `ENCODINGS`, and the key of one of its subtypes.
    frames
        Expected length if known: a WAV file over 4 GB needs another header.

    Raises
    ------
    UserError
        If the format has no such subtype.
    FileProblem
        If the file exists and `overwrite` is off, the folder cannot be written to, or the disk is full.
    """
    from stemeditor.audio import tags as tagging

    row = kind.subtype(subtype)
    with new_file(path, overwrite, kind.ending) as temporary:
        encode(temporary, pieces, rate, channels, frames, kind, row)
        try:
            tagging.write(temporary, tags or {}, cover)
        except OSError:
            raise
        except Exception as problem:  # what a song says of itself must never cost its sound
            log.info("the tags of %s are left out: %s", path.name, problem)


@contextlib.contextmanager
def new_file(path: Path, overwrite: bool, ending: str) -> Iterator[Path]:
    """Give a name to write to, with an ending; what is there in the end gets the right name, whole or not at all.

    Raises
    ------
    FileProblem
        If the file exists and `overwrite` is off, the folder cannot be written to, or the disk is full.
    """
    if not overwrite and os.path.lexists(path):
        raise troubles.taken(path)
    temporary = paths.part_of(path, ending)
    try:
        yield temporary
        paths.flush(temporary)
        _publish(temporary, path, overwrite)
    except FileExistsError as problem:
        raise troubles.taken(path) from problem
    except Exception as problem:
        told = troubles.of_writing(problem, path)
        if told is None:
            raise
        raise told from problem
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


_DAMAGED_HINT = "It may be damaged or protected; get it again from where it came from, or try another."


def _in_turn(info: FileInfo) -> tuple[Decoder, ...]:
    """Return the decoder that knew the file, then the others."""
    others = (decoder for decoder in decoders_for(info.path) if decoder.name != info.decoder)
    return (DECODERS[info.decoder], *others)


def _notice(found: Found) -> str:
    cut = "The file is cut short; what is left of it was read." if found.cut else ""
    return f"{fold.notice(found.channels)} {cut}".strip()


def _publish(temporary: Path, path: Path, overwrite: bool) -> None:
    """Give the finished file its name; FileExistsError if it is taken and may not be replaced."""
    if overwrite:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)
        return
    except FileExistsError:
        raise
    except (OSError, AttributeError):
        log.debug("no hard links beside %s", path.name)
    # Take the name first, so that nobody else can, then put the file in its place.
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        os.replace(temporary, path)
    except OSError:
        path.unlink(missing_ok=True)
        raise
