"""Cells that a store is to forget, so that the next run runs them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from crystallize.checks import known
from crystallize.description.seeding import Seeding
from crystallize.errors import StoreError
from crystallize.store.identity import replicates_of
from crystallize.store.reading import read_records
from crystallize.store.records import Cell, is_readable, without
from crystallize.store.sqlite import Store


def drop(
    path: str | Path,
    conditions: Collection[str] = (),
    *,
    failed: bool = False,
    replicates: range | None = None,
) -> dict[str, int]:
    """Forget the cells of a store to which all that is given applies.

    Parameters
    ----------
    path : path
    conditions : collection of str
        Those of these conditions; of all, if there is none.
    failed : bool
        Those that failed, and no others.
    replicates : range, optional
        Those with these indices.

    Returns
    -------
    dict of str to int
        Condition -> how many cells were forgotten, of every condition concerned.

    Raises
    ------
    UnknownNameError
        If the store has no such condition.
    StoreError
        If there is no store, or another run has it.
    """
    with Store(path) as store:
        identity = store.identity
        if identity is None:
            raise StoreError(f"{path}: this store is empty.")
        names = tuple(identity["conditions"])
        chosen = [known("condition", name, "condition", names) for name in conditions] or names
        tables, errors, *_ = read_records(
            store.records(), replicates_of(identity), Seeding(identity["seed"])
        )
        cells: set[Cell] = set(errors)
        if not failed:
            for name, table in tables.items():
                cells.update((name, int(replicate)) for replicate in table.done.nonzero()[0])
        if replicates is not None:
            cells = {cell for cell in cells if cell[1] in replicates}
        cells = {cell for cell in cells if cell[0] in chosen}
        store.rewrite(lambda record: without(record, cells) if is_readable(record) else [record])
    counts = Counter(condition for condition, _ in cells)
    return {name: counts[name] for name in names if name in chosen}
