"""Where the program begins: no verb opens the window, a verb goes to the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stemeditor import memory, threads

VERBS = (
    "compare",
    "demo",
    "doctor",
    "evaluate",
    "methods",
    "models",
    "networks",
    "parts",
    "separate",
    "smoke",
    "songs",
    "train",
)


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status.

    Parameters
    ----------
    arguments
        Without the program's name; those of the process by default.
    """
    memory.share()
    threads.rest()
    given = sys.argv[1:] if arguments is None else arguments
    if not given or (given[0] not in VERBS and not given[0].startswith("-")):
        files = [Path(name) for name in given]
        missing = next((file for file in files if not file.exists()), None)
        if missing is not None:
            verbs = ", ".join(VERBS)
            print(f"stemeditor: “{missing}” is neither a file nor a verb ({verbs}).", file=sys.stderr)
            return 1
        return _window(files)
    from stemeditor import cli

    return cli.run(given, _window, _smoke)


def has_display() -> bool:
    """Whether a window can be shown: Qt would end the process where it cannot."""
    wanted = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return sys.platform != "linux" or any(os.environ.get(name) for name in wanted)


def _window(files: list[Path]) -> int:
    if not has_display():
        words = "there is no display to open a window on; `stemeditor separate` works without one."
        print(f"stemeditor: {words}", file=sys.stderr)
        return 1
    from stemeditor.app.application import main as window

    return window(files)


def _smoke(song: Path | None, folder: Path) -> int:
    if not has_display():
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from stemeditor.app.smoke import run_smoke

    return run_smoke(song, folder)


if __name__ == "__main__":
    sys.exit(main())
