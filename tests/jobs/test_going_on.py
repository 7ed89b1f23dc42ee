"""Separations that were stopped go on where they were; what a method did once makes the next estimate."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stemeditor import settings
from stemeditor.errors import Cancelled
from stemeditor.jobs import speeds, tasks, unfinished
from stemeditor.jobs.tasks import Grown, SeparateRequest, separate_song
from stemeditor.methods import registry, trained
from stemeditor.methods.base import OVERLAP, SHIFTS, MethodInfo, Params, Remark, Stems
from stemeditor.methods.pretrained import OVERLAP_PARAM, SHIFTS_PARAM
from stemeditor.methods.wiener import PASSES, refined
from stemeditor.progress import Progress, Silent
from stemeditor.settings import Settings
from tests.helpers.sounds import music, song_of

INFO = MethodInfo(
    key="counting",
    name="Counting",
    family="network",
    sentence="Counts.",
    source="None, 2026",
    stems=("left", "right"),
    segment_s=1.0,
    overlap_s=0.2,
    speed=5.0,
)


class Counting:
    """Gives halves, and counts how often it was asked."""

    info = INFO

    def __init__(self) -> None:
        self.calls = 0

    def separate(self, mix, params: Params, progress: Progress) -> Stems:
        self.calls += 1
        progress.post(Remark("Counted."))
        return {name: mix.samples * np.float32(0.3) ** 2 for name in self.info.stems}


class StopAt(Silent):
    """Stops once so much is done."""

    def __init__(self, fraction: float = 2.0) -> None:
        self.fraction = fraction
        self.posted: list[object] = []

    def advance(self, fraction: float, text: str = "") -> None:
        if fraction > self.fraction:
            raise Cancelled

    def post(self, piece: object) -> None:
        self.posted.append(piece)


@pytest.fixture
def method(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    made = Counting()
    monkeypatch.setattr(registry, "load", lambda key: refined(made))
    yield made
    unfinished.forget()


def lanes(result: tasks.Separated) -> dict[str, np.ndarray]:
    return {lane.role: np.array(lane.sound.audio.samples) for lane in result.lanes}


def test_a_stopped_separation_goes_on_and_gives_the_same(method: Counting, tmp_path: Path) -> None:
    song = song_of(music(9.0))
    request = SeparateRequest(song, "counting", {}, tmp_path)
    whole = separate_song(request, Silent())
    needed = method.calls
    method.calls = 0
    with pytest.raises(Cancelled):
        separate_song(request, StopAt(0.6))
    before = method.calls
    assert 0 < before < needed
    method.calls = 0
    progress = StopAt()
    again = separate_song(SeparateRequest(song_of(music(9.0)), "counting", {}, tmp_path), progress)
    assert method.calls < needed - before + 2
    for name, samples in lanes(whole).items():
        assert np.array_equal(lanes(again)[name], samples)
    assert again.sum_error_db == pytest.approx(whole.sum_error_db, abs=1.0)
    grown = [piece.filled for piece in progress.posted if isinstance(piece, Grown)]
    assert grown == sorted(grown)
    assert grown[0] > 0.4 * 9 * 44100
    assert all(lane.sound.peaks.filled == lane.sound.audio.frames for lane in again.lanes)
    method.calls = 0
    separate_song(request, Silent())
    assert method.calls == needed


def test_it_goes_on_in_another_run_of_the_program(method: Counting, tmp_path: Path) -> None:
    request = SeparateRequest(song_of(music(9.0)), "counting", {}, tmp_path)
    whole = separate_song(request, Silent())
    needed, method.calls = method.calls, 0
    with pytest.raises(Cancelled):
        separate_song(request, StopAt(0.6))
    before, method.calls = method.calls, 0
    # Another run knows only what lies on the disk.
    unfinished._kept.clear()
    (entry,) = unfinished._entries()
    assert {file.name for file in entry.iterdir()} == {"0.f32", "1.f32", "2.f32", "sums.json"}
    again = separate_song(SeparateRequest(song_of(music(9.0)), "counting", {}, tmp_path), Silent())
    assert method.calls < needed - before + 2
    for name, samples in lanes(whole).items():
        assert np.array_equal(lanes(again)[name], samples)
    assert unfinished._entries() == []


def test_what_lies_on_the_disk_stays_small_and_never_hurts(
    method: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(level: float) -> SeparateRequest:
        return SeparateRequest(song_of(music(9.0) * np.float32(level)), "counting", {}, tmp_path)

    def stopped(level: float) -> None:
        with pytest.raises(Cancelled):
            separate_song(asked(level), StopAt(0.6))

    for level in (1.0, 0.9, 0.8, 0.7):
        stopped(level)
    assert len(unfinished._entries()) == unfinished._MOST
    # A file that broke off is no beginning.
    unfinished._kept.clear()
    (unfinished._entries()[-1] / "0.f32").write_bytes(b"abc")
    method.calls = 0
    separate_song(asked(0.7), Silent())
    assert method.calls >= 9
    # Nor is one that a disk has spoilt.
    stopped(0.7)
    unfinished._kept.clear()
    (unfinished._folder() / ".DS_Store").touch()
    spoilt = unfinished._entries()[-1] / "1.f32"
    spoilt.write_bytes(bytes(spoilt.stat().st_size))
    method.calls = 0
    separate_song(asked(0.7), Silent())
    assert method.calls >= 9
    # Neither is room taken that others need.
    unfinished.forget()
    monkeypatch.setattr(unfinished, "_LARGEST", 1000)
    stopped(1.0)
    assert unfinished._entries() == []
    monkeypatch.setattr(unfinished, "_folder", lambda: tmp_path / "file" / "below")
    (tmp_path / "file").touch()
    stopped(0.5)


@pytest.mark.parametrize("other", ["song", "params", "stems"])
def test_another_question_begins_anew(method: Counting, tmp_path: Path, other: str) -> None:
    song = song_of(music(9.0))
    request = SeparateRequest(song, "counting", {}, tmp_path)
    separate_song(request, Silent())
    needed, method.calls = method.calls, 0
    with pytest.raises(Cancelled):
        separate_song(request, StopAt(0.6))
    method.calls = 0
    changed = {
        "song": replace(request, song=song_of(music(9.0) * np.float32(0.5))),
        "params": replace(request, params={"wiener": 0, **{"wiener": 1}}),
        "stems": replace(request, stems=("left",)),
    }[other]
    separate_song(changed, Silent())
    assert method.calls == needed


def test_a_remark_of_a_method_reaches_whoever_listens(method: Counting, tmp_path: Path) -> None:
    progress = StopAt()
    separate_song(SeparateRequest(song_of(music(2.0)), "counting", {}, tmp_path), progress)
    assert Remark("Counted.") in progress.posted


def test_estimates_are_measured_and_know_what_parameters_cost(
    method: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert speeds.speed(INFO, {}) == 5.0
    monkeypatch.setattr(tasks, "_MEASURABLE_S", 0.0)
    found = separate_song(SeparateRequest(song_of(music(3.0)), "counting", {}, tmp_path), Silent())
    assert speeds.speed(INFO, {}) == pytest.approx(found.real_time_factor)
    info = replace(INFO, key="other", grid=True, params=(OVERLAP_PARAM, SHIFTS_PARAM))
    assert info.cost({}) == 1.0
    assert info.cost({OVERLAP: 0.5}) == pytest.approx(1.5)
    assert info.cost({SHIFTS: 2}) == pytest.approx(2.0)
    speeds.remember(info, {SHIFTS: 2}, "cpu", 3.0)
    assert speeds.speed(info, {}, "cpu") == pytest.approx(6.0)
    assert speeds.speed(info, {OVERLAP: 0.5, SHIFTS: 2}, "cuda") == pytest.approx(2.0)
    info = replace(info, params=(*info.params, PASSES))
    # The filter behind a method takes its own time, and says nothing of the method's.
    assert speeds.speed(info, {PASSES.name: 4}, "cpu") == pytest.approx(1.0 / (1.0 / 6.0 + 8 * speeds._PASS_S))
    speeds.remember(info, {PASSES.name: 4}, "cpu", 3.0)
    assert speeds.speed(info, {PASSES.name: 4}, "cpu") == pytest.approx(3.0)
    assert speeds.speed(info, {}, "cpu") > 3.0


def test_other_numbers_are_another_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = trained.folder()
    folder.mkdir(parents=True)
    (folder / "mine.safetensors").write_bytes(b"one")
    first = tasks._numbers("own:mine+classic")
    assert tasks._numbers("own:mine+classic") == first
    os.utime(folder / "mine.safetensors", (1, 1))
    assert tasks._numbers("own:mine+classic") != first
    settled = tasks._numbers("htdemucs")
    Settings(settings.file()).set("exact", True)
    assert tasks._numbers("htdemucs") != settled
    settled = tasks._numbers("htdemucs")
    monkeypatch.setattr(tasks, "__version__", "another")
    assert tasks._numbers("htdemucs") != settled
