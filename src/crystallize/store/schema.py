"""What tables a store has, in each format; a file with anything else in it is none of ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from crystallize.errors import listing

APPLICATION_ID = 0x43525953  # "CRYS"

FORMAT = 4
"""Format 1 had no generations, format 2 checksums for blocks alone, format 3 one condition a block;
all are read, and made one of format 4 when they are written to."""

SCHEMA = f"""
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum BLOB);
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
CREATE TABLE generations (number INTEGER PRIMARY KEY, value TEXT NOT NULL, checksum BLOB);
PRAGMA application_id = {APPLICATION_ID}
"""

FROM_FORMAT: Mapping[int, str] = {
    1: """
ALTER TABLE blocks ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE damaged ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
CREATE TABLE generations (number INTEGER PRIMARY KEY, value TEXT NOT NULL);
DELETE FROM about WHERE key = 'changes'
""",
    2: """
ALTER TABLE about ADD COLUMN checksum BLOB;
ALTER TABLE generations ADD COLUMN checksum BLOB
""",
    3: "",
}
"""What makes a store of one format one of the next."""

CHECKSUMS = 3
"""The first format in which all rows have a checksum."""

_BLOCKS = {"id", "condition", "start", "stop", "checksum", "payload"}

COLUMNS: Mapping[int, Mapping[str, set[str]]] = {
    1: {"about": {"key", "value"}, "blocks": _BLOCKS, "damaged": _BLOCKS},
    2: {
        "about": {"key", "value"},
        "blocks": {*_BLOCKS, "generation"},
        "damaged": {*_BLOCKS, "generation"},
        "generations": {"number", "value"},
    },
    3: {
        "about": {"key", "value", "checksum"},
        "blocks": {*_BLOCKS, "generation"},
        "damaged": {*_BLOCKS, "generation"},
        "generations": {"number", "value", "checksum"},
    },
}
"""Format -> table -> its columns; those of format 4 are those of 3."""


def distrust(connection: sqlite3.Connection) -> None:
    """Have SQLite believe nothing of a file that anyone may have made.

    References
    ----------
    "Defense Against The Dark Arts", sqlite.org/security.html, on untrusted database files.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    # What cannot be decoded is damaged, and must not keep the rest from being read.
    connection.text_factory = lambda text: text.decode(errors="surrogateescape")


def unlike_a_store(connection: sqlite3.Connection, version: int) -> str:
    """What a file has that no store of a format has, or lacks; empty if nothing.

    Views, triggers and tables that compute are code, which looking at a store must not run.
    """
    known = COLUMNS.get(min(version, CHECKSUMS))
    if known is None:
        return f"it says that its format is {version}"
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    tables = set()
    for kind, name, sql in rows:
        is_table = kind == "table" and name in known
        if is_table and str(sql).upper().startswith("CREATE TABLE"):
            tables.add(name)
        elif not (kind == "index" and str(name).startswith("sqlite_autoindex_")):
            return f"it has a {str(kind)[:20]} {str(name)[:60]!r}"
    if missing := [name for name in known if name not in tables]:
        return f"it lacks {listing(missing)}"
    for name, columns in known.items():
        found = connection.execute(f"PRAGMA table_xinfo({name})").fetchall()
        if {column[1] for column in found} != columns or any(column[6] for column in found):
            return f"its table {name!r} has other columns"
    return ""
