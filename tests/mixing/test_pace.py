"""The player at another pace: what holds at the song's own holds there too."""

import numpy as np
import pytest

from stemeditor.audio.buffer import Audio
from stemeditor.audio.stretch import Pace
from stemeditor.mixing.mix import Strip
from stemeditor.mixing.player import Player
from tests.mixing.test_player import BLOCK, FADE, RATE, SMOOTH, mix_of, noise, playing, read, roughness, sine

SLOW = Pace(0.5)


def paced(player: Player, pace: Pace = SLOW) -> Player:
    player.pace = pace
    return player


def level(out: np.ndarray) -> float:
    return float(np.sqrt(np.square(out).mean()))


@pytest.mark.parametrize("pace", [Pace(0.5), Pace(1.5), Pace(1.0, 3.0)], ids=str)
def test_it_moves_as_fast_as_it_is_told(pace: Pace) -> None:
    player = paced(playing(mix_of(Strip("a", sine())), at=1000), pace)
    read(player, 50)
    assert player.position == 1000 + int(50 * BLOCK * pace.speed)


def test_a_tone_is_as_loud_and_as_high_as_at_its_own_pace() -> None:
    out = read(paced(playing(mix_of(Strip("a", sine())), at=RATE)), 100)
    assert level(out[:, FADE:]) == pytest.approx(0.4 / np.sqrt(2), rel=0.01)
    assert roughness(out[:, FADE:]) < SMOOTH
    crossings = np.count_nonzero(np.diff(np.signbit(out[0, FADE:])))
    assert crossings == pytest.approx(2 * 200 * (out.shape[1] - FADE) / RATE, abs=3)


@pytest.mark.parametrize("block", [100, BLOCK, 4000])
@pytest.mark.parametrize(
    "act", ["pause", "stop", "seek", "mute", "solo", "gain", "add", "loop", "slower", "higher", "own pace"]
)
def test_nothing_clicks(act: str, block: int) -> None:
    low, high = sine(), sine(frequency_hz=300.0)
    player = paced(playing(mix_of(Strip("a", low), Strip("b", high)), at=RATE))
    before = read(player, 10_000 // block, block)
    match act:
        case "pause":
            player.pause()
        case "stop":
            player.stop()
        case "seek":
            player.seek(3 * RATE)
        case "mute":
            player.mix = mix_of(Strip("a", low), Strip("b", high, muted=True))
        case "solo":
            player.mix = mix_of(Strip("a", low, soloed=True), Strip("b", high))
        case "gain":
            player.mix = mix_of(Strip("a", low, gain=0.2), Strip("b", high, pan=0.7))
        case "add":
            player.mix = mix_of(Strip("a", low), Strip("b", high), Strip("c", sine(frequency_hz=170.0)))
        case "loop":
            player.loop = (RATE, 2 * RATE)
        case "slower":
            player.pace = Pace(0.4)
        case "higher":
            player.pace = Pace(0.5, 3.0)
        case "own pace":
            player.pace = Pace()
    after = read(player, 4000 // block, block)
    assert roughness(np.concatenate([before[:, FADE:], after], axis=1)) < SMOOTH


def test_a_mute_is_heard_in_the_next_block_and_a_fader_changes_nothing_else() -> None:
    a, b = noise(seed=1), noise(seed=2)
    alone = paced(playing(mix_of(Strip("a", a), Strip("b", b, muted=True))))
    both = paced(playing(mix_of(Strip("a", a), Strip("b", b))))
    read(alone, 20), read(both, 20)
    both.mix = mix_of(Strip("a", a), Strip("b", b, muted=True))
    out = read(both, 2)
    assert level(out[:, FADE:]) == pytest.approx(level(read(alone, 2)[:, FADE:]), rel=0.2)
    assert set(both.meters().strips) == {"a", "b"}, "what was heard within the last 50 ms"
    read(both, 10)
    assert set(both.meters().strips) == {"a"}


def test_a_fader_in_motion_is_as_smooth_as_a_fader_at_rest() -> None:
    """Voices that differ in faders go on from one sound: nothing flutters where they cross."""
    sound = sine()
    player = paced(playing(mix_of(Strip("a", sound)), at=RATE))
    read(player, 20)
    levels = []
    for _ in range(60):
        player.mix = mix_of(Strip("a", sound, gain=0.999))
        levels.append(level(read(player, 1, 441)))
    assert min(levels) > 0.99 * 0.4 / np.sqrt(2)


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.6])
def test_a_loop_has_its_period_and_does_not_click(speed: float) -> None:
    start, stop = 20_000, 42_050
    player = playing(mix_of(Strip("a", sine())), at=start)
    player.loop = (start, stop)
    player.pace = Pace(speed)
    length = round((stop - start) / speed)
    out = read(player, 5 * length // BLOCK)
    assert roughness(out[:, FADE:]) < SMOOTH
    places = []
    for _ in range(100):
        player.read(100)
        places.append(player.position)
    assert min(places) >= start
    assert max(places) < stop
    # 22050 frames of 200 Hz are 100 periods: round the loop the tone goes on as if there were none.
    assert level(out[:, FADE:]) == pytest.approx(0.4 / np.sqrt(2), rel=0.02)


def test_behind_a_loop_it_plays_to_the_end_and_stops() -> None:
    sound = sine(RATE)
    player = playing(mix_of(Strip("a", sound)), at=RATE // 2)
    player.loop = (0, 1000)
    player.pace = Pace(0.5)
    out = read(player, RATE // BLOCK + 5)
    assert not player.playing
    assert player.position == RATE
    assert not out[:, RATE:].any()
    assert roughness(out[:, FADE:]) < SMOOTH
    assert level(out[:, FADE : RATE - 2000]) == pytest.approx(0.4 / np.sqrt(2), rel=0.05)


def test_at_its_own_pace_again_the_song_passes_bit_for_bit() -> None:
    audio = noise()
    player = paced(playing(mix_of(Strip("a", audio))))
    read(player, 5)
    player.pace = Pace()
    read(player, 2)
    at = player.position
    assert np.array_equal(player.read(BLOCK), audio.samples[:, at : at + BLOCK])


def test_stems_are_the_song_at_any_pace() -> None:
    """Heard together, at unity, they are what the song alone is."""
    song, share = noise(), noise(seed=3)
    rest = Audio(song.samples - share.samples, RATE)
    outs = []
    for unmuted in (("song",), ("share", "rest")):
        strips = (("song", song), ("share", share), ("rest", rest))
        outs.append(read(paced(playing(mix_of(*(Strip(n, s, muted=n not in unmuted) for n, s in strips)))), 60))
    assert level(outs[0] - outs[1]) < 1e-3 * level(outs[0])


def test_an_empty_mix_and_a_mono_strip_are_played_as_well() -> None:
    player = paced(playing(mix_of()))
    assert not read(player, 3).any()
    assert not player.playing
    out = read(paced(playing(mix_of(Strip("a", sine(channels=1))), at=RATE)), 10)
    assert np.array_equal(out[0], out[1])
    assert out.any()


def test_a_strip_that_grows_is_taken_anew() -> None:
    sound = sine()
    player = paced(playing(mix_of(Strip("a", sound.slice(0, 2 * RATE))), at=RATE))
    read(player, 5)
    player.mix = mix_of(Strip("a", sound.slice(0, 3 * RATE)))
    out = read(player, 20)
    assert roughness(out) < SMOOTH
    assert player.position == RATE + int(25 * BLOCK * 0.5)
