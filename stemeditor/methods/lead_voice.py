"""The lead voice as a source and a filter: a glottal source at one pitch, shaped by a vocal tract."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio
from stemeditor.audio.stft import Stft
from stemeditor.methods.base import MethodInfo, Param, Params, Stems
from stemeditor.methods.factor import IS, Factor, fit, scaled
from stemeditor.methods.masks import Magnitude
from stemeditor.methods.nmf import positive
from stemeditor.methods.pitch import melody, pitch_axis
from stemeditor.methods.spectra import masked, transform_for
from stemeditor.methods.stereo import centredness
from stemeditor.progress import Progress, Unshown

_WINDOW_S = 0.046
_FILTERS = 8
_OPEN = 0.25
"""Share of a glottal period in which the glottis is open (Durrieu 2011, section II-B)."""
_SEED = 4
_BEGIN_QUIET = 0.05
"""Where the voice begins, relative to the accompaniment: begun as loud, it would explain the band as well."""
_BREATH = 0.03
_AROUND = 3
"""Steps around the melody in which the voice may sound in the second round: vibrato and glides."""


class SourceFilter:
    """V = (G A P) * (S E) + W H.

    G (bins, smooth) are smooth bumps, A (smooth, filters) makes vocal tract filters of them, P (filters, hops) says
    when each is used; S (bins, pitches) are spectra of the glottal source, E (pitches, hops) how loud each is; W H is
    the accompaniment. `factors` are A, P, E, W, H.

    J.-L. Durrieu, B. David, G. Richard, A musically motivated mid-level representation for pitch estimation and
    musical audio source separation, IEEE J. Selected Topics in Signal Processing 5, 2011, eq. 8 to 10.
    """

    def __init__(self, bumps: Factor, sources: Factor) -> None:
        self._bumps, self._sources = bumps, sources

    def voice(self, factors: Sequence[Factor]) -> Factor:
        """Return (bins, hops): the power of the voice alone."""
        return self._filter(factors) * (self._sources @ factors[2])

    def value(self, factors: Sequence[Factor]) -> Factor:
        """See `Model.value`."""
        return self.voice(factors) + factors[3] @ factors[4]

    def pull(self, factors: Sequence[Factor], index: int, target: Factor) -> Factor:
        """See `Model.pull`."""
        shapes, used, pitches, templates, gains = factors
        if index == 0:
            return self._bumps.T @ ((target * (self._sources @ pitches)) @ used.T)
        if index == 1:
            return (self._bumps @ shapes).T @ (target * (self._sources @ pitches))
        if index == 2:
            return self._sources.T @ (target * self._filter(factors))
        return target @ gains.T if index == 3 else templates.T @ target

    def _filter(self, factors: Sequence[Factor]) -> Factor:
        return (self._bumps @ factors[0]) @ factors[1]


def glottal_spectra(pitches: NDArray[np.float64], transform: Stft, rate: int) -> Factor:
    """Return (bins, pitches): power spectra, as the transform shows them, of a KLGLOTT88 source at each pitch.

    The derivative of its flow is 2x - 3x^2 over the open part of a period (D. H. Klatt, L. C. Klatt, JASA 87, 1990);
    its Fourier coefficients are the amplitudes of the overtones, each of which the Hann window spreads over four bins.
    """
    out = np.zeros((transform.bins, len(pitches)), np.float64)
    bins = np.arange(transform.bins)
    for column, pitch in enumerate(pitches):
        count = max(int(rate / 2 / pitch), 1)
        angle = 2j * np.pi * _OPEN * np.arange(1, count + 1)
        turn = np.exp(-angle)
        first = (1 - turn * (1 + angle)) / angle**2
        second = (2 - turn * (2 + 2 * angle + angle**2)) / angle**3
        power = np.abs(2 * first - 3 * second) ** 2
        for number, strength in enumerate(power, 1):
            centre = number * pitch * transform.window / rate
            near = slice(max(int(centre) - 3, 0), int(centre) + 5)
            out[near, column] += strength * _hann_power(bins[near] - centre)
    out /= np.maximum(out.mean(axis=0), 1e-30)
    # Nothing is wholly silent between overtones: breath, and pitch that moves within a window.
    return (out + 1e-3).astype(np.float32)


def _hann_power(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power of a Hann window's spectrum at this distance in bins, 1 at 0."""
    safe = np.where(np.abs(np.abs(distance) - 1.0) < 1e-6, distance + 1e-5, distance)
    found: NDArray[np.float64] = (np.sinc(safe) / (1.0 - safe**2)) ** 2
    return np.where(np.abs(distance) < 2.0, found, 0.0)


def _bumps(bins: int, count: int) -> Factor:
    """Return (bins, count) overlapping Hann bumps, closer together at low frequencies."""
    at = np.log1p(np.arange(bins) / 12.0) / np.log1p((bins - 1) / 12.0) * (count - 1)
    distance = np.abs(at[:, np.newaxis] - np.arange(count))
    return np.where(distance < 1.0, 0.5 + 0.5 * np.cos(np.pi * distance), 0.0).astype(np.float32)


class LeadVoice:
    """Separates the voice that carries the melody."""

    info = MethodInfo(
        key="lead_voice",
        name="Lead voice (source and filter)",
        family="factorisation",
        sentence="Follows the melody and takes the voice that sings it. For one singer over any accompaniment.",
        source=(
            "J.-L. Durrieu, B. David, G. Richard, A musically motivated mid-level representation for pitch estimation "
            "and musical audio source separation, IEEE J. Selected Topics in Signal Processing 5, 2011"
        ),
        stems=("vocals", "accompaniment"),
        segment_s=12.0,
        overlap_s=1.0,
        rest="accompaniment",
        speed=5.5,
        params=(
            Param(
                "lowest_hz", "Lowest note", 120.0, "Lower it for a bass voice; too low takes bass lines.", 50, 300, "Hz"
            ),
            Param("octaves", "Range", 3.0, "Wider follows more, and errs more.", 1.0, 4.0, "octaves"),
            Param("parts", "Parts of the band", 60, "More keep the accompaniment out of the voice.", 4, 80),
            Param(
                "breath",
                "Consonants",
                0.1,
                "Higher gives the voice more of its noise (s, t, breath), and more of the drums.",
                0.0,
                2.0,
            ),
            Param(
                "focus",
                "Voice in the middle",
                8.0,
                "Higher gives the voice only what is exactly in the middle; 0 if the voice is panned.",
                0.0,
                20.0,
            ),
            Param("passes", "Passes", 30, "More make the parts cleaner, and take longer.", 2, 100),
        ),
    )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        transform = transform_for(mix.rate, _WINDOW_S)
        spectra = transform.forward(mix.samples)
        progress.check()
        power = spectra.real**2 + spectra.imag**2
        target, scale = scaled(power.mean(axis=0))
        if scale == 0.0:
            return {"vocals": np.zeros_like(mix.samples)}
        mask = self._mask(target, transform, mix.rate, params, progress)
        mask *= centredness(spectra) ** np.float32(params["focus"])
        return {"vocals": masked(spectra, mask, transform, mix)}

    def _mask(self, target: Factor, transform: Stft, rate: int, params: Params, progress: Progress) -> Magnitude:
        rng = np.random.default_rng(_SEED)
        bins, hops = target.shape
        passes, parts = int(params["passes"]), int(params["parts"])
        lowest = min(float(params["lowest_hz"]), rate / 8)
        pitches = pitch_axis(lowest, float(params["octaves"]))
        pitches = pitches[pitches < rate / 4]
        sources = glottal_spectra(pitches, transform, rate)
        bumps = _bumps(bins, 24)
        progress.check()
        mean = target.mean(axis=1, keepdims=True)
        begin = [
            (bumps.T @ mean / bumps.sum(axis=0)[:, np.newaxis] + np.float32(1e-4))
            * positive(rng, bumps.shape[1], _FILTERS),
            positive(rng, _FILTERS, hops) / np.float32(_FILTERS),
            positive(rng, sources.shape[1], hops) * np.float32(_BEGIN_QUIET / sources.shape[1]),
            mean * positive(rng, bins, parts) + np.float32(1e-4),
            positive(rng, parts, hops) / np.float32(parts),
        ]
        model = SourceFilter(bumps, sources)
        first = fit(target, model, begin, beta=IS, passes=passes, progress=Unshown(progress))
        path = melody(first[2], progress)
        progress.check()
        near = np.abs(np.arange(sources.shape[1])[:, np.newaxis] - path) <= _AROUND
        # The last source is noise: what the voice has besides notes.
        noise = np.full((bins, 1), np.float32(params["breath"]) * np.float32(_BREATH))
        model = SourceFilter(bumps, np.concatenate([sources, noise], axis=1))
        held = np.concatenate([first[2] * near, np.full((1, hops), 0.1 * first[2].max(axis=0).mean(), np.float32)])
        second = [first[0], first[1], held, first[3], first[4]]
        found = fit(target, model, second, beta=IS, passes=passes, progress=Unshown(progress))
        voice = model.voice(found)
        return np.asarray(voice / np.maximum(model.value(found), np.float32(1e-12)), np.float32)
