"""Tags of the formats that are read but not written."""

import base64
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from mutagen.aiff import AIFF
from mutagen.asf import ASF
from mutagen.flac import Picture
from mutagen.id3 import APIC, TCON, TDRC, TIT2, TXXX
from mutagen.oggopus import OggOpus

from stemeditor.audio import tags

JPEG = b"\xff\xd8\xff\xe0" + bytes(2000)
SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 48000)).astype(np.float32)


def write_av(path: Path, codec: str, kind: str, **metadata: str) -> None:
    with av.open(str(path), "w", format=kind) as container:
        container.metadata.update(metadata)
        stream = container.add_stream(codec, rate=48000, layout="stereo")
        stream.bit_rate = 128000
        frame = av.AudioFrame.from_ndarray(SOUND, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_aiff(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.aiff", SOUND.T, 48000)
    file = AIFF(tmp_path / "a.aiff")
    file.add_tags()
    file.tags.add(TIT2(encoding=3, text=["Ein Stück"]))
    file.tags.add(TDRC(encoding=3, text=["2001-02-03"]))
    file.tags.add(TCON(encoding=3, text=["(17)"]))
    file.tags.add(TXXX(encoding=3, desc="Mood", text=["glad"]))
    file.tags.add(APIC(encoding=3, mime="image/png", type=4, desc="back", data=b"back"))
    file.tags.add(APIC(encoding=3, mime="image/jpeg", type=3, desc="front", data=JPEG))
    file.save()
    found, cover = tags.read(tmp_path / "a.aiff")
    assert found == {"title": "Ein Stück", "date": "2001-02-03", "genre": "Rock", "mood": "glad"}
    assert cover == JPEG


def test_opus(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.opus", SOUND.T, 48000, format="OGG", subtype="OPUS")
    file = OggOpus(tmp_path / "a.opus")
    picture = Picture()
    picture.type, picture.mime, picture.data = 3, "image/jpeg", JPEG
    file.tags["TITLE"], file.tags["ARTIST"] = ["One"], ["A", "B"]
    file.tags["METADATA_BLOCK_PICTURE"] = [base64.b64encode(picture.write()).decode()]
    file.save()
    assert tags.read(tmp_path / "a.opus") == ({"title": "One", "artist": "A; B"}, JPEG)


def test_wma(tmp_path: Path) -> None:
    write_av(tmp_path / "a.wma", "wmav2", "asf")
    file = ASF(tmp_path / "a.wma")
    file.tags["Title"], file.tags["WM/AlbumTitle"], file.tags["WM/Unknown"] = "One", "Two", "Three"
    file.save()
    assert tags.read(tmp_path / "a.wma") == ({"title": "One", "album": "Two"}, None)


@pytest.mark.parametrize(("codec", "kind"), [("aac", "matroska"), ("aac", "mov")])
def test_films(tmp_path: Path, codec: str, kind: str) -> None:
    write_av(tmp_path / "a.film", codec, kind, title="Ein Film", encoder_version="9")
    assert tags.read(tmp_path / "a.film") == ({"title": "Ein Film"}, None)


def test_sound_without_tags_and_no_sound_at_all(tmp_path: Path) -> None:
    for kind in ("WAV", "FLAC", "OGG", "AIFF", "CAF", "MP3"):
        soundfile.write(tmp_path / "a", SOUND.T, 48000, format=kind)
        assert tags.read(tmp_path / "a") == ({}, None)
    (tmp_path / "a").write_bytes(b"ID3 and then nothing")
    assert tags.read(tmp_path / "a") == ({}, None)
    assert tags.read(tmp_path / "gone") == ({}, None)


def test_what_a_format_has_no_room_for_is_left_out(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", SOUND.T, 48000)
    tags.write(tmp_path / "a.flac", {"title": "One", "a=b": "no", "größe": "no", "a~b": "no", "": "no"}, None)
    assert tags.read(tmp_path / "a.flac") == ({"title": "One"}, None)


@pytest.mark.parametrize("number", ["²", "20240101", "70000/3", "3/²"])
def test_odd_numbers_of_tracks_cost_nothing(tmp_path: Path, number: str) -> None:
    write_av(tmp_path / "a.m4a", "aac", "ipod")
    tags.write(tmp_path / "a.m4a", {"title": "One", "tracknumber": number}, None)
    found, _ = tags.read(tmp_path / "a.m4a")
    assert found["title"] == "One"
