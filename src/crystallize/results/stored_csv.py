"""A store as CSV, page by page: memory does not grow with the number of replicates."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crystallize.cells.column import EXACT_IN_FLOAT, Column
from crystallize.cells.plain import json_data, plain_data
from crystallize.cells.table import Table
from crystallize.results.delimited import field_text
from crystallize.results.long_form import INDEX_COLUMNS, metric_columns
from crystallize.results.replacing import replaced_whole
from crystallize.store.sqlite import Store
from crystallize.store.stored import StoredPages


@dataclass
class _Form:
    """What a whole column is, which decides on how its whole numbers are written.

    Where a number is missing they are floats in a result's array, see
    :meth:`crystallize.cells.column.Column.finished`; so they are here.
    """

    rank: tuple[int, int]
    kinds: set[type] = field(default_factory=set)
    largest: int = 0
    there: int = 0
    done: int = 0

    def look(self, column: Column, rank: tuple[int, int]) -> None:
        """Learn what a page has of it."""
        self.rank = min(self.rank, rank)
        values = column.there()
        self.there += len(values)
        if values.ndim > 1:
            self.kinds.add(np.ndarray)
            return
        if values.dtype == object:
            self.kinds.update(map(type, values))
            whole = [abs(value) for value in values if type(value) is int]
            self.largest = max([self.largest, *whole])
        elif len(values):
            self.kinds.add(type(values[0].item()))
            if values.dtype.kind == "i":
                self.largest = max(self.largest, int(values.max()), -int(values.min()))

    def as_float(self, done: int, size: int) -> bool:
        """Whether whole numbers in it are written as floats, in a condition of that size."""
        return (
            self.there == done
            and int in self.kinds
            and self.kinds <= {int, float}
            and not (self.kinds == {int} and self.there == size)
            and self.largest <= EXACT_IN_FLOAT
        )


def export_csv(store: Path, path: Path) -> None:
    """Write what is in a store as :meth:`crystallize.Result.to_csv` would, read page by page.

    Raises
    ------
    StoreError
        If there is no store.
    """
    with Store(store, read_only=True) as opened, replaced_whole(path) as beside:
        stored = StoredPages(opened)
        forms = {condition: _forms(stored, condition) for condition in stored.replicates}
        names = {
            condition: [name for name, _ in sorted(found.items(), key=lambda item: item[1].rank)]
            for condition, (found, _) in forms.items()
        }
        levels, columns = metric_columns(names, stored.factors)
        factors = list(dict.fromkeys(name for own in levels.values() for name in own))
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*INDEX_COLUMNS, *factors, *columns])
            for condition, size in stored.replicates.items():
                own = [field_text(levels[condition].get(factor)) for factor in factors]
                found, done = forms[condition]
                wanted = [
                    (name, name is not None and found[name].as_float(done, size))
                    for name in (of.get(condition) for of in columns.values())
                ]
                for cells in stored.tables(condition):
                    replicates = range(cells.start, cells.start + cells.size)
                    filled = [_values(cells, *one) for one in wanted]
                    for replicate, *values in zip(replicates, *filled, strict=True):
                        writer.writerow([condition, replicate, *own, *values])


def _forms(stored: StoredPages, condition: str) -> tuple[dict[str, _Form], int]:
    """What the columns of a condition are, and how many of its cells are done."""
    found: dict[str, _Form] = {}
    done = 0
    for cells in stored.tables(condition):
        done += int(np.count_nonzero(cells.done))
        for name, column in cells.columns.items():
            rank = cells.start + column.rank[0], column.rank[1]
            found.setdefault(name, _Form(rank)).look(column, rank)
    return found, done


def _values(cells: Table, name: str | None, as_float: bool) -> Iterator[str]:
    """One metric in a page, as text; nothing where a cell has none."""
    column = None if name is None else cells.columns.get(name)
    if column is None:
        return iter([""] * cells.size)
    there: list[Any] = column.there().tolist()
    if as_float:
        there = list(map(float, there))
    filled: list[Any] = [None] * cells.size
    for place, value in zip(np.flatnonzero(column.present).tolist(), there, strict=True):
        filled[place] = value
    return (field_text(json_data(plain_data(value, "metric"))) for value in filled)
