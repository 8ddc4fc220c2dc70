"""Files that are replaced whole: what stood there stays until the new one is complete."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replaced_whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; moved there at the end, and gone where that fails.

    Of a link, the file behind it is replaced.  The content is on the disk before the name
    is, so that a machine that loses its power has the old file or the new one.  A new file is
    for its owner's eyes; one that is replaced keeps who may read it.

    Parameters
    ----------
    path : path

    Yields
    ------
    path
    """
    target = whole_path(path)
    beside = target.with_name(f".{secrets.token_hex(4)}-{target.name}")
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    beside.touch(mode=0o600, exist_ok=False)
    try:
        yield beside
        if mode is not None:
            beside.chmod(mode)
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(beside, target)  # noqa: PTH105 - over what is there, on Windows too
    finally:
        if beside.is_dir():  # whatever a plugin made of it
            shutil.rmtree(beside, ignore_errors=True)
        beside.unlink(missing_ok=True)


def whole_path(path: Path) -> Path:
    """Where a path leads to, through all links.

    Raises
    ------
    OSError
        If its links lead round in a circle, whatever Python's version makes of that.
    """
    with suppress(RuntimeError):
        target = path.resolve()
        if not target.is_symlink():
            return target
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
