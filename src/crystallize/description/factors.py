"""Factors: the parameters whose values differ between conditions, as plain data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from crystallize.callables import function_name
from crystallize.cells.plain import SCALARS, plain_data
from crystallize.description.secrets import without_secrets_in_text
from crystallize.errors import text_of

Factors = dict[str, dict[str, Any]]
SHOWN = 40
"""How long the text may be that stands for a value which is no number, text or boolean."""

MOST_ITEMS = 1000
"""How many items a container may have to be made plain."""


def factors(conditions: Mapping[str, Mapping[str, Any]]) -> Factors:
    """Condition -> factor -> level, in the order in which parameters are first given.

    Numbers, texts, booleans and ``None`` are levels as they are; a short text stands for
    anything else, another one for each value.  A condition that leaves a parameter to its
    default has no level of it.

    Examples
    --------
    >>> factors({"wald": {"n": 10, "z": 0}, "wilson": {"n": 10, "z": 2}})
    {'wald': {'z': 0}, 'wilson': {'z': 2}}
    """
    columns = _columns(conditions)
    differing = {
        name: column
        for name, column in columns.items()
        if len(column) < len(conditions) or _differ(column.values())
    }
    return _rows(conditions, differing)


def levels(conditions: Mapping[str, Mapping[str, Any]]) -> Factors:
    """Condition -> parameter -> level, of those too that are the same everywhere."""
    return _rows(conditions, _columns(conditions))


def _columns(conditions: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    names = dict.fromkeys(name for given in conditions.values() for name in given)
    return {name: _levels(name, conditions) for name in names}


def _rows(conditions: Iterable[str], columns: Mapping[str, Mapping[str, Any]]) -> Factors:
    return {
        condition: {
            name: column[condition] for name, column in columns.items() if condition in column
        }
        for condition in conditions
    }


def _levels(name: str, conditions: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The level of one parameter under each condition that gives it."""
    others: list[tuple[object, str]] = []  # values that need a text, and that text
    levels = {}
    for condition, given in conditions.items():
        if name not in given:
            continue
        plain = value = given[name]
        if type(value) not in SCALARS and not _is_large(value):
            with suppress(TypeError, RecursionError):
                plain = plain_data(value, name)
        if type(plain) in SCALARS:
            levels[condition] = plain
            continue
        known = next((text for other, text in others if _same(other, plain)), None)
        if known is None:
            known = _text(plain if isinstance(plain, (list, dict)) else value)
            taken = sum(text.partition(" #")[0] == known for _, text in others)
            known += f" #{taken + 1}" if taken else ""
            others.append((plain, known))
        levels[condition] = known
    return levels


def _is_large(value: object) -> bool:
    """Whether it is a container that takes long to be made plain, or text."""
    if isinstance(value, np.ndarray):
        return value.size > MOST_ITEMS
    return isinstance(value, (list, tuple, dict)) and len(value) > MOST_ITEMS


def _text(value: object) -> str:
    if isinstance(value, (list, tuple, dict)) and _is_large(value):
        return f"{type(value).__name__} of {len(value)}"
    shown = function_name(value) if callable(value) else without_secrets_in_text(text_of(value))
    shown = " ".join(shown.split())
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"


def _same(one: object, other: object) -> bool:
    try:
        if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
            return one is other or (one.dtype == other.dtype and np.array_equal(one, other))
        return one is other or (type(one) is type(other) and bool(one == other))
    except Exception:  # what cannot be compared is told apart by what it is
        return False


def _differ(levels: Iterable[object]) -> bool:
    """Whether there are two that are not equal."""
    keys = map(_key, levels)
    first = next(keys, None)
    return any(key != first for key in keys)


def _key(level: object) -> object:
    """Equal for equal levels: True is no 1, and NaN is NaN."""
    return (isinstance(level, bool), "NaN" if level != level else level)


def factor_names(factors: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """All factors, in the order in which they first come."""
    return list(dict.fromkeys(name for levels in factors.values() for name in levels))


def factor_columns(factors: Mapping[str, Mapping[str, Any]], taken: Collection[str]) -> Factors:
    """Condition -> column -> level, the same columns for all, ``None`` where there is no level.

    A factor that is named like a column that is `taken` has ``factor.`` before its name.

    Examples
    --------
    >>> factor_columns({"a": {"n": 10}, "b": {"n": 40, "z": 2}}, taken={"n"})
    {'a': {'factor.n': 10, 'z': None}, 'b': {'factor.n': 40, 'z': 2}}
    """
    columns = {n: f"factor.{n}" if n in taken else n for n in factor_names(factors)}
    return {
        condition: {column: levels.get(name) for name, column in columns.items()}
        for condition, levels in factors.items()
    }
