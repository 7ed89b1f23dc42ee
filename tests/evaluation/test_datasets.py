"""Doors to songs with true stems."""

import json
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from stemeditor.audio import stem_file
from stemeditor.errors import FileProblem, UserError
from stemeditor.evaluation.datasets import HOW_TO_GET, find, load
from stemeditor.progress import Silent
from tests.helpers.sounds import music, tone, write_wav

STEMS = ("vocals", "drums", "bass", "other")


def parts(seconds: float = 1.0) -> dict[str, np.ndarray]:
    return {name: 0.2 * np.repeat(tone(200 * (k + 1), seconds), 2, axis=0)[:2] for k, name in enumerate(STEMS)}


def folder_of_stems(folder: Path, mixture: bool = True) -> Path:
    folder.mkdir(parents=True)
    sounds = parts()
    for name, samples in sounds.items():
        write_wav(folder / f"{name}.wav", samples)
    if mixture:
        write_wav(folder / "mixture.wav", sum(sounds.values()))
    return folder


def write_stem_file(path: Path, names: tuple[str, ...] | None = None) -> Path:
    """Write a stem file: the mix and its stems as AAC, and their names in an atom if some are given."""
    sounds = parts(2.0)
    order = ("drums", "bass", "other", "vocals")
    every = [sum(sounds.values()), *(sounds[name] for name in order)]
    with av.open(str(path), "w", format="mp4") as container:
        streams = []
        for _ in every:
            stream = container.add_stream("aac", rate=44100)
            stream.layout = "stereo"
            stream.bit_rate = 256000
            streams.append(stream)
        for stream, samples in zip(streams, every, strict=True):
            for start in range(0, samples.shape[1], 1024):
                piece = np.ascontiguousarray(samples[:, start : start + 1024], np.float32)
                frame = av.AudioFrame.from_ndarray(piece, "fltp", "stereo")
                frame.sample_rate = 44100
                frame.pts = start
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    if names is not None:
        add_names(path, names)
    return path


def add_names(path: Path, names: tuple[str, ...]) -> None:
    """Put moov/udta/stem into a file whose moov is its last atom."""
    data = path.read_bytes()
    at = data.rindex(b"moov") - 4
    (size,) = struct.unpack(">I", data[at : at + 4])
    assert at + size == len(data)
    text = json.dumps({"stems": [{"name": name} for name in names]}).encode()
    stem = struct.pack(">I4s", len(text) + 8, b"stem") + text
    udta = struct.pack(">I4s", len(stem) + 8, b"udta") + stem
    inside = data[at + 8 : at + size]
    # A udta of the encoder's own comes first in some files: ours replaces it.
    kept, position = b"", 0
    while position < len(inside):
        length, name = struct.unpack(">I4s", inside[position : position + 8])
        if name != b"udta":
            kept += inside[position : position + length]
        position += length
    moov = struct.pack(">I4s", len(kept) + len(udta) + 8, b"moov") + kept + udta
    path.write_bytes(data[:at] + moov)


def test_a_folder_of_stems_is_a_song(tmp_path: Path) -> None:
    (song,) = find(folder_of_stems(tmp_path / "Song"))
    assert song.name == "Song"
    assert tuple(song.stems) == STEMS
    loaded = load(song, tmp_path / "session", Silent())
    total = sum(part.samples for part in loaded.stems.values())
    assert np.abs(total - loaded.song.samples).max() < 1e-3


def test_without_a_mixture_the_song_is_the_sum(tmp_path: Path) -> None:
    loaded = load(find(folder_of_stems(tmp_path / "Song", mixture=False))[0], tmp_path / "session", Silent())
    assert np.abs(sum(part.samples for part in loaded.stems.values()) - loaded.song.samples).max() < 1e-6


def test_a_folder_of_songs_and_the_parts_of_a_data_set(tmp_path: Path) -> None:
    for name in ("B song", "a song"):
        folder_of_stems(tmp_path / "plain" / name)
        folder_of_stems(tmp_path / "hq" / "test" / name)
    folder_of_stems(tmp_path / "hq" / "train" / "Third")
    assert [song.name for song in find(tmp_path / "plain")] == ["a song", "B song"]
    assert [song.name for song in find(tmp_path / "hq", "MUSDB18-HQ")] == ["a song", "B song", "Third"]


def test_a_stem_file_is_a_song(tmp_path: Path) -> None:
    path = write_stem_file(tmp_path / "Name.stem.mp4")
    (song,) = find(path)
    assert song.name == "Name"
    assert tuple(song.stems) == STEMS
    loaded = load(song, tmp_path / "session", Silent())
    true = parts(2.0)
    for name in STEMS:
        found = loaded.stems[name].samples[:, 10000:60000]
        spectrum = np.abs(np.fft.rfft(found[0]))
        expected = np.abs(np.fft.rfft(true[name][0, 10000:60000]))
        assert abs(int(spectrum.argmax()) - int(expected.argmax())) <= 1


def test_musdb_s_stem_files_in_their_folders(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        write_stem_file(tmp_path / part / f"{part} song.stem.mp4")
    assert [song.name for song in find(tmp_path, "MUSDB18")] == ["test song", "train song"]


def test_a_stem_file_may_name_its_stems(tmp_path: Path) -> None:
    path = write_stem_file(tmp_path / "Name.stem.mp4", ("Drums", "Bass", "Synths", "Vox"))
    assert stem_file.names(path) == ("drums", "bass", "synths", "vox")
    (song,) = find(path)
    assert set(song.stems) == {"vocals", "drums", "bass", "synths"}


def test_moises_layout_is_brought_to_four_stems(tmp_path: Path) -> None:
    folder = tmp_path / "moisesdb_v0.1" / "0a1b"
    stems = []
    for name, tracks in (("vocals", ("v1", "v2")), ("drums", ("d1",)), ("guitar", ("g1",)), ("piano", ("p1",))):
        (folder / name).mkdir(parents=True)
        for track in tracks:
            write_wav(folder / name / f"{track}.wav", 0.1 * music(0.5))
        stems.append({"stemName": name, "tracks": [{"id": track, "extension": "wav"} for track in tracks]})
    (folder / "data.json").write_text(json.dumps({"song": "Title", "artist": "Someone", "stems": stems}))
    (song,) = find(tmp_path, "MoisesDB")
    assert song.name == "Someone - Title"
    assert {name: len(sources) for name, sources in song.stems.items()} == {"vocals": 2, "drums": 1, "other": 2}
    loaded = load(song, tmp_path / "session", Silent())
    assert np.abs(loaded.stems["vocals"].samples - 2 * loaded.stems["drums"].samples).max() < 1e-3


def test_other_rates_lengths_and_channels_are_brought_to_the_song(tmp_path: Path) -> None:
    folder = tmp_path / "Song"
    folder.mkdir()
    write_wav(folder / "mixture.wav", music(1.0))
    write_wav(folder / "vocals.wav", music(0.7, rate=22050)[:1], 22050)
    write_wav(folder / "drums.wav", music(1.3))
    loaded = load(find(folder)[0], tmp_path / "session", Silent())
    for part in loaded.stems.values():
        assert (part.rate, part.channels, part.frames) == (44100, 2, loaded.song.frames)


@pytest.mark.parametrize("kind", HOW_TO_GET)
def test_a_missing_data_set_says_how_to_get_it(tmp_path: Path, kind: str) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError) as told:
            find(path, kind)
        assert told.value.hint == HOW_TO_GET[kind]


def test_damage_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "x.stem.mp4").write_bytes(b"no sound at all")
    with pytest.raises(FileProblem, match="stem file"):
        find(tmp_path / "x.stem.mp4")
    song = tmp_path / "set" / "1"
    song.mkdir(parents=True)
    (song / "data.json").write_text("{}")
    with pytest.raises(FileProblem, match="MoisesDB"):
        find(tmp_path / "set")
