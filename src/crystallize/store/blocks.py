"""The records of a store, each with a checksum: what its cells came to.

What is in a record, :mod:`crystallize.store.records` knows; here it is bytes, which are
never unpickled.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from crystallize.store.about import STATUS, About, said
from crystallize.store.rows import Record, conditions_of

FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged file leads to; the second where the message quotes what is no text any more."""

MOST_MISSING = 1000
"""After how many numbers without a record no further one is looked for, in a damaged file."""

INSERT = (
    "INSERT INTO blocks (id, condition, start, stop, checksum, payload, generation)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)


class Blocks(About):
    """The records of an open store, and what it says."""

    _read_only: bool

    @property
    def has_cells(self) -> bool:
        """Whether there are any."""
        with self._explained():
            ((found,),) = self._connection.execute("SELECT EXISTS (SELECT 1 FROM blocks)")
        return bool(found)

    @property
    def filled(self) -> set[str]:
        """The conditions of which there are cells."""
        with self._explained():
            rows = self._connection.execute("SELECT DISTINCT condition FROM blocks").fetchall()
        return {condition for (given,) in rows for condition in conditions_of(given)}

    def records(self, damaged: list[int] | None = None) -> Iterator[Record]:
        """The undamaged records, in the order in which they were added.

        Parameters
        ----------
        damaged : list of int, optional
            Where the numbers of the others go.
        """
        for number, record in self._read():
            if record is not None:
                yield record
            elif damaged is not None:
                damaged.append(number)

    def places(self) -> list[tuple[int, tuple[str, ...], int, int]]:
        """Number, conditions, start and stop of every record, in the order in which they came.

        Damaged ones are among them, but none whose place could be no record's.
        """
        try:
            rows: Iterable[tuple[Any, ...]] = self._connection.execute(
                "SELECT id, condition, start, stop FROM blocks ORDER BY id"
            ).fetchall()
        except FAILURES:  # what can be read of such a file is read one by one
            rows = [(n, r.given, r.start, r.stop) for n, r in self._read() if r is not None]
        return [
            (number, conditions, start, stop)
            for number, given, start, stop in rows
            if (conditions := conditions_of(given))
            and isinstance(start, int)
            and isinstance(stop, int)
            and 0 <= start < stop
        ]

    def record(self, number: int) -> Record | None:
        """One record by its number; ``None`` if it is damaged, or not there any more."""
        try:
            row = self._connection.execute(f"{self._rows} WHERE id = ?", (number,)).fetchone()
        except FAILURES:
            return None
        return None if row is None else self._checked(row)[1]

    def damaged(self, is_readable: Callable[[Record], bool] = lambda record: True) -> list[str]:
        """What those are called whose checksum is wrong, or that cannot be read.

        Parameters
        ----------
        is_readable : callable
            What says so of an undamaged one.
        """
        return [name for _, name in self._bad(is_readable)]

    def rewrite(self, change: Callable[[Record], list[Record]]) -> None:
        """Put others, or none, in the place of each undamaged record: all or none."""
        execute = self._connection.execute
        with self._explained(), self._connection:
            execute("DELETE FROM about WHERE key = ?", (STATUS,))
            records = list(self._read())
            changed = {number: change(record) for number, record in records if record is not None}
            added = sum(max(0, len(rest) - 1) for rest in changed.values())
            # From the last one on, so that those before it need not move yet: of two records that
            # have the same cell the later one counts, so that their order is to stay.
            for number, record in reversed(records):
                rest = changed.get(number)
                if rest is None or rest == [record]:
                    if added:
                        execute("UPDATE blocks SET id = ? WHERE id = ?", (number + added, number))
                    continue
                execute("DELETE FROM blocks WHERE id = ?", (number,))
                added -= max(0, len(rest) - 1)
                self._connection.executemany(
                    INSERT,
                    [self._row(place, one) for place, one in enumerate(rest, number + added)],
                )

    def set_aside(self, is_readable: Callable[[Record], bool] = lambda record: True) -> list[str]:
        """Move damaged records out of the way, so that a resume runs their cells again.

        Parameters
        ----------
        is_readable : callable
            What says of an undamaged one whether it can be read.

        Returns
        -------
        list of str
            What they are called.
        """
        bad = list(self._bad(is_readable))
        with self._explained(), self._connection:
            for number, _ in bad:
                self._connection.execute(
                    "INSERT INTO damaged SELECT * FROM blocks WHERE id = ?", (number,)
                )
                self._connection.execute("DELETE FROM blocks WHERE id = ?", (number,))
        return [name for _, name in bad]

    def _insert(self, records: Iterable[Record], status: Any) -> None:
        rows = [self._row(None, record) for record in records]
        with self._explained(), self._connection:
            self._connection.executemany(INSERT, rows)
            if status is not None:
                self._connection.execute(*said(STATUS, status))

    def _bad(self, is_readable: Callable[[Record], bool]) -> Iterator[tuple[int, str]]:
        for number, record in self._read():
            if record is None:
                yield number, self._called(number)
            elif not is_readable(record):
                yield number, record.name

    def _called(self, number: int) -> str:
        """The name of a damaged record, which may be damaged itself."""
        record = None
        with suppress(*FAILURES):
            row = self._connection.execute(f"{self._rows} WHERE id = ?", (number,)).fetchone()
            record = Record.of_row(row[2:])
        return f"block {number}" if record is None else record.name

    def _read(self) -> Iterator[tuple[int, Record | None]]:
        """The number of each record, and the record if it is undamaged."""
        with self._explained():
            last = 0
            try:
                for row in self._connection.execute(f"{self._rows} ORDER BY id"):
                    last = row[0]
                    yield self._checked(row)
            except FAILURES:
                if not self._read_only:  # nothing is to be written to such a file
                    raise
                yield from self._read_one_by_one(last + 1)

    def _read_one_by_one(self, first: int) -> Iterator[tuple[int, Record | None]]:
        """The same of a file whose structure is damaged, as far as it can still be read."""
        missing = 0
        for number in itertools.count(first):
            try:
                row = self._connection.execute(f"{self._rows} WHERE id = ?", (number,)).fetchone()
            except FAILURES:
                yield number, None
                row = None
            if row is not None:
                yield self._checked(row)
            missing = 0 if row is not None else missing + 1
            if missing > MOST_MISSING:
                return

    def _checked(self, row: Sequence[Any]) -> tuple[int, Record | None]:
        """The number of a record, and the record if it is undamaged, and of this store."""
        number, checksum, *parts = row
        record = Record.of_row(parts)
        good = record is not None and record.checksum(self.id) == checksum
        return number, record if good else None

    def _row(self, number: int | None, record: Record) -> tuple[Any, ...]:
        """What :data:`INSERT` takes; without a number it has the next one."""
        return (
            number, record.given, record.start, record.stop, record.checksum(self.id),
            record.payload, record.generation,
        )  # fmt: skip

    @property
    def _rows(self) -> str:
        generation = "generation" if self._format >= 2 else "0"
        return f"SELECT id, checksum, condition, start, stop, payload, {generation} FROM blocks"
