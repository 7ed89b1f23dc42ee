"""Open-Unmix: recurrent networks that guess each stem's magnitudes, and the Wiener filter that makes sound of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemeditor.audio.buffer import Audio
from stemeditor.errors import FileProblem
from stemeditor.methods import pytorch
from stemeditor.methods.base import MethodInfo, Param, Params, Stems
from stemeditor.methods.pretrained import Pretrained
from stemeditor.progress import Progress
from stemeditor.weights import reading

if TYPE_CHECKING:
    from torch import Tensor, nn

ITERATIONS = Param(
    "iterations",
    "Filter passes",
    1,
    "How often the Wiener filter goes over its own result: more of them leak less and smear attacks more.",
    0,
    4,
)

_SOURCE = "F.-R. Stoeter et al., Open-Unmix: a reference implementation for music source separation, JOSS 4, 2019"
_WINDOW = 300
"""Hops that are filtered together, as in the authors' program: where a stem stands in stereo may change from one such
window to the next."""


_LEAST = 1e-10
_SCALE = 10.0


class OpenUnmix(Pretrained):
    """A set of Open-Unmix networks, one for each stem.

    Parameters
    ----------
    info, pack
        See `Pretrained`.
    targets
        Stems, in the order of the authors' program: the filter's result depends on it, if little.
    hidden
        Width of the networks.
    window, hop
        Of the transform, frames.
    channels
        Of the sound.
    """

    elastic = False

    def __init__(
        self,
        info: MethodInfo,
        pack: str,
        targets: tuple[str, ...],
        hidden: int,
        window: int = 4096,
        hop: int = 1024,
        channels: int = 2,
    ) -> None:
        super().__init__(info, pack, (("openunmix", "openunmix"),))
        self._targets = targets
        self._hidden = hidden
        self._window, self._hop, self._channels = window, hop, channels

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """See `Method.separate`."""
        pytorch.start()
        import torch

        sound = torch.from_numpy(np.array(mix.samples, np.float32))
        frames = sound.shape[-1]
        shape = torch.hann_window(self._window)
        short = frames <= self._window // 2
        # The transform mirrors the ends; what is shorter than the mirror is first followed by silence.
        padded = torch.nn.functional.pad(sound, (0, self._window // 2 + 1 - frames)) if short else sound
        spectrum = torch.stft(padded, self._window, self._hop, window=shape, center=True, return_complex=True)
        magnitude = spectrum.abs()
        phase = spectrum / magnitude.clamp(min=1e-30)
        seen = magnitude.numpy()
        found = [torch.from_numpy(self.engine(f"{name}.pth")(seen, progress)) * phase for name in self._targets]
        with torch.inference_mode():
            for start in range(0, spectrum.shape[-1], _WINDOW):
                progress.check()
                part = slice(start, start + _WINDOW)
                guesses = [guess[..., part] for guess in found]
                for guess, better in zip(
                    guesses, filtered(spectrum[..., part], guesses, int(params[ITERATIONS.name])), strict=True
                ):
                    guess.copy_(better)
        result: Stems = {}
        for name, stem in zip(self._targets, found, strict=True):
            progress.check()
            wave = torch.istft(stem, self._window, self._hop, window=shape, center=True, length=padded.shape[-1])
            result[name] = wave[:, :frames].numpy()
        return result

    def _read(self, file: Path) -> nn.Module:
        from openunmix.model import OpenUnmix as Network
        from openunmix.utils import bandwidth_to_max_bin

        assert self.info.rate is not None
        highest = bandwidth_to_max_bin(rate=float(self.info.rate), n_fft=self._window, bandwidth=16000)
        net: nn.Module = Network(
            nb_bins=self._window // 2 + 1, nb_channels=self._channels, hidden_size=self._hidden, max_bin=highest
        )
        try:
            # The authors' files hold a few tensors of their training program, too.
            lacking = net.load_state_dict(reading.load(file), strict=False).missing_keys
        except RuntimeError as problem:
            raise FileProblem(
                f"The weights in “{file.name}” are those of another network.", "Get the file again."
            ) from problem
        if lacking:
            raise FileProblem(f"“{file.name}” lacks {len(lacking)} of the network's weights.", "Get the file again.")
        return net


def filtered(mix: Tensor, stems: list[Tensor], passes: int) -> list[Tensor]:
    """Return the posterior means of Gaussian sources, as the authors' program computes them, at a fifth of the cost.

    Parameters
    ----------
    mix
        Complex (channels, bins, hops), of one or two channels.
    stems
        As many of the same shape.
    passes
        Of expectation maximisation; 0 changes nothing.

    References
    ----------
    A. A. Nugraha, A. Liutkus, E. Vincent, Multichannel audio source separation with deep neural networks, IEEE/ACM
    Trans. ASLP 24, 2016, algorithm 1.
    """
    if not passes:
        return stems
    # Levels are brought to where what keeps the inverse stable does no harm.
    scale = max(float(mix.abs().max()) / _SCALE, 1.0)
    mix = mix / scale
    parts = [stem / scale for stem in stems]
    for _ in range(passes):
        powers = [part.abs().square().mean(dim=0) for part in parts]
        # (channels, channels, bins, 1): how the channels go together, at every frequency.
        spatial = [
            (part[:, None] * part.conj()).sum(dim=-1, keepdim=True) / (power.sum(dim=1, keepdim=True) + _LEAST)
            for part, power in zip(parts, powers, strict=True)
        ]
        explained = _explained(powers, spatial, mix)
        parts = [power * (matrix * explained).sum(dim=1) for power, matrix in zip(powers, spatial, strict=True)]
    return [part * scale for part in parts]


def _explained(powers: list[Tensor], spatial: list[Tensor], mix: Tensor) -> Tensor:
    """Return the mix times the inverse of its modelled covariance, point by point."""
    import torch

    def total(row: int, column: int) -> Tensor:
        parts = [power * matrix[row, column] for power, matrix in zip(powers, spatial, strict=True)]
        found: Tensor = torch.stack(parts).sum(dim=0)
        return found

    first = total(0, 0).real + _LEAST**0.5
    if mix.shape[0] == 1:
        alone: Tensor = mix / first
        return alone
    second, across = total(1, 1).real + _LEAST**0.5, total(0, 1)
    determinant = first * second - across.abs().square()
    left = (second * mix[0] - across * mix[1]) / determinant
    right = (first * mix[1] - across.conj() * mix[0]) / determinant
    return torch.stack([left, right])


def _info(
    key: str, name: str, sentence: str, stems: tuple[str, ...], rate: int, channels: int, speed: float
) -> MethodInfo:
    return MethodInfo(
        key=key,
        name=name,
        family="network",
        sentence=sentence,
        source=_SOURCE,
        stems=stems,
        rate=rate,
        channels=channels,
        segment_s=20.0,
        overlap_s=2.0,
        speed=speed,
        params=(ITERATIONS,),
    )


_LANES = ("vocals", "drums", "bass", "other")
_ORDER = ("bass", "drums", "other", "vocals")


def umxl() -> OpenUnmix:
    """Return the large networks, trained on 400 hours."""
    sentence = "Open-Unmix trained on 400 hours of stems: quick, gentle on voices. Not for commercial use."
    return OpenUnmix(_info("umxl", "Open-Unmix L", sentence, _LANES, 44100, 2, 5.0), "umxl", _ORDER, 1024)


def umxhq() -> OpenUnmix:
    """Return the networks trained on MUSDB18-HQ."""
    sentence = "Open-Unmix trained on MUSDB18-HQ: the yardstick of many papers, and quick."
    return OpenUnmix(_info("umxhq", "Open-Unmix HQ", sentence, _LANES, 44100, 2, 7.0), "umxhq", _ORDER, 512)


def umxse() -> OpenUnmix:
    """Return the networks for speech in noise."""
    sentence = "Takes noise off speech: telephone, street, wind. Not for singing; mono, up to 8 kHz."
    info = _info("umxse", "Open-Unmix for speech", sentence, ("speech", "noise"), 16000, 1, 20.0)
    return OpenUnmix(info, "umxse", ("speech", "noise"), 256, 1024, 512, 1)
