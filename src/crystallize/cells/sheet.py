"""What a trip comes to: the cells of neighbouring conditions, as one long block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.block import Block, BlockColumn, Failure
from crystallize.cells.column import packed
from crystallize.cells.durations import Durations
from crystallize.cells.warned import Notices, Warned


@dataclass(slots=True)
class Sheet:
    """Cells of conditions one after another, all cells of the first before those of the second.

    Attributes
    ----------
    condition : int
        The index of the first condition.
    start, stop : int
        The replicates [start, stop) of each; of the last there may be fewer.
    cells : Block
        Of which cell `k` is replicate ``start + k % width`` of condition
        ``condition + k // width``.
    touched, changed
        As those of a block, for all of it.
    """

    condition: int
    start: int
    stop: int
    cells: Block
    touched: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def stamp(self) -> str:
        """Which run's call made it."""
        return self.cells.stamp

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def width(self) -> int:
        """How many cells each condition has."""
        return self.stop - self.start

    @property
    def conditions(self) -> int:
        """Of how many conditions there are cells."""
        return -(-len(self) // self.width) if len(self) else 0

    def seconds_of_last(self, cells: int) -> float:
        """How long so many cells took, the last ones."""
        durations = self.cells.durations
        if durations is None:
            return self.cells.seconds * cells / len(self)
        last = durations.between(len(self) - cells, len(self))
        return sum(count * seconds for count, seconds in zip(*last, strict=True))

    def cells_of(self, place: int) -> int:
        """How many cells there are of one condition, by how far it is from the first."""
        return min(self.width, len(self) - place * self.width)

    @property
    def arrays(self) -> list[tuple[str, npt.NDArray[Any]]] | None:
        """Metric and values of all cells, one after another; ``None`` where some are no array."""
        found = []
        for column in self.cells.columns:
            if isinstance(column.values, list):
                return None
            found.append((column.name, column.values))
        return found

    def single_numbers(self) -> list[tuple[str, npt.NDArray[np.float64]]] | None:
        """Metric -> its number under each condition, if each has one cell and finite numbers."""
        arrays = self.arrays
        if self.start or self.width != 1 or arrays is None:
            return None
        if not all(values.dtype.kind in "biuf" and values.ndim == 1 for _, values in arrays):
            return None
        numbers = [(name, values.astype(np.float64)) for name, values in arrays]
        return numbers if all(bool(np.isfinite(own).all()) for _, own in numbers) else None

    def block(self, place: int) -> Block:
        """The cells of one condition of a plain sheet, by how far it is from the first."""
        first = place * self.width
        last = first + self.cells_of(place)
        columns = [_repacked(column.between(first, last)) for column in self.cells.columns]
        durations = self.cells.durations and self.cells.durations.between(first, last)
        return self._block(place, last - first, columns, durations=durations)

    def blocks(self) -> Iterator[Block]:
        """A block for each condition, as it would be had it been run alone."""
        width, count = self.width, self.conditions
        columns: list[list[BlockColumn]] = [[] for _ in range(count)]
        for column in self.cells.columns:
            for place, part in self._cut(column):
                columns[place].append(part)
        failures: list[list[Failure]] = [[] for _ in range(count)]
        for failure in self.cells.failures:
            place, offset = divmod(failure.offset, width)
            failures[place].append(replace(failure, offset=offset))
        warned = self._warned()
        durations = self.cells.durations
        cut = repeat(None) if durations is None else durations.cut(width)
        for place, took in zip(range(count), cut, strict=False):
            cells = self.cells_of(place)
            own = Warned.of(warned.get(place, {}))
            yield self._block(place, cells, columns[place], failures[place], own, took)

    def _block(
        self,
        place: int,
        cells: int,
        columns: list[BlockColumn],
        failures: list[Failure] | None = None,
        warned: Warned | None = None,
        durations: Durations | None = None,
    ) -> Block:
        return Block(
            self.condition + place, self.start, self.start + cells, columns, failures or [],
            self.cells.seconds * cells / len(self), warned=warned, durations=durations,
        )  # fmt: skip

    def _cut(self, column: BlockColumn) -> Iterator[tuple[int, BlockColumn]]:
        """What each condition has of a column, for those that have anything of it."""
        width = self.width
        if column.offsets is None:
            for place in range(self.conditions):
                yield place, _repacked(column.between(place * width, (place + 1) * width))
            return
        places = column.offsets // width
        edges = np.flatnonzero(np.diff(places, prepend=-1, append=-1)).tolist()
        for first, last in pairwise(edges):
            place = int(places[first])
            offsets = column.offsets[first:last] - place * width
            cells = self.cells_of(place)
            own = None if len(offsets) == cells else offsets
            yield place, _repacked(replace(column, offsets=own, values=column.values[first:last]))

    def _warned(self) -> dict[int, dict[int, Notices]]:
        """How far a condition is from the first -> offset of a cell -> what it warned of."""
        found: dict[int, dict[int, Notices]] = {}
        warned = self.cells.warned
        if warned is not None:
            for cell, which in zip(warned.offsets.tolist(), warned.which.tolist(), strict=True):
                place, offset = divmod(cell, self.width)
                found.setdefault(place, {})[offset] = warned.kinds[which]
        return found


def _repacked(column: BlockColumn) -> BlockColumn:
    """Values that were no array beside those of other conditions may be one by themselves."""
    if isinstance(column.values, list):
        return replace(column, values=packed(column.values))
    return column
