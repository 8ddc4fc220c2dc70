"""Performance measures of an estimator, each with its Monte Carlo standard error.

The formulas are those of table 6 of Morris, White and Crowther (2019), "Using simulation
studies to evaluate statistical methods", Statistics in Medicine 38, 2074-2102, unless a
docstring says otherwise.  In all of them n is the number of replicates with a value, s the
standard deviation with n - 1 in the denominator.

With ``jackknife=True`` the error is that of the jackknife, ``sqrt((n-1)/n sum (m_i - mean(m))²)``
over the measures m_i that leave out one replicate each (Efron and Stein 1981, Annals of
Statistics 9, 586-596).  The formulas for the empirical standard error, the relative error and
the relative precision take estimates to be normal; the jackknife does not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from crystallize_stats.proportions import wilson
from crystallize_stats.study import Numbers, number


class Measured(NamedTuple):
    """A measure with its error; ``None`` where it does not exist.

    Attributes
    ----------
    value, mcse : float or None
    n : int
        Replicates that it was computed from.
    lower, upper : float or None
        Wilson's interval, for proportions: there is one also where the error is 0 by formula.
    """

    value: float | None
    mcse: float | None
    n: int
    lower: float | None = None
    upper: float | None = None


def mean(values: Numbers, scale: float = 1.0) -> Measured:
    """A mean, and ``s / sqrt(n)``; times `scale`."""
    n = len(values)
    if n == 0:
        return Measured(None, None, 0)
    error = abs(scale) * _sd(values) / np.sqrt(n) if n > 1 else None
    return Measured(number(scale * np.mean(values)), number(error), n)


def proportion(hits: Numbers | npt.NDArray[np.bool_], alpha: float) -> Measured:
    """A share of replicates, ``sqrt(p(1-p)/n)``, and Wilson's interval of level 1 - alpha."""
    n = len(hits)
    if n == 0:
        return Measured(None, None, 0)
    count = int(np.count_nonzero(hits))
    p = count / n
    return Measured(p, float(np.sqrt(p * (1 - p) / n)), n, *wilson(count, n, alpha))


def relative_bias(errors: Numbers, truths: Numbers) -> Measured:
    """In per cent: ``100 mean(error) / mean(truth)``.

    For one truth its error is ``100 s / (|truth| sqrt(n))``.  Where the truth differs between
    replicates it is a ratio of two means, with the error of its linearisation,
    ``100 sd(error_i - R truth_i) / (|mean(truth)| sqrt(n))``, R the ratio (Cochran 1977,
    "Sampling Techniques", section 2.11).
    """
    n = len(errors)
    truth = float(np.mean(truths)) if n else 0.0
    if truth == 0:
        return Measured(None, None, n)
    ratio = float(np.mean(errors)) / truth
    error = mean(errors - ratio * truths, 100 / truth).mcse
    return Measured(number(100 * ratio), error, n)


def empirical_se(errors: Numbers, jackknife: bool = False) -> Measured:
    """``s``, and ``s / sqrt(2(n-1))``, which is right for normal estimates."""
    n = len(errors)
    if n < 2:
        return Measured(None, None, n)
    value = _sd(errors)
    error = _jackknifed(np.sqrt(_loo_variance(errors))) if jackknife else value / np.sqrt(2 * n - 2)
    return Measured(number(value), number(error), n)


def mse(errors: Numbers) -> Measured:
    """``mean(error²)``, and ``sqrt(sum (error_i² - MSE)² / (n(n-1)))``."""
    return mean(errors**2)


def rmse(errors: Numbers, jackknife: bool = False) -> Measured:
    """``sqrt(MSE)``, and the delta method's ``mcse(MSE) / (2 RMSE)``.

    The root of the MSE's error, which simsum took before its version 2.0.4, is none.
    """
    squared = mse(errors)
    if squared.value is None:
        return squared
    value = np.sqrt(squared.value)
    if squared.mcse is None or squared.mcse == 0:
        return Measured(number(value), squared.mcse, squared.n)
    error = _jackknifed(np.sqrt(_loo_mean(errors**2))) if jackknife else squared.mcse / (2 * value)
    return Measured(number(value), number(error), squared.n)


def model_se(ses: Numbers, jackknife: bool = False) -> Measured:
    """``sqrt(mean(se²))``, and ``sqrt(var(se²) / (4 n ModSE²))``, the delta method's."""
    return rmse(ses, jackknife)


def relative_error(errors: Numbers, ses: Numbers, jackknife: bool = False) -> Measured:
    """In per cent, by how much the model's standard error is too large: ``100 (ModSE/s - 1)``.

    Its error is ``100 (ModSE/s) sqrt(var(se²) / (4 n ModSE⁴) + 1 / (2(n-1)))``.
    """
    n = len(errors)
    model, empirical = model_se(ses), empirical_se(errors)
    if not model.value or not empirical.value:
        return Measured(None, None, n)
    ratio = model.value / empirical.value
    if jackknife:
        error = _jackknifed(100 * np.sqrt(_loo_mean(ses**2) / _loo_variance(errors)))
    else:
        spread = float(np.var(ses**2, ddof=1)) / (4 * n * model.value**4)
        error = 100 * ratio * np.sqrt(spread + 1 / (2 * (n - 1)))
    return Measured(number(100 * (ratio - 1)), number(error), n)


def relative_precision(reference: Numbers, errors: Numbers, jackknife: bool = False) -> Measured:
    """In per cent, how much more precise than the reference: ``100 (s_ref²/s² - 1)``.

    Its error is ``200 (s_ref²/s²) sqrt((1 - rho²) / (n-1))``, rho the correlation of the two in
    the same replicates; n - 1, where earlier versions of simsum had n - 2.

    Parameters
    ----------
    reference, errors : array of shape (n,)
        Of the same replicates.
    """
    n = len(errors)
    base, own = empirical_se(reference), empirical_se(errors)
    if not base.value or not own.value:
        return Measured(None, None, n)
    ratio = (base.value / own.value) ** 2
    if jackknife:
        error = _jackknifed(100 * _loo_variance(reference) / _loo_variance(errors))
    else:
        centered = (reference - np.mean(reference)) / base.value
        rho = float(np.sum(centered * (errors - np.mean(errors)) / own.value)) / (n - 1)
        error = 200 * ratio * np.sqrt(max(0.0, 1 - rho * rho) / (n - 1))
    return Measured(number(100 * (ratio - 1)), number(error), n)


def _sd(values: Numbers) -> float:
    return float(np.std(values, ddof=1))


def _loo_mean(values: Numbers) -> Numbers:
    """The mean without each value."""
    rest: Numbers = np.sum(values) - values
    return rest / (len(values) - 1)


def _loo_variance(values: Numbers) -> Numbers:
    """The variance without each value; NaN where one value is left."""
    n = len(values)
    if n < 3:
        return np.full(n, np.nan)
    squares = (values - np.mean(values)) ** 2
    rest = np.sum(squares) - n / (n - 1) * squares
    return np.asarray(np.maximum(rest, 0) / (n - 2))


def _jackknifed(measures: Numbers) -> float:
    n = len(measures)
    if not np.isfinite(measures).all():
        return float("nan")
    spread = np.sum((measures - np.mean(measures)) ** 2)
    return float(np.sqrt((n - 1) / n * spread))
