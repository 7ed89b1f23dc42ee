"""Which stretch of the song is on screen, and how tall its waveforms are. No Qt in here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_CLOSEST_FRAMES = 64.0
"""Frames across the view at the closest zoom."""

TALLEST = 32.0
"""How many times as tall as they are waveforms can be shown."""


@dataclass(frozen=True, slots=True)
class Window:
    """The visible frames [start, stop), fractional, of a song of `frames`."""

    start: float
    stop: float
    frames: int

    @property
    def span(self) -> float:
        """How many frames are visible; at least 1."""
        return max(self.stop - self.start, 1.0)

    def x(self, frame: float, width: float) -> float:
        """Return the pixel of a frame in a view `width` pixels wide."""
        return (frame - self.start) / self.span * width

    def frame(self, x: float, width: float) -> float:
        """Return the frame under a pixel."""
        return self.start + x / max(width, 1.0) * self.span


class Viewport:
    """Holds the window onto a song, moves it, and tells who listens. Main thread only."""

    def __init__(self) -> None:
        self._window = Window(0.0, 1.0, 0)
        self._magnification = 1.0
        self._song_id = ""
        self._listeners: list[Callable[[], None]] = []

    @property
    def window(self) -> Window:
        """What is visible now."""
        return self._window

    @property
    def whole(self) -> bool:
        """Whether all of the song is visible."""
        return self._window.span >= max(self._window.frames, 1)

    @property
    def magnification(self) -> float:
        """How many times as tall as they are waveforms are shown, 1 to `TALLEST`."""
        return self._magnification

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener()` after every change."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """Call `listener` no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def set_song(self, frames: int, song_id: str = "") -> None:
        """Show all of another song, as it is; one that is longer or shorter now keeps the view if that was not all."""
        another, self._song_id = song_id != self._song_id, song_id
        if another:
            self.magnify(1.0 / self._magnification)
        if frames == self._window.frames and not another:
            return
        if another or self.whole or frames == 0:
            self._set(0.0, float(max(frames, 1)), frames)
        else:
            self._set(self._window.start, self._window.stop, frames)

    def show(self, start: float, stop: float) -> None:
        """Show [start, stop), as far as the song and the closest zoom allow."""
        self._set(start, stop, self._window.frames)

    def fit(self) -> None:
        """Show the whole song."""
        self._set(0.0, float(max(self._window.frames, 1)), self._window.frames)

    def zoom(self, factor: float, at: float) -> None:
        """Show `factor` times as much (below 1: closer), keeping the frame `at` where it is on screen."""
        window = self._window
        span = min(max(window.span * factor, _CLOSEST_FRAMES), float(max(window.frames, 1)))
        share = (at - window.start) / window.span
        start = at - share * span
        self._set(start, start + span, window.frames)

    def magnify(self, factor: float) -> None:
        """Show waveforms `factor` times as tall (below 1: flatter), all alike, so that quiet ones can be seen."""
        magnification = min(max(self._magnification * factor, 1.0), TALLEST)
        if magnification != self._magnification:
            self._magnification = magnification
            self._tell()

    def scroll(self, frames: float) -> None:
        """Move right by `frames` (left if negative), up to the ends of the song."""
        self._set(self._window.start + frames, self._window.stop + frames, self._window.frames)

    def reveal(self, frame: float) -> None:
        """Turn the page if a frame is out of view, so that it stands near the left edge."""
        window = self._window
        if not window.start <= frame < window.stop:
            start = frame - 0.05 * window.span
            self._set(start, start + window.span, window.frames)

    def _set(self, start: float, stop: float, frames: int) -> None:
        whole = float(max(frames, 1))
        span = min(max(stop - start, min(_CLOSEST_FRAMES, whole)), whole)
        start = min(max(start, 0.0), whole - span)
        window = Window(start, start + span, frames)
        if window != self._window:
            self._window = window
            self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()


class Follower:
    """Keeps the playhead in view while it moves, until the user scrolls away from it.

    Parameters
    ----------
    viewport
        What it turns the pages of.
    """

    def __init__(self, viewport: Viewport) -> None:
        self._viewport = viewport
        self._frame = 0.0
        self._away = False
        self._turning = False
        viewport.listen(self._moved)

    def follow(self, frame: float) -> None:
        """Turn the page if the playhead left it; not where the user looks at something else."""
        self._frame = frame
        if self._away and self._seen():
            self._away = False
        if not self._away:
            self.go(frame)

    def go(self, frame: float) -> None:
        """Show the playhead, wherever the user looks, and follow it from now on."""
        self._frame, self._away, self._turning = frame, False, True
        self._viewport.reveal(frame)
        self._turning = False

    def restart(self) -> None:
        """Follow again: playing began anew."""
        self._away = False

    def _moved(self) -> None:
        if not self._turning:
            self._away = not self._seen()

    def _seen(self) -> bool:
        window = self._viewport.window
        return window.start <= self._frame <= window.stop
