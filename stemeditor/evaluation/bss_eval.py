"""BSSEval, version 4: signal to distortion, interference and artifacts, and image to spatial distortion.

An estimate is projected onto what filters of 512 taps can make of its true source, and onto what they can make of all
true sources together; the differences are the spatial distortion, the interference and the artifacts (Vincent et al.
2006). Version 4 (Stöter et al. 2018) finds the filters once for the whole song, and measures in windows.

The song is read in blocks, so that memory does not grow with it: correlations of all pairs are added up in the
frequency domain, one Cholesky factor serves all estimates, and the filters are applied to many blocks together.

The figures are those of the reference implementation (`museval` 0.4.1) but for one case: references that hold nothing
at all in a band, not even rounding (float files behind a low-pass), make its least squares nearly singular, and its
filters noise. Here they are refined until they solve it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples
from stemeditor.progress import Progress, Silent

TAPS = 512

_CORRELATION_FFT = 16384
_FILTER_FFT = 8192
_BLOCKS_AT_ONCE = 16
_BINS_AT_ONCE = 1024
_TINY = np.finfo(np.float64).eps
_RIDGES = (0.0, 1e-13, 1e-11, 1e-9)
_REFINEMENTS = 2
_BLOCK = 256
_SOLVED = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What each source is worth in each window, in dB: (sources, windows) float64.

    NaN where it cannot be said: the source, its estimate or, with `strict`, any of them is silent there. A perfect
    estimate has infinity.
    """

    sdr: NDArray[np.float64]
    isr: NDArray[np.float64]
    sir: NDArray[np.float64]
    sar: NDArray[np.float64]


def windows(frames: int, window: int, hop: int) -> list[tuple[int, int]]:
    """Return the [start, stop) of the windows: whole ones only, or one of everything if the song is shorter."""
    if window >= frames:
        return [(0, frames)]
    return [(start, start + window) for start in range(0, frames - window + 1, hop)]


def bss_eval(
    references: Sequence[Samples],
    estimates: Sequence[Samples],
    window: int,
    hop: int,
    *,
    taps: int = TAPS,
    strict: bool = True,
    progress: Progress | None = None,
) -> Scores:
    """Score estimates against true sources.

    Parameters
    ----------
    references, estimates
        As many of each, in the same order, all of the shape (channels, frames); may be memory-mapped. No reference may
        be silent throughout: what is not there cannot be projected onto.
    window, hop
        Length and distance of the windows in frames.
    taps
        Length of the distortion filters.
    strict
        Whether a window in which any source or estimate is silent counts for none of them, as in the reference
        implementation. Otherwise it counts for those that sound.
    progress
        `advance` runs from 0 to 1.

    Returns
    -------
    Scores

    Raises
    ------
    ValueError
        If shapes differ, there is nothing to score, or a reference is silent.

    References
    ----------
    E. Vincent, R. Gribonval, C. Févotte, Performance measurement in blind audio source separation, IEEE Trans. ASLP 14,
    2006; E. Vincent et al., First stereo audio source separation evaluation campaign, ICA 2007 (eq. 3 to 7, images);
    F.-R. Stöter, A. Liutkus, N. Ito, The 2018 signal separation evaluation campaign, LVA/ICA 2018.
    """
    progress = progress or Silent()
    shapes = {part.shape for part in (*references, *estimates)}
    if len(shapes) != 1 or len(references) != len(estimates):
        raise ValueError(f"references and estimates are as many, of one shape, not {sorted(shapes)}")
    channels, frames = next(iter(shapes))
    if frames == 0 or channels == 0:
        raise ValueError("there is nothing to score")
    found = _Filters.of(references, estimates, taps, progress)
    spans = windows(frames, window, hop)
    out = np.full((4, len(references), len(spans)), np.nan)
    for number, (start, stop) in enumerate(spans):
        progress.advance(0.5 + 0.5 * number / len(spans))
        true = np.stack([part[:, start:stop] for part in references]).astype(np.float64)
        guess = np.stack([part[:, start:stop] for part in estimates]).astype(np.float64)
        # As the reference implementation has it: silent is what is 0 in the sum of its channels.
        silent = ~true.sum(axis=1).any(axis=1) | ~guess.sum(axis=1).any(axis=1)
        if strict and silent.any():
            continue
        out[:, :, number] = _measured(true, guess, found, taps, progress)
        out[:, silent, number] = np.nan
    progress.advance(1.0)
    return Scores(*out)


@dataclass(frozen=True, slots=True, eq=False)
class _Filters:
    """Spectra of the distortion filters.

    `whole` (bins, sources * channels, sources * channels): from all references to each estimate's projection;
    `own` (sources, bins, channels, channels): from the true source alone.
    """

    whole: NDArray[np.complex128]
    own: NDArray[np.complex128]

    @staticmethod
    def of(references: Sequence[Samples], estimates: Sequence[Samples], taps: int, progress: Progress) -> _Filters:
        from scipy import fft, linalg

        sources, channels = len(references), references[0].shape[0]
        count = sources * channels
        among, across = _correlations(references, estimates, taps, progress)
        # Rows of a block are delays of the first signal, columns of the second.
        gram = np.empty((count, taps, count, taps))
        for first in range(count):
            for second in range(first, count):
                row = among[first, second]
                gram[first, :, second] = linalg.toeplitz(row[taps - 1 :], row[taps - 1 :: -1])
                gram[second, :, first] = gram[first, :, second].T
            progress.check()
        wanted = np.moveaxis(across[:, :, taps - 1 :], 2, 1)
        size = count * taps
        filters = _solved(gram.reshape(size, size), wanted.reshape(size, count), progress)
        whole = fft.rfft(filters.reshape(count, taps, count), _FILTER_FFT, axis=1).transpose(1, 0, 2)
        own = []
        for source in range(sources):
            part = slice(source * channels, (source + 1) * channels)
            size = channels * taps
            block = gram[part, :, part].reshape(size, size)
            filters = _solved(block, wanted[part, :, part].reshape(size, channels), progress)
            spectrum = fft.rfft(filters.reshape(channels, taps, channels), _FILTER_FFT, axis=1)
            own.append(spectrum.transpose(1, 0, 2))
        return _Filters(np.ascontiguousarray(whole), np.stack(own))


def _solved(gram: NDArray[np.float64], wanted: NDArray[np.float64], progress: Progress) -> NDArray[np.float64]:
    """Return the least-squares filters; the gram matrix may be singular (two channels that hold the same sound)."""
    level = max(float(np.trace(gram)) / len(gram), 1e-300)
    diagonal = gram.diagonal().copy()
    best = np.zeros_like(wanted)
    least = np.inf
    for ridge in _RIDGES:
        progress.check()
        # In place and back again: another copy of this matrix would double the memory.
        np.fill_diagonal(gram, diagonal + max(ridge * level, _TINY))
        try:
            lower = np.asarray(np.linalg.cholesky(gram), np.float64)
        except np.linalg.LinAlgError:
            continue
        finally:
            np.fill_diagonal(gram, diagonal)
        progress.check()
        found = _substituted(lower, wanted, progress)
        error = _residual(gram, found, wanted)
        for _ in range(_REFINEMENTS if error > _SOLVED else 0):
            # Any solution of a singular system gives the same projection; refinement takes the ridge's share back.
            found += _substituted(lower, wanted - gram @ found, progress)
            error = _residual(gram, found, wanted)
        if np.isfinite(error) and error < least:
            best, least = found, error
        if least < _SOLVED:
            break
    return best


def _residual(gram: NDArray[np.float64], found: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    return float(np.abs(gram @ found - wanted).max()) / max(float(np.abs(wanted).max()), 1e-300)


def _substituted(lower: NDArray[np.float64], wanted: NDArray[np.float64], progress: Progress) -> NDArray[np.float64]:
    """Return x of L L^T x = wanted, in blocks.

    By numpy alone: what scipy has for it keeps the interpreter, and with it the sound output, for as long as it takes.
    """
    size = len(lower)
    edges = [(start, min(start + _BLOCK, size)) for start in range(0, size, _BLOCK)]
    found = wanted.copy()
    for start, stop in edges:
        progress.check()
        found[start:stop] -= lower[start:stop, :start] @ found[:start]
        found[start:stop] = np.linalg.solve(lower[start:stop, start:stop], found[start:stop])
    for start, stop in reversed(edges):
        progress.check()
        found[start:stop] -= lower[stop:, start:stop].T @ found[stop:]
        found[start:stop] = np.linalg.solve(lower[start:stop, start:stop].T, found[start:stop])
    return found


def _correlations(
    references: Sequence[Samples], estimates: Sequence[Samples], taps: int, progress: Progress
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sums over n of a[n] b[n + lag] for lags -(taps - 1) to taps - 1.

    Returns
    -------
    among : ndarray
        (signals, signals, lags) of the references' channels with each other.
    across : ndarray
        (signals, signals, lags) of the references' channels with the estimates'.
    """
    from scipy import fft

    reach = taps - 1
    length = _CORRELATION_FFT - 2 * reach
    count = len(references) * references[0].shape[0]
    total = np.zeros((_CORRELATION_FFT // 2 + 1, count, 2 * count), np.complex128)
    frames = references[0].shape[1]
    batches = list(range(0, frames, length * _BLOCKS_AT_ONCE))
    for number, begin in enumerate(batches):
        progress.advance(0.45 * number / len(batches))
        starts = range(begin, min(begin + length * _BLOCKS_AT_ONCE, frames), length)
        narrow = np.zeros((len(starts), count, _CORRELATION_FFT))
        wide = np.zeros((len(starts), 2 * count, _CORRELATION_FFT))
        for row, start in enumerate(starts):
            stop = min(start + length, frames)
            # The narrow block stands where lag 0 puts it in the wide one.
            narrow[row, :, reach : reach + stop - start] = _stacked(references, start, stop)
            low, high = max(start - reach, 0), min(stop + reach, frames)
            at = slice(low - start + reach, high - start + reach)
            wide[row, :count, at] = _stacked(references, low, high)
            wide[row, count:, at] = _stacked(estimates, low, high)
        progress.check()
        first = fft.rfft(narrow, axis=2).transpose(2, 1, 0).conj()
        progress.check()
        second = fft.rfft(wide, axis=2).transpose(2, 0, 1)
        for low in range(0, len(total), _BINS_AT_ONCE):
            progress.check()
            part = slice(low, low + _BINS_AT_ONCE)
            total[part] += np.matmul(first[part], second[part])
    lags = fft.irfft(total, _CORRELATION_FFT, axis=0)
    found = np.moveaxis(np.concatenate([lags[-reach:], lags[:taps]]) if reach else lags[:1], 0, 2)
    return found[:, :count], found[:, count:]


def _stacked(parts: Sequence[Samples], start: int, stop: int) -> NDArray[np.float64]:
    return np.concatenate([part[:, start:stop] for part in parts]).astype(np.float64)


def _measured(
    true: NDArray[np.float64], guess: NDArray[np.float64], filters: _Filters, taps: int, progress: Progress
) -> NDArray[np.float64]:
    """Return (4, sources): SDR, ISR, SIR, SAR of one window, (sources, channels, frames) each."""
    sources, channels, frames = true.shape
    energies = np.zeros((5, sources))
    spatial, interference, artifacts, own_power, all_power = energies
    tail = np.zeros((2, sources, channels, taps - 1))
    for start, own, whole in _projected(true, filters, taps, progress):
        # What a block's filters still say behind its end belongs to the next one.
        own[:, :, : taps - 1] += tail[0]
        whole[:, :, : taps - 1] += tail[1]
        length = min(own.shape[2] - (taps - 1), frames - start)
        last = start + length >= frames
        count = length + taps - 1 if last else length
        tail = np.stack([own[:, :, length : length + taps - 1], whole[:, :, length : length + taps - 1]])
        own, whole = own[:, :, :count], whole[:, :, :count]
        source = np.zeros((sources, channels, count))
        estimate = np.zeros((sources, channels, count))
        source[:, :, :length] = true[:, :, start : start + length]
        estimate[:, :, :length] = guess[:, :, start : start + length]
        for total, part in (
            (spatial, own - source),
            (interference, whole - own),
            (artifacts, estimate - whole),
            (own_power, own),
            (all_power, whole),
        ):
            total += np.einsum("scn,scn->s", part, part)
    power = np.einsum("scn,scn->s", true, true)
    error = guess - true
    distortion = np.einsum("scn,scn->s", error, error)
    return np.stack(
        [
            _decibels(power, distortion),
            _decibels(power, spatial),
            _decibels(own_power, interference),
            _decibels(all_power, artifacts),
        ]
    )


def _projected(
    true: NDArray[np.float64], filters: _Filters, taps: int, progress: Progress
) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield (start, own, whole): projections (sources, channels, block + taps - 1) of blocks, tails not yet added."""
    from scipy import fft

    sources, channels, frames = true.shape
    count = sources * channels
    length = _FILTER_FFT - (taps - 1)
    starts = list(range(0, frames, length))
    for first in range(0, len(starts), _BLOCKS_AT_ONCE):
        some = starts[first : first + _BLOCKS_AT_ONCE]
        blocks = np.zeros((len(some), count, _FILTER_FFT))
        for row, start in enumerate(some):
            block = true[:, :, start : start + length].reshape(count, -1)
            blocks[row, :, : block.shape[1]] = block
        spectra = np.ascontiguousarray(fft.rfft(blocks, axis=2).transpose(2, 0, 1))
        progress.check()
        whole = fft.irfft(np.matmul(spectra, filters.whole), _FILTER_FFT, axis=0)
        progress.check()
        own = np.empty_like(whole)
        for source in range(sources):
            part = slice(source * channels, (source + 1) * channels)
            own[:, :, part] = fft.irfft(np.matmul(spectra[:, :, part], filters.own[source]), _FILTER_FFT, axis=0)
        progress.check()
        for row, start in enumerate(some):
            yield (
                start,
                own[:, row].T.reshape(sources, channels, -1).copy(),
                whole[:, row].T.reshape(sources, channels, -1).copy(),
            )


def _decibels(power: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0.0, np.inf, 10 * np.log10(power / error))
