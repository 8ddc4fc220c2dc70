"""What cells came to: metrics or errors, kept as columns, read one by one or as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.experiments.columns import Column, Values


@dataclass(frozen=True, slots=True)
class CellError:
    """Why a cell has no metrics; data only, whatever the exception was.

    Attributes
    ----------
    condition : str
    replicate : int
    seed : int
        The replicate's seed, to reproduce it by hand.
    type : str
        The name of the exception's class.
    message : str
        The exception's text.
    traceback : str
        The formatted traceback, from the function on.
    attempts : int
        How often the cell was tried.
    """

    condition: str
    replicate: int
    seed: int
    type: str
    message: str
    traceback: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one cell came to.

    Attributes
    ----------
    condition : str
    replicate : int
    metrics : dict or None
        Metric name -> value, or ``None`` where the cell failed.
    error : CellError or None
    """

    condition: str
    replicate: int
    metrics: dict[str, Any] | None
    error: CellError | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception in a cell as it travels from a worker."""

    offset: int
    type: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class BlockColumn:
    """One metric of a block; `offsets` is ``None`` where every cell has a value."""

    name: str
    position: int
    offsets: npt.NDArray[np.intp] | None
    values: Values


@dataclass(slots=True)
class Block:
    """Finished cells of one condition, as columns: what a worker sends back.

    Attributes
    ----------
    condition : int
        The index of the condition.
    start, stop : int
        The first replicate, and the one after the last.
    columns : list of BlockColumn
    failures : list of Failure
    seconds : float
        How long the block took.
    touched : tuple of str
        The global random generators that changed meanwhile.
    cells : array of int or None
        Where not every cell of [start, stop) is in the block, the offsets of those
        that are.
    """

    condition: int
    start: int
    stop: int
    columns: list[BlockColumn]
    failures: list[Failure]
    seconds: float
    touched: tuple[str, ...] = ()
    cells: npt.NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return self.stop - self.start if self.cells is None else len(self.cells)

    def replicates(self) -> Iterable[int]:
        """The replicates that are in it."""
        if self.cells is None:
            return range(self.start, self.stop)
        return (self.start + self.cells).tolist()  # type: ignore[no-any-return]


class Table:
    """The cells of one condition, from replicate `start` on.

    Attributes
    ----------
    done : array of bool
        Which cells have metrics.
    columns : dict of str to Column
    """

    def __init__(self, start: int, size: int) -> None:
        self.start = start
        self.size = size
        self.done: npt.NDArray[np.bool_] = np.zeros(size, dtype=np.bool_)
        self.columns: dict[str, Column] = {}

    def add(self, block: Block) -> None:
        """Keep a block's metrics."""
        first = block.start - self.start
        for part in block.columns:
            if part.name not in self.columns:  # before its cells are done: it lacks the others
                self.columns[part.name] = Column(self.done)
        cells: slice | npt.NDArray[np.intp] = slice(first, block.stop - self.start)
        if block.cells is not None:
            cells = first + block.cells
        self.done[cells] = True
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

    def truncate(self, size: int) -> None:
        """Forget the replicates from `size` on."""
        self.size = size
        self.done = self.done[:size]
        for name, column in list(self.columns.items()):
            column.truncate(self.done)
            if not column.present.any():
                del self.columns[name]

    def names(self) -> list[str]:
        """The metrics, in the order in which a serial run would meet them."""
        return sorted(self.columns, key=lambda name: self.columns[name].rank)

    def row(self, replicate: int) -> dict[str, Any] | None:
        """One cell's metrics, or ``None`` where it has none."""
        place = replicate - self.start
        if not self.done[place]:
            return None
        present = [name for name in self.names() if self.columns[name].has(place)]
        return {name: self.columns[name][place] for name in present}


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
    """

    tables: Mapping[str, Table]
    errors: Sequence[CellError]
    root: int
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        finished = sum(int(table.done.sum()) for table in self.tables.values())
        return finished + len(self.errors)

    def __iter__(self) -> Iterator[Outcome]:
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
        """
        arrays = {
            condition: {name: table.columns[name].finished() for name in table.names()}
            for condition, table in self.tables.items()
        }
        everywhere = list(dict.fromkeys(name for metrics in arrays.values() for name in metrics))
        for condition, table in self.tables.items():
            if not table.done.any():
                arrays[condition] = {name: np.full(table.size, np.nan) for name in everywhere}
        return arrays
