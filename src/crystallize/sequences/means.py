"""Means: the asymptotic sequence of Waudby-Smith and others, and one for what is bounded."""

from __future__ import annotations

from math import log, sqrt

import numpy as np

from crystallize.sequences.interval import Interval, Numbers, mixing_variance

LEAST = 100
"""From how many values on the asymptotic sequence says anything."""
ROUNDING = 4
"""By how many units in the last place of the largest value equal ones may differ."""


class MeanSequence:
    """Between what a mean is, by the central limit theorem: from 100 values on.

    Where values do not vary it says nothing: then the theorem does not either.

    Parameters
    ----------
    alpha : float
        One less the confidence.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), "Time-uniform central limit theory
    and asymptotic confidence sequences", Annals of Statistics 52, theorem 2.2.

    Examples
    --------
    >>> sequence = MeanSequence(0.05)
    >>> sequence.add(np.tile([9.0, 11.0], 500))
    >>> [round(bound, 4) for bound in sequence.interval()[1:]]
    [10.0, 9.904, 10.096]
    """

    method = "asymptotic"

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha
        self._n, self._mean, self._squares = 0, 0.0, 0.0
        self._least, self._most, self._largest = np.inf, -np.inf, 0.0

    def add(self, values: Numbers, largest: float = 0.0) -> None:
        """Take in values: their moments are merged as Chan, Golub and LeVeque (1983) do it.

        Parameters
        ----------
        values : array of float
        largest : float
            The size of what the values are differences of: they may vary by its rounding alone.
        """
        if not len(values):
            return
        self._least = min(self._least, float(values.min()))
        self._most = max(self._most, float(values.max()))
        self._largest = max(self._largest, largest, abs(self._least), abs(self._most))
        # An infinite value leaves no interval, which is the true answer and no reason to warn.
        with np.errstate(invalid="ignore", over="ignore"):
            mean = float(values.mean())
            n, apart = self._n + len(values), mean - self._mean
            self._squares += float(((values - mean) ** 2).sum())
            self._squares += apart * apart * self._n * len(values) / n
        self._mean += apart * len(values) / n
        self._n = n

    def interval(self) -> Interval | None:
        if self._n < LEAST or not self._squares < np.inf or not self._varies:
            return None
        scale = mixing_variance(self._alpha) * self._n
        width = sqrt(2 * (scale + 1) / (scale * self._n) * log(sqrt(scale + 1) / self._alpha))
        half = sqrt(self._squares / (self._n - 1)) * width
        return Interval(self._n, self._mean, self._mean - half, self._mean + half)

    @property
    def _varies(self) -> bool:
        """Whether values vary by more than rounding."""
        return self._most - self._least > ROUNDING * float(np.spacing(self._largest))


LARGEST, GROWTH, SLOPES = 0.8, 1.5, 24
"""The slopes of the mixture: LARGEST, and each GROWTH times less than the one before."""
STEPS = 45
"""How often a bound is halved in: then it is known to 1e-13 of the bounds' range."""


class BoundedSequence:
    """Between what the mean of values within known bounds is; holds after any number of values.

    An empirical Bernstein sequence: for each of some slopes, the exponential of slope times the
    deviations, less what their observed variance makes of it, is a supermartingale (Fan, Grama
    and Liu 2015, as Howard and others 2021 and Waudby-Smith and Ramdas 2024 use it); so is
    their mean, which reaches 2/alpha with probability alpha/2 at the most, on either side.
    Slopes that depend on what came before, as in Waudby-Smith and Ramdas's plug-in, make no
    narrower ones: half widths of 4.9 standard errors after 10,000 fair coins, where the mixture
    has 3.6, and 3.8 in either case of values that have a beta(2, 5) distribution.

    Parameters
    ----------
    alpha : float
        One less the confidence.
    low, high : float
        The bounds.

    References
    ----------
    Howard, Ramdas, McAuliffe and Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic
    confidence sequences", Annals of Statistics 49, theorem 4 and section 3.5.
    Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting",
    Journal of the Royal Statistical Society B 86.

    Examples
    --------
    >>> sequence = BoundedSequence(0.05, 0.0, 10.0)
    >>> sequence.add(np.tile([4.0, 6.0], 500))
    >>> [round(bound, 3) for bound in sequence.interval()[1:]]
    [5.0, 4.837, 5.163]
    """

    method = "empirical Bernstein"

    def __init__(self, alpha: float, low: float, high: float) -> None:
        self._alpha, self._low, self._range = alpha, low, high - low
        self._n, self._sum, self._variation = 0, 0.0, 0.0
        self._slopes = LARGEST / GROWTH ** np.arange(SLOPES)
        self._costs = -np.log1p(-self._slopes) - self._slopes

    def add(self, values: Numbers) -> None:
        """Take in values within the bounds."""
        if not len(values):
            return
        shares = (values - self._low) / self._range
        sums = self._sum + np.cumsum(shares)
        before = np.concatenate(([self._sum], sums[:-1]))
        guesses = (0.5 + before) / (self._n + np.arange(1, len(values) + 1))
        self._variation += float(((shares - guesses) ** 2).sum())
        self._n, self._sum = self._n + len(values), float(sums[-1])

    def interval(self) -> Interval | None:
        if not self._n:
            return None
        mean = self._sum / self._n
        lower, upper = mean - self._reach(mean), mean + self._reach(1 - mean)
        bounds = (self._low + share * self._range for share in (mean, lower, upper))
        return Interval(self._n, *bounds)

    def _reach(self, most: float) -> float:
        """How far from the mean the true one may be on one side, where it has so much room."""
        wanted = log(2 / self._alpha) + log(SLOPES)
        low, high = 0.0, most
        for _ in range(STEPS):
            middle = (low + high) / 2
            exponents = self._slopes * self._n * middle - self._costs * self._variation
            largest = float(exponents.max())
            if largest + log(float(np.exp(exponents - largest).sum())) >= wanted:
                high = middle
            else:
                low = middle
        return high
