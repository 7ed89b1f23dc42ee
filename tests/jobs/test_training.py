"""Trainings as jobs: in a process of their own, stopped, gone on with, and used."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemeditor.errors import Cancelled, UserError
from stemeditor.jobs import training
from stemeditor.jobs.training import Material, TrainRequest
from stemeditor.methods import registry
from stemeditor.nets.catalogue import KINDS
from stemeditor.progress import Silent
from stemeditor.training import curves
from stemeditor.training.curves import Watched

RATE = 22050
NAMES = ("vocals", "guitar", "drums")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three songs of a choir of noises, 8 s each; the last has no drums."""
    rng = np.random.default_rng(0)
    for song in range(3):
        place = tmp_path / "songs" / f"song {song}"
        place.mkdir(parents=True)
        for name in NAMES[: 2 if song == 2 else 3]:
            soundfile.write(place / f"{name}.wav", rng.uniform(-0.3, 0.3, (8 * RATE, 2)), RATE)
    return tmp_path / "songs"


class Noted(Silent):
    """A progress that keeps what it is told, and stops when it is asked to."""

    def __init__(self, until: Callable[["Noted"], bool] = lambda told: False) -> None:
        self.fractions: list[float] = []
        self.looks: list[Watched] = []
        self._until = until

    def advance(self, fraction: float, text: str = "") -> None:
        self.fractions.append(fraction)
        self.check()

    def check(self) -> None:
        if self._until(self):
            raise Cancelled

    def post(self, piece: object) -> None:
        assert isinstance(piece, Watched)
        self.looks.append(piece)


def request(folder: Path, name: str = "choir", steps: int = 4, net: str = "band_split") -> TrainRequest:
    told = training.plan_of(name, (folder,), 3, ("vocals", "other"), net, steps)
    small = {"features": 8, "layers": 1} if net == "band_split" else {}
    quick = {"batch": 1, "seconds": 1.0, "warm_up": 1}
    return TrainRequest(
        replace(
            told,
            net=replace(told.net, arguments=small),
            training=replace(told.training, **quick),
            validation=replace(told.validation, seconds=2.0, every=2),
        ),
        "cpu",
    )


def test_what_can_be_learned_is_told(folder: Path) -> None:
    assert training.look((folder,), Silent()) == Material(3, {"vocals": 3, "guitar": 3, "drums": 2})
    (folder.parent / "empty").mkdir()
    with pytest.raises(UserError, match="no songs with true stems"):
        training.look((folder, folder.parent / "empty"), Silent())


@pytest.mark.parametrize(
    ("chosen", "found", "wanted"),
    [
        (("vocals",), ("vocals", "drums"), ("vocals", "accompaniment")),
        (("drums",), ("vocals", "drums"), ("drums", "other")),
        (("vocals", "drums"), ("vocals", "drums"), ("vocals", "drums")),
        (("vocals", "drums"), ("vocals", "drums", "bass"), ("vocals", "drums", "other")),
        (("vocals", "other", "drums"), ("vocals", "drums", "other"), ("vocals", "drums", "other")),
        (("vocals",), ("vocals",), ("vocals", "accompaniment")),
        (("vocals", "drums"), ("vocals", "drums", "other"), ("vocals", "drums", "other")),
        (("drums", "bass"), ("drums", "bass", "accompaniment"), ("drums", "bass", "other")),
        (("vocals",), ("vocals", "accompaniment"), ("vocals", "accompaniment")),
    ],
)
def test_a_network_gives_what_was_chosen_and_the_rest(
    chosen: tuple[str, ...], found: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    assert training.stems_of(chosen, Material(1, dict.fromkeys(found, 1))) == wanted


@pytest.mark.parametrize("net", KINDS)
def test_every_network_has_a_plan_for_own_songs(net: str, tmp_path: Path) -> None:
    found = training.plan_of("mine", (tmp_path,), 30, ("vocals", "accompaniment"), net, 500)
    assert (found.net.type, found.net.rate) == (net, 44100)
    assert found.net.arguments.get("window", 0) == (40 if net == "conv_tasnet" else 0)
    assert found.songs.data_sets == (str(tmp_path),)
    assert not found.songs.corpus
    assert (found.training.steps, found.validation.songs, found.validation.every) == (500, 5, 5)
    assert [training.plan_of("mine", (), songs, (), net, 1).validation.songs for songs in (1, 2, 3, 7, 400)] == [
        0,
        1,
        1,
        1,
        12,
    ]


def test_a_processor_learns_from_less_at_once(tmp_path: Path) -> None:
    large, small = (training.plan_of("mine", (tmp_path,), 3, (), net, 10) for net in ("demucs", "conv_tasnet"))
    assert (large.training.batch, large.training.seconds) == (16, 10.0)
    found = training.humbler(large)
    assert (found.training.batch, found.training.seconds) == (4, 4.0)
    assert replace(found, training=large.training) == large
    assert training.humbler(small).training.seconds == 2.0


@pytest.mark.parametrize("name", ["", "../up", "a:b", ".hidden"])
def test_a_training_is_not_kept_outside_its_folder(name: str) -> None:
    with pytest.raises(UserError, match="cannot be the name"):
        training.folder_of(name)


def test_a_network_is_learned_stopped_gone_on_with_and_used(folder: Path) -> None:
    stopped = Noted(lambda told: len(told.looks) == 1)
    with pytest.raises(Cancelled):
        training.train_network(request(folder, steps=400), stopped)
    assert stopped.looks[0].step == 2
    assert set(stopped.looks[0].scores) == {"vocals", "other"}
    assert training.trainings() == ("choir",)
    found = training.begun("choir")
    assert found is not None
    plan, looks = found
    assert plan == request(folder, steps=400).plan
    # What came after it was told, it kept too.
    assert looks[0].scores == pytest.approx(stopped.looks[0].scores, rel=1e-4)
    assert training.learned("choir")
    assert training.use_training("choir", Silent()) == "own:choir"
    told = Noted()
    begun_with = looks[-1].step
    again = request(folder, steps=begun_with + 4)
    assert training.train_network(again, told) == "own:choir"
    assert told.looks[0].step > begun_with
    assert told.looks[-1].step == begun_with + 4
    assert told.fractions == sorted(told.fractions)
    assert registry.info("own:choir").stems == ("vocals", "other")
    assert registry.info("own:choir").name == "choir"
    assert (training.folder_of("choir") / curves.BEST).is_file()
    # Songs go with the last training that learned from them.
    songs = again.plan.songs.folder
    assert list(songs.rglob("*.npy"))
    training.forget("choir")
    assert not songs.exists()
    assert training.trainings() == ()
    assert "own:choir" in registry.keys()  # noqa: SIM118 a function, no mapping


def test_what_a_training_lacks_is_said_in_words(folder: Path) -> None:
    for file in folder.rglob("*.wav"):
        soundfile.write(file, np.zeros((RATE // 2, 2)), RATE)
    with pytest.raises(UserError, match="shorter than an example"):
        training.train_network(request(folder), Silent())
    assert not training.learned("choir")


def test_a_training_that_dies_is_a_bug(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_train", _dead)
    with pytest.raises(RuntimeError, match="without a word"):
        training.train_network(request(folder), Silent())
    monkeypatch.setattr(training, "_train", _broken)
    with pytest.raises(RuntimeError, match="a bug of ours"):
        training.train_network(request(folder), Silent())


def _dead(*given: object) -> None:
    os._exit(3)


def _broken(plan: object, device: object, there: object) -> None:
    there.send(("bug", "a bug of ours"))  # type: ignore[attr-defined]


def test_a_broken_training_is_as_none(folder: Path) -> None:
    assert training.begun("choir") is None
    place = training.folder_of("choir")
    place.mkdir(parents=True)
    (place / training.PLAN).write_text("{", "utf-8")
    (place / curves.CURVES).write_text("step\nmany", "utf-8")
    assert training.begun("choir") is None
    assert curves.read(place) == ()
    assert not training.learned("choir")
