"""The cells of all conditions, of which there may be very many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from crystallize.cells.sheet import Sheet
from crystallize.cells.table import Table

Singles = tuple[str, list[tuple[str, float]]]
"""A condition, and the metrics of the one cell that it has, which are numbers."""


class ConditionTables(Mapping[str, Table]):
    """Condition -> its cells, in a table that is made when it is first looked at.

    Until then cells that came as a sheet stay in it: many conditions have few cells each, and a
    table for each of them would cost more than these do.

    Parameters
    ----------
    sizes : mapping of str to int
        Condition -> how many replicates it has.

    Attributes
    ----------
    sizes : dict of str to int
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)
        self._names = list(sizes)
        self._made: dict[str, Table] = {}
        self._sheets: dict[str, tuple[Sheet, int]] = {}
        self._in_sheets = 0

    @classmethod
    def of(cls, tables: Mapping[str, Table]) -> ConditionTables:
        """Those that there are already."""
        made = cls({condition: table.size for condition, table in tables.items()})
        made._made.update(tables)
        return made

    def __getitem__(self, condition: str) -> Table:
        table = self._made.get(condition)
        if table is None:
            table = self._made[condition] = Table(0, self.sizes[condition])
            if condition in self._sheets:
                sheet, place = self._sheets.pop(condition)
                table.add(block := sheet.block(place))
                self._in_sheets -= len(block)
        return table

    def __iter__(self) -> Iterator[str]:
        return iter(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def keep(self, sheet: Sheet, conditions: Sequence[str]) -> bool:
        """Keep a plain sheet as it is, if there are no other cells of its conditions.

        Parameters
        ----------
        sheet : Sheet
        conditions : sequence of str
            The names of its conditions.

        Returns
        -------
        bool
            Whether it was kept.
        """
        if not (
            self._made.keys().isdisjoint(conditions) and self._sheets.keys().isdisjoint(conditions)
        ):
            return False
        places = zip(repeat(sheet), range(len(conditions)), strict=False)
        self._sheets.update(zip(conditions, places, strict=True))
        self._in_sheets += len(sheet)
        return True

    @property
    def sheets(self) -> list[tuple[Sheet, list[str]]]:
        """Those that are kept as they came, each with the conditions for which it is."""
        found: dict[int, tuple[Sheet, list[str]]] = {}
        for condition, (sheet, _) in self._sheets.items():
            found.setdefault(id(sheet), (sheet, []))[1].append(condition)
        return list(found.values())

    def stretches(self) -> dict[str, tuple[int, int]]:
        """Condition -> the replicates [start, stop) of it that are there, of those in a sheet."""
        found = {}
        present, whole, all_of_them = None, 0, (0, 0)
        for condition, (sheet, place) in self._sheets.items():
            if sheet is not present:
                present, whole = sheet, len(sheet) // sheet.width
                all_of_them = sheet.start, sheet.stop
            if place < whole:
                found[condition] = all_of_them
            else:
                found[condition] = sheet.start, sheet.start + sheet.cells_of(place)
        return found

    def finished_of_each(self) -> dict[str, int]:
        """Condition -> how many of its cells have metrics."""
        in_sheets = self.stretches()
        found = dict.fromkeys(self._names, 0)
        found.update({name: stop - start for name, (start, stop) in in_sheets.items()})
        found.update(
            {name: int(np.count_nonzero(table.done)) for name, table in self._made.items()}
        )
        return found

    def missing(self, errors: Iterable[tuple[str, int]]) -> dict[str, list[tuple[int, int]]]:
        """Condition -> the ranges [start, stop) of replicates with neither metrics nor an error.

        Parameters
        ----------
        errors : iterable of (str, int)
            The cells that have an error.
        """
        failed: dict[str, list[int]] = {}
        for condition, replicate in errors:
            failed.setdefault(condition, []).append(replicate)
        in_sheets, found = self.stretches(), {}
        for condition, size in self.sizes.items():
            if condition in failed or condition in self._made:
                ranges = list(self[condition].missing(failed.get(condition, [])))
            else:
                start, stop = in_sheets.get(condition, (0, 0))
                ranges = [(0, start)] if start else []
                if stop < size:
                    ranges.append((stop, size))
            found[condition] = ranges
        return found

    def arrays(self) -> dict[str, dict[str, npt.NDArray[Any]]]:
        """Condition -> metric -> array, as :meth:`Column.finished` gives it."""
        whole = {}
        present, columns = None, None
        for condition, (sheet, place) in self._sheets.items():
            if sheet is not present:
                present, columns, width = sheet, sheet.arrays, sheet.width
                full = 0 if columns is None or sheet.start else len(sheet) // width
            if place < full and self.sizes[condition] == width:
                cells = slice(place * width, (place + 1) * width)
                whole[condition] = {name: values[cells] for name, values in columns or ()}
        return {
            condition: whole[condition] if condition in whole else self[condition].arrays()
            for condition in self.sizes
        }

    def single_numbers(self) -> Iterator[Singles] | None:
        """The conditions with their metrics, if each has one cell and finite numbers alone.

        Of very many conditions no arrays are made then.
        """
        if set(self.sizes.values()) != {1}:
            return None
        tables = {name: table.single_numbers() for name, table in self._made.items()}
        sheets = {id(sheet): sheet.single_numbers() for sheet, _ in self.sheets}
        if None in tables.values() or None in sheets.values():
            return None
        if len(tables) + len(self._sheets) < len(self.sizes):
            return None
        return self._single_numbers(tables, sheets)

    def _single_numbers(
        self,
        tables: Mapping[str, list[tuple[str, float]] | None],
        sheets: Mapping[int, list[tuple[str, npt.NDArray[np.float64]]] | None],
    ) -> Iterator[Singles]:
        present, metrics = None, list[tuple[str, list[float]]]()
        for condition in self.sizes:
            if condition in tables:
                yield condition, tables[condition] or []
                continue
            sheet, place = self._sheets[condition]
            if sheet is not present:
                present = sheet
                metrics = [(name, own.tolist()) for name, own in sheets[id(sheet)] or ()]
            yield condition, [(name, numbers[place]) for name, numbers in metrics]

    def done(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Condition -> which of its cells have metrics."""
        in_sheets, found = self.stretches(), {}
        flags, at = np.ones(sum(map(self.sizes.__getitem__, in_sheets)), np.bool_), 0
        for condition, size in self.sizes.items():
            if condition not in in_sheets:
                found[condition] = self[condition].done
                continue
            found[condition] = own = flags[at : at + size]
            at += size
            start, stop = in_sheets[condition]
            if stop - start < size:
                own[:start] = own[stop:] = False
        return found

    def made(self) -> list[tuple[str, Table]]:
        """The tables that there are, in order; nothing has come of the others, or a sheet."""
        return [(name, self._made[name]) for name in self._names if name in self._made]

    @property
    def finished(self) -> int:
        """How many cells have metrics."""
        made = sum(int(np.count_nonzero(table.done)) for table in self._made.values())
        return made + self._in_sheets
