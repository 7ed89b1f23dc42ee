"""Libraries that read sound files, each behind the same two functions. Tried in the order of `DECODERS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemeditor.audio.buffer import Samples

_FIRST_FRAMES = 1 << 15
_PIECE_FRAMES = 1 << 18


class Unreadable(Exception):
    """The file is not for this decoder; another may read it."""


class Broken(Exception):
    """The file began well and then could not be read any further."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a decoder sees in a file.

    Parameters
    ----------
    format
        Such as "WAV" or "AAC".
    rate, channels
        As in the file.
    frames
        Length; an estimate if not `exact`, 0 if unknown.
    order
        One letter a channel: L, R, C (centre), E (low-frequency effects), l, r (surrounds), c (centre surround);
        "" if the file does not say.
    cut
        Whether the file's own header promises more than there is.
    """

    format: str
    rate: int
    channels: int
    frames: int
    exact: bool
    order: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Decoder:
    """One library: `look` raises `Unreadable`; `read` yields (channels, frames) and raises `Broken`."""

    name: str
    look: Callable[[Path], Found]
    read: Callable[[Path], Iterator[Samples]]


_WAVE_ORDER = {1: "C", 2: "LR", 3: "LRC", 4: "LRlr", 5: "LRClr", 6: "LRCElr", 7: "LRCEclr", 8: "LRCElrlr"}
_VORBIS_ORDER = {3: "LCR", 4: "LRlr", 5: "LCRlr", 6: "LCRlrE", 7: "LCRlrcE", 8: "LCRlrlrE"}


def _look_soundfile(path: Path) -> Found:
    import soundfile

    try:
        info = soundfile.info(str(path), verbose=True)
    except (soundfile.SoundFileError, TypeError, ValueError) as problem:
        raise Unreadable(str(problem)) from problem
    order = (_VORBIS_ORDER if info.format == "OGG" else _WAVE_ORDER).get(info.channels, "")
    name = "Opus" if info.subtype == "OPUS" else info.format
    return Found(name, info.samplerate, info.channels, info.frames, True, order, "should be" in info.extra_info)


def _read_soundfile(path: Path) -> Iterator[Samples]:
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            frames = _FIRST_FRAMES
            while True:
                piece = file.read(frames, dtype="float32", always_2d=True)
                if not len(piece):
                    return
                yield piece.T
                frames = _PIECE_FRAMES
    except soundfile.SoundFileError as problem:
        raise Broken(str(problem)) from problem


def _look_av(path: Path) -> Found:
    import av

    with _opened(path) as container:
        stream = container.streams.audio[0]
        codec = stream.codec_context
        rate, channels = int(codec.sample_rate or 0), int(codec.layout.nb_channels or 0)
        if rate == 0 or channels == 0:
            raise Unreadable("no rate or no channels")
        frames = 0
        if stream.duration is not None and stream.time_base is not None:
            frames = int(stream.duration * stream.time_base * rate)
        elif container.duration is not None:
            frames = int(container.duration / av.time_base * rate)
        # FFmpeg hands its channels out in the order of a WAV file whatever the codec's own.
        return Found(codec.name.upper(), rate, channels, max(frames, 0), False, _WAVE_ORDER.get(channels, ""))


def _read_av(path: Path) -> Iterator[Samples]:
    import av
    from av.audio.resampler import AudioResampler

    with _opened(path) as container:
        stream = container.streams.audio[0]
        stream.thread_type = "AUTO"
        planar = AudioResampler(format="fltp", layout=stream.codec_context.layout)
        waiting: list[Samples] = []
        count, wanted = 0, _FIRST_FRAMES
        try:
            for frame in container.decode(stream):
                for part in planar.resample(frame):
                    waiting.append(np.asarray(part.to_ndarray(), np.float32))
                    count += waiting[-1].shape[1]
                if count >= wanted:
                    yield np.concatenate(waiting, axis=1)
                    waiting, count, wanted = [], 0, _PIECE_FRAMES
            waiting.extend(np.asarray(part.to_ndarray(), np.float32) for part in planar.resample(None))
        except av.FFmpegError as problem:
            if waiting:
                yield np.concatenate(waiting, axis=1)
            raise Broken(str(problem)) from problem
        if waiting:
            yield np.concatenate(waiting, axis=1)


def _opened(path: Path) -> Any:
    import av

    av.logging.set_level(None)  # FFmpeg would write its own words to the terminal
    try:
        container = av.open(str(path), metadata_errors="ignore")
    except (av.FFmpegError, ValueError) as problem:
        raise Unreadable(str(problem)) from problem
    if not container.streams.audio:
        container.close()
        raise Unreadable("no sound")
    return container


DECODERS: tuple[Decoder, ...] = (
    Decoder("soundfile", _look_soundfile, _read_soundfile),
    Decoder("PyAV", _look_av, _read_av),
)
