"""Proportions: the beta-binomial mixture of Howard, Ramdas, McAuliffe and Sekhon (2021)."""

from __future__ import annotations

from math import lgamma, log, log1p

from crystallize.sequences.interval import Interval, Numbers, mixing_variance

STEPS = 60
"""How often a bound is halved in, until it is known to the last place."""


class ProportionSequence:
    """Between what the probability of a yes is; holds after any number of values, also of one.

    What would make a probability p implausible is weighed with a beta distribution around p:
    the mixture of the likelihood ratios to p is a martingale if p is true, and
    exceeds 1/alpha at any time at all with probability alpha at the most (Ville).

    Parameters
    ----------
    alpha : float
        One less the confidence.

    References
    ----------
    Howard, Ramdas, McAuliffe and Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic
    confidence sequences", Annals of Statistics 49, proposition 7 (two-sided).

    Examples
    --------
    >>> import numpy as np
    >>> sequence = ProportionSequence(0.05)
    >>> sequence.add(np.repeat([1.0, 0.0], [930, 70]))
    >>> [round(bound, 4) for bound in sequence.interval()[1:]]
    [0.93, 0.9031, 0.9522]
    """

    method = "beta-binomial"

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha
        self._weight = 1 / mixing_variance(alpha)
        self._yes = self._no = 0

    def add(self, values: Numbers) -> None:
        """Take in values that are 0 or 1."""
        yes = int(values.sum())
        self._yes += yes
        self._no += len(values) - yes

    def interval(self) -> Interval | None:
        yes, no = self._yes, self._no
        if not yes + no:
            return None
        share = yes / (yes + no)
        lower = self._bound(yes, no)
        upper = 1 - self._bound(no, yes)
        return Interval(yes + no, share, min(lower, share), max(upper, share))

    def _bound(self, yes: int, no: int) -> float:
        """The lower bound: below it, every probability is excluded."""
        low, high = 0.0, yes / (yes + no)
        for _ in range(STEPS if yes else 0):
            middle = (low + high) / 2
            if not 0 < middle < high:
                break
            if is_excluded(middle, yes, no, self._weight, self._alpha):
                low = middle
            else:
                high = middle
        return low


def is_excluded(share: float, yes: int, no: int, weight: float, alpha: float) -> bool:
    """Whether the mixture has reached 1/alpha for a probability, after some yes and no.

    Parameters
    ----------
    share : float
        The probability, above 0 and below 1.
    yes, no : int
    weight : float
        How narrow the beta distribution around it is: the sum of its two parameters.
    alpha : float
    """
    a, b = weight * share, weight * (1 - share)
    mixture = (
        lgamma(a + yes) - lgamma(a) + lgamma(b + no) - lgamma(b)
        - (lgamma(weight + yes + no) - lgamma(weight))
    )  # fmt: skip
    return mixture - yes * log(share) - no * log1p(-share) >= -log(alpha)
