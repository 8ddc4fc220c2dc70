"""Outcomes of a run, read one by one or as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.attempts import Attempt
from crystallize.cells.condition_tables import ConditionTables
from crystallize.cells.durations import DurationColumn
from crystallize.cells.outcome import CellError, Outcome
from crystallize.cells.summaries import PageSummaries
from crystallize.cells.table import Table
from crystallize.cells.warned import WarningRecord
from crystallize.errors import ValuesNotKeptError


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of a run: a batch that just landed, or all of them.

    Iterating gives each :class:`Outcome`, replicate by replicate; for anything
    that is done to many, the arrays are the quick way.

    Attributes
    ----------
    tables : dict of str to Table
        Condition -> its cells.
    errors : sequence of CellError
        In replicate order.
    root : int
        The root seed.
    provenance : dict
        Where the outcomes come from; empty in a batch.
    seed_rule : str
        How seeds follow from the root; see :class:`crystallize.Experiment`.
    stream_keys : dict
        Condition -> the key of its streams, of those that have their own.
    summaries : PageSummaries or None
        What there is instead of tables of all outcomes of a run that keeps no values,
        ``keep="summary"``.
    attempts : sequence of Attempt
        Those that failed or recorded something, by replicate, condition and number; none in
        a batch.
    """

    tables: Mapping[str, Table]
    errors: Sequence[CellError]
    root: int
    provenance: Mapping[str, Any] = field(default_factory=dict)
    seed_rule: str = "numpy"
    stream_keys: Mapping[str, int] = field(default_factory=dict)
    summaries: PageSummaries | None = None
    attempts: Sequence[Attempt] = ()

    def __len__(self) -> int:
        if self.summaries is not None:
            return self.summaries.finished + len(self.errors)
        return self._cells.finished + len(self.errors)

    @cached_property
    def _cells(self) -> ConditionTables:
        tables = self.tables
        return tables if isinstance(tables, ConditionTables) else ConditionTables.of(tables)

    @property
    def replicates(self) -> dict[str, int]:
        """Condition -> how many replicates there are of it."""
        return self._cells.sizes

    def __iter__(self) -> Iterator[Outcome]:
        self._refuse_without("outcomes")
        errors = {(error.condition, error.replicate): error for error in self.errors}
        first = min((table.start for table in self.tables.values()), default=0)
        last = max((table.start + table.size for table in self.tables.values()), default=0)
        for replicate in range(first, last):
            for condition, table in self.tables.items():
                if not table.start <= replicate < table.start + table.size:
                    continue
                metrics = table.row(replicate)
                error = errors.get((condition, replicate))
                if metrics is not None or error is not None:
                    yield Outcome(condition, replicate, metrics, error)

    def metrics(self) -> dict[str, dict[str, npt.NDArray[Any]]]:
        """Condition -> metric -> array, position = replicate, NaN or ``None`` where missing.

        A condition of which no cell finished has the metrics of the others, all
        missing, so that conditions stay comparable.

        Raises
        ------
        ValuesNotKeptError
            If the run keeps none.
        """
        self._refuse_without("metrics")
        arrays = self._cells.arrays()
        everywhere = list(dict.fromkeys(name for metrics in arrays.values() for name in metrics))
        for condition, size in self.replicates.items():
            if not arrays[condition] and not self.tables[condition].has_any:
                arrays[condition] = {name: np.full(size, np.nan) for name in everywhere}
        return arrays

    def done(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Condition -> which cells have metrics.

        Raises
        ------
        ValuesNotKeptError
            If the run keeps none.
        """
        self._refuse_without("flags of single cells")
        return self._cells.done()

    def durations(self) -> dict[str, DurationColumn]:
        """Condition -> how long its cells took."""
        return {condition: table.durations for condition, table in self.tables.items()}

    def warnings(self) -> list[WarningRecord]:
        """What cells warned of, in the order of the first replicates that did.

        Of one replicate those of the first condition come first.
        """
        if self.summaries is not None:
            return self.summaries.warnings()
        found = [
            record
            for condition, table in self._cells.made()
            if table.warned
            for record in table.warned.records(condition, table.start)
        ]
        return sorted(found, key=lambda record: record.replicate)

    def _refuse_without(self, what: str) -> None:
        if self.summaries is not None:
            store = self.provenance.get("store")
            raise ValuesNotKeptError(what, store and store["path"])
