"""A run's store: finished blocks as bytes and back, and which experiment they belong to."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crystallize.errors import StoreMismatchError, StoreWarning
from crystallize.experiments.bundle import Bundle, restored
from crystallize.experiments.outcomes import Block, BlockColumn, CellError, Failure, Table
from crystallize.experiments.provenance import shown_parameter, source_file, source_hash, versions
from crystallize.experiments.seeding import RULE, replicate_seed
from crystallize.plugins.execution.base import function_name
from crystallize.store import Record, Store

if TYPE_CHECKING:
    from crystallize.experiments.experiment import Experiment

Cell = tuple[str, int]


def identity(experiment: Experiment) -> dict[str, Any]:
    """What makes two runs one experiment, and where to find its function."""
    file = source_file(experiment.function)
    return {
        "name": experiment.name,
        "function": function_name(experiment.function),
        "module": getattr(experiment.function, "__module__", None),
        "file": None if file is None else str(file),
        "source_sha256": source_hash(experiment.function),
        "seed": experiment.seed,
        "rule": RULE,
        "seed_globals": experiment.seed_globals,
        "baseline": experiment.baseline,
        "replicates": experiment.replicates,
        "conditions": {
            condition: {key: _stable(shown_parameter(value)) for key, value in parameters.items()}
            for condition, parameters in experiment.conditions.items()
        },
        "opaque": {
            condition: [key for key, value in parameters.items() if not _is_data(value)]
            for condition, parameters in experiment.conditions.items()
        },
        "versions": versions(),
    }


MUST_AGREE = ("source_sha256", "seed", "rule", "seed_globals")


def differences(stored: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """What differs between two identities, where it makes them two experiments.

    More replicates and other conditions do not; a condition of one name must
    have the same parameters in both.
    """
    found = [
        f"{key}: the store has {stored[key]!r}, the experiment {wanted[key]!r}"
        for key in MUST_AGREE
        if stored[key] != wanted[key]
    ]
    for condition, parameters in wanted["conditions"].items():
        before = stored["conditions"].get(condition, parameters)
        found += [
            f"condition {condition!r}, {key}: the store has {before.get(key, '(nothing)')!r}, "
            f"the experiment {parameters.get(key, '(nothing)')!r}"
            for key in sorted(before.keys() | parameters.keys())
            if before.get(key, ...) != parameters.get(key, ...)
        ]
    return found


def united(stored: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The identity of all that either of two has."""
    both = {key: {**stored[key], **wanted[key]} for key in ("conditions", "opaque")}
    return {**wanted, **both, "replicates": max(stored["replicates"], wanted["replicates"])}


class Archive:
    """The store of a run that is under way.

    Parameters
    ----------
    experiment : Experiment
        With a ``store``.

    Raises
    ------
    StoreMismatchError
        If the store holds another experiment and changes are not accepted.
    StoreError
        If it cannot be used.
    """

    def __init__(self, experiment: Experiment, path: str | Path) -> None:
        self._experiment = experiment
        self._store = Store(path, create=True)
        self.found = 0
        """How many of the experiment's cells were in the store already."""
        try:
            self._agree()
        except BaseException:
            self._store.close()
            raise

    def _agree(self) -> None:
        wanted = identity(self._experiment)
        stored = self._store.identity
        changes = self._store.changes
        if stored is not None:
            if differing := differences(stored, wanted):
                if not self._experiment.accept_changes:
                    lines = "\n".join(f"  - {line}" for line in differing)
                    raise StoreMismatchError(
                        f"{self._store.path}: this store holds another experiment:\n{lines}\n"
                        "Give another store; or accept the changes (accept_changes=True, "
                        "--accept-changes), and its cells stand beside the new ones."
                    )
                changes.append({"differences": differing, "before": stored})
            wanted = united(stored, wanted)
        self._store.set_identity(wanted, changes)

    def load(self) -> tuple[dict[str, Table], dict[Cell, CellError]]:
        """The cells that are in the store, of those that the experiment has."""
        experiment = self._experiment
        for damaged in self._store.set_aside():
            warnings.warn(
                f"{self._store.path}: {damaged.name} are damaged; they are set aside and run "
                "again.",
                StoreWarning,
                stacklevel=2,
            )
        tables, errors = read_records(
            self._store.records(), tuple(experiment.conditions), experiment.replicates,
            experiment.seed,
        )  # fmt: skip
        if experiment.retry_failed:
            errors = {}
        self.found = sum(int(table.done.sum()) for table in tables.values()) + len(errors)
        return tables, errors

    def keep(self, records: Sequence[Record]) -> None:
        """Commit blocks; they survive anything from now on."""
        self._store.add(records)

    def close(self) -> None:
        self._store.close()


def record(condition: str, block: Block, errors: Iterable[CellError]) -> Record:
    """A block as it is stored; its failures without an error are still to be tried again."""
    final = {error.replicate - block.start: error for error in errors}
    bundle = Bundle()
    content = {
        "cells": None if block.cells is None else block.cells.tolist(),
        "columns": [
            {
                "name": column.name,
                "position": column.position,
                "offsets": None if column.offsets is None else column.offsets.tolist(),
                "values": bundle.keep(column.values),
            }
            for column in block.columns
        ],
        "errors": [
            [offset, error.type, error.message, error.traceback, error.attempts]
            for offset, error in final.items()
        ],
        "open": [f.offset for f in block.failures if f.offset not in final],
        "sizes": [len(array) for array in bundle.arrays],
    }
    header = json.dumps(content).encode()
    payload = b"".join((len(header).to_bytes(8, "big"), header, *bundle.arrays))
    return Record(condition, block.start, block.stop, payload)


def lost_record(error: CellError) -> Record:
    """A cell without a block: it took its worker down, or was stopped."""
    failure = Failure(0, error.type, error.message, error.traceback)
    block = Block(0, error.replicate, error.replicate + 1, [], [failure], 0.0)
    return record(error.condition, block, [error])


def read_records(
    records: Iterable[Record], conditions: Sequence[str], replicates: int, root: int
) -> tuple[dict[str, Table], dict[Cell, CellError]]:
    """The cells of some conditions, from records in the order in which they were stored."""
    kept = [record for record in records if record.condition in conditions]
    size = max([replicates, *(record.stop for record in kept)])
    tables = {condition: Table(0, size) for condition in conditions}
    errors: dict[Cell, CellError] = {}
    for found in kept:
        block, failed = _decoded(found, root)
        tables[found.condition].add(block)
        for replicate in block.replicates():
            errors.pop((found.condition, replicate), None)
        errors.update({(e.condition, e.replicate): e for e in failed})
    for table in tables.values():
        table.truncate(replicates)
    return tables, {cell: error for cell, error in errors.items() if cell[1] < replicates}


def _decoded(found: Record, root: int) -> tuple[Block, list[CellError]]:
    length = int.from_bytes(found.payload[:8], "big")
    content = json.loads(found.payload[8 : 8 + length])
    ends = np.cumsum([8 + length, *content["sizes"]]).tolist()

    def array(number: int) -> bytes:
        return found.payload[ends[number] : ends[number + 1]]

    columns = [
        BlockColumn(
            column["name"],
            column["position"],
            None if column["offsets"] is None else np.array(column["offsets"], dtype=np.intp),
            restored(column["values"], array),
        )
        for column in content["columns"]
    ]
    errors = [
        CellError(
            found.condition, found.start + offset, replicate_seed(root, found.start + offset),
            kind, message, trace, attempts,
        )
        for offset, kind, message, trace, attempts in content["errors"]
    ]  # fmt: skip
    failed = [*(error[0] for error in content["errors"]), *content["open"]]
    failures = [Failure(offset, "", "", "") for offset in failed]
    cells = content.get("cells")  # not there in a store of an earlier version
    block = Block(
        0, found.start, found.stop, columns, failures, 0.0,
        cells=None if cells is None else np.array(cells, dtype=np.intp),
    )  # fmt: skip
    return block, errors


def missing_runs(table: Table, failed: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The runs [start, stop) of replicates that have neither metrics nor an error."""
    if not failed and not table.done.any():  # and no array as long as the run is made
        yield 0, table.size
        return
    settled = table.done.copy()
    settled[failed] = True
    edges = np.flatnonzero(np.diff(np.concatenate(([True], settled, [True])).astype(np.int8)))
    yield from map(tuple, edges.reshape(-1, 2).tolist())


def _is_data(value: Any) -> bool:
    """Whether a parameter is in the identity as it is, not as a digest or a ``repr``."""
    shown = shown_parameter(value)
    return type(shown) is type(value) and not callable(value) and bool(shown == value)


def _stable(value: Any) -> Any:
    """A parameter's ``repr`` without addresses, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", value) if isinstance(value, str) else value
