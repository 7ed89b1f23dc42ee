"""What a long song costs: memory that does not grow with it, and sound as soon as the first piece is there."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stemeditor.audio.buffer import Audio
from stemeditor.methods import demucs, pretrained, registry, runner
from stemeditor.methods.demucs import SOURCES
from stemeditor.methods.engine import Engine
from stemeditor.progress import Progress, Silent
from tests.helpers.networks import RATE, put_demucs

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much memory is used")


@pytest.mark.parametrize(("key", "seconds"), [("hdemucs_mmi", 125), ("compact", 200)])
@pytest.mark.timeout(170)
def test_memory_does_not_grow_with_the_song(key: str, seconds: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.helpers.long_song", key, str(tmp_path), str(seconds)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    levels: list[float] = json.loads(told.splitlines()[-1])
    # Eighty seconds of one stem would be 28 MB, of five 141. In the first quarter things that stay are still made.
    # The medians: behind a single piece, what another thread is about to free may still be there.
    quarter = len(levels) // 4
    assert quarter >= 6
    assert statistics.median(levels[-quarter:]) - statistics.median(levels[quarter : 2 * quarter]) < 15


def test_the_first_piece_comes_after_one_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demucs, "_TRANSFORMER_SEGMENT_S", 1.0)
    put_demucs("htdemucs", "HTDemucs", SOURCES)
    calls: list[int] = []
    original = Engine.__call__

    def counted(self: Engine, sound: torch.Tensor, progress: Progress) -> torch.Tensor:
        calls.append(1)
        return original(self, sound, progress)

    monkeypatch.setattr(Engine, "__call__", counted)
    song = Audio(np.random.default_rng(1).normal(0, 0.1, (2, 20 * RATE)).astype(np.float32), RATE)
    pieces = runner.stream(song, registry.load("htdemucs"), {}, Silent())
    first = next(pieces)
    assert len(calls) == 1
    assert first.stems["vocals"].shape[1] == int(0.75 * RATE)
    pretrained.forget()
