"""One battery over everything that can be opened, and over everything that cannot."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
import soundfile

from stemeditor.audio import decoders, files
from stemeditor.audio.buffer import Samples
from stemeditor.errors import Cancelled, FileProblem
from stemeditor.progress import Stoppable

TONES_HZ = (440.0, 660.0, 880.0, 1100.0, 1320.0, 1540.0, 1760.0, 1980.0)
LEVEL = 0.25


def tones(channels: int, seconds: float, rate: int) -> Samples:
    """Return another tone in each channel."""
    time = np.arange(round(seconds * rate)) / rate
    return np.stack([LEVEL * np.sin(2 * np.pi * hz * time) for hz in TONES_HZ[:channels]]).astype(np.float32)


def loudest_hz(channel: Samples, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(channel * np.hanning(len(channel))))
    return float(np.argmax(spectrum) * rate / len(channel))


def level_at(channel: Samples, rate: int, hz: float) -> float:
    """Return the amplitude of the tone of that frequency."""
    window = np.hanning(len(channel))
    wave = np.exp(-2j * np.pi * hz * np.arange(len(channel)) / rate)
    return float(2 * abs((channel * window * wave).sum()) / window.sum())


def read(path: Path) -> tuple[files.FileInfo, Samples]:
    info = files.probe(path)
    return info, np.concatenate(list(files.decode(info)), axis=1)


def write_av(
    path: Path, samples: Samples, rate: int, codec: str, kind: str, sample_format: str = "fltp", video: bool = False
) -> None:
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        stream.format = sample_format
        if codec not in ("alac", "flac") and not codec.startswith("pcm"):
            stream.bit_rate = 192000
        film = container.add_stream("mpeg4", rate=10) if video else None
        if film is not None:
            film.width, film.height, film.pix_fmt = 32, 32, "yuv420p"
            for _ in range(10):
                container.mux(film.encode(av.VideoFrame(32, 32, "rgb24")))
            container.mux(film.encode(None))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(format=sample_format, layout=layout, rate=rate)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


@dataclass(frozen=True)
class Kind:
    """A format of files: how it is made, and how true it is."""

    ending: str
    format: str
    subtype: str = ""
    codec: str = ""
    sample_format: str = "fltp"
    error: float = 2e-7
    padding: int = 0
    video: bool = False

    def write(self, path: Path, samples: Samples, rate: int) -> None:
        if self.codec:
            write_av(path, samples, rate, self.codec, self.format, self.sample_format, self.video)
        else:
            soundfile.write(path, samples.T, rate, format=self.format, subtype=self.subtype)


LOSSY = 0.02
KINDS = [
    Kind(".wav", "WAV", "PCM_U8", error=1 / 127),
    Kind(".wav", "WAV", "PCM_16", error=1 / 32767),
    Kind(".wav", "WAV", "PCM_24"),
    Kind(".wav", "WAV", "PCM_32"),
    Kind(".wav", "WAV", "FLOAT", error=0.0),
    Kind(".wav", "WAV", "DOUBLE"),
    Kind(".wav", "WAV", "ULAW", error=0.01),
    Kind(".wav", "WAVEX", "PCM_16", error=1 / 32767),
    Kind(".wav", "RF64", "FLOAT", error=0.0),
    Kind(".w64", "W64", "PCM_24"),
    Kind(".aiff", "AIFF", "PCM_16", error=1 / 32767),
    Kind(".aiff", "AIFF", "FLOAT", error=0.0),
    Kind(".au", "AU", "PCM_24"),
    Kind(".caf", "CAF", "PCM_24"),
    Kind(".flac", "FLAC", "PCM_16", error=1 / 32767),
    Kind(".flac", "FLAC", "PCM_24"),
    Kind(".ogg", "OGG", "VORBIS", error=LOSSY),
    Kind(".opus", "OGG", "OPUS", error=LOSSY),
    Kind(".mp3", "MP3", "MPEG_LAYER_III", error=LOSSY),
    Kind(".m4a", "ipod", codec="aac", error=LOSSY, padding=192),
    Kind(".m4a", "ipod", codec="alac", sample_format="s16p", error=1 / 32767),
    Kind(".m4a", "ipod", codec="alac", sample_format="s32p"),
    Kind(".mp4", "mp4", codec="aac", error=LOSSY, padding=192, video=True),
    Kind(".mov", "mov", codec="pcm_s16le", sample_format="s16", error=1 / 32767, video=True),
    Kind(".aac", "adts", codec="aac", error=LOSSY, padding=3072),
    Kind(".wma", "asf", codec="wmav2", error=LOSSY, padding=8192),
    Kind(".mka", "matroska", codec="flac", sample_format="s16", error=1 / 32767),
    Kind(".mkv", "matroska", codec="aac", error=LOSSY, padding=3072, video=True),
    Kind(".webm", "webm", codec="libopus", sample_format="flt", error=LOSSY, padding=3072),
]
RATES = {"OPUS": (8000, 48000), "libopus": (48000,), "MPEG_LAYER_III": (8000, 44100), "aac": (8000, 44100, 96000)}
RATES |= {"wmav2": (22050, 44100)}
CASES = [
    pytest.param(kind, rate, channels, id=f"{kind.codec or kind.format}{kind.ending}-{kind.subtype}-{rate}-{channels}")
    for kind in KINDS
    for rate in RATES.get(kind.codec or kind.subtype, (8000, 44100, 192000))
    for channels in (1, 2)
]


@pytest.mark.parametrize(("kind", "rate", "channels"), CASES)
def test_what_was_written_is_read(tmp_path: Path, kind: Kind, rate: int, channels: int) -> None:
    samples = tones(channels, 1.3, rate)[:, 3:]
    path = tmp_path / f"Häns’ 曲{kind.ending}"
    kind.write(path, samples, rate)
    info, got = read(path)
    assert (info.rate, info.channels, info.notice) == (rate, channels, "")
    assert got.dtype == np.float32
    assert got.shape[0] == channels
    assert abs(got.shape[1] - samples.shape[1]) <= kind.padding
    if info.exact:
        assert info.frames == got.shape[1]
    if kind.codec in ("", "aac") and kind.padding < 1000:
        assert info.exact
    middle = slice(rate // 4, rate)
    if kind.error < LOSSY:
        assert np.abs(got[:, : samples.shape[1]] - samples).max() <= kind.error
    elif kind.padding < 1000:
        # Also proves that the encoder's delay was taken off: another 50 frames would be heard as a difference.
        assert np.abs(got[:, middle] - samples[:, middle]).max() <= LEVEL * 0.2
    for index in range(channels):
        assert loudest_hz(got[index, middle], rate) == pytest.approx(TONES_HZ[index], abs=3)
        assert level_at(got[index, middle], rate, TONES_HZ[index]) == pytest.approx(LEVEL, rel=0.06)


@pytest.mark.parametrize("ending", [".wav", ".mp3", ".flac", ".m4a", ".txt", ".vox", ".raw", ""])
@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "m4a"])
def test_the_content_counts_not_the_ending(tmp_path: Path, kind: str, ending: str) -> None:
    encoding = files.encoding(kind)
    samples = tones(2, 0.5, 44100)
    files.write(tmp_path / "honest", [samples], 44100, 2, encoding, encoding.subtypes[0].key)
    path = (tmp_path / "honest").rename(tmp_path / f"mislabelled{ending}")
    info, got = read(path)
    assert got.shape == samples.shape
    assert info.format == {"wav": "WAV", "flac": "FLAC", "mp3": "MP3", "m4a": "AAC"}[kind]


def test_the_first_piece_is_short_and_pieces_abut(tmp_path: Path) -> None:
    samples = tones(2, 20.0, 44100)
    soundfile.write(tmp_path / "a.wav", samples.T, 44100, subtype="FLOAT")
    pieces = list(files.decode(files.probe(tmp_path / "a.wav")))
    assert pieces[0].shape[1] <= 44100
    assert max(piece.shape[1] for piece in pieces) <= 4 * 44100
    assert np.array_equal(np.concatenate(pieces, axis=1), samples)


@pytest.mark.parametrize("ending", [".wav", ".flac"])
@pytest.mark.parametrize("channels", [3, 4, 5, 6, 8])
def test_many_channels_are_folded_down(tmp_path: Path, channels: int, ending: str) -> None:
    kind = "WAVEX" if ending == ".wav" else "FLAC"
    soundfile.write(tmp_path / f"a{ending}", tones(channels, 0.5, 44100).T, 44100, format=kind, subtype="PCM_24")
    info, got = read(tmp_path / f"a{ending}")
    words = {3: "Three", 4: "Four", 5: "Five", 6: "Six", 8: "Eight"}
    assert info.notice == f"{words[channels]} channels were folded down to stereo."
    assert info.channels == channels
    assert got.shape[0] == 2
    assert level_at(got[0], 44100, TONES_HZ[0]) == pytest.approx(LEVEL, rel=0.01)
    assert level_at(got[1], 44100, TONES_HZ[1]) == pytest.approx(LEVEL, rel=0.01)
    assert level_at(got[1], 44100, TONES_HZ[0]) < 0.001
    if channels != 4:
        for side in got:
            assert level_at(side, 44100, TONES_HZ[2]) == pytest.approx(LEVEL * 0.5**0.5, rel=0.01)
    if channels >= 6:
        assert level_at(got[0], 44100, TONES_HZ[3]) < 0.001
        assert level_at(got[0], 44100, TONES_HZ[4]) == pytest.approx(LEVEL * 0.5**0.5, rel=0.01)


@pytest.mark.parametrize("decoder", decoders.DECODERS.values(), ids=lambda decoder: decoder.name)
@pytest.mark.parametrize("channels", [1, 2, 6, 8, 12, 43])
def test_both_libraries_see_the_same(tmp_path: Path, channels: int, decoder: decoders.Decoder) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (channels, 20000)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples.T, 44100, subtype="FLOAT")
    found = decoder.look(tmp_path / "a.wav")
    assert (found.rate, found.channels, found.frames) == (44100, channels, 20000)
    assert np.array_equal(np.concatenate(list(decoder.read(tmp_path / "a.wav")), axis=1), samples)


def test_no_number_becomes_silence(tmp_path: Path) -> None:
    samples = tones(1, 0.1, 44100)
    samples[0, 5:8] = np.nan, np.inf, -np.inf
    soundfile.write(tmp_path / "a.wav", samples.T, 44100, subtype="FLOAT")
    _, got = read(tmp_path / "a.wav")
    samples[0, 5:8] = 0.0
    assert np.array_equal(got, samples)


def test_levels_over_full_scale_stay(tmp_path: Path) -> None:
    samples = tones(2, 0.1, 44100) * 20
    soundfile.write(tmp_path / "a.wav", samples.T, 44100, subtype="FLOAT")
    assert np.array_equal(read(tmp_path / "a.wav")[1], samples)


def test_reading_can_be_cancelled(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tones(2, 3.0, 44100).T, 44100)
    progress = Stoppable()
    pieces = files.decode(files.probe(tmp_path / "a.wav"), progress)
    next(pieces)
    progress.cancel()
    with pytest.raises(Cancelled):
        next(pieces)


def make_good(path: Path, kind: str = "wav") -> bytes:
    encoding = files.encoding(kind)
    noise = np.random.default_rng(1).normal(0, 0.1, (2, 132300)).astype(np.float32)
    files.write(path, [noise], 44100, 2, encoding, encoding.subtypes[0].key, overwrite=True)
    return path.read_bytes()


def film_without_sound(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        film = container.add_stream("mpeg4", rate=10)
        film.width, film.height, film.pix_fmt = 32, 32, "yuv420p"
        container.mux(film.encode(av.VideoFrame(32, 32, "rgb24")))
        container.mux(film.encode(None))


def encrypted(path: Path) -> None:
    """Pretend that the sound of an M4A is of the protected kind, and make its packets noise."""
    data = bytearray(make_good(path, "m4a").replace(b"mp4a", b"drms"))
    start = data.index(b"mdat") + 4
    stop = data.index(b"moov") - 4
    assert stop > start
    data[start:stop] = np.random.default_rng(2).bytes(stop - start)
    path.write_bytes(data)


BAD = {
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "text": (lambda path: path.write_text("Dear diary, nothing to hear here.\n" * 50), "not a sound file"),
    "noise": (lambda path: path.write_bytes(np.random.default_rng(3).bytes(100_000)), "not a sound file"),
    "playlist": (lambda path: path.write_text("#EXTM3U\n#EXTINF:5,\nother.wav\n"), "not a sound file"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "missing": (lambda path: None, "is not there"),
    "header-only": (lambda path: path.write_bytes(make_good(path)[:44]), "without any sound"),
    "half-a-header": (lambda path: path.write_bytes(make_good(path)[:20]), "not a sound file"),
    "no-frames": (lambda path: soundfile.write(path, np.zeros((0, 2)), 44100), "without any sound"),
    "slow": (lambda path: soundfile.write(path, np.zeros((100, 1)), 4000), "4000 samples a second"),
    "fast": (lambda path: soundfile.write(path, np.zeros((100, 1)), 384000), "384000 samples a second"),
    "silent-film": (film_without_sound, "no sound in"),
    "encrypted": (encrypted, ""),
    "m4a-without-its-end": (lambda path: path.write_bytes(make_good(path, "m4a")[:20000]), "not a sound file"),
    "flac-header": (lambda path: path.write_bytes(make_good(path, "flac")[:60]), ""),
    "mp3-of-zeros": (lambda path: path.write_bytes(b"ID3\x04\0\0\0\0\0\0" + bytes(5000)), ""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_told_in_one_sentence(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    make, words = BAD[name]
    path = tmp_path / f"{name}.wav"
    make(path)
    with pytest.raises(FileProblem) as caught:
        read(path)
    assert words in caught.value.message
    assert f"“{path.name}”" in caught.value.message
    assert caught.value.message.endswith(".")
    assert caught.value.hint
    assert "Error" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_file_cut_short_gives_what_is_left(
    tmp_path: Path, kind: str, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"a.{kind}"
    data = make_good(path, kind)
    unharmed, whole = read(path)
    assert not unharmed.notice
    path.write_bytes(data[: int(len(data) * share)])
    info, got = read(path)
    assert 0.4 * share < got.shape[1] / whole.shape[1] < share + 0.1
    if kind in ("flac", "mp3"):
        assert info.exact
        assert got.shape[1] < info.frames
    else:
        assert "cut short" in info.notice
    same = got.shape[1] - 4096
    assert np.allclose(got[:, :same], whole[:, :same], atol=1e-5)
    assert capfd.readouterr() == ("", "")


RARER = {
    "w64": ("W64", "PCM_16", 44100),
    "rf64": ("RF64", "PCM_24", 44100),
    "au": ("AU", "FLOAT", 44100),
    "aiff": ("AIFF", "PCM_16", 44100),
    "aifc": ("AIFF", "FLOAT", 44100),
    "opus": ("OGG", "OPUS", 48000),
}


def make_rarer(path: Path, ending: str) -> bytes:
    kind, subtype, rate = RARER[ending]
    noise = np.random.default_rng(1).normal(0, 0.1, (3 * rate, 2)).astype(np.float32)
    soundfile.write(path, noise, rate, format=kind, subtype=subtype)
    return path.read_bytes()


@pytest.mark.parametrize("ending", RARER)
def test_a_rarer_file_cut_short_is_told(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    data = make_rarer(path, ending)
    info, whole = read(path)
    assert (info.notice, whole.shape[1]) == ("", 3 * info.rate)
    path.write_bytes(data[: len(data) // 2])
    info, got = read(path)
    assert "cut short" in info.notice
    assert got.shape[1] / whole.shape[1] == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("promised", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF024, 0x80000000, 0])
@pytest.mark.parametrize(("kind", "mark", "order"), [("wav", b"data", "little"), ("aiff", b"SSND", "big")])
def test_a_length_that_was_not_known_when_it_was_written_is_no_cut(
    tmp_path: Path, kind: str, mark: bytes, order: Literal["little", "big"], promised: int
) -> None:
    path = tmp_path / f"a.{kind}"
    data = bytearray(make_good(path) if kind == "wav" else make_rarer(path, kind))
    _, whole = read(path)
    for at in (4, data.index(mark) + 4):
        data[at : at + 4] = promised.to_bytes(4, order)
    path.write_bytes(data)
    info, got = read(path)
    assert not info.notice
    assert np.array_equal(got, whole)


@pytest.mark.parametrize("kind", ["flac", "mp3", "m4a"])
def test_damage_in_the_middle_costs_only_the_middle(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"a.{kind}"
    data = bytearray(make_good(path, kind))
    _, whole = read(path)
    hole = slice(len(data) // 2, len(data) // 2 + 5000)
    data[hole] = np.random.default_rng(4).bytes(5000)
    path.write_bytes(data)
    _, got = read(path)
    assert got.shape[1] > 0.75 * whole.shape[1]
    assert np.isfinite(got).all()
    assert capfd.readouterr() == ("", "")


def test_a_length_that_cannot_be_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    data = bytearray(make_good(path, "flac"))
    for length in (0, 2**36 - 1):
        data[21] = (data[21] & 0xF0) | length >> 32
        data[22:26] = (length & 0xFFFFFFFF).to_bytes(4, "big")
        path.write_bytes(data)
        info, got = read(path)
        assert (info.frames, info.exact) == (0, False)
        assert got.shape == (2, 132300)


def test_a_file_that_vanishes_between_looking_and_reading(tmp_path: Path) -> None:
    make_good(tmp_path / "a.wav")
    info = files.probe(tmp_path / "a.wav")
    (tmp_path / "a.wav").unlink()
    with pytest.raises(FileProblem, match="not there"):
        list(files.decode(info))


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_good(tmp_path / "a.wav")

    def refuse(*_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileProblem, match="may not be read"):
        files.probe(tmp_path / "a.wav")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(FileProblem, match="not a sound file"):
        files.probe(tmp_path / "a.wav")


@pytest.mark.skipif(os.name != "posix", reason="only there are names mere bytes")
def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    make_good(tmp_path / "a.wav")
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    try:
        (tmp_path / "a.wav").rename(odd)
    except OSError:
        pytest.skip("this disk takes no such name")
    assert read(odd)[1].shape == (2, 132300)


def test_every_ending_in_the_dialog_is_lower_case_and_once() -> None:
    assert len(set(files.OPENABLE)) == len(files.OPENABLE)
    assert all(ending.startswith(".") and ending == ending.lower() for ending in files.OPENABLE)
