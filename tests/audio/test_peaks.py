"""The pyramid against brute force, and the store that sound grows in."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.peaks import BASE_FRAMES, Peaks
from stemeditor.audio.store import SoundStore, release_pages
from stemeditor.errors import FileProblem


def noise(channels: int, frames: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).uniform(-1, 1, (channels, frames)).astype(np.float32)


@given(
    st.integers(1, 60_000),
    st.integers(1, 2),
    st.floats(-5000, 60_000),
    st.floats(1, 70_000),
    st.integers(1, 60),
    st.integers(0, 5),
)
@settings(max_examples=150, deadline=None)
def test_a_summary_holds_every_column_and_little_more(
    frames: int, channels: int, start: float, length: float, columns: int, seed: int
) -> None:
    samples = noise(channels, frames, seed)
    peaks = Peaks.of(Audio(samples, 44100))
    found = peaks.summary(start, start + length, columns)
    assert found.minimum.shape == found.maximum.shape == found.rms.shape == (channels, columns)
    per_column = length / columns
    # A column may show up to half a painted column of what is beside it.
    slack = per_column / 2 + 1
    for index in range(columns):
        low, high = start + index * per_column, start + (index + 1) * per_column
        inner = samples[:, max(int(np.ceil(low)), 0) : max(int(np.floor(high)), 0)]
        outer = samples[:, max(int(low - slack), 0) : max(int(np.ceil(high + slack)), 0)]
        if inner.shape[1]:
            assert (found.minimum[:, index] <= inner.min(axis=1)).all()
            assert (found.maximum[:, index] >= inner.max(axis=1)).all()
        if outer.shape[1]:
            assert (found.minimum[:, index] >= np.minimum(outer.min(axis=1), 0)).all()
            assert (found.maximum[:, index] <= np.maximum(outer.max(axis=1), 0)).all()
        else:
            assert not found.minimum[:, index].any()
            assert not found.maximum[:, index].any()
            assert not found.rms[:, index].any()


@given(st.integers(1, 30_000), st.lists(st.integers(1, 9000), max_size=10), st.integers(1, 2))
@settings(max_examples=60, deadline=None)
def test_it_does_not_matter_in_what_pieces_the_sound_comes(frames: int, sizes: list[int], channels: int) -> None:
    audio = Audio(noise(channels, frames), 44100)
    growing = Peaks(audio)
    start = 0
    for size in [*sizes, frames]:
        growing.feed(audio.samples[:, start : start + size])
        start += size
    assert growing.filled == frames
    whole = Peaks.of(audio)
    for columns in (1, 3, 50):
        ours, theirs = growing.summary(0, frames, columns), whole.summary(0, frames, columns)
        assert np.array_equal(ours.minimum, theirs.minimum)
        assert np.array_equal(ours.maximum, theirs.maximum)
        assert np.allclose(ours.rms, theirs.rms, atol=1e-6)
    assert growing.peak() == pytest.approx(float(np.abs(audio.samples).max()))


@pytest.mark.parametrize("columns", [1, 4, 64])
def test_rms_is_the_root_of_the_mean_square(columns: int) -> None:
    frames = BASE_FRAMES * 1024
    samples = noise(2, frames)
    found = Peaks.of(Audio(samples, 44100)).summary(0, frames, columns)
    expected = np.sqrt(np.square(samples.reshape(2, columns, -1)).mean(axis=2))
    assert np.allclose(found.rms, expected, rtol=1e-4)


def test_a_store_grows_and_keeps_every_frame(tmp_path: Path) -> None:
    samples = noise(2, 50_000)
    store = SoundStore(2, 44100, 1000, tmp_path)
    for start in range(0, 50_000, 7000):
        store.append(samples[:, start : start + 7000])
    audio = store.finish()
    assert store.filled == audio.frames == 50_000
    assert np.array_equal(audio.samples, samples)
    release_pages(audio)
    assert np.array_equal(audio.slice(100, 200).samples, samples[:, 100:200])
    with pytest.raises(ValueError, match="read-only"):
        audio.samples[0, 0] = 1.0


def test_sound_outlives_its_store_and_leaves_no_file(tmp_path: Path) -> None:
    store = SoundStore(1, 8000, 0, tmp_path / "made" / "here")
    store.append(np.ones((1, 100), np.float32))
    audio = store.finish()
    del store
    assert audio.samples.sum() == 100
    assert list((tmp_path / "made" / "here").iterdir()) == []


def test_what_is_not_written_yet_is_silent(tmp_path: Path) -> None:
    store = SoundStore(2, 44100, 1000, tmp_path)
    before = store.audio
    store.append(np.ones((2, 10), np.float32))
    assert before.frames == 1000
    assert before.samples[:, :10].all()
    assert not before.samples[:, 10:].any()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="only there the room is taken ahead")
def test_a_full_disk_is_told_before_it_hurts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = SoundStore(2, 44100, 10, tmp_path)
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(FileProblem, match="no room"):
        store.append(np.ones((2, 100), np.float32))
    assert store.filled == 0
    with pytest.raises(FileProblem, match="no room"):
        SoundStore(2, 44100, 10, tmp_path)


def test_an_audio_is_checked_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="channels, frames"):
        Audio(np.zeros(5, np.float32), 44100)
    with pytest.raises(ValueError, match="positive"):
        Audio(np.zeros((1, 5), np.float32), 0)
    audio = Audio(np.zeros((1, 5)), 44100)  # type: ignore[arg-type]
    assert audio.samples.dtype == np.float32
    assert audio.slice(-3, 99).frames == 5
    assert audio.slice(4, 2).frames == 0
