"""Sound that is being made: a growing, memory-mapped session file that readers see as an `Audio`."""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
import weakref
from pathlib import Path

import numpy as np

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.errors import FileProblem

_GROWTH_FRAMES = 1 << 20


class SoundStore:
    """Sound on its way to becoming final, kept in an unnamed temporary file.

    One thread writes; any thread may read `audio`, whose unwritten frames are digital silence. Memory stays small
    however long the sound: finished pages go back to the system after each write. The file vanishes with the last
    reference to the sound, also after a crash.

    Parameters
    ----------
    channels, rate
        As of the sound to come.
    frames
        Expected length; 0 if unknown. Writing beyond it grows the file, and then `audio` is a new object.
    folder
        Where the file lies; made if missing.
    spare
        Room behind `frames` in case the length was only estimated: growing a file costs time, and one system does not
        let a mapped file grow.

    Raises
    ------
    FileProblem
        If the folder cannot be written to, or the disk is full.
    """

    def __init__(self, channels: int, rate: int, frames: int, folder: Path, spare: int = 0) -> None:
        self._channels = channels
        self._rate = rate
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder, prefix="sound-")  # noqa: SIM115 lives as long as the map
        except OSError as problem:
            raise _no_room(problem) from problem
        # The map holds the file open by itself; this handle is only for growing.
        weakref.finalize(self, self._file.close)
        self._filled = 0
        self._capacity = 0
        self._map: mmap.mmap | None = None
        self._samples = np.zeros((0, channels), np.float32)
        self._expected = frames
        self._reserve(frames + spare)

    @property
    def audio(self) -> Audio:
        """The sound at its full (expected) length; what is not yet written is silent."""
        return Audio(self._samples[: max(self._expected, self._filled)].T, self._rate)

    @property
    def filled(self) -> int:
        """The frames [0, filled) are final."""
        return self._filled

    def append(self, samples: Samples) -> None:
        """Write (channels, frames) behind what is there.

        Raises
        ------
        FileProblem
            If the disk is full.
        """
        stop = self._filled + samples.shape[1]
        if stop > self._capacity:
            self._reserve(max(stop, self._capacity + max(_GROWTH_FRAMES, self._capacity // 2)))
        self._samples[self._filled : stop] = samples.T
        self._filled = stop
        if self._map is not None:
            release(self._map)

    def finish(self) -> Audio:
        """Return the written frames as the final sound."""
        return self.audio.slice(0, self._filled)

    def _reserve(self, frames: int) -> None:
        if frames == 0:
            return
        size = frames * self._channels * 4
        try:
            # Writing through a map into a hole of a full disk would kill the process: take the room now.
            _allocate(self._file.fileno(), size)
            self._map = mmap.mmap(self._file.fileno(), size)
        except OSError as problem:
            raise _no_room(problem) from problem
        self._capacity = frames
        self._samples = np.frombuffer(self._map, np.float32).reshape(frames, self._channels)


def release_pages(audio: Audio) -> None:
    """Give the memory that holds already read pages of a mapped `audio` back to the system; its content stays.

    Call it after each piece of a walk over a long song. Does nothing for sound that is held in memory.
    """
    owner: object = audio.samples
    while isinstance(owner, (np.ndarray, memoryview)):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    if isinstance(owner, mmap.mmap):
        release(owner)


def release(mapped: mmap.mmap) -> None:
    """Drop the resident pages of a shared file map (the file keeps them)."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _allocate(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


def _no_room(problem: OSError) -> FileProblem:
    if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return FileProblem(
            f"The session's sound cannot be kept: your cache folder may not be written to ({problem.strerror}).",
            "See to the rights of that folder.",
        )
    return FileProblem(
        f"There is no room for the session's sound ({problem.strerror or problem}).",
        "Free some space on the disk that holds your cache folder.",
    )
