"""A result as figures read it: numbers by condition, and what there is at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from crystallize import CrystallizeError, InvalidValueError, Result, UnknownNameError
from crystallize.plugins import as_numbers
from crystallize_report.figures.arrangement import names_in
from crystallize_report.figures.picture import Row

Numbers = npt.NDArray[np.float64]
CONFIDENCE = 0.95
LARGEST = 1e150
"""The largest value that is drawn: its square is a number too."""


def numbers(result: Result, condition: str, metric: str) -> Numbers | None:
    """A metric by replicate, NaN where there is none; ``None`` if it holds anything but numbers.

    A yes is 1, a no is 0.
    """
    values = result.metrics[condition].get(metric)
    if values is None:
        return np.full(len(result.done[condition]), np.nan)
    return as_numbers(values)


def column_of(result: Result, condition: str, metric: str) -> Numbers:
    """A metric that is named, by replicate, NaN where there is none.

    Raises
    ------
    UnknownNameError, InvalidValueError
        If there is no such metric, or it holds no numbers.
    """
    if all(metric not in names for names in result.metrics.values()):
        known = list(dict.fromkeys(name for names in result.metrics.values() for name in names))
        raise UnknownNameError("metric", metric, known)
    column = numbers(result, condition, metric)
    if column is None:
        raise InvalidValueError("metric", metric, "a metric that is one number, or a yes or no")
    return column


def drawable(value: float | None) -> bool:
    """Whether an axis can have it: there, finite, and no larger than 1e150."""
    return value is not None and abs(value) <= LARGEST


def finite(result: Result, condition: str, metric: str) -> Numbers:
    """The values of a metric that is named which an axis can have, in replicate order."""
    column = column_of(result, condition, metric)
    return column[np.abs(column) <= LARGEST]


def unusable(result: Result, conditions: Sequence[str], metric: str) -> str:
    """A note of the values that no axis can have; nothing where there are none."""
    if not result.keeps_values:
        return ""
    columns = (column_of(result, condition, metric) for condition in conditions)
    count = sum(int((np.abs(column) > LARGEST).sum()) for column in columns)
    return f"{count} values that are infinite, or above 1e150, are left out." if count else ""


def chosen_metric(result: Result, metric: str | None) -> str:
    """The metric that is named, or the first that holds numbers.

    Raises
    ------
    CrystallizeError
        If none does.
    """
    if metric is not None:
        return metric
    known = number_metrics(result)
    if not known:
        raise CrystallizeError("There is nothing to draw: no metric holds numbers.")
    return known[0]


def summary(result: Result) -> list[Any]:
    """The rows of the summary with what figures need, whatever the experiment chose."""
    return list(result.summary(["mean", "sd", "mcse", "min", "max"]))


def number_metrics(result: Result) -> list[str]:
    """The metrics of which some condition has a mean that can be drawn."""
    return list(
        dict.fromkeys(str(row["metric"]) for row in summary(result) if drawable(row["mean"]))
    )


def looks_yes_no(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every value of some rows of a summary is 0 or 1.

    Of values between 0 and 1 only these are their own squares, so that the variance says it.
    """
    rows = [row for row in rows if row["n"]]
    return bool(rows) and all(
        row["min"] in (0, 1)
        and row["max"] in (0, 1)
        and (
            row["min"] == row["max"]
            if row["sd"] is None
            else abs(row["sd"] ** 2 * (row["n"] - 1) / row["n"] - row["mean"] * (1 - row["mean"]))
            < 1e-9
        )
        for row in rows
    )


def wilson(share: float, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of a proportion.

    References
    ----------
    Wilson (1927), JASA 22, 209-212.

    Examples
    --------
    >>> [round(bound, 4) for bound in wilson(0.9, 100)]
    [0.8256, 0.9448]
    """
    z = float(special.ndtri((1 + confidence) / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return max(0.0, middle - half), min(1.0, middle + half)


def span(values: Sequence[Numbers]) -> tuple[float, float, int]:
    """Between what an axis shows values, and how many are outside.

    That is everything, unless the middle 99% of some condition's values would be less than a
    tenth of it: then it is those of all conditions.
    """
    there = [v for v in values if len(v)]
    if not there:
        return 0.0, 1.0, 0
    low, high = min(float(v.min()) for v in there), max(float(v.max()) for v in there)
    middles = [np.quantile(v, [0.005, 0.995]) for v in there]
    inner_low = min(float(middle[0]) for middle in middles)
    inner_high = max(float(middle[1]) for middle in middles)
    if inner_high - inner_low < (high - low) / 10 and inner_high > inner_low:
        low, high = inner_low, inner_high
    outside = sum(int(((v < low) | (v > high)).sum()) for v in there)
    return low, high, outside


def labels(result: Result, condition: str) -> Row:
    """Columns of a row of data that say which condition it is of."""
    own = result.factors[condition]
    return {"condition": condition, **{f"factor.{k}": own.get(k) for k in names_in(result.factors)}}
