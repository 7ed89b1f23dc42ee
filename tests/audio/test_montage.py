"""Envelopes, and sound that is put together of other sound."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemeditor.audio.band import Band, Filters, _taps, loudest
from stemeditor.audio.buffer import Audio
from stemeditor.audio.envelope import Envelope
from stemeditor.audio.montage import Montage, Part
from stemeditor.audio.peaks import Peaks
from stemeditor.audio.spectrogram import picture

RATE = 44100
FRAMES = 3000

bands = st.sampled_from([(), (), (Band(500.0, 5000.0),), (Band(0.0, 2000.0), Band(500.0, 5000.0))])


@st.composite
def envelopes(draw: st.DrawFn, least: float = -2.0, most: float = 4.0) -> Envelope:
    frames = sorted(draw(st.sets(st.integers(-500, FRAMES + 500), min_size=1, max_size=8)))
    hundredths = st.integers(round(100 * least), round(100 * most)).map(lambda number: number / 100)
    gains = draw(st.lists(hundredths, min_size=len(frames), max_size=len(frames)))
    return Envelope(tuple(zip(frames, gains, strict=True)))


def part(envelope: Envelope, shift: int = 0, channels: int = 2, seed: int = 0, frames: int = FRAMES) -> Part:
    audio = Audio(np.random.default_rng(seed).standard_normal((channels, frames)).astype(np.float32) * 0.1, RATE)
    return Part(Filters(Peaks.of(audio)), envelope, shift)


@given(envelopes(), envelopes())
def test_envelopes_add_at_every_frame_and_multiply_at_their_points(one: Envelope, other: Envelope) -> None:
    places = np.arange(-600, FRAMES + 600)
    assert np.allclose((one + other).at(places), one.at(places) + other.at(places), atol=1e-6)
    points = np.array(sorted({frame for envelope in (one, other) for frame, _ in envelope.points}))
    assert np.allclose((one * other).at(points), one.at(points) * other.at(points), atol=1e-6)


@given(envelopes(), envelopes(least=0.0, most=1.0))
def test_what_is_shared_out_is_whole_again(whole: Envelope, share: Envelope) -> None:
    places = np.arange(-600, FRAMES + 600)
    assert np.allclose((whole * share + whole * share.rest()).at(places), whole.at(places), atol=1e-6)


@given(envelopes(), st.integers(-600, FRAMES + 600), st.integers(1, 900))
def test_constant_says_so_only_where_nothing_changes(envelope: Envelope, start: int, length: int) -> None:
    gains = envelope.at(np.arange(start, start + length))
    level = envelope.constant(start, start + length)
    if level is None:
        around = envelope.at(np.arange(start - 1, start + length + 1))
        assert np.ptp(around) > 0 or any(start - 1 <= frame <= start + length for frame, _ in envelope.points)
    else:
        assert np.allclose(gains, level)


@given(envelopes(), st.integers(-600, FRAMES), st.integers(1, 900))
def test_a_stretch_of_an_envelope_is_the_same_there(envelope: Envelope, start: int, length: int) -> None:
    places = np.arange(start, start + length + 1)
    assert np.allclose(envelope.between(start, start + length).at(places), envelope.at(places), atol=1e-6)


@pytest.mark.parametrize("points", [(), ((5, 1.0), (5, 0.5)), ((5, 1.0), (4, 0.5)), ((0, float("nan")),)])
def test_what_is_no_envelope_is_refused(points: tuple[tuple[int, float], ...]) -> None:
    with pytest.raises(ValueError, match=r"envelope|gain"):
        Envelope(points)


@given(st.integers(0, 2900), st.integers(1, 3000), st.integers(1, 400))
def test_a_window_is_one_inside_and_nothing_outside(start: int, length: int, ramp: int) -> None:
    stop = min(start + length, FRAMES)
    window = Envelope.window(start, stop, FRAMES, ramp)
    gains = window.at(np.arange(FRAMES))
    half = max(min(ramp, stop - start) // 2, 1)
    assert np.all(gains[start + half : max(stop - half, start + half)] == 1.0)
    assert np.all(gains[: max(start - half, 0)] == 0.0)
    assert np.all(gains[stop + half :] == 0.0)
    if start == 0:
        assert gains[0] == 1.0
    if stop == FRAMES and stop - start > 2 * half:
        assert gains[-1] == 1.0
    assert np.abs(np.diff(gains)).max() <= 1 / half + 1e-9 or length < 3


def test_fades_begin_and_end_where_they_should_and_do_not_jump() -> None:
    come, go = (Envelope.fade(1000, 2000, 100, out).at(np.arange(FRAMES)) for out in (False, True))
    assert come[899] == 1.0
    assert come[1000] == 0.0
    assert come[2000:].min() == 1.0
    assert go[:1001].min() == 1.0
    assert go[2000] == 0.0
    assert go[2100:].min() == 1.0
    assert np.all(np.diff(come[1000:2001]) >= 0)
    assert np.all(np.diff(go[1000:2001]) <= 0)
    assert max(np.abs(np.diff(come)).max(), np.abs(np.diff(go)).max()) <= 0.01 + 1e-9
    assert np.allclose(come[1000:2001], 0.5 - 0.5 * np.cos(np.pi * np.arange(1001) / 1000), atol=0.005)
    assert Envelope.fade(0, 2000, 100).at(np.array([0]))[0] == 0.0, "there is nothing before the start to jump from"


def filtered_whole(one: Part) -> np.ndarray:
    """A part before its envelope, computed at once."""
    if not one.bands:
        return one.audio.samples.astype(np.float64)
    taps = _taps(one.bands, RATE).astype(np.float64)
    return np.stack([np.convolve(row, taps)[len(taps) // 2 :][: one.audio.frames] for row in one.audio.samples])


@given(
    st.lists(st.tuples(envelopes(), st.integers(-1000, 1000), st.sampled_from([1, 2]), bands), min_size=0, max_size=3),
    st.integers(0, FRAMES),
    st.integers(0, 700),
)
def test_a_montage_reads_as_the_sum_of_its_parts(
    wanted: list[tuple[Envelope, int, int, tuple[Band, ...]]], start: int, length: int
) -> None:
    parts = tuple(
        replace(part(envelope, shift, channels, seed), bands=bands)
        for seed, (envelope, shift, channels, bands) in enumerate(wanted)
    )
    montage = Montage(parts, 2, RATE, FRAMES)
    stop = min(start + length, FRAMES)
    whole = np.zeros((2, FRAMES))
    for one in parts:
        low, high = max(one.shift, 0), min(one.shift + one.audio.frames, FRAMES)
        gains = one.envelope.at(np.arange(low, high))
        whole[:, low:high] += filtered_whole(one)[:, low - one.shift : high - one.shift] * gains
    assert np.allclose(montage.read(start, stop), whole[:, start:stop], atol=1e-5)
    cut = montage.slice(start, stop)
    assert cut.frames == stop - start
    assert np.allclose(cut.read(0, cut.frames), whole[:, start:stop], atol=1e-5)
    assert np.abs(whole).max(initial=0.0) <= montage.peak() + 1e-5


def test_one_part_is_summarised_as_its_sound_times_its_envelope() -> None:
    montage = Montage((part(Envelope.window(1000, 2000, FRAMES, 2)),), 2, RATE, FRAMES)
    summary = montage.summary(0, FRAMES, 30)
    plain = montage.parts[0].peaks.summary(0, FRAMES, 30)
    assert np.all(summary.maximum[:, :9] == 0)
    assert np.all(summary.maximum[:, 21:] == 0)
    assert np.allclose(summary.maximum[:, 11:19], plain.maximum[:, 11:19])
    assert np.allclose(summary.rms[:, 11:19], plain.rms[:, 11:19])


def test_several_parts_are_summarised_as_what_they_are_together() -> None:
    one = part(Envelope.level(1.0))
    negative = Audio(-one.audio.samples, RATE)
    montage = Montage((one, Part(Filters(Peaks.of(negative)), Envelope.level(1.0))), 2, RATE, FRAMES)
    assert np.abs(montage.summary(0, FRAMES, 30).maximum).max() == 0.0, "they cancel each other"


def test_many_parts_far_out_are_drawn_as_loud_as_they_could_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stemeditor.audio.montage._READ_FRAMES", 10)
    montage = Montage((part(Envelope.level(1.0)), part(Envelope.level(0.5), seed=1)), 2, RATE, FRAMES)
    summary, sound = montage.summary(0, FRAMES, 3), montage.read(0, FRAMES).reshape(2, 3, -1)
    assert np.all(summary.maximum >= sound.max(axis=2))
    assert np.all(summary.minimum <= sound.min(axis=2))
    assert np.allclose(summary.rms, np.sqrt((sound**2).mean(axis=2)), rtol=0.1)


def test_only_what_is_there_decides_how_a_stretch_looks() -> None:
    plain = part(Envelope.level(1.0))
    cut = Part(plain.filters, Envelope.window(1000, 2000, FRAMES, 100).rest(), 0)
    before, after = (Montage((one,), 2, RATE, FRAMES) for one in (plain, cut))
    assert before.look(0, 900) == after.look(0, 900)
    assert before.look(0, 1000) != after.look(0, 1000)
    assert after.look(1100, 1900) == ()
    assert before == Montage((plain,), 2, RATE, FRAMES) != after


def test_the_picture_of_a_montage_is_that_of_its_sound() -> None:
    montage = Montage((part(Envelope.window(500, 2500, FRAMES, 200)), part(Envelope.level(0.3), 700)), 2, RATE, FRAMES)
    sound = Audio(montage.read(0, FRAMES), RATE)
    assert np.array_equal(picture(montage, -100, 3100, 40, 30), picture(sound, -100, 3100, 40, 30))


@pytest.mark.parametrize(
    ("band", "through", "stopped"),
    [
        (Band(1000.0, 4000.0), (1200.0, 3500.0), (800.0, 100.0, 4600.0, 12000.0)),
        (Band(0.0, 200.0), (30.0, 150.0), (260.0, 1000.0)),
        (Band(8000.0, 22050.0), (9000.0, 20000.0), (7000.0, 200.0)),
        (Band(60.0, 120.0), (90.0,), (20.0, 190.0)),
    ],
)
@pytest.mark.parametrize("rate", [22050, 44100, 96000])
def test_a_band_lets_its_frequencies_through_and_no_others(
    band: Band, through: tuple[float, ...], stopped: tuple[float, ...], rate: int
) -> None:
    taps = _taps((band,), rate).astype(np.float64)
    times = (np.arange(len(taps)) - len(taps) // 2) / rate
    assert np.allclose(taps, taps[::-1], atol=1e-7), "it comes neither late nor early"
    for frequency_hz in (f for f in through if f < rate / 2):
        assert abs(np.sum(taps * np.cos(2 * np.pi * frequency_hz * times)) - 1) < 0.06
    for frequency_hz in (f for f in stopped if f < rate / 2):
        assert abs(np.sum(taps * np.cos(2 * np.pi * frequency_hz * times))) < 0.01


def test_a_filter_does_the_same_in_pieces_of_any_length() -> None:
    one = replace(part(Envelope.level(1.0), frames=40000), bands=(Band(500.0, 5000.0),))
    whole = filtered_whole(one)
    assert np.allclose(one.read(0, 40000), whole, atol=1e-6)
    again = Filters(one.peaks)
    terms = ((one.bands, 1.0),)
    for start, stop in ((39000, 40000), (0, 512), (11000, 13000), (5, 5), (20000, 20001)):
        assert np.allclose(again.read(start, stop, terms), whole[:, start:stop], atol=1e-6)


def test_filters_at_several_gains_are_the_sum_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stemeditor.audio.band._KEPT", 2)
    peaks = part(Envelope.level(1.0), frames=40000).peaks
    filters, low, high = Filters(peaks), (Band(0.0, 500.0),), (Band(500.0, 5000.0),)
    both = filters.read(0, 40000, ((low, 0.5), (high, -2.0)))
    apart = 0.5 * filters.read(0, 40000, ((low, 1.0),)) - 2.0 * filters.read(0, 40000, ((high, 1.0),))
    assert np.allclose(both, apart, atol=1e-6)
    assert len(filters._blocks) <= 2, "only the last are kept"
    assert np.abs(filters.read(0, 40000, ((high, 1.0),))).max() <= loudest(high, RATE) * peaks.peak()


@pytest.mark.parametrize("edges", [(-1.0, 5.0), (5.0, 5.0), (6.0, 5.0), (0.0, float("inf")), (float("nan"), 5.0)])
def test_what_is_no_band_is_refused(edges: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="no band"):
        Band(*edges)


def test_a_band_is_read_where_it_is_summarised_and_left_out_far_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = part(Envelope.level(1.0))
    gone = replace(plain, envelope=Envelope.window(1000, 2000, FRAMES, 10).times(-1.0), bands=(Band(0.0, 20000.0),))
    montage = Montage((plain, gone), 2, RATE, FRAMES)
    near = montage.summary(0, FRAMES, 30)
    sound = montage.read(0, FRAMES).reshape(2, 30, 100)
    assert np.allclose(near.maximum, sound.max(axis=2), atol=1e-6)
    monkeypatch.setattr("stemeditor.audio.montage._READ_FRAMES", 10)
    far = montage.summary(0, FRAMES, 30)
    assert np.allclose(far.maximum, plain.peaks.summary(0, FRAMES, 30).maximum)


def test_of_a_growing_sound_only_what_is_final_is_kept() -> None:
    samples = np.zeros((2, 40000), np.float32)
    peaks = Peaks(Audio(samples, RATE))
    filters, terms = Filters(peaks), (((Band(500.0, 5000.0),), 1.0),)
    peaks.feed(samples[:, :100])
    assert not filters.read(0, 40000, terms).any()
    samples[:] = np.random.default_rng(0).standard_normal(samples.shape)
    peaks.feed(samples[:, 100:])
    assert np.array_equal(filters.read(0, 40000, terms), Filters(peaks).read(0, 40000, terms))
    assert filters.read(0, 40000, terms).any()
