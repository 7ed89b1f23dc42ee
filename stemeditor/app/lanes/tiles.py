"""A cache of painted stretches. Scrolling only moves them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from PySide6.QtGui import QImage

TILE_PIXELS = 256
"""Width of a tile in device pixels. Tile k covers the pixels [256 k, 256 (k + 1)) of the song at its zoom."""


class Tiles:
    """The tiles that were used last, by key.

    Parameters
    ----------
    limit
        How many are kept.
    """

    def __init__(self, limit: int = 96) -> None:
        self._images: OrderedDict[Hashable, QImage] = OrderedDict()
        self._limit = limit

    def get(self, key: Hashable) -> QImage | None:
        """Return a tile, or None if it is not there (any more)."""
        image = self._images.get(key)
        if image is not None:
            self._images.move_to_end(key)
        return image

    def put(self, key: Hashable, image: QImage) -> None:
        """Keep a tile; the one that was not used for longest may go."""
        self._images[key] = image
        self._images.move_to_end(key)
        while len(self._images) > self._limit:
            self._images.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._images.clear()


def visible(offset: float, width: int) -> range:
    """Return the numbers of the tiles that a view of `width` device pixels, `offset` pixels into the song, shows."""
    first = int(offset // TILE_PIXELS)
    return range(first, int((offset + width - 1) // TILE_PIXELS) + 1)
