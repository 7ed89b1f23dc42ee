"""What comes again at a steady period is background: REPET, and REPET for songs whose period changes."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio
from stemeditor.methods.base import MethodInfo, Param, Params, Stems
from stemeditor.methods.masks import Magnitude, ramp_up
from stemeditor.methods.medians import medians
from stemeditor.methods.spectra import magnitude, masked, transform_for
from stemeditor.progress import Progress

_WINDOW_S = 0.046
_ROWS_A_CHECK = 32
_NEARLY = 0.85


def beat_spectrum(level: Magnitude, progress: Progress) -> NDArray[np.float32]:
    """Return (hops,): how much the power spectrogram resembles itself that many hops later, 1 at 0 (eq. 1 to 3)."""
    from scipy import fft

    bins, hops = level.shape
    size = fft.next_fast_len(2 * hops, real=True)
    total = np.zeros(hops)
    for start in range(0, bins, _ROWS_A_CHECK):
        progress.check()
        power = np.square(level[start : start + _ROWS_A_CHECK])
        spectrum = fft.rfft(power, size, axis=1)
        total += fft.irfft(spectrum.real**2 + spectrum.imag**2, size, axis=1)[:, :hops].sum(axis=0)
    total /= np.arange(hops, 0, -1)
    return np.asarray(total / max(float(total[0]), 1e-20), np.float32)


def period(beats: NDArray[np.float32], shortest: int, longest: int) -> int:
    """Return the period, in hops, at whose multiples the beat spectrum peaks most clearly.

    For each candidate the peaks near its multiples are compared with the mean between them (Rafii and Pardo 2013,
    algorithm 1).
    """
    last = min(longest, len(beats) // 3)
    if last <= shortest:
        return max(min(shortest, len(beats) // 2), 1)
    scores = np.full(last + 1, -np.inf)
    for candidate in range(shortest, last + 1):
        away = max(candidate // 4, 1)
        near = max(int(0.02 * candidate), 1)
        score, count = 0.0, 0
        for centre in range(candidate, len(beats) - away, candidate):
            around = beats[centre - away : centre + away + 1]
            peak = float(beats[centre - near : centre + near + 1].max())
            if peak >= float(around.max()):
                score += peak - float(around.mean())
            count += 1
        if count:
            scores[candidate] = score / count
    # Multiples of a period repeat as well as the period itself: the shortest that is nearly the best is meant.
    return int(np.argmax(scores >= _NEARLY * scores.max()))


def repeating(level: Magnitude, length: int, progress: Progress) -> Magnitude:
    """Return (bins, hops): the median over all repetitions of a period, never more than `level` (eq. 5 and 6)."""
    bins, hops = level.shape
    count = -(-hops // length)
    out = np.empty_like(level)
    for start in range(0, bins, _ROWS_A_CHECK):
        progress.check()
        rows = level[start : start + _ROWS_A_CHECK]
        padded = np.full((len(rows), count * length), np.nan, np.float32)
        padded[:, :hops] = rows
        folded = padded.reshape(len(rows), count, length)
        whole = hops - (count - 1) * length
        model = np.empty((len(rows), length), np.float32)
        model[:, :whole] = medians(folded[:, :, :whole].transpose(1, 0, 2).copy())
        if whole < length:
            model[:, whole:] = medians(folded[:, :-1, whole:].transpose(1, 0, 2).copy()) if count > 1 else 0.0
        out[start : start + _ROWS_A_CHECK] = np.minimum(np.tile(model, (1, count))[:, :hops], rows)
    return out


def repeating_adaptively(level: Magnitude, periods: NDArray[np.int64], order: int, progress: Progress) -> Magnitude:
    """Return (bins, hops): for each hop the median over itself and the hops whole periods before and behind it.

    A. Liutkus, Z. Rafii, R. Badeau, B. Pardo, G. Richard, Adaptive filtering for music/voice separation exploiting
    the repeating musical structure, ICASSP 2012, eq. 4.
    """
    hops = level.shape[1]
    steps = np.arange(order) - order // 2
    where = np.arange(hops)[:, np.newaxis] + steps * periods[:, np.newaxis]
    # What lies outside the song is mirrored by whole periods, so that its ends have as many neighbours as its middle.
    where = np.where(where < 0, where + order * periods[:, np.newaxis], where)
    where = np.where(where >= hops, where - order * periods[:, np.newaxis], where)
    where = np.clip(where, 0, hops - 1)
    out = np.empty_like(level)
    for start in range(0, len(level), _ROWS_A_CHECK):
        progress.check()
        rows = level[start : start + _ROWS_A_CHECK]
        out[start : start + _ROWS_A_CHECK] = np.minimum(medians(rows[:, where.T].transpose(1, 0, 2).copy()), rows)
    return out


def local_periods(level: Magnitude, shortest: int, longest: int, window: int, progress: Progress) -> NDArray[np.int64]:
    """Return (hops,): the period around each hop, from beat spectra of `window` hops, every quarter of one."""
    hops = level.shape[1]
    step = max(window // 4, 1)
    centres = np.arange(0, hops, step)
    found = []
    for centre in centres:
        start = int(np.clip(centre - window // 2, 0, max(hops - window, 0)))
        found.append(period(beat_spectrum(level[:, start : start + window], progress), shortest, longest))
    nearest = np.minimum((np.arange(hops) + step // 2) // step, len(found) - 1)
    return np.asarray(found, np.int64)[nearest]


_LOW_CUT = Param(
    "low_cut_hz", "Voice begins at", 100.0, "Below it everything belongs to the accompaniment.", 20.0, 400.0, "Hz"
)
_SHORTEST = Param(
    "shortest_s", "Shortest period", 0.8, "Raise it if a single beat is taken for the whole pattern.", 0.2, 4.0, "s"
)
_LONGEST = Param("longest_s", "Longest period", 8.0, "Raise it for long loops at a slow tempo.", 1.0, 12.0, "s")


class _Repeating(ABC):
    """What both share: the voice is what the repetition does not explain."""

    info: MethodInfo

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        transform = transform_for(mix.rate, _WINDOW_S)
        spectra = transform.forward(mix.samples)
        progress.check()
        level = magnitude(spectra)
        hop_s = transform.hop / mix.rate
        shortest = max(round(float(params["shortest_s"]) / hop_s), 2)
        longest = max(round(float(params["longest_s"]) / hop_s), shortest + 1)
        again = self._background(level, shortest, longest, hop_s, params, progress)
        mask = 1.0 - again / np.maximum(level, np.float32(1e-10))
        low = float(params["low_cut_hz"])
        mask *= ramp_up(transform.frequencies(mix.rate), low * 0.8, low * 1.25)
        progress.check()
        return {"vocals": masked(spectra, mask.astype(np.float32), transform, mix)}

    @abstractmethod
    def _background(
        self, level: Magnitude, shortest: int, longest: int, hop_s: float, params: Params, progress: Progress
    ) -> Magnitude:
        """Return (bins, hops): what comes again."""


class Repet(_Repeating):
    """One period for each half minute."""

    info = MethodInfo(
        key="repet",
        name="Loop (REPET)",
        family="repetition",
        sentence="Finds the loop a song is built on and takes what goes over it as the voice. For steady loops.",
        source=(
            "Z. Rafii, B. Pardo, REpeating Pattern Extraction Technique (REPET): a simple method for music/voice "
            "separation, IEEE Trans. ASLP 21, 2013"
        ),
        stems=("vocals", "accompaniment"),
        segment_s=30.0,
        overlap_s=2.0,
        rest="accompaniment",
        speed=130.0,
        params=(_SHORTEST, _LONGEST, _LOW_CUT),
    )

    def _background(
        self, level: Magnitude, shortest: int, longest: int, hop_s: float, params: Params, progress: Progress
    ) -> Magnitude:
        return repeating(level, period(beat_spectrum(level, progress), shortest, longest), progress)


class AdaptiveRepet(_Repeating):
    """A period of its own for every moment."""

    info = MethodInfo(
        key="adaptive_repet",
        name="Loop that changes (adaptive REPET)",
        family="repetition",
        sentence="Like Loop, for songs whose tempo or pattern changes.",
        source=(
            "A. Liutkus, Z. Rafii, R. Badeau, B. Pardo, G. Richard, Adaptive filtering for music/voice separation "
            "exploiting the repeating musical structure, ICASSP 2012"
        ),
        stems=("vocals", "accompaniment"),
        segment_s=40.0,
        overlap_s=2.0,
        rest="accompaniment",
        speed=75.0,
        params=(
            Param(
                "repetitions", "Repetitions", 5, "More make the background steadier, fewer follow its changes.", 3, 15
            ),
            Param("around_s", "Looks around", 10.0, "Shorter follows faster changes of tempo.", 4.0, 30.0, "s"),
            _SHORTEST,
            Param("longest_s", "Longest period", 3.0, _LONGEST.help, 1.0, 12.0, "s"),
            _LOW_CUT,
        ),
    )

    def _background(
        self, level: Magnitude, shortest: int, longest: int, hop_s: float, params: Params, progress: Progress
    ) -> Magnitude:
        window = max(round(float(params["around_s"]) / hop_s), 4)
        periods = local_periods(level, shortest, longest, window, progress)
        return repeating_adaptively(level, periods, int(params["repetitions"]), progress)
