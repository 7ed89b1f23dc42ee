"""Formats that sound is written in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples
from stemeditor.errors import UserError

_VORBIS_BLOCK = 1 << 14
RIFF_LIMIT = 0xF000_0000
"""Bytes of sound in a plain WAV or AIFF file; what is left of its 4 GB is for tags and a cover."""
_DITHER_SEED = 16
_STEPS_16, _STEPS_24 = np.float32(1 << 15), np.float32(1 << 23)
_BYTES = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}


@dataclass(frozen=True, slots=True)
class Subtype:
    """A kind of sample or quality within a format; `floating` if levels above full scale survive."""

    key: str
    label: str
    floating: bool = False
    code: str = ""
    """libsndfile's name of it."""
    quality: float = 0.0
    """libsndfile's compression level, or bits a second for AAC."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A format: its key, name, ending with the dot, subtypes (the first is the default), whether it loses anything.

    `rates` lists the rates it can hold, empty for all; another rate is converted to the nearest that loses nothing.
    """

    key: str
    name: str
    ending: str
    subtypes: tuple[Subtype, ...]
    lossy: bool = False
    rates: tuple[int, ...] = ()
    format: str = ""

    def subtype(self, key: str) -> Subtype:
        """Return the subtype of that key; raise UserError if there is none."""
        for subtype in self.subtypes:
            if subtype.key == key:
                return subtype
        raise UserError(f"{self.name} has no “{key}”.", f"It has {', '.join(row.key for row in self.subtypes)}.")

    def rate_for(self, rate: int) -> int:
        """Return the rate that sound of `rate` is written at."""
        if not self.rates or rate in self.rates:
            return rate
        return next((other for other in self.rates if other > rate), self.rates[-1])


_MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AAC_RATES = (*_MPEG_RATES, 64000, 88200, 96000)
_VORBIS_RATES = (*_AAC_RATES, 176400, 192000)

_INTEGERS = (Subtype("24", "24 bit", code="PCM_24"), Subtype("16", "16 bit", code="PCM_16"))
_FLOAT = Subtype("float", "32 bit float", True, code="FLOAT")

ENCODINGS: tuple[Encoding, ...] = (
    Encoding("wav", "WAV", ".wav", (*_INTEGERS, _FLOAT), format="WAV"),
    Encoding("aiff", "AIFF", ".aiff", (*_INTEGERS, _FLOAT), format="AIFF"),
    Encoding("flac", "FLAC", ".flac", _INTEGERS, format="FLAC"),
    Encoding(
        "ogg",
        "Ogg Vorbis",
        ".ogg",
        (
            Subtype("high", "High quality", code="VORBIS", quality=0.2),
            Subtype("medium", "Smaller", code="VORBIS", quality=0.5),
        ),
        True,
        _VORBIS_RATES,
        "OGG",
    ),
    Encoding(
        "mp3",
        "MP3",
        ".mp3",
        (
            Subtype("high", "High quality", code="MPEG_LAYER_III", quality=0.0),
            Subtype("medium", "Smaller", code="MPEG_LAYER_III", quality=0.5),
        ),
        True,
        _MPEG_RATES,
        "MP3",
    ),
    Encoding(
        "m4a",
        "M4A (AAC)",
        ".m4a",
        (Subtype("high", "256 kbit/s", quality=256_000), Subtype("medium", "160 kbit/s", quality=160_000)),
        True,
        _AAC_RATES,
    ),
)


def encode(
    path: Path, pieces: Iterable[Samples], rate: int, channels: int, frames: int, encoding: Encoding, subtype: Subtype
) -> None:
    """Write (channels, frames) pieces to `path`.

    Integer formats clip at full scale (the caller has asked before) and 16 bit gets triangular dither of one least
    significant bit, the same every time; digital silence stays silent. `frames` is the expected length, 0 if unknown.
    """
    target = encoding.rate_for(rate)
    if target != rate:
        pieces = _resampled(pieces, rate, target, channels)
    write = _write_aac if encoding.key == "m4a" else _write_soundfile
    write(path, pieces, target, channels, frames, encoding, subtype)


def _write_soundfile(
    path: Path, pieces: Iterable[Samples], rate: int, channels: int, frames: int, encoding: Encoding, subtype: Subtype
) -> None:
    import soundfile

    container = encoding.format
    large = container in ("WAV", "AIFF") and frames * channels * _BYTES[subtype.code] > RIFF_LIMIT
    if large and container == "AIFF":
        raise UserError("An AIFF file holds at most 4 GB, and this would be more.", "Choose WAV, or fewer bits.")
    if large:
        container = "RF64"
    options: dict[str, Any] = {}
    if encoding.lossy:
        options["compression_level"] = subtype.quality
    if container == "MP3":
        options["bitrate_mode"] = "VARIABLE"
    prepare = _preparation(subtype)
    # Not every name on a disk is text.
    name = str(path) if sys.platform == "win32" else os.fsencode(path)
    with soundfile.SoundFile(name, "w", rate, channels, subtype=subtype.code, format=container, **options) as file:
        for piece in pieces:
            block = prepare(piece).T
            # The Vorbis encoder keeps a whole block on its stack: a large one ends the process.
            step = _VORBIS_BLOCK if encoding.lossy else max(len(block), 1)
            for start in range(0, len(block), step):
                file.write(np.ascontiguousarray(block[start : start + step]))


def _preparation(subtype: Subtype) -> Callable[[Samples], NDArray[Any]]:
    """Return what makes of (channels, frames) samples the numbers that are written.

    Integers are made here, because libsndfile rounds down, which is heard as a constant.
    """
    if subtype.code == "PCM_16":
        return _dither(np.random.default_rng(_DITHER_SEED))
    if subtype.code == "PCM_24":
        return lambda piece: np.clip(np.rint(piece * _STEPS_24), -_STEPS_24, _STEPS_24 - 1).astype(np.int32) << 8
    return lambda piece: piece if subtype.floating else np.clip(piece, -1.0, 1.0)


def _dither(noise: np.random.Generator) -> Callable[[Samples], NDArray[np.int16]]:
    """Return a rounding to 16 bit with triangular noise of one step."""

    def rounded(piece: Samples) -> NDArray[np.int16]:
        steps = piece * _STEPS_16
        if piece.any():
            steps += noise.random(piece.shape, np.float32)
            steps -= noise.random(piece.shape, np.float32)
        out: NDArray[np.int16] = np.clip(np.rint(steps), -_STEPS_16, _STEPS_16 - 1).astype(np.int16)
        return out

    return rounded


def _write_aac(
    path: Path, pieces: Iterable[Samples], rate: int, channels: int, frames: int, encoding: Encoding, subtype: Subtype
) -> None:
    import av

    av.logging.set_level(None)
    layout = "mono" if channels == 1 else "stereo"
    # By default the length would be written in milliseconds, and the padding behind it could not be told from sound.
    with av.open(str(path), "w", format="ipod", options={"movie_timescale": str(rate)}) as container:
        stream = container.add_stream("aac", rate=rate, layout=layout)
        stream.bit_rate = int(subtype.quality) * channels // 2
        position = 0
        for piece in pieces:
            samples = np.ascontiguousarray(np.clip(piece, -1.0, 1.0), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.sample_rate = rate
            frame.pts = position
            position += samples.shape[1]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _resampled(pieces: Iterable[Samples], rate: int, target: int, channels: int) -> Iterator[Samples]:
    import soxr

    stream = soxr.ResampleStream(rate, target, channels, dtype="float32")
    for piece in pieces:
        out = stream.resample_chunk(np.ascontiguousarray(piece.T))
        if len(out):
            yield out.T
    out = stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)
    if len(out):
        yield out.T
