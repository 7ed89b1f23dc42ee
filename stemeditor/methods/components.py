"""From the parts of a factorisation to stems: what is measured of each part, and the rules that place it.

A factorisation finds parts (a note, a stroke, a chord), not instruments. Four measures that can be seen tell where a
part goes, and a person may overrule each of them:

- *percussive*: how much of its sound median filtering calls strokes (FitzGerald 2010);
- *register*: the frequency below which nine tenths of its power lie;
- *voicing*: how much of its spectrum lies on the overtones of one note of the singing range, weighted by how much its
  gain trembles at the rate of a vibrato (4 to 8 Hz; Sundberg 1994);
- *place*: where it stands between the loudspeakers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stemeditor.methods.base import Param

STEMS = ("vocals", "drums", "bass", "other")

OVERRULE = Param(
    "overrule",
    "Parts moved",
    "",
    "Puts single parts into another stem, such as “3 vocals, 7 drums”; the parts are listed under “Parts…”.",
)

_PERCUSSIVE = 0.38
_LOW_HZ = 330.0
_VOICED = 0.25
_MIDDLE = 0.13
_SINGING_HZ = (90.0, 1100.0)
_OVERTONES = 12


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a factorisation, measured and placed.

    Parameters
    ----------
    number
        From 1, as it is shown.
    stem
        Where it goes.
    share
        Its share of the sound, 0 to 1.
    percussive, voicing
        0 to 1.
    register_hz
        Nine tenths of its power lie below.
    place
        -1 left, 0 middle, 1 right.
    overruled
        Whether a person placed it.
    """

    number: int
    stem: str
    share: float
    percussive: float
    register_hz: float
    voicing: float
    place: float
    overruled: bool = False


def measured(
    templates: NDArray[np.float32],
    gains: NDArray[np.float32],
    percussive: NDArray[np.float32],
    places: NDArray[np.float32],
    frequencies: NDArray[np.float32],
    hop_s: float,
) -> tuple[Component, ...]:
    """Measure parts and place them by the rules.

    Parameters
    ----------
    templates
        (bins, parts) power of each part's spectrum.
    gains
        (parts, hops) power of each part over time.
    percussive
        (parts,) 0 to 1.
    places
        (parts,) -1 left to 1 right.
    frequencies
        (bins,) in Hz.
    hop_s
        Time between hops, seconds.
    """
    power = templates.sum(axis=0) * gains.sum(axis=1)
    share = power / max(float(power.sum()), 1e-20)
    found = []
    for index in range(templates.shape[1]):
        spectrum, gain = templates[:, index].astype(np.float64), gains[index].astype(np.float64)
        part = Component(
            index + 1,
            "other",
            float(share[index]),
            float(percussive[index]),
            _register(spectrum, frequencies),
            _voicing(spectrum, gain, frequencies, hop_s),
            float(places[index]),
        )
        found.append(replace(part, stem=placed(part)))
    return tuple(found)


def placed(part: Component) -> str:
    """Return the stem that the rules give a part."""
    if part.percussive > _PERCUSSIVE:
        return "drums"
    if part.register_hz < _LOW_HZ:
        return "bass"
    if part.voicing > _VOICED and abs(part.place) < _MIDDLE:
        return "vocals"
    return "other"


def overruled(parts: Sequence[Component], orders: str, stems: Sequence[str] = STEMS) -> tuple[Component, ...]:
    """Return the parts with those moved that `orders` names ("3 vocals, 7 drums").

    Raises
    ------
    ValueError
        If a word is no stem or a number no part.
    """
    moved: dict[int, str] = {}
    for order in orders.replace(";", ",").split(","):
        words = order.replace(":", " ").replace("=", " ").split()
        if not words:
            continue
        if len(words) != 2 or not words[0].isdigit() or words[1] not in stems:
            raise ValueError(f"“{order.strip()}” does not say a part and one of {', '.join(stems)}")
        if not 1 <= int(words[0]) <= len(parts):
            raise ValueError(f"There is no part {words[0]}; they go from 1 to {len(parts)}")
        moved[int(words[0])] = words[1]
    return tuple(
        replace(part, stem=moved[part.number], overruled=True) if part.number in moved else part for part in parts
    )


def _register(spectrum: NDArray[np.float64], frequencies: NDArray[np.float32]) -> float:
    run = np.cumsum(spectrum)
    return float(frequencies[min(int(np.searchsorted(run, 0.9 * run[-1])), len(frequencies) - 1)])


def _voicing(
    spectrum: NDArray[np.float64], gain: NDArray[np.float64], frequencies: NDArray[np.float32], hop_s: float
) -> float:
    """Return how much a part is like sung notes, 0 to 1."""
    total = spectrum.sum()
    if total <= 0.0 or gain.sum() <= 0.0:
        return 0.0
    notes = _SINGING_HZ[0] * 2 ** (np.arange(np.log2(_SINGING_HZ[1] / _SINGING_HZ[0]) * 24) / 24)
    width = 2 ** (1 / 24)
    run = np.concatenate([[0.0], np.cumsum(spectrum)])
    best = 0.0
    for note in notes:
        centres = note * np.arange(1, _OVERTONES + 1)
        edges = np.searchsorted(frequencies, np.stack([centres / width, centres * width]))
        caught = float((run[edges[1]] - run[edges[0]]).sum()) / total
        # A narrow comb catches little of what is noise; what it would catch of a flat spectrum is taken off.
        chance = float((edges[1] - edges[0]).sum()) / len(spectrum)
        best = max(best, (caught - chance) / (1.0 - min(chance, 0.9)))
    level = np.sqrt(gain) - np.sqrt(gain).mean()
    rates = np.fft.rfftfreq(len(level), hop_s)
    beat = np.abs(np.fft.rfft(level)) ** 2
    moving = beat[rates > 0.5].sum()
    trembling = float(beat[(rates >= 4.0) & (rates <= 8.0)].sum() / moving) if moving > 0 else 0.0
    return float(np.clip(best * (0.6 + trembling), 0.0, 1.0))
