"""What a function may return as a metric: a number, a boolean, text, ``None``, or an array.

What is kept has to fit into a store, which no cell knows whether there is: larger values fail
their cell everywhere alike.

Several come as a mapping, a dataclass or a named tuple.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.checks import MOST_BITS

PLAIN: frozenset[type] = frozenset({float, int, bool, str, complex, type(None)})
SMALL: frozenset[type] = PLAIN - {int, str}
"""Those of which no value is too large to be kept."""

SCALARS: frozenset[type] = frozenset(np.dtype(kind).type for kind in (*"?bBhHiIlLqQefdFD", np.str_))
"""NumPy's scalars that ``item()`` makes plain without losing digits."""
NUMBERS: frozenset[type] = frozenset({float, int, bool, complex, *SCALARS} - {np.str_})
"""What a function may return alone, by far the most of it."""


ARRAY_KINDS = "biufcU"
"""NumPy's letters for boolean, integer, unsigned, float, complex and text."""


INT64 = 2**63

MOST_BYTES = 500_000_000
"""How much the arrays of one cell may take; a record of a store holds twice as much."""
MOST_TEXT = 2**24
"""How many characters a text may have: of each, a store makes up to twelve bytes."""


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
        check_size(name, value)
        return value
    if type(value) in SCALARS:
        return value.item()
    if isinstance(value, (list, tuple)):
        return _as_array(name, value)
    if isinstance(value, np.ndarray):
        if value.ndim == 0 and type(value) is np.ndarray:
            return checked_value(name, value[()])
        if type(value) is not np.ndarray or value.dtype.kind not in ARRAY_KINDS:
            raise MetricError(
                f"metric {name!r} is a {type(value).__name__} of dtype {value.dtype}; "
                "arrays of numbers, booleans or text are kept."
            )
        if value.nbytes > MOST_BYTES:
            raise _too_large(name, value.nbytes)
        return np.array(value, order="C")
    if isinstance(value, np.generic) and value.dtype.kind in ARRAY_KINDS:
        value = float(value) if isinstance(value, np.longdouble) else value.item()
        if type(value) in PLAIN:
            return value
    if isinstance(value, str):
        return checked_value(name, "".join((value,)))  # str() would give an enumeration's name
    plain: Any
    for plain in (bool, int, float, complex):
        if isinstance(value, plain):
            return checked_value(name, plain(value))
    hint = ""
    if hasattr(value, "__await__"):
        hint = " (a coroutine that nobody awaited: define the function with 'async def')"
    raise MetricError(
        f"metric {name!r} is of type {type(value).__name__}{hint}; numbers, booleans, strings, "
        "None, lists of numbers, and NumPy scalars and arrays are kept."
    )


def check_size(name: object, value: Any) -> None:
    """Refuse a whole number or a text that no store and no file of JSON takes.

    Raises
    ------
    MetricError
    """
    if type(value) is int and value.bit_length() > MOST_BITS:
        raise MetricError(
            f"metric {name!r} is a whole number of {value.bit_length():,} bits, and at most "
            f"{MOST_BITS:,} are kept; return its logarithm, or a digest of it."
        )
    if type(value) is str and len(value) > MOST_TEXT:
        raise MetricError(
            f"metric {name!r} is a text of {len(value):,} characters, and at most {MOST_TEXT:,} "
            "are kept; write it to a file, and return the file's name."
        )


def _as_array(name: object, items: Sequence[Any]) -> npt.NDArray[Any]:
    """A list of numbers, or of booleans, as an array of one dimension; every number as it is.

    Raises
    ------
    MetricError
        If it holds anything else, or numbers that no kind of array has side by side.
    """
    values = [item.item() if isinstance(item, np.generic) else item for item in items]
    kinds = set(map(type, values))
    if not kinds <= {bool, int, float, complex} or (bool in kinds and len(kinds) > 1):
        other = next((v for v in values if type(v) not in (bool, int, float, complex)), None)
        held = "booleans beside numbers" if other is None else f"a {type(other).__name__}"
        raise MetricError(
            f"metric {name!r} is a {type(items).__name__} that holds {held}; lists of numbers are "
            "kept, as arrays of one dimension. Of more dimensions return a numpy.array."
        )
    array: npt.NDArray[Any]
    try:
        array = np.array(values, dtype=np.int64 if kinds == {int} else None)
    except OverflowError:
        raise _not_exact(name, items) from None
    if int in kinds and len(kinds) > 1:
        pairs = zip(values, array.tolist(), strict=True)
        if array.dtype == object or any(type(v) is int and v != kept for v, kept in pairs):
            raise _not_exact(name, items)
    return array


def _not_exact(name: object, items: Sequence[Any]) -> MetricError:
    return MetricError(
        f"metric {name!r} is a {type(items).__name__} of numbers that an array cannot hold "
        "exactly: some need more than 64 bits."
    )


def _too_large(name: object, size: int) -> MetricError:
    return MetricError(
        f"metric {name!r} takes {size / 1e6:,.0f} MB with the arrays before it in its cell, and at "
        f"most {MOST_BYTES / 1e6:,.0f} MB are kept of one; return what is needed of it, or write "
        "it to a file and return the file's name."
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
        kind = type(value)
        if kind in SMALL or (kind is int and -INT64 <= value < INT64):
            continue
        if kind is str and len(value) <= MOST_TEXT:
            continue
        return names, _checked_values(zip(names, values, strict=True))
    return names, values


def _checked_values(pairs: Iterable[tuple[object, Any]]) -> list[Any]:
    checked, size = [], 0
    for name, value in pairs:
        kept = checked_value(name, value)
        if type(kept) is np.ndarray and (size := size + kept.nbytes) > MOST_BYTES:
            raise _too_large(name, size)
        checked.append(kept)
    return checked


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
