import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemeditor.audio.buffer import Audio
from stemeditor.mixing.limiter import limited
from stemeditor.mixing.mix import Mix, Strip

RATE = 8000


def mix_of(samples: np.ndarray) -> Mix:
    audio = Audio(samples.astype(np.float32), RATE)
    return Mix((Strip("s", audio),), 1.0, RATE, audio.frames)


def whole(mix: Mix, block: int) -> np.ndarray:
    return np.concatenate(list(limited(mix, block)), axis=1)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**16), frames=st.integers(1, 6000), block=st.integers(1, 3000), level=st.floats(0.1, 30.0))
def test_nothing_exceeds_full_scale_and_the_length_stays(seed: int, frames: int, block: int, level: float) -> None:
    samples = np.random.default_rng(seed).standard_normal((2, frames)) * level
    out = whole(mix_of(samples), max(block, frames // 20 + 1))
    assert out.shape == (2, frames)
    assert np.abs(out).max() <= 1.0


def test_quiet_sound_passes_bit_for_bit() -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, (2, 20000)).astype(np.float32)
    assert np.array_equal(whole(mix_of(samples), 4096), samples)


def test_blocks_do_not_show() -> None:
    samples = np.random.default_rng(2).standard_normal((2, 20000)) * 0.5
    assert np.allclose(whole(mix_of(samples), 1000), whole(mix_of(samples), 20000), atol=1e-6)


def test_far_from_a_peak_the_sound_is_untouched_and_both_sides_move_together() -> None:
    time = np.arange(4 * RATE) / RATE
    samples = np.stack([0.5 * np.sin(2 * np.pi * 100 * time), 0.25 * np.sin(2 * np.pi * 100 * time)])
    samples[0, 2 * RATE] = 4.0
    out = whole(mix_of(samples), 5000)
    far = np.abs(np.arange(4 * RATE) - 2 * RATE) > 0.07 * RATE
    assert np.array_equal(out[:, far], samples.astype(np.float32)[:, far])
    near = ~far & (np.abs(samples[1]) > 0.1)
    near[2 * RATE] = False
    assert np.allclose(out[0, near] / out[1, near], samples[0, near] / samples[1, near], rtol=1e-4)


@pytest.mark.parametrize("frames", [0, 1])
def test_tiny_mixes(frames: int) -> None:
    pieces = list(limited(mix_of(np.full((2, frames), 3.0)), 100))
    assert sum(piece.shape[1] for piece in pieces) == frames
