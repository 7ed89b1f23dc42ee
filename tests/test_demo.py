"""The shipped song: it can be made again, and its stems are its truth."""

import importlib.util
from pathlib import Path

import numpy as np
import soundfile

from stemeditor import paths

ROOT = Path(__file__).parent.parent
STEMS = ("vocals", "drums", "bass", "other")


def shipped(name: str) -> np.ndarray:
    samples, rate = soundfile.read(paths.resource("demo", f"{name}.flac"), dtype="int16")
    assert rate == 44100
    return samples.T


def test_the_stems_add_up_exactly() -> None:
    total = sum(shipped(name).astype(np.int32) for name in STEMS)
    assert np.array_equal(total, shipped("demo"))


def test_it_is_loud_enough_and_long_enough_and_every_stem_sounds() -> None:
    song = shipped("demo") / 32768
    assert 28 * 44100 <= song.shape[1] <= 36 * 44100
    assert 0.8 < np.abs(song).max() < 0.95
    for name in STEMS:
        assert np.sqrt(np.square(shipped(name) / 32768).mean()) > 10 ** (-40 / 20), name


def test_the_script_makes_the_same_song_again() -> None:
    spec = importlib.util.spec_from_file_location("make_demo", ROOT / "installer" / "make_demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, samples in module.make().items():
        # Another processor may round the last bit of a sine the other way.
        assert np.abs(samples.astype(np.int32) - shipped(name)).max() <= 1, name
