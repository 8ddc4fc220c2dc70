"""What a store says of its experiment and of itself, each row with a checksum.

The first of three layers: on it are the cells (:mod:`crystallize.store.blocks`), and then the file
and what can become of it (:mod:`crystallize.store.sqlite`).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from crystallize.errors import StoreError
from crystallize.store.explained import explained
from crystallize.store.rows import checked_row
from crystallize.store.rows import checksum as checksum_of
from crystallize.store.schema import CHECKSUMS

EXTRACT = "extract"
"""What is to be seen of it at a glance."""

STATUS = "status"
"""What it says of how far the run is that has it, or had it last."""

Identity = dict[str, Any]
"""What makes two runs one experiment, as JSON; :mod:`crystallize.store.identity` makes it."""


class About:
    """What an open store says of its experiment and of itself.

    Attributes
    ----------
    path : Path
    id : str
        What tells the store from others; empty in one of an earlier format.
    """

    path: Path
    id = ""
    _connection: sqlite3.Connection
    _format = 0

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

    def extract(self, *, is_read: bool = False) -> tuple[int, Any] | None:
        """The number of the only generation that there is, and what was told of it.

        ``None`` if there are others, or the store says something else by now.

        Parameters
        ----------
        is_read : bool
            Whether who asks reads identity and generations too, and is told if these are damaged.
        """
        with suppress(StoreError):  # who reads what is damaged says so
            match self._about(EXTRACT):
                case [extract, told_of]:
                    numbers, says = self._said_of_the_experiment(is_read=is_read)
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

    def set_identity(
        self, identity: Identity, generations: Mapping[int, Any] | None = None
    ) -> None:
        """Say what the store's experiment is now, and what some generations are."""
        with self._explained(), self._connection:
            self._connection.execute(*said("identity", identity))
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

    def _said_of_the_experiment(self, *, is_read: bool = False) -> tuple[list[int], str]:
        """The numbers of generations, and a digest of all that is said, by checksums.

        Raises
        ------
        StoreError
            If something of it is damaged, and somebody else does not look for that.
        """
        value = "NULL" if is_read else "value"
        with self._explained():
            execute = self._connection.execute
            of_itself = execute(f"SELECT key, checksum, {value} FROM about WHERE key = 'identity'")
            found = of_itself.fetchall()
            of_them = execute(f"SELECT number, checksum, {value} FROM generations ORDER BY number")
            found += (generations := of_them.fetchall())
        digest = hashlib.sha256()
        for key, checksum, text in found:
            if not (is_read and type(checksum) is bytes):
                self._checked_text(key, text, checksum)
            digest.update(f"{key}:".encode() + checksum)
        return [number for number, *_ in generations], digest.hexdigest()

    def _say(self, key: str, value: object) -> None:
        with self._connection as connection:
            connection.execute(*said(key, value))

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

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self.path)


def said(key: str, value: object) -> tuple[str, tuple[object, str, bytes]]:
    """A statement that says something about the store, and its row."""
    statement = "INSERT OR REPLACE INTO about (key, value, checksum) VALUES (?, ?, ?)"
    return statement, checked_row(key, json.dumps(value))
