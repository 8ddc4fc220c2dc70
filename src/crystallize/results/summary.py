"""The summary of a result: one row of statistics for each condition and metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Array
from crystallize.cells.outcome import CellError
from crystallize.cells.statistics import Kept, MetricStatistics, Statistics
from crystallize.cells.summaries import ConditionSummary, PageSummaries
from crystallize.cells.warned import WarningRecord
from crystallize.description.factors import factor_columns
from crystallize.description.summarized import Summarized, share

SummaryRow = dict[str, Any]
"""Column -> a name, a count, or a number that may not exist."""

Summary = tuple[str, int, list[tuple[str, Statistics]]]
"""A condition, how many of its cells have metrics, and what these are."""

AT_ONCE = 2**16
"""How many replicates are looked at together, so that no array as long as the run is made."""
NO_VALUES = Statistics(0, 0)
COUNTS = ("n", "nan", "failed", "warnings")
EXTREMES = {"min": "least", "max": "largest"}


def of_values(
    metrics: Mapping[str, Mapping[str, Array]],
    done: Mapping[str, npt.NDArray[np.bool_]],
    wanted: Summarized,
) -> Iterator[Summary]:
    """The statistics of values that are there, condition by condition."""
    kept: Kept = "values" if wanted.has_quantiles else "nothing"
    for condition, finished in done.items():
        count = int(np.count_nonzero(finished))
        if count == len(finished) <= AT_ONCE and not wanted.elements:
            own = metrics[condition].items()
            yield condition, count, [(name, MetricStatistics.of(v, kept)) for name, v in own]
            continue
        summary = ConditionSummary(wanted.by_element, kept)
        for metric, values in metrics[condition].items() if count else ():
            for start in range(0, len(finished), AT_ONCE):
                part = slice(start, start + AT_ONCE)
                summary.add(metric, np.asarray(values[part])[finished[part]])
        yield condition, count, list(summary.statistics())


def of_pages(pages: PageSummaries) -> Iterator[Summary]:
    """The statistics that were gathered page after page."""
    for condition, summary in pages.of.items():
        yield condition, summary.finished, list(summary.statistics())


def summarize(
    summaries: Iterable[Summary],
    errors: Sequence[CellError],
    warnings: Sequence[WarningRecord],
    wanted: Summarized,
    factors: Mapping[str, Mapping[str, Any]],
) -> list[SummaryRow]:
    """See :meth:`crystallize.Result.summary`."""
    failed = Counter(error.condition for error in errors)
    warned: Counter[str] = Counter()
    for record in warnings:
        warned[record.condition] += record.count
    found = list(summaries)
    everywhere = dict.fromkeys(name for _, _, metrics in found for name, _ in metrics)
    nothing = [(name, NO_VALUES) for name in everywhere or ("",)]
    asked = [_Asked(name, share(name), EXTREMES.get(name, name)) for name in wanted.statistics]
    others = ("condition", "metric", *COUNTS, *wanted.statistics)
    columns = factor_columns(factors, set(others))
    return [
        {
            "condition": condition,
            **columns[condition],
            "metric": metric,
            "n": statistics.n,
            "nan": statistics.nan,
            "failed": failed[condition],
            "warnings": warned[condition],
            **{one.name: one.of(statistics) for one in asked},
        }
        for condition, finished, metrics in found
        # A condition of which no cell finished has a row for what the others have; one without
        # metrics has one all the same, which says how many cells failed.
        for metric, statistics in (metrics if finished else nothing) or [("", NO_VALUES)]
    ]


class _Asked(NamedTuple):
    """A statistic that is asked for: a quantile, or an attribute of numbers."""

    name: str
    share: float | None
    attribute: str

    def of(self, statistics: Statistics) -> float | None:
        """It, where it exists."""
        if self.share is not None:
            return statistics.quantile(self.share)
        if statistics.numbers is None:
            return None
        value: float | None = getattr(statistics.numbers, self.attribute)
        return value
