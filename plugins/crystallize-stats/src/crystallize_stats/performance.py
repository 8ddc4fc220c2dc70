"""The section ``performance``: how well estimators do, condition by condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from scipy import special

from crystallize import InvalidValueError, Result, UnknownNameError, hookimpl
from crystallize_stats import measures
from crystallize_stats.measures import Measured
from crystallize_stats.options import listed, share
from crystallize_stats.study import Numbers, Row, Study

KEYS = ("condition", "estimator", "measure", "value", "mcse", "n", "lower", "upper")


class Described(Protocol):
    """What is read of an experiment."""

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


class Performance:
    """Measures of performance, each with its Monte Carlo standard error.

    A row has ``condition``, the factors, ``estimator`` (the metric of the estimate),
    ``measure``, ``value``, ``mcse``, ``n`` (replicates that it was computed from), and for
    proportions ``lower`` and ``upper``, Wilson's interval.  Measures that need what is not
    given, a truth or standard errors, have no row; a value that does not exist is ``None``.

    Parameters
    ----------
    estimate : str or list of str
        The metric that holds the estimate; several for several estimators in one cell.
        Methods that are conditions need one.
    se : str or list of str, optional
        Its standard error; as many as there are estimates.
    truth : number or str, optional
        What is estimated: a number, a metric, or a parameter of the conditions.
    lower, upper : str or list of str, optional
        The bounds of the interval.  Without them it is
        estimate ± t(1 - alpha/2, df) se, with `se`.
    df : number, str or list of str, optional
        Degrees of freedom of that interval: a number or a metric.  Default: normal.
    p : str or list of str, optional
        The p value, which rejects at `alpha` or below.  Without it, the interval rejects
        where `null` is outside of it.
    alpha : float
        1 - the confidence of the intervals.
    reference : str, optional
        What precision is relative to: a condition, an estimator, or the level of a factor,
        such as a method, and then the condition that differs in that factor alone.
        Default: the baseline, or the first estimator where there is one condition.
    null : float
        What is rejected.
    mcse : {"formula", "jackknife"}
        Where the error of a measure takes estimates to be normal, or is the delta method's:
        that formula, or the jackknife.

    Raises
    ------
    InvalidValueError
        A :exc:`ValueError`, if options do not fit together.

    References
    ----------
    Morris, White and Crowther (2019), Statistics in Medicine 38, 2074-2102; the formulas are
    in :mod:`crystallize_stats.measures`.
    """

    def __init__(
        self,
        estimate: str | list[str],
        se: str | list[str] | None = None,
        truth: float | str | None = None,
        lower: str | list[str] | None = None,
        upper: str | list[str] | None = None,
        df: float | str | list[str] | None = None,
        p: str | list[str] | None = None,
        alpha: float = 0.05,
        reference: str | None = None,
        null: float = 0.0,
        mcse: Literal["formula", "jackknife"] = "formula",
    ) -> None:
        estimates = listed(estimate)
        if not estimates:
            raise InvalidValueError("estimate", estimate, "at least one metric")
        if (lower is None) != (upper is None):
            missing = "lower" if lower is None else "upper"
            raise InvalidValueError(missing, None, "a metric, as the other bound has one")
        columns: dict[str, Sequence[Any]] = {}
        for name, given in (("se", se), ("lower", lower), ("upper", upper), ("df", df), ("p", p)):
            several: list[Any] = given if isinstance(given, list) else [given]
            if isinstance(given, float | int):
                several = [given] * len(estimates)
            if given is not None and len(several) != len(estimates):
                raise InvalidValueError(name, given, f"as many as estimates, {len(estimates)}")
            columns[name] = [None] * len(estimates) if given is None else several
        self._estimators = [
            Estimator(name, **{key: column[i] for key, column in columns.items()})
            for i, name in enumerate(estimates)
        ]
        self._truth = truth
        self._alpha = share("alpha", alpha)
        self._reference = reference
        self._null = null
        self._jackknife = mcse == "jackknife"

    @hookimpl
    def check_experiment(self, experiment: Described) -> None:
        """Refuse a reference that is nothing which the experiment has."""
        self._reference_of(experiment.factors, next(iter(experiment.conditions)), "")

    @hookimpl
    def extend_result(self, experiment: Described, result: Result) -> dict[str, list[Row]]:
        """The section."""
        study = Study(result, "performance")
        with np.errstate(all="ignore"):  # what is not finite is None in a row
            return {"performance": list(self._rows(study, experiment))}

    def _rows(self, study: Study, experiment: Described) -> Iterator[Row]:
        cells = {
            (condition, estimator.estimate): self._cells(study, experiment, condition, estimator)
            for condition in study.conditions
            for estimator in self._estimators
        }
        for (condition, name), own in cells.items():
            reference = self._reference_of(study.factors, study.baseline, name, condition)
            labels = study.labels(condition, KEYS)
            found = self._measured(own, study.run(condition), study.failures(condition)[0])
            if reference != (condition, name):
                pairs = _present(own.error, other := cells[reference].error)
                found["relative_precision"] = measures.relative_precision(
                    other[pairs], own.error[pairs], self._jackknife
                )
            for measure in (name for name in MEASURES if name in found):
                row = {"condition": condition, **labels, "estimator": name, "measure": measure}
                yield {**row, **_columns(found[measure])}

    def _cells(
        self, study: Study, experiment: Described, condition: str, estimator: Estimator
    ) -> Cells:
        def column(option: str, metric: str | None) -> Numbers | None:
            return None if metric is None else study.numbers(condition, metric, option)

        estimate = study.numbers(condition, estimator.estimate, "estimate")
        estimate = np.where(np.isfinite(estimate), estimate, np.nan)
        truth = self._truths(study, experiment, condition, len(estimate))
        se = column("se", estimator.se)
        lower, upper = column("lower", estimator.lower), column("upper", estimator.upper)
        if lower is None and se is not None:
            df = estimator.df
            degrees = study.numbers(condition, df, "df") if isinstance(df, str) else df
            half = critical(degrees, self._alpha) * se
            lower, upper = estimate - half, estimate + half
        error = estimate if truth is None else estimate - truth
        return Cells(estimate, error, truth, se, lower, upper, column("p", estimator.p))

    def _truths(
        self, study: Study, experiment: Described, condition: str, n: int
    ) -> Numbers | None:
        truth = self._truth
        if truth is None:
            return None
        if not isinstance(truth, str):
            return np.full(n, float(truth))
        if study.has(truth):
            return study.numbers(condition, truth, "truth")
        parameters = experiment.conditions[condition]
        if truth not in parameters:
            if not study.run(condition).any():
                return np.full(n, np.nan)
            known = [*study.all_metrics(), *parameters]
            raise UnknownNameError("metric or parameter", truth, known, where="performance.truth")
        level = parameters[truth]
        if isinstance(level, str) or not np.isscalar(level):
            raise InvalidValueError("performance.truth", truth, "a parameter that is a number")
        return np.full(n, float(level))  # type: ignore[arg-type]

    def _measured(
        self, cells: Cells, run: npt.NDArray[np.bool_], failed: int
    ) -> dict[str, Measured]:
        """Every measure but those that compare, by name."""
        alpha, jackknife = self._alpha, self._jackknife
        converged = np.zeros(failed + int(run.sum()))
        converged[: int(np.isfinite(cells.estimate).sum())] = 1
        found = {"convergence": measures.proportion(converged, alpha)}
        kept = _present(cells.error)
        errors = cells.error[kept]
        found["empirical_se"] = measures.empirical_se(errors, jackknife)
        if cells.truth is not None:
            found["bias"] = measures.mean(errors)
            found["relative_bias"] = measures.relative_bias(errors, cells.truth[kept])
            found["mse"] = measures.mse(errors)
            found["rmse"] = measures.rmse(errors, jackknife)
        if cells.se is not None:
            both = _present(cells.error, cells.se)
            found["model_se"] = measures.model_se(cells.se[both], jackknife)
            found["relative_error"] = measures.relative_error(
                cells.error[both], cells.se[both], jackknife
            )
        if cells.p is not None:
            known = ~np.isnan(cells.p)
            found["rejection"] = measures.proportion(cells.p[known] <= alpha, alpha)
        if cells.lower is not None and cells.upper is not None:
            lower, upper = cells.lower, cells.upper
            bounded = ~np.isnan(lower + upper) | (np.isinf(lower) & np.isinf(upper))
            if cells.p is None:
                outside = (lower > self._null) | (upper < self._null)
                found["rejection"] = measures.proportion(outside[bounded], alpha)
            found["ci_width"] = measures.mean((upper - lower)[bounded])
            if cells.truth is not None:
                with_truth = bounded & ~np.isnan(cells.truth)
                hits = (lower <= cells.truth) & (cells.truth <= upper)
                found["coverage"] = measures.proportion(hits[with_truth], alpha)
            center = np.mean(errors) if len(errors) else np.nan
            target = center if cells.truth is None else cells.truth + center
            hits = (lower <= target) & (target <= upper)
            usable = bounded & ~np.isnan(target + np.zeros(len(lower)))
            found["bias_eliminated_coverage"] = measures.proportion(hits[usable], alpha)
        return found

    def _reference_of(
        self, factors: Any, baseline: str, estimator: str, condition: str | None = None
    ) -> tuple[str, str]:
        """Condition and estimator that precision is relative to."""
        condition = baseline if condition is None else condition
        wanted = self._reference
        names = [one.estimate for one in self._estimators]
        if wanted is None:
            return (baseline, estimator) if len(factors) > 1 else (condition, names[0])
        if wanted in factors:
            return wanted, estimator
        if wanted in names:
            return condition, wanted
        own = factors[condition]
        for factor in own:
            for other, levels in factors.items():
                if str(levels.get(factor)) == wanted and {**levels, factor: own[factor]} == own:
                    return other, estimator
        known = [*factors, *(names if len(names) > 1 else ())]
        known += dict.fromkeys(str(v) for levels in factors.values() for v in levels.values())
        raise UnknownNameError(
            "condition, estimator or level", wanted, known, where="performance.reference"
        )


MEASURES = (
    "convergence", "bias", "relative_bias", "empirical_se", "mse", "rmse", "model_se",
    "relative_error", "relative_precision", "coverage", "bias_eliminated_coverage", "rejection",
    "ci_width",
)  # fmt: skip
"""In the order of their rows: what failed or is missing comes first."""


def critical(df: Numbers | float | None, alpha: float) -> Any:
    """The quantile 1 - alpha/2 of Student's t, or of the normal distribution without `df`.

    An infinite number of degrees of freedom, or one that is missing, is the normal's too.
    """
    normal = special.ndtri(1 - alpha / 2)
    if df is None:
        return normal
    degrees = np.asarray(df, dtype=np.float64)
    return np.where(np.isfinite(degrees), special.stdtrit(degrees, 1 - alpha / 2), normal)


def _present(*columns: Numbers) -> npt.NDArray[np.bool_]:
    """The replicates in which every column has a finite value."""
    return np.asarray(np.all([np.isfinite(column) for column in columns], axis=0))


def _columns(measured: Measured) -> Row:
    return {
        "value": measured.value,
        "mcse": measured.mcse,
        "n": measured.n,
        "lower": measured.lower,
        "upper": measured.upper,
    }
