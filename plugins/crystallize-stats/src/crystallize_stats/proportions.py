"""Intervals for one proportion."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special


class Interval(NamedTuple):
    """The bounds of an interval; ``None`` where there is no bound."""

    lower: float | None
    upper: float | None


def wilson(successes: int, n: int, alpha: float = 0.05) -> Interval:
    """The score interval: all p that a z test of p does not reject.

    ``(p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)``.  Its coverage is near nominal on
    average from n = 10 on, and for p of 0 and 1 it has a width, as the Wald interval has not.

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference",
    JASA 22, 209-212; Brown, Cai and DasGupta (2001), "Interval estimation for a binomial
    proportion", Statistical Science 16, 101-133.

    Examples
    --------
    >>> [round(bound, 4) for bound in wilson(0, 10)]
    [0.0, 0.2775]
    """
    if n == 0:
        return Interval(None, None)
    z = float(special.ndtri(1 - alpha / 2))
    p = successes / n
    center = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # The last bit of a bound that is 0 or 1 by formula.
    lower = 0.0 if successes == 0 else max(0.0, float(center - half))
    upper = 1.0 if successes == n else min(1.0, float(center + half))
    return Interval(lower, upper)


def clopper_pearson(successes: int, n: int, alpha: float = 0.05) -> Interval:
    """The exact interval: it covers with at least its confidence, for every n and p.

    The quantiles alpha/2 of Beta(x, n-x+1) and 1-alpha/2 of Beta(x+1, n-x).

    References
    ----------
    Clopper and Pearson (1934), "The use of confidence or fiducial limits illustrated in the
    case of the binomial", Biometrika 26, 404-413.

    Examples
    --------
    >>> [round(bound, 4) for bound in clopper_pearson(0, 10)]
    [0.0, 0.3085]
    """
    if n == 0:
        return Interval(None, None)
    lower, upper = 0.0, 1.0
    if successes > 0:
        lower = float(special.betaincinv(successes, n - successes + 1, alpha / 2))
    if successes < n:
        upper = float(special.betaincinv(successes + 1, n - successes, 1 - alpha / 2))
    return Interval(lower, upper)
