"""Comparing two independent samples."""

from __future__ import annotations

import numpy as np
from scipy import special

from crystallize_stats.proportions import Interval
from crystallize_stats.study import Numbers, number
from crystallize_stats.tested import NONE, Test


def welch(treatment: Numbers, baseline: Numbers, alpha: float) -> tuple[Test, Interval]:
    """Welch's t test of two means, and its interval for their difference.

    ``t = (m1 - m2) / sqrt(v1 + v2)`` with ``v = s²/n`` and
    ``(v1 + v2)² / (v1²/(n1-1) + v2²/(n2-1))`` degrees of freedom.

    References
    ----------
    Welch (1947), "The generalization of Student's problem when several different population
    variances are involved", Biometrika 34, 28-35.
    """
    if min(len(treatment), len(baseline)) < 2:
        return Test("welch", notes=("too few values for a test",)), NONE
    first, second = (float(np.var(v, ddof=1)) / len(v) for v in (treatment, baseline))
    error = np.sqrt(first + second)
    if np.ptp(treatment) == 0 and np.ptp(baseline) == 0:
        return Test("welch", notes=("neither has variance, so that there is no t",)), NONE
    difference = float(np.mean(treatment) - np.mean(baseline))
    df = (first + second) ** 2 / (first**2 / (len(treatment) - 1) + second**2 / (len(baseline) - 1))
    t = difference / error
    half = special.stdtrit(df, 1 - alpha / 2) * error
    bounds = Interval(number(difference - half), number(difference + half))
    return Test("welch", number(t), number(2 * special.stdtr(df, -abs(t)))), bounds
