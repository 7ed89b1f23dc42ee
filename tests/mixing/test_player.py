"""The player, block by block: given a mix, when something is asked, then this is heard."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemeditor.audio.buffer import Audio
from stemeditor.mixing.mix import Mix, Strip, rise
from stemeditor.mixing.player import Player

RATE = 44100
BLOCK = 512
FADE = 353
"""8 ms: frames until any change has settled."""


def sine(frames: int = 4 * RATE, frequency_hz: float = 200.0, level: float = 0.4, channels: int = 2) -> Audio:
    wave = level * np.sin(2 * np.pi * frequency_hz * np.arange(frames) / RATE)
    return Audio(np.tile(wave, (channels, 1)).astype(np.float32), RATE)


def noise(frames: int = RATE, seed: int = 0) -> Audio:
    return Audio(np.random.default_rng(seed).uniform(-0.5, 0.5, (2, frames)).astype(np.float32), RATE)


def mix_of(*strips: Strip, gain: float = 1.0) -> Mix:
    return Mix(strips, gain, RATE, max((strip.audio.frames for strip in strips), default=0))


def playing(mix: Mix, at: int = 0) -> Player:
    player = Player()
    player.mix = mix
    player.seek(at)
    player.play()
    return player


def read(player: Player, blocks: int, block: int = BLOCK) -> np.ndarray:
    return np.concatenate([player.read(block) for _ in range(blocks)], axis=1)


def roughness(out: np.ndarray) -> float:
    """Return the largest second difference: a click is large, a 200 Hz sine tiny."""
    return float(np.abs(np.diff(out, 2, axis=1)).max())


SMOOTH = 0.01
"""A 200 Hz sine at 0.4 has 0.0003; a jump of 0.1 has 0.1."""


def test_at_unity_the_song_passes_bit_for_bit() -> None:
    audio = noise()
    player = playing(mix_of(Strip("a", audio)))
    out = read(player, 20)
    assert np.array_equal(out[:, FADE:], audio.samples[:, FADE : out.shape[1]])


def test_what_plays_is_what_export_renders() -> None:
    mix = mix_of(Strip("a", noise(seed=1), 0.7, -0.3), Strip("b", noise(seed=2), 1.2, 0.8), gain=0.9)
    out = read(playing(mix), 20)
    assert np.array_equal(out[:, FADE:], mix.render(FADE, out.shape[1] - FADE))


def test_paused_is_silent_and_stands_still() -> None:
    player = Player()
    player.mix = mix_of(Strip("a", noise()))
    player.seek(1000)
    assert not read(player, 3).any()
    assert player.position == 1000


@pytest.mark.parametrize("block", [8, 100, BLOCK, 4000])
@pytest.mark.parametrize(
    "act",
    ["pause", "stop", "seek", "mute", "unmute", "solo", "gain", "remove", "add", "master", "replace", "other_sound"],
)
def test_nothing_clicks(act: str, block: int) -> None:
    low, high, third = sine(), sine(frequency_hz=300.0), sine(frequency_hz=170.0)
    strips = (Strip("a", low), Strip("b", high, muted=act == "unmute"))
    player = playing(mix_of(*strips))
    before = read(player, 10_000 // block, block)
    match act:
        case "pause":
            player.pause()
        case "stop":
            player.stop()
        case "seek":
            player.seek(3 * RATE + 77)
        case "mute":
            player.mix = mix_of(strips[0], Strip("b", high, muted=True))
        case "unmute":
            player.mix = mix_of(strips[0], Strip("b", high))
        case "solo":
            player.mix = mix_of(strips[0], Strip("b", high, soloed=True))
        case "gain":
            player.mix = mix_of(strips[0], Strip("b", high, gain=0.1, pan=-1.0))
        case "remove":
            player.mix = mix_of(strips[0])
        case "add":
            player.mix = mix_of(*strips, Strip("c", third))
        case "master":
            player.mix = mix_of(*strips, gain=0.2)
        case "replace":
            player.mix = mix_of(Strip("c", low), Strip("d", high))
        case "other_sound":
            player.mix = mix_of(strips[0], Strip("b", third))
    after = read(player, 4000 // block, block)
    out = np.concatenate([before[:, FADE:], after], axis=1)
    assert roughness(out) < SMOOTH


def test_changes_in_the_middle_of_a_fade_wait_for_its_end() -> None:
    """A fader that is dragged, and a key that is hammered, give an order every few frames."""
    audio = sine()
    player = playing(mix_of(Strip("a", audio)))
    parts = [read(player, 20, 100)[:, FADE:]]
    for turn in range(120):
        match turn % 4:
            case 0:
                player.mix = mix_of(Strip("a", audio, gain=0.2 + 0.1 * (turn % 7)))
            case 1:
                player.seek(turn * 1000)
            case 2:
                player.pause()
            case 3:
                player.play()
        parts.append(player.read(37))
    assert roughness(np.concatenate(parts, axis=1)) < SMOOTH


def test_the_same_mix_again_changes_nothing_to_hear() -> None:
    audio = noise()
    player = playing(mix_of(Strip("a", audio)))
    read(player, 2)
    player.mix = mix_of(Strip("a", audio))
    out = read(player, 2)
    assert np.allclose(out, audio.samples[:, 2 * BLOCK : 4 * BLOCK], atol=1e-6)


def test_starting_does_not_click() -> None:
    out = read(playing(mix_of(Strip("a", sine())), at=55), 4)
    assert roughness(np.concatenate([np.zeros((2, 8)), out], axis=1)) < SMOOTH


def test_a_change_is_heard_in_the_next_block_and_settles_in_it() -> None:
    audio = noise()
    player = playing(mix_of(Strip("a", audio)))
    read(player, 4)
    player.mix = mix_of(Strip("a", audio, muted=True))
    read(player, 1)
    assert not read(player, 1).any()


def test_solo_wins_over_mute_and_solos_add() -> None:
    a, b, c = noise(seed=1), noise(seed=2), noise(seed=3)
    mix = mix_of(Strip("a", a, soloed=True, muted=True), Strip("b", b, soloed=True), Strip("c", c))
    out = read(playing(mix), 10)
    expected = a.samples[:, : out.shape[1]] + b.samples[:, : out.shape[1]]
    assert np.array_equal(out[:, FADE:], expected[:, FADE:])


@pytest.mark.parametrize(("pan", "left", "right"), [(0, 1, 1), (-1, 1, 0), (1, 0, 1), (0.5, 0.5, 1), (-0.25, 1, 0.75)])
def test_pan_is_a_balance(pan: float, left: float, right: float) -> None:
    audio = Audio(np.ones((1, 4 * BLOCK), np.float32), RATE)
    out = mix_of(Strip("a", audio, pan=pan)).render(0, 4)
    assert out[:, 0] == pytest.approx([left, right])


def test_at_the_end_it_stops_and_plays_again_from_the_start() -> None:
    player = playing(mix_of(Strip("a", noise(3 * BLOCK - 100))))
    read(player, 3)
    assert not player.playing
    assert player.position == 3 * BLOCK - 100
    player.play()
    assert player.position == 0
    assert player.playing


def test_stop_knows_nothing_of_where_playing_began_before_the_playhead_was_put_elsewhere() -> None:
    player = playing(mix_of(Strip("a", noise())), at=5000)
    read(player, 4)
    player.pause()
    player.seek(20000)
    player.stop()
    assert player.position == 0
    player.seek(20000)
    player.play()
    read(player, 4)
    player.seek(30000)
    player.stop()
    assert player.position == 20000, "what was jumped over while it played is no beginning"
    player.seek(10**9)
    player.stop()
    assert player.position == 0


def test_stop_returns_to_where_playing_began_and_then_to_the_start() -> None:
    player = playing(mix_of(Strip("a", noise())), at=5000)
    read(player, 4)
    player.stop()
    read(player, 1)
    assert player.position == 5000
    player.stop()
    assert player.position == 0


@pytest.mark.parametrize("start", [0, 100, 4000])
@pytest.mark.parametrize("length", [45, 100, BLOCK, 3000, 20000])
def test_a_loop_has_its_exact_period(length: int, start: int) -> None:
    player = playing(mix_of(Strip("a", noise())), at=start)
    player.loop = (start, start + length)
    out = read(player, 3 * (length // BLOCK + 2))
    settled = out[:, -(-FADE // length) * length + length :] if length < FADE else out[:, length:]
    periods = settled.shape[1] - length
    assert periods > 0
    assert np.allclose(settled[:, :periods], settled[:, length : length + periods], atol=1e-6)
    assert start <= player.position < start + length


@pytest.mark.parametrize("start", [0, 55, RATE])
def test_a_loop_join_does_not_click(start: int) -> None:
    shifted = Audio(sine().samples[:, 55:], RATE)
    player = playing(mix_of(Strip("a", shifted)), at=start)
    player.loop = (start, start + 10_123)
    out = read(player, 60)
    assert roughness(out[:, FADE:]) < SMOOTH


def test_the_loop_of_the_whole_song_has_its_period_and_does_not_click() -> None:
    song = Audio(sine().samples[:, 55:10_000], RATE)
    player = playing(mix_of(Strip("a", song)))
    player.loop = (0, song.frames)
    out = read(player, 60)
    assert roughness(out[:, FADE:]) < SMOOTH
    assert player.position == out.shape[1] % song.frames


@pytest.mark.parametrize("act", ["pause", "unloop", "move", "mute", "seek"])
@pytest.mark.parametrize("before_the_join", [1, 50, 200])
def test_whatever_happens_at_a_loop_join_does_not_click(act: str, before_the_join: int) -> None:
    audio = sine()
    player = playing(mix_of(Strip("a", audio)), at=RATE)
    loop = (RATE, RATE + 4 * BLOCK + before_the_join)
    player.loop = loop
    before = read(player, 4)
    match act:
        case "pause":
            player.pause()
        case "unloop":
            player.loop = None
        case "move":
            player.loop = (RATE + 300, RATE + 50_000)
        case "mute":
            player.mix = mix_of(Strip("a", audio, muted=True))
        case "seek":
            player.seek(100)
    out = np.concatenate([before[:, FADE:], read(player, 4)], axis=1)
    assert roughness(out) < SMOOTH
    if act == "pause":
        assert loop[0] <= player.position < loop[1], "it paused inside the loop"


def test_a_loop_reaching_over_the_end_is_held_within_the_song() -> None:
    song = noise(10 * BLOCK)
    player = playing(mix_of(Strip("a", song)), at=8 * BLOCK)
    player.loop = (8 * BLOCK, 11 * BLOCK)
    read(player, 7)
    assert player.playing
    assert player.position == 9 * BLOCK


def test_a_loop_of_less_than_a_millisecond_is_not_played_as_one() -> None:
    player = playing(mix_of(Strip("a", noise())), at=1000)
    player.loop = (1000, 1003)
    read(player, 2)
    assert player.position == 1000 + 2 * BLOCK


def test_behind_the_loop_it_plays_to_the_end() -> None:
    player = playing(mix_of(Strip("a", noise(20 * BLOCK))), at=10 * BLOCK)
    player.loop = (0, 5 * BLOCK)
    read(player, 12)
    assert not player.playing


def test_meters_tell_peak_and_rms_after_the_fader_and_the_clip_stays_lit() -> None:
    audio = Audio(np.stack([np.full(8 * BLOCK, 0.8), np.full(8 * BLOCK, -0.4)]).astype(np.float32), RATE)
    player = playing(mix_of(Strip("a", audio, gain=2.0), Strip("b", audio, muted=True)))
    read(player, 3)
    meters = player.meters()
    assert meters.strips["a"] == pytest.approx((1.6, 0.8, 1.6, 0.8), rel=1e-5)
    assert "b" not in meters.strips
    assert meters.clipped
    player.mix = mix_of(Strip("a", audio, gain=0.1))
    read(player, 2)
    assert player.meters().clipped
    player.reset_clip()
    read(player, 1)
    assert not player.meters().clipped
    player.pause()
    read(player, 2)
    assert player.meters().master == (0.0, 0.0, 0.0, 0.0)


def test_a_strip_can_begin_later_and_mono_goes_to_both_sides() -> None:
    audio = Audio(np.full((1, 100), 0.5, np.float32), RATE)
    mix = Mix((Strip("a", audio, start=50),), 1.0, RATE, 200)
    out = mix.render(0, 200)
    assert not out[:, :50].any()
    assert (out[:, 50:150] == 0.5).all()
    assert not out[:, 150:].any()


@given(st.integers(0, 60), st.integers(0, 40), st.integers(0, 40), st.integers(-80, 180), st.integers(0, 120))
def test_a_strip_comes_and_goes_in_whatever_pieces_it_is_asked_for(
    start: int, fade_in: int, fade_out: int, first: int, frames: int
) -> None:
    whole = Strip("a", Audio(np.ones((1, 80), np.float32), RATE), start=start, fade_in=fade_in, fade_out=fade_out)
    expected = np.zeros(400, np.float32)
    expected[100 + start : 180 + start] = 1.0
    expected[100 + start : 100 + start + fade_in] *= rise(fade_in)
    expected[180 + start - fade_out : 180 + start] *= rise(fade_out)[::-1]
    out = Mix((whole,), 1.0, RATE, 200).render(first, frames)
    assert np.array_equal(out, np.tile(expected[100 + first : 100 + first + frames], (2, 1)))


def test_a_strip_that_goes_and_one_that_comes_are_as_loud_as_either() -> None:
    sound = noise(2 * RATE)
    place, join = RATE, 300
    going = Strip("a", sound.slice(0, place), fade_out=join)
    coming = Strip("b", sound.slice(place - join, sound.frames), start=place - join, fade_in=join)
    out = Mix((going, coming), 1.0, RATE, sound.frames).render(0, sound.frames)
    assert np.abs(out - sound.samples).max() < 1e-6


def test_a_peak_is_seen_by_whoever_polls_a_few_blocks_later_and_by_everybody() -> None:
    samples = np.zeros((2, 30 * BLOCK), np.float32)
    samples[0, 3 * BLOCK + 7] = 0.9
    player = playing(mix_of(Strip("a", Audio(samples, RATE))))
    read(player, 6)
    assert player.meters().strips["a"][0] == pytest.approx(0.9)
    assert player.meters().strips["a"][0] == pytest.approx(0.9), "asking takes nothing away"
    read(player, 6)
    assert player.meters().strips["a"][0] == 0.0, "50 ms later it is gone"


def test_the_meters_are_silent_when_the_song_is_over() -> None:
    player = playing(mix_of(Strip("a", noise(3 * BLOCK))))
    read(player, 3)
    assert player.meters().strips == {}


def test_a_shorter_mix_holds_the_position_within_it() -> None:
    player = playing(mix_of(Strip("a", noise(40 * BLOCK))))
    read(player, 20)
    player.mix = mix_of(Strip("b", noise(10 * BLOCK)))
    assert player.position == 10 * BLOCK
    read(player, 2)
    assert not player.playing
    assert player.position == 10 * BLOCK


def test_a_jump_at_the_very_end_goes_on_playing() -> None:
    player = playing(mix_of(Strip("a", noise(3 * BLOCK))))
    read(player, 2)
    player.seek(0)
    read(player, 2)
    assert player.playing
    assert player.position == 2 * BLOCK


def test_seeking_beyond_the_end_ends_the_song() -> None:
    player = playing(mix_of(Strip("a", noise())))
    read(player, 2)
    player.seek(10 * RATE)
    assert player.position == RATE
    assert not read(player, 2)[:, FADE:].any()
    assert not player.playing


def test_once_over_a_turned_fader_does_not_start_it_again() -> None:
    audio = noise(2 * BLOCK)
    player = playing(mix_of(Strip("a", audio)))
    read(player, 3)
    player.mix = mix_of(Strip("a", audio, gain=0.5))
    player.seek(0)
    assert not player.playing
    assert not read(player, 2).any()


def test_an_empty_mix_plays_nothing_and_ends() -> None:
    player = Player()
    player.play()
    assert not read(player, 2).any()
    assert not player.playing
    assert player.position == 0


COMMANDS = st.one_of(
    st.tuples(st.just("read"), st.integers(0, 3000) | st.integers(0, 20)),
    st.tuples(st.just("seek"), st.integers(-10, 60000)),
    st.tuples(st.sampled_from(["play", "pause", "stop"]), st.just(0)),
    st.tuples(st.just("loop"), st.integers(1, 40000)),
    st.tuples(st.just("unloop"), st.just(0)),
    st.tuples(st.just("mix"), st.integers(0, 3)),
)


@settings(deadline=None, max_examples=60)
@given(commands=st.lists(COMMANDS, max_size=25))
def test_any_order_of_commands_gives_whole_finite_blocks(commands: list[tuple[str, int]]) -> None:
    a, b = noise(30000), noise(12345, seed=1)
    mixes = [
        Mix(),
        mix_of(Strip("a", a)),
        mix_of(Strip("a", a, 0.5), Strip("b", b)),
        mix_of(Strip("b", b, soloed=True)),
    ]
    player = Player()
    for name, number in commands:
        match name:
            case "read":
                out = player.read(number)
                assert out.shape == (2, number)
                assert np.isfinite(out).all()
                assert np.abs(out).max(initial=0) < 4
            case "seek":
                player.seek(number)
            case "loop":
                player.loop = (number // 2, number)
            case "unloop":
                player.loop = None
            case "mix":
                player.mix = mixes[number]
            case _:
                getattr(player, name)()
        assert 0 <= player.position <= player.mix.frames
