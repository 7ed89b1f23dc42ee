"""The table of settings, and the file that keeps them.

A setting exists once, as a row of `TABLE`: name, default, label, help, and what values are allowed. The form in the
window, the file and the tests derive from it.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from stemeditor import paths

Value: TypeAlias = str | int | float | bool | list[str]
"""What a setting can be; all of it is JSON."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    Parameters
    ----------
    name
        Key in the file.
    default
        Value before the user chose one; its type is the setting's type.
    label
        Name in the window; empty if the setting has no editor (recent files, window size).
    help
        One sentence for the tooltip.
    choices
        Allowed values and their labels, in order; empty if every value of the type is allowed.
    minimum, maximum
        Bounds of a number.
    """

    name: str
    default: Value
    label: str = ""
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    def accepts(self, value: object) -> bool:
        """Whether `value` may be stored under this name."""
        if isinstance(self.default, bool):
            return isinstance(value, bool)
        if isinstance(self.default, (int, float)):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                return False
            if isinstance(self.default, int) and not isinstance(value, int):
                return False
            low = self.minimum is None or value >= self.minimum
            return low and (self.maximum is None or value <= self.maximum)
        if isinstance(self.default, list):
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        if not isinstance(value, str):
            return False
        return not self.choices or value in {key for key, _ in self.choices}


TABLE: tuple[Setting, ...] = (
    Setting(
        "theme",
        "system",
        "Appearance",
        "Light, dark, or whatever the system uses.",
        (("system", "Same as system"), ("light", "Light"), ("dark", "Dark")),
    ),
    Setting(
        "scale",
        "100",
        "Interface size",
        "How large text and controls are, from the next start on.",
        tuple((str(percent), f"{percent} %") for percent in (90, 100, 110, 125, 150, 175, 200)),
    ),
    Setting("output_device", "", "Sound output", "The device that plays; the system's default if none is chosen."),
    Setting(
        "output_latency_ms",
        60,
        "Output buffer (ms)",
        "Milliseconds of sound kept ready. Raise it if playback crackles, lower it for a quicker response.",
        minimum=20,
        maximum=400,
    ),
    Setting(
        "follow_playhead",
        True,
        "Follow the playhead",
        "Scroll along while playing.",
    ),
    Setting(
        "separate_on_open",
        False,
        "Separate when a song is opened",
        "Start taking the song apart as soon as it has been read.",
    ),
    Setting(
        "device",
        "auto",
        "Networks compute on",
        "Where networks run: the fastest of what this machine has, or one of your choice.",
        (
            ("auto", "The fastest"),
            ("cpu", "Processor"),
            ("cuda", "Graphics card (CUDA, ROCm)"),
            ("mps", "Apple GPU"),
            ("xpu", "Intel GPU"),
        ),
    ),
    Setting(
        "exact",
        False,
        "Compute exactly",
        "Networks give what their authors' programs give, to the last decimal; off is faster and sounds the same.",
    ),
    Setting("weights_folder", "", "", ""),
    Setting("ensembles", [], "", ""),
    Setting("method", "", "", ""),
    Setting("parameters", "", "", ""),
    Setting("export_format", "wav", "", ""),
    Setting("export_session", "", "", ""),
    Setting("export_subtype", "24", "", ""),
    Setting("export_template", "{song}/{stem}", "", ""),
    Setting("export_folder", "", "", ""),
    Setting("recent_files", [], "", ""),
    Setting("window_geometry", "", "", ""),
)


def file() -> Path:
    """Return where the settings are kept (may not exist yet)."""
    return paths.config_folder() / "settings.json"


def stored(name: str) -> Value:
    """Return the value of a setting as it stands in the file: for what lies too deep to be handed the settings."""
    return Settings(file()).get(name)


class Settings:
    """The user's choices, kept in one JSON file. Main thread only.

    A file that cannot be read, or a value that the table does not accept, costs the user that file or value only:
    the default takes its place and the log says so.

    Parameters
    ----------
    path
        The JSON file; None keeps the settings in memory.
    table
        The rows; the program's own by default.
    """

    def __init__(self, path: Path | None, table: tuple[Setting, ...] = TABLE) -> None:
        self._path = path
        self._rows = {row.name: row for row in table}
        self._values: dict[str, Value] = {}
        self._listeners: list[Callable[[str], None]] = []
        if path is not None:
            self._values = self._read(path)

    def get(self, name: str) -> Value:
        """Return the value of `name`, or its default. Raises KeyError for a name that is not in the table."""
        value = self._values.get(name, self._rows[name].default)
        return list(value) if isinstance(value, list) else value

    def text(self, name: str) -> str:
        """Return a setting that is text."""
        value = self.get(name)
        assert isinstance(value, str)
        return value

    def number(self, name: str) -> float:
        """Return a setting that is a number."""
        value = self.get(name)
        assert isinstance(value, (int, float))
        return value

    def flag(self, name: str) -> bool:
        """Return a setting that is yes or no."""
        value = self.get(name)
        assert isinstance(value, bool)
        return value

    def names(self, name: str) -> list[str]:
        """Return a setting that is a list of text."""
        value = self.get(name)
        assert isinstance(value, list)
        return value

    def set(self, name: str, value: Value) -> bool:
        """Store `value`, write the file, and tell the listeners if it is new; return whether the file has it.

        Raises
        ------
        ValueError
            If the table does not accept the value.
        """
        row = self._rows[name]
        if not row.accepts(value):
            raise ValueError(f"{value!r} is no value of the setting {name!r}")
        if value == self.get(name):
            return True
        self._values[name] = value
        written = self._write()
        for listener in list(self._listeners):
            listener(name)
        return written

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener(name)` after every change."""
        self._listeners.append(listener)

    def rows(self) -> tuple[Setting, ...]:
        """Return the rows that have an editor, in the order of the table."""
        return tuple(row for row in self._rows.values() if row.label)

    def _read(self, path: Path) -> dict[str, Value]:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as problem:
            log.info("settings in %s cannot be read (%s); defaults are used", path, problem)
            return {}
        if not isinstance(found, Mapping):
            log.info("settings in %s are no table; defaults are used", path)
            return {}
        return {name: value for name, value in found.items() if name in self._rows and self._rows[name].accepts(value)}

    def _write(self) -> bool:
        if self._path is None:
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # A crash in the middle of writing must leave the old file whole.
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".settings")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(self._values, file, indent=1)
            os.replace(name, self._path)
        except OSError as problem:
            log.info("settings cannot be written to %s (%s)", self._path, problem)
            return False
        return True
