"""Non-negative factorisation: one multiplicative update for every model that is linear in each of its factors.

For a model V^ = m(factors) and the beta-divergence of V from V^, the gradient with respect to one factor is the
difference of two non-negative terms, both of them the adjoint of the model applied to a spectrogram. Their ratio is the
multiplicative update of Lee and Seung (2000), which Févotte and Idier (2011) prove never to raise the divergence when
raised to the power `_exponent`. A model therefore only says what it makes of its factors, and how a spectrogram is
pulled back to each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemeditor.progress import Progress

Factor: TypeAlias = NDArray[np.floating[Any]]
"""float32, non-negative, of any shape."""

Penalty: TypeAlias = Callable[[Sequence[Factor]], Factor | np.float32]
"""factors -> what a prior adds to the denominator of one factor's update: its gradient, non-negative."""

FLOOR = np.float32(1e-6)
"""Least value of a model relative to the mean of its target: 60 dB down, below what an ear finds beside the rest."""

KL, IS, EUCLID = 1.0, 0.0, 2.0
"""beta of Kullback and Leibler, Itakura and Saito, Euclid."""


class Model(Protocol):
    """Something that is linear in each of its factors when the others are held."""

    def value(self, factors: Sequence[Factor]) -> Factor:
        """Return V^."""

    def pull(self, factors: Sequence[Factor], index: int, target: Factor) -> Factor:
        """Return the adjoint of the map from factor `index` to V^, applied to `target` (of the shape of V^)."""


def fit(
    target: Factor,
    model: Model,
    factors: Sequence[Factor],
    *,
    beta: float,
    passes: int,
    progress: Progress,
    free: Sequence[int] | None = None,
    penalties: Mapping[int, Penalty] | None = None,
) -> list[Factor]:
    """Bring a model near a target by multiplicative updates.

    Parameters
    ----------
    target
        Non-negative, of the shape of the model's value; its mean should be about 1 (`scaled`).
    model
        What is fitted.
    factors
        Where it begins, non-negative; what is 0 stays 0.
    beta
        2 for the Euclidean distance, 1 for Kullback-Leibler, 0 for Itakura-Saito; any number is allowed.
    passes
        How often each free factor is updated.
    progress
        `advance` runs from 0 to 1.
    free
        Indices of the factors that may change; all if None.
    penalties
        Factor index -> prior.

    Returns
    -------
    list of ndarray
        The factors; those that are not free are the given ones.

    References
    ----------
    D. D. Lee, H. S. Seung, Algorithms for non-negative matrix factorization, NIPS 2000.
    C. Févotte, J. Idier, Algorithms for nonnegative matrix factorization with the beta-divergence, Neural Computation
    23, 2011, eq. 2.8 and table 2.
    """
    found = list(factors)
    chosen = range(len(found)) if free is None else free
    power = _exponent(beta)
    for turn in range(passes):
        for index in chosen:
            progress.check()
            value = np.maximum(model.value(found), FLOOR)
            progress.check()
            above, below = _pulls(target, value, beta)
            progress.check()
            numerator = model.pull(found, index, above)
            progress.check()
            denominator = model.pull(found, index, below)
            if penalties and index in penalties:
                denominator = denominator + penalties[index](found)
            ratio = numerator / np.maximum(denominator, np.float32(1e-12))
            found[index] = found[index] * (ratio if power == 1.0 else ratio ** np.float32(power))
        progress.advance((turn + 1) / passes)
    return found


def divergence(target: Factor, value: Factor, beta: float) -> float:
    """Return the beta-divergence of `target` from `value`, floored as in `fit`, summed over all points."""
    x, y = np.maximum(target, FLOOR).astype(np.float64), np.maximum(value, FLOOR).astype(np.float64)
    if beta == 1.0:
        return float((x * np.log(x / y) - x + y).sum())
    if beta == 0.0:
        return float((x / y - np.log(x / y) - 1.0).sum())
    return float(((x**beta + (beta - 1) * y**beta - beta * x * y ** (beta - 1)) / (beta * (beta - 1))).sum())


def scaled(level: Factor) -> tuple[Factor, float]:
    """Return `level` with a mean of 1, and what it was divided by; silence comes back as it is, with 0."""
    mean = float(level.mean())
    return (level / np.float32(mean), mean) if mean > 1e-15 else (level, 0.0)


def _exponent(beta: float) -> float:
    if beta < 1.0:
        return 1.0 / (2.0 - beta)
    return 1.0 if beta <= 2.0 else 1.0 / (beta - 1.0)


def _pulls(target: Factor, value: Factor, beta: float) -> tuple[Factor, Factor]:
    """Return V V^(beta-2) and V^(beta-1), without powers where a product does."""
    if beta == 1.0:
        return target / value, np.ones_like(value)
    if beta == 2.0:
        return target, value
    if beta == 0.0:
        inverse = 1.0 / value
        return target * inverse * inverse, inverse
    return target * value ** np.float32(beta - 2.0), value ** np.float32(beta - 1.0)


class Product:
    """V = W H: `factors` are W (bins, parts) and H (parts, hops)."""

    def value(self, factors: Sequence[Factor]) -> Factor:
        """See `Model.value`."""
        templates, gains = factors
        return templates @ gains

    def pull(self, factors: Sequence[Factor], index: int, target: Factor) -> Factor:
        """See `Model.pull`."""
        templates, gains = factors
        return target @ gains.T if index == 0 else templates.T @ target


class Convolved:
    """V = sum over t of W_t times H moved t hops later: W (lags, bins, parts), H (parts, hops).

    P. Smaragdis, Non-negative matrix factor deconvolution, ICA 2004, eq. 5.
    """

    def value(self, factors: Sequence[Factor]) -> Factor:
        """See `Model.value`."""
        templates, gains = factors
        total: Factor = templates[0] @ gains
        for lag in range(1, len(templates)):
            total[:, lag:] += templates[lag] @ gains[:, :-lag]
        return total

    def pull(self, factors: Sequence[Factor], index: int, target: Factor) -> Factor:
        """See `Model.pull`."""
        templates, gains = factors
        if index == 0:
            hops = target.shape[1]
            return np.stack([target[:, lag:] @ gains[:, : max(hops - lag, 0)].T for lag in range(len(templates))])
        total: Factor = templates[0].T @ target
        for lag in range(1, len(templates)):
            total[:, :-lag] += templates[lag].T @ target[:, lag:]
        return total


class Shifted:
    """V = sum over t, p of W_t moved p bins up times H_p moved t hops later, on a logarithmic frequency axis.

    W is (lags, bins, parts), H is (shifts, parts, hops): one template an instrument, moved to every pitch it plays.

    M. N. Schmidt, M. Mørup, Nonnegative matrix factor 2-D deconvolution for blind single channel source separation,
    ICA 2006, eq. 2.
    """

    def value(self, factors: Sequence[Factor]) -> Factor:
        """See `Model.value`."""
        templates, gains = factors
        lags, bins, _ = templates.shape
        total = np.zeros((bins, gains.shape[2]), np.float32)
        for lag in range(lags):
            for shift in range(len(gains)):
                part = templates[lag, : bins - shift] @ gains[shift, :, : gains.shape[2] - lag]
                total[shift:, lag:] += part
        return total

    def pull(self, factors: Sequence[Factor], index: int, target: Factor) -> Factor:
        """See `Model.pull`."""
        templates, gains = factors
        lags, bins, _ = templates.shape
        shifts, _, hops = gains.shape
        out = np.zeros_like(templates if index == 0 else gains)
        for lag in range(lags):
            for shift in range(shifts):
                part = target[shift:, lag:]
                if index == 0:
                    out[lag, : bins - shift] += part @ gains[shift, :, : hops - lag].T
                else:
                    out[shift, :, : hops - lag] += templates[lag, : bins - shift].T @ part
        return out


class Placed:
    """V_c = (Q_c M * W) H: non-negative parts with a place of their own in each channel.

    `factors` are Q (channels, 1 or bins, sources), W (bins, parts) and H (parts, hops); M (sources, parts) says which
    part belongs to which source. With one source a part and one Q for all bins this is non-negative tensor
    factorisation; with several parts a source and a Q for every bin, the power model of a convolutive mixture.

    A. Ozerov, C. Févotte, Multichannel nonnegative matrix factorization in convolutive mixtures for audio source
    separation, IEEE Trans. ASLP 18, 2010, section IV.
    """

    def __init__(self, belongs: Factor) -> None:
        self._belongs = belongs

    def value(self, factors: Sequence[Factor]) -> Factor:
        """See `Model.value`."""
        found: Factor = np.matmul(self._spectra(factors), factors[2])
        return found

    def pull(self, factors: Sequence[Factor], index: int, target: Factor) -> Factor:
        """See `Model.pull`."""
        places, templates, gains = factors
        if index == 2:
            parts = zip(self._spectra(factors), target, strict=True)
            total: Factor = np.add.reduce([spectra.T @ channel for spectra, channel in parts])
            return total
        back = np.matmul(target, gains.T)
        if index == 1:
            found: Factor = (back * (places @ self._belongs)).sum(axis=0)
            return found
        onto: Factor = (back * templates) @ self._belongs.T
        if places.shape[1] == 1:
            onto = onto.sum(axis=1, keepdims=True)
        return onto

    def _spectra(self, factors: Sequence[Factor]) -> Factor:
        return (factors[0] @ self._belongs) * factors[1]
