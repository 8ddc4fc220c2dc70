"""The section ``performance``: how well estimators do, condition by condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from crystallize import InvalidValueError, Result, UnknownNameError, hookimpl
from crystallize_stats import measures
from crystallize_stats.estimators import Cells, Described, Estimator
from crystallize_stats.measured import MEASURES, measured, present
from crystallize_stats.options import listed, share
from crystallize_stats.study import Row, Study

KEYS = ("condition", "measure", "value", "mcse", "n", "lower", "upper", "estimator")


class Performance:
    """Measures of performance, each with its Monte Carlo standard error.

    A row has ``condition``, the factors, ``measure``, ``value``, ``mcse``, ``n`` (replicates that
    it was computed from), for proportions ``lower`` and ``upper``, Wilson's interval, and
    ``estimator``, the metric of the estimate.  Measures that need what is not
    given, a truth or standard errors, have no row; a value that does not exist is ``None``.

    Parameters
    ----------
    estimate : str or list of str
        The metric that holds the estimate; several for several estimators in one cell.
        Methods that are conditions need one.
    se : str or list of str, optional
        Its standard error; as many as there are estimates.
    truth : number, str or list of these, optional
        What is estimated: a number, a metric, or a parameter of the function; one for all
        estimates, or one for each.
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
        truth: float | str | list[float | str] | None = None,
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
        if not estimates or len(set(estimates)) < len(estimates):
            raise InvalidValueError("estimate", estimate, "at least one metric, each once")
        if (lower is None) != (upper is None):
            missing = "lower" if lower is None else "upper"
            raise InvalidValueError(missing, None, "a metric, as the other bound has one")
        columns: dict[str, Sequence[Any]] = {}
        options = {"se": se, "lower": lower, "upper": upper, "df": df, "p": p, "truth": truth}
        for name, given in options.items():
            several: list[Any] = given if isinstance(given, list) else [given]
            if isinstance(given, float | int) or (name == "truth" and isinstance(given, str)):
                several = [given] * len(estimates)
            if given is not None and len(several) != len(estimates):
                raise InvalidValueError(name, given, f"as many as estimates, {len(estimates)}")
            columns[name] = [None] * len(estimates) if given is None else several
        self._estimators = [
            Estimator(name, **{key: column[i] for key, column in columns.items()})
            for i, name in enumerate(estimates)
        ]
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
            (condition, estimator.estimate): Cells.of(
                study, experiment, condition, estimator, self._alpha
            )
            for condition in study.conditions
            for estimator in self._estimators
        }
        for (condition, name), own in cells.items():
            reference = self._reference_of(study.factors, study.baseline, name, condition)
            labels = study.labels(condition, KEYS)
            found = measured(
                own,
                study.failures(condition)[1],
                alpha=self._alpha,
                null=self._null,
                jackknife=self._jackknife,
            )
            if reference != (condition, name):
                pairs = present(own.error, other := cells[reference].error)
                found["relative_precision"] = measures.relative_precision(
                    other[pairs], own.error[pairs], self._jackknife
                )
            for measure in (name for name in MEASURES if name in found):
                yield {
                    "condition": condition,
                    **labels,
                    "measure": measure,
                    **found[measure]._asdict(),
                    "estimator": name,
                }

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
