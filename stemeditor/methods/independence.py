"""Sources of a stereo recording by independence: ICA, IVA, and independent low-rank matrix analysis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio
from stemeditor.audio.stft import Stft
from stemeditor.methods.base import MethodInfo, Param, Params, Stems
from stemeditor.methods.demix import Mixtures, Powers, SourceModel, aligned, demix, images, whitening
from stemeditor.methods.excerpt import excerpt
from stemeditor.methods.nmf import learn_param, positive
from stemeditor.methods.spectra import transform_for
from stemeditor.progress import Part, Progress

_STEMS = ("source 1", "source 2")
_SEED = 6
_GAUSSIAN_SWEEPS = 10
_ADVICE = "For recordings of two sources with two microphones; few mastered songs are such."


def laplace_bins(power: Powers) -> Powers:
    """Return the variance of a Laplacian source in each bin by itself: frequency-domain ICA."""
    return np.sqrt(power)


def laplace_frames(power: Powers) -> Powers:
    """Return one variance a hop for all bins: independent vector analysis with a spherical Laplacian."""
    mean = np.sqrt(power.mean(axis=1, keepdims=True))
    return np.broadcast_to(mean, power.shape)


class LowRank:
    """Source model of ILRMA: the variance of each source is a non-negative factorisation of its power.

    Parameters
    ----------
    parts
        Of each source.
    freedom
        Degrees of freedom of the complex Student's t distribution; None for the Gaussian.
    sparsity, disjoint
        Weights of a Laplace prior on the gains and of a prior that keeps the templates of a source apart.

    References
    ----------
    D. Kitamura et al., 2016, eq. 30 to 33, for the Gaussian; S. Mogami et al., Independent low-rank matrix analysis
    based on complex Student's t-distribution for blind audio source separation, MLSP 2017, eq. 22 and 23: with the
    power replaced by a mean of power and variance the same updates serve the t distribution.
    """

    def __init__(self, parts: int, freedom: float | None = None, sparsity: float = 0.0, disjoint: float = 0.0) -> None:
        self._parts, self._freedom = parts, freedom
        self._sparsity, self._disjoint = np.float32(sparsity), np.float32(disjoint)
        self._templates: Powers | None = None
        self._gains: Powers | None = None

    def __call__(self, power: Powers) -> Powers:
        """Update the factors once and return the variances."""
        sources, bins, hops = power.shape
        if self._templates is None or self._gains is None:
            rng = np.random.default_rng(_SEED)
            self._templates = positive(rng, sources, bins, self._parts)
            self._gains = positive(rng, sources, self._parts, hops) / np.float32(self._parts)
        target = np.maximum(power, np.float32(1e-6))
        above, below = self._ratio(target)
        denominator = np.matmul(below, self._gains.transpose(0, 2, 1))
        if self._disjoint:
            gram = np.matmul(self._templates.transpose(0, 2, 1), self._templates)
            gram *= 1.0 - np.eye(self._parts, dtype=np.float32)
            denominator = denominator + self._disjoint * np.float32(hops / bins) * np.matmul(self._templates, gram)
        self._templates = self._templates * np.sqrt(
            np.matmul(above, self._gains.transpose(0, 2, 1)) / np.maximum(denominator, np.float32(1e-12))
        )
        above, below = self._ratio(target)
        turned = self._templates.transpose(0, 2, 1)
        denominator = np.matmul(turned, below) + self._sparsity * np.float32(bins / self._parts)
        self._gains = self._gains * np.sqrt(np.matmul(turned, above) / np.maximum(denominator, np.float32(1e-12)))
        return self._value()

    def rescale(self, change: Powers) -> None:
        """Follow a change of the sources' powers, (sources, bins, 1)."""
        if self._templates is not None:
            self._templates = self._templates * change

    def follow(self, other: LowRank) -> None:
        """Take over the factors of another."""
        self._templates, self._gains = other._templates, other._gains

    def _value(self) -> Powers:
        assert self._templates is not None
        assert self._gains is not None
        found: Powers = np.maximum(np.matmul(self._templates, self._gains), np.float32(1e-6))
        return found

    def _ratio(self, power: Powers) -> tuple[Powers, Powers]:
        value = self._value()
        if self._freedom is not None:
            share = np.float32(self._freedom / (self._freedom + 2.0))
            power = 1.0 / (share / power + (1 - share) / value)
        return power / value**2, 1.0 / value


class StudentT:
    """`LowRank` whose variances are those the complex Student's t distribution weighs the covariance with.

    The first sweeps are Gaussian: with heavy tails from the start every point that the young factors do not explain
    yet counts as an outlier, and the sources stay mixed (measured on two sources in a room: 2 dB instead of 14).
    """

    def __init__(self, parts: int, freedom: float) -> None:
        self._gaussian, self._heavy = LowRank(parts), LowRank(parts, freedom)
        self._share = np.float32(freedom / (freedom + 2.0))
        self._calls = 0

    def __call__(self, power: Powers) -> Powers:
        """Update the factors once and return the variances: from the tenth sweep a mean of model and power."""
        self._calls += 1
        if self._calls <= _GAUSSIAN_SWEEPS:
            return self._gaussian(power)
        self._heavy.follow(self._gaussian)
        self._gaussian = self._heavy
        value = self._heavy(power)
        return self._share * value + (1 - self._share) * power

    def rescale(self, change: Powers) -> None:
        """Follow a change of the sources' powers, (sources, bins, 1)."""
        self._gaussian.rescale(change)


@dataclass(frozen=True, slots=True, eq=False)
class Demixer:
    """Demixing matrices learned from a song, (bins, sources, channels); takes its pieces apart by multiplying."""

    info: MethodInfo
    demixing: NDArray[np.complex128] | None
    window_s: float

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        if self.demixing is None or not mix.samples.any():
            return {name: np.zeros_like(mix.samples) for name in _STEMS}
        transform = transform_for(mix.rate, self.window_s)
        mixtures = _mixtures(transform, mix, progress)
        found: Stems = {}
        for name, image in zip(_STEMS, images(self.demixing, mixtures), strict=True):
            progress.check()
            found[name] = transform.inverse(np.ascontiguousarray(image), mix.frames)
        return found


def _mixtures(transform: Stft, mix: Audio, progress: Progress) -> Mixtures:
    spectra = transform.forward(mix.samples)
    progress.check()
    return np.ascontiguousarray(spectra.transpose(1, 0, 2))


_WINDOW = Param(
    "window_s",
    "Window",
    0.186,
    "Longer covers more of the room's echo, shorter needs less of the song to learn from.",
    0.04,
    0.4,
    "s",
)


def _sweeps(default: int) -> Param:
    return Param("sweeps", "Sweeps", default, "More tell the sources apart better, and take longer.", 2, 200)


def _parts(default: int) -> Param:
    return Param("parts", "Parts a source", default, "Few suit speech and single lines, more suit chords.", 1, 30)


def _info(key: str, name: str, sentence: str, source: str, speed: float, *params: Param) -> MethodInfo:
    return MethodInfo(
        key=key,
        name=name,
        family="independence",
        sentence=f"{sentence} {_ADVICE}",
        source=source,
        stems=_STEMS,
        segment_s=20.0,
        overlap_s=0.5,
        speed=speed,
        stereo=True,
        instead="classic",
        params=params,
    )


class Determined(ABC):
    """A method that learns demixing matrices from an excerpt. Children say their `info` and source model."""

    info: MethodInfo

    @abstractmethod
    def source_model(self, params: Params) -> SourceModel:
        """Return a fresh source model."""

    def learn(self, song: Audio, params: Params, progress: Progress) -> Demixer:
        """See `Learner.learn`."""
        window_s = float(params["window_s"])
        transform = transform_for(song.rate, window_s)
        heard = excerpt(song, float(params["learn_s"]))
        mixtures = _mixtures(transform, heard, progress)
        level = float(np.sqrt((mixtures.real**2 + mixtures.imag**2).mean()))
        if level < 1e-12:
            return Demixer(self.info, None, window_s)
        mixtures /= np.float32(level)
        found = self.matrices(mixtures, transform, heard.frames, params, progress)
        return Demixer(self.info, _loudest_first(found, mixtures), window_s)

    def matrices(
        self, mixtures: Mixtures, transform: Stft, frames: int, params: Params, progress: Progress
    ) -> NDArray[np.complex128]:
        """Return the demixing matrices, (bins, sources, channels)."""
        model = self.source_model(params)
        rescaled = getattr(model, "rescale", None)
        begin = whitening(mixtures)
        return demix(mixtures, begin, model, int(params["sweeps"]), progress, rescaled=rescaled)

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`: learns from the piece itself."""
        return self.learn(mix, params, progress).separate(mix, params, progress)


def _loudest_first(demixing: NDArray[np.complex128], mixtures: Mixtures) -> NDArray[np.complex128]:
    """Order the sources by their power, so that equal recordings give equal names."""
    powers = [float((image.real**2 + image.imag**2).sum()) for image in images(demixing, mixtures)]
    return np.ascontiguousarray(demixing[:, np.argsort(powers)[::-1]])


class FftIca(Determined):
    """ICA in every bin, and the bins brought into one order afterwards."""

    info = _info(
        "fft_ica",
        "ICA at each frequency (FFT-ICA)",
        "Tells two sources in a room apart by independence, frequency by frequency.",
        "M. R. Ezilarasan et al., Blind source separation in the presence of AWGN using ICA-FFT algorithms, 2023; "
        "H. Sawada, S. Araki, S. Makino, IEEE Trans. ASLP 19, 2011",
        20.0,
        _sweeps(30),
        _WINDOW,
        learn_param(30.0),
    )

    def source_model(self, params: Params) -> SourceModel:
        """See `Determined.source_model`."""
        return laplace_bins

    def matrices(
        self, mixtures: Mixtures, transform: Stft, frames: int, params: Params, progress: Progress
    ) -> NDArray[np.complex128]:
        """See `Determined.matrices`."""
        begin = whitening(mixtures)
        found = demix(mixtures, begin, laplace_bins, int(params["sweeps"]), Part(progress, 0.0, 0.9))
        return aligned(found, mixtures, progress)


class AuxIva(Determined):
    """Independent vector analysis by auxiliary functions."""

    info = _info(
        "auxiva",
        "Independent vectors (AuxIVA)",
        "Tells two sources in a room apart by when they sound, at all frequencies together.",
        "N. Ono, Stable and fast update rules for independent vector analysis based on auxiliary function technique, "
        "WASPAA 2011",
        20.0,
        _sweeps(40),
        _WINDOW,
        learn_param(30.0),
    )

    def source_model(self, params: Params) -> SourceModel:
        """See `Determined.source_model`."""
        return laplace_frames


class Ilrma(Determined):
    """Independent low-rank matrix analysis."""

    info = _info(
        "ilrma",
        "Independent low rank (ILRMA)",
        "Tells two sources in a room apart by their independence and their recurring sounds.",
        "D. Kitamura, N. Ono, H. Sawada, H. Kameoka, H. Saruwatari, Determined blind source separation unifying "
        "independent vector analysis and nonnegative matrix factorization, IEEE/ACM Trans. ASLP 24, 2016",
        15.0,
        _parts(6),
        _sweeps(50),
        _WINDOW,
        learn_param(30.0),
    )

    def source_model(self, params: Params) -> SourceModel:
        """See `Determined.source_model`."""
        return LowRank(int(params["parts"]))


class StudentTIlrma(Determined):
    """ILRMA with the complex Student's t distribution."""

    info = _info(
        "t_ilrma",
        "ILRMA with heavy tails (t-ILRMA)",
        "ILRMA that is less disturbed by single loud moments.",
        "S. Mogami et al., Independent low-rank matrix analysis based on complex Student's t-distribution for blind "
        "audio source separation, MLSP 2017",
        14.0,
        _parts(6),
        Param("freedom", "Freedom", 10.0, "Lower trusts single loud moments less; 1000 is plain ILRMA.", 1.0, 1000.0),
        _sweeps(50),
        _WINDOW,
        learn_param(30.0),
    )

    def source_model(self, params: Params) -> SourceModel:
        """See `Determined.source_model`."""
        return StudentT(int(params["parts"]), float(params["freedom"]))


class ConsistentIlrma(Determined):
    """ILRMA that keeps every estimate a spectrogram some sound has."""

    info = _info(
        "consistent_ilrma",
        "Consistent ILRMA",
        "ILRMA that keeps its estimates real sounds at every step; steadier, and slower.",
        "D. Kitamura, K. Yatabe, Consistent independent low-rank matrix analysis for determined blind source "
        "separation, EURASIP J. Advances in Signal Processing 2020",
        7.0,
        _parts(6),
        _sweeps(40),
        _WINDOW,
        learn_param(30.0),
    )

    def source_model(self, params: Params) -> SourceModel:
        """See `Determined.source_model`."""
        return LowRank(int(params["parts"]))

    def matrices(
        self, mixtures: Mixtures, transform: Stft, frames: int, params: Params, progress: Progress
    ) -> NDArray[np.complex128]:
        """See `Determined.matrices`."""

        def consistent(sources: Mixtures) -> Mixtures:
            sounds = transform.inverse(np.ascontiguousarray(sources.transpose(1, 0, 2)), frames)
            progress.check()
            return np.ascontiguousarray(transform.forward(sounds).transpose(1, 0, 2))

        model = LowRank(int(params["parts"]))
        return demix(mixtures, whitening(mixtures), model, int(params["sweeps"]), progress, consistent, model.rescale)


class SparseIlrma(Determined):
    """ILRMA with priors on its factorisation."""

    info = _info(
        "sparse_ilrma",
        "ILRMA with sparse priors",
        "ILRMA in which few parts of a source sound at once and each keeps to its own frequencies.",
        "J. Wang, S. Guan, Multichannel blind speech source separation with a disjoint constraint source model, 2024",
        14.0,
        _parts(8),
        Param("sparsity", "Sparsity", 0.1, "Higher lets fewer parts of a source sound at once.", 0.0, 5.0),
        Param("disjoint", "Disjointness", 0.02, "Higher keeps the parts' frequencies apart.", 0.0, 5.0),
        _sweeps(50),
        _WINDOW,
        learn_param(30.0),
    )

    def source_model(self, params: Params) -> SourceModel:
        """See `Determined.source_model`."""
        return LowRank(int(params["parts"]), None, float(params["sparsity"]), float(params["disjoint"]))


class FastIca:
    """ICA of the waveforms, by the library's fixed-point iteration."""

    info = _info(
        "fastica",
        "Independent components (FastICA)",
        "Undoes a mix of two sources that differ only in level between the channels, such as bleed of pickups.",
        "A. Hyvärinen, E. Oja, Independent component analysis: algorithms and applications, Neural Networks 13, 2000",
        60.0,
        Param(
            "contrast",
            "Contrast",
            "logcosh",
            "Which departure from noise is looked for: log cosh for most sounds, exp for very spiky ones.",
            choices=(("logcosh", "Log cosh"), ("exp", "Exponential"), ("cube", "Kurtosis")),
        ),
        learn_param(60.0),
    )

    def learn(self, song: Audio, params: Params, progress: Progress) -> _Unmixer:
        """See `Learner.learn`."""
        import warnings

        from sklearn.decomposition import FastICA
        from sklearn.exceptions import ConvergenceWarning

        heard = excerpt(song, float(params["learn_s"])).samples.T.astype(np.float64)
        progress.check()
        # A hundred thousand instants say what a 2 x 2 matrix is.
        heard = heard[:: max(len(heard) // 100_000, 1)]
        if len(heard) < 4 or not heard.std(axis=0).all():
            return _Unmixer(self.info, None)
        progress.advance(0.2)
        with warnings.catch_warnings():
            # Sources that are nearly Gaussian make it circle; what it has after its last pass still unmixes.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = FastICA(
                whiten="unit-variance", fun=str(params["contrast"]), random_state=_SEED, max_iter=200, tol=1e-5
            ).fit(heard)
        progress.check()
        demixing = np.asarray(model.components_)[np.newaxis].astype(np.complex128)
        mixtures = np.ascontiguousarray(heard.T)[np.newaxis].astype(np.complex64)
        return _Unmixer(self.info, _loudest_first(demixing, mixtures).real[0])

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`: learns from the piece itself."""
        return self.learn(mix, params, progress).separate(mix, params, progress)


@dataclass(frozen=True, slots=True, eq=False)
class _Unmixer:
    """A real demixing matrix (sources, channels) for waveforms."""

    info: MethodInfo
    demixing: NDArray[np.float64] | None

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        progress.check()
        if self.demixing is None:
            return {name: np.zeros_like(mix.samples) for name in _STEMS}
        mixing = np.linalg.inv(self.demixing)
        found: Stems = {}
        for index, name in enumerate(_STEMS):
            through = np.outer(mixing[:, index], self.demixing[index]).astype(np.float32)
            found[name] = through @ mix.samples
            progress.check()
        return found
