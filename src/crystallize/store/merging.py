"""Several stores of one experiment, put into a new one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from crystallize.cells.outcome import CellError
from crystallize.cells.table import Table
from crystallize.errors import StoreError
from crystallize.store.identity import differences, united
from crystallize.store.sqlite import Store
from crystallize.store.stored import StoredExperiment


def merge(sources: list[StoredExperiment], path: Path) -> None:
    """Put the cells of several stores of one experiment into a new one.

    Parameters
    ----------
    sources : list of StoredExperiment
        One or more.
    path : path
        The new store.

    Raises
    ------
    StoreError
        If they are of different experiments, if a cell differs between two of
        them, or if `path` exists.
    """
    if path.exists():
        raise StoreError(f"{path}: there is a file already; merge makes a new one.")
    identity = sources[0].identity
    for number, source in enumerate(sources[1:], start=1):
        if differing := differences(identity, source.identity):
            lines = "\n".join(f"  - {line}" for line in differing)
            raise StoreError(f"{source.path} holds another experiment:\n{lines}")
        for other in sources[:number]:
            if conflicts := list(_conflicts(other, source)):
                lines = "\n".join(f"  - {line}" for line in conflicts)
                raise StoreError(f"{other.path} and {source.path} disagree:\n{lines}")
        identity = united(identity, source.identity)
    with Store(path, create=True) as store:
        store.set_identity(identity, [c for source in sources for c in source.changes])
        store.add([record for source in sources for record in source.records])


def _conflicts(one: StoredExperiment, other: StoredExperiment) -> Iterator[str]:
    """The cells to which the two came differently."""
    for condition in one.tables.keys() & other.tables.keys():
        tables = one.tables[condition], other.tables[condition]
        for replicate in range(min(table.size for table in tables)):
            first, second = (
                _shown_outcome(table, source.errors.get((condition, replicate)), replicate)
                for table, source in zip(tables, (one, other), strict=True)
            )
            if first is not None and second is not None and first != second:
                yield f"condition {condition!r}, replicate {replicate}: {first} and {second}"


def _shown_outcome(table: Table, error: CellError | None, replicate: int) -> str | None:
    """What a cell came to, to the last bit, or ``None`` where it has not been run."""
    if error is not None:
        return f"{error.type}: {error.message}"
    row = table.row(replicate)
    return None if row is None else ", ".join(f"{k}={_exact(v)}" for k, v in row.items())


def _exact(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array({value.dtype}, {value.shape}, {value.tobytes().hex()})"
    return repr(value)
