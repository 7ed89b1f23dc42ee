"""Projects for other programs: what they say, and that it can be read."""

import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from stemeditor.errors import UserError
from stemeditor.interchange import dawproject, reaper
from stemeditor.interchange.formats import FORMATS, format_of
from stemeditor.interchange.session import Faders, Session, Track
from stemeditor.progress import Silent

RATE, FRAMES = 44100, 22050


def session(folder: Path, *names: str, title: str = "A song") -> Session:
    """A session of half a second, with files."""
    folder.mkdir(parents=True, exist_ok=True)
    tracks = []
    for number, name in enumerate(names or ("Vocals", "Drums")):
        path = folder / f"{name}.wav"
        soundfile.write(path, np.full((FRAMES, 2), 0.1 * (number + 1), np.float32), RATE, "FLOAT")
        faders = Faders(0.5 + number, number - 0.25, number == 1, number == 0, "#ff8800" if number == 0 else "")
        tracks.append(Track(name, path, 2 - number % 2, faders))
    return Session(title, RATE, FRAMES, tuple(tracks), 0.9, {"artist": "Somebody", "date": "1984"})


def test_a_dawproject_holds_tracks_at_their_faders_and_all_sound(tmp_path: Path) -> None:
    made = session(tmp_path / "in")
    dawproject.write(made, tmp_path / "a.dawproject", Silent())
    with zipfile.ZipFile(tmp_path / "a.dawproject") as archive:
        assert archive.testzip() is None
        root = ElementTree.fromstring(archive.read("project.xml"))
        about = ElementTree.fromstring(archive.read("metadata.xml"))
        for audio in root.iter("Audio"):
            file = audio.find("File")
            assert file is not None
            assert archive.read(file.get("path")) == (tmp_path / "in" / Path(file.get("path")).name).read_bytes()
    assert root.get("version") == "1.0"
    assert [child.tag for child in root] == ["Application", "Transport", "Structure", "Arrangement", "Scenes"]
    assert {child.tag: child.text for child in about} == {"Title": "A song", "Artist": "Somebody", "Year": "1984"}
    tracks = root.findall("Structure/Track")
    assert [track.get("name") for track in tracks] == ["Vocals", "Drums", "Master"]
    assert [track.get("color") for track in tracks] == ["#ff8800", None, None]
    channels = [track.find("Channel") for track in tracks]
    assert [channel.find("Volume").get("value") for channel in channels] == ["0.5", "1.5", "0.9"]
    assert [channel.find("Pan").get("value") for channel in channels] == ["0.375", "0.875", "0.5"]
    assert [channel.find("Mute").get("value") for channel in channels] == ["false", "true", "false"]
    assert [channel.get("solo") for channel in channels] == ["true", "false", "false"]
    assert [channel.get("audioChannels") for channel in channels] == ["2", "1", "2"]
    assert [channel.get("role") for channel in channels] == ["regular", "regular", "master"]
    assert {channel.get("destination") for channel in channels[:2]} == {channels[2].get("id")}
    lanes = root.find("Arrangement/Lanes")
    assert lanes.get("timeUnit") == "seconds"
    assert [lane.get("track") for lane in lanes] == [track.get("id") for track in tracks[:2]]
    for clip in root.iter("Clip"):
        assert (clip.get("time"), clip.get("duration"), clip.get("contentTimeUnit")) == ("0", "0.5", "seconds")
        assert (clip.find("Audio").get("duration"), clip.find("Audio").get("sampleRate")) == ("0.5", "44100")
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def test_a_volume_above_what_is_usual_has_room(tmp_path: Path) -> None:
    made = Session("x", RATE, FRAMES, (Track("a", tmp_path / "a.wav", 2, Faders(3.9)),))
    volume = ElementTree.fromstring(dawproject.project(made)).find("Structure/Track/Channel/Volume")
    assert (volume.get("value"), volume.get("max")) == ("3.9", "3.9")


def test_files_of_one_name_from_several_folders_keep_apart(tmp_path: Path) -> None:
    one, other = session(tmp_path / "one", "Bass"), session(tmp_path / "other", "bass")
    both = Session("x", RATE, FRAMES, one.tracks + other.tracks)
    names = dawproject.inner_names(both)
    assert len({name.casefold() for name in names}) == 2
    dawproject.write(both, tmp_path / "a.dawproject", Silent())
    with zipfile.ZipFile(tmp_path / "a.dawproject") as archive:
        assert set(names) <= set(archive.namelist())


ODD = ['Rock & <Roll> "live"', 'It\'s "so"', '`a\' "b"', "tab\tand\x01bell", "愛 🎵", "caf\udce9"]


@pytest.mark.parametrize("title", ODD)
def test_odd_names_are_told_as_far_as_they_can_be(tmp_path: Path, title: str) -> None:
    made = session(tmp_path, title=title)
    made = Session(title, RATE, FRAMES, tuple(Track(title, track.path, 2) for track in made.tracks))
    root = ElementTree.fromstring(dawproject.project(made))
    told = root.find("Structure/Track").get("name")
    assert "".join(told.split()) == "".join(s for s in "".join(title.split()) if s not in "\x01\udce9")
    text = reaper.project(made, tmp_path)
    line = next(line for line in text.splitlines() if "    NAME " in line)
    quoted = line.strip().removeprefix("NAME ")
    assert quoted[0] == quoted[-1] in "\"'`"
    assert quoted[0] not in quoted[1:-1]
    reaper.write(made, tmp_path / "a.rpp", Silent())
    assert (tmp_path / "a.rpp").read_text(encoding="utf-8").count("<TRACK") == 2


def test_a_reaper_project_names_the_files_beside_it(tmp_path: Path) -> None:
    made = session(tmp_path / "stems")
    reaper.write(made, tmp_path / "stems" / "a.rpp", Silent())
    text = (tmp_path / "stems" / "a.rpp").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0].startswith("<REAPER_PROJECT")
    assert text.count("<") == lines.count(">"), "every bracket is closed"
    assert [line for line in lines if line.startswith("FILE")] == ['FILE "Vocals.wav"', 'FILE "Drums.wav"']
    assert [line for line in lines if line.startswith("VOLPAN")] == [
        "VOLPAN 0.5 -0.25 -1 -1 1",
        "VOLPAN 1.5 0.75 -1 -1 1",
    ]
    assert [line for line in lines if line.startswith("MUTESOLO")] == ["MUTESOLO 0 1 0", "MUTESOLO 1 0 0"]
    assert lines.count("LENGTH 0.5") == 2
    assert "MASTER_VOLUME 0.9 0 -1 -1 1" in lines
    assert f"PEAKCOL {0x10088FF}" in lines, "blue, green, red"
    assert 'FILE "stems' in reaper.project(made, tmp_path).replace("\\", "/")


@pytest.mark.parametrize(
    ("ending", "source"), [(".wav", "WAVE"), (".aiff", "WAVE"), (".flac", "FLAC"), (".mp3", "MP3"), (".ogg", "VORBIS")]
)
def test_reaper_is_told_what_reads_a_file(tmp_path: Path, ending: str, source: str) -> None:
    made = Session("x", RATE, FRAMES, (Track("a", tmp_path / f"a{ending}", 2),))
    assert f"<SOURCE {source}\n" in reaper.project(made, tmp_path)


def test_the_table_is_sound() -> None:
    assert [row.key for row in FORMATS] == ["dawproject", "reaper"]
    assert all(row.ending.startswith(".") and row.name for row in FORMATS)
    with pytest.raises(UserError, match="no kind of project"):
        format_of("tape")
