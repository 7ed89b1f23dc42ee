"""What a long function is given: a way to say how far it is, to hand over pieces, and to be stopped."""

from typing import Protocol

from stemeditor.errors import Cancelled


class Progress(Protocol):
    """The long function's view of whoever waits for it.

    Every member may be called from any thread, as often as one likes; none of them blocks.
    """

    def advance(self, fraction: float, text: str = "") -> None:
        """Say that `fraction` (0 to 1, never falling) of the work is done; also does `check`."""

    def check(self) -> None:
        """Raise `Cancelled` if nobody waits any more. Call it at least every 50 ms of work."""

    def post(self, piece: object) -> None:
        """Hand over a piece of the result that is final although the whole is not."""


class Silent:
    """Progress that nobody watches and nobody cancels."""

    def advance(self, fraction: float, text: str = "") -> None:
        """Do nothing."""

    def check(self) -> None:
        """Do nothing."""

    def post(self, piece: object) -> None:
        """Do nothing."""


class Stoppable(Silent):
    """Progress that nobody watches, but that can be cancelled: for the command line and for tests."""

    def __init__(self) -> None:
        self._stopped = False

    def cancel(self) -> None:
        """Make every later `check` and `advance` raise `Cancelled`."""
        self._stopped = True

    def advance(self, fraction: float, text: str = "") -> None:
        """Raise `Cancelled` after `cancel`."""
        self.check()

    def check(self) -> None:
        """Raise `Cancelled` after `cancel`."""
        if self._stopped:
            raise Cancelled


class Part:
    """A stretch of a longer progress: its 0 to 1 is `start` to `stop` of the whole."""

    def __init__(self, whole: Progress, start: float, stop: float) -> None:
        self._whole = whole
        self._start = start
        self._length = stop - start

    def advance(self, fraction: float, text: str = "") -> None:
        """Advance the whole within this part's stretch."""
        self._whole.advance(self._start + self._length * min(max(fraction, 0.0), 1.0), text)

    def check(self) -> None:
        """Ask the whole."""
        self._whole.check()

    def post(self, piece: object) -> None:
        """Hand the piece to the whole."""
        self._whole.post(piece)


class Unshown:
    """A longer progress for a function whose own fraction is nobody's business: it can be stopped, no more."""

    def __init__(self, whole: Progress) -> None:
        self._whole = whole

    def advance(self, fraction: float, text: str = "") -> None:
        """Only check."""
        self._whole.check()

    def check(self) -> None:
        """Ask the whole."""
        self._whole.check()

    def post(self, piece: object) -> None:
        """Hand the piece to the whole."""
        self._whole.post(piece)
