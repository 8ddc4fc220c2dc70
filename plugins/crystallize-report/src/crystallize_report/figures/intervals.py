"""The intervals whose coverage a result states: estimates, bounds and truths of each replicate.

The section ``performance`` names the estimate alone.  Which metrics are its standard error, bounds
and truth is told, or found out: they are those with which the section's own numbers come out, bias
and mean squared error, model standard error, width and coverage.  Where none do, there is nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy import special

from crystallize import Result
from crystallize_report.figures.columns import LARGEST, Numbers, numbers
from crystallize_report.figures.performance import nominal

CLOSE = 1e-9


@dataclass(frozen=True)
class Intervals:
    """Of one estimator under one condition; arrays of shape (n,), without what is missing.

    Attributes
    ----------
    replicate, estimate, lower, upper, truth : array
    """

    replicate: Numbers
    estimate: Numbers
    lower: Numbers
    upper: Numbers
    truth: Numbers

    @property
    def covers(self) -> Numbers:
        """1 where an interval has the truth in it, else 0."""
        return ((self.lower <= self.truth) & (self.truth <= self.upper)).astype(np.float64)

    @property
    def distance(self) -> Numbers:
        """How far the truth is from the estimate, as a share of the interval on that side.

        It is above 1 where the interval does not cover.  For estimate ± c SE it is |z| / c, and
        so has the order of |z|; it is there too where only bounds are.
        """
        apart = self.truth - self.estimate
        side = np.where(apart > 0, self.upper - self.estimate, self.estimate - self.lower)
        with np.errstate(all="ignore"):
            shares = np.abs(apart) / side
        return np.where(apart == 0, 0.0, np.where(side > 0, shares, np.inf))


def intervals(
    estimate: Numbers, lower: Numbers, upper: Numbers, truth: Numbers | float
) -> Intervals:
    """Those of the replicates that have everything."""
    truths = np.broadcast_to(np.asarray(truth, dtype=np.float64), estimate.shape)
    there = np.abs(np.stack((estimate, lower, upper, truths))).max(axis=0) <= LARGEST
    place = np.flatnonzero(there).astype(np.float64)
    return Intervals(place, estimate[there], lower[there], upper[there], truths[there])


def found_out(result: Result, condition: str, estimator: str) -> Intervals | None:
    """The intervals behind the rows of the section ``performance``; ``None`` if there are none."""
    own_rows = [
        row
        for row in result.sections.get("performance", ())
        if row["condition"] == condition and row.get("estimator") == estimator
    ]
    rows = {row["measure"]: row["value"] for row in own_rows}
    if rows.get("coverage") is None or rows.get("bias") is None or rows.get("mse") is None:
        return None
    columns = {name: numbers(result, condition, name) for name in result.metrics[condition]}
    there = {name: column for name, column in columns.items() if column is not None}
    if estimator not in there:
        return None
    estimate = there.pop(estimator)
    for truth in _truths(estimate, there, rows):
        for lower, upper in _bounds(estimate, there, rows, nominal(own_rows)):
            own = intervals(estimate, lower, upper, truth)
            if len(own.covers) and _close(float(own.covers.mean()), rows["coverage"]):
                return own
    return None


def _truths(
    estimate: Numbers, columns: dict[str, Numbers], rows: dict[str, float]
) -> Iterator[Numbers | float]:
    constant = float(np.nanmean(np.where(np.isfinite(estimate), estimate, np.nan))) - rows["bias"]
    # Rounding would put a truth of 0.5 at 0.4999999999999999, which an interval may just not have.
    near = float(f"{constant:.12g}")
    candidates: list[Numbers | float] = [near, constant, *columns.values()]
    for truth in candidates:
        errors = np.asarray(estimate - truth)
        errors = errors[np.isfinite(errors)]
        if len(errors) and _close(float(np.mean(errors**2)), rows["mse"]):
            yield truth


def _bounds(
    estimate: Numbers,
    columns: dict[str, Numbers],
    rows: dict[str, float],
    confidence: float | None,
) -> Iterator[tuple[Numbers, Numbers]]:
    width, model_se = rows.get("ci_width"), rows.get("model_se")
    if width is None:
        return
    for lower, upper in permutations(columns.values(), 2):
        widths = (upper - lower)[~np.isnan(upper - lower)]
        if len(widths) and (widths >= 0).all() and _close(float(widths.mean()), width):
            yield lower, upper
    if model_se is None or confidence is None:
        return
    for se in columns.values():
        both = np.isfinite(se) & np.isfinite(estimate)
        if both.any() and _close(float(np.sqrt(np.mean(se[both] ** 2))), model_se):
            for half in _halves(se, columns.values(), (1 + confidence) / 2, width):
                widths = 2 * half[~np.isnan(half + estimate)]
                if len(widths) and _close(float(widths.mean()), width):
                    yield estimate - half, estimate + half


def _halves(
    se: Numbers, columns: Iterable[Numbers], probability: float, width: float
) -> Iterator[Numbers]:
    """Half widths: normal, of t with a whole number of degrees of freedom, or a metric of them."""
    yield special.ndtri(probability) * se
    mean = float(se[~np.isnan(se)].mean())
    if mean > 0:
        df = special.stdtridf(probability, width / 2 / mean)
        if 0.5 <= df < 1e6:
            yield special.stdtrit(np.round(df), probability) * se
    for column in columns:
        with np.errstate(all="ignore"):
            critical = special.stdtrit(column, probability)
        yield np.where(np.isfinite(column), critical, special.ndtri(probability)) * se


def _close(one: float, other: float | None) -> bool:
    return other is not None and abs(one - other) <= CLOSE * max(abs(one), abs(other), 1e-300)
