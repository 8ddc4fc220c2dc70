"""How many replicates it takes, given by how much one differs from another."""

from __future__ import annotations

from math import ceil, log, sqrt
from statistics import NormalDist

from crystallize.sequences.interval import mixing_variance

MOST = 10**12


def for_mcse(sd: float, mcse: float) -> int:
    """Replicates for a Monte Carlo standard error of a mean.

    Examples
    --------
    >>> for_mcse(0.2179, 0.005)  # a coverage of 0.95: Morris, White and Crowther (2019), 5.3
    1900
    """
    return _least((sd / mcse) ** 2)


def for_half_width(sd: float, half_width: float, alpha: float) -> int:
    """Replicates for half the width of an interval for a mean, looked at once.

    Examples
    --------
    >>> for_half_width(1.0, 0.1, 0.05)
    385
    """
    return _least((_z(1 - alpha / 2) * sd / half_width) ** 2)


def for_until(sd: float, half_width: float, alpha: float) -> int:
    """The same where one looks after every page, as :class:`crystallize.Until` does.

    Examples
    --------
    >>> for_until(1.0, 0.1, 0.05)
    922
    """
    variance = mixing_variance(alpha)
    low, high = 0, MOST
    while high - low > 1:
        middle = (low + high) // 2
        scale = variance * middle
        width = 2 * (scale + 1) / (scale * middle) * log(sqrt(scale + 1) / alpha)
        low, high = (middle, high) if sd * sqrt(width) > half_width else (low, middle)
    return high


def for_power(sd: float, difference: float, power: float, alpha: float) -> int:
    """Pairs for a two-sided t test to find a mean difference with some power.

    The normal approximation, and half of a squared quantile more for the t distribution
    (Guenther 1981).

    Examples
    --------
    >>> for_power(1.0, 0.5, 0.8, 0.05)  # R: power.t.test(delta=.5, power=.8, type="paired"): 33.4
    34
    """
    z = _z(1 - alpha / 2)
    return _least(((z + _z(power)) * sd / difference) ** 2 + z**2 / 2)


def detectable(sd: float, replicates: int, power: float, alpha: float) -> float:
    """The mean difference that so many pairs find with some power."""
    return (_z(1 - alpha / 2) + _z(power)) * sd / sqrt(replicates)


def half_width(sd: float, replicates: int, alpha: float) -> float:
    """Half the width of an interval for a mean of so many replicates, looked at once."""
    return _z(1 - alpha / 2) * sd / sqrt(replicates)


def uncertainty(pilot: int) -> float:
    """By which share a number of replicates may be off that a pilot gives.

    At 95%, for normal values: 1.96 standard errors of the variance, as a share of it.

    Examples
    --------
    >>> round(uncertainty(50), 2)
    0.4
    """
    return _z(0.975) * sqrt(2 / (pilot - 1))


def _z(probability: float) -> float:
    return NormalDist().inv_cdf(probability)


def _least(replicates: float) -> int:
    return max(2, ceil(min(replicates, MOST)))
