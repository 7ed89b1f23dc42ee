"""What Spleeter's networks look at, for those who do not compute them with PyTorch."""

from __future__ import annotations

WINDOW, HOP = 4096, 1024
"""Of the transform, frames."""

BINS, HOPS = 1024, 512
"""What a network sees at once: 0 to 11 kHz, 11.9 s at 44.1 kHz."""
