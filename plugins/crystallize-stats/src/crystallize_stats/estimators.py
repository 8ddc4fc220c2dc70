"""Estimators, and what one gave in each replicate of a condition."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import special

from crystallize import InvalidValueError, UnknownNameError
from crystallize_stats.study import Numbers, Study


class Described(Protocol):
    """What is read of an experiment."""

    @property
    def function(self) -> Callable[..., Any]: ...

    @property
    def conditions(self) -> Any: ...

    @property
    def factors(self) -> Any: ...


@dataclass(frozen=True)
class Estimator:
    """The metrics of one estimator."""

    estimate: str
    se: str | None = None
    lower: str | None = None
    upper: str | None = None
    df: str | float | None = None
    p: str | None = None
    truth: float | str | None = None


@dataclass(frozen=True)
class Cells:
    """One estimator under one condition, position = replicate, NaN where there is no value."""

    estimate: Numbers
    error: Numbers
    truth: Numbers | None
    se: Numbers | None
    lower: Numbers | None
    upper: Numbers | None
    p: Numbers | None

    @classmethod
    def of(
        cls,
        study: Study,
        experiment: Described,
        condition: str,
        estimator: Estimator,
        alpha: float,
    ) -> Cells:
        """Read the metrics of an estimator; the interval follows from `se` where it has no bounds.

        Raises
        ------
        UnknownNameError, InvalidValueError
            If what is named is not there, or holds no numbers.
        """

        def column(option: str, metric: str | None) -> Numbers | None:
            return None if metric is None else study.numbers(condition, metric, option)

        estimate = study.numbers(condition, estimator.estimate, "estimate")
        estimate = np.where(np.isfinite(estimate), estimate, np.nan)
        truths = None
        if estimator.truth is not None:
            truths = truths_of(study, experiment, condition, estimator.truth)
        se = column("se", estimator.se)
        lower, upper = column("lower", estimator.lower), column("upper", estimator.upper)
        if lower is None and se is not None:
            df = estimator.df
            degrees = study.numbers(condition, df, "df") if isinstance(df, str) else df
            half = critical(degrees, alpha) * se
            lower, upper = estimate - half, estimate + half
        error = estimate if truths is None else estimate - truths
        return cls(estimate, error, truths, se, lower, upper, column("p", estimator.p))


def truths_of(study: Study, experiment: Described, condition: str, truth: float | str) -> Numbers:
    """What is estimated in each replicate: a number, a metric, or a parameter of the function.

    Raises
    ------
    UnknownNameError, InvalidValueError
        If it is none of these, or no number.
    """
    n = len(study.run(condition))
    if not isinstance(truth, str):
        return np.full(n, float(truth))
    if study.has(truth):
        return study.numbers(condition, truth, "truth")
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(experiment.function).parameters.items()
        if parameter.default is not parameter.empty
    }
    parameters = {**defaults, **experiment.conditions[condition]}
    if truth not in parameters:
        if not study.run(condition).any():
            return np.full(n, np.nan)
        known = [*study.all_metrics(), *parameters]
        raise UnknownNameError("metric or parameter", truth, known, where="performance.truth")
    level = parameters[truth]
    if isinstance(level, str) or not np.isscalar(level):
        raise InvalidValueError("performance.truth", truth, "a parameter that is a number")
    return np.full(n, float(level))  # type: ignore[arg-type]


def critical(df: Numbers | float | None, alpha: float) -> Any:
    """The quantile 1 - alpha/2 of Student's t, or of the normal distribution without `df`.

    An infinite number of degrees of freedom, or one that is missing, is the normal's too.
    """
    normal = special.ndtri(1 - alpha / 2)
    if df is None:
        return normal
    degrees = np.asarray(df, dtype=np.float64)
    return np.where(np.isfinite(degrees), special.stdtrit(degrees, 1 - alpha / 2), normal)
