"""A finished block as a record of a store, and back.

A record's payload is the length of a JSON header in eight bytes, the header, and after it the
arrays that the header refers to, each in NumPy's ``.npy`` format.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crystallize.cells.arrays import Bundle, restored
from crystallize.cells.attempts import Attempt, Attempts
from crystallize.cells.block import Block, BlockColumn, Failure
from crystallize.cells.condition_tables import ConditionTables
from crystallize.cells.durations import Durations
from crystallize.cells.metrics import MOST_BYTES
from crystallize.cells.outcome import CellError
from crystallize.cells.rows import SPARSE_GAP
from crystallize.cells.warned import Warned
from crystallize.description.seeding import Seeding
from crystallize.store.rows import Record

Cell = tuple[str, int]
"""A condition and a replicate."""

Ranges = dict[int, dict[str, list[list[int]]]]
"""Generation -> condition -> ranges [start, stop) of replicates."""

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
    header["sizes"] = [len(array) for array in bundle.arrays]
    return Record(condition, block.start, block.stop, _payload(header, bundle.arrays))


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


def without(stored: Record, cells: Container[Cell]) -> Record | None:
    """A record without some cells; ``None`` where nothing is left of it, itself if it had none."""
    replicates = range(stored.start, stored.stop)
    kept = np.array([(stored.condition, replicate) not in cells for replicate in replicates])
    if kept.all():
        return stored
    # A record does not say the seeds of its errors: they follow from the experiment's.
    block, failed, tried = decoded(stored, Seeding(0))
    block = block.only(kept)
    attempts = [attempt for attempt in tried if kept[attempt.replicate - stored.start]]
    if not (len(block) or attempts):
        return None
    errors = [error for error in failed if kept[error.replicate - stored.start]]
    rest = record(stored.condition, block, errors, attempts)
    return replace(rest, generation=stored.generation)


class Cells(NamedTuple):
    """The cells that were in some records.

    Attributes
    ----------
    tables : ConditionTables
    errors : dict of (str, int) to CellError
        Cell -> its error.
    generations : dict of str to array of int
        Condition -> the generation of each cell, where there is one, of those that have any.
    unreadable : list of Record
        Those of which nothing was taken, since they are none of ours.
    attempts : list of Attempt
        By replicate, condition and number.
    """

    tables: ConditionTables
    errors: dict[Cell, CellError]
    generations: dict[str, npt.NDArray[np.int32]]
    unreadable: list[Record]
    attempts: list[Attempt]

    def ranges(self) -> Ranges:
        """The cells that have an outcome, by generation."""
        found: Ranges = {}
        failed: dict[str, list[int]] = {}
        for condition, replicate in self.errors:
            failed.setdefault(condition, []).append(replicate)
        for condition, table in self.tables.made():
            own = self.generations.get(condition)
            if own is None:
                continue
            if condition not in failed and table.done.all() and (own == own[0]).all():
                found.setdefault(int(own[0]), {})[condition] = [[0, table.size]]
                continue
            # With a cell that is not there before the first, and one after the last.
            numbers = np.full(table.size + 2, -1, np.int32)
            np.copyto(numbers[1:-1], own, where=table.done)
            if condition in failed:
                places = np.array(failed[condition], np.intp)
                numbers[places + 1] = own[places]
            edges = (numbers[1:] != numbers[:-1]).nonzero()[0]
            numbers = numbers[1:]
            for start, stop in pairwise(edges.tolist()):
                if (number := int(numbers[start])) >= 0:
                    found.setdefault(number, {}).setdefault(condition, []).append([start, stop])
        return found


def read_records(
    records: Iterable[Record],
    replicates: Mapping[str, int],
    seeding: Seeding,
    parts: Mapping[str, tuple[int, int]] | None = None,
) -> Cells:
    """The cells of some conditions, from records in the order in which they were stored.

    Parameters
    ----------
    records : iterable of Record
        Where two have the same cell, the later one counts.
    replicates : mapping of str to int
        Condition -> how many replicates it has; cells beyond, and of others, are left out.
    seeding : Seeding
        What gives the replicates their seeds.
    parts : mapping of str to (int, int), optional
        Condition -> the range [start, stop) of its replicates that is wanted.

    Returns
    -------
    Cells
    """
    tables = ConditionTables(replicates)
    errors: dict[Cell, CellError] = {}
    generations: dict[str, npt.NDArray[np.int32]] = {}
    unreadable = []
    attempts = Attempts(replicates)
    for found in records:  # one after another: never more of the payloads than one in memory
        first, last = 0, replicates.get(found.condition, 0)
        if parts is not None and last:
            first, last = parts[found.condition]
        if max(found.start, first) >= min(found.stop, last):
            continue
        try:
            block, failed, tried = decoded(found, seeding)
        except UNREADABLE:
            unreadable.append(found)
            continue
        for attempt in tried:
            if first <= attempt.replicate < last:
                attempts.add(attempt)
        if block.start < first or last < block.stop:
            block = block.between(first, last)
            failed = [error for error in failed if first <= error.replicate < last]
            if not len(block):
                continue
        tables[found.condition].add(block)
        places = (
            slice(block.start, block.stop) if block.cells is None else block.start + block.cells
        )
        if found.condition not in generations:
            generations[found.condition] = np.zeros(replicates[found.condition], np.int32)
        generations[found.condition][places] = found.generation
        if errors:
            for replicate in block.replicates():
                errors.pop((found.condition, replicate), None)
        errors.update({(e.condition, e.replicate): e for e in failed})
    for _, table in tables.made():
        table.forget_unused()
    return Cells(tables, errors, generations, unreadable, attempts.in_order())


def is_readable(found: Record) -> bool:
    """Whether an undamaged record holds what a block is made of, and that of its own cells."""
    try:
        decoded(found, Seeding(0))
    except UNREADABLE:
        return False
    return True


def decoded(found: Record, seeding: Seeding) -> Decoded:
    """What stands in a record.

    Raises
    ------
    Exception
        If it is no record of ours, which only one that :func:`is_readable` is certain to be.
    """
    header, array = _parts(found.payload)
    block, failed = _block(found, header, array), _errors(found, header, seeding)
    _check(block, failed)
    # Not there in a store of an earlier version, nor where nothing failed.
    attempts = [Attempt.from_json(kept) for kept in header.get("attempts", ())]
    if not all(a.condition == found.condition and _has(found, a.replicate) for a in attempts):
        raise ValueError("attempts at cells that are not the block's own")
    return Decoded(block, failed, attempts)


def _has(found: Record, replicate: int) -> bool:
    return found.start <= replicate < found.stop


def _check(block: Block, failed: Sequence[CellError]) -> None:
    """See that all that is in a block is of its own cells."""
    span = block.stop - block.start
    if span > MOST_CELLS:
        raise ValueError("a block of more cells than any has")
    if block.durations is not None and block.durations.total != len(block):
        raise ValueError("durations are of other cells than the block")
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
    warned = header.get("warned")  # nor this, nor where no cell warned
    durations = header.get("durations")
    return Block(
        0, found.start, found.stop, columns, failures, 0.0,
        cells=None if cells is None else np.array(cells, dtype=np.intp),
        warned=None if warned is None else Warned.from_json(warned),
        durations=None if durations is None else Durations.from_json(durations, array),
    )  # fmt: skip


def _errors(found: Record, header: dict[str, Any], seeding: Seeding) -> list[CellError]:
    own = seeding.of(found.condition)
    return [
        CellError(
            found.condition, found.start + offset, own.seed(found.start + offset),
            kind, message, trace, attempts,
        )
        for offset, kind, message, trace, attempts in header["errors"]
    ]  # fmt: skip
