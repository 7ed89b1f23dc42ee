"""Which methods there are. A method's module is imported when it is first asked for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points

from stemeditor.errors import UserError
from stemeditor.methods.base import Method, MethodInfo

DEFAULT = "classic"
"""The method of the Separate button and of `stemeditor separate`."""

ENTRY_POINTS = "stemeditor.methods"
"""Other packages may add methods: an entry point of this group is key = "module:Class"."""

_TABLE = {
    "classic": "stemeditor.methods.classic:Classic",
    "hpss": "stemeditor.methods.hpss:Hpss",
    "repet_sim": "stemeditor.methods.repet_sim:RepetSim",
    "centre": "stemeditor.methods.stereo:Centre",
}


def keys() -> tuple[str, ...]:
    """Return the keys of all methods, the default first, ours before others'."""
    others = sorted(entry.name for entry in entry_points(group=ENTRY_POINTS))
    return (*_TABLE, *(key for key in others if key not in _TABLE))


def load(key: str) -> Method:
    """Return the method of that key.

    Raises
    ------
    UserError
        If there is none, or another package's cannot be loaded; the hint names the nearest key.
    """
    if key in _TABLE:
        module, _, name = _TABLE[key].partition(":")
        method: Method = getattr(import_module(module), name)()
        return method
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == key:
            try:
                loaded: Method = entry.load()()
            except Exception as problem:
                raise UserError(
                    f"The method “{key}” cannot be loaded ({problem}).", f"Reinstall the package {entry.value}."
                ) from problem
            return loaded
    near = get_close_matches(key, keys(), 1)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(keys())}."
    raise UserError(f"There is no method “{key}”.", hint)


def info(key: str) -> MethodInfo:
    """Return what a method says about itself. Raises as `load`."""
    return load(key).info
