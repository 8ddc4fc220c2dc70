"""The section ``quantiles``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from crystallize import Result, hookimpl
from crystallize_stats.options import share
from crystallize_stats.order import quantile
from crystallize_stats.study import Row, Study

KEYS = ("condition", "metric", "probability", "value", "lower", "upper", "n")


class Quantiles:
    """Quantiles of every metric, with intervals from order statistics.

    A row has ``condition``, the factors, ``metric``, ``probability``, ``value``, ``lower``,
    ``upper`` and ``n``.  Infinite values count, missing ones do not.

    Parameters
    ----------
    probabilities : sequence of float
        Between 0 and 1.
    metrics : sequence of str, optional
        Default: all that hold numbers, but for those that are a yes or no.
    alpha : float
        1 - the confidence of the intervals.

    References
    ----------
    See :func:`crystallize_stats.order.quantile`.
    """

    def __init__(
        self,
        probabilities: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
        metrics: Sequence[str] | None = None,
        alpha: float = 0.05,
    ) -> None:
        self._probabilities = [
            share(f"probabilities[{i}]", value) for i, value in enumerate(probabilities)
        ]
        self._metrics = metrics
        self._alpha = share("alpha", alpha)

    @hookimpl
    def extend_result(self, result: Result) -> dict[str, list[Row]]:
        """The section."""
        study = Study(result, "quantiles")
        with np.errstate(all="ignore"):  # infinities are values here
            return {"quantiles": list(self._rows(study))}

    def _rows(self, study: Study) -> Iterator[Row]:
        metrics = study.chosen(self._metrics)
        if self._metrics is None:
            metrics = [metric for metric in metrics if not study.is_yes_no(metric)]
        for condition in study.conditions:
            for metric in metrics:
                values = study.numbers(condition, metric, "metrics")
                values = values[~np.isnan(values)]
                for probability in self._probabilities:
                    found = quantile(values, probability, self._alpha)
                    yield {
                        "condition": condition,
                        **study.labels(condition, KEYS),
                        "metric": metric,
                        "probability": probability,
                        **found._asdict(),
                        "n": len(values),
                    }
