import math
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemeditor.audio.stretch import Pace
from stemeditor.errors import Cancelled, FileProblem, UserError
from stemeditor.jobs.export import (
    ExportItem,
    ExportRequest,
    FilesExist,
    SessionPlan,
    TooLoud,
    all_but_item,
    at_pace,
    export_stems,
    mix_item,
    stem_items,
    targets,
)
from stemeditor.jobs.naming import file_names
from stemeditor.progress import Silent, Stoppable
from stemeditor.project import edits
from stemeditor.project.model import Project
from tests.helpers.sounds import lane_of, music, song_of, tone


def project_of(level: float = 0.3) -> Project:
    vocals, drums = tone(440, 0.5, level), tone(110, 0.5, level)
    song = song_of(vocals + drums, tags={"artist": "A/B", "title": "A song"})
    return edits.add_stems(edits.open_song(song), (lane_of("vocals", vocals), lane_of("drums", drums)), "Test")


def request_of(project: Project, folder: Path, **fields: object) -> ExportRequest:
    assert project.song is not None
    items = fields.pop("items", None) or stem_items(project)
    fields = {"subtype": "float", "template": "{stem}", **fields}
    return ExportRequest(project.song, items, folder, **fields)  # type: ignore[arg-type]


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0].T


def test_stems_are_written_as_separated_whatever_the_faders_say(tmp_path: Path) -> None:
    project = edits.set_muted(edits.set_gain(project_of(), "vocals", 0.1), "drums", True)
    project = edits.set_master_gain(project, 0.5)
    done = export_stems(request_of(project, tmp_path), Silent())
    assert [file.path.name for file in done.files] == ["Vocals.wav", "Drums.wav"]
    for file, lane in zip(done.files, project.stems, strict=True):
        assert np.array_equal(read(file.path), lane.sound.audio.samples)


def test_the_mix_is_what_is_heard(tmp_path: Path) -> None:
    project = edits.set_pan(edits.set_gain(project_of(), "vocals", 0.5), "drums", -1.0)
    done = export_stems(request_of(project, tmp_path, items=(mix_item(project),)), Silent())
    assert np.array_equal(read(done.files[0].path), project.mix().render(0, project.frames))


def test_all_but_one_hears_neither_mute_nor_solo_nor_the_song(tmp_path: Path) -> None:
    project = edits.set_soloed(edits.set_muted(project_of(), "drums", True), "vocals", True)
    done = export_stems(request_of(project, tmp_path, items=(all_but_item(project, "vocals"),)), Silent())
    assert done.files[0].name == "Without Vocals"
    assert np.array_equal(read(done.files[0].path), project.lane("drums").sound.audio.samples)


@pytest.mark.parametrize(("encoding", "subtype"), [("wav", "16"), ("wav", "24"), ("flac", "24"), ("mp3", "high")])
def test_what_would_clip_asks_first_and_writes_nothing(tmp_path: Path, encoding: str, subtype: str) -> None:
    request = request_of(project_of(1.2), tmp_path, encoding=encoding, subtype=subtype)
    with pytest.raises(TooLoud) as caught:
        export_stems(request, Silent())
    assert caught.value.peaks == pytest.approx({"Vocals": 1.2, "Drums": 1.2}, rel=1e-3)
    assert list(tmp_path.iterdir()) == []


def test_a_float_file_keeps_what_is_over_full_scale(tmp_path: Path) -> None:
    done = export_stems(request_of(project_of(1.2), tmp_path), Silent())
    assert np.abs(read(done.files[0].path)).max() == pytest.approx(1.2, rel=1e-4)


def test_leave_in_float_changes_the_format_not_the_level(tmp_path: Path) -> None:
    request = request_of(project_of(1.2), tmp_path, encoding="flac", subtype="24", overs="float")
    done = export_stems(request, Silent())
    assert {file.path.suffix for file in done.files} == {".wav"}
    assert np.abs(read(done.files[0].path)).max() == pytest.approx(1.2, rel=1e-4)


def test_a_format_that_has_float_keeps_its_name(tmp_path: Path) -> None:
    request = request_of(project_of(1.2), tmp_path, encoding="aiff", subtype="24", overs="float")
    written = export_stems(request, Silent()).files
    assert {file.path.suffix for file in written} == {".aiff"}
    assert max(np.abs(read(file.path)).max() for file in written) > 1.0


def test_turned_down_alike_keeps_the_balance(tmp_path: Path) -> None:
    project = project_of(0.3)
    project = replace(project, lanes=(*project.lanes[:2], lane_of("drums", tone(110, 0.5, 2.0))))
    done = export_stems(request_of(project, tmp_path, subtype="24", overs="turn_down"), Silent())
    assert done.gain == pytest.approx(0.5, rel=1e-3)
    vocals, drums = (np.abs(read(file.path)).max() for file in done.files)
    assert drums == pytest.approx(1.0, abs=1e-3)
    assert vocals == pytest.approx(0.15, rel=1e-3)


def test_limited_files_stay_below_full_scale_and_quiet_ones_untouched(tmp_path: Path) -> None:
    project = project_of(0.3)
    project = replace(project, lanes=(*project.lanes[:2], lane_of("drums", tone(110, 0.5, 2.0))))
    done = export_stems(request_of(project, tmp_path, subtype="24", overs="limit"), Silent())
    vocals, drums = (read(file.path) for file in done.files)
    assert np.abs(drums).max() <= 1.0
    assert np.abs(drums).max() > 0.95
    assert np.abs(vocals - project.lane("vocals").sound.audio.samples).max() < 2**-22


def test_files_that_are_there_are_not_touched_unless_allowed(tmp_path: Path) -> None:
    (tmp_path / "Drums.wav").write_bytes(b"precious")
    request = request_of(project_of(), tmp_path)
    with pytest.raises(FilesExist) as caught:
        export_stems(request, Silent())
    assert caught.value.paths == (tmp_path / "Drums.wav",)
    assert [path.name for path in tmp_path.iterdir()] == ["Drums.wav"]
    assert (tmp_path / "Drums.wav").read_bytes() == b"precious"
    export_stems(replace(request, overwrite=True), Silent())
    assert read(tmp_path / "Drums.wav").shape == (2, 22050)


def test_a_cancelled_export_leaves_no_half_file(tmp_path: Path) -> None:
    class AfterSome(Stoppable):
        calls = 0

        def advance(self, fraction: float, text: str = "") -> None:
            self.calls += 1
            if fraction > 0.2:
                self.cancel()
            super().advance(fraction, text)

    with pytest.raises(Cancelled):
        export_stems(request_of(project_of(), tmp_path), AfterSome())
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path.name not in {"Vocals.wav"}] == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileProblem, match="folder"):
        export_stems(request_of(project_of(), tmp_path / "file"), Silent())


def test_mono_songs_give_mono_files(tmp_path: Path) -> None:
    song = song_of(tone(440, 0.2, channels=1))
    project = edits.add_stems(edits.open_song(song), (lane_of("vocals", tone(440, 0.2, channels=1)),), "Test")
    done = export_stems(request_of(project, tmp_path), Silent())
    assert read(done.files[0].path).shape[0] == 1


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{song}/{stem}", "A song/Vocals"),
        ("{artist} - {title} ({stem})", "A_B - A song (Vocals)"),
        ("{number} {stem}", "01 Vocals"),
        ("../{stem}", "Vocals"),
        ("con/{stem}", "_con/Vocals"),
        ("{{x}} {stem}", "{x} Vocals"),
    ],
)
def test_templates(template: str, expected: str) -> None:
    song = project_of().song
    assert song is not None
    assert file_names(song, ("Vocals",), template) == (expected,)


@pytest.mark.parametrize(
    "template",
    ["", "  ", "{stem", "{who}", "{stem}/", "{}", "{stem.x}", "{stem[0]}", "{stem:d}", "{number:03d}", "{stem!x}"],
)
def test_templates_that_make_no_name_are_told(template: str) -> None:
    song = project_of().song
    assert song is not None
    with pytest.raises(UserError, match="template"):
        file_names(song, ("Vocals",), template)


def test_long_names_keep_what_tells_them_apart() -> None:
    song = project_of().song
    assert song is not None
    for name in ("x" * 300, "歌" * 200, "🎵" * 150):
        found = file_names(song, ("Vocals", "Drums"), "{song} {stem}", name)
        assert [one.rsplit(" ", 1)[1] for one in found] == ["Vocals", "Drums"]
        assert max(len(one.encode()) for one in found) <= 200
        assert found[0].startswith(name[:10])


def test_float_files_are_only_for_what_needs_them(tmp_path: Path) -> None:
    quiet = export_stems(request_of(project_of(0.1), tmp_path, encoding="flac", subtype="24", overs="float"), Silent())
    assert {file.path.suffix for file in quiet.files} == {".flac"}
    loud = export_stems(
        request_of(project_of(1.7), tmp_path / "loud", encoding="flac", subtype="24", overs="float"), Silent()
    )
    assert {file.path.suffix for file in loud.files} == {".wav"}


def test_what_cannot_be_written_is_known_before(tmp_path: Path) -> None:
    request = request_of(project_of(), tmp_path)
    assert [path.name for path in targets(request, ("One", "Two"))] == ["One.wav", "Two.wav"]
    targets(request, ("One",))[0].parent.mkdir(parents=True, exist_ok=True)
    targets(request, ("One",))[0].touch()
    with pytest.raises(FilesExist):
        targets(request, ("One", "Two"))
    with pytest.raises(UserError, match="has no “7”"):
        targets(replace(request, subtype="7"), ("One",))


def test_equal_names_get_numbers_also_where_case_is_one() -> None:
    song = project_of().song
    assert song is not None
    assert file_names(song, ("Lead", "lead", "Lead"), "{stem}") == ("Lead", "lead 2", "Lead 3")


def test_an_unbounded_item_is_measured(tmp_path: Path) -> None:
    project = project_of(0.6)
    item = ExportItem("Sum", replace(project.mix(), gain=1.0))
    with pytest.raises(TooLoud, match="Sum"):
        export_stems(request_of(project, tmp_path, items=(item,), subtype="16"), Silent())


@pytest.mark.parametrize("pace", [Pace(0.5), Pace(1.25, -3.0)], ids=str)
def test_at_another_pace_stems_are_as_long_as_each_other_and_add_up(pace: Pace, tmp_path: Path) -> None:
    samples = music(1.0)
    stems = (lane_of("vocals", samples * 0.25), lane_of("drums", samples * 0.75))
    project = edits.set_gain(edits.add_stems(edits.open_song(song_of(samples)), stems, "Test"), "drums", 0.1)
    items = stem_items(project, tuple(lane.id for lane in project.lanes))
    paced = at_pace(project, pace, tmp_path / "session")
    request = ExportRequest(project.song, items, tmp_path, "{stem}", subtype="float", paced=paced)
    done = export_stems(request, Silent())
    song, vocals, drums = (read(file.path) for file in done.files)
    assert song.shape[1] == vocals.shape[1] == drums.shape[1] == math.ceil(samples.shape[1] / pace.speed)
    assert np.abs(vocals + drums - song).max() < 1e-4
    assert np.abs(song).max() > 0.1
    assert np.abs(vocals - song * 0.25).max() < 1e-4, "one is a quarter of the other, as it was"


def test_a_mono_song_at_another_pace_stays_mono_and_what_is_too_loud_is_asked_for(tmp_path: Path) -> None:
    project = edits.open_song(song_of(tone(440, 0.5, level=0.99, channels=1)))
    items = stem_items(project, (project.lanes[0].id,))
    paced = at_pace(project, Pace(1.0, 2.0), tmp_path / "session")
    request = ExportRequest(project.song, items, tmp_path, "{stem}", subtype="float", paced=paced)
    assert read(export_stems(request, Silent()).files[0].path).shape[0] == 1
    loud = replace(items[0], mix=replace(items[0].mix, gain=2.0), bound=0.5)
    with pytest.raises(TooLoud):
        export_stems(replace(request, items=(loud,), subtype="24", overwrite=True), Silent())


def test_at_its_own_pace_nothing_is_stretched(tmp_path: Path) -> None:
    assert at_pace(project_of(), Pace(), tmp_path) is None


def test_a_project_of_another_program_is_written_beside_the_files(tmp_path: Path) -> None:
    project = project_of()
    project = edits.set_master_gain(edits.set_gain(project, project.stems[0].id, 0.5), 0.8)
    plain = request_of(project, tmp_path, session=SessionPlan("reaper", project.master_gain))
    done = export_stems(plain, Silent())
    written = done.files[-1].path
    assert written.parent == tmp_path
    assert written.suffix == ".rpp"
    text = written.read_text(encoding="utf-8")
    assert text.count("<TRACK") == len(done.files) - 1
    assert "VOLPAN 0.5 0 -1 -1 1" in text
    assert "MASTER_VOLUME 0.8" in text
    with pytest.raises(FilesExist) as caught:
        export_stems(replace(plain, template="other {stem}"), Silent())
    assert caught.value.paths == (written,)
    export_stems(replace(plain, overwrite=True, session=SessionPlan("dawproject")), Silent())
    with zipfile.ZipFile(written.with_suffix(".dawproject")) as archive:
        assert len([name for name in archive.namelist() if name.startswith("audio/")]) == len(done.files) - 1


def test_a_project_at_another_rate_and_pace_is_as_long_as_its_files(tmp_path: Path) -> None:
    project = project_of()
    pace = at_pace(project, Pace(0.5), tmp_path)
    fields = {"encoding": "wav", "paced": pace, "session": SessionPlan("reaper")}
    done = export_stems(request_of(project, tmp_path, **fields), Silent())
    info = soundfile.info(done.files[0].path)
    assert f"LENGTH {info.frames / info.samplerate:.9g}" in done.files[-1].path.read_text(encoding="utf-8")


def test_a_project_that_cannot_be_written_leaves_nothing_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stemeditor.interchange.dawproject.project", full)
    with pytest.raises(FileProblem, match="disk is full"):
        export_stems(request_of(project_of(), tmp_path, session=SessionPlan("dawproject")), Silent())
    assert {path.suffix for path in tmp_path.iterdir()} == {".wav"}, "the stems are whole, and stay"
