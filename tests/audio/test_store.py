"""Sound on its way: whole at every moment, small in memory, gone when nobody holds it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemeditor.audio import store as module
from stemeditor.audio.buffer import Audio
from stemeditor.audio.store import SoundStore, release_pages
from stemeditor.errors import FileProblem


def noise(frames: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (channels, frames)).astype(np.float32)


@settings(deadline=None, max_examples=25)
@given(
    pieces=st.lists(st.integers(1, 5000), min_size=1, max_size=12),
    expected=st.integers(0, 30000),
    spare=st.integers(0, 5000),
)
def test_pieces_of_any_size_come_back_whole(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[int], expected: int, spare: int
) -> None:
    samples = noise(sum(pieces))
    store = SoundStore(2, 44100, expected, tmp_path_factory.mktemp("store"), spare)
    assert store.audio.frames == expected
    position = 0
    for count in pieces:
        store.append(samples[:, position : position + count])
        position += count
        assert store.filled == position
        assert store.audio.frames == max(expected, position)
    assert np.array_equal(store.finish().samples, samples)
    assert not store.audio.samples[:, position:].any()


def test_a_reader_that_came_early_sees_what_is_written_later(tmp_path: Path) -> None:
    store = SoundStore(1, 8000, 1000, tmp_path)
    early = store.audio
    store.append(noise(400, 1))
    assert np.array_equal(early.samples[:, :400], noise(400, 1))
    assert not early.samples[:, 400:].any()


def test_the_file_has_no_name_and_the_sound_outlives_the_store(tmp_path: Path) -> None:
    store = SoundStore(2, 8000, 1000, tmp_path / "deep" / "folder")
    store.append(noise(1000))
    audio = store.finish()
    del store
    assert list((tmp_path / "deep" / "folder").iterdir()) == []
    release_pages(audio)
    assert np.array_equal(audio.samples, noise(1000))


def test_releasing_sound_that_is_in_memory_does_nothing() -> None:
    audio = Audio(noise(100), 8000)
    release_pages(audio.slice(10, 20))
    assert np.array_equal(audio.samples, noise(100))


def test_a_full_disk_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_allocate", full)
    with pytest.raises(FileProblem, match="No space left"):
        SoundStore(2, 8000, 1000, tmp_path)


def test_a_folder_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileProblem):
        SoundStore(2, 8000, 10, tmp_path / "file" / "folder")


def test_a_folder_that_may_not_be_written_to_is_no_full_disk(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileProblem, match="may not be written to"):
        SoundStore(2, 44100, 100, tmp_path / "file")
