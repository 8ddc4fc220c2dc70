"""Comparing two proportions, paired or not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from crystallize_stats.proportions import Interval, clopper_pearson, wilson
from crystallize_stats.study import Numbers, number
from crystallize_stats.tested import NONE, Effect, Test


class Discordant(NamedTuple):
    """In how many pairs the answers differ.

    Attributes
    ----------
    only_treatment, only_baseline : int
        Pairs in which only that one says yes.
    n : int
        All pairs.
    """

    only_treatment: int
    only_baseline: int
    n: int

    @classmethod
    def of(cls, treatment: Numbers, baseline: Numbers) -> Discordant:
        """Of answers that are 0 or 1, paired by position."""
        return cls(
            int(np.sum(treatment > baseline)), int(np.sum(baseline > treatment)), len(treatment)
        )


def mcnemar_test(pairs: Discordant) -> Test:
    """McNemar's test, whose statistic is in how many pairs only the treatment says yes.

    With b and c discordant pairs, the exact p value is ``2 P(X <= min(b, c))``, X
    binomial(b + c, 1/2), and the mid-p value that less ``P(X = min(b, c))``.  The mid-p value is
    the `p` of a row: its size kept within nominal in nearly all cases that were looked at, where
    the exact test stays far below; the exact one is beside it.

    References
    ----------
    McNemar (1947), Psychometrika 12, 153-157; Fagerland, Lydersen and Laake (2013), "The McNemar
    test for binary matched-pairs data: mid-p and asymptotic are better than exact conditional",
    BMC Medical Research Methodology 13:91.

    Examples
    --------
    >>> test = mcnemar_test(Discordant(1, 7, 21))
    >>> round(test.p, 6), round(test.p_exact, 6)
    (0.039062, 0.070312)
    """
    b, c, n = pairs
    if n == 0:
        return Test("mcnemar", notes=("too few pairs for a test",))
    fewer, both = min(b, c), b + c
    tail = float(special.bdtr(fewer, both, 0.5))
    log_chance = special.gammaln(both + 1) - special.gammaln(b + 1) - special.gammaln(c + 1)
    here = float(np.exp(log_chance - both * np.log(2)))
    notes = (f"of {n} pairs {b} only for the treatment, {c} only for the baseline",)
    return Test(
        "mcnemar", float(b), min(1.0, 2 * tail - here), min(1.0, 2 * tail), float(b - c), notes
    )


def bonett_price_interval(pairs: Discordant, alpha: float) -> Interval:
    """An interval for the difference of paired proportions: Wald's, with a pair added to each side.

    With ``p = (b + 1)/(n + 2)`` and ``q = (c + 1)/(n + 2)``:
    ``p - q ± z sqrt((p + q - (p - q)²) / (n + 2))``.

    References
    ----------
    Bonett and Price (2012), "Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data", Journal of Educational and Behavioral Statistics 37, 479-488.
    """
    b, c, n = pairs
    if n == 0:
        return NONE
    p, q = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = special.ndtri(1 - alpha / 2) * np.sqrt((p + q - (p - q) ** 2) / (n + 2))
    return Interval(max(-1.0, float(p - q - half)), min(1.0, float(p - q + half)))


def matched_odds_ratio(pairs: Discordant, alpha: float) -> Effect:
    """``b / c``, and Clopper and Pearson's interval of ``b / (b + c)`` as odds.

    ``None`` stands for what is infinite.

    References
    ----------
    Breslow and Day (1980), "Statistical Methods in Cancer Research", volume 1, section 5.2.
    """
    b, c, _ = pairs
    lower, upper = clopper_pearson(b, b + c, alpha)
    if lower is None or upper is None:
        return Effect("matched odds ratio")
    bounds = Interval(lower / (1 - lower), None if upper == 1 else upper / (1 - upper))
    return Effect("matched odds ratio", b / c if c else None, bounds)


def score_test(hits: int, n: int, other_hits: int, other_n: int) -> Test:
    """The score test of two independent proportions: z with the pooled variance, Pearson's chi².

    References
    ----------
    Pearson (1900); Agresti (2013), "Categorical Data Analysis", 3rd edition, section 3.2.
    """
    pooled = (hits + other_hits) / (n + other_n)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / other_n))
    if error == 0:
        return Test("score", 0.0, 1.0)
    z = (hits / n - other_hits / other_n) / error
    return Test("score", number(z), float(2 * special.ndtr(-abs(z))))


def newcombe_interval(hits: int, n: int, other_hits: int, other_n: int, alpha: float) -> Interval:
    """An interval for the difference of independent proportions, made of two of Wilson's.

    References
    ----------
    Newcombe (1998), "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 17, 873-890, method 10.
    """
    p, q = hits / n, other_hits / other_n
    (p_low, p_high), (q_low, q_high) = wilson(hits, n, alpha), wilson(other_hits, other_n, alpha)
    if p_low is None or p_high is None or q_low is None or q_high is None:
        return NONE
    lower = p - q - np.hypot(p - p_low, q_high - q)
    upper = p - q + np.hypot(p_high - p, q - q_low)
    return Interval(float(lower), float(upper))
