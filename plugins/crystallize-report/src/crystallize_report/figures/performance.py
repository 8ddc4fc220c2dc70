"""The section ``performance`` as figures read it, and proportions that are like it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from crystallize import CrystallizeError, Result, UnknownNameError
from crystallize_report.figures.arrangement import names_in
from crystallize_report.figures.columns import CONFIDENCE, drawable, looks_yes_no, summary, wilson
from crystallize_report.figures.picture import Row

PROPORTIONS = ("coverage", "bias_eliminated_coverage", "rejection", "convergence")
TARGETS = {"bias": 0.0, "relative_bias": 0.0, "relative_error": 0.0, "relative_precision": 0.0}
"""What a measure is of an estimator that does what it should."""

Z = float(special.ndtri((1 + CONFIDENCE) / 2))


class Point(NamedTuple):
    """One measure of one condition, with its Monte Carlo interval.

    Attributes
    ----------
    condition : str
    estimator : str or None
    value, lower, upper : float
        The interval is Wilson's for a proportion, else value ± 1.96 standard errors.
    row : dict
        Of the section.
    """

    condition: str
    estimator: str | None
    value: float
    lower: float
    upper: float
    row: Row


Points = dict[tuple[str, str | None], Point]


def measures(result: Result) -> dict[str, Points]:
    """Measure -> (condition, estimator) -> point, of the section ``performance``."""
    found: dict[str, Points] = {}
    for row in result.sections.get("performance", ()):
        if not drawable(row["value"]) or not drawable(row["mcse"] or 0.0):
            continue
        value, estimator = float(row["value"]), row.get("estimator")
        if row["measure"] in PROPORTIONS:
            low, high = wilson(value, row["n"])
        else:
            half = Z * (row["mcse"] or 0.0)
            low, high = value - half, value + half
        point = Point(row["condition"], estimator, value, low, high, row)
        found.setdefault(row["measure"], {})[row["condition"], estimator] = point
    return found


def proportions(result: Result) -> dict[str, Points]:
    """Metric -> condition -> point, of the metrics that are a yes or no everywhere."""
    by_metric: dict[str, list[Any]] = {}
    for row in summary(result):
        by_metric.setdefault(row["metric"], []).append(row)
    found: dict[str, Points] = {}
    for metric, rows in by_metric.items():
        if looks_yes_no(rows):
            for row in rows:
                if row["mean"] is not None:
                    point = Point(
                        row["condition"], None, row["mean"], *wilson(row["mean"], row["n"]), row
                    )
                    found.setdefault(metric, {})[row["condition"], None] = point
    return found


def points_of(result: Result, measure: str) -> Points:
    """A measure of the section, or the proportions of a metric that is a yes or no.

    Raises
    ------
    UnknownNameError
        If there is neither; lists what there is.
    CrystallizeError
        If there is nothing of the kind.
    """
    known = measures(result)
    if measure not in known:
        known = {**proportions(result), **known}
    if not known:
        raise CrystallizeError(
            "There is nothing to draw: no section 'performance', and no metric that is a yes or "
            "no. Run with aggregators = ['performance'] and its options."
        )
    if measure not in known:
        raise UnknownNameError("measure, or metric that is a yes or no", measure, list(known))
    return known[measure]


def laid_out(result: Result, points: Points) -> Mapping[Any, Mapping[str, Any]]:
    """The factors of points, with the estimator as one where there are several."""
    estimators = {estimator for _, estimator in points}
    if len(estimators) < 2:
        return {key: result.factors[key[0]] for key in points}
    return {key: {**result.factors[key[0]], "estimator": key[1]} for key in points}


def point_row(result: Result, measure: str, point: Point) -> Row:
    """A row of the data behind a figure."""
    own = result.factors[point.condition]
    return {
        "condition": point.condition,
        **{f"factor.{name}": own.get(name) for name in names_in(result.factors)},
        "estimator": point.estimator,
        "measure": measure,
        "value": point.value,
        "lower": point.lower,
        "upper": point.upper,
        "n": point.row["n"],
    }


def nominal(rows: Iterable[Mapping[str, Any]]) -> float | None:
    """The confidence of the intervals that a section is about.

    The section does not say it, but its Wilson bounds have it: their middle c is
    ``(p + z²/2n) / (1 + z²/n)``, so ``z² = n (p - c) / (c - 1/2)``.

    Parameters
    ----------
    rows : iterable of dict
        Of the section, of measures that are proportions.

    Examples
    --------
    >>> low, high = wilson(0.93, 1000, 0.9)
    >>> nominal([{"measure": "coverage", "value": 0.93, "n": 1000, "lower": low, "upper": high}])
    0.9
    """
    for row in rows:
        low, high = row.get("lower"), row.get("upper")
        if row["measure"] not in PROPORTIONS or low is None or high is None:
            continue
        middle = (low + high) / 2
        if abs(middle - 0.5) < 0.01:
            continue
        squared = row["n"] * (row["value"] - middle) / (middle - 0.5)
        if squared > 0:
            return round(float(2 * special.ndtr(np.sqrt(squared)) - 1), 6)
    return None


def target_of(measure: str, points: Points) -> float | None:
    """What a measure should be; the confidence of the intervals for their coverage."""
    if measure in ("coverage", "bias_eliminated_coverage"):
        return nominal(point.row for point in points.values())
    return TARGETS.get(measure)
