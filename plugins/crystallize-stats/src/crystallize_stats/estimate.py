"""The section ``estimate``: means, proportions and quantiles with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from crystallize import InvalidValueError, Result, hookimpl
from crystallize_stats.means import bca_interval, seed_for, t_interval
from crystallize_stats.options import share
from crystallize_stats.order import quantile
from crystallize_stats.proportions import Interval, clopper_pearson, wilson
from crystallize_stats.study import Numbers, Row, Study, number

Method = Literal["t", "bca", "wilson", "clopper-pearson", "quantile"]
KEYS = ("condition", "metric", "n", "estimate", "lower", "upper", "method", "note")


class Estimate:
    """What each metric is, with an interval.

    A row has ``condition``, the factors, ``metric``, ``n``, ``estimate``, ``lower``, ``upper``,
    ``method`` and ``note``.  Missing values do not count; nor do infinite ones, which the note
    says, but for quantiles, which take them.

    Parameters
    ----------
    method : {"t", "bca", "wilson", "clopper-pearson", "quantile"}, optional
        ``"t"`` and ``"bca"`` for means, ``"wilson"`` and ``"clopper-pearson"`` for proportions,
        of a metric that is a yes or no (a boolean, or 0 and 1 alone).  Default: ``"wilson"``
        for those, ``"t"`` for other numbers.
    metrics : sequence of str, optional
        Default: all that hold numbers, and for the methods of proportions all that are a yes
        or no.
    alpha : float
        1 - the confidence of the intervals.
    probability : float
        Which quantile; the median by default.

    References
    ----------
    See :mod:`crystallize_stats.means`, :mod:`crystallize_stats.proportions` and
    :mod:`crystallize_stats.order`.
    """

    def __init__(
        self,
        method: Method | None = None,
        metrics: Sequence[str] | None = None,
        alpha: float = 0.05,
        probability: float = 0.5,
    ) -> None:
        self._method = method
        self._metrics = metrics
        self._alpha = share("alpha", alpha)
        self._probability = share("probability", probability)

    @hookimpl
    def extend_result(self, result: Result) -> dict[str, list[Row]]:
        """The section."""
        study = Study(result, "estimate")
        with np.errstate(all="ignore"):  # what is not finite is None in a row
            return {"estimate": list(self._rows(study))}

    def _rows(self, study: Study) -> Iterator[Row]:
        methods = self._methods(study)
        for condition in study.conditions:
            for metric, method in methods.items():
                values = study.numbers(condition, metric, "metrics")
                yield {
                    "condition": condition,
                    **study.labels(condition, KEYS),
                    "metric": metric,
                    **self._estimated(values, method, seed_for(study.root, condition, metric)),
                }

    def _methods(self, study: Study) -> dict[str, Method]:
        """The method for each metric."""
        methods: dict[str, Method] = {}
        for metric in study.chosen(self._metrics):
            is_yes_no = study.is_yes_no(metric)
            method = self._method or ("wilson" if is_yes_no else "t")
            if method in ("wilson", "clopper-pearson") and not is_yes_no:
                if self._metrics is None or study.is_empty(metric):
                    continue
                raise InvalidValueError(
                    "estimate.metrics", metric, f"a yes or no (0 or 1), as {method!r} takes"
                )
            methods[metric] = method
        return methods

    def _estimated(self, values: Numbers, method: Method, seed: np.random.SeedSequence) -> Row:
        values = values[~np.isnan(values)]
        note = None
        if method != "quantile":
            infinite = int(np.isinf(values).sum())
            values = values[np.isfinite(values)]
            note = f"{infinite} infinite left out" if infinite else None
        estimate: float | None
        if method == "quantile":
            estimate, *bounds = quantile(values, self._probability, self._alpha)
            interval = Interval(*bounds)
        else:
            estimate = number(np.mean(values)) if len(values) else None
            interval = self._interval(values, method, seed)
        return {
            "n": len(values),
            "estimate": estimate,
            "lower": interval.lower,
            "upper": interval.upper,
            "method": method,
            "note": note,
        }

    def _interval(self, values: Numbers, method: Method, seed: np.random.SeedSequence) -> Interval:
        if method == "t":
            return t_interval(values, self._alpha)
        if method == "bca":
            return bca_interval(values, self._alpha, seed)
        way = wilson if method == "wilson" else clopper_pearson
        return way(int(values.sum()), len(values), self._alpha)
