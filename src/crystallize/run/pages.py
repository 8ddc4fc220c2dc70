"""What has landed, in whichever order, as pages in index order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from crystallize.cells.outcome import CellError
from crystallize.cells.page import Page, page_stop
from crystallize.cells.table import Table
from crystallize.description.seeding import Seeding


class Pages:
    """Gives each page once, when all of its cells are there.

    Parameters
    ----------
    tables : mapping of str to Table
        Condition -> its cells, which land meanwhile.
    errors : mapping of (str, int) to CellError
        The errors of cells that failed for good, which come meanwhile.
    replicates : int
    seeding : Seeding
        What gives the replicates their seeds.
    """

    def __init__(
        self,
        tables: Mapping[str, Table],
        errors: Mapping[tuple[str, int], CellError],
        replicates: int,
        seeding: Seeding,
    ) -> None:
        self._tables = tables
        self._errors = errors
        self._replicates = replicates
        self._seeding = seeding
        self._start = 0
        self._waiting = list(tables)  # for a cell that was there stays there

    def next_page(self) -> Page | None:
        """The next page, if it is complete."""
        start = self._start
        if start == self._replicates:
            return None
        stop = page_stop(start, self._replicates)
        while self._waiting:
            if not self._is_complete(self._waiting[-1], start, stop):
                return None
            self._waiting.pop()
        self._start, self._waiting = stop, list(self._tables)
        parts = {name: table.part(start, stop) for name, table in self._tables.items()}
        return Page(
            tables=parts,
            errors=self._failed(start, stop),
            root=self._seeding.root,
            seed_rule=self._seeding.rule,
            stream_keys=self._seeding.keys,
            start=start,
            stop=stop,
        )

    def _failed(self, start: int, stop: int) -> list[CellError]:
        """The errors of some replicates, in replicate order."""
        if not self._errors:  # as nearly always
            return []
        cells = ((name, replicate) for replicate in range(start, stop) for name in self._tables)
        return [self._errors[cell] for cell in cells if cell in self._errors]

    def _is_complete(self, condition: str, start: int, stop: int) -> bool:
        done = self._tables[condition].done[start:stop]
        return bool(done.all()) or all(
            (condition, start + place) in self._errors for place in np.flatnonzero(~done).tolist()
        )
