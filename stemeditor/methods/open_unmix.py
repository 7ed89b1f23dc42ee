"""Open-Unmix: recurrent networks that guess each stem's magnitudes, and the Wiener filter that makes sound of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemeditor import memory, threads
from stemeditor.audio.buffer import Audio
from stemeditor.audio.convert import fit
from stemeditor.audio.stft import Spectra, Stft
from stemeditor.errors import FileProblem
from stemeditor.methods import device, wiener
from stemeditor.methods.base import MethodInfo, Param, Params, Stems
from stemeditor.methods.engine import Engine
from stemeditor.methods.exported import Form, form_of
from stemeditor.methods.picture_core import PictureCore
from stemeditor.methods.pretrained import Pretrained
from stemeditor.progress import Progress
from stemeditor.weights import reading, store

if TYPE_CHECKING:
    from torch import nn

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


_LEAST = np.float32(1e-5)
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
        sound = np.asarray(mix.samples, np.float32)
        frames, passes = sound.shape[-1], int(params[ITERATIONS.name])
        transform = Stft(self._window, self._hop, mirrored=True)
        # What is shorter than the mirrored ends is first followed by silence.
        padded = fit(sound, max(frames, self._window // 2 + 1))
        if device.chosen().key == device.CUDA:
            return dict(zip(self._targets, self._set(passes)(padded, progress)[..., :frames], strict=True))
        spectrum = transform.forward(padded)
        magnitude = np.abs(spectrum)
        phase = spectrum / np.maximum(magnitude, np.float32(1e-30))
        found: list[Spectra] = [
            np.asarray(self.engine(f"{name}.pth")(magnitude, progress) * phase, np.complex64) for name in self._targets
        ]
        del magnitude, phase
        memory.trim()
        for start in range(0, spectrum.shape[-1], _WINDOW):
            part = slice(start, start + _WINDOW)
            guesses = [guess[..., part] for guess in found]
            for guess, better in zip(guesses, filtered(spectrum[..., part], guesses, passes, progress), strict=True):
                guess[:] = better
        sounds = threads.each(lambda stem: transform.inverse(stem, padded.shape[-1])[:, :frames], found, progress)
        return dict(zip(self._targets, sounds, strict=True))

    def _set(self, passes: int) -> Engine:
        """Return all networks with what surrounds them: cards compute that, too, faster than most processors do.

        Only those that know all operations on complex numbers are asked.
        """
        files = [store.path(self.pack, f"{name}.pth") for name in self._targets]

        def build() -> nn.Module:
            from stemeditor.nets.open_unmix_heart import OpenUnmixSet

            nets = [self._read(file) for file in files]
            return OpenUnmixSet(nets, self._window, self._hop, passes, _WINDOW, _SCALE, float(_LEAST))

        return self._kept(f"set, {passes}", files, lambda rate: Engine(build, rate))

    def _form(self, file: Path) -> Form:
        core = PictureCore(self._channels, self._window // 2 + 1)
        # Ready for any length, recurrent layers would keep their weights twice.
        return Form(form_of(file), core, _heart, elastic=True, refitted=True)

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


def filtered(mix: Spectra, stems: list[Spectra], passes: int, progress: Progress) -> list[Spectra]:
    """Return the stems after the Wiener filter as the authors' program sets it; see `wiener.filtered`."""
    if not passes:
        return stems
    # Levels are brought to where what keeps the inverse stable does no harm.
    scale = max(float(np.abs(mix).max()) / _SCALE, 1.0)
    return wiener.scaled(mix, stems, passes, scale, lambda power: _LEAST, progress)


def _heart(net: nn.Module) -> nn.Module:
    from stemeditor.nets.open_unmix_heart import OpenUnmixHeart

    return OpenUnmixHeart(net)


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
        segment_s=12.0,
        overlap_s=2.0,
        whole=True,
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
