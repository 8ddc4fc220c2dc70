"""One SQLite file: an experiment's identity and every finished block, and what can become of it."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from pathlib import Path
from typing import Any

from crystallize.errors import StoreError, StoreLostError
from crystallize.store.about import STATUS
from crystallize.store.blocks import FAILURES, Blocks
from crystallize.store.explained import BUSY_SECONDS, SALVAGE, opening
from crystallize.store.lock import DriverLock, FileId, Lent, check_kind, file_id
from crystallize.store.log import Log, log_of
from crystallize.store.rows import Record
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


class Store(Blocks):
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
        self._rescued: Path | None = None
        try:
            with opening(self.path, create=create):
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
        self._insert(records, status)
        if not in_place:
            raise StoreLostError(self._what_became_of_it())

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


def stored_root(path: str | Path) -> int | None:
    """The root seed of the experiment in a store, or ``None`` where there is no store yet."""
    with suppress(OSError):  # of which opening it says what it is
        if not Path(path).is_file() or not Path(path).stat().st_size:
            return None
    with Store(path, read_only=True) as store:
        identity = store.identity
    return None if identity is None else int(identity["seed"])


def _file_id(path: Path) -> FileId | None:
    try:
        return file_id(path.stat())
    except OSError:
        return None
