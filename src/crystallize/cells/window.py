"""The cells of one condition that landed and that no page had yet: all that a run holds of them."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import numpy.typing as npt

from crystallize.cells.block import Block
from crystallize.cells.page import PageBounds, page_stop
from crystallize.cells.table import Table


class Window:
    """A table for each page that is not taken yet, and of which there are cells.

    It stands where a :class:`Table` of all cells does in a run that keeps values.

    Parameters
    ----------
    size : int
        How many replicates the condition has.
    bounds : PageBounds
        Those of the experiment.
    found : callable
        The cells that there were of a page before the run, ``found(start, stop)``.
    last : int
        The last of these that has metrics.

    Attributes
    ----------
    last : int
        The last replicate that has metrics, of pages that were taken too; -1 where none has.
    """

    def __init__(
        self,
        size: int,
        bounds: PageBounds,
        found: Callable[[int, int], Table] = Table.of,
        last: int = -1,
    ) -> None:
        self.size = size
        self.last = last
        self._bounds = bounds
        self._found = found
        self._tables: dict[int, Table] = {}

    @property
    def has_any(self) -> bool:
        """Whether any cell has, or had, metrics."""
        return self.last >= 0

    @property
    def starts(self) -> Collection[int]:
        """The first replicates of the pages of which something is held."""
        return self._tables

    def add(self, block: Block) -> None:
        """Keep a block's metrics until the pages that it is of are taken."""
        self.last = max(self.last, block.last)
        for start, stop in self._bounds.around(block.start, block.stop):
            self._table(start).add(block.between(start, stop))

    def done_in(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        """Which cells of a page, or of a part of one, have metrics."""
        return self._table(self._page_of(start)).done_in(start, stop)

    def taken(self, start: int, stop: int) -> Table:
        """A page, or a part of one, which is let go: nobody has it any more but who asked."""
        page = self._page_of(start)
        table = self._table(page)
        del self._tables[page]
        if table.start < start:
            return table.part(start, stop)
        return table if table.size == stop - start else table.part(start, stop)

    def _page_of(self, replicate: int) -> int:
        """Where the page of a replicate begins."""
        if replicate in self._tables:  # as nearly always: it is the first of one
            return replicate
        return next(self._bounds.around(replicate, replicate + 1))[0]

    def _table(self, start: int) -> Table:
        if start not in self._tables:
            stop = page_stop(start, self._bounds.replicates)
            self._tables[start] = self._found(start, min(stop, self.size))
        return self._tables[start]
