"""The blind listening test: who hears what in which order, what was answered, and what it says.

Four scales from 1 to 5 after the study of U-Nets and listeners: overall quality (MOS), separation (no other instrument
in it), timbre (as the instrument sounds), and artifacts (how severe; here 1 is best). Methods hide behind letters whose
order differs with every trial; the true stem hides among them where it is known, and so does a bad anchor, so that the
scale has its ends (ITU-R BS.1534).
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples
from stemeditor.errors import FileProblem

REFERENCE, ANCHOR = "reference", "anchor"
"""The hidden true stem, and the low anchor: a low-passed true stem, or the song where no true stem is known."""

ANCHOR_HZ = 3500.0
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_REPEATED = 2
_TRUSTED = 4
_MOST_LAPSES = 0.15


@dataclass(frozen=True, slots=True)
class Scale:
    """One question of a trial.

    Parameters
    ----------
    key, label
        In files, and on the screen.
    low, high
        What 1 and 5 mean.
    more_is_better
        False for artifacts.
    """

    key: str
    label: str
    low: str
    high: str
    more_is_better: bool = True


SCALES = (
    Scale("mos", "Overall", "bad", "excellent"),
    Scale("ssq", "Separation", "others as loud", "nothing else"),
    Scale("timbre", "Timbre", "not recognisable", "as it is"),
    Scale("artifacts", "Artifacts", "none", "severe", more_is_better=False),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One stretch, all conditions.

    Parameters
    ----------
    number
        Place in the test, from 0; -1 for the training.
    excerpt
        Which stretch.
    order
        The condition behind A, B, C ...
    repeat
        Whether the listener has had it before.
    """

    number: int
    excerpt: int
    order: tuple[str, ...]
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a listener gave one condition in one trial: scale -> 1 to 5."""

    listener: str
    trial: int
    excerpt: int
    condition: str
    repeat: bool
    ratings: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Result:
    """A condition on a scale: mean over the listeners' answers with the 95 % t-interval; NaN from a single answer."""

    condition: str
    scale: str
    mean: float
    low: float
    high: float
    answers: int


def trials(conditions: Sequence[str], excerpts: int, listener: str, seed: int) -> tuple[Trial, ...]:
    """Return the training and the trials of a listener.

    The order of the letters goes round from trial to trial as in a Latin square, so that every condition stands at
    every letter equally often; square and order of excerpts are drawn anew for each listener. Two trials come again at
    the end, to see how steady the answers are.

    Parameters
    ----------
    conditions
        What is compared, hidden reference and anchor included.
    excerpts
        How many stretches.
    listener, seed
        The same ones give the same test.
    """
    rng = np.random.default_rng([seed, *listener.strip().lower().encode("utf-8")])
    square = list(rng.permutation(len(conditions)))
    order = [int(excerpt) for excerpt in rng.permutation(excerpts)]
    again = [int(order[index]) for index in rng.permutation(excerpts)[: min(_REPEATED, excerpts)]]

    def turned(by: int) -> tuple[str, ...]:
        return tuple(conditions[square[(place + by) % len(conditions)]] for place in range(len(conditions)))

    training = Trial(-1, order[0], turned(len(conditions) - 1))
    plain = [Trial(number, excerpt, turned(number)) for number, excerpt in enumerate(order)]
    repeated = [
        Trial(excerpts + number, excerpt, turned(excerpts + number), True) for number, excerpt in enumerate(again)
    ]
    return (training, *plain, *repeated)


def anchor(samples: Samples, rate: int) -> Samples:
    """Return the sound without what lies above 3.5 kHz: an anchor that everybody hears to be worse."""
    from scipy.signal import butter, sosfiltfilt

    if samples.shape[1] < 64 or rate <= 2.2 * ANCHOR_HZ:
        return samples
    sections = butter(8, ANCHOR_HZ, fs=rate, output="sos")
    return np.asarray(sosfiltfilt(sections, samples, axis=1, padlen=min(300, samples.shape[1] - 1)), np.float32)


@dataclass
class Book:
    """All answers of one test, in a file that is written after every trial.

    Parameters
    ----------
    path
        JSON file; made when the first answer comes.
    title, conditions
        What was compared; a file of another test is not continued.
    """

    path: Path
    title: str
    conditions: tuple[str, ...]
    answers: list[Answer] = field(default_factory=list)

    @classmethod
    def opened(cls, path: Path, title: str, conditions: Sequence[str]) -> Book:
        """Return the book at a path, with the answers that are there.

        Raises
        ------
        FileProblem
            If the file is there but is not this test's.
        """
        book = cls(path, title, tuple(conditions))
        if not path.exists():
            return book
        try:
            document = json.loads(path.read_text("utf-8"))
            same = document["title"] == title and tuple(document["conditions"]) == tuple(conditions)
            book.answers = [Answer(**row) for row in document["answers"]]
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise FileProblem(f"“{path.name}” is not a listening test ({problem}).", "Move it away.") from problem
        if not same:
            raise FileProblem(f"“{path.name}” belongs to another listening test.", "Move it away, or begin that one.")
        return book

    @property
    def listeners(self) -> tuple[str, ...]:
        """Who has answered, in the order they came."""
        return tuple(dict.fromkeys(answer.listener for answer in self.answers))

    def next_trial(self, plan: Sequence[Trial], listener: str) -> Trial | None:
        """Return the first trial that the listener has not answered whole; None if all are."""
        done = {answer.trial for answer in self.answers if answer.listener == listener}
        return next((trial for trial in plan if trial.number not in done), None)

    def add(self, listener: str, trial: Trial, ratings: Mapping[str, Mapping[str, int]]) -> None:
        """Keep the answers of a trial: condition -> scale -> 1 to 5, all of them.

        Raises
        ------
        ValueError
            If one is missing or out of range.
        FileProblem
            If the file cannot be written.
        """
        for condition in trial.order:
            for scale in SCALES:
                if ratings.get(condition, {}).get(scale.key) not in (1, 2, 3, 4, 5):
                    raise ValueError(f"{condition} has no answer from 1 to 5 for {scale.label}")
        self.answers += [
            Answer(listener, trial.number, trial.excerpt, condition, trial.repeat, dict(ratings[condition]))
            for condition in trial.order
        ]
        document = {
            "title": self.title,
            "conditions": list(self.conditions),
            "answers": [asdict(answer) for answer in self.answers],
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.path.with_suffix(".part")
            temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False), "utf-8")
            os.replace(temporary, self.path)
        except OSError as problem:
            raise FileProblem(
                f"“{self.path.name}” cannot be written ({problem.strerror}).", "Free some room."
            ) from problem

    def lapses(self, listener: str) -> float:
        """Return the share of trials in which the listener gave the hidden reference less than 4 overall."""
        heard = [row for row in self._kept() if row.listener == listener and row.condition == REFERENCE]
        return sum(row.ratings["mos"] < _TRUSTED for row in heard) / len(heard) if heard else 0.0

    def flagged(self) -> tuple[str, ...]:
        """Return the listeners who missed the hidden reference in more than 15 % of their trials."""
        return tuple(name for name in self.listeners if self.lapses(name) > _MOST_LAPSES)

    def steadiness(self, listener: str) -> float | None:
        """Return the mean difference between a listener's two answers to the trials that came again; None if none."""
        apart = []
        first = {
            (row.excerpt, row.condition): row for row in self._kept() if row.listener == listener and not row.repeat
        }
        for row in self._kept():
            if row.listener == listener and row.repeat and (row.excerpt, row.condition) in first:
                before = first[row.excerpt, row.condition].ratings
                apart += [abs(row.ratings[scale.key] - before[scale.key]) for scale in SCALES]
        return float(np.mean(apart)) if apart else None

    def results(self) -> tuple[Result, ...]:
        """Return mean and interval of every condition on every scale."""
        from scipy.stats import t

        found = []
        for condition in self.conditions:
            for scale in SCALES:
                values = self.values(condition, scale.key)
                if not len(values):
                    continue
                mean = float(values.mean())
                half = float("nan")
                if len(values) > 1:
                    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
                found.append(Result(condition, scale.key, mean, mean - half, mean + half, len(values)))
        return tuple(found)

    def values(self, condition: str, scale: str) -> NDArray[np.float64]:
        """Return the answers to a condition, one for each listener and excerpt, repeats left out."""
        return np.array(
            [row.ratings[scale] for row in self._kept() if row.condition == condition and not row.repeat], float
        )

    def different(self, first: str, second: str, scale: str) -> float | None:
        """Return p of the Wilcoxon signed-rank test over listener and excerpt; None with fewer than two differences."""
        from scipy.stats import wilcoxon

        table = {
            (row.condition, row.listener, row.excerpt): row.ratings[scale] for row in self._kept() if not row.repeat
        }
        pairs = [
            (value, table[second, listener, excerpt])
            for (condition, listener, excerpt), value in table.items()
            if condition == first and (second, listener, excerpt) in table
        ]
        apart = np.array([one - other for one, other in pairs], float)
        return float(wilcoxon(apart).pvalue) if np.count_nonzero(apart) >= 2 else None

    def agreement(self, measured: Mapping[str, float], scale: str) -> float | None:
        """Return Spearman's rank correlation of a measure (condition -> value) with the means; None under three."""
        from scipy.stats import spearmanr

        means = {row.condition: row.mean for row in self.results() if row.scale == scale}
        common = [name for name in measured if name in means and np.isfinite(measured[name])]
        if len(common) < 3:
            return None
        return float(spearmanr([measured[name] for name in common], [means[name] for name in common]).statistic)

    def to_csv(self) -> str:
        """Return every answer, then, after an empty line, means with intervals and p against the hidden reference."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        keys = [scale.key for scale in SCALES]
        writer.writerow(["listener", "trial", "excerpt", "condition", "repeat", *keys])
        for row in self._kept():
            ratings = [row.ratings[key] for key in keys]
            writer.writerow([row.listener, row.trial, row.excerpt, row.condition, int(row.repeat), *ratings])
        writer.writerow([])
        writer.writerow(["condition", "scale", "mean", "low", "high", "answers", "p_against_first"])
        for result in self.results():
            p = self.different(self.conditions[0], result.condition, result.scale)
            figures = ["" if np.isnan(value) else f"{value:.3f}" for value in (result.mean, result.low, result.high)]
            writer.writerow([result.condition, result.scale, *figures, result.answers, "" if p is None else f"{p:.4g}"])
        return out.getvalue()

    def _kept(self) -> list[Answer]:
        """Answers that count: the training does not."""
        return [answer for answer in self.answers if answer.trial >= 0]
