"""What a person set on a method last, kept among the settings."""

from __future__ import annotations

import json
from collections.abc import Mapping

from stemeditor.methods.base import MethodInfo, ParamValue
from stemeditor.methods.components import OVERRULE
from stemeditor.settings import Settings

_SETTING = "parameters"
_OF_ONE_SONG = frozenset((OVERRULE.name, "from_s", "to_s"))
"""Parameters that speak of a place or a part of one song: wrong for every other."""


def remembered(settings: Settings, info: MethodInfo) -> dict[str, ParamValue]:
    """Return the parameters that were used last with a method, as far as it still takes them."""
    stored = _stored(settings).get(info.key)
    found: dict[str, ParamValue] = {}
    for param in info.params:
        if isinstance(stored, dict) and param.name in stored:
            try:
                found[param.name] = param.checked(stored[param.name])
            except (TypeError, ValueError):
                continue
    return found


def remember(settings: Settings, info: MethodInfo, values: Mapping[str, ParamValue]) -> None:
    """Keep the parameters that a method is used with, those of one song aside."""
    stored = _stored(settings)
    defaults = {param.name: param.default for param in info.params if param.name not in _OF_ONE_SONG}
    kept = {name: value for name, value in values.items() if name in defaults and value != defaults[name]}
    stored.pop(info.key, None)
    if kept:
        stored[info.key] = kept
    settings.set(_SETTING, json.dumps(stored, sort_keys=True) if stored else "")


def _stored(settings: Settings) -> dict[str, object]:
    try:
        stored = json.loads(settings.text(_SETTING) or "{}")
    except ValueError:
        return {}
    return stored if isinstance(stored, dict) else {}
