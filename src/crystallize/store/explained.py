"""What to say, and to do, where SQLite or the file below it fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crystallize.errors import StoreError

BUSY_SECONDS = 10.0
"""How long another program may keep the file locked."""

SALVAGE = "'crystallize merge STORE -o NEW' keeps in a new store what can still be read of it."


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise a :exc:`StoreError` for what goes wrong with an open store."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {_explanation(error)}") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: the store is damaged ({error}).") from error


@contextmanager
def opening(path: Path, *, create: bool) -> Iterator[None]:
    """The same for one that is being opened, or made."""
    try:
        with explained(path):
            yield
    except FileNotFoundError as error:
        if create:
            raise StoreError(f"{path}: its folder is not there. Make it first.") from error
        raise StoreError(f"{path}: there is no such store.") from error
    except OSError as error:
        raise StoreError(
            f"{path}: the store cannot be opened ({error.strerror}). Is its folder there, and "
            "yours?"
        ) from error


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
