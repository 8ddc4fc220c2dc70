"""When two results are the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crystallize.results.result import Result


def same_result(one: Result, other: Result) -> None:
    """Assert that two results are the same, byte for byte.

    Raises
    ------
    AssertionError
        It says where they differ first, with what `one` has and what `other` has.
    """
    _same("the conditions", list(one.metrics), list(other.metrics))
    for condition, metrics in one.metrics.items():
        others = other.metrics[condition]
        _same(f"the metrics of {condition!r}", list(metrics), list(others))
        for metric, values in metrics.items():
            _same_column(f"{metric!r} of {condition!r}", values, others[metric])
    _same("the errors", one.errors, other.errors)
    _same("the seeds", one.seeds, other.seeds)


def _same_column(what: str, values: Any, found: Any) -> None:
    _same(f"the type and shape of {what}", _kind(values), _kind(found))
    if values.dtype != object and values.tobytes() == found.tobytes():
        return
    for replicate, (value, other) in enumerate(zip(values, found, strict=True)):
        # As bytes, of which NaN has the same.
        if _bytes(value) != _bytes(other):
            raise _difference(f"replicate {replicate} of {what}", value, other)


def _same(what: str, one: Any, other: Any) -> None:
    if one != other:
        raise _difference(what, one, other)


def _difference(what: str, one: object, other: object) -> AssertionError:
    return AssertionError(f"{what} differ: {one!r:.100} and {other!r:.100}")


def _kind(values: Any) -> tuple[Any, Sequence[int]]:
    return values.dtype, values.shape


def _bytes(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return type(value), value.tobytes()
    return type(value), value.hex() if isinstance(value, float) else value
