"""A zip file that may have been made to do harm, read within limits."""

from __future__ import annotations

import zipfile
from pathlib import Path
from types import TracebackType

LEAST_LIMIT = 256 * 2**20
GROWTH = 50
"""How many times its own size a file may hold, without more being allowed."""


class Archive:
    """The entries of a zip file; nothing is unpacked before their sizes were looked at.

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

    def __init__(self, path: Path, max_bytes: int | None) -> None:
        limit = max(LEAST_LIMIT, GROWTH * path.stat().st_size) if max_bytes is None else max_bytes
        self._zip = zipfile.ZipFile(path)
        try:
            self._check(limit)
        except BaseException:
            self._zip.close()
            raise

    def _check(self, limit: int) -> None:
        entries = self._zip.infolist()
        if len({entry.filename for entry in entries}) < len(entries):
            raise ValueError("two of its entries have one name")
        # zipfile gives no more bytes of an entry than it says here that there are.
        held = sum(entry.file_size for entry in entries)
        if held > limit:
            raise ValueError(
                f"unpacked it would take {held:,} bytes, more than the {limit:,} that it may; if "
                "you know where it comes from, allow more: Result.load(path, max_bytes=…)"
            )

    def read(self, name: str) -> bytes:
        """The bytes of one entry."""
        return self._zip.read(name)

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()
