"""From estimates to figures: windows, medians over windows, medians over songs, and whether a difference is one."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples
from stemeditor.evaluation.bss_eval import bss_eval, windows
from stemeditor.evaluation.metrics import SILENT_DB, magnitude_mse, si_sdr, snr, sounds
from stemeditor.progress import Part, Progress

METRICS = ("sdr", "sir", "sar", "isr", "si_sdr", "snr", "mse")
"""All but the last in dB, more is better; `mse` is of magnitudes, less is better."""

SIGNIFICANT = 0.01


@dataclass(frozen=True, slots=True)
class Protocol:
    """How to score.

    Parameters
    ----------
    window_s, hop_s
        Length and distance of the windows in seconds: 4 and 4 as in the study of multi-band masking, 1 and 1 as in
        SiSEC 2018 and `museval`.
    least_db
        A stem is scored in windows in which its true sound is louder than this (RMS, dB full scale).
    """

    window_s: float = 4.0
    hop_s: float = 4.0
    least_db: float = SILENT_DB


@dataclass(frozen=True, slots=True)
class StemScore:
    """One stem of one song by one method: the median of each metric over the windows with sound; None if none has.

    `windows` says how many those were.
    """

    song: str
    method: str
    stem: str
    values: Mapping[str, float | None]
    windows: int


@dataclass(frozen=True, slots=True)
class Timing:
    """What a method took for a song: seconds, and seconds of song a second."""

    song: str
    method: str
    seconds: float
    real_time_factor: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Whether two methods differ, by the Wilcoxon signed-rank test over songs.

    `p` is None with fewer than two songs that differ; `p_holm` is corrected for the number of pairs compared
    (Holm 1979).
    """

    metric: str
    stem: str
    first: str
    second: str
    median: float
    songs: int
    p: float | None
    p_holm: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the corrected p lies below 0.01."""
        return self.p_holm is not None and self.p_holm < SIGNIFICANT


@dataclass(frozen=True, slots=True)
class Table:
    """Methods x songs x stems."""

    scores: tuple[StemScore, ...]
    timings: tuple[Timing, ...] = ()
    protocol: Protocol = field(default_factory=Protocol)

    @property
    def methods(self) -> tuple[str, ...]:
        """In the order they came."""
        return tuple(dict.fromkeys([score.method for score in self.scores] + [row.method for row in self.timings]))

    @property
    def stems(self) -> tuple[str, ...]:
        """In the order they came."""
        return tuple(dict.fromkeys(score.stem for score in self.scores))

    def values(self, method: str, stem: str, metric: str) -> dict[str, float]:
        """Return song -> median over windows, where there is one."""
        return {
            score.song: value
            for score in self.scores
            if score.method == method and score.stem == stem
            for value in [score.values.get(metric)]
            if value is not None
        }

    def median(self, method: str, stem: str, metric: str = "sdr") -> float | None:
        """Return the median over songs of the medians over windows; None if no song has one."""
        found = list(self.values(method, stem, metric).values())
        return float(np.median(found)) if found else None

    def real_time_factor(self, method: str) -> float | None:
        """Return seconds of song a second over all songs."""
        rows = [row for row in self.timings if row.method == method and row.seconds > 0]
        if not rows:
            return None
        return sum(row.real_time_factor * row.seconds for row in rows) / sum(row.seconds for row in rows)

    def differences(self, metric: str = "sdr") -> tuple[Difference, ...]:
        """Compare every pair of methods on every stem over the songs both have."""
        found = []
        for stem in self.stems:
            pairs = []
            for number, first in enumerate(self.methods):
                for second in self.methods[number + 1 :]:
                    one, other = self.values(first, stem, metric), self.values(second, stem, metric)
                    songs = sorted(set(one) & set(other))
                    if songs:
                        apart = np.array([one[song] - other[song] for song in songs])
                        pairs.append(
                            Difference(
                                metric, stem, first, second, float(np.median(apart)), len(songs), _wilcoxon(apart)
                            )
                        )
            found += _holm(pairs)
        return tuple(found)

    def to_csv(self) -> str:
        """Return one line a song, method and stem."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["song", "method", "stem", "windows", *METRICS, "seconds", "real_time_factor"])
        times = {(row.song, row.method): row for row in self.timings}
        for score in self.scores:
            row = times.get((score.song, score.method))
            writer.writerow(
                [score.song, score.method, score.stem, score.windows]
                + [_figure(score.values.get(metric)) for metric in METRICS]
                + ([f"{row.seconds:.3f}", f"{row.real_time_factor:.2f}"] if row else ["", ""])
            )
        return out.getvalue()

    def to_json(self) -> str:
        """Return everything, medians and differences included, as one document."""
        document = {
            "protocol": {
                "window_s": self.protocol.window_s,
                "hop_s": self.protocol.hop_s,
                "least_db": self.protocol.least_db,
            },
            "medians": {
                method: {
                    "stems": {
                        stem: {metric: _finite(self.median(method, stem, metric)) for metric in METRICS}
                        for stem in self.stems
                    },
                    "real_time_factor": self.real_time_factor(method),
                }
                for method in self.methods
            },
            "scores": [
                {
                    "song": score.song,
                    "method": score.method,
                    "stem": score.stem,
                    "windows": score.windows,
                    **{metric: _finite(value) for metric, value in score.values.items()},
                }
                for score in self.scores
            ],
            "timings": [
                {
                    "song": row.song,
                    "method": row.method,
                    "seconds": row.seconds,
                    "real_time_factor": row.real_time_factor,
                }
                for row in self.timings
            ],
            "differences": [
                {
                    "metric": row.metric,
                    "stem": row.stem,
                    "methods": [row.first, row.second],
                    "median_difference": _finite(row.median),
                    "songs": row.songs,
                    "p": row.p,
                    "p_holm": row.p_holm,
                    "significant": row.significant,
                }
                for row in self.differences()
            ],
        }
        return json.dumps(document, indent=1, ensure_ascii=False)


def score_stems(
    song: str,
    method: str,
    true: Mapping[str, Samples],
    guesses: Mapping[str, Samples],
    rate: int,
    protocol: Protocol,
    progress: Progress,
) -> tuple[StemScore, ...]:
    """Score the stems that both have.

    BSSEval takes all true stems as possible interference, whether the method gives them or not: what it does not give
    is the rest of the song for it. A true stem that is silent throughout is left out.

    Parameters
    ----------
    song, method
        Names for the table.
    true, guesses
        Stem -> (channels, frames); as long as each other.
    rate
        Frames a second.
    protocol
        Windows, and what counts as silence.
    progress
        `advance` runs from 0 to 1.
    """
    first = next(iter(true.values()))
    frames = first.shape[1]
    window, hop = round(protocol.window_s * rate), max(round(protocol.hop_s * rate), 1)
    spans = windows(frames, window, hop)
    audible = {name: sounds(samples, spans, protocol.least_db) for name, samples in true.items()}
    heard = [name for name, samples in true.items() if _any(samples)]
    common = [name for name in heard if name in guesses]
    found = []
    if common:
        silence = np.broadcast_to(np.float32(0), first.shape)
        scores = bss_eval(
            [true[name] for name in heard],
            [guesses.get(name, silence) for name in heard],
            window,
            hop,
            strict=False,
            progress=Part(progress, 0.0, 0.9),
        )
    for number, name in enumerate(true):
        if name not in guesses:
            continue
        values: dict[str, float | None] = dict.fromkeys(METRICS)
        used = audible[name]
        if name in common and used.any():
            row = heard.index(name)
            for metric in ("sdr", "sir", "sar", "isr"):
                values[metric] = _median(getattr(scores, metric)[row][used])
            rows = []
            for start, stop in (span for span, wanted in zip(spans, used, strict=True) if wanted):
                progress.advance(0.9 + 0.1 * number / len(true))
                one, other = true[name][:, start:stop], guesses[name][:, start:stop]
                rows.append((si_sdr(one, other), snr(one, other), magnitude_mse(one, other)))
            for metric, column in zip(("si_sdr", "snr", "mse"), zip(*rows, strict=True), strict=True):
                values[metric] = _median(np.asarray(column))
        found.append(StemScore(song, method, name, values, int(used.sum())))
    progress.advance(1.0)
    return tuple(found)


def merged(tables: Iterable[Table]) -> Table:
    """Return one table of several with the same protocol."""
    parts = list(tables)
    protocol = parts[0].protocol if parts else Protocol()
    return Table(
        tuple(score for table in parts for score in table.scores),
        tuple(row for table in parts for row in table.timings),
        protocol,
    )


def _any(samples: Samples) -> bool:
    step = 1 << 20
    return any(samples[:, start : start + step].any() for start in range(0, samples.shape[1], step))


def _median(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def _wilcoxon(apart: NDArray[np.float64]) -> float | None:
    from scipy.stats import wilcoxon

    apart = apart[np.isfinite(apart)]
    if np.count_nonzero(apart) < 2:
        return None
    return float(wilcoxon(apart).pvalue)


def _holm(pairs: Sequence[Difference]) -> list[Difference]:
    """Correct for the number of pairs: the smallest p counts as many times as there are, the next once less."""
    tested = sorted((row for row in pairs if row.p is not None), key=lambda row: row.p or 0.0)
    corrected: dict[int, float] = {}
    most = 0.0
    for number, row in enumerate(tested):
        most = max(most, min((row.p or 0.0) * (len(tested) - number), 1.0))
        corrected[id(row)] = most
    return [
        Difference(row.metric, row.stem, row.first, row.second, row.median, row.songs, row.p, corrected.get(id(row)))
        for row in pairs
    ]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
