"""Tracker modules as songs with true stems."""

import gzip
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stemeditor.errors import FileProblem, UserError
from stemeditor.progress import Silent
from stemeditor.training import library, modules, openmpt
from stemeditor.training.corpus import RATE
from stemeditor.training.gathering import gathered
from stemeditor.training.modules import Sound
from stemeditor.training.openmpt import Module
from stemeditor.training.plan import parsed

NAMES = ("vocals", "drums", "bass", "other")
PERIODS = (856, 762, 678, 640, 570, 508)
"""Of the Amiga's clock: C-1, D-1, E-1, F-1, G-1, A-1."""

C_HZ = 7093789.2 / (2 * 856)
"""Samples a second at the first of them."""

Voice = tuple[str, np.ndarray, Sequence[int]]

needs_libopenmpt = pytest.mark.skipif(not openmpt.available(), reason="libopenmpt is not here")


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    """Return a tone as it sounds at C-1."""
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * C_HZ)) / C_HZ)


def hiss(seconds: float = 0.08) -> np.ndarray:
    count = round(seconds * C_HZ)
    return np.random.default_rng(1).uniform(-1, 1, count) * np.linspace(1, 0, count)


def written(voices: Sequence[Voice], orders: int = 3) -> bytes:
    """Return a ProTracker module: each voice plays its notes in turn, one every eighth row, in a channel of its own."""
    names, sounds = b"", b""
    for name, sound, _ in voices:
        data = np.round(100 * sound).astype(np.int8)[: len(sound) // 2 * 2].tobytes()
        names += struct.pack(">22sHBBHH", name.encode(), len(data) // 2, 0, 64, 0, 1)
        sounds += data
    names += struct.pack(">22sHBBHH", b"", 0, 0, 0, 0, 1) * (31 - len(voices))
    rows = np.zeros((64, 4, 4), np.uint8)
    for channel, (_, _, notes) in enumerate(voices):
        for turn, row in enumerate(range(2 * channel, 64, 8)):
            period = PERIODS[notes[turn % len(notes)]]
            rows[row, channel] = [period >> 8, period & 255, (channel + 1) << 4, 0]
    return b"song".ljust(20, b"\0") + names + bytes([orders, 127]) + bytes(128) + b"M.K." + rows.tobytes() + sounds


BAND: tuple[Voice, ...] = (
    ("greetings to all", hiss(), (0,)),
    ("", tone(60), (0, 1, 2, 3, 4)),
    ("nice lead", tone(700), (0, 2, 4, 5)),
    ("snare", tone(900, 0.1), (0, 1, 2, 3)),
)


@pytest.fixture
def band(tmp_path: Path) -> Path:
    path = tmp_path / "band.mod"
    path.write_bytes(written(BAND))
    return path


@needs_libopenmpt
def test_instruments_alone_add_up_to_the_module() -> None:
    module = Module(written(BAND))
    assert module.names[:4] == tuple(name for name, _, _ in BAND)
    assert {at: len(set(notes)) for at, notes in module.notes.items()} == {0: 1, 1: 5, 2: 4, 3: 4}
    # Three patterns of 64 rows of six ticks, fifty of which make a second.
    assert module.seconds == pytest.approx(3 * 64 * 6 / 50, abs=0.05)
    whole = module.play(frozenset(range(4)), 10.0)
    assert whole.shape == (2, 10 * RATE)
    assert np.abs(whole).max() > 0.1
    alone = [module.play(frozenset([at]), 10.0) for at in range(4)]
    assert all(np.abs(one).max() > 0.01 for one in alone)
    assert np.abs(sum(alone) - whole).max() < 1e-5
    assert not module.play(frozenset(), 10.0).any()


@needs_libopenmpt
def test_instruments_go_where_they_belong(band: Path) -> None:
    found = modules.stems(band, NAMES)
    assert found is not None
    assert not found[0].any()
    assert np.abs(found.sum(axis=0)).max() == pytest.approx(0.8, abs=1e-3)

    def loudest_hz(sound: np.ndarray) -> float:
        return float(np.argmax(np.abs(np.fft.rfft(sound.mean(axis=0))))) * RATE / sound.shape[1]

    assert 50 < loudest_hz(found[2]) < 110
    assert 650 < loudest_hz(found[3]) < 1200
    # The hiss and the tone that is called a snare.
    assert 850 < loudest_hz(found[1]) < 1600
    power = np.square(np.abs(np.fft.rfft(found[1].mean(axis=0))))
    hz = np.fft.rfftfreq(found.shape[2], 1 / RATE)
    assert 0.05 < power[(hz < 800) | (hz > 1700)].sum() / power.sum() < 0.5
    # Voices of one side alone are heard on both.
    assert np.corrcoef(found[2])[0, 1] > 0.99
    assert 0.05 < np.square(found[2][0]).sum() / np.square(found[2]).sum() < 0.95


@needs_libopenmpt
def test_what_is_compressed_is_the_same_and_what_is_short_is_left_out(band: Path) -> None:
    packed = band.with_suffix(".mod.gz")
    packed.write_bytes(gzip.compress(band.read_bytes()))
    plain, unpacked = modules.stems(band, NAMES), modules.stems(packed, NAMES)
    assert plain is not None
    assert unpacked is not None
    assert np.array_equal(plain, unpacked)
    band.write_bytes(written(BAND, orders=2))
    assert modules.stems(band, NAMES) is None


@pytest.mark.parametrize(
    "spoiled", [lambda packed: b"none", lambda packed: packed[:-20], lambda packed: packed[:40] * 2]
)
def test_what_cannot_be_unpacked_is_refused(tmp_path: Path, spoiled: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "band.mod.gz"
    path.write_bytes(spoiled(gzip.compress(written(BAND))))
    with pytest.raises(FileProblem, match="cannot be unpacked"):
        modules.stems(path, NAMES)


@needs_libopenmpt
def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(FileProblem, match="no tracker module"):
        Module(b"nothing of the kind" * 100)


LOW = Sound(low=0.9, flat=0.0, struck=0.1, active=0.8)
HIGH = replace(LOW, low=0.1)
STROKES = Sound(low=0.9, flat=0.0, struck=0.9, active=0.3)


@pytest.mark.parametrize(
    ("name", "kinds", "sound", "role"),
    [
        ("BassDrum", 9, HIGH, "drums"),
        ("closed hh", 1, HIGH, "drums"),
        ("that is what I want", 9, HIGH, "other"),
        ("slap bass", 2, STROKES, "bass"),
        ("", 2, STROKES, "drums"),
        ("", 5, STROKES, "bass"),
        ("minor chord", 2, STROKES, "bass"),
        ("minor chord", 2, replace(STROKES, low=0.2), "other"),
        ("", 2, replace(STROKES, struck=0.2), "bass"),
        ("", 2, replace(STROKES, struck=0.2, flat=0.3), "drums"),
        ("", 2, replace(STROKES, active=0.9), "bass"),
        ("", 5, LOW, "bass"),
        ("", 5, HIGH, "other"),
    ],
)
def test_a_role_is_told_by_the_name_and_else_by_the_sound(name: str, kinds: int, sound: Sound, role: str) -> None:
    assert modules.role(name, list(range(kinds)) * 3, sound) == role


def test_what_is_heard_of_an_instrument() -> None:
    time = np.arange(2 * RATE) / RATE
    bass = modules.heard(np.stack([np.sin(2 * np.pi * 80 * time)] * 2).astype(np.float32))
    assert bass.low > 0.95
    assert bass.flat < 0.01
    assert bass.active > 0.99
    noise = np.random.default_rng(0).normal(0, 1, len(time)) * np.exp(-(time % 0.5) * 60)
    # Sides of opposite signs are no silence.
    drum = modules.heard(np.stack([noise, -noise]).astype(np.float32))
    assert drum.flat > 0.4
    assert drum.struck > 0.95
    assert drum.active < 0.3
    assert drum.low < 0.05
    assert modules.heard(np.ones((2, 600), np.float32)).low > 0.5


@needs_libopenmpt
def test_modules_are_songs_to_learn_from(band: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "short.mod").write_bytes(written(BAND, orders=1))
    plan = parsed(
        {
            "net": {"type": "unet"},
            "output": str(tmp_path),
            "songs": {"folder": str(tmp_path / "kept"), "modules": str(tmp_path), "seconds": 8.0},
        }
    )
    files, _ = gathered(plan, Silent())
    # Nearly three times as long as a made song: it counts as three.
    assert len(files) == 3
    assert len(set(files)) == 1
    assert library.seconds(files[0]) == pytest.approx(23.04, abs=0.1)
    assert library.open_song(files[0]).shape[:2] == (4, 2)
    before = files[0].stat().st_mtime_ns
    (tmp_path / "broken.xm").write_bytes(b"broken")
    assert gathered(plan, Silent()) == (files, [])
    assert files[0].stat().st_mtime_ns == before
    (record,) = caplog.records
    assert "broken.xm is left out" in record.getMessage()
    caplog.clear()


@needs_libopenmpt
def test_a_folder_without_modules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no tracker modules"):
        library.play(tmp_path / "kept", tmp_path, NAMES, Silent())


def test_a_missing_libopenmpt_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openmpt, "find_library", lambda name: None)
    openmpt._library.cache_clear()
    try:
        with pytest.raises(UserError, match="not installed"):
            Module(written(BAND))
    finally:
        openmpt._library.cache_clear()
