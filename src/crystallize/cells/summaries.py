"""Statistics of all metrics of a condition, page after page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.durations import DurationSummary
from crystallize.cells.statistics import Kept, MetricStatistics, Statistics
from crystallize.cells.table import Table
from crystallize.cells.warned import WarningCounts, WarningRecord

Values = npt.NDArray[Any] | Sequence[Any]
Place = tuple[int, ...]
"""Where an element is in an array; empty for a value of its own."""
ITSELF: Place = ()


class ConditionSummary:
    """Statistics of the metrics of one condition, in the order in which they came.

    Parameters
    ----------
    by_element : callable
        Whether the arrays of a metric are summarised element by element.
    kept : {"bits", "values", "nothing"}
        From what quantiles are to be read.
    finished : int
    metrics : dict, optional
        What there is already.

    Attributes
    ----------
    finished : int
        How many cells have metrics.
    metrics : dict
        Metric -> where in an array, or nowhere -> its statistics.
    warned : WarningCounts
    durations : DurationSummary
    """

    def __init__(
        self,
        by_element: Callable[[str], bool],
        kept: Kept = "bits",
        *,
        finished: int = 0,
        metrics: dict[str, dict[Place, MetricStatistics]] | None = None,
    ) -> None:
        self.finished = finished
        self.metrics = {} if metrics is None else metrics
        self.warned = WarningCounts()
        self.durations = DurationSummary()
        self._by_element = by_element
        self._kept: Kept = kept

    def take(self, table: Table) -> None:
        """Take the next replicates."""
        self.finished += int(np.count_nonzero(table.done))
        if table.warned:
            self.warned.add(table.warned, table.start)
        self.durations.add(table.durations.durations())
        for name in table.names():
            self.add(name, table.columns[name].there())

    def add(self, metric: str, values: Values) -> None:
        """Take the next values of one metric."""
        places = self.metrics.setdefault(metric, {})
        parts = _elements(values) if self._by_element(metric) else ((ITSELF, values),)
        for place, part in parts:
            if place not in places:
                places[place] = MetricStatistics(kept=self._kept)
            places[place].add(part)

    def statistics(self) -> Iterator[tuple[str, Statistics]]:
        """Each metric, or each of its elements by a name like ``"x[0,2]"``, and what it is."""
        for metric, places in self.metrics.items():
            for place in sorted(places):
                found = places[place].statistics()
                if place != ITSELF:
                    yield f"{metric}[{','.join(map(str, place))}]", found
                elif len(places) == 1 or found.n or found.nan:
                    yield metric, found


class PageSummaries:
    """Statistics of all conditions, from pages in index order: all that ``keep="summary"`` keeps.

    Parameters
    ----------
    replicates : mapping of str to int
        Condition -> how many replicates it has.
    by_element : callable
        Whether the arrays of a metric are summarised element by element.

    Attributes
    ----------
    replicates : dict of str to int
    of : dict of str to ConditionSummary
    """

    def __init__(self, replicates: Mapping[str, int], by_element: Callable[[str], bool]) -> None:
        self.replicates = dict(replicates)
        self.of = {name: ConditionSummary(by_element) for name in replicates}

    def take(self, tables: Mapping[str, Table]) -> None:
        """Take the next page."""
        for name, table in tables.items():
            self.of[name].take(table)

    @property
    def finished(self) -> int:
        """How many cells have metrics."""
        return sum(summary.finished for summary in self.of.values())

    def warnings(self) -> list[WarningRecord]:
        """What cells warned of, in the order of the first replicates that did."""
        found = [
            record for name, summary in self.of.items() for record in summary.warned.records(name)
        ]
        return sorted(found, key=lambda record: record.replicate)


def _elements(values: Values) -> Iterator[tuple[Place, Values]]:
    """The values, or elements of arrays, by where in an array they are."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        if values.ndim == 1:
            yield ITSELF, values
            return
        flat = values.reshape(len(values), -1)
        for column, place in enumerate(product(*map(range, values.shape[1:]))):
            yield place, flat[:, column]
        return
    found: dict[Place, list[Any]] = {}
    for value in values:
        if isinstance(value, (np.ndarray, list, tuple)):
            array = np.asarray(value, dtype=object)
            for place in product(*map(range, array.shape)):
                item = array[place]
                own = item.item() if isinstance(item, np.generic) else item
                found.setdefault(place, []).append(own)
        else:
            found.setdefault(ITSELF, []).append(value)
    yield from found.items()
