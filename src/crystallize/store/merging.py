"""Several stores of one experiment, put into a new one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from crystallize.cells.outcome import CellError
from crystallize.cells.table import Table
from crystallize.errors import StoreError, StoreWarning
from crystallize.store.generations import UNRECORDED, Generations
from crystallize.store.identity import differences, settings, united
from crystallize.store.parts import Missing
from crystallize.store.records import without
from crystallize.store.rows import Record
from crystallize.store.sqlite import Store
from crystallize.store.stored import StoredExperiment

SHOWN = 10
"""How many cells that differ are shown, ..."""


CLIPPED = 80
"""... and how many characters of what each of them came to."""


def merge(
    sources: list[StoredExperiment],
    path: Path,
    *,
    prefer_values: bool = False,
    accept_changes: bool = False,
) -> None:
    """Put the cells of several stores of one experiment into a new one.

    Parameters
    ----------
    sources : list of StoredExperiment
        One or more.
    path : path
        The new store.
    prefer_values : bool
        Where a cell failed in one store and has metrics in another, take these.
    accept_changes : bool
        Put them together although the function or a condition changed between them, or
        cannot be known; the new store says which cells ran under what.

    Raises
    ------
    StoreError
        If they are of different experiments, if a cell differs between two of
        them, or if `path` exists.

    Warns
    -----
    StoreWarning
        If they ran under different versions of what the function uses.
    """
    try:
        is_taken = path.exists()
    except OSError as error:
        raise StoreError(f"{path}: no store can be made there ({error.strerror}).") from error
    if is_taken:
        raise StoreError(f"{path}: there is a file already; merge makes a new one.")
    identity = sources[0].identity
    for number, source in enumerate(sources[1:], start=1):
        _check_settings(sources[0], source)
        if not accept_changes:
            _check_generations(sources[:number], source)
        for other in sources[:number]:
            conflicts = list(_conflicts(other, source))
            if prefer_values:
                conflicts = [conflict for conflict in conflicts if not conflict.one_failed]
            if conflicts:
                raise StoreError(_disagreement(other, source, conflicts))
        identity = united(identity, source.identity)
    known = Generations()
    numbers = [_numbers(source, known) for source in sources]
    latest = numbers[-1][sources[-1].latest.number]
    identity = {**identity, "generation": latest, "shard": None}
    with Store(path, create=True) as store:
        store.set_identity(identity, known.records())
        for source, renumbered in zip(sources, numbers, strict=True):
            store.add(
                replace(record, generation=renumbered[record.generation])
                for record in _taken(source, sources)
            )


def _check_settings(first: StoredExperiment, source: StoredExperiment) -> None:
    """Refuse what nothing can make one experiment: another seed, say."""
    if found := differences(settings(first.identity), settings(source.identity)):
        lines = "\n".join(f"  - {line}" for line in found)
        raise StoreError(f"{source.path} holds another experiment than {first.path}:\n{lines}")


def _check_generations(earlier: list[StoredExperiment], source: StoredExperiment) -> None:
    """Refuse what ran under other code or parameters; warn of other versions."""
    for other in earlier:
        if changes := other.latest.changes(source.latest):
            lines = "\n".join(f"  - {line}" for line in changes)
            raise StoreError(
                f"{source.path} holds another experiment than {other.path}:\n{lines}\n"
                "With --accept-changes they are put together all the same, and the new store says "
                "which cells ran under what."
            )
        if versions := other.latest.versions(source.latest):
            warnings.warn(
                f"{other.path} and {source.path} ran under different versions: "
                f"{', '.join(versions)}.",
                StoreWarning,
                stacklevel=3,
            )


def _numbers(source: StoredExperiment, known: Generations) -> dict[int, int]:
    """The numbers that a store's generations have among those of the new one, which grow.

    Raises
    ------
    StoreError
        If there are cells of a generation that is lost.
    """
    recorded = [source.generations[number] for number in source.generations.records()]
    numbers = {UNRECORDED: UNRECORDED} | {one.number: known.add(one).number for one in recorded}
    for record in source.records:
        if record.generation not in numbers:
            source.generations[record.generation]  # which raises that it is lost
    return numbers


class _Conflict(NamedTuple):
    """A cell to which two stores came differently, and how each of them begins."""

    condition: str
    replicate: int
    outcomes: tuple[str, str]
    one_failed: bool
    """Whether it failed in one of them only."""

    def __str__(self) -> str:
        one, other = self.outcomes
        if one == other:  # they differ further on
            one, other = "a value", "another"
        return f"condition {self.condition!r}, replicate {self.replicate}: {one} and {other}"


def _taken(source: StoredExperiment, sources: list[StoredExperiment]) -> Iterator[Record]:
    """The records of a store, without the failures of cells that have metrics in another."""
    if not source.errors:
        yield from source.records
        return
    failures = {
        (condition, replicate)
        for condition, replicate in source.errors
        if any(_has_metrics(other, condition, replicate) for other in sources)
    }
    for record in source.records:
        yield from without(record, failures)


def _has_metrics(source: StoredExperiment, condition: str, replicate: int) -> bool:
    table = source.tables.get(condition)
    return table is not None and replicate < table.size and bool(table.done[replicate])


def _disagreement(
    one: StoredExperiment, other: StoredExperiment, conflicts: list[_Conflict]
) -> str:
    lines = "\n".join(f"  - {conflict}" for conflict in conflicts[:SHOWN])
    more = f"\n  … and {len(conflicts) - SHOWN:,} more" if len(conflicts) > SHOWN else ""
    count = "1 cell" if len(conflicts) == 1 else f"{len(conflicts):,} cells"
    advice = ""
    if any(conflict.one_failed for conflict in conflicts):
        advice = (
            "\nWhere one has a value and the other a failure, 'crystallize merge' with "
            "--prefer-values takes the value."
        )
    return f"{one.path} and {other.path} disagree on {count}:\n{lines}{more}{advice}"


def _clipped(outcome: str) -> str:
    return outcome if len(outcome) <= CLIPPED else f"{outcome[: CLIPPED - 1]}…"


def _conflicts(one: StoredExperiment, other: StoredExperiment) -> Iterator[_Conflict]:
    """The cells to which the two came differently."""
    for condition in one.tables.keys() & other.tables.keys():
        tables = one.tables[condition], other.tables[condition]
        for replicate in _in_both(condition, one, other):
            errors = [source.errors.get((condition, replicate)) for source in (one, other)]
            first, second = (
                _shown_outcome(table, error, replicate)
                for table, error in zip(tables, errors, strict=True)
            )
            if first is not None and second is not None and first != second:
                outcomes = _clipped(first), _clipped(second)  # of each of a million
                yield _Conflict(condition, replicate, outcomes, errors.count(None) == 1)


def _in_both(condition: str, one: StoredExperiment, other: StoredExperiment) -> list[int]:
    """The replicates of a condition that have an outcome in each of two stores."""
    size = min(source.tables[condition].size for source in (one, other))
    both = np.ones(size, np.bool_)
    for source in (one, other):
        there = source.tables[condition].done[:size].copy()
        failed = [replicate for name, replicate in source.errors if name == condition]
        there[[replicate for replicate in failed if replicate < size]] = True
        both &= there
    return np.flatnonzero(both).tolist()


def missing(merged: StoredExperiment, sources: Sequence[StoredExperiment]) -> Missing:
    """The cells that are in none of some stores, which were put together."""
    shards = {one.shard: one.path for one in sources if one.shard is not None}
    own = shards if len(shards) == len(sources) else {}
    return Missing(merged.replicates, merged.missing, own)


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
