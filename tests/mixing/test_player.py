"""The player, block by block: given a mix, when something is asked, then this is heard."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemeditor.audio.buffer import Audio
from stemeditor.mixing.mix import Mix, Strip
from stemeditor.mixing.player import Player

RATE = 44100
BLOCK = 512


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
    fade = 265
    assert np.array_equal(out[:, fade:], audio.samples[:, fade : out.shape[1]])


def test_what_plays_is_what_export_renders() -> None:
    mix = mix_of(Strip("a", noise(seed=1), 0.7, -0.3), Strip("b", noise(seed=2), 1.2, 0.8), gain=0.9)
    out = read(playing(mix), 20)
    assert np.allclose(out[:, 512:], mix.render(512, out.shape[1] - 512), atol=1e-6)


def test_paused_is_silent_and_stands_still() -> None:
    player = Player()
    player.mix = mix_of(Strip("a", noise()))
    player.seek(1000)
    assert not read(player, 3).any()
    assert player.position == 1000


@pytest.mark.parametrize(
    "act", ["pause", "stop", "seek", "mute", "unmute", "solo", "gain", "remove", "master", "replace"]
)
def test_nothing_clicks(act: str) -> None:
    low, high = sine(), sine(frequency_hz=300.0)
    strips = (Strip("a", low), Strip("b", high, muted=act == "unmute"))
    player = playing(mix_of(*strips))
    before = read(player, 10)
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
        case "master":
            player.mix = mix_of(*strips, gain=0.2)
        case "replace":
            player.mix = mix_of(Strip("c", low), Strip("d", high))
    out = np.concatenate([before[:, 300:], read(player, 10)], axis=1)
    assert roughness(out) < SMOOTH


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
    assert np.allclose(out[:, 300:], expected[:, 300:], atol=1e-6)


@pytest.mark.parametrize(("pan", "left", "right"), [(0, 1, 1), (-1, 1, 0), (1, 0, 1), (0.5, 0.5, 1), (-0.25, 1, 0.75)])
def test_pan_is_a_balance(pan: float, left: float, right: float) -> None:
    audio = Audio(np.ones((1, 4 * BLOCK), np.float32), RATE)
    out = mix_of(Strip("a", audio, pan=pan)).render(0, 4)
    assert out[:, 0] == pytest.approx([left, right])


def test_at_the_end_it_stops_and_plays_again_from_the_start() -> None:
    player = playing(mix_of(Strip("a", noise(3 * BLOCK - 100))))
    read(player, 3)
    assert not player.playing
    assert player.position == 3 * BLOCK - 100 or player.position >= 3 * BLOCK - 100
    player.play()
    assert player.position == 0
    assert player.playing


def test_stop_returns_to_where_playing_began_and_then_to_the_start() -> None:
    player = playing(mix_of(Strip("a", noise())), at=5000)
    read(player, 4)
    player.stop()
    read(player, 1)
    assert player.position == 5000
    player.stop()
    assert player.position == 0


@pytest.mark.parametrize("length", [100, BLOCK, 3000, 20000])
def test_a_loop_has_its_exact_period(length: int) -> None:
    start = 4000
    player = playing(mix_of(Strip("a", noise())), at=start)
    player.loop = (start, start + length)
    out = read(player, 3 * (length // BLOCK + 2))
    settled = out[:, 2 * length + 300 :] if length < BLOCK else out[:, length:]
    periods = settled.shape[1] - length
    assert np.allclose(settled[:, :periods], settled[:, length : length + periods], atol=1e-5)
    assert start <= player.position < start + length


def test_a_loop_join_does_not_click() -> None:
    player = playing(mix_of(Strip("a", sine())), at=RATE)
    player.loop = (RATE, RATE + 10_123)
    out = read(player, 60)
    assert roughness(out[:, 300:]) < SMOOTH


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


COMMANDS = st.one_of(
    st.tuples(st.just("read"), st.integers(0, 3000)),
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
        assert player.position >= 0
