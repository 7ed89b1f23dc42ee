"""Methods side by side."""

from pathlib import Path

import numpy as np
import pytest

from stemeditor.audio.buffer import Audio
from stemeditor.audio.levels import loudness
from stemeditor.errors import UserError
from stemeditor.jobs.compare import CompareRequest, compare, equal_loudness, matched
from stemeditor.methods import registry
from stemeditor.progress import Silent
from tests.helpers.sounds import tone
from tests.methods.test_battery import band

RATE = 44100


class Watching(Silent):
    def __init__(self) -> None:
        self.posted: list[object] = []
        self.fractions: list[float] = []

    def advance(self, fraction: float, text: str = "") -> None:
        self.fractions.append(fraction)

    def post(self, piece: object) -> None:
        self.posted.append(piece)


def request(tmp_path: Path, *methods: str, **fields: object) -> CompareRequest:
    true = {name: Audio(samples.astype(np.float32), RATE) for name, samples in band().items()}
    song = Audio(sum(part.samples for part in true.values()), RATE)
    return CompareRequest("Band", song, methods, tmp_path, true, 2 * RATE, 6 * RATE, **fields)  # type: ignore[arg-type]


def test_contenders_come_one_after_the_other_with_scores_and_times(tmp_path: Path) -> None:
    progress = Watching()
    found = compare(request(tmp_path, "classic", "repet_sim", "oracle_irm", "mixture"), progress)
    assert progress.posted == list(found.contenders)
    assert progress.fractions == sorted(progress.fractions)
    classic, repet, ideal, mixture = found.contenders
    assert set(classic.stems) == {"vocals", "drums", "bass", "other"}
    assert {score.stem for score in classic.scores} == {"vocals", "drums", "bass", "other"}
    assert {score.stem for score in repet.scores} == {"vocals", "accompaniment"}
    for contender in found.contenders:
        for sound in contender.stems.values():
            assert sound.frames == 4 * RATE
    assert classic.seconds > 0
    assert {row.method for row in found.table.timings} == {"classic", "repet_sim"}
    bass = {row.method: row.values["sdr"] for row in found.table.scores if row.stem == "bass"}
    assert bass["oracle_irm"] > bass["classic"] > bass["mixture"]
    assert ideal.label == "Ideal ratio mask"
    assert mixture.stems["vocals"].frames == 4 * RATE


def test_a_stretch_sounds_as_within_the_song(tmp_path: Path) -> None:
    asked = request(tmp_path, "hpss")
    (contender,) = compare(asked, Silent()).contenders
    total = sum(sound.samples for sound in contender.stems.values())
    assert np.abs(total - asked.song.samples[:, 2 * RATE : 6 * RATE]).max() < 1e-5


def test_a_method_the_song_does_not_suit_has_its_trouble_and_the_others_go_on(tmp_path: Path) -> None:
    song = Audio(tone(220, 3.0, channels=1), RATE)
    found = compare(CompareRequest("Mono", song, ("ilrma", "hpss"), tmp_path), Silent())
    assert "mono" in found.contenders[0].trouble
    assert not found.contenders[0].stems
    assert found.contenders[1].stems
    assert found.table.methods == ("hpss",)


def test_nonsense_is_refused_before_anything_runs(tmp_path: Path) -> None:
    song = Audio(tone(220, 1.0), RATE)
    for methods, words in ((("nothing",), "no method"), (("oracle_irm",), "true stems")):
        with pytest.raises(UserError, match=words):
            compare(CompareRequest("Song", song, methods, tmp_path), Silent())
    with pytest.raises(UserError, match="stretch"):
        compare(CompareRequest("Song", song, ("hpss",), tmp_path, start=RATE), Silent())
    with pytest.raises(UserError, match="no parameter"):
        compare(CompareRequest("Song", song, ("hpss",), tmp_path, params={"hpss": {"nonsense": 1}}), Silent())


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("classic", {"vocals", "drums", "bass", "other"}),
        ("hpss", {"drums", "not drums"}),
        ("repet", {"vocals", "accompaniment"}),
        ("knn", {"vocals", "accompaniment"}),
        ("centre", {"vocals", "accompaniment"}),
        ("ilrma", {"vocals", "accompaniment"}),
    ],
)
def test_true_stems_are_matched_to_what_a_method_gives(key: str, names: set[str]) -> None:
    true = {name: samples.astype(np.float32) for name, samples in band().items()}
    song = sum(true.values())
    info = registry.info(key)
    voice = true["vocals"]
    stems = dict.fromkeys(info.stems, 0.5 * song)
    stems[info.stems[0]] = song - voice if key == "ilrma" else voice
    if key == "ilrma":
        stems[info.stems[1]] = voice
    references, guesses = matched(info, true, song, stems)
    assert set(references) == set(guesses) == names
    assert np.abs(sum(references.values()) - song).max() < 1e-5
    if key == "ilrma":
        assert guesses["vocals"] is voice


def test_all_are_brought_to_the_loudness_of_the_quietest_but_silence() -> None:
    sounds = {
        "loud": Audio(tone(440, 2.0, 0.5), RATE),
        "soft": Audio(tone(440, 2.0, 0.05), RATE),
        "silent": Audio.silence(2, 2 * RATE, RATE),
    }
    gains = equal_loudness(sounds)
    assert gains["soft"] == 1.0
    assert gains["silent"] == 1.0
    levels = [loudness(Audio(sounds[name].samples * np.float32(gains[name]), RATE)) for name in ("loud", "soft")]
    assert abs(levels[0] - levels[1]) < 0.1
    assert equal_loudness({"silent": sounds["silent"]}) == {"silent": 1.0}
