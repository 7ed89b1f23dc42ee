"""The shipped network and the classic method as one: one spectrogram, two opinions, and what both hear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stemeditor import memory, threads
from stemeditor.audio.buffer import Audio
from stemeditor.methods.base import BETTER, MethodInfo, Param, Params, Stems
from stemeditor.methods.classic import STEMS, Classic, portions
from stemeditor.methods.exported import Array
from stemeditor.methods.masking_core import places
from stemeditor.methods.neural import Compact, Neural, transform_of
from stemeditor.methods.spectra import all_masked
from stemeditor.methods.steady import STEADY
from stemeditor.progress import Progress

_SEGMENT_S = 24.0
"""What comes again is found within it."""

_OVERLAP_S = 1.0
_SPEED = 18.0
_LEAST = np.float32(1e-3)
"""Share of a point below which neither counts a stem as silent: it could silence it all alone."""

Gains = NDArray[np.float32]
"""(stems, channels, bins, hops), 0 to 1; they sum to 1 over the stems."""


class Blend(Neural):
    """Each point goes to a stem as far as both hear it there.

    The network knows how voices, drums and basses sound, and errs where they sound like something else; the classic
    method knows what repeats, where it stands and how low it is, whatever it sounds like. They err in different ways:
    the geometric mean of their masks, in which each may object, is better than either.

    References
    ----------
    G. E. Hinton, Training products of experts by minimizing contrastive divergence, Neural Computation 14, 2002.
    """

    def __init__(self) -> None:
        network, classic = Compact(), Classic.info
        super().__init__(
            network.path,
            MethodInfo(
                key="blend",
                name="Network and classic",
                family="network",
                sentence="Vocals, drums, bass and other: a small network and the classic method, better together.",
                source=f"{network.info.source}; {classic.source}",
                stems=STEMS,
                rate=network.info.rate,
                channels=2,
                segment_s=_SEGMENT_S,
                overlap_s=_OVERLAP_S,
                rest=STEMS[-1],
                speed=_SPEED,
                better=BETTER,
                params=(
                    Param(
                        "network",
                        "Network",
                        0.5,
                        "How much the network counts in vocals, bass and other: 0 hears the classic method alone.",
                        0.0,
                        1.0,
                    ),
                    Param(
                        "network_drums",
                        "Network in the drums",
                        0.77,
                        "How much it counts in the drums, of which the classic method knows least.",
                        0.0,
                        1.0,
                    ),
                    STEADY,
                    *(replace(param, label=f"Classic: {param.label.lower()}") for param in classic.params),
                ),
            ),
        )

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """Return every stem but the rest; see `Method`.

        Raises
        ------
        UserError
            If the network's file cannot be used, or what computes is not installed as it should be.
        """
        _, description = self.loaded()
        memory.trim()
        spectra, drawn = self.drawn(mix, float(params[STEADY.name]), progress)
        order = [description.stems.index(name) for name in STEMS]
        gains = agreed(
            drawn[:, order],
            portions(spectra, mix.rate, params, progress),
            places(description),
            [float(params["network_drums" if name == "drums" else "network"]) for name in STEMS],
            progress,
        )
        # What the network and the medians took is not needed any more, and would stay beside what comes.
        memory.trim()
        masks = dict(zip(STEMS[:-1], gains, strict=False))
        return all_masked(spectra, masks, transform_of(description), mix, progress)


def agreed(
    drawn: Array, share: NDArray[np.float32], at: NDArray[np.intp], counts: list[float], progress: Progress
) -> Gains:
    """Return the geometric mean of a network's masks and of shares, made to sum to 1.

    Parameters
    ----------
    drawn
        Real and imaginary parts of the masks, (2, stems, channels, points, hops).
    share
        (stems, bins, hops), 0 to 1.
    at
        (bins,): the point of each bin.
    counts
        How much the masks count in each stem, 0 to 1; the shares count the rest.
    progress
        Checked between stems.
    """
    gains = np.empty((*drawn.shape[1:3], *share.shape[1:]), np.float32)

    def agree(stem: int) -> None:
        # The network's on its own axis, where there is a fifth as much of it.
        heard = np.maximum(np.hypot(drawn[0, stem], drawn[1, stem]), _LEAST) ** np.float32(counts[stem])
        known = np.maximum(share[stem], _LEAST)
        np.power(known, np.float32(1.0 - counts[stem]), out=known)
        np.take(heard, at, axis=1, out=gains[stem], mode="clip")
        gains[stem] *= known

    threads.each(agree, range(len(gains)), progress)
    progress.check()
    gains /= gains.sum(axis=0)
    return gains
