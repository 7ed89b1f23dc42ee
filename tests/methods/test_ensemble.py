import numpy as np
import pytest

from stemeditor import settings
from stemeditor.audio.buffer import Audio
from stemeditor.errors import UserError
from stemeditor.methods import registry, runner
from stemeditor.methods.base import MethodInfo, Params, Stems
from stemeditor.methods.ensemble import Ensemble
from stemeditor.progress import Progress, Silent
from stemeditor.settings import Settings
from tests.helpers.sounds import music

RATE = 44100


class Share:
    """Gives a share of the song to each stem, in pieces of its own length."""

    def __init__(self, key: str, rest: str | None = None, segment_s: float = 1.0, **shares: float) -> None:
        self.shares = shares
        self.info = MethodInfo(
            key=key,
            name=key.capitalize(),
            family="test",
            sentence="Shares.",
            source="None, 2026",
            stems=(*shares, *((rest,) if rest else ())),
            segment_s=segment_s,
            overlap_s=0.2,
            rest=rest,
            speed=2.0,
        )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        return {name: mix.samples * np.float32(share) for name, share in self.shares.items()}


def run(method: Ensemble, sound: np.ndarray, **params: object) -> Stems:
    pieces = list(runner.stream(Audio(sound, RATE), method, params, Silent()))  # type: ignore[arg-type]
    position = 0
    for piece in pieces:
        assert piece.start == position
        position += runner.length_of(piece.stems)
    assert position == sound.shape[1]
    return {name: np.concatenate([piece.stems[name] for piece in pieces], axis=1) for name in pieces[0].stems}


def test_waves_are_weighted_for_each_stem_and_add_up() -> None:
    sound = music(4.3)
    both = Ensemble(
        [Share("one", vocals=0.4, drums=0.1, rest="other"), Share("two", "other", 1.7, vocals=0.2, drums=0.5)]
    )
    assert both.info.stems == ("vocals", "drums", "other")
    assert both.info.speed == pytest.approx(1.0)
    found = run(both, sound)
    assert np.allclose(found["vocals"], 0.3 * sound, atol=1e-6)
    assert np.allclose(found["drums"], 0.3 * sound, atol=1e-6)
    assert np.allclose(sum(found.values()), sound, atol=1e-6)
    assert not found["residual"].any() or np.abs(found["residual"]).max() < 1e-6
    found = run(both, sound, one_vocals=0.0, two_drums=0.25)
    mean = {"vocals": 0.2, "drums": (0.1 + 0.25 * 0.5) / 1.25, "other": 0.4}
    # What is left of the song, or too much, is borne by all alike.
    left = (1.0 - sum(mean.values())) / 3
    for name, share in mean.items():
        assert np.allclose(found[name], (share + left) * sound, atol=1e-6)
    assert np.allclose(sum(found.values()), sound, atol=1e-6)


def test_a_stem_that_one_member_lacks_is_the_others() -> None:
    sound = music(2.2)
    found = run(Ensemble([Share("one", vocals=0.4), Share("two", vocals=0.2, drums=0.5)]), sound)
    assert list(found) == ["vocals", "drums", "residual"]
    assert np.allclose(found["drums"], 0.5 * sound, atol=1e-6)
    assert np.allclose(found["vocals"], 0.3 * sound, atol=1e-6)
    assert np.allclose(found["residual"], 0.2 * sound, atol=1e-6)


@pytest.mark.parametrize("seconds", [0.3, 14.7])
def test_masks_share_the_song_out_by_power(seconds: float) -> None:
    sound = music(seconds)
    both = Ensemble([Share("one", vocals=0.5, drums=0.5), Share("two", None, 2.3, vocals=0.3, drums=0.7)])
    found = run(both, sound, how="masks")
    # 0.4 and 0.6 of the waves are 0.16 and 0.36 of the power.
    assert np.allclose(found["vocals"], 0.16 / 0.52 * sound, atol=2e-4)
    assert np.allclose(found["drums"], 0.36 / 0.52 * sound, atol=2e-4)


@pytest.mark.parametrize("seconds", [0.3, 14.7])
def test_levels_go_where_all_members_hear_them(seconds: float) -> None:
    sound = music(seconds)
    both = Ensemble([Share("one", "other", vocals=0.5, drums=0.4), Share("two", "other", 2.3, vocals=0.02, drums=0.5)])
    found = run(both, sound, how="levels")
    means = {"vocals": (0.5 * 0.02) ** 0.5, "drums": (0.4 * 0.5) ** 0.5, "other": (0.1 * 0.48) ** 0.5}
    for name, mean in means.items():
        assert np.allclose(found[name], mean / sum(means.values()) * sound, atol=2e-4)
    assert np.allclose(sum(found.values()), sound, atol=1e-6)
    # One that hears nothing lowers a stem by what it may, and no more.
    deaf = Ensemble([Share("one", "other", vocals=0.5), Share("two", "other", 2.3, vocals=0.0)])
    found = run(deaf, sound, how="levels")
    guesses = (0.5 * 1e-3) ** 0.5, 0.5**0.5
    assert np.allclose(found["vocals"], guesses[0] / sum(guesses) * sound, atol=2e-4)
    # What members leave of the song they agree on as well.
    open_ = Ensemble([Share("one", vocals=0.5), Share("two", None, 2.3, vocals=0.02)])
    found = run(open_, sound, how="levels")
    guesses = (0.5 * 0.02) ** 0.5, (0.5 * 0.98) ** 0.5
    assert np.allclose(found["vocals"], guesses[0] / sum(guesses) * sound, atol=2e-4)
    alone = run(open_, sound, how="levels", one_vocals=0.0)
    guesses = 0.02, (0.5 * 0.98) ** 0.5
    assert np.allclose(alone["vocals"], guesses[0] / sum(guesses) * sound, atol=2e-4)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("how", ["waves", "masks", "levels"])
def test_going_on_in_the_middle_gives_the_same(how: str, place: int) -> None:
    sound = music(20.0)
    both = Ensemble([Share("one", vocals=0.4), Share("two", None, 1.7, vocals=0.2)])
    whole = run(both, sound, how=how)["vocals"]
    # In the middle of one block, where it fades into the next, and within what is left of the last.
    done = {0: 400_001, 1: 250_000, 2: 20 * RATE - 7}[place]
    pieces = list(runner.stream(Audio(sound, RATE), both, {"how": how}, Silent(), done))
    assert pieces[0].start == done
    found = np.concatenate([piece.stems["vocals"] for piece in pieces], axis=1)
    assert np.allclose(found, whole[:, done:], atol=1e-7)


def test_ensembles_are_methods_of_the_registry() -> None:
    method = registry.load("classic+hpss")
    assert method.info.key == "classic+hpss"
    assert set(method.info.stems) == {*registry.info("classic").stems, *registry.info("hpss").stems}
    assert registry.missing("classic+hpss") is None
    lacking = registry.missing("classic+htdemucs")
    assert lacking is not None
    assert lacking.pack == "htdemucs"
    for wrong in ("classic+", "classic+classic", "classic+nothing"):
        with pytest.raises(UserError):
            registry.load(wrong)
    Settings(settings.file()).set("ensembles", ["classic+kam"])
    assert registry.keys()[-1] == "classic+kam"


def test_the_mean_of_two_methods_takes_a_song_apart() -> None:
    sound = music(3.0)
    method = registry.load("hpss+knn")
    pieces = list(runner.stream(Audio(sound, RATE), method, {"how": "masks"}, Silent()))
    total = sum(np.concatenate([p.stems[name] for p in pieces], axis=1).astype(np.float64) for name in pieces[0].stems)
    assert np.abs(total - sound).max() < 1e-6
