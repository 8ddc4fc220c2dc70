"""The values of one metric under one condition, as an array where one kind of value fits all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

EXACT_IN_FLOAT = 2**53


Values = npt.NDArray[Any] | list[Any]


def packed(values: Sequence[Any]) -> Values:
    """Checked values of one metric as an array, where one kind of number or shape fits all."""
    kinds = set(map(type, values))
    if len(kinds) == 1:
        (kind,) = kinds
        if kind is float or kind is bool or kind is complex:
            return np.array(values)
        if kind is int:
            try:
                return np.array(values, dtype=np.int64)
            except OverflowError:
                return list(values)
        if kind is np.ndarray and len({(v.dtype.str, v.shape) for v in values}) == 1:
            return np.stack(values)
    return list(values)


class Column:
    """The values of one metric under one condition, in replicate order.

    Typed while every value so far has the same kind, a column of Python objects
    otherwise.  What :meth:`finished` gives depends on the values alone, not on
    the order or the grouping in which they came.

    Parameters
    ----------
    done : array of bool
        Which cells finished; the table's own, which changes.
    """

    def __init__(self, done: npt.NDArray[np.bool_]) -> None:
        self._done = done
        self._data: npt.NDArray[Any] | None = None
        # Most metrics are in every cell that finished: then a byte a number is saved.
        self._lacking: npt.NDArray[np.bool_] | None = done.copy() if done.any() else None
        self.rank = (len(done), 0)
        """Where the metric was first seen, (replicate, position), by which metrics are ordered."""
        self.nbytes = 0
        """How much its values take when all are there, as far as the first ones tell."""

    @classmethod
    def filled(cls, done: npt.NDArray[np.bool_], values: Values, rank: tuple[int, int]) -> Column:
        """A column that has a value in every cell, of values that came together."""
        column = cls(done)
        column.rank, column._lacking = rank, None
        column._data = data = column._allocated(values)
        if isinstance(values, np.ndarray) and data.dtype != object:
            data[:] = values
        else:
            for place, value in enumerate(_objects(values)):
                data[place] = value
        return column

    def add(
        self, start: int, offsets: npt.NDArray[np.intp] | None, values: Values, position: int
    ) -> None:
        """Put values at ``start + offsets``, or from `start` on where there are none."""
        if offsets is None:
            index: Any = slice(start, start + len(values))
            first = start
        else:
            index = start + offsets
            first = int(index.min())
        self.rank = min(self.rank, (first, position))
        if self._lacking is not None:
            self._lacking[index] = False
        typed = isinstance(values, np.ndarray)
        if self._data is None:
            self._data = self._allocated(values)
        elif self._data.dtype == object:
            typed = False
        elif not isinstance(values, np.ndarray) or (
            values.dtype != self._data.dtype or values.shape[1:] != self._data.shape[1:]
        ):
            self._data = self._loosened(self._data)
            typed = False
        if typed and self._data.dtype != object:
            self._data[index] = values
        else:
            places = range(*index.indices(len(self._done))) if offsets is None else index
            for place, value in zip(places, _objects(values), strict=True):
                self._data[place] = value

    def lack(self, cells: slice | npt.NDArray[np.intp]) -> None:
        """Note that some cells finished without this metric."""
        if self._lacking is None:
            self._lacking = np.zeros(len(self._done), dtype=np.bool_)
        self._lacking[cells] = True

    def part(self, places: slice, done: npt.NDArray[np.bool_]) -> Column:
        """A copy of some neighbouring places, of which `done` says which cells finished."""
        part = Column(done)
        part._lacking = None if self._lacking is None else self._lacking[places].copy()
        part._data = None if self._data is None else self._data[places].copy()
        part.rank = self.rank
        return part

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which cells have this metric."""
        return self._done if self._lacking is None else self._done & ~self._lacking

    def has(self, place: int) -> bool:
        """Whether one cell that finished has this metric."""
        return self._lacking is None or not self._lacking[place]

    def __getitem__(self, place: int) -> Any:
        """The value at one place, as plain data."""
        assert self._data is not None
        value = self._data[place]
        return value.item() if isinstance(value, np.generic) else value

    def there(self) -> npt.NDArray[Any]:
        """The values that there are, in replicate order, ``None`` among them."""
        if self._data is None:
            return np.empty(0)
        present = self.present
        return self._data if present.all() else self._data[present]

    def finished(self) -> npt.NDArray[Any]:
        """The column: NaN where a number is missing, ``None`` where anything else is.

        Also ``None`` where a cell finished without this metric: NaN could be a value.
        Flags stay flags: in a masked array, whose mask says which are missing.
        """
        if self._data is None:
            return np.full(len(self._done), np.nan)
        data, present = self._data, self.present
        if present is not self._done and not np.array_equal(present, self._done):
            return data if data.dtype == object else self._loosened(data)
        if data.dtype == object:
            return _tightened(data, present)
        if present.all():
            return data
        if data.dtype.kind in "fc":
            data[~present] = np.nan
            return data
        if data.dtype == np.bool_ and data.ndim == 1:
            data[~present] = False
            return with_mask(data, present)
        if data.ndim == 1:
            return _tightened(self._loosened(data), present)
        return self._loosened(data)

    def _allocated(self, values: Values) -> npt.NDArray[Any]:
        self.nbytes = 8 * len(self._done)
        if isinstance(values, np.ndarray):
            self.nbytes = len(self._done) * (values.nbytes // len(values))
            try:
                return np.zeros((len(self._done), *values.shape[1:]), dtype=values.dtype)
            except (MemoryError, ValueError):
                pass  # what there is of it is kept all the same, each value as it comes
        return np.full(len(self._done), None, dtype=object)

    def _loosened(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        loose = np.full(len(self._done), None, dtype=object)
        for place in np.flatnonzero(self.present):
            loose[place] = data[place] if data.ndim > 1 else data[place].item()
        return loose


def with_mask(values: npt.NDArray[Any], present: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Flags of which some are missing, with a mask; anything else as it is."""
    if values.dtype != np.bool_ or values.ndim != 1 or present.all():
        return values
    return np.ma.MaskedArray(values, mask=~present)


def _objects(values: Values) -> Sequence[Any]:
    if isinstance(values, list):
        return values
    return values.tolist() if values.ndim == 1 else list(values)


def _tightened(data: npt.NDArray[Any], present: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Numbers as numbers: an array of objects, typed where no value changes by it."""
    values = data[present].tolist()
    kinds = set(map(type, values))
    complete = bool(present.all())
    if kinds == {int} and complete:
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            return data
    if kinds == {bool}:
        flags = np.zeros(len(data), dtype=np.bool_)
        flags[present] = values
        return with_mask(flags, present)
    if kinds and kinds <= {int, float}:
        if all(kind is float for kind in kinds) or max(
            (abs(v) for v in values if type(v) is int), default=0
        ) <= (EXACT_IN_FLOAT):
            numbers = np.full(len(data), np.nan)
            numbers[present] = values
            return numbers
    elif kinds == {complex}:
        numbers = np.full(len(data), np.nan, dtype=np.complex128)
        numbers[present] = values
        return numbers
    elif kinds == {np.ndarray} and len({(v.dtype.str, v.shape) for v in values}) == 1:
        first = values[0]
        if complete or first.dtype.kind in "fc":
            filler = np.nan if first.dtype.kind in "fc" else 0
            try:
                stacked = np.full((len(data), *first.shape), filler, dtype=first.dtype)
            except (MemoryError, ValueError):
                return data
            for place, value in zip(np.flatnonzero(present).tolist(), values, strict=True):
                stacked[place] = value
            return stacked
    return data


def as_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    """A metric's values as one number for each cell, whatever kind of numbers they are.

    Parameters
    ----------
    values : array
        As :attr:`Result.metrics` has them, position = replicate.

    Returns
    -------
    array of float or None
        NaN where there is none, 1 for yes and 0 for no; ``None`` if a value is anything else.

    Examples
    --------
    >>> as_numbers(np.array([True, False])), as_numbers(np.array(["text", None], dtype=object))
    (array([1., 0.]), None)
    """
    if values.ndim != 1:
        return None
    if values.dtype.kind in "biuf":
        # Flags of which some are missing have a mask.
        return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
    if values.dtype != object:
        return None
    numbers = np.full(len(values), np.nan)
    for place, value in enumerate(values):
        if value is None:
            continue
        if not isinstance(value, (bool, int, float)):
            return None
        try:
            numbers[place] = value
        except OverflowError:  # an integer that no float can hold
            numbers[place] = np.inf if value > 0 else -np.inf
    return numbers
