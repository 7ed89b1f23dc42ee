"""The listening test without its window."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemeditor.errors import FileProblem
from stemeditor.evaluation.listening import ANCHOR, REFERENCE, SCALES, Book, Trial, anchor, trials
from tests.helpers.sounds import music

CONDITIONS = (ANCHOR, "classic", "kam", REFERENCE)


@given(count=st.integers(2, 9), excerpts=st.integers(1, 8), seed=st.integers(0, 10**6))
def test_every_trial_has_every_condition_once(count: int, excerpts: int, seed: int) -> None:
    conditions = [f"c{number}" for number in range(count)]
    plan = trials(conditions, excerpts, "Ann", seed)
    for trial in plan:
        assert sorted(trial.order) == sorted(conditions)
    plain = [trial for trial in plan if trial.number >= 0 and not trial.repeat]
    assert sorted(trial.excerpt for trial in plain) == list(range(excerpts))
    assert [trial.number for trial in plan] == list(range(-1, len(plan) - 1))
    assert sum(trial.repeat for trial in plan) == min(2, excerpts)


def test_letters_go_round_like_a_latin_square() -> None:
    plan = [trial for trial in trials(CONDITIONS, 8, "Ann", 0) if trial.number >= 0 and not trial.repeat]
    for place in range(4):
        names = [trial.order[place] for trial in plan]
        assert all(names.count(name) == 2 for name in CONDITIONS)


def test_listeners_have_their_own_order_and_keep_it() -> None:
    assert trials(CONDITIONS, 6, "Ann", 0) == trials(CONDITIONS, 6, " ann ", 0)
    assert trials(CONDITIONS, 6, "Ann", 0) != trials(CONDITIONS, 6, "Bob", 0)


def judge(book: Book, listener: str, worth: dict[str, int], excerpts: int = 6, until: int = 99) -> None:
    plan = trials(book.conditions, excerpts, listener, 0)
    for _ in range(until):
        trial = book.next_trial(plan, listener)
        if trial is None:
            return
        ratings = {
            name: {scale.key: worth[name] if scale.more_is_better else 6 - worth[name] for scale in SCALES}
            for name in trial.order
        }
        book.add(listener, trial, ratings)


WORTH = {REFERENCE: 5, "kam": 4, "classic": 3, ANCHOR: 1}


def test_answers_are_kept_and_taken_up_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "test.json"
    book = Book.opened(path, "Song, vocals", CONDITIONS)
    judge(book, "Ann", WORTH, until=3)
    again = Book.opened(path, "Song, vocals", CONDITIONS)
    assert again.answers == book.answers
    plan = trials(CONDITIONS, 6, "Ann", 0)
    assert again.next_trial(plan, "Ann").number == 2
    judge(again, "Ann", WORTH)
    assert again.next_trial(plan, "Ann") is None
    assert again.next_trial(plan, "Bob").number == -1


def test_results_are_means_with_intervals_and_the_training_does_not_count(tmp_path: Path) -> None:
    book = Book(tmp_path / "t.json", "t", CONDITIONS)
    judge(book, "Ann", WORTH)
    judge(book, "Bob", {**WORTH, "kam": 2})
    results = {(row.condition, row.scale): row for row in book.results()}
    found = results["kam", "mos"]
    assert found.answers == 12
    assert found.mean == pytest.approx(3.0)
    # t for 11 degrees of freedom is 2.201; the deviation of six 4s and six 2s is 1.0445.
    assert found.high - found.mean == pytest.approx(2.201 * 1.0445 / np.sqrt(12), abs=1e-3)
    assert results[REFERENCE, "artifacts"].mean == pytest.approx(1.0)
    assert book.different(REFERENCE, ANCHOR, "mos") < 0.01
    assert book.agreement({"kam": 5.0, "classic": 4.0, ANCHOR: 0.0}, "mos") == pytest.approx(3**0.5 / 2)
    assert book.agreement({"kam": 5.0}, "mos") is None


def test_a_listener_who_misses_the_reference_is_flagged(tmp_path: Path) -> None:
    book = Book(tmp_path / "t.json", "t", CONDITIONS)
    judge(book, "Ann", WORTH)
    judge(book, "Bob", {**WORTH, REFERENCE: 2})
    assert book.flagged() == ("Bob",)
    assert book.lapses("Bob") == 1.0
    assert book.steadiness("Ann") == 0.0


def test_the_file_for_statistics(tmp_path: Path) -> None:
    book = Book(tmp_path / "t.json", "t", CONDITIONS)
    judge(book, "Ann", WORTH)
    answers, _, results = book.to_csv().partition("\n\n")
    rows = list(csv.DictReader(io.StringIO(answers)))
    assert len(rows) == (6 + 2) * 4
    means = {(row["condition"], row["scale"]): row for row in csv.DictReader(io.StringIO(results))}
    assert float(means["kam", "timbre"]["mean"]) == 4.0


def test_half_a_trial_is_refused(tmp_path: Path) -> None:
    book = Book(tmp_path / "t.json", "t", CONDITIONS)
    trial = Trial(0, 0, CONDITIONS)
    with pytest.raises(ValueError, match="1 to 5"):
        book.add("Ann", trial, {name: {"mos": 3} for name in CONDITIONS})
    assert not book.answers
    assert not (tmp_path / "t.json").exists()


def test_another_test_s_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    judge(Book(path, "t", CONDITIONS), "Ann", WORTH, until=1)
    before = path.read_bytes()
    with pytest.raises(FileProblem, match="another"):
        Book.opened(path, "t", CONDITIONS[1:])
    path.write_text("[]")
    with pytest.raises(FileProblem, match="not a listening test"):
        Book.opened(path, "t", CONDITIONS)
    path.write_bytes(before)
    assert len(Book.opened(path, "t", CONDITIONS).answers) == 4


def test_the_anchor_has_no_highs() -> None:
    samples = music(1.0)
    low = anchor(samples, 44100)
    assert low.shape == samples.shape
    before, after = (np.abs(np.fft.rfft(part[0])) ** 2 for part in (samples, low))
    high = np.fft.rfftfreq(samples.shape[1], 1 / 44100) > 5000
    assert after[high].sum() < 1e-3 * before[high].sum()
    assert after[~high].sum() > 0.5 * before[~high].sum()
    assert anchor(samples[:, :10], 44100).shape == (2, 10)
