"""What has landed, in whichever order, as pages in index order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from crystallize.cells.outcome import CellError
from crystallize.cells.page import Page, page_stop
from crystallize.cells.table import Table
from crystallize.cells.window import Window
from crystallize.description.seeding import Seeding


class Pages:
    """Gives each page once, when all of its cells are there.

    Parameters
    ----------
    tables : mapping of str to Table or Window
        Condition -> its cells, which land meanwhile.
    errors : mapping of (str, int) to CellError
        The errors of cells that failed for good, which come meanwhile.
    seeding : Seeding
        What gives the replicates their seeds.
    """

    def __init__(
        self,
        tables: Mapping[str, Table | Window],
        errors: Mapping[tuple[str, int], CellError],
        seeding: Seeding,
    ) -> None:
        self._tables = tables
        self._errors = errors
        self._stops = {name: table.size for name, table in tables.items()}
        # By what there could be at first: no page has other bounds because a condition ended.
        self._replicates = max(self._stops.values())
        self._seeding = seeding
        self._start = 0
        self._waiting = list(tables)  # for a cell that was there stays there

    def end(self, condition: str, replicates: int) -> None:
        """Learn that a condition has so many replicates and no more."""
        self._stops[condition] = min(replicates, self._stops[condition])
        self._waiting = self._going_on()

    def next_page(self) -> Page | None:
        """The next page, if it is complete."""
        start, names = self._start, self._going_on()
        if not names:
            return None
        stop = page_stop(start, self._replicates)
        while self._waiting:
            name = self._waiting[-1]
            if not self._is_complete(name, start, min(stop, self._stops[name])):
                return None
            self._waiting.pop()
        self._start = stop
        self._waiting = self._going_on()
        parts = self._parts(names, start, stop)
        return Page(
            tables=parts,
            errors=self._failed(parts),
            root=self._seeding.root,
            seed_rule=self._seeding.rule,
            stream_keys=self._seeding.keys,
            start=start,
            stop=stop,
        )

    def rest(self, starts: Iterable[int]) -> Iterator[dict[str, Table]]:
        """What there is of pages that were not complete when a run ended, in index order.

        Parameters
        ----------
        starts : iterable of int
            The pages of which there is anything, by their first replicates.
        """
        for start in sorted(start for start in starts if start >= self._start):
            self._start = start
            stop = page_stop(start, self._replicates)
            yield self._parts(self._going_on(), start, stop)
            self._start = stop
        self._start = self._replicates

    def _parts(self, names: Iterable[str], start: int, stop: int) -> dict[str, Table]:
        return {
            name: self._tables[name].taken(start, min(stop, self._stops[name])) for name in names
        }

    def _going_on(self) -> list[str]:
        """The conditions that have replicates from here on."""
        return [name for name, stop in self._stops.items() if stop > self._start]

    def _failed(self, parts: Mapping[str, Table]) -> list[CellError]:
        """The errors in parts of tables, in replicate order."""
        if not self._errors:  # as nearly always
            return []
        failed = [
            (place, order, self._errors[name, part.start + place])
            for order, (name, part) in enumerate(parts.items())
            for place in np.flatnonzero(~part.done).tolist()
        ]
        return [error for *_, error in sorted(failed, key=lambda item: item[:2])]

    def _is_complete(self, condition: str, start: int, stop: int) -> bool:
        done = self._tables[condition].done_in(start, stop)
        return bool(done.all()) or all(
            (condition, start + place) in self._errors for place in np.flatnonzero(~done).tolist()
        )
