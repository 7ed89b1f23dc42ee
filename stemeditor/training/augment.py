"""What is done to stems before a network sees their sum, so that a few hours of songs become many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples
from stemeditor.audio.convert import resample
from stemeditor.training import console

_TOP_HZ = 44100
_LOW_CUT_HZ = {"vocals": (60.0, 160.0), "other": (90.0, 350.0), "drums": (150.0, 600.0)}
_THINNED = "drums"
_LIFTED, _LIFTED_HZ = "bass", (60.0, 150.0)
_MIDDLE = ("vocals", "bass")
_WIDEST_MIDDLE = 0.3


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much is done; all of it drawn for every stem by itself.

    Parameters
    ----------
    remixed
        Share of examples whose stems come from different songs.
    gain_db
        Standard deviation of a stem's gain.
    silent
        Share of stems that are left out.
    swapped
        Share of stems whose channels change places.
    flipped
        Share of stems whose sign is turned.
    narrowed
        Share of stems whose width changes, to anything from none to one and a half times.
    sped
        Share of stems that are played faster or slower, their pitch with it.
    speed
        How far, as a factor: 0.1 is from 1/1.1 to 1.1.
    deep
        Share of bass stems that are played up to an octave lower: recorded basses seldom go where synthesisers do.
    coloured_db
        Standard deviation of a slope in the stem's spectrum, over its whole range.
    cleared
        Share of vocals and of other stems that lose their lows. Whoever mixes a record makes room for the bass;
        instruments recorded one by one still have all that the room and the hand added below their notes.
    thinned
        Share of drums that lose their kick: in the breaks of a song the bass begins alone.
    lifted_db
        Most that the lows of a bass are raised, drawn evenly from none: on records they carry the most power.
    centred
        Share of vocals and basses that stand in the middle, where most records have them.

    References
    ----------
    S. Uhlich et al., Improving music source separation based on deep neural networks through data augmentation and
    network blending, ICASSP 2017.
    """

    remixed: float = 0.5
    gain_db: float = 3.0
    silent: float = 0.08
    swapped: float = 0.5
    flipped: float = 0.5
    narrowed: float = 0.3
    sped: float = 0.3
    speed: float = 0.12
    deep: float = 0.35
    coloured_db: float = 3.0
    cleared: float = 0.5
    thinned: float = 0.1
    lifted_db: float = 8.0
    centred: float = 0.4


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to one stem.

    Parameters
    ----------
    matrix
        (2, 2): what each channel (row) takes of either, gain, sides, sign and width in one; zeros for silence.
    sections
        (count, 6): second-order sections that both channels go through.
    """

    matrix: Samples
    sections: NDArray[np.float64]


def factor(plan: Augmentation, rng: np.random.Generator) -> float:
    """Draw how much faster a stem is played; 1 for most."""
    if rng.random() >= plan.sped:
        return 1.0
    return float(np.exp(rng.uniform(-1, 1) * np.log1p(plan.speed)))


def deeper(plan: Augmentation, rng: np.random.Generator) -> float:
    """Draw how much slower a bass is played beyond that; 1 for most."""
    return float(2.0 ** -rng.uniform(0.2, 1.0)) if rng.random() < plan.deep else 1.0


def varied(sound: Samples, frames: int) -> Samples:
    """Return (channels, frames) played faster or slower, so that it lasts `frames`."""
    if sound.shape[1] == frames:
        return sound
    # One rate is as good as another: only their ratio counts.
    return resample(np.ascontiguousarray(sound), round(_TOP_HZ * sound.shape[1] / frames), _TOP_HZ, frames)


def drawn(plan: Augmentation, rng: np.random.Generator, role: str = "") -> Change:
    """Draw what is done to one stem.

    Parameters
    ----------
    plan
        How much.
    rng
        Where the draws come from; every stem takes the same number of them.
    role
        Name of the stem, for what a mixer does to that one alone.
    """
    gain = 10 ** (rng.normal(0, plan.gain_db) / 20) * (-1.0 if rng.random() < plan.flipped else 1.0)
    swap, narrow, width = rng.random() < plan.swapped, rng.random() < plan.narrowed, rng.uniform(0, 1.5)
    slope_db, silent = rng.normal(0, plan.coloured_db), rng.random() < plan.silent
    clear, height, lift_db = rng.random() < plan.cleared, rng.random(), rng.uniform(0, plan.lifted_db)
    if rng.random() < plan.centred and role in _MIDDLE:
        narrow, width = True, _WIDEST_MIDDLE * width / 1.5
    thin = rng.random() < plan.thinned
    if role == _THINNED:
        clear = thin
    if silent:
        return Change(np.zeros((2, 2), np.float32), np.zeros((0, 6)))
    sections = [sloping(slope_db)]
    if clear and role in _LOW_CUT_HZ:
        sections.append(console.cut(_between(_LOW_CUT_HZ[role], height)))
    if lift_db > 0 and role == _LIFTED:
        # Half of it given back as level: more of the lows, less of all else.
        gain *= 10 ** (-lift_db / 40)
        sections.append(console.equaliser("low", _between(_LIFTED_HZ, height), lift_db))
    middle, side = 0.5, 0.5 * (width if narrow else 1.0)
    matrix = np.array([[middle + side, middle - side], [middle - side, middle + side]], np.float32)
    return Change(matrix[:, :: -1 if swap else 1] * np.float32(gain), np.concatenate(sections))


def changed(sound: Samples, change: Change) -> Samples:
    """Return one stem (2, frames) after a change."""
    if not change.matrix.any():
        return np.zeros_like(sound)
    return console.filtered(change.matrix @ sound, change.sections)


def sloping(slope_db: float) -> NDArray[np.float64]:
    """Return the section whose gains at 0 Hz and at the top differ by so much; the middle keeps its level."""
    # y[n] = x[n] + a x[n-1]: (1 - a) at the top, (1 + a) at 0 Hz.
    ratio = 10 ** (-slope_db / 20)
    a = (ratio - 1) / (ratio + 1)
    size = np.sqrt(1 + a * a)
    return np.array([[1 / size, a / size, 0.0, 1.0, 0.0, 0.0]])


def _between(bounds: tuple[float, float], share: float) -> float:
    """Return the frequency that lies that far on the way from one to the other, as the ear measures it."""
    low, high = bounds
    return float(low * (high / low) ** share)
