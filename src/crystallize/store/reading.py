"""The cells that are in the records of a store, brought together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from crystallize.cells.attempts import Attempt, Attempts
from crystallize.cells.condition_tables import ConditionTables
from crystallize.cells.outcome import CellError
from crystallize.cells.sheet import Sheet
from crystallize.description.seeding import Seeding
from crystallize.store.records import UNREADABLE, Cell, Decoded, decoded, decoded_sheet
from crystallize.store.rows import Record

Ranges = dict[int, dict[str, list[list[int]]]]
"""Generation -> condition -> ranges [start, stop) of replicates."""


class Cells(NamedTuple):
    """The cells that were in some records.

    Attributes
    ----------
    tables : ConditionTables
    errors : dict of (str, int) to CellError
        Cell -> its error.
    generations : dict of str to int or array of int
        Condition -> the generation of all its cells, or of each, where there is one; of those
        that have any.
    unreadable : list of Record
        Those of which nothing was taken, since they are none of ours.
    attempts : list of Attempt
        By replicate, condition and number.
    """

    tables: ConditionTables
    errors: dict[Cell, CellError]
    generations: dict[str, int | npt.NDArray[np.int32]]
    unreadable: list[Record]
    attempts: list[Attempt]

    def ranges(self) -> Ranges:
        """The cells that have an outcome, by generation."""
        found: Ranges = {}
        failed: dict[str, list[int]] = {}
        for condition, replicate in self.errors:
            failed.setdefault(condition, []).append(replicate)
        in_sheets = self.tables.stretches()
        for condition in self.tables:
            own = self.generations.get(condition)
            if own is None:
                continue
            if isinstance(own, int):
                found.setdefault(own, {})[condition] = [[*in_sheets[condition]]]
                continue
            table = self.tables[condition]
            if condition not in failed and table.done.all() and (own == own[0]).all():
                found.setdefault(int(own[0]), {})[condition] = [[0, table.size]]
                continue
            # With a cell that is not there before the first, and one after the last.
            numbers = np.full(table.size + 2, -1, np.int32)
            np.copyto(numbers[1:-1], own, where=table.done)
            if condition in failed:
                places = np.array(failed[condition], np.intp)
                numbers[places + 1] = own[places]
            edges = (numbers[1:] != numbers[:-1]).nonzero()[0]
            numbers = numbers[1:]
            for start, stop in pairwise(edges.tolist()):
                if (number := int(numbers[start])) >= 0:
                    found.setdefault(number, {}).setdefault(condition, []).append([start, stop])
        return found


def read_records(
    records: Iterable[Record],
    replicates: Mapping[str, int],
    seeding: Seeding,
    parts: Mapping[str, tuple[int, int]] | None = None,
) -> Cells:
    """The cells of some conditions, from records in the order in which they were stored.

    Parameters
    ----------
    records : iterable of Record
        Where two have the same cell, the later one counts.
    replicates : mapping of str to int
        Condition -> how many replicates it has; cells beyond, and of others, are left out.
    seeding : Seeding
        What gives the replicates their seeds.
    parts : mapping of str to (int, int), optional
        Condition -> the range [start, stop) of its replicates that is wanted.

    Returns
    -------
    Cells
    """
    reader = _Reader(replicates, seeding, parts)
    for found in records:  # one after another: never more of the payloads than one in memory
        reader.take(found)
    return reader.cells()


class _Reader:
    """Brings the cells of records together."""

    def __init__(
        self,
        replicates: Mapping[str, int],
        seeding: Seeding,
        parts: Mapping[str, tuple[int, int]] | None,
    ) -> None:
        self._replicates = replicates
        self._seeding = seeding
        self._parts = parts or {name: (0, number) for name, number in replicates.items()}
        self._tables = ConditionTables(replicates)
        self._errors: dict[Cell, CellError] = {}
        self._generations: dict[str, int | npt.NDArray[np.int32]] = {}
        self._unreadable: list[Record] = []
        self._attempts = Attempts(replicates)

    def take(self, found: Record) -> None:
        """Take the cells of a record that are wanted."""
        if not any(map(partial(self._wants, found), found.conditions)):
            return
        try:
            if len(found.conditions) > 1 and self._keep(found, decoded_sheet(found)):
                return
            parts = decoded(found, self._seeding)
        except UNREADABLE:
            self._unreadable.append(found)
            return
        for condition, part in zip(found.conditions, parts, strict=True):
            if self._wants(found, condition):
                self._add(condition, part, found.generation)

    def cells(self) -> Cells:
        """All that was taken."""
        for _, table in self._tables.made():
            table.forget_unused()
        return Cells(
            self._tables, self._errors, self._generations, self._unreadable,
            self._attempts.in_order(),
        )  # fmt: skip

    def _wants(self, found: Record, condition: str) -> bool:
        first, last = self._parts.get(condition, (0, 0))
        return max(found.start, first) < min(found.stop, last)

    def _keep(self, found: Record, sheet: Sheet) -> bool:
        """Keep a sheet as it is, if all of it is wanted, and nothing else of its conditions."""
        start, stop = found.start, found.stop
        bounds = [self._parts.get(condition, (0, 0)) for condition in found.conditions]
        if not all(first <= start and stop <= last for first, last in set(bounds)):
            return False
        if not self._tables.keep(sheet, found.conditions):
            return False
        self._generations.update(dict.fromkeys(found.conditions, found.generation))
        return True

    def _add(self, condition: str, part: Decoded, generation: int) -> None:
        first, last = self._parts[condition]
        block, failed, tried = part
        for attempt in tried:
            if first <= attempt.replicate < last:
                self._attempts.add(attempt)
        if block.start < first or last < block.stop:
            block = block.between(first, last)
            failed = [error for error in failed if first <= error.replicate < last]
            if not len(block):
                return
        self._tables[condition].add(block)
        own = self._generations.get(condition, 0)
        if isinstance(own, int):  # from now on each has its own
            own = np.full(self._replicates[condition], own, np.int32)
            self._generations[condition] = own
        own[
            slice(block.start, block.stop) if block.cells is None else block.start + block.cells
        ] = generation
        if self._errors:
            for replicate in block.replicates():
                self._errors.pop((condition, replicate), None)
        self._errors.update({(e.condition, e.replicate): e for e in failed})
