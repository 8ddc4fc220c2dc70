"""Files of shared memory that a killed program left behind.

Whoever makes one keeps it locked as long as it lives, however it ends: what nobody has locked is
nobody's.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "crystallize-array-"


def new_file(folder: Path) -> tuple[int, str]:
    """Make a file that is its maker's until the handle is closed; handle and path.

    Raises
    ------
    OSError
    """
    while True:
        handle, name = tempfile.mkstemp(prefix=PREFIX, dir=folder)
        _try_to_lock(handle)
        if os.fstat(handle).st_nlink:  # else another process took it for one that was left
            return handle, name
        os.close(handle)


def delete_left(folder: Path) -> None:
    """Delete those in a folder whose makers were killed."""
    for path in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another user's, or deleted meanwhile
            handle = os.open(path, os.O_RDWR)
            try:
                if _try_to_lock(handle):
                    path.unlink()
            finally:
                os.close(handle)


if sys.platform == "win32":

    def _try_to_lock(handle: int) -> bool:
        return False  # a file that is mapped is not deleted there
else:
    import fcntl

    def _try_to_lock(handle: int) -> bool:
        """Lock a file until the handle is closed; whether nobody else has."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
