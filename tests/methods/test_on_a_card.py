"""What a real graphics card of NVIDIA's kind finds, where there is one: the same as the processor."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from stemeditor import settings
from stemeditor.audio.buffer import Audio
from stemeditor.methods import cards, device, registry, runner
from stemeditor.methods.demucs import SOURCES
from stemeditor.methods.exported import Array
from stemeditor.progress import Silent
from stemeditor.settings import Settings
from tests.helpers.networks import put_demucs

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no such card here")

RATE = 44100


def found(key: str, song: Array, place: str) -> dict[str, Array]:
    with device.using(place):
        pieces = list(runner.stream(Audio(song, RATE), registry.load(key), {}, Silent()))
    return {name: np.concatenate([piece.stems[name] for piece in pieces], axis=-1) for name in pieces[0].stems}


@pytest.fixture
def exact() -> None:
    Settings(settings.file()).set("exact", True)


@pytest.mark.parametrize("key", ["htdemucs", "hdemucs_mmi", "mdx_extra", "compact"])
@pytest.mark.usefixtures("exact")
def test_it_is_the_same(key: str) -> None:
    """Twelve pieces and more of one length, and a last one of its own."""
    if key != "compact":
        put_demucs(key, "HTDemucs" if key == "htdemucs" else "HDemucs", SOURCES)
    song = np.random.default_rng(1).normal(0, 0.1, (2, 100 * RATE + 777)).astype(np.float32)
    there, here = found(key, song, device.CUDA), found(key, song, device.CPU)
    for name, stem in here.items():
        # Its convolutions take numbers of ten bits.
        assert np.abs(there[name] - stem).max() < 2e-3 * np.abs(stem).max()
    cards.end()


@pytest.mark.usefixtures("exact")
def test_nothing_but_weights_stays_there() -> None:
    song = np.random.default_rng(1).normal(0, 0.1, (2, 100 * RATE)).astype(np.float32)
    found("compact", song, device.CUDA)
    time.sleep(cards._REST_S + 0.5)
    held = cards.do(device.CUDA, torch.cuda.memory_reserved)
    assert held < 120e6
    cards.end()


@pytest.mark.usefixtures("exact")
def test_a_full_card_is_done_with() -> None:
    """With hardly any memory shorter pieces, or the processor, find the same."""
    song = np.random.default_rng(1).normal(0, 0.1, (2, 30 * RATE)).astype(np.float32)
    whole = torch.cuda.get_device_properties(0).total_memory
    cards.do(device.CUDA, torch.cuda.empty_cache)
    try:
        torch.cuda.set_per_process_memory_fraction(150e6 / whole)
        there = found("compact", song, device.CUDA)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    here = found("compact", song, device.CPU)
    for name, stem in here.items():
        # Joins of pieces lie elsewhere.
        assert np.sqrt(np.mean((there[name] - stem) ** 2)) < 0.05 * np.sqrt(np.mean(stem**2))
    cards.end()
