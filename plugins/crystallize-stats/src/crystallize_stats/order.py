"""Quantiles of a sample, and intervals for those of what it was drawn from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from crystallize_stats.study import Numbers


class Quantile(NamedTuple):
    """A quantile with the bounds of its interval; ``None`` where there is no bound."""

    value: float | None
    lower: float | None
    upper: float | None


def quantile(values: Numbers, probability: float, alpha: float) -> Quantile:
    """A quantile, between two neighbours linearly (type 7 of Hyndman and Fan), and its interval.

    The interval reaches from one order statistic to another: of all values at most
    ``q - 1`` lie below the lower with probability alpha/2 at most, q a binomial quantile, and
    the same above.  It covers with at least its confidence whatever the distribution, also with
    ties.  Where n is too small for a bound there is none: a median needs 6 values at 95%.

    Parameters
    ----------
    values : array of shape (n,)
        Without NaN; may hold infinities.
    probability, alpha : float
        Between 0 and 1.

    References
    ----------
    Conover (1999), "Practical Nonparametric Statistics", 3rd edition, section 3.2; Hyndman and
    Fan (1996), "Sample quantiles in statistical packages", American Statistician 50, 361-365.

    Examples
    --------
    >>> quantile(np.arange(1.0, 11.0), 0.5, 0.05)
    Quantile(value=5.5, lower=2.0, upper=9.0)
    """
    n = len(values)
    if n == 0:
        return Quantile(None, None, None)
    ordered = np.sort(values)
    low, high = stats.binom.ppf([alpha / 2, 1 - alpha / 2], n, probability).astype(int)
    lower = float(ordered[low - 1]) if low >= 1 else None
    upper = float(ordered[high]) if high < n else None
    return Quantile(_between(ordered, probability), lower, upper)


def _between(ordered: Numbers, probability: float) -> float:
    place = probability * (len(ordered) - 1)
    below = int(place)
    one = float(ordered[below])
    other = float(ordered[min(below + 1, len(ordered) - 1)])
    share = place - below
    if one == other or share == 0:  # two infinities among them
        return one
    return one * (1 - share) + other * share
