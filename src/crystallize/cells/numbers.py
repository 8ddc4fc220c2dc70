"""What is known of some numbers, from parts that are put together in order."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from crystallize.cells.moments import NONE, Moments
from crystallize.contracts import named_tuple

Floats = npt.NDArray[np.float64]


class Numbers(NamedTuple):
    """Extremes, infinities and moments of some numbers, none of them NaN.

    Attributes
    ----------
    least, largest : float
    below, above : int
        How many are minus infinity, and infinity.
    moments : Moments
        Of the others.
    """

    least: float = math.inf
    largest: float = -math.inf
    below: int = 0
    above: int = 0
    moments: Moments = NONE

    @classmethod
    def of(cls, numbers: Floats) -> Numbers:
        """Those of an array.

        Examples
        --------
        >>> numbers = Numbers.of(np.array([1.0, 2.0, 6.0]))
        >>> numbers.n, numbers.largest, numbers.mean, numbers.sum
        (3, 6.0, 3.0, 9.0)
        """
        if not len(numbers):
            return cls()
        least, largest = float(numbers.min()), float(numbers.max())
        below = above = 0
        if math.isinf(least) or math.isinf(largest):
            below = int(np.count_nonzero(numbers == -math.inf))
            above = int(np.count_nonzero(numbers == math.inf))
            numbers = numbers[np.isfinite(numbers)]
        own = least, largest, below, above, Moments.of(numbers)
        return named_tuple(cls, own)  # type: ignore[no-any-return]

    def joined(self, after: Numbers) -> Numbers:
        """These numbers and those after them."""
        return Numbers(
            min(self.least, after.least),
            max(self.largest, after.largest),
            self.below + after.below,
            self.above + after.above,
            self.moments.joined(after.moments),
        )

    @property
    def n(self) -> int:
        return self.below + self.above + self.moments.n

    @property
    def sum(self) -> float:
        """The sum, to twice the precision of a float until it is rounded at the end.

        Infinite with infinite numbers of one sign, NaN with both.
        """
        return self._infinite if self._has_infinities else self.moments.sum

    @property
    def mean(self) -> float | None:
        """The sum over n, rounded once."""
        if self._has_infinities:
            return self._infinite
        return self.moments.mean if self.moments.n else None

    @property
    def sd(self) -> float | None:
        """With n - 1 in the denominator; of one number there is none."""
        return self._of_moments(self.moments.sd, least=2)

    @property
    def mcse(self) -> float | None:
        """The Monte Carlo standard error of the mean, sd / sqrt(n)."""
        return self._of_moments(self.moments.mcse, least=2)

    @property
    def skewness(self) -> float | None:
        """The third standardised moment; none where nothing varies."""
        return self._of_moments(self.moments.skewness)

    @property
    def kurtosis(self) -> float | None:
        """The fourth standardised moment less the 3 of a normal; none where nothing varies."""
        return self._of_moments(self.moments.kurtosis)

    @property
    def _has_infinities(self) -> bool:
        return bool(self.below or self.above)

    @property
    def _infinite(self) -> float:
        if self.below and self.above:
            return math.nan
        return -math.inf if self.below else math.inf

    def _of_moments(self, value: float | None, least: int = 1) -> float | None:
        """NaN where some numbers are infinite: then nothing varies by any finite amount."""
        return math.nan if self._has_infinities and self.n >= least else value


class OneNumber(NamedTuple):
    """What :class:`Numbers` says of a finite number alone: nothing is left to be computed."""

    least: float
    largest: float
    sum: float
    mean: float
    sd: None = None
    mcse: None = None
    skewness: None = None
    kurtosis: None = None

    @classmethod
    def of(cls, number: float) -> OneNumber:
        total = number + 0.0  # a sum is never -0.0
        own = number, number, total, total, None, None, None, None
        return named_tuple(cls, own)  # type: ignore[no-any-return]
