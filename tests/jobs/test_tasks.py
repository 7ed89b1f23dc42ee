from pathlib import Path

import numpy as np
import pytest

from stemeditor.errors import Cancelled, FileProblem, UserError
from stemeditor.jobs.tasks import (
    Grown,
    LoadRequest,
    OpenRequest,
    SeparateRequest,
    SongGrowing,
    StemsGrowing,
    load_true_stems,
    open_song,
    separate_song,
)
from stemeditor.methods import registry
from stemeditor.progress import Silent
from tests.helpers.sounds import RATE, music, song_of, tone, write_wav


class Recorder(Silent):
    """Keeps what was posted, and how the sound looked at that moment."""

    def __init__(self, cancel_after: int | None = None) -> None:
        self.posted: list[object] = []
        self.fractions: list[float] = []
        self._cancel_after = cancel_after

    def advance(self, fraction: float, text: str = "") -> None:
        self.fractions.append(fraction)
        self.check()

    def check(self) -> None:
        if self._cancel_after is not None and len(self.posted) >= self._cancel_after:
            raise Cancelled

    def post(self, piece: object) -> None:
        self.posted.append(piece)


def test_a_song_opens_as_it_is_and_shows_itself_early(tmp_path: Path) -> None:
    samples = music(20.0)
    path = write_wav(tmp_path / "Some song.wav", samples)
    progress = Recorder()
    song = open_song(OpenRequest(path, tmp_path / "cache"), progress)
    assert song.title == "Some song"
    assert np.array_equal(song.sound.audio.samples, samples)
    assert song.sound.peaks.filled == song.sound.audio.frames
    assert isinstance(progress.posted[0], SongGrowing)
    assert all(isinstance(piece, Grown) for piece in progress.posted[1:])
    assert len(progress.posted) > 2
    assert progress.fractions == sorted(progress.fractions)


def test_a_missing_file_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(FileProblem):
        open_song(OpenRequest(tmp_path / "gone.wav", tmp_path), Silent())


def test_nothing_stays_on_disk(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", tone(440, 1.0))
    song = open_song(OpenRequest(path, tmp_path / "cache"), Silent())
    assert song.sound.audio.frames == RATE
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return music(6.0)


def test_a_separation_fills_its_lanes_and_adds_up(tmp_path: Path, samples: np.ndarray) -> None:
    progress = Recorder()
    song = song_of(samples)
    result = separate_song(SeparateRequest(song, registry.DEFAULT, {}, tmp_path), progress)
    growing = progress.posted[0]
    assert isinstance(growing, StemsGrowing)
    assert [lane.id for lane in growing.lanes] == [lane.id for lane in result.lanes]
    assert [lane.role for lane in result.lanes] == ["vocals", "drums", "bass", "other"]
    total = sum(lane.sound.audio.samples.astype(np.float64) for lane in result.lanes)
    assert np.abs(total - samples).max() < 1e-6
    assert result.sum_error_db < -120
    for lane in result.lanes:
        assert lane.sound.audio.rate == song.sound.audio.rate
        assert lane.sound.peaks.filled == song.sound.audio.frames
    last = progress.posted[-1]
    assert isinstance(last, Grown)
    assert last.filled == song.sound.audio.frames


def test_asking_for_some_stems_gives_them_and_the_rest(tmp_path: Path, samples: np.ndarray) -> None:
    request = SeparateRequest(song_of(samples), registry.DEFAULT, {}, tmp_path, stems=("vocals",))
    result = separate_song(request, Silent())
    assert [lane.role for lane in result.lanes] == ["vocals", "rest"]
    total = sum(lane.sound.audio.samples.astype(np.float64) for lane in result.lanes)
    assert np.abs(total - samples).max() < 1e-6


@pytest.mark.parametrize(
    ("method", "params", "stems", "words"),
    [
        ("no_such_method", {}, (), "no_such_method"),
        (registry.DEFAULT, {"no_such_param": 1}, (), "no_such_param"),
        (registry.DEFAULT, {}, ("kazoo",), "kazoo"),
    ],
)
def test_what_does_not_exist_is_told(
    tmp_path: Path, method: str, params: dict, stems: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        separate_song(SeparateRequest(song_of(tone(440, 0.5)), method, params, tmp_path, stems), Silent())


def test_a_separation_can_be_stopped_between_pieces(tmp_path: Path, samples: np.ndarray) -> None:
    with pytest.raises(Cancelled):
        separate_song(SeparateRequest(song_of(samples), registry.DEFAULT, {}, tmp_path), Recorder(cancel_after=1))


def test_a_method_that_listens_first_says_so_and_never_falls_back(tmp_path: Path) -> None:
    progress = Recorder()
    song = song_of(music(5.0))
    request = SeparateRequest(song, "nmf", {"passes": 5, "parts": 6}, tmp_path)
    found = separate_song(request, progress)
    assert progress.fractions == sorted(progress.fractions)
    assert progress.fractions[-1] == 1.0
    assert any(0.1 < fraction < 0.5 for fraction in progress.fractions)
    assert [lane.role for lane in found.lanes] == ["vocals", "drums", "bass", "other"]
    assert found.sum_error_db < -120


def test_true_stems_are_read(tmp_path: Path) -> None:
    from stemeditor.evaluation.datasets import find

    for name, frequency in (("vocals", 440), ("drums", 220)):
        write_wav(tmp_path / f"{name}.wav", tone(frequency, 1.0))
    (reference,) = find(tmp_path)
    found = load_true_stems(LoadRequest(reference, tmp_path / "cache"), Silent())
    assert set(found.stems) == {"vocals", "drums"}
    assert found.song.frames == RATE
