"""Keys and values as TOML spells them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time


def spelled_key(name: str) -> str:
    """A part of a key, quoted where it has to be.

    Examples
    --------
    >>> spelled_key("wald"), spelled_key("v1.5")
    ('wald', "'v1.5'")
    """
    if re.fullmatch("[A-Za-z0-9_-]+", name):
        return name
    is_literal = "'" not in name and name.isprintable()
    return f"'{name}'" if is_literal else _spelled_text(name)


def spelled(value: object) -> str:
    """A value.

    Raises
    ------
    TypeError
        If TOML has no such values.

    Examples
    --------
    >>> spelled({"label": 'so "called"', "sizes": (1, 2.5, True)})
    '{label = "so \\\\"called\\\\"", sizes = [1, 2.5, true]}'
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _spelled_text(value)
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(spelled, value))}]"
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        items = (f"{spelled_key(key)} = {spelled(item)}" for key, item in value.items())
        return f"{{{', '.join(items)}}}"
    raise TypeError(f"TOML has no {type(value).__name__}")


def _spelled_text(text: str) -> str:
    # JSON's escapes are TOML's too, which wants one more character escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
