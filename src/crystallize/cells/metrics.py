"""What a function may return as a metric: a number, a boolean, text, ``None``, or an array.

Several come as a mapping, a dataclass or a named tuple.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from numbers import Number
from typing import Any

import numpy as np

PLAIN: frozenset[type] = frozenset({float, int, bool, str, complex, type(None)})

SCALARS: frozenset[type] = frozenset(np.dtype(kind).type for kind in (*"?bBhHiIlLqQefdFD", np.str_))
"""NumPy's scalars that ``item()`` makes plain without losing digits."""
NUMBERS: frozenset[type] = frozenset({float, int, bool, complex, *SCALARS} - {np.str_})
"""What a function may return alone, by far the most of it."""


ARRAY_KINDS = "biufcU"
"""NumPy's letters for boolean, integer, unsigned, float, complex and text."""


class MetricError(TypeError):
    """A value that cannot be kept, or something other than metrics returned."""


ONLY_METRIC = "value"
"""The name of the metric of a function that returns one number."""


Names = tuple[Any, ...]


NUMBER_NAMES: Names = (ONLY_METRIC,)


def checked_value(name: object, value: Any) -> Any:
    """Return `value` as data.

    Raises
    ------
    MetricError
        Naming the metric and the type of what it cannot be.
    """
    if type(value) in PLAIN:
        return value
    if type(value) in SCALARS:
        return value.item()
    if isinstance(value, np.ndarray):
        if value.ndim == 0 and type(value) is np.ndarray:
            return checked_value(name, value[()])
        if type(value) is not np.ndarray or value.dtype.kind not in ARRAY_KINDS:
            raise MetricError(
                f"metric {name!r} is a {type(value).__name__} of dtype {value.dtype}; "
                "arrays of numbers, booleans or text are kept."
            )
        return np.array(value, order="C")
    if isinstance(value, np.generic) and value.dtype.kind in ARRAY_KINDS:
        value = float(value) if isinstance(value, np.longdouble) else value.item()
        if type(value) in PLAIN:
            return value
    if isinstance(value, str):
        return "".join((value,))  # str() would give an enumeration's name
    plain: Any
    for plain in (bool, int, float, complex):
        if isinstance(value, plain):
            return plain(value)
    hint = ""
    if hasattr(value, "__await__"):
        hint = " (a coroutine that nobody awaited: define the function with 'async def')"
    raise MetricError(
        f"metric {name!r} is of type {type(value).__name__}{hint}; numbers, booleans, strings, "
        "None and NumPy scalars and arrays are kept."
    )


def checked_metrics(result: Any) -> tuple[Names, Collection[Any]]:
    """What a function returned, as names and values that are data.

    Raises
    ------
    MetricError
        If it is neither a mapping of metrics, a dataclass or a named tuple, nor one number; if
        a name is no string, or a value is no data.
    """
    if type(result) is float:
        return NUMBER_NAMES, (result,)
    names, values = _as_metrics(result)
    for name in names:
        if type(name) is not str:
            names = tuple(map(_plain_name, names))
            break
    for value in values:
        if type(value) not in PLAIN:
            pairs = zip(names, values, strict=True)
            return names, [checked_value(name, value) for name, value in pairs]
    return names, values


def _plain_name(name: object) -> str:
    if not isinstance(name, str):
        raise MetricError(f"a metric's name must be a string, got {name!r}.")
    return "".join((name,))  # a string of a subclass is equal to the plain one


def _as_metrics(result: Any) -> tuple[Names, tuple[Any, ...]]:
    if type(result) is dict:
        return tuple(result), tuple(result.values())
    if type(result) in NUMBERS:
        return NUMBER_NAMES, (result,)
    if isinstance(result, Mapping):
        metrics = dict(result)
        return tuple(metrics), tuple(metrics.values())
    if isinstance(result, (Number, np.bool_)) or (
        isinstance(result, np.ndarray) and result.ndim == 0
    ):
        return NUMBER_NAMES, (result,)
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return tuple(result._fields), tuple(result)
    if is_dataclass(result) and not isinstance(result, type):
        names = tuple(field.name for field in fields(result))
        return names, tuple(getattr(result, name) for name in names)
    hint = ""
    if hasattr(result, "__await__"):
        hint = " that nobody awaited; define the function with 'async def'"
        if hasattr(result, "close"):
            result.close()
    raise MetricError(
        f"the function returned {type(result).__name__}{hint}; "
        "it must return a mapping of metrics, or one number."
    )
