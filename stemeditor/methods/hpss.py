"""Harmonic-percussive separation by median filtering."""

from __future__ import annotations

import numpy as np

from stemeditor.audio.buffer import Audio
from stemeditor.methods.base import MethodInfo, Param, Params, Stems
from stemeditor.methods.masks import Magnitude, soft, turned
from stemeditor.methods.medians import running_medians
from stemeditor.methods.spectra import HOPS_A_WINDOW, magnitude, masked, transform_for
from stemeditor.progress import Progress


def along_time(values: Magnitude, hops: int, progress: Progress) -> Magnitude:
    """Return the running median of (bins, hops) over `hops` hops: what lasts stays, what strikes goes (eq. 1)."""
    return running_medians(values, hops, progress)


def along_frequency(values: Magnitude, bins: int, progress: Progress) -> Magnitude:
    """Return the running median of (bins, hops) over `bins` bins: what is broad stays, lines go (eq. 2)."""
    return turned(running_medians(turned(values, progress), bins, progress), progress)


def odd(count: float) -> int:
    """Return the odd number nearest to `count`, 1 at the least."""
    return max(2 * round((count - 1) / 2) + 1, 1)


class Hpss:
    """Drums from everything else: strokes are vertical lines of a spectrogram, notes horizontal ones."""

    info = MethodInfo(
        key="hpss",
        name="Percussion and harmony",
        family="median filtering",
        sentence="Takes strokes and beats from sustained notes. Quick and robust, for any song with drums.",
        source=(
            "D. FitzGerald, Harmonic/percussive separation using median filtering, DAFx 2010; "
            "J. Driedger, M. Müller, S. Disch, Extending harmonic-percussive separation of audio signals, ISMIR 2014"
        ),
        stems=("drums", "other"),
        segment_s=20.0,
        overlap_s=1.0,
        rest="other",
        speed=90.0,
        params=(
            Param(
                "window_s",
                "Window",
                0.046,
                "Longer hears notes that lie close together, shorter places strokes more exactly.",
                0.02,
                0.2,
                "s",
            ),
            Param(
                "note_s",
                "Shortest note",
                0.2,
                "Longer sends short notes to the drums, shorter leaves long strokes in the harmony.",
                0.05,
                1.0,
                "s",
            ),
            Param(
                "stroke_hz",
                "Narrowest stroke",
                400.0,
                "Wider keeps chords out of the drums, narrower catches tuned drums.",
                100.0,
                2000.0,
                "Hz",
            ),
            Param(
                "margin",
                "Margin",
                1.0,
                "Above 1 the drums get only what is clearly a stroke.",
                0.5,
                5.0,
            ),
        ),
    )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        transform = transform_for(mix.rate, float(params["window_s"]))
        spectra = transform.forward(mix.samples)
        level = magnitude(spectra)
        hop_s = transform.window / HOPS_A_WINDOW / mix.rate
        lasting = along_time(level, odd(float(params["note_s"]) / hop_s), progress)
        broad = along_frequency(level, odd(float(params["stroke_hz"]) * transform.window / mix.rate), progress)
        progress.check()
        mask = soft(broad, lasting * np.float32(params["margin"]))
        return {"drums": masked(spectra, mask, transform, mix)}
