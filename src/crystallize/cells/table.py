"""The cells of one condition, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.block import Block
from crystallize.cells.column import EXACT_IN_FLOAT, Column
from crystallize.cells.durations import DurationColumn
from crystallize.cells.warned import WarnedCells


class Table:
    """The cells of one condition, from replicate `start` on.

    Attributes
    ----------
    done : array of bool
        Which cells have metrics.
    columns : dict of str to Column
    warned : WarnedCells
    durations : DurationColumn
    """

    def __init__(self, start: int, size: int) -> None:
        self.start = start
        self.size = size
        self.done: npt.NDArray[np.bool_] = np.zeros(size, dtype=np.bool_)
        self.columns: dict[str, Column] = {}
        self.warned = WarnedCells(size)
        self.durations = DurationColumn(size)

    @classmethod
    def of(cls, start: int, stop: int) -> Table:
        """An empty one of the replicates [start, stop)."""
        return cls(start, stop - start)

    def add(self, block: Block) -> None:
        """Keep a block's metrics."""
        if not self.columns and block.is_plain and len(block) == self.size:
            self._fill(block)
            return
        first = block.start - self.start
        for part in block.columns:
            if part.name not in self.columns:  # before its cells are done: it lacks the others
                self.columns[part.name] = Column(self.done)
        cells: slice | npt.NDArray[np.intp] = slice(first, block.stop - self.start)
        if block.cells is not None:
            cells = first + block.cells
        self.done[cells] = True
        if block.warned is not None or self.warned:
            self.warned.add(cells, first, block.warned)
        if block.durations is not None:
            self.durations.add(cells, block.durations)
        for failure in block.failures:
            self.done[first + failure.offset] = False
        finished = len(block) - len(block.failures)
        if finished:
            whole = [part.name for part in block.columns if len(part.values) == finished]
            for name, column in self.columns.items():
                if name not in whole:
                    column.lack(cells)
        for part in block.columns:
            self.columns[part.name].add(first, part.offsets, part.values, part.position)

    def _fill(self, block: Block) -> None:
        """Keep all cells that there are, at once."""
        self.done[:] = True
        if self.warned:
            self.warned.add(slice(0, self.size), 0, None)
        if block.durations is not None:
            self.durations.add(slice(0, self.size), block.durations)
        self.columns = {
            part.name: Column.filled(self.done, part.values, (0, part.position))
            for part in block.columns
        }

    def part(self, start: int, stop: int) -> Table:
        """A copy of the replicates [start, stop), which no later block changes."""
        part = Table(start, stop - start)
        places = slice(start - self.start, stop - self.start)
        part.done = self.done[places].copy()
        part.warned = self.warned.part(places)
        part.durations = self.durations.part(places)
        for name, column in self.columns.items():
            copied = column.part(places, part.done)
            if copied.present.any():
                part.columns[name] = copied
        return part

    @property
    def has_any(self) -> bool:
        """Whether any cell has metrics."""
        return bool(self.done.any())

    @property
    def last(self) -> int:
        """The last replicate that has metrics; -1 where none has."""
        done = np.flatnonzero(self.done)
        return self.start + int(done[-1]) if len(done) else -1

    def done_in(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        """Which cells of the replicates [start, stop) have metrics."""
        return self.done[start - self.start : stop - self.start]

    def taken(self, start: int, stop: int) -> Table:
        """The replicates [start, stop) as a page has them."""
        return self.part(start, stop)

    def forget_unused(self) -> None:
        """Forget metrics that no cell has any more, since a later block replaced those that had."""
        for name in [name for name, column in self.columns.items() if not column.present.any()]:
            del self.columns[name]

    def names(self) -> list[str]:
        """The metrics, in the order in which a serial run would meet them."""
        return sorted(self.columns, key=lambda name: self.columns[name].rank)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Metric -> array, as :meth:`Column.finished` gives it."""
        return {name: self.columns[name].finished() for name in self.names()}

    def row(self, replicate: int) -> dict[str, Any] | None:
        """One cell's metrics, or ``None`` where it has none."""
        place = replicate - self.start
        if not self.done[place]:
            return None
        present = [name for name in self.names() if self.columns[name].has(place)]
        return {name: self.columns[name][place] for name in present}

    def single_numbers(self) -> list[tuple[str, float]] | None:
        """The metrics of its cell, if it has one, and in it finite numbers alone."""
        metrics = self.row(self.start) if self.size == 1 else None
        if metrics is None:
            return None
        are_numbers = all(
            isfinite(value)
            if isinstance(value, float)
            else isinstance(value, int) and abs(value) <= EXACT_IN_FLOAT
            for value in metrics.values()
        )
        return [(name, float(value)) for name, value in metrics.items()] if are_numbers else None

    def missing(self, failed: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The ranges [start, stop) of places that have neither metrics nor an error.

        Parameters
        ----------
        failed : sequence of int
            The places that have an error.
        """
        if not failed and not self.done.any():  # and no array as long as the run is made
            yield 0, self.size
            return
        if self.done.all():
            return
        over = self.done.copy()
        over[failed] = True
        edges = np.flatnonzero(np.diff(np.concatenate(([True], over, [True])).astype(np.int8)))
        yield from map(tuple, edges.reshape(-1, 2).tolist())
