"""What networks there are to be trained, without loading anything that computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Kind:
    """A network, for people.

    Parameters
    ----------
    name
        What it is called.
    sentence
        What it does, and whom it suits.
    source
        Where it was published.
    place
        "module:Class" of the class.
    masks
        Whether it draws masks on spectra (`nets.masking.Masking`), or goes from sound to sound (`nets.sounding`).
    speed
        About how many seconds of a song it takes apart in a second, as it is by default, on two processor cores.
    exported
        Whether OpenVINO can compute it.
    """

    name: str
    sentence: str
    source: str
    place: str
    masks: bool = False
    speed: float = 10.0
    exported: bool = True


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "unet": Kind(
            "U-Net on complex spectra",
            "Complex masks by a small U-Net: the network that is shipped, quick to learn and to compute.",
            "A. Jansson et al., ISMIR 2017; W. Choi et al., ISMIR 2020",
            "stemeditor.nets.unet:UNet",
            masks=True,
            speed=35.0,
        ),
        "band_split": Kind(
            "Bands, small",
            "Complex masks from a memory along time and an exchange across bands; it can do without the future.",
            "Y. Luo, J. Yu, IEEE/ACM Trans. ASLP 31, 2023",
            "stemeditor.nets.band_split:BandSplit",
            masks=True,
            speed=36.0,
        ),
        "mask_unet": Kind(
            "U-Net on magnitudes",
            "Masks by one U-Net a stem, as published first; with attention gates or a memory if you like.",
            "A. Jansson et al., ISMIR 2017; O. Oktay et al., MIDL 2018",
            "stemeditor.nets.mask_unet:MaskUNet",
            masks=True,
            speed=18.0,
        ),
        "bsrnn": Kind(
            "Band-split RNN",
            "Complex masks from memories along time and across 41 bands: very good, slow, and long to train.",
            "Y. Luo, J. Yu, IEEE/ACM Trans. ASLP 31, 2023",
            "stemeditor.nets.bsrnn:BandSplitRnn",
            masks=True,
            speed=0.7,
        ),
        "conv_tasnet": Kind(
            "Conv-TasNet, one or more bands",
            "Masks on learned filters, which may fall into bands with a separator each.",
            "Y. Luo, N. Mesgarani, IEEE/ACM Trans. ASLP 27, 2019",
            "stemeditor.nets.conv_tasnet:ConvTasNet",
            speed=4.0,
        ),
        "wave_unet": Kind(
            "Wave-U-Net",
            "A U-Net along the samples, which halves them by leaving out or by a wavelet; stems add up by themselves.",
            "D. Stoller et al., ISMIR 2018; T. Nakamura, H. Saruwatari, ICASSP 2020",
            "stemeditor.nets.wave_unet:WaveUNet",
            speed=18.0,
        ),
        "demucs": Kind(
            "Demucs, along samples",
            "From samples to samples with a memory at the bottom: keeps strokes sharp, needs many songs.",
            "A. Defossez et al., 2019",
            "stemeditor.nets.demucs:Demucs",
            speed=29.0,
        ),
        "hs_tasnet": Kind(
            "HS-TasNet, 23 ms",
            "Spectrum and learned filters together; it knows only the past, so it could keep up with a stage.",
            "S. Venkatesh et al., ICASSP 2024",
            "stemeditor.nets.hs_tasnet:HsTasNet",
            speed=5.0,
            exported=False,
        ),
    }
)
"""Name in configurations and checkpoints -> network."""
