"""What cells returned, gathered into the columns of a block."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from math import nan
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.block import Block, BlockColumn, Failure
from crystallize.cells.column import packed
from crystallize.cells.durations import Durations
from crystallize.cells.metrics import (
    NUMBER_NAMES,
    NUMBERS,
    ONLY_METRIC,
    PLAIN,
    SCALARS,
    MetricError,
    Names,
    check_size,
    checked_metrics,
    checked_value,
)
from crystallize.cells.warned import Notices, Warned

SIMPLE = PLAIN | SCALARS
SPARSE_GAP = 1024
"""How far apart two cells of one block may be; what is reported of a block has its whole span."""


Cells = npt.NDArray[np.intp]


class _Group:
    """Cells that share metric names: their values one after another in one flat list.

    Attributes
    ----------
    pick : callable
        Gives the values that a dict has under these names; a KeyError where one is missing, or
        where they are in another order and that counts.
    are_floats : bool
        Whether every value is known to be one.
    """

    def __init__(self, names: Names, *, in_order: bool) -> None:
        self.names = names
        self.width = len(names)
        self.pick = _picker_in_order(names) if in_order else _picker(names)
        self.are_floats = True
        self.replicates: list[int] = []
        self.values: list[Any] = []

    def __len__(self) -> int:
        # An interruption may have come between a replicate and its values.
        return len(self.values) // self.width if self.width else len(self.replicates)

    def cells(self) -> Cells:
        return np.array(self.replicates[: len(self)], dtype=np.intp)

    def columns(self, offsets: Cells | None) -> Iterator[BlockColumn]:
        width = self.width
        if self.are_floats:
            count = len(self) * width
            rows = np.fromiter(self.values, np.float64, count).reshape(-1, width or 1)
            for position, name in enumerate(self.names):
                yield BlockColumn(name, position, offsets, rows[:, position].copy())
            return
        for position, name in enumerate(self.names):
            yield BlockColumn(name, position, offsets, packed(self.values[position::width]))


class Rows:
    """Gathers cells of one condition, or of several that are run as one block.

    Parameters
    ----------
    condition : int
        The index of the condition.
    of_several : bool
        Whether cells of others follow, each of which has its metrics in an order of its own.

    Attributes
    ----------
    numbers : list of float
        Where a cell that returned a float may put it instead of calling :meth:`add`.  The cells
        of what is in here follow each other, from the one on that :meth:`flush` was told.
    warned : dict of int to tuple of Notice
        Replicate -> what it warned of, for those that did, failed cells among them.
    seconds : dict of int to float
        Replicate -> how long it took, of cells that :meth:`sparse_blocks` takes.
    """

    def __init__(self, condition: int, *, of_several: bool = False) -> None:
        self._condition = condition
        self._of_several = of_several
        self._group = self._new_group(())
        self._groups: dict[Names, _Group] = {(): self._group}
        self._first = 0
        self.numbers: list[float] = []
        self.warned: dict[int, Notices] = {}
        self.seconds: dict[int, float] = {}

    def __bool__(self) -> bool:
        return bool(self.numbers or self._filled())

    def flush(self, following: int) -> None:
        """Keep what is in :attr:`numbers`; what comes into it next is of cell `following`."""
        if self.numbers:
            group = self._group_of(NUMBER_NAMES)
            kept = len(group)
            # An interruption may come between any two of these lines, and be followed by another
            # call: then the numbers may be kept already, or their replicates without them.
            if not kept or group.replicates[kept - 1] < self._first:
                del group.replicates[kept:]
                group.replicates.extend(range(self._first, self._first + len(self.numbers)))
                group.values.extend(self.numbers)
            self.numbers.clear()
        self._first = following

    def add(self, replicate: int, result: Any) -> None:
        """Keep what the function returned; it may change its own objects afterwards.

        Raises
        ------
        MetricError
            If `result` is neither a mapping of metrics nor one number.
        """
        kind = type(result)
        if kind is dict:
            if self.numbers:
                self.flush(replicate)
            group = self._group
            if len(result) == group.width:
                values: Collection[Any] | None
                try:  # quicker than to compare the names
                    values = group.pick(result)
                except KeyError:
                    values = None
                else:
                    for value in values:
                        if type(value) is not float:
                            values = None
                            break
                if values is None and [*result] == [*group.names]:
                    # Of other kinds one may be refused: the first in the cell's own order.
                    group.are_floats = False
                    values = _plain(result)
                if values is not None:
                    group.replicates.append(replicate)
                    group.values.extend(values)
                    self._first = replicate + 1
                    return
        elif kind is np.float64 and replicate == self._first + len(self.numbers):
            self.numbers.append(float(result))
            return
        elif self.numbers:
            self.flush(replicate)
        self._first = replicate + 1
        if kind in NUMBERS:
            self.add_checked(replicate, NUMBER_NAMES, (checked_value(ONLY_METRIC, result),))
            return
        self.add_checked(replicate, *checked_metrics(result))

    def add_checked(self, replicate: int, names: Names, values: Collection[Any]) -> None:
        """Keep metrics that were checked."""
        group = self._group if names == self._group.names else self._group_of(names)
        if group.are_floats:
            for value in values:
                if type(value) is not float:
                    group.are_floats = False
                    break
        group.replicates.append(replicate)
        group.values.extend(values)

    def add_stretch(self, replicates: range, names: Names, values: list[Any]) -> None:
        """Keep metrics of cells one after another, that were checked."""
        group = self._group if names == self._group.names else self._group_of(names)
        if group.are_floats and set(map(type, values)) != {float}:
            group.are_floats = False
        group.replicates.extend(replicates)
        group.values.extend(values)

    def forget_from(self, replicate: int) -> None:
        """Keep nothing of a cell and of those after it."""
        self.flush(replicate)
        for group in self._groups.values():
            kept = bisect_left(group.replicates, replicate, hi=len(group))
            del group.replicates[kept:], group.values[kept * group.width :]
        self.warned = {cell: given for cell, given in self.warned.items() if cell < replicate}

    def block(self, start: int, failures: list[Failure], seconds: float) -> Block:
        """The cells as a block from `start` on, in which only failed ones are missing."""
        if self.numbers and not failures and not self._filled():
            # By far the most there is in one block, and nothing has to say which cells they are.
            values = np.fromiter(self.numbers, np.float64, len(self.numbers))
            whole, columns = len(values), [BlockColumn(ONLY_METRIC, 0, None, values)]
        else:
            self.flush(start)
            whole, columns = self._columns(start, failures)
            if too_large := list(_too_large(columns)):
                failures.extend(too_large)
                failures.sort(key=lambda failure: failure.offset)
                for failure in too_large:
                    self._forget(start + failure.offset)
                whole, columns = self._columns(start, failures)
        block = Block(self._condition, start, start + whole, columns, failures, seconds)
        if self.warned:
            block.warned = _warned_from(start, self.warned)
        return block

    def sparse_blocks(self) -> Iterator[Block]:
        """Take the cells that were kept, in any order, as blocks that span no wide gap."""
        groups = self._filled()
        if not groups:
            return
        self._group = self._new_group(())
        self._groups = {(): self._group}
        warned, self.warned = self.warned, {}
        seconds, self.seconds = self.seconds, {}
        cells = np.sort(np.concatenate([group.cells() for group in groups]))
        gaps = np.flatnonzero(np.diff(cells) > SPARSE_GAP)
        if len(gaps):
            yield from self._split(groups, cells[gaps], warned, seconds)
            return
        start = int(cells[0])
        columns = [column for group in groups for column in group.columns(group.cells() - start)]
        yield Block(
            self._condition, start, int(cells[-1]) + 1, columns, [], 0.0,
            cells=cells - start, warned=_warned_from(start, warned),
            durations=_durations_of(cells.tolist(), seconds) if seconds else None,
        )  # fmt: skip

    def _columns(self, start: int, failures: list[Failure]) -> tuple[int, list[BlockColumn]]:
        """How many cells there are, failed ones among them, and the columns of the others."""
        groups = self._filled()
        whole = len(failures) + sum(map(len, groups))
        return whole, [
            column
            for group in groups
            for column in group.columns(None if len(group) == whole else group.cells() - start)
        ]

    def _forget(self, replicate: int) -> None:
        """Keep nothing of one cell."""
        for group in self._filled():
            place = bisect_left(group.replicates, replicate, hi=len(group))
            if place < len(group) and group.replicates[place] == replicate:
                width = group.width
                del group.replicates[place], group.values[place * width : (place + 1) * width]

    def _filled(self) -> list[_Group]:
        return [group for group in self._groups.values() if len(group)]

    def _group_of(self, names: Names) -> _Group:
        if names != self._group.names:
            if names not in self._groups:
                self._groups[names] = self._new_group(names)
            self._group = self._groups[names]
        return self._group

    def _new_group(self, names: Names) -> _Group:
        return _Group(names, in_order=self._of_several)

    def _split(
        self,
        groups: list[_Group],
        last: Cells,
        warned: dict[int, Notices],
        seconds: dict[int, float],
    ) -> Iterator[Block]:
        parts, bounds = [Rows(self._condition) for _ in range(len(last) + 1)], last.tolist()
        for group in groups:
            width = group.width
            for i, part in enumerate(np.searchsorted(last, group.cells()).tolist()):
                values = group.values[i * width : (i + 1) * width]
                parts[part].add_checked(group.replicates[i], group.names, values)
        for replicate, given in warned.items():
            parts[int(np.searchsorted(last, replicate))].warned[replicate] = given
        for replicate, took in seconds.items():
            parts[bisect_left(bounds, replicate)].seconds[replicate] = took
        for rows in parts:
            yield from rows.sparse_blocks()


def _picker(names: Names) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    if not names:
        return lambda metrics: ()
    (name,) = names
    return lambda metrics: (metrics[name],)


def _picker_in_order(names: Names) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    keys, pick = list(names), _picker(names)

    def picked(metrics: dict[str, Any]) -> tuple[Any, ...]:
        if [*metrics] != keys:
            raise KeyError
        return pick(metrics)

    return picked


def _plain(metrics: dict[str, Any]) -> Collection[Any]:
    """The values of metrics as data; whether one is too large is looked at later."""
    kinds = set(map(type, metrics.values()))
    if kinds <= PLAIN:
        return metrics.values()
    if kinds <= SIMPLE:
        return [v.item() if type(v) in SCALARS else v for v in metrics.values()]
    return checked_metrics(metrics)[1]


def _too_large(columns: list[BlockColumn]) -> Iterator[Failure]:
    """The cells with a value that was not looked at when it was kept, for time's sake.

    Such values are in lists: what is an array fits.
    """
    found = set()
    for column in columns:
        if not isinstance(column.values, list):
            continue
        for place, value in enumerate(column.values):
            try:
                check_size(column.name, value)
            except MetricError as error:
                offset = place if column.offsets is None else int(column.offsets[place])
                if offset not in found:
                    found.add(offset)
                    yield Failure.of_refused(offset, error)


def _durations_of(cells: list[int], seconds: dict[int, float]) -> Durations:
    return Durations([1] * len(cells), [seconds.get(cell, nan) for cell in cells])


def _warned_from(start: int, warned: dict[int, Notices]) -> Warned | None:
    return Warned.of({replicate - start: given for replicate, given in warned.items()})
