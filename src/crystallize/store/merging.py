"""Several stores of one experiment, put into a new one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from crystallize.cells.outcome import CellError
from crystallize.cells.table import Table
from crystallize.errors import StoreError
from crystallize.store.identity import differences, united
from crystallize.store.records import without
from crystallize.store.sqlite import Record, Store
from crystallize.store.stored import StoredExperiment

SHOWN = 10
"""How many cells that differ are shown."""


def merge(sources: list[StoredExperiment], path: Path, *, prefer_values: bool = False) -> None:
    """Put the cells of several stores of one experiment into a new one.

    Parameters
    ----------
    sources : list of StoredExperiment
        One or more.
    path : path
        The new store.
    prefer_values : bool
        Where a cell failed in one store and has metrics in another, take these.

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
            conflicts = list(_conflicts(other, source))
            if prefer_values:
                conflicts = [conflict for conflict in conflicts if not conflict.one_failed]
            if conflicts:
                raise StoreError(_disagreement(other, source, conflicts))
        identity = united(identity, source.identity)
    with Store(path, create=True) as store:
        store.set_identity(identity, [c for source in sources for c in source.changes])
        store.add([record for source in sources for record in _taken(source, sources)])


class _Conflict(NamedTuple):
    """A cell to which two stores came differently."""

    text: str
    one_failed: bool
    """Whether it failed in one of them only."""


def _taken(source: StoredExperiment, sources: list[StoredExperiment]) -> Iterator[Record]:
    """The records of a store, without the failures of cells that have metrics in another."""
    failures = {
        (condition, replicate)
        for condition, replicate in source.errors
        if any(_has_metrics(other, condition, replicate) for other in sources)
    }
    for record in source.records:
        if (rest := without(record, failures)) is not None:
            yield rest


def _has_metrics(source: StoredExperiment, condition: str, replicate: int) -> bool:
    table = source.tables.get(condition)
    return table is not None and replicate < table.size and bool(table.done[replicate])


def _disagreement(
    one: StoredExperiment, other: StoredExperiment, conflicts: list[_Conflict]
) -> str:
    lines = "\n".join(f"  - {conflict.text}" for conflict in conflicts[:SHOWN])
    more = f"\n  … and {len(conflicts) - SHOWN} more" if len(conflicts) > SHOWN else ""
    advice = ""
    if any(conflict.one_failed for conflict in conflicts):
        advice = "\nWhere one has a value and the other a failure, --prefer-values takes the value."
    return f"{one.path} and {other.path} disagree:\n{lines}{more}{advice}"


def _conflicts(one: StoredExperiment, other: StoredExperiment) -> Iterator[_Conflict]:
    """The cells to which the two came differently."""
    for condition in one.tables.keys() & other.tables.keys():
        tables = one.tables[condition], other.tables[condition]
        for replicate in range(min(table.size for table in tables)):
            errors = [source.errors.get((condition, replicate)) for source in (one, other)]
            first, second = (
                _shown_outcome(table, error, replicate)
                for table, error in zip(tables, errors, strict=True)
            )
            if first is not None and second is not None and first != second:
                text = f"condition {condition!r}, replicate {replicate}: {first} and {second}"
                yield _Conflict(text, errors.count(None) == 1)


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
