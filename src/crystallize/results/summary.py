"""The summary of a result: one row of statistics for each condition and metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Array
from crystallize.cells.condition_tables import Singles
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


def of_single_numbers(singles: Iterable[Singles]) -> Iterator[Summary]:
    """The statistics of finite numbers, each of which is all that there is of its metric."""
    of_one = Statistics.of_one
    for condition, metrics in singles:
        yield condition, 1, [(name, of_one(number)) for name, number in metrics]


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
    asked = [(name, share(name), EXTREMES.get(name, name)) for name in wanted.statistics]
    others = ("condition", "metric", *COUNTS, *wanted.statistics)
    columns = factor_columns(factors, set(others))
    keys = ["condition", *next(iter(columns.values()), ()), "metric", *COUNTS, *wanted.statistics]
    empty: SummaryRow = dict.fromkeys(keys)

    def row(condition: str, metric: str, statistics: Statistics) -> SummaryRow:
        made = empty.copy()  # there may be very many: one that grows takes longer
        made["condition"], made["metric"] = condition, metric
        made.update(columns[condition])
        made["n"], made["nan"] = statistics.n, statistics.nan
        made["failed"] = failed[condition] if failed else 0
        made["warnings"] = warned[condition] if warned else 0
        numbers = statistics.numbers
        if numbers is not None:
            for name, quantile, attribute in asked:
                if quantile is None:
                    made[name] = getattr(numbers, attribute)
                else:
                    made[name] = statistics.quantile(quantile)
        return made

    everywhere: dict[str, None] = {}
    rows: list[SummaryRow] = []
    unfinished: list[tuple[int, str]] = []  # with the place where its rows belong
    for condition, finished, metrics in summaries:
        if not finished:
            unfinished.append((len(rows), condition))
        elif not metrics:  # it has a row all the same, which says how many cells failed
            rows.append(row(condition, "", NO_VALUES))
        for metric, statistics in metrics:
            everywhere[metric] = None
            if finished:
                rows.append(row(condition, metric, statistics))
    # A condition of which no cell finished has a row for what the others have.
    parts, taken = [], 0
    for place, condition in unfinished:
        parts += [rows[taken:place], [row(condition, m, NO_VALUES) for m in everywhere or ("",)]]
        taken = place
    return list(chain(*parts, rows[taken:])) if unfinished else rows
