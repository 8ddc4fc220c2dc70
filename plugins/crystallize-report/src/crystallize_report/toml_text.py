"""Data as a TOML document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any


def document(tables: Mapping[str, Any]) -> str:
    """A config: a table for each mapping of mappings, everything else in a line.

    What TOML has not, ``None`` among it, is left out.

    Examples
    --------
    >>> print(document({"experiment": {"seed": 1}, "conditions": {"v1.5": {"lr": 0.1}}}), end="")
    [experiment]
    seed = 1
    <BLANKLINE>
    [conditions."v1.5"]
    lr = 0.1
    """
    return "\n".join(
        "\n".join([f"[{'.'.join(map(_key, path))}]", *lines, ""])
        for path, lines in _tables((), tables)
    )


def _tables(
    path: tuple[str, ...], given: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    nested = {k: v for k, v in given.items() if isinstance(v, Mapping) and len(path) < 2}
    lines = [
        f"{_key(key)} = {_value(value)}"
        for key, value in given.items()
        if key not in nested and value is not None
    ]
    if path and (lines or not nested):
        yield path, lines
    for key, value in nested.items():
        yield from _tables((*path, key), value)


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value if item is not None)}]"
    if isinstance(value, Mapping):
        items = (f"{_key(str(k))} = {_value(v)}" for k, v in value.items() if v is not None)
        return f"{{{', '.join(items)}}}"
    return _text(str(value))


def _text(text: str) -> str:
    # JSON's escapes are TOML's too, which wants one more character escaped and has no surrogates.
    whole = text.encode("utf-8", "replace").decode()
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")
