"""Sizes of differences, free of units, with intervals."""

from __future__ import annotations

import numpy as np
from scipy import special

from crystallize_stats.means import standard_error
from crystallize_stats.proportions import Interval
from crystallize_stats.study import Numbers, number
from crystallize_stats.tested import NONE, Effect


def paired_effect(differences: Numbers, alpha: float) -> Effect:
    """Cohen's d of paired differences, ``mean / s``, with its exact interval for normal ones.

    References
    ----------
    Cohen (1988), "Statistical Power Analysis", section 2.3.5; see :func:`_bounds`.
    """
    n = len(differences)
    if n < 2 or not standard_error(differences):
        return Effect("d_z")
    d = float(np.mean(differences) / np.std(differences, ddof=1))
    return Effect("d_z", number(d), _bounds(d, n, n - 1, alpha))


def unpaired_effect(treatment: Numbers, baseline: Numbers, alpha: float) -> Effect:
    """Cohen's d of two samples, their difference over the pooled standard deviation.

    Its interval is exact for normal samples of equal variance.

    References
    ----------
    Cohen (1988), section 2.2; see :func:`_bounds`.
    """
    n, m = len(treatment), len(baseline)
    if min(n, m) < 2 or (np.ptp(treatment) == 0 and np.ptp(baseline) == 0):
        return Effect("d")
    squares = (n - 1) * np.var(treatment, ddof=1) + (m - 1) * np.var(baseline, ddof=1)
    pooled = np.sqrt(squares / (n + m - 2))
    d = float((np.mean(treatment) - np.mean(baseline)) / pooled)
    return Effect("d", number(d), _bounds(d, n * m / (n + m), n + m - 2, alpha))


def _bounds(d: float, size: float, df: int, alpha: float) -> Interval:
    """All d whose noncentral t distribution has the t that was seen within its middle.

    References
    ----------
    Steiger and Fouladi (1997), in "What If There Were No Significance Tests?", 221-257; for
    |t| above 37, where that distribution cannot be had, ``d ± z sqrt(1/size + d²/(2 df))``
    (Hedges and Olkin 1985, "Statistical Methods for Meta-Analysis", chapter 5).
    """
    if not np.isfinite(d):
        return NONE
    t = d * np.sqrt(size)
    bounds = np.array([np.nan, np.nan])
    if abs(t) < 37:
        bounds = special.nctdtrinc(df, np.array([1 - alpha / 2, alpha / 2]), t) / np.sqrt(size)
    if not np.isfinite(bounds).all():
        half = special.ndtri(1 - alpha / 2) * np.sqrt(1 / size + d * d / (2 * df))
        bounds = np.array([d - half, d + half])
    return Interval(number(bounds[0]), number(bounds[1]))
