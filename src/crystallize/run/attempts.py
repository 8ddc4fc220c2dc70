"""The attempts of a run: numbered cell by cell, kept, and handed on to the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import nan

from crystallize.cells.attempts import MOST_KEPT, Attempt, Attempts, Recorded
from crystallize.cells.block import Block, Failure, Row
from crystallize.description.spec import ExperimentSpec

Cell = tuple[int, int]
"""The index of the condition, and the replicate."""


class AttemptBook:
    """Keeps what attempts came to that failed or recorded something.

    A run that keeps no values keeps the first 10,000 by replicate; the store has them all.

    Parameters
    ----------
    experiment : ExperimentSpec
    """

    def __init__(self, experiment: ExperimentSpec) -> None:
        self._names = tuple(experiment.conditions)
        most = MOST_KEPT if experiment.keep == "summary" else None
        self._kept = Attempts(self._names, most)
        self._new: list[Attempt] = []
        self._failed: dict[Cell, int] = {}  # how many attempts, of cells that have no outcome

    def found(self, attempts: Iterable[Attempt]) -> None:
        """Take those that were in the store."""
        places = {name: place for place, name in enumerate(self._names)}
        for attempt in attempts:
            self._kept.add(attempt)
            cell = places[attempt.condition], attempt.replicate
            self._failed[cell] = max(self._failed.get(cell, 0), attempt.attempt)

    def of_block(self, block: Block) -> None:
        """Take those of a block that landed."""
        if not block.failures and block.recorded is None:
            return
        failures = {failure.offset: failure for failure in block.failures}
        recorded = block.recorded or {}
        seconds = None if block.durations is None else block.durations.values()
        for offset in sorted({*failures, *recorded}):
            self.add(
                (block.condition, block.start + offset),
                nan if seconds is None else float(seconds[offset]),
                failures.get(offset),
                recorded.get(offset),
            )

    def of_row(self, row: Row) -> None:
        """Take that of a cell that landed alone, if it recorded something."""
        if row.recorded:
            self.add((row.task.condition, row.task.start), row.seconds, None, row.recorded)

    def add(
        self, cell: Cell, seconds: float, failure: Failure | None, recorded: Recorded | None = None
    ) -> None:
        """Take one."""
        condition, replicate = cell
        number = self._failed.get(cell, 0) + 1
        if failure is not None:
            self._failed[cell] = number
        attempt = Attempt(
            self._names[condition],
            replicate,
            number,
            seconds,
            None if failure is None else failure.type,
            None if failure is None else failure.message,
            recorded or {},
        )
        self._kept.add(attempt)
        self._new.append(attempt)

    def taken(self) -> list[Attempt]:
        """Take those that came since the last time, for the store."""
        new, self._new = self._new, []
        return new

    def within(self, stops: Mapping[str, int]) -> list[Attempt]:
        """Those of the replicates below these, by replicate, condition and number."""
        return [one for one in self._kept.in_order() if one.replicate < stops[one.condition]]


def recorded_of(value: object) -> Recorded | None:
    """What a single cell recorded that came too late, if it came at all."""
    if isinstance(value, Row):
        return value.recorded
    if isinstance(value, Block) and value.recorded is not None and len(value) == 1:
        return value.recorded.get(0)
    return None
