"""How a thing ended -> what the user is told. Messages are values; the window, and tests, subscribe."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stemeditor.errors import Cancelled, UserError

INFO = "info"
WARNING = "warning"
ERROR = "error"
BUG = "bug"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell.

    Parameters
    ----------
    kind
        "info" (goes by itself), "warning", "error" (the user can mend it) or "bug" (ours).
    text
        One sentence.
    hint
        What to do about it, or "".
    details
        For a bug: what to send us; else "".
    folder
        A folder worth showing, or None.
    offer
        What the user may do about it: the words on a button, and what it does. None for nothing.
    """

    kind: str
    text: str
    hint: str = ""
    details: str = ""
    folder: Path | None = None
    offer: tuple[str, Callable[[], None]] | None = None


def notice_of(error: BaseException) -> Notice | None:
    """Return what to tell about an ending; None if it is the user's own wish.

    A bug is logged whole here, once.
    """
    if isinstance(error, Cancelled):
        return None
    if isinstance(error, UserError):
        return Notice(ERROR, error.message, error.hint)
    details = "".join(traceback.format_exception(error))
    log.error("unexpected: %s", details)
    return Notice(
        BUG,
        "Something went wrong inside the program; your song is unharmed.",
        "Copy the details and send them to us.",
        details,
    )
