"""One SQLite file: an experiment's identity and every finished block, each with a checksum.

What a block is, :mod:`crystallize.store.records` knows; here it is bytes, which are
never unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystallize.errors import StoreError, StoreLostError, StoreWarning
from crystallize.store.lock import DriverLock, FileId, Lent, check_kind, file_id, is_held_here

APPLICATION_ID = 0x43525953  # "CRYS"


SCHEMA_VERSION = 2
"""Format 1 had no generations; it is read, and made one of format 2 when it is written to."""


LOGGED_AT, LOGGED = (18, 2), b"\x02\x02"
"""Where SQLite's file format says that the file has a log (a "WAL"), and what says so."""


EMPTY_BYTES = 4096
"""How large a file is at most that has no tables yet."""


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
        self._lock: DriverLock | None = None
        self._format = 0
        self._rescued: Path | None = None
        self._creates = create
        try:
            with self._explained():
                if not read_only:
                    self._lock = DriverLock(self.path, create=create)
                status = self.path.stat()
                check_kind(self.path, status.st_mode)
                self._check_log(status)
                self._connection = self._opened(read_only)
                self._prepare(read_only)
                self._log_file = _file_id(self._log)
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
        """Commit records, all or none; when this returns they survive anything.

        Raises
        ------
        StoreLostError
            If the store was deleted, renamed or replaced; the records are in what is left of it.
        """
        in_place = self._is_in_place()
        rows = [
            (r.condition, r.start, r.stop, r.checksum(), r.payload, r.generation) for r in records
        ]
        with self._explained(), self._connection:
            self._connection.executemany(
                "INSERT INTO blocks (condition, start, stop, checksum, payload, generation)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )
        if not in_place:
            raise StoreLostError(self._what_became_of_it())

    def records(self) -> Iterator[Record]:
        """The undamaged records, in the order in which they were added."""
        for _, record, good in self._read():
            if good:
                yield record

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

    def lent(self, give_up: Callable[[], None]) -> AbstractContextManager[Lent]:
        """Let who wants the store meanwhile have it, by calling this."""
        return nullcontext(Lent()) if self._lock is None else self._lock.lent(give_up)

    def close(self) -> None:
        """Close the file; what was added is in it already."""
        if hasattr(self, "_connection"):
            with suppress(sqlite3.Error):
                if self._lock is not None:
                    self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    if self._lock.is_in_place() or not self.path.exists():
                        # At rest one file without a log, which a read-only folder can hold.
                        self._connection.execute("PRAGMA journal_mode = DELETE")
                    elif sys.version_info >= (3, 12):
                        # The log of that name is another store's.
                        self._connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE)
            with suppress(sqlite3.Error):
                self._connection.close()
        if self._lock is not None:
            if self._lock.now_at != str(self.path.resolve()):
                self._close_by_its_name_of_now(self._lock)
            self._lock.release()

    def _close_by_its_name_of_now(self, lock: DriverLock) -> None:
        """Make a renamed store one file, which SQLite refuses by the name that it had."""
        if lock.now_at is not None and _file_id(Path(lock.now_at)) == lock.file:
            with suppress(sqlite3.Error), closing(sqlite3.connect(lock.now_at)) as connection:
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
            copy.execute("PRAGMA journal_mode = DELETE")

    def _what_became_of_it(self) -> str:
        """What to say of a store that is not where it was; one that is nowhere is written anew."""
        assert self._lock is not None
        again = "Run again with that store to resume."
        if self._lock.is_in_place():
            return (
                f"{self.path}: {self._log.name}, the log of this store, was deleted or replaced in "
                f"the middle of the run. What finished is in the store. {again}"
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

    def _read(self) -> Iterator[tuple[int, Record, bool]]:
        with self._explained():
            generation = "generation" if self._format >= SCHEMA_VERSION else "0"
            rows = self._connection.execute(
                f"SELECT id, checksum, condition, start, stop, payload, {generation} FROM blocks"
                " ORDER BY id"
            )
            for number, checksum, *parts in rows:
                record = Record(*parts)
                yield number, record, record.checksum() == checksum

    @property
    def _log(self) -> Path:
        """What SQLite keeps beside it while it is in use; beside the file behind a link."""
        return Path(f"{self.path.resolve()}-wal")

    def _about(self, key: str) -> Any:
        if not self._format:  # its driver was killed before it had made the tables
            return None
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
        connection.execute("SELECT count(*) FROM about").fetchall()  # only now the log is there

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

    def _check_log(self, status: os.stat_result) -> None:
        """See that the log of a store that was left in the middle has not stayed elsewhere."""
        log = self._log.stat().st_size if self._log.exists() else -1
        # Whoever looked at it by another name has made an empty one there.
        if log >= (status.st_nlink > 1) or not self._has_log(file_id(status)):
            return
        what = (
            f"{self.path}: a run on this store was left in its middle, or goes on, and what it "
            f"wrote last is in {self._log.name}, which is not there"
        )
        if status.st_nlink > 1 and self._lock is not None:
            raise StoreError(
                f"{what}. The file has {status.st_nlink} names (hard links); use it by the one "
                "that it had then."
            )
        if status.st_size <= EMPTY_BYTES:  # killed before it had made the log
            return
        warnings.warn(
            f"{what}, so cells may be missing. 'crystallize copy' copies a store that is in use.",
            StoreWarning,
            stacklevel=4,
        )

    def _has_log(self, file: FileId) -> bool:
        """Whether the file itself says that what was written last is in a log beside it."""
        if self._lock is not None:
            return self._lock.read(*LOGGED_AT) == LOGGED
        if is_held_here(file):
            return False
        with self.path.open("rb") as opened:
            opened.seek(LOGGED_AT[0])
            return opened.read(LOGGED_AT[1]) == LOGGED

    def _is_in_place(self) -> bool:
        """Whether path and log still lead to the files that are written to."""
        assert self._lock is not None
        return self._lock.is_in_place() and self._log_file == _file_id(self._log)

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
        except ValueError as error:
            raise StoreError(f"{self.path}: the store is damaged ({error}).") from error


def stored_root(path: str | Path) -> int | None:
    """The root seed of the experiment in a store, or ``None`` where there is no store yet."""
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
