"""A result as figures read it: numbers by condition, and what there is at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from crystallize import InvalidValueError, Result, UnknownNameError

Numbers = npt.NDArray[np.float64]
CONFIDENCE = 0.95


def numbers(result: Result, condition: str, metric: str) -> Numbers | None:
    """A metric by replicate, NaN where there is none; ``None`` if it holds anything but numbers.

    A yes is 1, a no is 0.
    """
    values = result.metrics[condition].get(metric)
    if values is None:
        return np.full(len(result.done[condition]), np.nan)
    if values.ndim != 1:
        return None
    if values.dtype.kind in "biuf":
        return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
    if values.dtype != object:
        return None
    found = np.full(len(values), np.nan)
    for place, value in enumerate(values):
        if value is None:
            continue
        if not isinstance(value, (bool, int, float)):
            return None
        try:
            found[place] = value
        except OverflowError:  # an integer that no float can hold
            found[place] = np.inf if value > 0 else -np.inf
    return found


def finite(result: Result, condition: str, metric: str) -> Numbers:
    """The finite values of a metric that holds numbers, in replicate order.

    Raises
    ------
    UnknownNameError, InvalidValueError
        If there is no such metric, or it holds no numbers.
    """
    if all(metric not in names for names in result.metrics.values()):
        raise UnknownNameError("metric", metric, all_metrics(result))
    column = numbers(result, condition, metric)
    if column is None:
        raise InvalidValueError("metric", metric, "a metric that is one number, or a yes or no")
    return column[np.isfinite(column)]


def all_metrics(result: Result) -> list[str]:
    """Every metric of any condition, in order."""
    return list(dict.fromkeys(str(row["metric"]) for row in result.summary()))


def number_metrics(result: Result) -> list[str]:
    """The metrics of which some condition has a mean."""
    return list(
        dict.fromkeys(str(row["metric"]) for row in result.summary() if row["mean"] is not None)
    )


def is_yes_no(values: Sequence[Numbers]) -> bool:
    """Whether there are values, and each is 0 or 1."""
    return any(map(len, values)) and all(bool(((v == 0) | (v == 1)).all()) for v in values)


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


def factor_names(result: Result) -> list[str]:
    """The factors, in order."""
    return list(dict.fromkeys(name for levels in result.factors.values() for name in levels))


def labels(result: Result, condition: str) -> Mapping[str, Any]:
    """Columns of a row of data that say which condition it is of."""
    own = result.factors[condition]
    return {"condition": condition, **{f"factor.{k}": own.get(k) for k in factor_names(result)}}
