"""The log beside a store, SQLite's "WAL", which holds what was written last while a run goes on."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from crystallize.errors import StoreError, StoreWarning
from crystallize.store.lock import DriverLock, file_id, is_held_here

LOGGED_AT, LOGGED = (18, 2), b"\x02\x02"
"""Where SQLite's file format says that the file has a log, and what says so."""


class Log:
    """Whether the log of a store is where it belongs.

    To be made before SQLite opens the store, and makes one.

    Parameters
    ----------
    path : path
        The store.
    status : os.stat_result
        Of that file.
    lock : DriverLock or None
        Where it is to be written to.

    Attributes
    ----------
    is_missing : bool
        Whether the file says that it has one, and there is none.
    """

    def __init__(self, path: Path, status: os.stat_result, lock: DriverLock | None) -> None:
        self._path = path
        self._names = status.st_nlink
        self._is_written_to = lock is not None
        place = log_of(path)
        self._name = place.name
        size = place.stat().st_size if place.exists() else -1
        # Whoever looked at it by another name has made an empty one there.
        is_there = size >= (self._names > 1)
        self.is_missing = not is_there and _is_logged(path, status, lock)

    def check_names(self) -> None:
        """Refuse to write to a file by another name than the one that its log has.

        Raises
        ------
        StoreError
        """
        if self.is_missing and self._names > 1 and self._is_written_to:
            raise StoreError(
                f"{self._said}. The file has {self._names} names (hard links); use it by the one "
                "that it had then."
            )

    def warn(self) -> None:
        """Say that it has stayed elsewhere."""
        warnings.warn(
            f"{self._said}, so cells may be missing. 'crystallize copy' copies a store that is in "
            "use.",
            StoreWarning,
            stacklevel=4,
        )

    @property
    def _said(self) -> str:
        return (
            f"{self._path}: a run on this store was left in its middle, or goes on, and what it "
            f"wrote last is in {self._name}, which is not there"
        )


def log_of(path: Path) -> Path:
    """Where the log of a store is."""
    real = path.resolve()
    return real.with_name(f"{real.name}-wal")


def _is_logged(path: Path, status: os.stat_result, lock: DriverLock | None) -> bool:
    """Whether the file itself says that what was written last is in a log beside it."""
    if lock is not None:
        return lock.read(*LOGGED_AT) == LOGGED
    if is_held_here(file_id(status)):
        return False
    with path.open("rb") as opened:
        opened.seek(LOGGED_AT[0])
        return opened.read(LOGGED_AT[1]) == LOGGED
