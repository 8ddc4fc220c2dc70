"""The cells of all conditions, of which there may be very many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import repeat

import numpy as np

from crystallize.cells.sheet import Sheet
from crystallize.cells.table import Table


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

    def keep(self, sheet: Sheet) -> bool:
        """Keep a plain sheet as it is, if there are no other cells of its conditions.

        Returns
        -------
        bool
            Whether it was kept.
        """
        names = self._names[sheet.condition : sheet.condition + sheet.conditions]
        if not (self._made.keys().isdisjoint(names) and self._sheets.keys().isdisjoint(names)):
            return False
        places = zip(repeat(sheet), range(len(names)), strict=False)
        self._sheets.update(zip(names, places, strict=True))
        self._in_sheets += len(sheet)
        return True

    def made(self) -> list[tuple[str, Table]]:
        """The tables that there are, in order; nothing has come of the others, or a sheet."""
        return [(name, self._made[name]) for name in self._names if name in self._made]

    def is_unused(self, condition: str) -> bool:
        """Whether nothing of a condition has come, nor anyone looked for it."""
        return condition not in self._sheets and condition not in self._made

    @property
    def finished(self) -> int:
        """How many cells have metrics."""
        made = sum(int(np.count_nonzero(table.done)) for table in self._made.values())
        return made + self._in_sheets
