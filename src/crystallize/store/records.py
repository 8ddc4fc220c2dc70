"""A finished block as a record of a store, and back.

A record's payload is the length of a JSON header in eight bytes, the header, and after it the
arrays that the header refers to, each in NumPy's ``.npy`` format.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from crystallize.cells.arrays import Bundle, restored
from crystallize.cells.block import Block, BlockColumn, Failure
from crystallize.cells.outcome import CellError
from crystallize.cells.table import Table
from crystallize.description.seeding import Seeding
from crystallize.store.sqlite import Record

Cell = tuple[str, int]
"""A condition and a replicate."""

LENGTH_BYTES = 8
"""How many bytes say how long the header is."""


def record(condition: str, block: Block, errors: Iterable[CellError]) -> Record:
    """A block as it is stored; its failures without an error are still to be tried again.

    Parameters
    ----------
    condition : str
        The name of the block's condition.
    block : Block
    errors : iterable of CellError
        Of those of its cells that are not tried again.
    """
    final = {error.replicate - block.start: error for error in errors}
    bundle = Bundle()
    header = {
        "cells": None if block.cells is None else block.cells.tolist(),
        "columns": [
            {
                "name": column.name,
                "position": column.position,
                "offsets": None if column.offsets is None else column.offsets.tolist(),
                "values": bundle.add(column.values),
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
    return Record(condition, block.start, block.stop, _payload(header, bundle.arrays))


def lost_record(error: CellError) -> Record:
    """A cell without a block: it took its worker down, or was stopped."""
    failure = Failure(0, error.type, error.message, error.traceback)
    block = Block(0, error.replicate, error.replicate + 1, [], [failure], 0.0)
    return record(error.condition, block, [error])


def read_records(
    records: Iterable[Record], conditions: Sequence[str], replicates: int, seeding: Seeding
) -> tuple[dict[str, Table], dict[Cell, CellError]]:
    """The cells of some conditions, from records in the order in which they were stored.

    Parameters
    ----------
    records : iterable of Record
        Where two have the same cell, the later one counts.
    conditions : sequence of str
    replicates : int
        Cells beyond are left out.
    seeding : Seeding
        What gives the replicates their seeds.

    Returns
    -------
    (dict of str to Table, dict of (str, int) to CellError)
        Condition -> its cells, and cell -> its error.
    """
    kept = [record for record in records if record.condition in conditions]
    size = max([replicates, *(record.stop for record in kept)])
    tables = {condition: Table(0, size) for condition in conditions}
    errors: dict[Cell, CellError] = {}
    for found in kept:
        header, array = _parts(found.payload)
        block, failed = _block(found, header, array), _errors(found, header, seeding)
        tables[found.condition].add(block)
        for replicate in block.replicates():
            errors.pop((found.condition, replicate), None)
        errors.update({(e.condition, e.replicate): e for e in failed})
    for table in tables.values():
        table.truncate(replicates)
    return tables, {cell: error for cell, error in errors.items() if cell[1] < replicates}


def _payload(header: dict[str, Any], arrays: Sequence[bytes]) -> bytes:
    encoded = json.dumps(header).encode()
    return b"".join((len(encoded).to_bytes(LENGTH_BYTES, "big"), encoded, *arrays))


def _parts(payload: bytes) -> tuple[dict[str, Any], Callable[[int], bytes]]:
    """The header of a payload, and what gives the bytes of an array by its number."""
    start = LENGTH_BYTES + int.from_bytes(payload[:LENGTH_BYTES], "big")
    header = json.loads(payload[LENGTH_BYTES:start])
    ends = np.cumsum([start, *header["sizes"]]).tolist()
    return header, lambda number: payload[ends[number] : ends[number + 1]]


def _block(found: Record, header: dict[str, Any], array: Callable[[int], bytes]) -> Block:
    columns = [
        BlockColumn(
            column["name"],
            column["position"],
            None if column["offsets"] is None else np.array(column["offsets"], dtype=np.intp),
            restored(column["values"], array),
        )
        for column in header["columns"]
    ]
    failed = [*(error[0] for error in header["errors"]), *header["open"]]
    failures = [Failure(offset, "", "", "") for offset in failed]
    cells = header.get("cells")  # not there in a store of an earlier version
    return Block(
        0, found.start, found.stop, columns, failures, 0.0,
        cells=None if cells is None else np.array(cells, dtype=np.intp),
    )  # fmt: skip


def _errors(found: Record, header: dict[str, Any], seeding: Seeding) -> list[CellError]:
    return [
        CellError(
            found.condition, found.start + offset, seeding.seed(found.start + offset),
            kind, message, trace, attempts,
        )
        for offset, kind, message, trace, attempts in header["errors"]
    ]  # fmt: skip
