"""One SQLite file: an experiment's identity and every finished block, each with a checksum.

What a block is, :mod:`crystallize.store.records` knows; here it is bytes, which are
never unpickled.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystallize.errors import StoreError

APPLICATION_ID = 0x43525953  # "CRYS"


SCHEMA_VERSION = 2
"""Format 1 had no generations; it is read, and made one of format 2 when it is written to."""


BUSY_SECONDS = 10.0
"""How long another program may keep the file locked."""


SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE blocks (
    id INTEGER PRIMARY KEY,
    condition TEXT NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    payload BLOB NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE damaged AS SELECT * FROM blocks;
CREATE TABLE generations (number INTEGER PRIMARY KEY, value TEXT NOT NULL);
"""


FROM_FORMAT_1 = """
ALTER TABLE blocks ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE damaged ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
CREATE TABLE generations (number INTEGER PRIMARY KEY, value TEXT NOT NULL);
DELETE FROM about WHERE key = 'changes';
"""


Identity = dict[str, Any]
"""What makes two runs one experiment, as JSON; :mod:`crystallize.store.identity` makes it."""


@dataclass(frozen=True, slots=True)
class Record:
    """Some finished cells: replicates [start, stop) of a condition, and what they came to.

    Their generation says what they ran under: see :mod:`crystallize.store.generations`.
    """

    condition: str
    start: int
    stop: int
    payload: bytes
    generation: int = 0

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"replicates {self.start} to {self.stop - 1} of condition {self.condition!r}"

    def checksum(self) -> bytes:
        """SHA-256 over all of it, so that no part can change unseen."""
        place = f"{self.start}:{self.stop}:{self.condition}"
        # In format 1 there was no generation that could change.
        of = f"{self.generation}:{place}" if self.generation else place
        digest = hashlib.sha256(of.encode())
        digest.update(self.payload)
        return digest.digest()


class Store:
    """An open store.

    Parameters
    ----------
    path : path
    create : bool
        Whether to make the file where there is none.
    read_only : bool
        For looking; needs no lock.

    Raises
    ------
    StoreError
        If there is no file, if it is not a store of this version or is damaged,
        or if another driver has it.
    """

    def __init__(self, path: str | Path, *, create: bool = False, read_only: bool = False) -> None:
        self.path = Path(path)
        self._lock: sqlite3.Connection | None = None
        if not create and not self.path.is_file():
            raise StoreError(f"{self.path}: there is no such store.")
        with self._explained():
            if not read_only:
                self._lock = self._locked()
            self._connection = self._opened(read_only)
        try:
            with self._explained():
                self._prepare(read_only)
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
    def generations(self) -> dict[int, Any]:
        """What cells ran under: number of the generation -> JSON."""
        if self._format < SCHEMA_VERSION:
            return {}
        with self._explained():
            rows = self._connection.execute("SELECT number, value FROM generations ORDER BY number")
            return {number: json.loads(value) for number, value in rows}

    @property
    def filled(self) -> set[str]:
        """The conditions of which there are cells."""
        with self._explained():
            rows = self._connection.execute("SELECT DISTINCT condition FROM blocks").fetchall()
        return {condition for (condition,) in rows}

    def set_identity(
        self, identity: Identity, generations: Mapping[int, Any] | None = None
    ) -> None:
        """Say what the store's experiment is now, and what some generations are."""
        with self._explained(), self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO about VALUES ('identity', ?)", (json.dumps(identity),)
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO generations VALUES (?, ?)",
                [(number, json.dumps(value)) for number, value in (generations or {}).items()],
            )

    def add(self, records: Iterable[Record]) -> None:
        """Commit records, all or none; when this returns they survive anything."""
        rows = [
            (r.condition, r.start, r.stop, r.checksum(), r.payload, r.generation) for r in records
        ]
        with self._explained(), self._connection:
            self._connection.executemany(
                "INSERT INTO blocks (condition, start, stop, checksum, payload, generation)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

    def records(self) -> Iterator[Record]:
        """The undamaged records, in the order in which they were added."""
        for _, record, good in self._read():
            if good:
                yield record

    def places(self) -> Iterator[tuple[int, str, int, int]]:
        """Number, condition, start and stop of every record, in the order in which they came."""
        with self._explained():
            yield from self._connection.execute(
                "SELECT id, condition, start, stop FROM blocks ORDER BY id"
            )

    def record(self, number: int) -> Record | None:
        """One record by its number; ``None`` if it is damaged, or not there any more."""
        for _, record, good in self._read(f" WHERE id = {number:d}"):
            return record if good else None
        return None

    def damaged(self) -> list[Record]:
        """The records whose checksum is wrong."""
        return [record for _, record, good in self._read() if not good]

    def rewrite(self, change: Callable[[Record], Record | None]) -> None:
        """Put something else, or nothing, in the place of each undamaged record: all or none."""
        with self._explained(), self._connection:
            for number, record, good in list(self._read()):
                changed = change(record) if good else record
                if changed is None:
                    self._connection.execute("DELETE FROM blocks WHERE id = ?", (number,))
                elif changed is not record:
                    self._connection.execute(
                        "UPDATE blocks SET checksum = ?, payload = ? WHERE id = ?",
                        (changed.checksum(), changed.payload, number),
                    )

    def set_aside(self) -> list[Record]:
        """Move damaged records out of the way, so that a resume runs their cells again."""
        bad = [(number, record) for number, record, good in self._read() if not good]
        with self._explained(), self._connection:
            for number, _ in bad:
                self._connection.execute(
                    "INSERT INTO damaged SELECT * FROM blocks WHERE id = ?", (number,)
                )
                self._connection.execute("DELETE FROM blocks WHERE id = ?", (number,))
        return [record for _, record in bad]

    def close(self) -> None:
        """Close the file; what was added is in it already."""
        if self._lock is not None and hasattr(self, "_connection"):
            # At rest one file without a log beside it, which a read-only folder can hold.
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA journal_mode = DELETE")
        for connection in (getattr(self, "_connection", None), self._lock):
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()

    def _read(self, which: str = "") -> Iterator[tuple[int, Record, bool]]:
        with self._explained():
            generation = "generation" if self._format >= SCHEMA_VERSION else "0"
            rows = self._connection.execute(
                f"SELECT id, checksum, condition, start, stop, payload, {generation} FROM blocks"
                f"{which} ORDER BY id"
            )
            for number, checksum, *parts in rows:
                record = Record(*parts)
                yield number, record, record.checksum() == checksum

    def _about(self, key: str) -> Any:
        with self._explained():
            row = self._connection.execute(
                "SELECT value FROM about WHERE key = ?", (key,)
            ).fetchone()
            return None if row is None else json.loads(row[0])

    def _opened(self, read_only: bool) -> sqlite3.Connection:
        mode = "ro" if read_only else "rwc"
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            check_same_thread=False,  # one thread at a time: the one that drives the run
        )

    def _prepare(self, read_only: bool) -> None:
        """See that it is a store of this version; make it one where it is empty."""
        tables = self._checked_tables()
        if read_only:
            if not tables:
                raise StoreError(f"{self.path}: this store is empty.")
            return
        connection = self._connection
        # Waits for others; a change of the journal alone would not.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if not tables:
            self._change_tables(f"{SCHEMA}; PRAGMA application_id = {APPLICATION_ID}")
        elif self._format < SCHEMA_VERSION:
            self._change_tables(FROM_FORMAT_1)

    def _checked_tables(self) -> int:
        """How many tables there are, all of them a store's."""
        connection = self._connection
        ((application,),) = connection.execute("PRAGMA application_id").fetchall()
        ((version,),) = connection.execute("PRAGMA user_version").fetchall()
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != APPLICATION_ID and tables:
            raise StoreError(f"{self.path}: this is a database, but not a store of Crystallize.")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: this store has format {version}; this version of Crystallize reads "
                f"format {SCHEMA_VERSION}. Update Crystallize."
            )
        self._format = version
        return int(tables)

    def _change_tables(self, statements: str) -> None:
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._format = SCHEMA_VERSION

    def _locked(self) -> sqlite3.Connection:
        """Hold a lock that ends with this process, however it ends.

        SQLite's own file locks on a file beside the store: they work on every
        platform, and leave the store open to readers.
        """
        lock = sqlite3.connect(f"{self.path}-driver", timeout=0, isolation_level=None)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            lock.close()
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
                raise StoreError(
                    f"{self.path}: another run is using this store. Wait for it, or stop it."
                ) from error
            raise
        return lock

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {_explanation(error)}") from error
        except ValueError as error:
            raise StoreError(f"{self.path}: the store is damaged ({error}).") from error


def stored_root(path: str | Path) -> int | None:
    """The root seed of the experiment in a store, or ``None`` where there is no store yet."""
    if not Path(path).is_file() or not Path(path).stat().st_size:
        return None
    with Store(path, read_only=True) as store:
        identity = store.identity
    return None if identity is None else int(identity["seed"])


def _explanation(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return (
            "the disk is full. What was reported as done is in the store; free some space and run "
            "again to resume."
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return (
            f"this is not a store, or it is damaged beyond repair ({error}). Give another path, "
            "or a copy."
        )
    if code == sqlite3.SQLITE_BUSY:
        return f"another program has kept the store locked for {BUSY_SECONDS:g} seconds."
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"the store cannot be opened for writing ({error}). Is its folder there, and yours?"
    return f"the store failed ({error}). What was reported as done is in it; run again to resume."
