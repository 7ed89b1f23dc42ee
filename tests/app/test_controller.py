"""The verbs, with the real pool, relay, document and player; the sound output is a bystander."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from stemeditor.app.controller import Controller
from stemeditor.app.job_state import ExportQuestion
from stemeditor.app.messages import BUG, ERROR, INFO, WARNING, Notice
from stemeditor.app.relay import Relay
from stemeditor.errors import UserError
from stemeditor.jobs import tasks
from stemeditor.jobs.export import ExportRequest, TooLoud, stem_items
from stemeditor.jobs.pool import Pool
from stemeditor.methods import registry
from stemeditor.methods.base import MethodInfo, Params, Stems
from stemeditor.mixing.player import Player
from stemeditor.progress import Progress
from stemeditor.project import edits
from stemeditor.project.document import Document
from stemeditor.settings import Settings
from tests.conftest import ExpectedLogs
from tests.helpers.sounds import music, song_of, tone, write_wav


class Output:
    """A sound output that is closed and never opened."""

    closed = False

    def close(self) -> None:
        self.closed = True


class Halves:
    """A method that the test holds by the hand: two stems, each half of the song; waits until it may go on."""

    info = MethodInfo(
        "halves", "Halves", "test", "Two halves.", "None", ("left", "right"), segment_s=1.0, rest="right", speed=10.0
    )

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self.pieces = 0
        self.error: BaseException | None = None

    def separate(self, mix, params: Params, progress: Progress) -> Stems:
        self.entered.set()
        while not self.go.wait(0.002):
            progress.check()
        self.pieces += 1
        if self.error is not None and self.pieces > 1:
            raise self.error
        return {"left": mix.samples * np.float32(0.5)}


@pytest.fixture
def controller(qtbot: QtBot, tmp_path: Path):
    relay = Relay()
    pool = Pool(relay.post)
    controller = Controller(Document(), Player(), Output(), Settings(None), relay, pool, tmp_path / "cache")
    controller.told: list[Notice] = []
    controller.noticed.connect(controller.told.append)
    yield controller
    controller.close()


@pytest.fixture
def method(monkeypatch: pytest.MonkeyPatch) -> Halves:
    method = Halves()
    monkeypatch.setattr(registry, "load", lambda key: method)
    monkeypatch.setattr(registry, "info", lambda key: method.info)
    return method


@pytest.fixture
def song_path(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "Song.wav", music(4.0))


def open_song(controller: Controller, qtbot: QtBot, path: Path) -> None:
    controller.open(path)
    qtbot.waitUntil(lambda: not controller.opening, timeout=10000)


def separate(controller: Controller, qtbot: QtBot, method: Halves) -> None:
    method.go.set()
    controller.separate()
    qtbot.waitUntil(lambda: not controller.separating, timeout=10000)


def test_opening_shows_one_lane_and_remembers_the_file(controller, qtbot: QtBot, song_path: Path) -> None:
    open_song(controller, qtbot, song_path)
    assert [lane.role for lane in controller.project.lanes] == ["song"]
    assert controller.document.undo_name == "Open song"
    assert controller.settings.names("recent_files") == [str(song_path)]
    assert controller.player.mix.frames == controller.project.frames
    assert controller.current_lane == controller.project.lanes[0].id
    assert controller.jobs == ()


def test_a_broken_file_costs_nothing_and_stays_beside_its_name(
    controller, qtbot: QtBot, song_path: Path, tmp_path: Path
) -> None:
    open_song(controller, qtbot, song_path)
    before = controller.document.base
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF nonsense")
    open_song(controller, qtbot, broken)
    assert controller.document.base is before
    assert not controller.document.previewing
    (job,) = controller.jobs
    assert (job.title, job.state) == ("broken.wav", "failed")
    assert job.text
    assert [notice.kind for notice in controller.told] == [ERROR]
    controller.dismiss_job(job.id)
    assert controller.jobs == ()


def test_the_last_of_two_opened_songs_wins(controller, qtbot: QtBot, song_path: Path, tmp_path: Path) -> None:
    other = write_wav(tmp_path / "Other.wav", tone(440, 1.0))
    controller.open(song_path)
    controller.open(other)
    qtbot.waitUntil(lambda: not controller.opening, timeout=10000)
    assert controller.project.song.title == "Other"
    assert controller.jobs == () or qtbot.waitUntil(lambda: controller.jobs == ()) is None


def test_separating_is_one_undo_step(controller, qtbot: QtBot, song_path: Path, method: Halves) -> None:
    open_song(controller, qtbot, song_path)
    separate(controller, qtbot, method)
    assert [lane.role for lane in controller.project.lanes] == ["song", "left", "right"]
    assert controller.project.lanes[0].muted
    assert controller.project.filled is None
    controller.undo()
    assert [lane.role for lane in controller.project.lanes] == ["song"]
    assert not controller.project.lanes[0].muted
    controller.redo()
    assert len(controller.project.lanes) == 3


def test_lanes_fill_and_can_be_mixed_while_the_rest_is_computed(
    controller, qtbot: QtBot, song_path: Path, method: Halves
) -> None:
    open_song(controller, qtbot, song_path)
    grown: list[tuple[str, ...]] = []
    controller.grown.connect(grown.append)
    controller.separate()
    qtbot.waitUntil(lambda: controller.document.previewing, timeout=5000)
    left = controller.project.stems[0]
    controller.set_soloed(left.id, True)
    controller.set_gain(left.id, 0.5)
    assert len(controller.document.base.lanes) == 1
    method.go.set()
    qtbot.waitUntil(lambda: not controller.separating, timeout=10000)
    assert grown
    assert controller.project.lane(left.id).soloed
    assert controller.project.lane(left.id).gain == 0.5


def test_undo_takes_back_what_was_done_to_growing_stems_and_never_the_song_under_them(
    controller, qtbot: QtBot, song_path: Path, method: Halves
) -> None:
    open_song(controller, qtbot, song_path)
    song = controller.project.song
    controller.separate()
    assert not controller.can_undo, "not even before the first stems are there"
    qtbot.waitUntil(lambda: controller.document.previewing, timeout=5000)
    left = controller.project.stems[0].id
    controller.set_soloed(left, True)
    controller.set_gain(left, 0.5)
    for _ in range(5):
        controller.undo()
    assert controller.separating
    assert controller.project.song is song
    assert not controller.project.lane(left).soloed
    assert controller.project.lane(left).gain == 1.0
    assert not controller.can_undo
    controller.redo()
    assert controller.project.lane(left).soloed
    method.go.set()
    qtbot.waitUntil(lambda: not controller.separating, timeout=10000)
    assert controller.project.lane(left).soloed
    controller.undo()
    assert controller.project.stems == ()
    controller.undo()
    assert controller.project.song is None


def test_undo_keeps_its_hands_off_the_old_song_while_another_is_read(controller, qtbot: QtBot, song_path: Path) -> None:
    open_song(controller, qtbot, song_path)
    lane = controller.project.lanes[0].id
    controller.set_gain(lane, 0.5)
    growing = edits.open_song(song_of(music(1.0)))
    controller.document.begin_preview(growing, lambda base, preview: preview)
    assert not controller.can_undo
    controller.set_muted(controller.project.lanes[0].id, True)
    controller.undo()
    assert not controller.project.lanes[0].muted
    assert not controller.can_undo
    controller.document.drop_preview()
    assert controller.project.lane(lane).gain == 0.5
    assert controller.can_undo


def test_cancel_is_obeyed_within_a_third_of_a_second_and_silent(
    controller, qtbot: QtBot, song_path: Path, method: Halves
) -> None:
    open_song(controller, qtbot, song_path)
    before = controller.document.base
    controller.separate()
    qtbot.waitUntil(lambda: controller.document.previewing and method.entered.is_set(), timeout=5000)
    job = controller._separation
    controller.cancel_separation()
    assert controller.project is before
    assert controller.can_separate
    assert controller.jobs == ()
    qtbot.waitUntil(lambda: job.cancelled and not controller.pool._jobs, timeout=300)
    assert controller.told == []


def test_a_late_answer_is_dropped(controller, qtbot: QtBot, song_path: Path, tmp_path: Path, method: Halves) -> None:
    open_song(controller, qtbot, song_path)
    controller.separate()
    qtbot.waitUntil(lambda: controller.document.previewing, timeout=5000)
    # The method ends, but before its answer is delivered the song is gone.
    method.go.set()
    deadline = time.monotonic() + 5
    while controller.pool._jobs and time.monotonic() < deadline:
        time.sleep(0.005)
    controller.cancel_separation()
    controller.undo()
    assert controller.project.song is None
    qtbot.wait(50)
    assert controller.project.song is None
    assert controller.project.lanes == ()
    assert not controller.document.previewing


def test_a_picture_that_was_done_when_it_was_cancelled_is_not_shown(controller, qtbot: QtBot) -> None:
    """Who asked for it may be gone: a lane that was closed, for one."""
    shown: list[object] = []
    job = controller.paint(lambda request, progress: request, 1, shown.append)
    deadline = time.monotonic() + 5
    while controller.pool._jobs and time.monotonic() < deadline:
        time.sleep(0.005)
    job.cancel()
    qtbot.wait(50)
    assert shown == []
    assert controller._ongoing == {}


def test_opening_another_song_stops_the_separation_only_when_it_is_there(
    controller, qtbot: QtBot, song_path: Path, tmp_path: Path, method: Halves
) -> None:
    open_song(controller, qtbot, song_path)
    controller.separate()
    qtbot.waitUntil(lambda: controller.document.previewing, timeout=5000)
    open_song(controller, qtbot, tmp_path / "missing.wav")
    assert controller.separating
    other = write_wav(tmp_path / "Other.wav", tone(440, 1.0))
    open_song(controller, qtbot, other)
    assert not controller.separating
    assert controller.project.song.title == "Other"
    assert [lane.role for lane in controller.project.lanes] == ["song"]
    controller.undo()
    assert controller.project.song.title == "Song"


def test_a_song_that_was_left_in_the_middle_can_be_gone_back_to(
    controller, qtbot: QtBot, song_path: Path, tmp_path: Path, method: Halves
) -> None:
    open_song(controller, qtbot, song_path)
    controller.separate(params={})
    qtbot.waitUntil(lambda: controller.document.previewing, timeout=5000)
    open_song(controller, qtbot, write_wav(tmp_path / "Other.wav", tone(440, 1.0)))
    controller.set_gain(controller.project.lanes[0].id, 0.5)
    notice = controller.told[-1]
    assert "Song" in notice.text
    assert notice.offer is not None
    notice.offer[1]()
    assert controller.project.song.title == "Song"
    assert controller.separating
    method.go.set()
    qtbot.waitUntil(lambda: not controller.separating, timeout=10000)
    assert len(controller.project.stems) == 2


def test_a_closed_song_is_opened_again_by_undo(controller, qtbot: QtBot, song_path: Path, method: Halves) -> None:
    open_song(controller, qtbot, song_path)
    separate(controller, qtbot, method)
    controller.close_song()
    assert controller.project.song is None
    assert controller.told == []
    controller.undo()
    assert len(controller.project.stems) == 2
    controller.separate()
    controller.close_song()
    assert not controller.separating
    assert controller.told[-1].offer is not None


def test_stems_are_lost_until_they_were_written(
    controller, qtbot: QtBot, song_path: Path, tmp_path: Path, method: Halves
) -> None:
    assert not controller.filing.at_risk
    open_song(controller, qtbot, song_path)
    assert not controller.filing.at_risk
    separate(controller, qtbot, method)
    assert controller.filing.at_risk
    project = controller.project
    controller.export(ExportRequest(project.song, stem_items(project), tmp_path / "out", "{stem}"))
    qtbot.waitUntil(lambda: not controller.jobs, timeout=10000)
    assert not controller.filing.at_risk
    separate(controller, qtbot, method)
    assert controller.filing.at_risk


def test_a_second_separation_keeps_what_was_set_on_stems_of_the_same_name(
    controller, qtbot: QtBot, song_path: Path, method: Halves
) -> None:
    open_song(controller, qtbot, song_path)
    separate(controller, qtbot, method)
    for number, stem in enumerate(controller.project.stems):
        controller.rename(stem.id, f"Mine {number}")
        controller.set_gain(stem.id, 0.25)
        controller.set_pan(stem.id, -0.5)
        controller.set_muted(stem.id, True)
    method.go.clear()
    controller.separate()
    qtbot.waitUntil(lambda: controller.document.previewing, timeout=5000)
    controller.set_gain(controller.project.stems[0].id, 0.75)
    method.go.set()
    qtbot.waitUntil(lambda: not controller.separating, timeout=10000)
    found = [(lane.name, lane.gain, lane.pan, lane.muted) for lane in controller.project.stems]
    assert found == [("Mine 0", 0.75, -0.5, True), ("Mine 1", 0.25, -0.5, True)]


def test_escape_stops_the_newest_job(controller, qtbot: QtBot, song_path: Path, method: Halves) -> None:
    open_song(controller, qtbot, song_path)
    controller.separate()
    first = controller._separation.id
    controller.compute("More", lambda request, progress: None, None, print, print, lambda error: False)
    controller.cancel_newest()
    assert [job.id for job in controller.jobs] == [first]
    controller.cancel_newest()
    assert controller.jobs == ()
    controller.cancel_newest()


def test_the_next_song_that_opens_clears_away_those_that_did_not(
    controller, qtbot: QtBot, song_path: Path, tmp_path: Path
) -> None:
    for number in range(3):
        open_song(controller, qtbot, tmp_path / f"missing {number}.wav")
    assert len(controller.jobs) == 3
    open_song(controller, qtbot, song_path)
    assert controller.jobs == ()


def test_parameters_are_remembered(controller, qtbot: QtBot, song_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_song(controller, qtbot, song_path)
    asked = []
    monkeypatch.setattr(controller, "_start", lambda queue, title, work, request, *rest: asked.append(request))
    controller.separate("kam", {"focus": 8})
    controller.separate("kam")
    controller.separate("nmf")
    controller.separate("kam", {})
    controller.separate("kam")
    assert [dict(request.params) for request in asked] == [{"focus": 8}, {"focus": 8}, {}, {}, {}]


@pytest.mark.parametrize(
    ("error", "kind"), [(UserError("This song does not suit.", "Try HPSS."), ERROR), (ZeroDivisionError("x"), BUG)]
)
def test_a_failing_method_leaves_the_song_as_it_was(
    controller, qtbot: QtBot, song_path: Path, method: Halves, logs: ExpectedLogs, error: Exception, kind: str
) -> None:
    logs.expect("ZeroDivisionError")
    open_song(controller, qtbot, song_path)
    before = controller.document.base
    method.error = error
    separate(controller, qtbot, method)
    assert controller.document.base is before
    assert not controller.document.previewing
    (notice,) = controller.told
    assert notice.kind == kind
    assert ("ZeroDivisionError" in notice.details) == (kind == BUG)
    assert [job.state for job in controller.jobs] == (["failed"] if kind == ERROR else [])
    method.error = None
    separate(controller, qtbot, method)
    assert len(controller.project.lanes) == 3


def test_edits_reach_the_player_and_the_history(controller, qtbot: QtBot, song_path: Path) -> None:
    open_song(controller, qtbot, song_path)
    lane = controller.project.lanes[0].id
    controller.set_gain(lane, 0.9)
    controller.set_gain(lane, 0.5)
    controller.end_drag()
    controller.set_pan(lane, -1.0)
    controller.rename(lane, "Mine")
    controller.set_muted(lane, True)
    assert controller.player.mix.strips[0].gain == 0.5
    assert controller.player.mix.strips[0].muted
    names = []
    while controller.document.undo_name != "Open song":
        names.append(controller.document.undo_name)
        controller.undo()
    assert names == ["Mute Mine", "Rename Song", "Pan of Song", "Gain of Song"]


def test_selection_and_loop_stay_within_the_song(controller, qtbot: QtBot, song_path: Path) -> None:
    open_song(controller, qtbot, song_path)
    frames = controller.project.frames
    controller.set_looping(True)
    assert controller.player.loop == (0, frames)
    controller.set_selection(5000, -20)
    assert controller.selection == (0, 5000)
    assert controller.player.loop == (0, 5000)
    controller.set_selection(7, 7)
    assert controller.selection is None
    controller.set_looping(False)
    assert controller.player.loop is None
    controller.seek(frames + 5)
    assert controller.player.position == frames


def test_what_was_just_selected_is_what_is_played(controller, qtbot: QtBot, song_path: Path) -> None:
    open_song(controller, qtbot, song_path)
    controller.set_selection(30000, 60000)
    assert controller.player.position == 30000
    controller.set_looping(True)
    controller.seek(90000)
    controller.play_pause()
    assert controller.player.position == 30000
    controller.set_selection(10000, 20000)
    assert controller.player.position == 30000, "what plays is left alone"
    controller.play_pause()
    controller.seek(15000)
    controller.play_pause()
    assert controller.player.position == 15000, "within the loop it goes on from where it stands"


def test_a_selection_is_marked_and_extended_from_the_playhead(controller, qtbot: QtBot, song_path: Path) -> None:
    open_song(controller, qtbot, song_path)
    frames = controller.project.frames
    controller.seek(50000)
    controller.mark_start()
    assert controller.selection == (50000, frames)
    controller.seek(70000)
    controller.mark_stop()
    assert controller.selection == (50000, 70000)
    assert controller.player.position == 70000
    controller.extend_to(0)
    assert controller.selection == (0, 70000)
    controller.extend_to(frames)
    assert controller.selection == (0, frames)
    controller.clear_selection()
    controller.mark_stop()
    assert controller.selection == (0, 70000)
    controller.clear_selection()
    controller.extend_to(60000)
    assert controller.selection == (60000, 70000)


def test_unmuting_all_leaves_the_song_silent_under_its_stems(
    controller, qtbot: QtBot, song_path: Path, method: Halves
) -> None:
    open_song(controller, qtbot, song_path)
    separate(controller, qtbot, method)
    for stem in controller.project.stems:
        controller.set_muted(stem.id, True)
    controller.unmute_all()
    assert [lane.muted for lane in controller.project.lanes] == [True, False, False]
    assert controller.document.undo_name == "Unmute all"


def test_transport_without_a_song_does_nothing(controller) -> None:
    controller.play_pause()
    controller.stop()
    controller.separate()
    controller.undo()
    assert not controller.player.playing
    assert controller.jobs == ()


def test_an_export_tells_where_its_files_are(
    controller, qtbot: QtBot, song_path: Path, tmp_path: Path, method: Halves
) -> None:
    open_song(controller, qtbot, song_path)
    separate(controller, qtbot, method)
    project = controller.project
    controller.export(ExportRequest(project.song, stem_items(project), tmp_path / "out", "{stem}"))
    qtbot.waitUntil(lambda: bool(controller.told) and not controller.jobs, timeout=10000)
    assert [notice.kind for notice in controller.told] == [INFO]
    assert controller.told[0].folder == tmp_path / "out"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["Left.wav", "Right.wav"]


def test_an_export_that_would_clip_asks(controller, qtbot: QtBot, tmp_path: Path, method: Halves) -> None:
    open_song(controller, qtbot, write_wav(tmp_path / "Loud.wav", tone(440, 1.0, level=3.0)))
    separate(controller, qtbot, method)
    project = controller.project
    asked: list[ExportQuestion] = []
    controller.asked.connect(asked.append)
    controller.export(ExportRequest(project.song, stem_items(project), tmp_path / "out", "{stem}"))
    qtbot.waitUntil(lambda: bool(asked), timeout=10000)
    assert isinstance(asked[0].error, TooLoud)
    qtbot.waitUntil(lambda: controller.jobs == (), timeout=1000)
    assert controller.told == []


def test_a_folded_song_says_so(controller, qtbot: QtBot, tmp_path: Path) -> None:
    six = np.tile(tone(440, 0.5, channels=1), (6, 1))
    open_song(controller, qtbot, write_wav(tmp_path / "Six.wav", six))
    assert controller.project.song.sound.audio.channels == 2
    assert [notice.kind for notice in controller.told] == [WARNING]


def test_the_estimate_is_measured_once_a_method_ran(
    controller, qtbot: QtBot, song_path: Path, method: Halves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_MEASURABLE_S", 0.0)
    assert controller.estimate_s("halves") is None
    open_song(controller, qtbot, song_path)
    assert controller.estimate_s("halves") == pytest.approx(0.4)
    separate(controller, qtbot, method)
    assert controller.estimate_s("halves") != pytest.approx(0.4)


def test_closing_in_the_middle_of_everything_is_quiet(
    controller, qtbot: QtBot, song_path: Path, method: Halves
) -> None:
    open_song(controller, qtbot, song_path)
    controller.separate()
    controller.play_pause()
    qtbot.waitUntil(method.entered.is_set, timeout=5000)
    controller.close()
    assert controller.output.closed
    assert not controller.player.playing
