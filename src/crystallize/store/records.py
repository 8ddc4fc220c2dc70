"""A finished block as a record of a store, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np

from crystallize.cells.arrays import Bundle, restored
from crystallize.cells.block import Block, BlockColumn, Failure
from crystallize.cells.outcome import CellError
from crystallize.cells.table import Table
from crystallize.description.seeding import replicate_seed
from crystallize.store import Record

Cell = tuple[str, int]


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
