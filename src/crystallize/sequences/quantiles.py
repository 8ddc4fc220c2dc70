"""Quantiles: between which order statistics one is, after Howard and Ramdas (2022)."""

from __future__ import annotations

import numpy as np

from crystallize.sequences.interval import Interval, Numbers, mixing_variance
from crystallize.sequences.proportions import is_excluded


class QuantileSequence:
    """Between what a quantile is; holds after any number of values, tied ones too.

    How many values are below the p-quantile is a count of which a share p is expected: the
    order statistics are taken beyond which that count is excluded as the beta-binomial mixture
    excludes it.  Of values that are equal to the quantile, any number may be counted as below,
    which is what makes it hold for ties.

    Parameters
    ----------
    alpha : float
        One less the confidence.
    probability : float

    References
    ----------
    Howard and Ramdas (2022), "Sequential estimation of quantiles with applications to A/B
    testing and best-arm identification", Bernoulli 28.

    Examples
    --------
    >>> sequence = QuantileSequence(0.05, 0.5)
    >>> sequence.add(np.arange(1.0, 1002.0))
    >>> sequence.interval()
    Interval(n=1001, estimate=501.0, lower=453.0, upper=549.0)
    """

    method = "order statistics"

    def __init__(self, alpha: float, probability: float) -> None:
        self._alpha, self._probability = alpha, probability
        self._weight = 1 / mixing_variance(alpha)
        self._values: list[Numbers] = []

    def add(self, values: Numbers) -> None:
        """Take in values; all of them are kept, eight bytes each."""
        self._values.append(values)

    def interval(self) -> Interval | None:
        ordered = np.sort(np.concatenate(self._values)) if self._values else np.array([])
        self._values = [ordered]
        n = len(ordered)
        if not n:
            return None
        least = self._least(n, self._probability)
        most = n - self._least(n, 1 - self._probability)
        lower = float(ordered[least - 1]) if least else -np.inf
        upper = float(ordered[most]) if most < n else np.inf
        with np.errstate(invalid="ignore"):  # between infinite values
            estimate = float(np.quantile(ordered, self._probability))
        return Interval(n, estimate, lower, upper)

    def _least(self, n: int, probability: float) -> int:
        """The least count of values below the quantile that is not excluded."""
        low, high = -1, int(n * probability)
        while high - low > 1:
            middle = (low + high) // 2
            if is_excluded(probability, middle, n - middle, self._weight, self._alpha):
                low = middle
            else:
                high = middle
        return high
