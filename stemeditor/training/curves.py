"""What a training has come to so far: its files, numbers, a table, and a picture."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STATE = "state.pt"
BEST, LAST = "best.safetensors", "last.safetensors"
CURVES = "curves.csv"
FIGURE = "curves.png"

_ALWAYS = ("step", "seconds", "loss")


@dataclass(frozen=True, slots=True)
class Watched:
    """One look at a training.

    Parameters
    ----------
    step
        After how many.
    seconds
        Of learning until then.
    loss
        The mean of the last ones.
    scores
        Stem -> median SDR in dB on songs that are kept from learning; empty if none are.
    """

    step: int
    seconds: float
    loss: float
    scores: Mapping[str, float]

    @property
    def row(self) -> dict[str, float]:
        """All of it under the names of the table's columns."""
        return {"step": float(self.step), "seconds": self.seconds, "loss": self.loss, **self.scores}

    @classmethod
    def of(cls, row: Mapping[str, float]) -> Watched:
        """Return what a row says."""
        scores = {name: float(value) for name, value in row.items() if name not in _ALWAYS}
        return cls(int(row["step"]), float(row["seconds"]), float(row["loss"]), scores)


def write(folder: Path, looks: Sequence[Watched]) -> None:
    """Write looks as a table and as a picture."""
    from matplotlib.figure import Figure

    names = list(looks[0].scores)
    with (folder / CURVES).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(looks[0].row))
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in look.row.items()} for look in looks)
    figure = Figure((9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps = [look.step for look in looks]
    left.plot(steps, [look.loss for look in looks], color="0.2")
    left.set(xlabel="step", ylabel="loss")
    for name in names:
        right.plot(steps, [look.scores[name] for look in looks], label=name)
    right.set(xlabel="step", ylabel="SDR, dB (median, validation)")
    if names:
        right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / FIGURE)


def read(folder: Path) -> tuple[Watched, ...]:
    """Return the looks whose table lies in a folder; none if there is none, or it cannot be read."""
    try:
        with (folder / CURVES).open(newline="", encoding="utf-8") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        return tuple(Watched.of(row) for row in rows)
    except (OSError, ValueError, KeyError, TypeError):
        return ()
