"""A zip file that may have been made to do harm, read within limits."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEAST_LIMIT = 256 * 2**20
GROWTH = 50
"""How many times its own size a file may hold, without more being allowed."""


@contextmanager
def opened_within(path: Path, max_bytes: int | None) -> Iterator[zipfile.ZipFile]:
    """Open a zip file; nothing is unpacked before the sizes of its entries were looked at.

    Parameters
    ----------
    path : path
    max_bytes : int or None
        How much all entries may hold; ``None`` for 50 times the file's size, at least 256 MB.

    Raises
    ------
    ValueError
        If there are two entries of one name, or they hold more.
    """
    limit = max(LEAST_LIMIT, GROWTH * path.stat().st_size) if max_bytes is None else max_bytes
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len({entry.filename for entry in entries}) < len(entries):
            raise ValueError("two of its entries have one name")
        # zipfile gives no more bytes of an entry than it says here that there are.
        held = sum(entry.file_size for entry in entries)
        if held > limit:
            raise ValueError(
                f"unpacked it would take {held:,} bytes, more than the {limit:,} that it may; if "
                "you know where it comes from, allow more: Result.load(path, max_bytes=…)"
            )
        yield archive
