"""Sum and moments of numbers, from parts that are put together in order.

A part's moments are taken about its own mean, which its compensated sum gives to twice the
precision of a float; parts are put together by the formulas of Chan, Golub and LeVeque (1983)
and Pébay (2008), which subtract nothing large from anything large.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PLAIN_EXPONENT = 128
"""Numbers of up to 2 to this power, and down to 1 over that, have fourth powers that are floats."""
LEAST_EXPONENT = -1074
SUMMED_AS_LIST = 256
"""How many numbers are summed exactly; more are folded first, with their rounding errors."""
SPLITTER = 2.0**27 + 1


class Moments(NamedTuple):
    """The moments of some finite numbers, in units of 2 to the power `scale`.

    Attributes
    ----------
    n : int
    scale : int
        0 unless the largest is so large, or so small, that its fourth power would be no float.
    total, rest : float
        The sum, and what it lacks.
    m2, m3, m4 : float
        Sums of powers of the distances from the mean.
    """

    n: int
    scale: int
    total: float
    rest: float
    m2: float
    m3: float
    m4: float

    @classmethod
    def of(cls, numbers: Floats) -> Moments:
        """Those of finite numbers.

        Examples
        --------
        >>> Moments.of(np.array([1.0, 2.0, 3.0]))
        Moments(n=3, scale=0, total=6.0, rest=0.0, m2=2.0, m3=0.0, m4=2.0)
        """
        n = len(numbers)
        if not n:
            return NONE
        if n == 1:
            number = float(numbers[0]) + 0.0  # a sum is never -0.0
            scale = _scale(abs(number))
            return cls(1, scale, math.ldexp(number, -scale), 0.0, 0.0, 0.0, 0.0)
        scale = _scale(max(-float(numbers.min()), float(numbers.max())))
        if scale:
            numbers = np.ldexp(numbers, -scale)
        total, rest = _sum(numbers)
        center, off = _divided(total, rest, n)
        apart = numbers - center
        squares = apart * apart
        s2, s3, s4 = (
            float(np.add.reduce(powers)) for powers in (squares, squares * apart, squares * squares)
        )
        return cls(
            n,
            scale,
            total,
            rest,
            # About the mean itself, from which the float next to it is `off`.
            max(0.0, s2 - n * off**2),
            s3 - 3 * off * s2 + 2 * n * off**3,
            max(0.0, s4 - 4 * off * s3 + 6 * off**2 * s2 - 3 * n * off**4),
        )

    def joined(self, after: Moments) -> Moments:
        """Those of these numbers and of the ones after them."""
        if not self.n or not after.n:
            return self if self.n else after
        scale = max(self.scale, after.scale)
        a, b = self._scaled(scale), after._scaled(scale)
        n = a.n + b.n
        (center_a, off_a), (center_b, off_b) = a.center, b.center
        apart = (center_b - center_a) + (off_b - off_a)
        share_a, share_b = a.n / n, b.n / n
        total, rest = _two_sum(a.total, b.total)
        return Moments(
            n,
            scale,
            *_two_sum(total, rest + (a.rest + b.rest)),
            a.m2 + b.m2 + apart**2 * a.n * share_b,
            a.m3
            + b.m3
            + apart**3 * a.n * share_b * (share_a - share_b)
            + 3 * apart * (share_a * b.m2 - share_b * a.m2),
            a.m4
            + b.m4
            + apart**4 * a.n * share_b * (share_a**2 - share_a * share_b + share_b**2)
            + 6 * apart**2 * (share_a**2 * b.m2 + share_b**2 * a.m2)
            + 4 * apart * (share_a * b.m3 - share_b * a.m3),
        )

    @property
    def center(self) -> tuple[float, float]:
        """The mean as a float, and what that lacks; both in units of the scale."""
        return _divided(self.total, self.rest, self.n)

    @property
    def sum(self) -> float:
        """The sum; infinite where it is beyond all floats."""
        return _ldexp(self.total, self.scale)

    @property
    def mean(self) -> float:
        return _ldexp(self.center[0], self.scale)

    @property
    def sd(self) -> float | None:
        """With n - 1 in the denominator; none of one number."""
        if self.n < 2:
            return None
        return _ldexp(math.sqrt(self.m2 / (self.n - 1)), self.scale)

    @property
    def mcse(self) -> float | None:
        """The Monte Carlo standard error of the mean: sd / sqrt(n)."""
        if self.n < 2:
            return None
        return _ldexp(math.sqrt(self.m2 / (self.n - 1) / self.n), self.scale)

    @property
    def skewness(self) -> float | None:
        """The third standardised moment; none where nothing varies."""
        cubed = (self.m2 / self.n) ** 1.5 if self.n else 0.0
        return self.m3 / self.n / cubed if cubed else None

    @property
    def kurtosis(self) -> float | None:
        """The fourth standardised moment less the 3 of a normal; none where nothing varies."""
        squared = (self.m2 / self.n) ** 2 if self.n else 0.0
        return self.m4 / self.n / squared - 3 if squared else None

    def _scaled(self, scale: int) -> Moments:
        by = self.scale - scale
        if not by:
            return self
        powers = zip(self[2:], (1, 1, 2, 3, 4), strict=True)
        return Moments(self.n, scale, *(math.ldexp(value, by * power) for value, power in powers))


NONE = Moments(0, LEAST_EXPONENT, 0.0, 0.0, 0.0, 0.0, 0.0)


def _scale(largest: float) -> int:
    if not largest:
        return LEAST_EXPONENT
    exponent = math.frexp(largest)[1]
    return 0 if abs(exponent) <= PLAIN_EXPONENT else exponent


def _sum(numbers: Floats) -> tuple[float, float]:
    """The sum as a float, and what that lacks.

    Halves are added to each other, and the rounding errors of that (Knuth's two-sum) summed
    apart, until few enough are left for an exact sum.
    """
    lost = 0.0
    while len(numbers) > SUMMED_AS_LIST:
        half = len(numbers) // 2
        a, b = numbers[:half], numbers[half : 2 * half]
        sums = a + b
        of_b = sums - a
        lost += float(np.add.reduce((a - (sums - of_b)) + (b - of_b)))
        numbers = np.concatenate((sums, numbers[2 * half :])) if len(numbers) % 2 else sums
    terms = [*numbers.tolist(), lost]
    total = math.fsum(terms)
    return total, math.fsum([*terms, -total])


def _divided(total: float, rest: float, n: int) -> tuple[float, float]:
    """``(total + rest) / n`` as a float, and what that lacks."""
    if n == 1:
        return total, rest
    quotient = (total + rest) / n
    product, error = _two_product(quotient, n)
    return _two_sum(quotient, ((total - product) - error + rest) / n)


def _two_sum(a: float, b: float) -> tuple[float, float]:
    """``a + b`` as a float, and what that lacks (Knuth 1969)."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def _two_product(a: float, b: float) -> tuple[float, float]:
    """``a * b`` as a float, and what that lacks (Dekker 1971)."""
    product = a * b
    (high_a, low_a), (high_b, low_b) = _halves(a), _halves(b)
    return product, ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b


def _halves(number: float) -> tuple[float, float]:
    high = SPLITTER * number
    high -= high - number
    return high, number - high


def _ldexp(number: float, exponent: int) -> float:
    try:
        return math.ldexp(number, exponent)
    except OverflowError:
        return math.copysign(math.inf, number)
