import threading
import time
from weakref import ref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemeditor import threads
from stemeditor.audio.buffer import Audio
from stemeditor.errors import Cancelled, UserError
from stemeditor.methods import device, registry, runner
from stemeditor.methods.base import MethodInfo, Param, Params, Remark, Stems
from stemeditor.methods.masks import ramp_up, shares, soft
from stemeditor.methods.segments import plan
from stemeditor.methods.wiener import refined
from stemeditor.progress import Progress, Silent
from tests.helpers.card import card
from tests.helpers.sounds import music, tone

__all__ = ["card"]


class Toy:
    """A method that keeps what it saw and gives what it is told to."""

    def __init__(self, give=lambda mix: mix.samples * np.float32(0.5), **fields: object) -> None:
        base: dict[str, object] = {
            "key": "toy",
            "name": "Toy",
            "family": "test",
            "sentence": "A toy.",
            "source": "None, 2026",
            "stems": ("left", "right"),
            "rest": "right",
            "segment_s": 1.0,
            "overlap_s": 0.2,
        }
        self.info = MethodInfo(**(base | fields))  # type: ignore[arg-type]
        self.seen: list[Audio] = []
        self._give = give

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        self.seen.append(mix)
        found = self._give(mix)
        return found if isinstance(found, dict) else {"left": found}


def joined(method: Toy, samples: np.ndarray, rate: int = 44100) -> tuple[list[runner.Piece], Stems]:
    pieces = list(runner.stream(Audio(samples, rate), method, {}, Silent()))
    return pieces, {name: np.concatenate([p.stems[name] for p in pieces], axis=1) for name in pieces[0].stems}


def test_pieces_abut_cover_the_song_and_the_first_is_short() -> None:
    samples = music(5.3)
    pieces, stems = joined(Toy(), samples)
    position = 0
    for piece in pieces:
        assert piece.start == position
        position += piece.stems["left"].shape[1]
    assert position == samples.shape[1]
    assert pieces[0].stems["left"].shape[1] < pieces[1].stems["left"].shape[1]
    assert np.allclose(stems["left"], samples * 0.5, atol=1e-6)


def test_a_method_that_has_no_stem_for_the_rest_gets_a_residual() -> None:
    samples = music(1.5)
    method = Toy(lambda mix: {"left": mix.samples * 0.25, "right": mix.samples * 0.25}, rest=None)
    _, stems = joined(method, samples)
    assert list(stems) == ["left", "right", "residual"]
    assert np.allclose(stems["residual"], samples * 0.5, atol=1e-6)


def test_a_graphics_card_does_not_wait_for_the_processor(card: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_AT_WORK", 2)
    samples = music(20.3)
    meeting = threading.Barrier(2, timeout=30)
    at_work: list[int] = [0]
    most: list[int] = []

    def give(mix: Audio) -> np.ndarray:
        at_work[0] += 1
        if len(net.seen) < 3:
            meeting.wait()
        most.append(at_work[0])
        at_work[0] -= 1
        return mix.samples * np.float32(0.5)

    net = Toy(give, family="network")
    pieces = runner.stream(Audio(samples, 44100), net, {}, Silent())
    first = next(pieces)
    # Those that come next are on their way, and no more.
    assert 2 <= len(net.seen) <= 1 + runner._AHEAD
    rest = [first, *pieces]
    assert max(most) == 2
    assert threading.active_count() == 1
    found = np.concatenate([piece.stems["left"] for piece in rest], axis=1)
    assert np.array_equal(found, joined(Toy(), samples)[1]["left"])
    with device.using(device.CPU):
        alone = Toy(family="network")
        next(runner.stream(Audio(samples, 44100), alone, {}, Silent()))
    assert len(alone.seen) == 1


def test_while_a_card_computes_pieces_the_processor_prepares_others(
    card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_AT_WORK", 2)
    meeting = threading.Barrier(runner._AHEAD, timeout=30)

    def give(mix: Audio) -> np.ndarray:
        with threads.elsewhere():
            meeting.wait()
        return mix.samples * np.float32(0.5)

    # All segments but the first, which ends behind 0.4 s, begin 0.8 s apart.
    net = Toy(give, family="network")
    samples = music(0.4 + 0.8 * (2 * runner._AHEAD - 1))
    found = np.concatenate(
        [piece.stems["left"] for piece in runner.stream(Audio(samples, 44100), net, {}, Silent())], axis=1
    )
    assert len(net.seen) == 2 * runner._AHEAD
    assert np.allclose(found, samples * 0.5, atol=1e-6)


def test_a_remark_is_heard_once() -> None:
    heard: list[object] = []

    class Watched(Silent):
        def post(self, piece: object) -> None:
            heard.append(piece)

    class Troubled(Toy):
        def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
            progress.post(Remark("The card is full."))
            progress.post("a piece")
            return super().separate(mix, params, progress)

    pieces = list(runner.stream(Audio(music(3.0), 44100), Troubled(), {}, Watched()))
    assert heard.count(Remark("The card is full.")) == 1
    assert heard.count("a piece") == len(pieces) > 2


def test_what_was_begun_ahead_ends_with_the_rest(card: None) -> None:
    def give(mix: Audio) -> np.ndarray:
        if len(net.seen) > 3:
            raise Cancelled
        assert device.chosen().key == "xpu"
        return mix.samples

    net = Toy(give, family="network")
    with device.using("xpu"), pytest.raises(Cancelled):
        list(runner.stream(Audio(music(8.0), 44100), net, {}, Silent()))
    assert len(net.seen) <= 4 + runner._AHEAD
    slow = Toy(lambda mix: time.sleep(0.05) or mix.samples, family="network")
    abandoned = runner.stream(Audio(music(20.0), 44100), slow, {}, Silent())
    next(abandoned)
    abandoned.close()
    assert threading.active_count() == 1
    # What had a turn was done; what waited for one ended.
    assert len(slow.seen) < runner._AHEAD


def test_nothing_of_a_piece_is_kept_while_the_next_is_computed() -> None:
    given: list[ref[np.ndarray]] = []
    kept: list[int] = []

    def give(mix: Audio) -> np.ndarray:
        kept.append(sum(one() is not None for one in given))
        found = mix.samples * np.float32(0.5)
        given.append(ref(found))
        return found

    for _ in runner.stream(Audio(music(5.3), 44100), Toy(give), {}, Silent()):
        pass
    assert len(kept) > 4
    assert not any(kept)


class Several(Toy):
    """One that is quicker with three pieces at a time."""

    together = 3

    def __init__(self, **fields: object) -> None:
        super().__init__(**fields)
        self.counts: list[int] = []

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        self.counts.append(1)
        return super().separate(mix, params, progress)

    def separate_all(self, mixes: list[Audio], params: Params, progress: Progress) -> list[Stems]:
        self.counts.append(len(mixes))
        return [super(Several, self).separate(mix, params, progress) for mix in mixes]


@pytest.mark.parametrize("passes", [0, 1])
def test_a_method_gets_several_pieces_at_a_time_if_it_likes_and_the_first_alone(passes: int) -> None:
    samples = music(6.0, rate=22050)
    several, one = Several(rate=44100, channels=1), Toy(rate=44100, channels=1)
    found, alone = (
        list(runner.stream(Audio(samples, 22050), refined(method), {"wiener": passes}, Silent()))
        for method in (several, one)
    )
    assert several.counts[0] == 1
    assert several.counts[1:-1] == [3] * (len(several.counts) - 2)
    assert sum(several.counts) == len(one.seen) == len(several.seen)
    assert len(several.counts) >= 3
    for piece, other in zip(found, alone, strict=True):
        assert piece.start == other.start
        assert all(np.array_equal(piece.stems[name], other.stems[name]) for name in piece.stems)


def test_rate_and_channels_are_adapted_and_brought_back() -> None:
    method = Toy(lambda mix: mix.samples.copy(), rate=16000, channels=1)
    samples = tone(440, 2.7, rate=44100)
    _, stems = joined(method, samples)
    assert {(mix.rate, mix.channels) for mix in method.seen} == {(16000, 1)}
    assert stems["left"].shape == samples.shape
    inside = slice(4410, -4410)
    assert np.abs(stems["left"] - samples)[:, inside].max() < 1e-3


def test_a_method_that_wants_the_whole_song_gets_it_at_once() -> None:
    method = Toy(segment_s=None)
    samples = music(3.0)
    joined(method, samples)
    assert [mix.frames for mix in method.seen] == [samples.shape[1]]


def test_an_empty_song_gives_nothing() -> None:
    assert list(runner.stream(Audio.silence(2, 0, 44100), Toy(), {}, Silent())) == []


@pytest.mark.parametrize(
    ("give", "words"),
    [
        (lambda mix: {"centre": mix.samples}, "promised the stems"),
        (lambda mix: {}, "promised the stems"),
        (lambda mix: mix.samples[:, :-1], "the shape"),
        (lambda mix: mix.samples[:1], "the shape"),
        (lambda mix: mix.samples * np.float32(np.nan), "no numbers"),
    ],
)
def test_a_broken_promise_is_a_bug(give, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        joined(Toy(give), music(0.5))


@pytest.mark.parametrize("params", [{"depth": 11.0}, {"depth": "deep"}, {"width": 1.0}, {"depth": True}])
def test_wrong_parameters_are_told(params: Params) -> None:
    method = Toy(params=(Param("depth", "Depth", 1.0, "Deeper.", 0.0, 10.0, "m"),))
    with pytest.raises(UserError):
        list(runner.stream(Audio(music(0.2), 44100), method, params, Silent()))


@given(frames=st.integers(1, 5000), segment=st.integers(3, 900), share=st.floats(0, 0.49), first=st.floats(0.05, 1))
def test_segments_abut_and_their_weights_sum_to_one(frames: int, segment: int, share: float, first: float) -> None:
    overlap = min(int(segment * share), (segment - 1) // 2)
    weights = np.zeros(frames)
    stop = 0
    for part in plan(frames, segment, overlap, round(segment * first)):
        assert 0 <= part.start < part.stop <= frames
        assert part.frames <= 2 * segment
        assert part.weights.shape == (part.frames,)
        weights[part.start : part.stop] += part.weights
        stop = part.stop
    assert stop == frames
    assert np.allclose(weights, 1.0, atol=1e-5)


@given(frames=st.integers(1, 5000), segment=st.integers(3, 900), share=st.floats(0, 0.49))
def test_whole_segments_are_heard_however_short_the_last_piece_is(frames: int, segment: int, share: float) -> None:
    overlap = min(int(segment * share), (segment - 1) // 2)
    weights = np.zeros(frames)
    for part in plan(frames, segment, overlap, segment // 3, whole=True):
        assert part.read_stop - part.read_start == min(segment, frames)
        assert 0 <= part.read_start <= part.start < part.stop <= part.read_stop <= frames
        weights[part.start : part.stop] += part.weights
    assert part.stop == frames
    assert np.allclose(weights, 1.0, atol=1e-5)


def test_an_overlap_that_does_not_fit_is_a_bug() -> None:
    with pytest.raises(ValueError, match="overlap"):
        list(plan(100, 10, 5))


@given(st.integers(0, 2**16))
def test_masks_share_out_what_is_there(seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.uniform(0.01, 1, (3, 5, 7)).astype(np.float32)
    assert np.allclose(shares(levels).sum(axis=0), 1.0, atol=1e-5)
    mask = soft(levels[0], levels[1])
    assert ((mask >= 0) & (mask <= 1)).all()
    assert np.allclose(mask + soft(levels[1], levels[0]), 1.0, atol=1e-4)
    assert np.allclose(soft(levels[0], levels[1], 1.0), levels[0] / (levels[0] + levels[1]), atol=1e-5)


def test_a_ramp_rises_from_nothing_to_all() -> None:
    ramp = ramp_up(np.array([0, 50, 100, 150, 200, 5000], np.float32), 100, 200)[:, 0]
    assert ramp[[0, 1, 2]] == pytest.approx(0.0)
    assert ramp[[4, 5]] == pytest.approx(1.0)
    assert 0 < ramp[3] < 1


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean classic"):
        registry.load("clasic")
    assert registry.keys()[0] == registry.default() == registry.DEFAULT


def test_where_nothing_computes_networks_the_default_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    assert registry.default() == registry.PLAIN == "classic"
    monkeypatch.setattr(registry, "find_spec", lambda name: name == "torch" or None)
    assert registry.default() == registry.DEFAULT


class Student(Toy):
    """A method that listens first, and then knows the song's peak."""

    def __init__(self, **fields: object) -> None:
        super().__init__(**fields)
        self.heard: list[Audio] = []

    def learn(self, song: Audio, params: Params, progress: Progress) -> Toy:
        self.heard.append(song)
        progress.advance(1.0)
        peak = np.abs(song.samples).max()
        return Toy(lambda mix: np.full_like(mix.samples, peak))


def test_a_method_that_learns_hears_the_whole_song_once() -> None:
    samples = music(3.0)
    student = Student()
    _, stems = joined(student, samples)
    assert [song.frames for song in student.heard] == [samples.shape[1]]
    assert np.allclose(stems["left"], np.abs(samples).max())
    assert not student.seen, "the pieces go to what has learned"


def test_what_has_learned_does_not_learn_again() -> None:
    song = Audio(music(1.0), 44100)
    student = Student()
    ready = runner.learned(song, student, {}, Silent())
    assert runner.learned(song, ready, {}, Silent()) is ready
    assert len(student.heard) == 1


@pytest.mark.parametrize(
    ("samples", "words"),
    [(music(1.0)[:1], "mono"), (tone(220, 1.0), "level"), (np.array([[1.0], [0.4]]) * tone(220, 1.0), "level")],
)
def test_a_song_without_stereo_is_told_and_another_method_named(samples: np.ndarray, words: str) -> None:
    method = Toy(stereo=True, instead="hpss")
    with pytest.raises(UserError, match=words) as told:
        joined(method, samples.astype(np.float32))
    assert "hpss" in told.value.hint
    assert not method.seen


def test_real_stereo_and_silence_are_for_everybody() -> None:
    for samples in (music(1.0), np.zeros((2, 4410), np.float32)):
        assert runner.unsuited(Audio(samples, 44100), Toy(stereo=True).info) == ""
    assert runner.unsuited(Audio(tone(220, 1.0), 44100), Toy().info) == ""
