"""Whether two results are the same, byte for byte or nearly, and where they are not."""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Array
from crystallize.cells.outcome import CellError
from crystallize.results.result import Result

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """What was found of two results.

    Attributes
    ----------
    cells : int
        How many were compared: those that both results have, finished or failed.
    differing : int
        How many of them differ.
    first : tuple or None
        The first of those, replicate by replicate: condition, replicate, metric, or
        ``None`` where one of them failed, and the two values.
    """

    cells: int
    differing: int
    first: tuple[str, int, str | None, Any, Any] | None


def compared(one: Result, other: Result, replicates: int, tolerance: float = 0.0) -> Comparison:
    """Compare the first replicates of two results with the same conditions.

    Parameters
    ----------
    one, other : Result
    replicates : int
    tolerance : float
        Two numbers are the same if they differ by at most this, or by at most this
        times the larger of them; 0 compares every byte.
    """
    cells, differing = 0, 0
    found: list[tuple[int, int, tuple[str, int, str | None, Any, Any]]] = []
    for place, condition in enumerate(one.conditions):
        pair = _Pair(one, other, condition, replicates, tolerance)
        cells += int(pair.known.sum())
        differs = np.zeros(replicates, dtype=np.bool_)
        for metric, mask in pair.differences():
            if mask.any():
                replicate = int(mask.argmax())
                if not differs[: replicate + 1].any():
                    first, second = pair.values(replicate, metric)
                    where = (condition, replicate, metric, first, second)
                    found.append((replicate, place, where))
                differs |= mask
        differing += int(differs.sum())
    first_found = min(found, key=lambda item: item[:2])[2] if found else None
    return Comparison(cells, differing, first_found)


def digest(result: Result, replicates: int) -> str:
    """SHA-256 of the first replicates of a result: names, values, and what failed how."""
    hashed = hashlib.sha256()
    for condition in result.conditions:
        hashed.update(repr(condition).encode("utf-8", "backslashreplace"))
        hashed.update(result.done[condition][:replicates].tobytes())
        for metric, values in result.metrics[condition].items():
            hashed.update(repr(metric).encode("utf-8", "backslashreplace"))
            hashed.update(_bytes(values[:replicates]))
    for error in result.errors:
        if error.replicate < replicates:
            failure = (error.condition, error.replicate, *_failure(error))
            hashed.update(repr(failure).encode("utf-8", "backslashreplace"))
    return hashed.hexdigest()


class _Pair:
    """The cells of one condition in two results."""

    def __init__(
        self, one: Result, other: Result, condition: str, replicates: int, tolerance: float
    ) -> None:
        self._size = replicates
        self._tolerance = tolerance
        self._metrics = one.metrics[condition], other.metrics[condition]
        self._done = one.done[condition][:replicates], other.done[condition][:replicates]
        self._errors = tuple(
            {e.replicate: e for e in result.errors if e.condition == condition}
            for result in (one, other)
        )
        ran = map(self._ran, self._done, self._errors)
        self.known: Mask = next(ran) & next(ran)
        self._both: Mask = self._done[0] & self._done[1]
        # Where a cell is missing, a column may have its numbers as others of the same value.
        self._strict = bool(one.done[condition].all() and other.done[condition].all())

    def _ran(self, done: Mask, errors: Any) -> Mask:
        ran = done.copy()
        ran[[replicate for replicate in errors if replicate < self._size]] = True
        return ran

    def differences(self) -> Iterator[tuple[str | None, Mask]]:
        """Which cells came to something else at all, then which differ in each metric."""
        ended: Mask = (self._done[0] != self._done[1]) & self.known
        one, other = self._errors
        for replicate in set(one) & set(other):
            if replicate < self._size:
                ended[replicate] = _failure(one[replicate]) != _failure(other[replicate])
        yield None, ended
        for metric in dict.fromkeys([*self._metrics[0], *self._metrics[1]]):
            yield metric, self._differs(*self._columns(metric)) & self._both

    def values(self, replicate: int, metric: str | None) -> tuple[Any, Any]:
        """What the two have for one cell, as plain data."""
        if metric is not None:
            one, other = (_value(column, replicate) for column in self._columns(metric))
            return _plain(one), _plain(other)
        shown = [
            "failed: {}: {}".format(*_failure(errors[replicate]))
            if replicate in errors
            else "finished"
            for errors in self._errors
        ]
        return shown[0], shown[1]

    def _columns(self, metric: str) -> tuple[Array, Array]:
        one, other = (
            metrics[metric][: self._size]
            if metric in metrics
            else np.full(self._size, None, dtype=object)
            for metrics in self._metrics
        )
        return one, other

    def _differs(self, one: Array, other: Array) -> Mask:
        alike = one.dtype == other.dtype and one.shape == other.shape and one.dtype != object
        if alike and one.size and not self._tolerance:
            rows = [
                np.ascontiguousarray(c).view(np.uint8).reshape(len(c), -1) for c in (one, other)
            ]
            return np.asarray((rows[0] != rows[1]).any(axis=1), dtype=np.bool_)
        differs = np.zeros(self._size, dtype=np.bool_)
        for place in np.flatnonzero(self._both).tolist():
            differs[place] = not self._same(_value(one, place), _value(other, place))
        return differs

    def _same(self, one: Any, other: Any) -> bool:
        if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
            if one.shape != other.shape or (one.dtype != other.dtype and not self._tolerance):
                return False
            if not self._tolerance:
                return one.tobytes() == other.tobytes()
            return all(map(self._same, one.ravel().tolist(), other.ravel().tolist()))
        numbers = (int, float, complex) if self._strict else (bool, int, float, complex)
        if not all(type(value) in numbers for value in (one, other)):
            return type(one) is type(other) and bool(one == other)
        if self._tolerance and (one == other or _is_near(one, other, self._tolerance)):
            return True
        if self._strict and not self._tolerance and type(one) is not type(other):
            return False
        return _number(one) == _number(other)


def _is_near(one: complex, other: complex, tolerance: float) -> bool:
    try:
        largest = max(1, abs(one), abs(other))
        return largest < math.inf and abs(one - other) <= tolerance * largest
    except OverflowError:  # whole numbers that are beyond floats
        return False


def _rows(column: Array) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(column).view(np.uint8).reshape(len(column), -1)


def _value(column: Array, place: int) -> Any:
    value = column[place]
    return value.item() if isinstance(value, np.generic) else value


def _number(value: complex) -> bytes:
    if isinstance(value, int) and abs(value) > 2**53:
        return hex(value).encode()
    return struct.pack("<dd", complex(value).real, complex(value).imag)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _failure(error: CellError) -> tuple[str, str]:
    """Type and message, in which addresses of objects say nothing."""
    return error.type, re.sub("0x[0-9a-fA-F]+", "0x…", error.message)


def _bytes(values: Array) -> bytes:
    if values.dtype != object:
        return f"{values.dtype.str}{values.shape}".encode() + values.tobytes()
    return b"".join(map(_bytes_of_one, values))


def _bytes_of_one(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return _bytes(value)
    # Whole numbers of thousands of digits have no decimal text.
    text = hex(value) if type(value) is int else repr(value)
    return f"{type(value).__name__} {text};".encode("utf-8", "backslashreplace")
