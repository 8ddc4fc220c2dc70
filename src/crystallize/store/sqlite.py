"""One SQLite file: an experiment's identity and every finished block, each with a checksum.

What a block is, :mod:`crystallize.store.records` knows; here it is bytes, which are
never unpickled.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from crystallize.errors import StoreError, StoreLostError
from crystallize.store.lock import DriverLock, FileId, Lent, check_kind, file_id
from crystallize.store.log import Log, log_of
from crystallize.store.rows import Record, checked_row, conditions_of
from crystallize.store.rows import checksum as checksum_of
from crystallize.store.schema import (
    APPLICATION_ID,
    CHECKSUMS,
    FORMAT,
    FROM_FORMAT,
    SCHEMA,
    distrust,
    unlike_a_store,
)

OPEN = "open"
"""What a store says of itself while a run has it, or where one was left in its middle."""


EXTRACT = "extract"
"""What is to be seen of it at a glance."""

STATUS = "status"
"""What it says of how far the run is that has it, or had it last."""

FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged file leads to; the second where the message quotes what is no text any more."""

BUSY_SECONDS = 10.0
"""How long another program may keep the file locked."""


MOST_MISSING = 1000
"""After how many numbers without a record no further one is looked for, in a damaged file."""

SALVAGE = "'crystallize merge STORE -o NEW' keeps in a new store what can still be read of it."


INSERT = (
    "INSERT INTO blocks (id, condition, start, stop, checksum, payload, generation)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)

Identity = dict[str, Any]
"""What makes two runs one experiment, as JSON; :mod:`crystallize.store.identity` makes it."""


class Store:
    """An open store.

    Parameters
    ----------
    path : path
    create : bool
        Whether to make the file where there is none.
    read_only : bool
        For looking; needs no lock.

    Attributes
    ----------
    id : str
        What tells the store from others; empty in one of an earlier format.

    Raises
    ------
    StoreError
        If there is no file, if it is not a store of this version or is damaged,
        or if another driver has it.
    """

    def __init__(self, path: str | Path, *, create: bool = False, read_only: bool = False) -> None:
        self.path = Path(path)
        self._read_only = read_only
        self._lock: DriverLock | None = None
        self._format = 0
        self.id = ""
        self._rescued: Path | None = None
        self._creates = create
        try:
            with self._explained():
                if not read_only:
                    self._lock = DriverLock(self.path, create=create)
                status = self.path.stat()
                check_kind(self.path, status.st_mode)
                log = Log(self.path, status, self._lock)
                log.check_names()
                self._connection = self._opened(read_only)
                tables = self._checked_tables()
                if log.is_missing and tables and self._about(OPEN) is not None:
                    log.warn()
                if not read_only:
                    self._prepare(tables)
                self._log_file = _file_id(log_of(self.path))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def identity(self) -> Identity | None:
        """What the store's experiment is, or ``None`` in a new one."""
        identity: Identity | None = self._about("identity")
        return identity

    @property
    def generations(self) -> dict[int, str]:
        """What cells ran under: number of the generation -> JSON's text, which may be long."""
        if self._format < 2:
            return {}
        checksum = "checksum" if self._format >= CHECKSUMS else "NULL"
        with self._explained():
            rows = self._connection.execute(
                f"SELECT number, value, {checksum} FROM generations ORDER BY number"
            )
            return {number: self._checked_text(number, *row) for number, *row in rows}

    @property
    def extract(self) -> tuple[int, Any] | None:
        """The number of the only generation that there is, and what was told of it.

        ``None`` if there are others, or the store says something else by now.
        """
        with suppress(StoreError):  # who reads what is damaged says so
            match self._about(EXTRACT):
                case [extract, told_of]:
                    numbers, says = self._said_of_the_experiment()
                    if told_of == says and len(numbers) == 1:
                        return numbers[0], extract
        return None

    def set_extract(self, extract: Any) -> None:
        """Keep what is to be seen at a glance of what the store says of its experiment now.

        It holds for as long as identity and generations are what they are.
        """
        _, says = self._said_of_the_experiment()
        with self._explained():
            self._say(EXTRACT, [extract, says])

    def _said_of_the_experiment(self) -> tuple[list[int], str]:
        """The numbers of generations, and a digest of all that is said, none of which is read.

        Raises
        ------
        StoreError
            If something of it is damaged.
        """
        with self._explained():
            execute = self._connection.execute
            of_itself = execute("SELECT key, value, checksum FROM about WHERE key = 'identity'")
            found = of_itself.fetchall()
            of_them = execute("SELECT number, value, checksum FROM generations ORDER BY number")
            found += (generations := of_them.fetchall())
        digest = hashlib.sha256()
        for key, value, checksum in found:
            self._checked_text(key, value, checksum)
            digest.update(f"{key}:".encode() + checksum)
        return [number for number, *_ in generations], digest.hexdigest()

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

    def set_identity(
        self, identity: Identity, generations: Mapping[int, Any] | None = None
    ) -> None:
        """Say what the store's experiment is now, and what some generations are."""
        with self._explained(), self._connection:
            self._connection.execute(*_said("identity", identity))
            self._connection.executemany(
                "INSERT OR REPLACE INTO generations (number, value, checksum) VALUES (?, ?, ?)",
                [
                    checked_row(number, json.dumps(value))
                    for number, value in (generations or {}).items()
                ],
            )

    @property
    def status(self) -> Any:
        """How far the run is that has the store, or had it last, as JSON, where that is known."""
        return self._about(STATUS)

    def set_status(self, status: Any) -> None:
        """Say how far the run is."""
        with self._explained():
            self._say(STATUS, status)

    def add(self, records: Iterable[Record], status: Any = None) -> None:
        """Commit records, all or none; when this returns they survive anything.

        Parameters
        ----------
        records : iterable of Record
        status : object, optional
            How far the run is with them, as JSON has it.

        Raises
        ------
        StoreLostError
            If the store was deleted, renamed or replaced; the records are in what is left of it.
        """
        in_place = self._is_in_place()
        rows = [self._row(None, record) for record in records]
        with self._explained(), self._connection:
            self._connection.executemany(INSERT, rows)
            if status is not None:
                self._connection.execute(*_said(STATUS, status))
        if not in_place:
            raise StoreLostError(self._what_became_of_it())

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

    def check_pages(self) -> None:
        """Have SQLite look at the whole file.

        Raises
        ------
        StoreError
            If its structure is damaged.
        """
        with self._explained():
            ((found,),) = self._connection.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise StoreError(f"{self.path}: the file's structure is damaged ({found}). {SALVAGE}")

    def lent(self, give_up: Callable[[], None]) -> AbstractContextManager[Lent]:
        """Let who wants the store meanwhile have it, by calling this."""
        return nullcontext(Lent()) if self._lock is None else self._lock.lent(give_up)

    def close(self) -> None:
        """Close the file; what was added is in it already."""
        if hasattr(self, "_connection"):
            with suppress(*FAILURES):
                if self._lock is not None:
                    try:
                        self._unmark()
                    except FAILURES:  # no room in the log: what is in it goes to the file first
                        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                        self._unmark()
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    if self._lock.is_in_place() or not self.path.exists():
                        # At rest one file without a log, which a read-only folder can hold.
                        self._connection.execute("PRAGMA journal_mode = DELETE")
                    elif sys.version_info >= (3, 12):
                        # The log of that name is another store's.
                        self._connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE)
            with suppress(*FAILURES):
                self._connection.close()
        if self._lock is not None:
            if self._lock.now_at != str(self.path.resolve()):
                self._close_by_its_name_of_now(self._lock)
            self._lock.release()

    def _close_by_its_name_of_now(self, lock: DriverLock) -> None:
        """Make a renamed store one file, which SQLite refuses by the name that it had."""
        if lock.now_at is not None and _file_id(Path(lock.now_at)) == lock.file:
            with suppress(*FAILURES), closing(sqlite3.connect(lock.now_at)) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")

    def copy_to(self, path: Path) -> None:
        """Write all that is in the store to a file, as it is at one moment.

        Raises
        ------
        StoreError
            If it cannot be read, or not be written there.
        """
        with self._explained(), closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)
            with copy:
                copy.execute("DELETE FROM about WHERE key IN (?, ?)", (OPEN, STATUS))
            copy.execute("PRAGMA journal_mode = DELETE")

    def _what_became_of_it(self) -> str:
        """What to say of a store that is not where it was; one that is nowhere is written anew."""
        assert self._lock is not None
        again = "Run again with that store to resume."
        if self._lock.is_in_place():
            return (
                f"{self.path}: {log_of(self.path).name}, the log of this store, was deleted or "
                f"replaced in the middle of the run. What finished is in the store. {again}"
            )
        if not self._lock.is_deleted:
            now = f", {self._lock.now_at}" if self._lock.now_at else ""
            return (
                f"{self.path}: this store was renamed in the middle of the run. What finished is "
                f"in it, wherever it is now{now}. {again}"
            )
        return f"{self.path}: this store was deleted or replaced in the middle of the run. " + (
            f"What finished was written anew to {self._rescued}. {again}"
            if self._rescue()
            else "What finished is in the result alone: error.result, or --output."
        )

    def _rescue(self) -> bool:
        """Write a store that was deleted to where it was, or beside what is there now."""
        beside = self.path.with_name(f"{self.path.stem}-rescued{self.path.suffix}")
        for place in (self.path, beside) if self._rescued is None else (self._rescued,):
            with suppress(OSError, StoreError):
                place.touch(mode=0o600, exist_ok=place == self._rescued)
                self.copy_to(place)
                self._rescued = place
                return True
        return False

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

    def _say(self, key: str, value: object) -> None:
        with self._connection as connection:
            connection.execute(*_said(key, value))

    def _about(self, key: str) -> Any:
        if not self._format:  # its driver was killed before it had made the tables
            return None
        checksum = "checksum" if self._format >= CHECKSUMS else "NULL"
        with self._explained():
            row = self._connection.execute(
                f"SELECT value, {checksum} FROM about WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else self._believed(key, *row)

    def _believed(self, key: object, value: object, checksum: object) -> Any:
        """What a row says about the store, if it is as it was written."""
        text = self._checked_text(key, value, checksum)
        with self._explained():
            return json.loads(text)

    def _checked_text(self, key: object, value: Any, checksum: object) -> str:
        """A row's text, if it is as it was written."""
        if self._format >= CHECKSUMS and checksum != checksum_of(key, value):
            raise StoreError(
                f"{self.path}: the store is damaged where it says what its experiment is, so "
                "its cells cannot be believed. Give another store, or a copy of this one."
            )
        return str(value)

    def _opened(self, read_only: bool) -> sqlite3.Connection:
        mode = "ro" if read_only else "rwc"
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            check_same_thread=False,  # one thread at a time: the one that drives the run
        )

    def _prepare(self, tables: int) -> None:
        """Make it a store of this version, which is open from now on."""
        connection = self._connection
        # Waits for others; a change of the journal alone would not.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if not tables:
            self._change_tables(SCHEMA, FORMAT)
            self.id = os.urandom(16).hex()
            self._say("id", self.id)
        while self._format < FORMAT:
            self._change_tables(FROM_FORMAT[self._format], self._format + 1)
        self._say(OPEN, True)
        # Into the file itself, now that the log is there: a copy of the file alone is to say so.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("SELECT count(*) FROM about").fetchall()  # only now the log is there

    def _checked_tables(self) -> int:
        """How many tables there are, all of them a store's."""
        connection = self._connection
        distrust(connection)
        ((application,),) = connection.execute("PRAGMA application_id").fetchall()
        ((version,),) = connection.execute("PRAGMA user_version").fetchall()
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != APPLICATION_ID and tables:
            raise StoreError(f"{self.path}: this is a database, but not a store of Crystallize.")
        if version > FORMAT:
            raise StoreError(
                f"{self.path}: this store has format {version}; this version of Crystallize reads "
                f"format {FORMAT}. Update Crystallize."
            )
        if tables and (problem := unlike_a_store(connection, version)):
            raise StoreError(
                f"{self.path}: this is no store that Crystallize has written: {problem}. Nothing "
                "in it is used."
            )
        self._format = version
        if version:
            self.id = self._about("id") or ""
        return int(tables)

    def _change_tables(self, statements: str, version: int) -> None:
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements.split(";"):
                connection.execute(statement)
            if version == CHECKSUMS:
                self._add_checksums()
            connection.execute(f"PRAGMA user_version = {version}")
        self._format = version

    def _unmark(self) -> None:
        """Say that no run has the store any more."""
        with self._connection:
            self._connection.execute("DELETE FROM about WHERE key = ?", (OPEN,))

    def _add_checksums(self) -> None:
        """Give what an earlier format has without them its checksums."""
        for table, key in (("about", "key"), ("generations", "number")):
            rows = self._connection.execute(f"SELECT {key}, value FROM {table}").fetchall()
            self._connection.executemany(
                f"UPDATE {table} SET checksum = ? WHERE {key} = ?",
                [(checksum_of(*row), row[0]) for row in rows],
            )

    def _is_in_place(self) -> bool:
        """Whether path and log still lead to the files that are written to."""
        assert self._lock is not None
        return self._lock.is_in_place() and self._log_file == _file_id(log_of(self.path))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if self._creates:
                raise StoreError(f"{self.path}: its folder is not there. Make it first.") from error
            raise StoreError(f"{self.path}: there is no such store.") from error
        except OSError as error:
            raise StoreError(
                f"{self.path}: the store cannot be opened ({error.strerror}). Is its folder there, "
                "and yours?"
            ) from error
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {_explanation(error)}") from error
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{self.path}: the store is damaged ({error}).") from error


def stored_root(path: str | Path) -> int | None:
    """The root seed of the experiment in a store, or ``None`` where there is no store yet."""
    with suppress(OSError):  # of which opening it says what it is
        if not Path(path).is_file() or not Path(path).stat().st_size:
            return None
    with Store(path, read_only=True) as store:
        identity = store.identity
    return None if identity is None else int(identity["seed"])


def _said(key: str, value: object) -> tuple[str, tuple[object, str, bytes]]:
    """A statement that says something about the store, and its row."""
    statement = "INSERT OR REPLACE INTO about (key, value, checksum) VALUES (?, ?, ?)"
    return statement, checked_row(key, json.dumps(value))


def _file_id(path: Path) -> FileId | None:
    try:
        return file_id(path.stat())
    except OSError:
        return None


def _explanation(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return (
            "the disk is full. What was reported as done is in the store; free some space and run "
            "again to resume."
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return (
            f"this is not a store, or its structure is damaged ({error}). Give another path, or a "
            f"copy; {SALVAGE}"
        )
    if code == sqlite3.SQLITE_BUSY:
        return f"another program has kept the store locked for {BUSY_SECONDS:g} seconds."
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"the store cannot be opened for writing ({error}). Is its folder there, and yours?"
    return f"the store failed ({error}). What was reported as done is in it; run again to resume."
