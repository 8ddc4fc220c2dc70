"""A finished block as a record of a store, and back.

A record's payload is the length of a JSON header in eight bytes, the header, and after it the
arrays that the header refers to, each in NumPy's ``.npy`` format.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from crystallize.cells.arrays import Bundle, restored
from crystallize.cells.attempts import Attempt
from crystallize.cells.block import Block, BlockColumn, Failure
from crystallize.cells.durations import Durations
from crystallize.cells.metrics import MOST_BYTES
from crystallize.cells.outcome import CellError
from crystallize.cells.rows import SPARSE_GAP
from crystallize.cells.sheet import Sheet
from crystallize.cells.warned import Warned
from crystallize.description.seeding import Seeding
from crystallize.store.rows import Record

Cell = tuple[str, int]
"""A condition and a replicate."""

UNREADABLE = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError,
    ValueError,
)  # fmt: skip
"""What reading a crafted record may raise; none of its cells is believed."""

MOST_CELLS = 2**27
"""How many replicates a block spans at most, also where few of them are in it."""

LENGTH_BYTES = 8
"""How many bytes say how long the header is."""

MOST_ATTEMPTS = 1000
"""How many attempts stand in one record."""


class Decoded(NamedTuple):
    """What stands in a record.

    Attributes
    ----------
    block : Block
    errors : list of CellError
        Of those of its cells that failed for good.
    attempts : list of Attempt
        At cells between its bounds, also where these are not in the block.
    """

    block: Block
    errors: list[CellError]
    attempts: list[Attempt]


def record(
    condition: str, block: Block, errors: Iterable[CellError], attempts: Iterable[Attempt] = ()
) -> Record:
    """A block as it is stored; its failures without an error are still to be tried again.

    Parameters
    ----------
    condition : str
        The name of the block's condition.
    block : Block
    errors : iterable of CellError
        Of those of its cells that are not tried again.
    attempts : iterable of Attempt
        At cells between its bounds.
    """
    payload = _encoded(block, errors, attempts)
    return Record((condition,), block.start, block.stop, payload)


def _encoded(
    block: Block, errors: Iterable[CellError], attempts: Iterable[Attempt], **more: Any
) -> bytes:
    """A block as the payload of a record, with more in its header."""
    final = {error.replicate - block.start: error for error in errors}
    bundle = Bundle()
    header: dict[str, Any] = {
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
    }
    if block.warned is not None:
        header["warned"] = block.warned.to_json()
    if block.durations is not None:
        header["durations"] = block.durations.to_json(bundle)
    if kept := [attempt.to_json() for attempt in attempts]:
        header["attempts"] = kept
    header |= more
    header["sizes"] = [len(array) for array in bundle.arrays]
    return _payload(header, bundle.arrays)


def sheet_records(conditions: Sequence[str], sheet: Sheet) -> Iterator[Record]:
    """A plain sheet as it is stored: as one record, or as that of a block for each condition.

    Parameters
    ----------
    conditions : sequence of str
        The names of its conditions.
    sheet : Sheet
    """
    if len(conditions) == 1 or _size(sheet.cells) > MOST_BYTES:
        for condition, block in zip(conditions, sheet.blocks(), strict=True):
            yield from records(condition, block, ())
        return
    payload = _encoded(sheet.cells, (), (), count=len(sheet))
    yield Record(tuple(conditions), sheet.start, sheet.stop, payload)


def records(condition: str, block: Block, errors: Sequence[CellError]) -> Iterator[Record]:
    """A block as it is stored: one record, or as many as its values need.

    A row of SQLite takes a gigabyte, of which a single cell never needs more than a part.
    """
    if len(block) == 1 or _size(block) <= MOST_BYTES:
        yield record(condition, block, errors)
        return
    cells = list(block.replicates())
    middle = cells[len(cells) // 2] - block.start
    first = np.arange(block.stop - block.start) < middle
    for half in (first, ~first):
        own = [error for error in errors if half[error.replicate - block.start]]
        yield from records(condition, block.only(half), own)


def _size(block: Block) -> int:
    """About how many bytes a block's values take in a record."""
    size = 0
    for column in block.columns:
        if isinstance(column.values, list):
            size += sum(map(_size_of_object, column.values))
        else:
            size += column.values.nbytes
    return size


def _size_of_object(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    return 12 * len(value) if isinstance(value, str) else 24


def attempt_records(attempts: Iterable[Attempt]) -> Iterator[Record]:
    """Attempts as they are stored: in records without cells, which change nothing of these.

    They are there before anyone knows what becomes of their cells.
    """
    together: list[Attempt] = []
    for attempt in sorted(attempts, key=lambda one: one.key):
        if together and (
            attempt.condition != together[0].condition
            or attempt.replicate - together[-1].replicate > SPARSE_GAP
            or len(together) == MOST_ATTEMPTS
        ):
            yield _attempt_record(together)
            together = []
        together.append(attempt)
    if together:
        yield _attempt_record(together)


def _attempt_record(attempts: Sequence[Attempt]) -> Record:
    first, last = attempts[0], attempts[-1]
    nothing = np.array([], np.intp)
    block = Block(0, first.replicate, last.replicate + 1, [], [], 0.0, cells=nothing)
    return record(first.condition, block, (), attempts)


def lost_record(error: CellError) -> Record:
    """A cell without a block: it took its worker down, or was stopped."""
    failure = Failure(0, error.type, error.message, error.traceback)
    block = Block(0, error.replicate, error.replicate + 1, [], [failure], 0.0)
    return record(error.condition, block, [error])


def without(stored: Record, cells: Container[Cell]) -> list[Record]:
    """A record without some cells: itself if it had none of them, or what is left of it."""
    replicates = range(stored.start, stored.stop)
    kept = np.array([[(c, r) not in cells for r in replicates] for c in stored.conditions])
    if kept.all():
        return [stored]
    # A record does not say the seeds of its errors: they follow from the experiment's.
    rest = []
    found = decoded(stored, Seeding(0))
    for condition, own, (whole, failed, tried) in zip(stored.conditions, kept, found, strict=True):
        block = whole.only(own[: whole.stop - whole.start])
        attempts = [attempt for attempt in tried if own[attempt.replicate - stored.start]]
        if len(block) or attempts:
            errors = [error for error in failed if own[error.replicate - stored.start]]
            left = record(condition, block, errors, attempts)
            rest.append(replace(left, generation=stored.generation))
    return rest


def is_readable(found: Record) -> bool:
    """Whether an undamaged record holds what a block is made of, and that of its own cells."""
    try:
        decoded(found, Seeding(0))
    except UNREADABLE:
        return False
    return True


def decoded(found: Record, seeding: Seeding) -> list[Decoded]:
    """What stands in a record of each of its conditions.

    Raises
    ------
    Exception
        If it is no record of ours, which only one that :func:`is_readable` is certain to be.
    """
    if len(found.conditions) > 1:
        return [Decoded(block, [], []) for block in decoded_sheet(found).blocks()]
    (condition,) = found.conditions
    header, array = _parts(found.payload)
    block = _block(found.start, found.stop, header, array)
    failed = _errors(condition, found.start, header, seeding)
    _check(block, failed)
    # Not there in a store of an earlier version, nor where nothing failed.
    attempts = [Attempt.from_json(kept) for kept in header.get("attempts", ())]
    if not all(a.condition == condition and _has(found, a.replicate) for a in attempts):
        raise ValueError("attempts at cells that are not the block's own")
    return [Decoded(block, failed, attempts)]


def decoded_sheet(found: Record) -> Sheet:
    """What stands in a record of several conditions; the index of its first one is 0.

    Raises
    ------
    Exception
        As :func:`decoded` does.
    """
    header, array = _parts(found.payload)
    width = found.stop - found.start
    cells = _block(0, header["count"], header, array)
    _check(cells, [])
    has_all = len({column.name for column in cells.columns}) == len(cells.columns)
    if not (cells.is_plain and has_all) or -(-len(cells) // width) != len(found.conditions):
        raise ValueError("a sheet of other cells than its conditions have")
    return Sheet(0, found.start, found.stop, cells)


def _has(found: Record, replicate: int) -> bool:
    return found.start <= replicate < found.stop


def _check(block: Block, failed: Sequence[CellError]) -> None:
    """See that all that is in a block is of its own cells."""
    span = block.stop - block.start
    if span > MOST_CELLS:
        raise ValueError("a block of more cells than any has")
    if block.durations is not None and block.durations.total != len(block):
        raise ValueError("durations are of other cells than the block")
    if not all(type(c.name) is str and type(c.position) is int for c in block.columns):
        raise TypeError("a metric without a name or a place")
    if block.is_plain and not failed and all(len(c.values) == span for c in block.columns):
        return  # as nearly all are
    offsets = [np.array([failure.offset for failure in block.failures], dtype=np.int64)]
    for column in block.columns:
        if column.offsets is None:
            # As many as there are cells with values, which are those that did not fail.
            if len(column.values) != len(block) - len(block.failures):
                raise ValueError("a column is of other cells than the block")
        elif len(column.offsets) != len(column.values):
            raise ValueError("a column has values without cells")
        else:
            offsets.append(column.offsets)
    if block.cells is not None:
        offsets.append(block.cells)
    if any(len(own) and not (own.min() >= 0 and own.max() < span) for own in offsets):
        raise ValueError("a block has cells that are not its own")
    texts = (text for e in failed for text in (e.type, e.message, e.traceback))
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("an error without text")
    if not all(isinstance(error.attempts, int) for error in failed):
        raise TypeError("an error without a number of attempts")


def _payload(header: dict[str, Any], arrays: Sequence[bytes]) -> bytes:
    encoded = json.dumps(header).encode()
    return b"".join((len(encoded).to_bytes(LENGTH_BYTES, "big"), encoded, *arrays))


def _parts(payload: bytes) -> tuple[dict[str, Any], Callable[[int], bytes]]:
    """The header of a payload, and what gives the bytes of an array by its number."""
    start = LENGTH_BYTES + int.from_bytes(payload[:LENGTH_BYTES], "big")
    header = json.loads(payload[LENGTH_BYTES:start])
    ends = list(accumulate([start, *header["sizes"]]))
    return header, lambda number: payload[ends[number] : ends[number + 1]]


def _block(start: int, stop: int, header: dict[str, Any], array: Callable[[int], bytes]) -> Block:
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
    warned = header.get("warned")  # nor this, nor where no cell warned
    durations = header.get("durations")
    return Block(
        0, start, stop, columns, failures, 0.0,
        cells=None if cells is None else np.array(cells, dtype=np.intp),
        warned=None if warned is None else Warned.from_json(warned),
        durations=None if durations is None else Durations.from_json(durations, array),
    )  # fmt: skip


def _errors(
    condition: str, start: int, header: dict[str, Any], seeding: Seeding
) -> list[CellError]:
    own = seeding.of(condition)
    return [
        CellError(
            condition, start + offset, own.seed(start + offset),
            kind, message, trace, attempts,
        )
        for offset, kind, message, trace, attempts in header["errors"]
    ]  # fmt: skip
