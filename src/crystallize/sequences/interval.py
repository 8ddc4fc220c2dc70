"""What a confidence sequence says after some values."""

from __future__ import annotations

from math import log
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

TUNED_FOR = 1000
"""After how many values a sequence is narrowest, compared with the interval for one look.

It holds after any number of them.  That it is the same whatever is asked for is what lets
somebody ask for more precision later, at no cost.
"""


class Interval(NamedTuple):
    """An estimate, and what it is certain to be between.

    Attributes
    ----------
    n : int
        How many values it is of.
    estimate, lower, upper : float
    """

    n: int
    estimate: float
    lower: float
    upper: float

    @property
    def half_width(self) -> float:
        """Half of what is between the bounds."""
        return (self.upper - self.lower) / 2


class Sequence(Protocol):
    """Takes values in index order, and says at any time between what their parameter is.

    With the probability that it is made for, what it says is right after every number of
    values, so one may look as often as one likes and stop when one likes what one sees.
    """

    method: str
    """What it is called in tables."""

    def add(self, values: Numbers) -> None:
        """Take in more values, all of them finite."""
        ...

    def interval(self) -> Interval | None:
        """What it says now; ``None`` where it cannot say anything yet."""
        ...


def mixing_variance(alpha: float) -> float:
    """The variance of the normal mixture that is narrowest at :data:`TUNED_FOR` values.

    Of means in units of the standard deviation.  Waudby-Smith and others (2024), section 3.5,
    where it is called rho squared.

    Examples
    --------
    >>> round(mixing_variance(0.05), 6)
    0.007936
    """
    return (-2 * log(alpha) + log(1 - 2 * log(alpha))) / TUNED_FOR
