"""One battery over every format that is written, and over everything that can go wrong while writing."""

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile

from stemeditor.audio import encoders, files, troubles
from stemeditor.audio import tags as tagging
from stemeditor.audio.buffer import Samples
from stemeditor.errors import Cancelled, FileProblem, UserError

RATE = 44100
TAGS = {
    "title": "Für Élise – 愛 (vocals)",
    "artist": "Ludwig",
    "albumartist": "Various",
    "album": "Bagatelles",
    "date": "1810",
    "genre": "Classical",
    "tracknumber": "3/12",
    "composer": "Beethoven",
    "bpm": "72",
    "initialkey": "Am",
    "comment": "Played slowly",
    "mood": "wistful",
}
COVERS = {
    "png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
    "jpeg": b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40,
}
ALL = [pytest.param(row, kind, id=f"{row.key}-{kind.key}") for row in files.ENCODINGS for kind in row.subtypes]
ONE_EACH = [pytest.param(row, row.subtypes[0], id=row.key) for row in files.ENCODINGS]


def music(frames: int, channels: int = 2, rate: int = RATE) -> Samples:
    time = np.arange(frames) / rate
    tones = [0.4 * np.sin(2 * np.pi * hz * time + 1) for hz in (440, 660)[:channels]]
    return np.stack(tones).astype(np.float32)


def in_pieces(samples: Samples, size: int = 5000) -> Iterator[Samples]:
    for start in range(0, samples.shape[1], size):
        yield samples[:, start : start + size]


def read(path: Path) -> tuple[files.FileInfo, Samples]:
    info = files.probe(path)
    return info, np.concatenate(list(files.decode(info)), axis=1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize(("row", "kind"), ALL)
def test_what_is_written_can_be_read(
    tmp_path: Path, row: files.Encoding, kind: files.Subtype, rate: int, channels: int
) -> None:
    samples = music(rate + 13, channels, rate)
    path = tmp_path / f"Stück ☃{row.ending}"
    files.write(path, in_pieces(samples), rate, channels, row, kind.key)
    info, got = read(path)
    assert (info.rate, info.channels, got.shape) == (rate, channels, samples.shape)
    error = np.abs(got - samples).max()
    if row.lossy:
        middle = slice(rate // 4, rate * 3 // 4)
        assert np.sqrt(np.square((got - samples)[:, middle]).mean()) < 0.03
    else:
        assert error <= {"16": 1.51 / 32768, "24": 0.51 / (1 << 23), "float": 0.0}[kind.key]
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("rate", [11024, 44056, 96000, 192000])
@pytest.mark.parametrize(("row", "kind"), ONE_EACH)
def test_a_rate_that_a_format_lacks_becomes_the_nearest_above(
    tmp_path: Path, row: files.Encoding, kind: files.Subtype, rate: int
) -> None:
    samples = music(rate, 2, rate)
    path = tmp_path / f"a{row.ending}"
    files.write(path, in_pieces(samples), rate, 2, row, kind.key)
    info, got = read(path)
    assert info.rate == row.rate_for(rate)
    assert abs(got.shape[1] - info.rate) <= 1
    spectrum = np.abs(np.fft.rfft(got[0]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=1)
    if not row.rates:
        assert info.rate == rate


@pytest.mark.parametrize("cover", COVERS)
@pytest.mark.parametrize(("row", "kind"), ALL)
def test_tags_and_cover_survive(tmp_path: Path, row: files.Encoding, kind: files.Subtype, cover: str) -> None:
    samples = music(20000)
    path = tmp_path / f"a{row.ending}"
    files.write(path, [samples], RATE, 2, row, kind.key, TAGS, COVERS[cover])
    info, got = read(path)
    assert dict(info.tags) == TAGS
    assert info.cover == COVERS[cover]
    assert got.shape == samples.shape
    # What was written can be written again.
    files.write(path, [samples], RATE, 2, row, kind.key, info.tags, info.cover, overwrite=True)
    assert dict(files.probe(path).tags) == TAGS


def test_a_wav_files_own_text_is_read(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a.wav", "w", RATE, 1) as file:
        file.title, file.artist = "A song", "Somebody"
        file.write(np.zeros(100))
    assert dict(files.probe(tmp_path / "a.wav").tags) == {"title": "A song", "artist": "Somebody"}


def test_broken_tags_do_not_keep_a_song_shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(tmp_path / "a.flac", [music(1000)], RATE, 2, files.encoding("flac"), "16", TAGS)

    def fail(*_: object, **__: object) -> object:
        raise IndexError("tags of another world")

    monkeypatch.setattr(mutagen, "File", fail)
    assert dict(files.probe(tmp_path / "a.flac").tags) == {}


def test_the_date_is_where_old_players_look(tmp_path: Path) -> None:
    files.write(tmp_path / "a.mp3", [music(5000)], RATE, 2, files.encoding("mp3"), "high", {"date": "1999"})
    head = (tmp_path / "a.mp3").read_bytes()[:200]
    assert head[:4] == b"ID3\x03"
    assert b"TYER" in head


@pytest.mark.parametrize(("row", "kind"), ALL)
def test_over_full_scale(tmp_path: Path, row: files.Encoding, kind: files.Subtype) -> None:
    samples = music(RATE) * 5
    path = tmp_path / f"a{row.ending}"
    files.write(path, in_pieces(samples), RATE, 2, row, kind.key)
    _, got = read(path)
    if kind.floating:
        assert np.array_equal(got, samples)
    elif not row.lossy:
        assert np.abs(got - np.clip(samples, -1, 1)).max() <= 2 / 32768
        assert got.max() > 0.999
    assert np.sign(got[:, 5000:6000]).mean() == pytest.approx(np.sign(samples[:, 5000:6000]).mean(), abs=0.1)


@pytest.mark.parametrize("key", ["wav", "flac"])
def test_dither_keeps_what_is_quieter_than_a_step(tmp_path: Path, key: str) -> None:
    samples = music(RATE * 2) / 0.4 * np.float32(0.4 / 32768)
    path = tmp_path / f"a.{key}"
    files.write(path, in_pieces(samples), RATE, 2, files.encoding(key), "16")
    _, got = read(path)
    spectrum = np.abs(np.fft.rfft(got[0]))
    assert np.argmax(spectrum) == pytest.approx(880, abs=1)
    assert abs(got.mean()) < 0.02 / 32768
    # No harmonics, which is what rounding alone would give.
    assert spectrum[2640] < spectrum[880] / 5
    again = tmp_path / f"b.{key}"
    files.write(again, in_pieces(samples), RATE, 2, files.encoding(key), "16")
    assert again.read_bytes() == path.read_bytes()


def test_silence_stays_silent(tmp_path: Path) -> None:
    files.write(tmp_path / "a.wav", [np.zeros((2, 5000), np.float32)], RATE, 2, files.encoding("wav"), "16")
    assert not read(tmp_path / "a.wav")[1].any()


def test_a_long_song_gets_a_header_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "RIFF_LIMIT", 20000)
    samples = music(5000)
    path = tmp_path / "a.wav"
    files.write(path, [samples], RATE, 2, files.encoding("wav"), "float", TAGS, frames=5000)
    assert path.read_bytes()[:4] == b"RF64"
    assert np.array_equal(read(path)[1], samples)
    files.write(path, [samples[:, :3000]], RATE, 2, files.encoding("wav"), "16", overwrite=True, frames=3000)
    assert path.read_bytes()[:4] == b"RIFF"


@pytest.mark.parametrize(("row", "kind"), ONE_EACH)
def test_what_is_there_is_kept(tmp_path: Path, row: files.Encoding, kind: files.Subtype) -> None:
    path = tmp_path / f"a{row.ending}"
    path.write_bytes(b"precious")
    with pytest.raises(FileProblem, match="there already"):
        files.write(path, [music(1000)], RATE, 2, row, kind.key)
    assert path.read_bytes() == b"precious"
    files.write(path, [music(1000)], RATE, 2, row, kind.key, overwrite=True)
    assert files.probe(path).rate == RATE
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_up_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links on this disk")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a.wav"

    def pieces() -> Iterator[Samples]:
        yield music(1000)
        path.write_bytes(b"precious")

    with pytest.raises(FileProblem, match="there already"):
        files.write(path, pieces(), RATE, 2, files.encoding("wav"), "16")
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == [path.name]
    path.unlink()
    files.write(path, [music(1000)], RATE, 2, files.encoding("wav"), "16")
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("problem", [Cancelled(), RuntimeError("a bug"), MemoryError()])
@pytest.mark.parametrize(("row", "kind"), ONE_EACH)
def test_whatever_ends_the_writing_passes_and_leaves_nothing(
    tmp_path: Path, row: files.Encoding, kind: files.Subtype, problem: BaseException
) -> None:
    path = tmp_path / f"a{row.ending}"
    path.write_bytes(b"precious")

    def pieces() -> Iterator[Samples]:
        yield music(9000)
        raise problem

    with pytest.raises(type(problem)) as caught:
        files.write(path, pieces(), RATE, 2, row, kind.key, overwrite=True)
    assert caught.value is problem
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files, which stands for a full disk")
@pytest.mark.parametrize(("row", "kind"), ONE_EACH)
def test_a_full_disk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    row: files.Encoding,
    kind: files.Subtype,
    capfd: pytest.CaptureFixture[str],
) -> None:
    import resource

    monkeypatch.setattr(troubles, "_nearly_full", lambda _: True)
    noise = np.random.default_rng(0).normal(0, 0.1, (2, RATE * 10)).astype(np.float32)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        with pytest.raises(FileProblem, match="disk is full"):
            files.write(tmp_path / f"a{row.ending}", in_pieces(noise), RATE, 2, row, kind.key, TAGS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "may not be written to"),
        (errno.EROFS, "may not be written to"),
        (errno.ENAMETOOLONG, "too long"),
        (errno.EIO, "cannot be written"),
    ],
)
def test_the_systems_refusals_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(FileProblem, match=words) as caught:
        files.write(tmp_path / "a.wav", [music(1000)], RATE, 2, files.encoding("wav"), "16")
    assert caught.value.hint
    assert os.strerror(code) not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="is not there"):
        files.write(tmp_path / "gone" / "a.wav", [music(1000)], RATE, 2, files.encoding("wav"), "16")


def test_a_name_as_long_as_the_system_takes(tmp_path: Path) -> None:
    path = tmp_path / ("愛" * 83 + ".flac")
    files.write(path, [music(1000)], RATE, 2, files.encoding("flac"), "16")
    assert read(path)[1].shape == (2, 1000)
    with pytest.raises(FileProblem, match="too long"):
        files.write(tmp_path / ("a" * 300 + ".wav"), [music(1000)], RATE, 2, files.encoding("wav"), "16")


def test_unknown_formats_name_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean flac"):
        files.encoding("flak")
    with pytest.raises(UserError) as caught:
        files.write(Path("a.wav"), [], RATE, 2, files.encoding("wav"), "12")
    assert "16" in caught.value.hint


def test_what_is_too_large_for_an_aiff_file_is_told_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "RIFF_LIMIT", 20000)
    with pytest.raises(UserError, match="at most 4 GB"):
        files.write(tmp_path / "a.aiff", [music(5000)], RATE, 2, files.encoding("aiff"), "24", frames=5000)
    assert list(tmp_path.iterdir()) == []


def test_the_table_is_sound() -> None:
    keys = [row.key for row in files.ENCODINGS]
    assert keys == ["wav", "aiff", "flac", "ogg", "mp3", "m4a"]
    for row in files.ENCODINGS:
        assert row.ending in files.OPENABLE
        assert len({kind.key for kind in row.subtypes}) == len(row.subtypes)
        assert all(kind.label for kind in row.subtypes)
        assert list(row.rates) == sorted(row.rates)


def test_tags_that_cannot_be_written_cost_no_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise AttributeError("too long")

    monkeypatch.setattr(tagging, "write", broken)
    row = files.encoding("flac")
    files.write(tmp_path / "a.flac", in_pieces(music(9000)), RATE, 2, row, row.subtypes[0].key, TAGS)
    assert read(tmp_path / "a.flac")[1].shape == (2, 9000)


@pytest.mark.skipif(sys.platform == "win32", reason="all names are text there")
@pytest.mark.parametrize("row", [row for row in files.ENCODINGS if row.key != "m4a"], ids=lambda row: row.key)
def test_names_that_are_no_text_are_names(tmp_path: Path, row: files.Encoding) -> None:
    path = tmp_path / os.fsdecode(b"Caf\xe9" + row.ending.encode())
    files.write(path, in_pieces(music(9000)), RATE, 2, row, row.subtypes[0].key)
    assert path.stat().st_size > 1000
