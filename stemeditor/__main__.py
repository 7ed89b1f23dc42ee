"""Where the program begins: no verb opens the window, a verb goes to the command line."""

from __future__ import annotations

import sys
from pathlib import Path

VERBS = ("demo", "doctor", "methods", "separate", "smoke")


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit status.

    Parameters
    ----------
    arguments
        Without the program's name; those of the process by default.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if not given or (given[0] not in VERBS and not given[0].startswith("-")):
        return _window([Path(name) for name in given])
    from stemeditor import cli

    return cli.run(given, _window, _smoke)


def _window(files: list[Path]) -> int:
    from stemeditor.app.application import main as window

    return window(files)


def _smoke(song: Path | None, folder: Path) -> int:
    from stemeditor.app.smoke import run_smoke

    return run_smoke(song, folder)


if __name__ == "__main__":
    sys.exit(main())
