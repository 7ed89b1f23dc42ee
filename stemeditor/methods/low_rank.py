"""Low rank and sparse: an accompaniment repeats itself and spans few directions, a voice stands out from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio
from stemeditor.audio.stft import Spectra, Stft
from stemeditor.methods.base import MethodInfo, Param, Params, Stems
from stemeditor.methods.hpss import along_time, odd
from stemeditor.methods.masks import Magnitude, ramp_up, soft
from stemeditor.methods.pitch import melody, pitch_axis, salience
from stemeditor.methods.spectra import magnitude, masked, transform_for
from stemeditor.progress import Progress

_WINDOW_S = 0.046
_TOP_HZ = 11000.0
_TOLERANCE = 1e-4
_GROWTH = 1.5
_SWEEPS = 40


def robust_pca(
    matrix: Magnitude,
    sparsity: NDArray[np.float32] | float,
    progress: Progress,
    weighted: bool = False,
) -> tuple[Magnitude, Magnitude]:
    """Split a matrix into a low-rank and a sparse one by the inexact augmented Lagrangian method.

    Minimises ||L||_* + sum of sparsity * |S| subject to L + S = M (Candès et al. 2011, eq. 1.1). With `weighted` the
    nuclear norm counts each singular value less the larger it is (Gu et al. 2014), which leaves the strong directions
    of the accompaniment whole.

    Parameters
    ----------
    matrix
        (rows, columns), 0 or more.
    sparsity
        Weight of |S|: a number, or one for each row as (rows, 1). Candès et al. prove 1 / sqrt(max(rows, columns)).
    progress
        Checked between the steps.
    weighted
        Whether the nuclear norm is weighted.

    Returns
    -------
    low_rank, sparse : ndarray
        Of the shape of `matrix`; their sum is `matrix` to within 1e-4 of its norm.

    References
    ----------
    E. J. Candès, X. Li, Y. Ma, J. Wright, Robust principal component analysis?, J. ACM 58, 2011.
    Z. Lin, M. Chen, Y. Ma, The augmented Lagrange multiplier method for exact recovery of corrupted low-rank matrices,
    2010, algorithm 5.
    S. Gu, L. Zhang, W. Zuo, X. Feng, Weighted nuclear norm minimization with application to image denoising, CVPR 2014.
    """
    norm = float(np.linalg.norm(matrix))
    largest = float(np.sqrt(max(_eigen(matrix @ matrix.T)[0][-1], 0.0)))
    if norm == 0.0 or largest == 0.0:
        return np.zeros_like(matrix), np.zeros_like(matrix)
    weight = np.asarray(sparsity, np.float32)
    multiplier = matrix / max(largest, float((np.abs(matrix) / weight).max()))
    penalty = 1.25 / largest
    low, sparse = np.zeros_like(matrix), np.zeros_like(matrix)
    for _ in range(_SWEEPS):
        progress.check()
        low = _shrunk(matrix - sparse + multiplier / np.float32(penalty), 1.0 / penalty, largest, weighted, progress)
        progress.check()
        left = matrix - low
        sparse = left + multiplier / np.float32(penalty)
        limit = weight / np.float32(penalty)
        sparse = np.sign(sparse) * np.maximum(np.abs(sparse) - limit, 0.0)
        progress.check()
        error = left - sparse
        multiplier = multiplier + np.float32(penalty) * error
        penalty *= _GROWTH
        if float(np.linalg.norm(error)) < _TOLERANCE * norm:
            break
    return low, sparse


def _shrunk(matrix: Magnitude, threshold: float, largest: float, weighted: bool, progress: Progress) -> Magnitude:
    """Return the matrix with its singular values shrunk by the threshold.

    By the eigenvectors of M M^T: a spectrogram has far fewer rows than a song has hops, and what squaring costs in
    precision lies below the threshold.
    """
    turned_over = matrix.shape[0] > matrix.shape[1]
    work = matrix.T if turned_over else matrix
    powers, vectors = _eigen(work @ work.T)
    progress.check()
    values = np.sqrt(np.maximum(powers, 0.0))
    limits = threshold * (largest / 8 / (values + 1e-6 * largest)).clip(0.0, 4.0) if weighted else threshold
    kept = np.maximum(values - limits, 0.0) / np.maximum(values, 1e-12)
    some = vectors[:, kept > 0.0].astype(np.float32)
    found: Magnitude = (some * kept[kept > 0.0].astype(np.float32)) @ (some.T @ work)
    return found.T if turned_over else found


def _eigen(gram: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # numpy's, not scipy's: that one keeps the interpreter, and with it the sound output, for as long as it takes.
    powers, vectors = np.linalg.eigh(gram.astype(np.float64))
    return powers, vectors


def extended(mask: Magnitude, bins: int) -> Magnitude:
    """Return (bins, hops): a mask of the lower bins, continued above by the mean of its top octave."""
    if len(mask) == bins:
        return mask
    above = mask[len(mask) // 2 :].mean(axis=0)
    return np.concatenate([mask, np.broadcast_to(above, (bins - len(mask), mask.shape[1]))])


_STRENGTH = Param(
    "sparsity",
    "Voice threshold",
    1.0,
    "Lower gives the voice more, and with it more of the accompaniment; higher takes only what clearly stands out.",
    0.2,
    4.0,
)
_LOW_CUT = Param(
    "low_cut_hz", "Voice begins at", 100.0, "Below it everything belongs to the accompaniment.", 20.0, 400.0, "Hz"
)
_STEMS = ("vocals", "accompaniment")


def _begin(mix: Audio, progress: Progress) -> tuple[Stft, Spectra, Magnitude]:
    """Return transform, spectra, and the magnitudes below 11 kHz, where voices are told from bands."""
    transform = transform_for(mix.rate, _WINDOW_S)
    spectra = transform.forward(mix.samples)
    progress.check()
    top = max(int(np.searchsorted(transform.frequencies(mix.rate), _TOP_HZ)), 2)
    return transform, spectra, np.ascontiguousarray(magnitude(spectra)[:top])


def _voice(mask: Magnitude, transform: Stft, spectra: Spectra, mix: Audio, low_cut_hz: float) -> Stems:
    mask = extended(mask, transform.bins) * ramp_up(
        transform.frequencies(mix.rate), low_cut_hz * 0.8, low_cut_hz * 1.25
    )
    return {"vocals": masked(spectra, mask.astype(np.float32), transform, mix)}


class Pca:
    """The strongest direction between the loudspeakers at every frequency, and what is at a right angle to it."""

    info = MethodInfo(
        key="pca",
        name="Main direction (PCA)",
        family="low rank",
        sentence="Turns the stereo picture so that what is loudest at each frequency stands alone. Instant.",
        source="K. Pearson, On lines and planes of closest fit to systems of points in space, Phil. Magazine 2, 1901",
        stems=("main", "sides"),
        segment_s=20.0,
        overlap_s=2.0,
        rest="sides",
        speed=140.0,
        stereo=True,
        instead="rpca",
        params=(
            Param(
                "follow_s",
                "Follows in",
                2.0,
                "Shorter follows instruments that come and go, longer keeps the picture steady.",
                0.2,
                10.0,
                "s",
            ),
        ),
    )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        from scipy.ndimage import uniform_filter1d

        transform = transform_for(mix.rate, 0.093)
        spectra = transform.forward(mix.samples)
        progress.check()
        hops = max(round(float(params["follow_s"]) * mix.rate / transform.hop), 1)
        left, right = spectra[0], spectra[-1]
        own = uniform_filter1d(np.abs(left) ** 2, hops, axis=1, mode="nearest")
        progress.check()
        theirs = uniform_filter1d(np.abs(right) ** 2, hops, axis=1, mode="nearest")
        progress.check()
        both = uniform_filter1d((left * right.conj()).real, hops, axis=1, mode="nearest")
        progress.check()
        # Largest eigenvector of the real 2 x 2 covariance, by its angle.
        angle = 0.5 * np.arctan2(2 * both, own - theirs)
        cosine, sine = np.cos(angle), np.sin(angle)
        progress.check()
        main = cosine * left + sine * right
        image = np.stack([cosine * main, sine * main])[: spectra.shape[0]].astype(np.complex64)
        return {"main": transform.inverse(image, mix.frames)}


class Rpca:
    """Robust principal component analysis of the magnitudes."""

    info = MethodInfo(
        key="rpca",
        name="Low rank and sparse (RPCA)",
        family="low rank",
        sentence="Takes what stands out from an accompaniment that resembles itself as the voice. Works in mono too.",
        source=(
            "P.-S. Huang, S. D. Chen, P. Smaragdis, M. Hasegawa-Johnson, Singing-voice separation from monaural "
            "recordings using robust principal component analysis, ICASSP 2012"
        ),
        stems=_STEMS,
        segment_s=10.0,
        overlap_s=1.0,
        rest="accompaniment",
        speed=17.0,
        params=(
            _STRENGTH,
            Param("gain", "Margin", 1.0, "Higher lets only what is much stronger than the rest pass.", 0.2, 5.0),
            Param(
                "mask",
                "Mask",
                "soft",
                "A binary mask is drier but chirps, a soft one leaks but sounds smoother.",
                choices=(("soft", "Soft"), ("binary", "Binary")),
            ),
            _LOW_CUT,
        ),
    )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        transform, spectra, level = _begin(mix, progress)
        low, sparse = robust_pca(level, float(params["sparsity"]) / np.sqrt(max(level.shape)), progress)
        low = np.abs(low) * np.float32(params["gain"])
        voice = np.abs(sparse)
        mask = soft(voice, low) if params["mask"] == "soft" else (voice > low).astype(np.float32)
        return _voice(mask, transform, spectra, mix, float(params["low_cut_hz"]))


class ImprovedRpca:
    """RPCA of compressed magnitudes with a threshold for each band, and a filter against chirping afterwards."""

    info = MethodInfo(
        key="improved_rpca",
        name="RPCA, improved",
        family="low rank",
        sentence="RPCA that hears quiet partials as well as loud ones, and removes the chirps masks leave.",
        source=(
            "T. Watanabe, T. Fujisawa, M. Ikehara, Vocal separation using improved robust principal component analysis "
            "and post-processing, MWSCAS 2016"
        ),
        stems=_STEMS,
        segment_s=10.0,
        overlap_s=1.0,
        rest="accompaniment",
        speed=16.0,
        params=(
            _STRENGTH,
            Param(
                "compression",
                "Compression",
                0.5,
                "Lower weighs quiet sounds more; 1 is plain RPCA.",
                0.2,
                1.0,
            ),
            Param("smooth_s", "Chirps shorter than", 0.04, "Longer removes more chirps, and blurs.", 0.0, 0.2, "s"),
            _LOW_CUT,
        ),
    )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        transform, spectra, level = _begin(mix, progress)
        compression = np.float32(params["compression"])
        squeezed = level**compression
        frequencies = transform.frequencies(mix.rate)[: len(level), np.newaxis]
        # Voices live between 200 Hz and 5 kHz: there a point is taken for a voice sooner than below and above.
        octaves = np.abs(np.log2(np.maximum(frequencies, 30.0) / 1000.0))
        band = np.asarray(0.85 + 0.12 * np.maximum(octaves - 1.2, 0.0) ** 2, np.float32)
        weight = np.float32(float(params["sparsity"]) / np.sqrt(max(level.shape))) * band
        low, sparse = robust_pca(squeezed, weight, progress)
        voice, band_level = np.abs(sparse) ** (1 / compression), np.abs(low) ** (1 / compression)
        mask = soft(voice, band_level)
        hops = odd(float(params["smooth_s"]) * mix.rate / transform.hop)
        if hops > 1:
            mask = np.minimum(mask, along_time(mask, hops, progress) * np.float32(1.2))
        return _voice(mask, transform, spectra, mix, float(params["low_cut_hz"]))


def gammatone(bands: int, frequencies: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (bands, bins): power responses of fourth-order gammatone filters, evenly spaced on the ERB-rate scale.

    |G(f)|^2 = (1 + ((f - c) / (1.019 ERB(c)))^2)^-4 with ERB(c) = 24.7 + c / 9.265 (B. R. Glasberg, B. C. J. Moore,
    Hearing Research 47, 1990; R. D. Patterson et al., 1992).
    """
    top = min(float(frequencies[-1]), _TOP_HZ)
    rates = np.linspace(_erb_rate(min(60.0, top / 4)), _erb_rate(top), bands)
    centres = (10 ** (rates / 21.4) - 1) / 0.00437
    width = 1.019 * (24.7 + centres / 9.265)
    response = (1 + ((frequencies[np.newaxis] - centres[:, np.newaxis]) / width[:, np.newaxis]) ** 2) ** -4.0
    found: NDArray[np.float32] = (response / np.maximum(response.sum(axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return found


def _erb_rate(hertz: float) -> float:
    return float(21.4 * np.log10(1 + 0.00437 * hertz))


class WeightedRpca:
    """Weighted RPCA of a cochleagram, joined with the overtones of the melody, silent where nobody sings."""

    info = MethodInfo(
        key="weighted_rpca",
        name="RPCA with ear and pitch",
        family="low rank",
        sentence="RPCA on the bands of the ear, joined with the overtones of the melody, silent where nobody sings.",
        source=(
            "F. Li, Y. Hu, L. Wang, Unsupervised single-channel singing voice separation with weighted robust "
            "principal component analysis based on gammatone auditory filterbank and vocal activity detection, "
            "Sensors 23, 2023"
        ),
        stems=_STEMS,
        segment_s=15.0,
        overlap_s=1.0,
        rest="accompaniment",
        speed=90.0,
        params=(
            _STRENGTH,
            Param("bands", "Bands of the ear", 96, "More tell neighbouring notes apart, and take longer.", 24, 160),
            Param(
                "pitch",
                "Pitch",
                0.6,
                "How far the voice is held to the overtones of the melody: 0 ignores them, 1 takes nothing else.",
                0.0,
                1.0,
            ),
            Param("quiet", "Pause below", 0.15, "Higher mutes the voice sooner where nobody seems to sing.", 0.0, 1.0),
            _LOW_CUT,
        ),
    )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        transform, spectra, level = _begin(mix, progress)
        frequencies = transform.frequencies(mix.rate)[: len(level)]
        bank = gammatone(int(params["bands"]), frequencies)
        cochleagram = np.sqrt(bank @ np.square(level))
        progress.check()
        weight = float(params["sparsity"]) / np.sqrt(max(cochleagram.shape))
        low, sparse = robust_pca(cochleagram, weight, progress, weighted=True)
        of_bands = soft(np.abs(sparse), np.abs(low))
        spread = bank / np.maximum(bank.sum(axis=0), 1e-12)
        mask = np.asarray(spread.T @ of_bands, np.float32)
        progress.check()
        voice = mask * level
        pitches = pitch_axis(max(float(params["low_cut_hz"]), 80.0), 3.2)
        loudness = salience(voice, pitches, float(frequencies[1]), progress)
        harmonic = _harmonics(pitches[melody(loudness, progress)], frequencies, progress)
        pull = np.float32(params["pitch"])
        # The masks agree where both are high; held to the pitch, what lies between overtones goes.
        mask *= (1 - pull) + pull * harmonic
        active = _activity(mask * level, level, float(params["quiet"]), mix.rate / transform.hop)
        return _voice(mask * active, transform, spectra, mix, float(params["low_cut_hz"]))


def _harmonics(pitch: NDArray[np.float64], frequencies: NDArray[np.float32], progress: Progress) -> Magnitude:
    """Return (bins, hops): 1 at the overtones of each hop's pitch, 0 between them."""
    progress.check()
    number = np.maximum(np.round(frequencies[:, np.newaxis] / pitch), 1.0)
    away = np.abs(frequencies[:, np.newaxis] - number * pitch)
    width = np.maximum(0.03 * number * pitch, 1.2 * frequencies[1])
    width = np.minimum(width, 0.45 * pitch)
    progress.check()
    return np.asarray(np.exp(-0.5 * (away / width) ** 2), np.float32)


def _activity(voice: Magnitude, level: Magnitude, quiet: float, hops_a_second: float) -> NDArray[np.float32]:
    """Return (hops,) 0 to 1: whether somebody sings, smoothed over a fifth of a second."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    share = np.square(voice).sum(axis=0) / np.maximum(np.square(level).sum(axis=0), 1e-12)
    width = max(round(0.2 * hops_a_second), 1)
    share = maximum_filter1d(uniform_filter1d(np.sqrt(share), width), width)
    if quiet == 0.0:
        return np.ones_like(share)
    return np.asarray(np.clip((share - 0.5 * quiet) / (0.5 * quiet), 0.0, 1.0), np.float32)
