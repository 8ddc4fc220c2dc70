"""Looking at a store without its experiment: no function is imported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from crystallize.errors import StoreError
from crystallize.experiments.archive import differences, read_records, united
from crystallize.experiments.outcomes import CellError, Outcomes, Table
from crystallize.experiments.result import Result
from crystallize.store import Store


class StoredExperiment:
    """What a store holds.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    identity : dict
        Name, function, seed, conditions and versions of its experiment.
    changes : list
        The changes of identity that were accepted.
    damaged : list of str
        What is damaged.

    Raises
    ------
    StoreError
        If the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        with Store(path, read_only=True) as store:
            identity = store.identity
            if identity is None:
                raise StoreError(f"{path}: this store is empty.")
            self.path = Path(path)
            self.identity = identity
            self.changes = store.changes
            self.records = list(store.records())
            self.damaged = [record.name for record in store.damaged()]
        self.tables, self.errors = read_records(
            self.records, tuple(identity["conditions"]), identity["replicates"], identity["seed"]
        )

    def counts(self) -> list[dict[str, Any]]:
        """For each condition how many cells are done, failed and missing."""
        rows = []
        for condition, table in self.tables.items():
            done = int(table.done.sum())
            failed = sum(error.condition == condition for error in self.errors.values())
            missing = table.size - done - failed
            row = {"condition": condition, "done": done, "failed": failed, "missing": missing}
            rows.append(row)
        return rows

    def result(self) -> Result:
        """The cells as a result, which has no provenance but the identity."""
        order = list(self.tables)
        errors = sorted(self.errors.values(), key=lambda e: (e.replicate, order.index(e.condition)))
        outcomes = Outcomes(self.tables, errors, self.identity["seed"])
        return Result(
            metrics=outcomes.metrics(),
            done={name: table.done for name, table in self.tables.items()},
            errors=errors,
            root=self.identity["seed"],
            baseline=self.identity["baseline"],
            provenance=dict(self.identity),
        )


def merge(sources: list[StoredExperiment], path: Path) -> None:
    """Put the cells of several stores of one experiment into a new one.

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
    for condition in one.tables.keys() & other.tables.keys():
        tables = one.tables[condition], other.tables[condition]
        for replicate in range(min(table.size for table in tables)):
            first, second = (
                _settled(table, source.errors.get((condition, replicate)), replicate)
                for table, source in zip(tables, (one, other), strict=True)
            )
            if first is not None and second is not None and first != second:
                yield f"condition {condition!r}, replicate {replicate}: {first} and {second}"


def _settled(table: Table, error: CellError | None, replicate: int) -> str | None:
    if error is not None:
        return f"{error.type}: {error.message}"
    row = table.row(replicate)
    return None if row is None else ", ".join(f"{k}={_exact(v)}" for k, v in row.items())


def _exact(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array({value.dtype}, {value.shape}, {value.tobytes().hex()})"
    return repr(value)
