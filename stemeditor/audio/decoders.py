"""Libraries that read sound files, each behind the same two functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stemeditor.audio.buffer import Samples

_FIRST_FRAMES = 1 << 15
_PIECE_FRAMES = 1 << 17
_MOST_FRAMES_PER_BYTE = 1 << 13
"""No format packs silence tighter; a header that promises more is wrong."""

_HEADER_BYTES = 1 << 12
"""A file that is larger, and says that there is no sound in it, was not closed: a recorder that crashed leaves such."""


class Unreadable(Exception):
    """The file is not for this decoder; another may read it."""


class Soundless(Unreadable):
    """The file is well, but what it holds is no sound."""


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
        The channels in the letters of `fold.matrix`; "" if the file does not say.
    cut
        Whether the file says that there was more of it.
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


_SOUNDFILE_HEADS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b"caff", b".snd")


def decoders_for(path: Path) -> tuple[Decoder, ...]:
    """Return the decoders to try, the best first; OSError if the file cannot be read.

    libsndfile is exact and fast with what is named here. It also knows MPEG sound, but its decoder for that talks to
    the terminal about every flaw; and it believes the ending of what it does not know.
    """
    with path.open("rb") as file:
        head = file.read(4)
    return (SOUNDFILE, PYAV) if head in _SOUNDFILE_HEADS else (PYAV,)


_WAVE_ORDER = {3: "LRC", 4: "LRlr", 5: "LRClr", 6: "LRCElr", 7: "LRCEclr", 8: "LRCElrlr"}
_VORBIS_ORDER = {3: "LCR", 4: "LRlr", 5: "LCRlr", 6: "LCRlrE", 7: "LCRlrcE", 8: "LCRlrlrE"}
_WAVE_LETTERS = {"L": "L", "R": "R", "C": "C", "LFE": "E", "Ls": "l", "Rs": "r", "Cs": "c", "Sl": "l", "Sr": "r"}
_WAVE_LETTERS |= {"Lc": "L", "Rc": "R"}
_AV_LETTERS = {
    **{"FL": "L", "FR": "R", "FC": "C", "LFE": "E", "BL": "l", "BR": "r", "SL": "l", "SR": "r", "BC": "c"},
    **{"FLC": "L", "FRC": "R", "DL": "L", "DR": "R"},
}


def _look_soundfile(path: Path) -> Found:
    import soundfile

    try:
        info = soundfile.info(str(path), verbose=True)
    except (soundfile.SoundFileError, TypeError, ValueError) as problem:
        raise Unreadable(str(problem)) from problem
    frames, exact, size = info.frames, True, path.stat().st_size
    if frames == 0 and size > _HEADER_BYTES:
        raise Unreadable("a length was never written down")
    if frames > size * _MOST_FRAMES_PER_BYTE:
        frames, exact = 0, False
    name = {"WAVEX": "WAV", "RF64": "WAV"}.get(info.format, info.format)
    if info.subtype in ("OPUS", "VORBIS"):
        name = info.subtype.capitalize()
    order = (_VORBIS_ORDER if info.format == "OGG" else _WAVE_ORDER).get(info.channels, "")
    if mask := re.search(r"Channel Mask +: \w+ \(([\w, ]+)\)", info.extra_info):
        speakers = mask[1].split(", ")
        if set(speakers) <= _WAVE_LETTERS.keys():
            order = "".join(_WAVE_LETTERS[speaker] for speaker in speakers)
    return Found(name, info.samplerate, info.channels, frames, exact, order, _cut(info.extra_info))


_CUT = re.compile(
    r"^ *(?:data|SSND|riff|Data Size) +: (?P<promised>\d+) \(should be (?P<there>\d+)"
    r"|Last page lacks an end-of-stream bit"
    r"|frame count (?P<counted>\d+) does not match value from 'ds64' chunk of (?P<told>\d+)",
    re.MULTILINE,
)
"""What libsndfile says of files that end too early."""

_UNKNOWN_BYTES = 1 << 12
"""Programs that write into a pipe do not know how much there will be, and promise about as much as the format can."""


def _cut(words: str) -> bool:
    """Whether a file that libsndfile describes so promises more than there is."""
    for told in _CUT.finditer(words):
        promised, there = told["promised"] or told["told"], told["there"] or told["counted"]
        if promised is None:
            return True
        endless = (int(promised) + _UNKNOWN_BYTES) % (1 << 31) < 2 * _UNKNOWN_BYTES
        if int(promised) > int(there) and not endless:
            return True
    return False


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


# Nothing that refers to other files or to the network: playlists can name both.
_AV_DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,loas,matroska,mov,mp3,mpeg,mpegts,ogg,tak,tta,w64,wav,"
    "webm,wv"
)


def _look_av(path: Path) -> Found:
    with opened(path) as container:
        return _describe(container)


def read_stream(path: Path, index: int) -> Iterator[Samples]:
    """Decode one of several sounds in a container, such as a stem of a stem file.

    Yields
    ------
    Samples
        (channels, frames), abutting; packets that are damaged are left out.

    Raises
    ------
    Unreadable
        If there is no such sound.
    Broken
        If the file cannot be read to its end.
    """
    with opened(path) as container:
        if index >= len(container.streams.audio):
            raise Unreadable(f"no sound number {index}")
        found = _describe(container, index)
        left = found.frames if found.exact else None
        waiting: list[Samples] = []
        count, wanted = 0, _FIRST_FRAMES
        for part in _blocks(container, found, index):
            waiting.append(part if left is None else part[:, :left])
            left = None if left is None else left - waiting[-1].shape[1]
            count += waiting[-1].shape[1]
            if count >= wanted:
                yield np.concatenate(waiting, axis=1)
                waiting, count, wanted = [], 0, _PIECE_FRAMES
        if count:
            yield np.concatenate(waiting, axis=1)


def _read_av(path: Path) -> Iterator[Samples]:
    return read_stream(path, 0)


def streams(path: Path) -> tuple[Found, ...]:
    """Return what each sound of a container is. Raises `Unreadable` if there is none."""
    with opened(path) as container:
        return tuple(_describe(container, index) for index in range(len(container.streams.audio)))


def _blocks(container: Any, found: Found, index: int) -> Iterator[Samples]:
    import av
    from av.audio.resampler import AudioResampler

    stream = container.streams.audio[index]
    stream.thread_type = "AUTO"
    # PyAV ends the process when it is asked for eight planes; interleaved, there is only one.
    wanted = "fltp" if found.channels <= 2 else "flt"
    convert = AudioResampler(format=wanted)
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue
            for frame in frames:
                if (frame.sample_rate, frame.layout.nb_channels) != (found.rate, found.channels):
                    return  # another recording was hung on behind this one
                for part in [frame] if frame.format.name == wanted else convert.resample(frame):
                    samples = np.asarray(part.to_ndarray(), np.float32)
                    yield samples if wanted == "fltp" else samples.reshape(-1, found.channels).T
    except (av.FFmpegError, ValueError) as problem:
        raise Broken(str(problem)) from problem


def _describe(container: Any, index: int = 0) -> Found:
    import av

    stream = container.streams.audio[index]
    codec = stream.codec_context
    if codec is None or not codec.sample_rate or not codec.layout.nb_channels:
        raise Unreadable("no decoder for it, or no rate")
    rate, channels = int(codec.sample_rate), int(codec.layout.nb_channels)
    frames, exact = 0, False
    if stream.duration and stream.time_base:
        length = stream.duration * stream.time_base * rate
        frames = int(length)
        # What is there without the encoder's padding is said by MP4 with a clock of one frame (to the millisecond, if
        # a careless program wrote it), and by MP3 whose encoder wrote down its delay.
        if "mp4" in container.format.name:
            exact = codec.name == "aac" and stream.time_base * rate == 1
        elif container.format.name == "mp3":
            exact = bool(stream.start_time) and length == frames
    elif container.duration:
        frames = int(container.duration / av.time_base * rate)
    if not 0 <= frames <= (container.size or 0) * _MOST_FRAMES_PER_BYTE:
        frames, exact = 0, False
    # FFmpeg hands its channels out in the order of its layouts, whatever the codec's own.
    order = "".join(_AV_LETTERS.get(channel.name, "?") for channel in codec.layout.channels)
    return Found(
        _format_name(codec.name, container.format.name), rate, channels, frames, exact, "" if "?" in order else order
    )


_CODEC_NAMES = {"vorbis": "Vorbis", "opus": "Opus", "libopus": "Opus", "mp3float": "MP3"}


def _format_name(codec: str, container: str) -> str:
    """Return what people call sound of that codec in that container, both in FFmpeg's words."""
    if codec.startswith("pcm"):
        return container.upper() if container in ("wav", "aiff", "w64", "caf", "au") else "PCM"
    return "WMA" if codec.startswith("wma") else _CODEC_NAMES.get(codec, codec.upper())


def opened(path: Path) -> Any:
    """Return FFmpeg's container with sound in it; `Unreadable` if there is none."""
    import av

    av.logging.set_level(None)  # FFmpeg would write its own words to the terminal
    options = {"protocol_whitelist": "file", "format_whitelist": _AV_DEMUXERS}
    try:
        container = av.open(str(path), options=options, metadata_errors="ignore")
    except (av.FFmpegError, ValueError) as problem:
        raise Unreadable(str(problem)) from problem
    if not container.streams.audio:
        container.close()
        raise Soundless("no sound")
    return container


SOUNDFILE = Decoder("soundfile", _look_soundfile, _read_soundfile)
PYAV = Decoder("PyAV", _look_av, _read_av)
DECODERS = {decoder.name: decoder for decoder in (SOUNDFILE, PYAV)}
