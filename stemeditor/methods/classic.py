"""Four stems without weights: strokes, repetition, place and register, joined by Wiener shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Audio
from stemeditor.audio.stft import Spectra
from stemeditor.methods.base import BETTER, MethodInfo, Param, Params, Stems
from stemeditor.methods.hpss import along_frequency, along_time, odd
from stemeditor.methods.masks import Magnitude, ramp_up, shares, soft
from stemeditor.methods.repet_sim import background
from stemeditor.methods.spectra import HOPS_A_WINDOW, all_masked, magnitude, transform_for
from stemeditor.methods.stereo import centredness
from stemeditor.progress import Progress

STEMS = ("vocals", "drums", "bass", "other")

WINDOW_S = 0.093
_NOTE_S = 0.2
_STROKE_HZ = 300.0
_HELD_S = 0.5
_NEIGHBOURS = 20
_APART_S = 0.6
_CHANGE_POWER = 0.6
"""Makes the measure of change more lenient: a voice over a loud accompaniment changes a point only in part."""


class Classic:
    """Drums by median filtering, the voice by what does not repeat and stands in the middle, the bass by register.

    Four estimates of magnitude are made from one spectrogram:

    - *drums*: what is broader in frequency than long in time (FitzGerald 2010);
    - *voice*: what is left, as far as it is new compared with the most similar moments (Rafii and Pardo 2012), is not
      held like an organ point, stands in the middle (Avendano and Jot 2004) and lies above the bass;
    - *bass*: what is left below a crossover;
    - *other*: the remainder.

    Each point is then shared out in proportion to the magnitudes, the Wiener filter for alpha-stable sources with
    alpha = 1 (Liutkus and Badeau 2015), which proved better here than sharing powers (alpha = 2).
    """

    info = MethodInfo(
        key="classic",
        name="Classic four stems",
        family="combined",
        sentence="Vocals, drums, bass and other from any song, no download needed. Best with the voice in the middle.",
        source=(
            "D. FitzGerald, Harmonic/percussive separation using median filtering, DAFx 2010; "
            "Z. Rafii, B. Pardo, Music/voice separation using the similarity matrix, ISMIR 2012; "
            "C. Avendano, J.-M. Jot, A frequency-domain approach to multichannel upmix, JAES 52, 2004; "
            "A. Liutkus, R. Badeau, Generalized Wiener filtering with fractional power spectrograms, ICASSP 2015"
        ),
        stems=STEMS,
        segment_s=24.0,
        overlap_s=1.0,
        rest="other",
        speed=28.0,
        better=BETTER,
        params=(
            Param(
                "focus",
                "Voice in the middle",
                10.0,
                "Higher gives the vocals only what is exactly in the middle; lower if the voice is panned or doubled.",
                0.0,
                40.0,
            ),
            Param(
                "voice",
                "Voice strength",
                1.5,
                "Higher makes the vocals fuller and lets more accompaniment through.",
                0.25,
                4.0,
            ),
            Param(
                "drums",
                "Drum strength",
                0.8,
                "Higher makes the drums fuller and lets more of other attacks through.",
                0.25,
                4.0,
            ),
            Param(
                "voice_low_hz",
                "Voice begins at",
                150.0,
                "Raise it if the vocals carry bass, lower it for a deep voice.",
                60.0,
                400.0,
                "Hz",
            ),
            Param(
                "bass_top_hz",
                "Bass ends at",
                190.0,
                "Higher gives the bass more of its overtones, and of other instruments.",
                80.0,
                500.0,
                "Hz",
            ),
        ),
    )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        transform = transform_for(mix.rate, WINDOW_S)
        spectra = transform.forward(mix.samples)
        progress.check()
        share = portions(spectra, mix.rate, params, progress)
        return all_masked(spectra, dict(zip(STEMS[:-1], share, strict=False)), transform, mix, progress)


def portions(spectra: Spectra, rate: int, params: Params, progress: Progress) -> NDArray[np.float32]:
    """Return the share of each of `STEMS` in every point, (stems, bins, hops); they sum to 1 or, in silence, 0.

    Parameters
    ----------
    spectra
        (1 or 2, bins, hops), of windows of about `WINDOW_S` and hops of a quarter.
    rate
        Frames a second.
    params
        Of `Classic`, all of them.
    progress
        Checked many times a second.
    """
    window = 2 * (spectra.shape[1] - 1)
    level = magnitude(spectra)
    frequencies = np.arange(spectra.shape[1], dtype=np.float32) * np.float32(rate / window)
    hop_s = window / HOPS_A_WINDOW / rate

    lasting = along_time(level, odd(_NOTE_S / hop_s), progress)
    broad = along_frequency(level, odd(_STROKE_HZ * window / rate), progress)
    stroke = soft(broad, lasting)
    tonal = level * (1.0 - stroke)

    low, top = float(params["voice_low_hz"]), float(params["bass_top_hz"])
    place = centredness(spectra) ** np.float32(params["focus"])
    voice = tonal * place * ramp_up(frequencies, low * 0.73, low * 1.33)
    voice *= _new(level, hop_s, progress)
    bass = tonal * (1.0 - ramp_up(frequencies, top * 0.63, top * 1.58))
    other = np.maximum(tonal - voice - bass, 0.0)
    progress.check()

    drums = level * stroke * np.float32(params["drums"])
    voice *= np.float32(params["voice"])
    return shares(np.stack([voice, drums, bass, other]))


def _new(level: Magnitude, hop_s: float, progress: Progress) -> Magnitude:
    """Return (bins, hops), 0 to 1: how much of each point neither comes again nor is held."""
    repeating = background(level, _NEIGHBOURS, max(round(_APART_S / hop_s), 1), progress)
    new = np.clip(1.0 - repeating / np.maximum(level, 1e-10), 0.0, 1.0) ** np.float32(_CHANGE_POWER)
    held = along_time(level, odd(_HELD_S / hop_s), progress)
    found: Magnitude = new * (1.0 - soft(held, level))
    return found
