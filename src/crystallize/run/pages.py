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
    parts : mapping of str to (int, int)
        Condition -> the range [start, stop) of its replicates that is run.  A page of which a
        run has a part has the bounds that it has in a run of all.
    """

    def __init__(
        self,
        tables: Mapping[str, Table | Window],
        errors: Mapping[tuple[str, int], CellError],
        seeding: Seeding,
        parts: Mapping[str, tuple[int, int]],
    ) -> None:
        self._tables = tables
        self._errors = errors
        self._firsts = {name: first for name, (first, _) in parts.items()}
        self._stops = {name: stop for name, (_, stop) in parts.items()}
        # By what there could be at first: no page has other bounds because a condition ended.
        self._replicates = max(table.size for table in tables.values())
        self._seeding = seeding
        self._start = 0
        self._waiting: list[str] = []  # for a cell that was there stays there
        self._turn_to(0)

    def end(self, condition: str, replicates: int) -> None:
        """Learn that a condition has so many replicates and no more."""
        self._stops[condition] = min(replicates, self._stops[condition])
        self._waiting = self._of_page(self._start, page_stop(self._start, self._replicates))

    def next_page(self) -> Page | None:
        """The next page, if it is complete."""
        start = self._start
        stop = page_stop(start, self._replicates)
        names = self._of_page(start, stop)
        if not names:
            return None
        while self._waiting:
            name = self._waiting[-1]
            if not self._is_complete(name, *self._part(name, start, stop)):
                return None
            self._waiting.pop()
        self._turn_to(stop)
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
            stop = page_stop(start, self._replicates)
            yield self._parts(self._of_page(start, stop), start, stop)
        self._turn_to(self._replicates)

    def _parts(self, names: Iterable[str], start: int, stop: int) -> dict[str, Table]:
        return {name: self._tables[name].taken(*self._part(name, start, stop)) for name in names}

    def _part(self, condition: str, start: int, stop: int) -> tuple[int, int]:
        """What a condition has of a page."""
        return max(start, self._firsts[condition]), min(stop, self._stops[condition])

    def _of_page(self, start: int, stop: int) -> list[str]:
        """The conditions that have replicates in a page."""
        firsts = self._firsts
        return [
            name
            for name, end in self._stops.items()
            if start < end and firsts[name] < stop and firsts[name] < end
        ]

    def _turn_to(self, start: int) -> None:
        """Go to a page, or to the next one in which there are replicates."""
        firsts = self._firsts
        left = [first for name, first in firsts.items() if max(start, first) < self._stops[name]]
        following = max(start, min(left, default=start))
        while start < (stop := page_stop(start, self._replicates)) <= following:
            start = stop
        self._start = start
        self._waiting = self._of_page(start, stop)

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
