"""The pieces that more than one network is made of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Gate(nn.Module):
    """What a U-Net hands across, as far as what comes from below asks for it.

    Parameters
    ----------
    width, below
        Channels of what is handed across, and of what comes from below.
    plane
        Whether both are pictures, (batch, channels, rows, columns), and not rows, (batch, channels, moments).

    References
    ----------
    O. Oktay et al., Attention U-Net: learning where to look for the pancreas, MIDL 2018, eq. 1.
    """

    def __init__(self, width: int, below: int, plane: bool = False) -> None:
        super().__init__()
        kind = nn.Conv2d if plane else nn.Conv1d
        inner = max(width // 2, 1)
        self.shown = kind(width, inner, 1)
        self.asked = kind(below, inner, 1, bias=False)
        self.opened = kind(inner, 1, 1)

    def forward(self, across: Tensor, below: Tensor) -> Tensor:
        """Return what of `across` passes; both are of one size."""
        open_at: Tensor = self.opened(functional.relu(self.shown(across) + self.asked(below))).sigmoid()
        return across * open_at
