"""What travels from a worker to the driver: finished cells as columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crystallize.cells.attempts import Recorded
from crystallize.cells.column import Values
from crystallize.cells.durations import Durations
from crystallize.cells.metrics import MetricError, Names
from crystallize.cells.warned import Notices, Warned
from crystallize.contracts import Task


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception in a cell as it travels from a worker.

    Attributes
    ----------
    offset : int
        Which cell of its block.
    type, message, traceback : str
    refused : bool
        Whether it is what the function returned that could not be kept.
    is_final : bool
        Whether it is none of those that are tried again.
    retry_after : float
        For how many seconds the exception asks not to be tried again.
    """

    offset: int
    type: str
    message: str
    traceback: str
    refused: bool = False
    is_final: bool = False
    retry_after: float = 0.0

    @classmethod
    def of_refused(cls, offset: int, error: MetricError) -> Failure:
        """That of a cell whose function returned what cannot be kept."""
        name, message = type(error).__name__, str(error)
        return cls(offset, name, message, f"{name}: {message}\n", refused=True)


@dataclass(frozen=True, slots=True)
class BlockColumn:
    """One metric of a block; `offsets` is ``None`` where every cell has a value."""

    name: str
    position: int
    offsets: npt.NDArray[np.intp] | None
    values: Values

    @property
    def bytes_each(self) -> int:
        """What a cell's value takes in memory, as far as the first ones tell."""
        if isinstance(self.values, list):
            return 8
        return self.values.nbytes // len(self.values)

    def only(self, kept: npt.NDArray[np.bool_]) -> BlockColumn:
        """The values of some of the block's cells."""
        offsets = np.arange(len(self.values)) if self.offsets is None else self.offsets
        stays = kept[offsets]
        values = self.values
        values = list(compress(values, stays)) if isinstance(values, list) else values[stays]
        return replace(self, offsets=offsets[stays], values=values)

    def between(self, start: int, stop: int) -> BlockColumn:
        """The values at the offsets [start, stop), counted from there."""
        if self.offsets is None:
            return replace(self, values=self.values[start:stop])
        kept = (self.offsets >= start) & (self.offsets < stop)
        values = self.values
        values = list(compress(values, kept)) if isinstance(values, list) else values[kept]
        return replace(self, offsets=self.offsets[kept] - start, values=values)


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
    stamp : str
        Which run's call made it.
    changed : tuple of str
        What cells changed that others read.
    warned : Warned or None
        Which of the cells warned of what.
    logged : sequence of dict
        What they logged in another process than the driver's: the records' attributes.
    durations : Durations or None
        How long its cells took, where that is known; in their order.
    recorded : dict of int to dict, optional
        Offset -> what the cell recorded, of those that did.
    """

    condition: int
    start: int
    stop: int
    columns: list[BlockColumn]
    failures: list[Failure]
    seconds: float
    touched: tuple[str, ...] = ()
    cells: npt.NDArray[np.intp] | None = None
    stamp: str = ""
    changed: tuple[str, ...] = ()
    warned: Warned | None = None
    logged: Sequence[dict[str, Any]] = ()
    durations: Durations | None = None
    recorded: dict[int, Recorded] | None = None

    def __len__(self) -> int:
        return self.stop - self.start if self.cells is None else len(self.cells)

    @property
    def is_plain(self) -> bool:
        """Whether every cell has the same metrics, and there is nothing else to say of any."""
        return (
            self.cells is None
            and not self.failures
            and self.warned is None
            and all(column.offsets is None for column in self.columns)
        )

    @property
    def last(self) -> int:
        """The last of its replicates that has metrics; -1 where none has."""
        failed = {failure.offset for failure in self.failures}
        offsets = range(self.stop - self.start) if self.cells is None else self.cells.tolist()
        finished = (offset for offset in reversed(offsets) if offset not in failed)
        return self.start + next(finished, -1 - self.start)

    def replicates(self) -> Iterable[int]:
        """The replicates that are in it."""
        if self.cells is None:
            return range(self.start, self.stop)
        return (self.start + self.cells).tolist()  # type: ignore[no-any-return]

    def between(self, start: int, stop: int) -> Block:
        """The cells of the replicates [start, stop), as a block of its own."""
        if start <= self.start and self.stop <= stop:
            return self
        first, last = max(start - self.start, 0), min(stop, self.stop) - self.start
        cells = self.cells
        places = first, last
        if cells is not None:
            places = tuple(np.searchsorted(cells, places).tolist())
        return replace(
            self,
            start=self.start + first,
            stop=self.start + last,
            columns=[
                part for column in self.columns if len((part := column.between(first, last)).values)
            ],
            failures=[
                replace(failure, offset=failure.offset - first)
                for failure in self.failures
                if first <= failure.offset < last
            ],
            cells=None if cells is None else cells[(cells >= first) & (cells < last)] - first,
            warned=self.warned and self.warned.between(first, last),
            durations=self.durations and self.durations.between(*places),
        )

    def only(self, kept: npt.NDArray[np.bool_]) -> Block:
        """The same block with some of its cells.

        Parameters
        ----------
        kept : array of bool
            For each replicate of [start, stop) whether its cell stays, if it is there.
        """
        there = np.arange(len(self)) if self.cells is None else self.cells
        return replace(
            self,
            columns=[part for column in self.columns if len((part := column.only(kept)).values)],
            failures=[failure for failure in self.failures if kept[failure.offset]],
            cells=there[kept[there]],
            warned=self.warned and self.warned.without(np.flatnonzero(~kept).tolist()),
            durations=self.durations and self.durations.only(kept[there]),
        )


@dataclass(slots=True)
class Blocks:
    """What a trip comes to: a block for each of its conditions, as many as it came to.

    Attributes
    ----------
    blocks : list of Block
        Of conditions one after another; all have the same first replicate.
    seconds : float
        How long all of it took.
    stamp, touched, changed
        As those of a block, for all of it.
    """

    blocks: list[Block]
    seconds: float
    stamp: str = ""
    touched: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


class Row(NamedTuple):
    """What a cell that ran on an event loop comes to: its metrics, checked.

    Attributes
    ----------
    task : Task
    names : tuple of str
    values : collection
    stamp : str
        Which run's call made it.
    seconds : float
        How long it took, other cells on the loop among it.
    warned : tuple of Notice
        What it warned of.
    recorded : dict or None
        What it recorded.
    """

    task: Task
    names: Names
    values: Collection[Any]
    stamp: str = ""
    seconds: float = 0.0
    warned: Notices = ()
    recorded: Recorded | None = None

    @property
    def condition(self) -> int:
        return self.task.condition

    @property
    def start(self) -> int:
        return self.task.start


@dataclass(slots=True)
class Stretch:
    """Neighbouring cells that ran on an event loop and came to the same metrics, checked.

    Attributes
    ----------
    condition, start : int
        The condition, and the first replicate.
    names : tuple of str
    values : list
        Those of the first cell, then those of the next.
    seconds : list of float
        How long each took, other cells on the loop among it.
    """

    condition: int
    start: int
    names: Names
    values: list[Any]
    seconds: list[float]

    @property
    def replicates(self) -> range:
        return range(self.start, self.start + len(self.seconds))


Piece = Stretch | Row | Block
"""What cells on an event loop came to: a row where there is more to say of one than its metrics,
a block where one failed."""


@dataclass(slots=True)
class CellByCell:
    """What a block of cells that ran on an event loop comes to: few, so that no columns are made.

    Attributes
    ----------
    stamp : str
        Which run's call made it.
    stop : int
        The replicate after the last one that is its own: further ones may be taken back.
    pieces : list of Piece
        In the order of the cells; without those that were taken while it went on.
    cells : int
        How many cells there are, from the first one on.
    seconds : float
        How long these took.
    cell : tuple or None
        The one that is awaited now, as the context of its code has it.
    """

    stamp: str
    stop: int
    pieces: list[Piece] = field(default_factory=list)
    cells: int = 0
    seconds: float = 0.0
    cell: tuple[Any, int, int] | None = None
