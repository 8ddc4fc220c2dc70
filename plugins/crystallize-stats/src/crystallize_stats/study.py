"""A result as the sections read it: columns of numbers, factors, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize import InvalidValueError, Result, UnknownNameError
from crystallize.plugins import as_numbers

Numbers = npt.NDArray[np.float64]
Row = dict[str, Any]


class Study:
    """What sections are computed from.

    Parameters
    ----------
    result : Result
    where : str
        The section, as messages name it.

    Attributes
    ----------
    conditions : list of str
    factors : mapping of str to mapping
        Condition -> factor -> level.
    baseline : str
    root : int
        The root seed.
    """

    def __init__(self, result: Result, where: str) -> None:
        self.where = where
        self.conditions = result.conditions
        self.factors: Mapping[str, Mapping[str, Any]] = result.factors
        self.baseline = result.baseline
        self.root = result.root
        self._metrics = result.metrics
        self._done = result.done
        self._size = result.replicates
        self._failed = Counter(error.condition for error in result.errors)
        self._columns: dict[tuple[str, str], Numbers | None] = {}

    def failures(self, condition: str) -> tuple[int, int]:
        """How many cells of a condition failed, and of how many that were run."""
        failed = self._failed[condition]
        return failed, failed + int(self._done[condition].sum())

    def run(self, condition: str) -> npt.NDArray[np.bool_]:
        """Which cells finished; as many flags for each condition."""
        done = self._done[condition]
        return np.concatenate((done, np.zeros(self._size - len(done), dtype=np.bool_)))

    def column(self, condition: str, metric: str) -> Numbers | None:
        """A metric as numbers, NaN where there is none; ``None`` where it holds anything else.

        A yes is 1, a no is 0.  A condition with fewer replicates than others has none beyond
        its own, so that all columns have one length.
        """
        key = (condition, metric)
        if key not in self._columns:
            values = self._metrics[condition].get(metric)
            missing = np.full(self._size, np.nan)
            numbers = missing if values is None else as_numbers(values)
            if numbers is not None and len(numbers) < self._size:
                missing[: len(numbers)] = numbers
                numbers = missing
            self._columns[key] = numbers
        return self._columns[key]

    def numbers(self, condition: str, metric: str, option: str) -> Numbers:
        """The column of a metric that an option names.

        Raises
        ------
        UnknownNameError
            If cells finished and none of any condition has the metric.
        InvalidValueError
            If it holds something else than one number a cell.
        """
        self.check(metric, option)
        column = self.column(condition, metric)
        if column is None:
            raise InvalidValueError(
                f"{self.where}.{option}", metric, "a metric that is one number, or a yes or no"
            )
        return column

    def has(self, metric: str) -> bool:
        """Whether any condition has a metric."""
        return any(metric in metrics for metrics in self._metrics.values())

    def check(self, metric: str, option: str) -> None:
        """Refuse a metric that no cell gave, where any cell finished."""
        if not self.has(metric) and any(done.any() for done in self._done.values()):
            raise UnknownNameError(
                "metric", metric, self.all_metrics(), where=f"{self.where}.{option}"
            )

    def all_metrics(self) -> list[str]:
        """Every metric of any condition, in order."""
        return list(dict.fromkeys(name for names in self._metrics.values() for name in names))

    def chosen(self, metrics: Sequence[str] | None) -> list[str]:
        """The metrics that are named, or else all that hold numbers under every condition.

        Raises
        ------
        UnknownNameError, InvalidValueError
            If a metric that is named is not there, or holds no numbers.
        """
        if metrics is not None:
            for metric in metrics:
                for condition in self.conditions:
                    self.numbers(condition, metric, "metrics")
            return list(metrics)
        return [
            metric
            for metric in self.all_metrics()
            if all(self.column(condition, metric) is not None for condition in self.conditions)
        ]

    def is_yes_no(self, metric: str) -> bool:
        """Whether a metric is 0 or 1, or a boolean, wherever it has a value."""
        seen = False
        for condition in self.conditions:
            column = self.column(condition, metric)
            if column is None:
                return False
            present = column[~np.isnan(column)]
            seen = seen or len(present) > 0
            if not ((present == 0) | (present == 1)).all():
                return False
        return seen

    def is_empty(self, metric: str) -> bool:
        """Whether a metric has no value under any condition."""
        columns = (self.column(condition, metric) for condition in self.conditions)
        return all(column is not None and np.isnan(column).all() for column in columns)

    def labels(self, condition: str, taken: Collection[str]) -> Row:
        """The columns of a row that say which condition it is of, its factors among them.

        A factor that is named like a column of the section has ``factor.`` before its name.
        """
        names = dict.fromkeys(name for levels in self.factors.values() for name in levels)
        levels = self.factors[condition]
        return {f"factor.{name}" if name in taken else name: levels.get(name) for name in names}


def number(value: float | np.floating[Any] | None) -> float | None:
    """A number of a row: ``None`` where it does not exist."""
    return None if value is None or not np.isfinite(value) else float(value)
