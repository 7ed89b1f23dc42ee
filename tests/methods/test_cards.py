"""Networks on a graphics card: in which thread, how many at a time, and what becomes of them when it cannot go on."""

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weakref import ref

import numpy as np
import pytest
import torch

from stemeditor.audio.buffer import Audio
from stemeditor.errors import Cancelled
from stemeditor.jobs import speeds, tasks
from stemeditor.jobs.tasks import SeparateRequest, separate_song
from stemeditor.methods import cards, device, placed, pretrained, pytorch, registry, runner
from stemeditor.methods.base import MethodInfo, Params, Stems
from stemeditor.methods.demucs import SOURCES
from stemeditor.methods.device import Separation
from stemeditor.methods.engine import Engine
from stemeditor.methods.exported import Array
from stemeditor.progress import Progress, Silent, Stoppable
from tests.helpers.card import Remarks, card, computed, put, wave
from tests.helpers.networks import put_demucs
from tests.helpers.sounds import song_of

RATE = 1000

__all__ = ["card"]


class Card:
    """A card with so much room, and what happens on it."""

    def __init__(self, room: int = 10**9) -> None:
        self.room = room
        self.words = ""
        self.tried: list[int] = []
        self.threads: set[threading.Thread] = set()
        self.at_work = 0
        self.most_at_work = 0
        self.held: list[ref[torch.Tensor]] = []

    def net(self, weight: int = 0, s: float = 0.0) -> "Net":
        return Net(self, weight, s)


class Net(torch.nn.Module):
    """Gives its sound twice over; on the card it takes room, for its weights and for each frame."""

    def __init__(self, there: Card, weight: int, s: float) -> None:
        super().__init__()
        self.there, self.weight, self.s = there, weight, s
        self.taken = 0

    def to(self, place: str) -> "Net":  # type: ignore[override]
        if place == "cpu":
            assert not self.taken, "nothing comes back from a card"
            return self
        self.there.threads.add(threading.current_thread())
        if self.there.words:
            raise RuntimeError(self.there.words)
        if self.weight > self.there.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.taken = self.weight
        self.there.room -= self.taken
        return self

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        if threading.current_thread().name.startswith("card"):
            self.on_card(sound)
        return torch.stack([sound, sound], dim=1)

    def on_card(self, sound: torch.Tensor) -> None:
        there = self.there
        there.threads.add(threading.current_thread())
        there.tried.append(sound.shape[-1])
        there.at_work += 1
        there.most_at_work = max(there.most_at_work, there.at_work)
        time.sleep(self.s)
        there.at_work -= 1
        if there.words:
            raise RuntimeError(there.words)
        if sound.shape[-1] * len(sound) > there.room:
            middle = sound * 2
            there.held.append(ref(middle))
            raise torch.OutOfMemoryError("CUDA out of memory.")

    def __del__(self) -> None:
        self.there.room += self.taken


def test_all_that_touches_a_card_happens_in_one_lasting_thread(card: None) -> None:
    there = Card()
    engines = [Engine(lambda: there.net(s=0.01), RATE) for _ in range(3)]
    for _ in range(2):
        with ThreadPoolExecutor(9) as pool:
            for job in [pool.submit(engine, wave(RATE), Silent()) for engine in engines * 3]:
                assert job.result().shape == (2, 2, RATE)
        # Those that waited are gone by then.
        time.sleep(0.5)
    (thread,) = there.threads
    assert thread.name == "card xpu"
    assert thread.daemon
    assert there.most_at_work == 1
    assert len(there.tried) == 18


def test_a_bag_of_networks_has_one_piece_on_the_card_at_a_time(card: None, monkeypatch: pytest.MonkeyPatch) -> None:
    put_demucs("mdx_extra", "HDemucs", SOURCES)
    monkeypatch.setattr(runner, "_AT_WORK", 4)
    at_work, most, threads = [0], [0], set()
    original = placed._computed

    def counted(net: torch.nn.Module, given: torch.Tensor, halves: bool) -> Array:
        threads.add(threading.current_thread())
        at_work[0] += len(given)
        most[0] = max(most[0], at_work[0])
        try:
            return original(net, given, halves)
        finally:
            at_work[0] -= len(given)

    monkeypatch.setattr(placed, "_computed", counted)
    pieces = runner.stream(Audio(wave(44100 * 25), 44100), registry.load("mdx_extra"), {}, Silent())
    assert sum(piece.stems["vocals"].shape[1] for piece in pieces) == 44100 * 25
    pretrained.forget()
    assert most == [1]
    assert len(threads) == 1


def test_what_a_thread_knows_is_known_on_the_card(card: None) -> None:
    with device.using("xpu"):
        assert cards.do("xpu", lambda: device.chosen().key) == "xpu"
        # Not waiting for itself.
        assert cards.do("xpu", lambda: cards.do("xpu", lambda: 5)) == 5
    with pytest.raises(ZeroDivisionError):
        cards.do("xpu", lambda: 1 / 0)


def test_the_thread_ends_once_nothing_is_computed_and_nothing_lies_there(
    card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "_IDLE_S", 0.1)
    there = Card()
    engine = Engine(there.net, RATE)
    engine(wave(RATE), Silent())
    (thread,) = there.threads
    time.sleep(0.5)
    assert thread.is_alive()
    del engine
    thread.join(5)
    assert not thread.is_alive()
    Engine(there.net, RATE)(wave(RATE), Silent())
    assert len(there.threads) == 2
    cards.end()
    for thread in there.threads:
        thread.join(5)
        assert not thread.is_alive()


def test_nobody_who_stops_waits_for_the_card(card: None) -> None:
    there = Card()
    slow, other = (Engine(lambda s=s: there.net(s=s), RATE) for s in (1.5, 0.0))  # type: ignore[misc]
    progress = Stoppable()
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(slow, wave(RATE), progress)]
        while not there.at_work:
            time.sleep(0.001)
        jobs += [pool.submit(engine, wave(RATE), progress) for engine in (slow, other)]
        while cards._cards["xpu"].due < 2 or not slow._batcher._waiting:
            time.sleep(0.001)
        began = time.monotonic()
        progress.cancel()
        for job in jobs:
            with pytest.raises(Cancelled):
                job.result()
        assert time.monotonic() - began < 0.3
        # What had not begun does not begin.
        assert np.array_equal(other(wave(RATE), Silent())[0], wave(RATE))
    assert len(there.tried) == 2


def test_while_a_card_computes_another_network_the_processor_prepares_pieces(card: None) -> None:
    there = Card()
    first, second = Engine(lambda: there.net(s=0.5), RATE), Engine(there.net, RATE)
    turns = runner.Turns(1)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(first, wave(RATE), Silent())
        while not there.at_work:
            time.sleep(0.001)

        def waits() -> Array:
            with turns.turn(0):
                return second(wave(RATE), Silent())

        waiting = pool.submit(waits)
        time.sleep(0.1)
        with turns.turn(1):
            assert not slow.done()
        assert waiting.result().shape == (2, 2, RATE)
    assert turns._free == 1


def test_a_lost_card_keeps_its_network_and_the_processor_reads_it_anew(card: None) -> None:
    there = Card()
    engine, remarks = Engine(lambda: there.net(5), RATE), Remarks()
    sound = wave(RATE)
    engine(sound, remarks)
    there.words = "CUDA error: unspecified launch failure"
    with device.separating(Separation()):
        assert np.array_equal(engine(sound, remarks), np.stack([sound, sound]))
        assert engine.program == "PyTorch on cpu"
        assert len(remarks.texts) == 1
        engine(sound, remarks)
    assert there.tried == [RATE] * 2
    there.words = ""
    with device.separating(Separation()):
        for _ in range(2):
            engine(sound, remarks)
    # It is not asked again, and said to the next song, too.
    assert there.tried == [RATE] * 2
    assert remarks.texts == ["The graphics card does not answer: going on on the processor, which takes longer."] * 2


def test_a_full_memory_is_one_songs_trouble(card: None) -> None:
    there = Card(RATE - 1)
    engine, remarks = Engine(there.net, RATE, False), Remarks()
    sound = wave(RATE)
    for _ in range(2):
        separation = Separation()
        with device.separating(separation):
            engine(sound, remarks)
            engine(sound, remarks)
        assert separation.places == ["cpu", "cpu"]
    # Once more when its memory holds nothing else.
    assert there.tried == [RATE] * 4
    assert remarks.texts == ["The graphics card's memory is full: going on on the processor, which takes longer."] * 2
    there.room = RATE
    separation = Separation()
    with device.separating(separation):
        engine(sound, remarks)
    assert separation.places == ["xpu"]
    assert len(remarks.texts) == 2


def test_nothing_of_a_failed_try_is_held_when_memory_is_given_back(card: None, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Card(RATE - 1)
    alive: list[int] = []
    monkeypatch.setattr(cards, "_free", lambda place: alive.append(sum(one() is not None for one in there.held)))
    gc.disable()
    try:
        Engine(there.net, RATE, False)(wave(RATE), Silent())
        assert len(there.held) == 2
        assert alive == [0, 0]
    finally:
        gc.enable()


def test_idle_networks_make_room(card: None) -> None:
    there = Card(100_000)
    first, second = (Engine(lambda: there.net(90_000), RATE, False) for _ in range(2))
    remarks = Remarks()
    first(wave(RATE), remarks)
    with device.separating(Separation()):
        second(wave(RATE), remarks)
        assert (first.place, second.place) == ("cpu", "xpu")
        # One that takes part in a separation stays: they would only drive each other out.
        first(wave(RATE), remarks)
        assert second.place == "xpu"
    assert remarks.texts == ["The graphics card's memory is full: going on on the processor, which takes longer."]
    first(wave(RATE), remarks)
    assert (first.place, second.place) == ("xpu", "cpu")
    assert len(remarks.texts) == 1


def test_what_does_not_fit_is_cut_without_being_tried_again(card: None) -> None:
    there = Card(10 * RATE)
    engine, sound = Engine(there.net, RATE), wave(16 * RATE + 1)
    with device.separating(Separation()):
        for _ in range(2):
            assert np.allclose(engine(sound, Silent()), np.stack([sound, sound]), atol=1e-6)
    assert there.tried == [16001, 16001, 8500, 8501, 8500, 8501]


@pytest.mark.parametrize("frames", [16_000, 16_001, 16_063, 31_111])
def test_what_is_cut_fits_together_where_it_is_one_number_for_many_frames(card: None, frames: int) -> None:
    there, step = Card(10 * RATE), 64

    class Hops(Net):
        """Gives the sound at each hop, and nothing where there is no sound."""

        def forward(self, sound: torch.Tensor) -> torch.Tensor:
            super().forward(sound)
            hops = -(-sound.shape[-1] // step) + 1
            return torch.nn.functional.pad(sound, (0, hops * step - sound.shape[-1]))[..., ::step][:, None]

    sound = wave(frames)
    found = Engine(lambda: Hops(there, 0, 0.0), RATE, step=step)(sound, Silent())
    hops = -(-frames // step) + 1
    expected = np.pad(sound, ((0, 0), (0, hops * step - frames)))[:, ::step]
    assert found.shape == (1, 2, hops)
    assert np.allclose(found[0], expected, atol=1e-6)
    assert len(there.tried) > 3


def test_a_song_leaves_no_cache_behind(card: None, monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[str] = []
    monkeypatch.setattr(cards, "_free", freed.append)
    monkeypatch.setattr(cards, "_REST_S", 0.2)
    engine = Engine(Card().net, RATE)
    method = Twice(engine)
    for _ in runner.stream(Audio(wave(3 * RATE), RATE), method, {}, Silent()):
        pass
    assert freed == []
    time.sleep(0.8)
    assert freed == ["xpu"]
    assert engine.place == "xpu"
    # Also when all of them are done with.
    cards.do("xpu", lambda: None)
    cards.end()
    time.sleep(0.1)
    assert freed == ["xpu"] * 2


class Twice:
    """A method whose one network gives two stems."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.info = MethodInfo(
            key="twice",
            name="Twice",
            family="network",
            sentence="",
            source="",
            stems=("one", "two"),
            segment_s=1.0,
            overlap_s=0.1,
        )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        return dict(zip(("one", "two"), self.engine(mix.samples, progress), strict=True))


@pytest.mark.parametrize(("fails", "told"), [(0, "xpu"), (2, "xpu"), (11, "cpu")])
def test_what_computed_is_told_and_remembered(
    card: None, fails: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a card did not do is not its speed."""
    there = Card()
    original = Net.on_card

    def failing(net: Net, sound: torch.Tensor) -> None:
        there.words = "CUDA error: gone" if len(there.tried) >= 11 - fails else ""
        original(net, sound)

    monkeypatch.setattr(Net, "on_card", failing)
    monkeypatch.setattr(registry, "load", lambda key: Twice(Engine(there.net, RATE)))
    monkeypatch.setattr(tasks, "_MEASURABLE_S", 0.1)
    noted: list[str] = []
    monkeypatch.setattr(speeds, "remember", lambda info, params, place, factor: noted.append(place))
    result = separate_song(SeparateRequest(song_of(wave(9 * RATE), RATE), "twice", {}, tmp_path), Silent())
    assert result.device == told
    assert noted == ([] if 0 < fails < 11 else [told])


@pytest.mark.parametrize("words", ["CUDA out of memory.", "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED", "who knows"])
def test_what_cannot_be_measured_costs_neither_piece_nor_card(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put("cuda", monkeypatch)
    asked: list[str] = []

    def failing(what: str) -> Callable[..., float]:
        def fail(*given: object) -> float:
            asked.append(what)
            raise RuntimeError(words)

        return fail

    monkeypatch.setattr(pytorch, "gain_of_halves", failing("halves"))
    monkeypatch.setattr(pytorch, "gain_of_several", failing("several"))
    sounds = [wave(RATE)] * 9
    engine = Engine(Card().net, RATE, False)
    for _ in range(2):
        assert all(np.array_equal(found, np.stack([sounds[0]] * 2)) for found in computed(engine, sounds))
        assert engine.place == "cuda"
    # Once a song: another time there may be more room.
    assert asked == ["halves", "several"] * 2


class Loud(torch.nn.Module):
    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        return torch.stack([sound * 1e6, sound], dim=1)


def halves_of(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Let halves be worth it, and too narrow for large numbers; return how pieces are computed from now on."""
    put("cuda", monkeypatch)
    monkeypatch.setattr(pytorch, "gain_of_halves", lambda *given: 2.0)
    chosen: list[bool] = []
    original = placed._computed

    def narrow(net: torch.nn.Module, given: torch.Tensor, halves: bool) -> Array:
        chosen.append(halves)
        plain = original(net, given, False)
        return np.where(np.abs(plain) < 65504, plain, np.float32(np.inf)) if halves else plain

    monkeypatch.setattr(placed, "_computed", narrow)
    return chosen


def test_what_half_precision_cannot_hold_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = halves_of(monkeypatch)
    engine, sound = Engine(Loud, RATE), wave(RATE)
    for _ in range(2):
        assert np.array_equal(engine(sound, Silent())[0], sound * np.float32(1e6))
    assert chosen == [True, False, False]


def test_a_card_that_lacks_something_in_half_precision_computes_in_single(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = halves_of(monkeypatch)
    narrow = placed._computed

    def lacking(net: torch.nn.Module, given: torch.Tensor, halves: bool) -> Array:
        if halves:
            chosen.append(halves)
            raise RuntimeError("GET was unable to find an engine to execute this computation")
        return narrow(net, given, halves)

    monkeypatch.setattr(placed, "_computed", lacking)
    remarks, sound = Remarks(), wave(RATE)
    engine = Engine(Loud, RATE)
    for _ in range(2):
        engine(sound, remarks)
    assert chosen == [True, False, False]
    assert not remarks.texts


def test_what_is_remembered_is_of_one_network_and_pieces_of_about_one_length(
    card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placed, "_TELLING", 10 * RATE)
    asked: list[tuple[int, ...]] = []

    def gain(net: torch.nn.Module, given: torch.Tensor, count: int, halves: bool) -> float:
        asked.append(tuple(given.shape))
        return 2.0

    monkeypatch.setattr(pytorch, "gain_of_several", gain)
    small = Engine(lambda: torch.nn.Sequential(torch.nn.Conv1d(2, 2, 1)), RATE)
    large = Engine(lambda: torch.nn.Sequential(torch.nn.Conv1d(2, 2, 3, padding=1)), RATE)
    # What is short tells nothing.
    for frames in (RATE, 6 * RATE, 7 * RATE, 20 * RATE):
        computed(small, [wave(frames)] * 5)
        computed(large, [wave(frames)] * 5)
    assert asked == [(1, 2, frames) for frames in (6 * RATE, 6 * RATE, 20 * RATE, 20 * RATE)]
    again = Engine(lambda: torch.nn.Sequential(torch.nn.Conv1d(2, 2, 1)), RATE)
    computed(again, [wave(6 * RATE)] * 5)
    assert len(asked) == 4


def test_only_the_processor_wants_pieces_of_one_length(card: None) -> None:
    from stemeditor.methods import exported

    class Fixed:
        def fits(self, length: int) -> bool:
            return False

    engine = Engine(Card().net, RATE, form=exported.Form(Path("x"), Fixed(), lambda net: net))  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exported, "usable", lambda form: True)
        assert not engine.shaped
        with device.using("cpu"):
            assert engine.shaped


def test_which_pieces_go_together_depends_on_the_song_alone(card: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others at once are other last bits."""
    monkeypatch.setattr(pytorch, "gain_of_several", lambda *given: 2.0)
    monkeypatch.setattr(runner, "_AT_WORK", 3)
    chance = np.random.default_rng()
    asked: list[list[float]] = []

    class Noting(torch.nn.Module):
        def forward(self, sound: torch.Tensor) -> torch.Tensor:
            asked.append(sound[:, 0, 0].tolist())
            time.sleep(float(chance.uniform(0, 0.02)))
            return torch.stack([sound, sound], dim=1)

    class Uneven(Twice):
        def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
            time.sleep(float(chance.uniform(0, 0.05)))
            found = super().separate(mix, params, progress)
            # A second look at some, by another network.
            if mix.samples[0, 0] > 0:
                other(mix.samples, progress)
            return found

    song = Audio(wave(20 * RATE), RATE)
    seen = []
    for _ in range(3):
        asked.clear()
        engine, other = Engine(Noting, RATE), Engine(Noting, RATE)
        for _ in runner.stream(song, Uneven(engine), {}, Silent()):
            pass
        assert {len(group) for group in asked} == {1, 4}
        seen.append(sorted(asked))
    assert seen[0] == seen[1] == seen[2]


def test_a_piece_that_fails_or_is_stopped_does_not_hold_up_its_group(
    card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytorch, "gain_of_several", lambda *given: 2.0)

    class Failing(Twice):
        def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
            if mix.samples[0, 0] == broken:
                raise ZeroDivisionError
            return super().separate(mix, params, progress)

    song = Audio(wave(20 * RATE), RATE)
    broken = song.samples[0, 400 - 100 + 3 * 900]
    engine = Engine(Card().net, RATE)
    with pytest.raises(ZeroDivisionError):
        for _ in runner.stream(song, Failing(engine), {}, Silent()):
            pass
    progress = Stoppable()
    pieces = runner.stream(song, Twice(engine), {}, progress)
    next(pieces)
    progress.cancel()
    with pytest.raises(Cancelled):
        list(pieces)
