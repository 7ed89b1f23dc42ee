"""The only bridge between the workers' threads and Qt."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal, Slot

from stemeditor.jobs.job import Event


class Relay(QObject):
    """Brings events home. Made in the main thread; `post` may be called from any.

    A slot that is a plain function would run in the thread that emits. Only a method of an object that lives in the
    main thread is queued there, hence this object.
    """

    _arrived = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._receiver: Callable[[Event], None] | None = None
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def receive(self, receiver: Callable[[Event], None]) -> None:
        """Call `receiver(event)` in the main thread for every event from now on."""
        self._receiver = receiver

    def post(self, event: Event) -> None:
        """Send an event home; from any thread."""
        self._arrived.emit(event)

    def close(self) -> None:
        """Deliver nothing more, also of what is on its way."""
        self._receiver = None

    @Slot(object)
    def _deliver(self, event: Event) -> None:
        if self._receiver is not None:
            self._receiver(event)
