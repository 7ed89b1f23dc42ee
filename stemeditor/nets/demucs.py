"""Demucs as it was before it became hybrid: from samples to samples, with a memory at the bottom."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from stemeditor.nets.sounding import Sounding

_REFERENCE = 0.1
"""Deviation that weights are brought half way to, on a logarithmic scale, before anything is learned."""


class Demucs(Sounding):
    """Each level hears a quarter of the moments of the one above; what it heard is added on the way back.

    The later, hybrid ones are methods of their own, with the weights of their authors; this is one to train.

    Parameters
    ----------
    stems
        How many sources.
    levels
        How often the sound is cut down to a quarter.
    features
        Channels of the first level; every further one has twice as many. Published ones have 64 (266 million weights).
    kernel, stride
        Frames that a level hears at once, and from one of its moments to the next.
    context
        Moments that a level hears on the way back.

    References
    ----------
    A. Defossez, N. Usunier, L. Bottou, F. Bach, Music source separation in the waveform domain, 2019.
    """

    def __init__(
        self,
        stems: int = 4,
        levels: int = 6,
        features: int = 64,
        kernel: int = 8,
        stride: int = 4,
        context: int = 3,
    ) -> None:
        super().__init__(stems)
        if kernel < stride or not context % 2:
            raise ValueError(f"kernels of {kernel} leave gaps, {stride} apart; or {context} moments have no middle")
        self.kernel, self.stride = kernel, stride
        widths = [features << level for level in range(levels)]
        self.down = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(before, width, kernel, stride), nn.ReLU(), nn.Conv1d(width, 2 * width, 1), nn.GLU(dim=1)
            )
            for before, width in zip([2, *widths[:-1]], widths, strict=True)
        )
        self.memory = nn.LSTM(widths[-1], widths[-1], 2, batch_first=True, bidirectional=True)
        self.told = nn.Linear(2 * widths[-1], widths[-1])
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, 2 * width, context, padding=context // 2),
                nn.GLU(dim=1),
                nn.ConvTranspose1d(width, behind, kernel, stride),
            )
            for width, behind in zip(reversed(widths), [*reversed(widths[:-1]), 2 * stems], strict=True)
        )
        for part in self.modules():
            if isinstance(part, nn.Conv1d | nn.ConvTranspose1d):
                _rescale(part)

    def separated(self, sound: Tensor) -> Tensor:
        """See `Sounding`."""
        frames = sound.shape[-1]
        length = self.whole(frames)
        before = (length - frames) // 2
        x = functional.pad(sound, (before, length - frames - before))
        across = []
        for layer in self.down:
            x = layer(x)
            across.append(x)
        told, _ = self.memory(x.transpose(1, 2))
        x = self.told(told).transpose(1, 2)
        for layer in self.up:
            x = layer(x + across.pop())
            x = functional.relu(x) if across else x
        return x.reshape(len(sound), self.stems, 2, -1)[..., before : before + frames]

    def whole(self, frames: int) -> int:
        """Return the least number of frames, no less than that, of which nothing is left over at any level."""
        moments = frames
        for _ in self.down:
            moments = max(-(-(moments - self.kernel) // self.stride), 0) + 1
        for _ in self.down:
            moments = (moments - 1) * self.stride + self.kernel
        return moments


def _rescale(part: nn.Conv1d | nn.ConvTranspose1d) -> None:
    """Bring new weights nearer to one deviation, so that deep levels learn as fast as others."""
    scale = (part.weight.std().detach() / _REFERENCE).sqrt()
    part.weight.data /= scale
    if part.bias is not None:
        part.bias.data /= scale
