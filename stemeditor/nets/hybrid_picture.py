"""What Hybrid Demucs sees: numbers of its spectrum's picture, without the network."""

WINDOW, HOP = 4096, 1024
LEAD = HOP // 2 * 3
"""Frames by which the first window begins before the sound, so that there are as many windows as hops of sound."""

OUTSIDE = 2
"""Hops at either end that are centred beyond what is put around the sound."""

LEAST = 1e-5
"""Is added to deviations; its transforms neither gain nor lose energy."""
