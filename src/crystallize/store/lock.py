"""One store, one driver: a lock on the file itself, whatever it is called.

It is on a byte of the file far behind its end, where SQLite has none, and it ends with the
process that holds it.  A hard link, a symbolic link or another spelling leads to the same file.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from crystallize.errors import StoreError

LOCKED_BYTE = 2**62 if sys.platform != "win32" else 2**40
TRIES = 10
"""How often a file may be replaced while it is opened."""

FileId = tuple[int, int]
"""Device and number of a file: the same under all of its names."""


@dataclass(slots=True)
class Lent:
    """A store whose holder waits for somebody else.

    Attributes
    ----------
    thread : int
        In which it waits.
    give_up : callable or None
        Ends what the holder does, and closes the store.
    taken : bool
        Whether it was taken.
    """

    thread: int = 0
    give_up: Callable[[], None] | None = None
    taken: bool = False


class DriverLock:
    """The lock of a driver on a store.

    Parameters
    ----------
    path : path
    create : bool
        Whether to make the file, for its owner's eyes, where there is none.

    Raises
    ------
    StoreError
        If another driver has it, or it is no regular file.
    OSError
        If it cannot be opened for writing.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        self._path = path
        self._lent: Lent | None = None
        for _ in range(TRIES):
            if self._take(create):
                return
        raise StoreError(f"{path}: the file is replaced again and again, so it cannot be opened.")

    def _take(self, create: bool) -> bool:
        """Try once; whether the file was the same from beginning to end."""
        try:
            before = self._path.stat()
        except FileNotFoundError:
            if not create:
                raise
        else:
            check_kind(self._path, before.st_mode)
            # Not opened: POSIX forgets all locks of a process on a file at the first close of it.
            if not _held.may_take(file_id(before)):
                raise self._in_use()
        flags = os.O_RDWR | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        self._handle = os.open(self._path, flags | (os.O_CREAT if create else 0), 0o600)
        try:
            opened = os.fstat(self._handle)
            check_kind(self._path, opened.st_mode)
            self.file = file_id(opened)
            if not _held.add(self):
                raise self._in_use()
        except BaseException:
            os.close(self._handle)
            raise
        try:
            _lock(self._handle)
        except (BlockingIOError, PermissionError) as error:
            self.release()
            raise self._in_use() from error
        except OSError as error:
            self.release()
            raise StoreError(
                f"{self._path}: the store cannot be locked where it is ({error}), so two runs "
                "could write to it at once. Give a path on another file system."
            ) from error
        if self.is_in_place():
            return True
        self.release()
        return False

    def is_in_place(self) -> bool:
        """Whether the path still leads to the file that is locked."""
        try:
            return file_id(self._path.stat()) == self.file
        except OSError:
            return False

    @property
    def is_deleted(self) -> bool:
        """Whether the file has no name any more."""
        return os.fstat(self._handle).st_nlink == 0

    def read(self, start: int, size: int) -> bytes:
        """Some bytes of the file."""
        os.lseek(self._handle, start, os.SEEK_SET)
        return os.read(self._handle, size)

    @property
    def now_at(self) -> str | None:
        """Where the file is now, where the system says that."""
        with suppress(OSError):
            return os.readlink(f"/proc/self/fd/{self._handle}")  # noqa: PTH115
        return None

    @contextmanager
    def lent(self, give_up: Callable[[], None]) -> Iterator[Lent]:
        """Let who wants the store meanwhile, in this thread, have it by calling this."""
        self._lent = Lent(threading.get_ident(), give_up)
        try:
            yield self._lent
        finally:
            self._lent = None

    def release(self) -> None:
        """Let go; once everything else that has the file open is closed."""
        _held.remove(self)

    def close(self) -> None:
        """Close the file, and with it end the lock, unless a forked child has it still."""
        os.close(self._handle)

    def given_up(self) -> bool:
        """Have the holder give it up, where it is waiting for somebody in this thread."""
        lent = self._lent
        if lent is None or lent.give_up is None or lent.thread != threading.get_ident():
            return False
        lent.taken = True
        lent.give_up()
        return True

    def _in_use(self) -> StoreError:
        return StoreError(
            f"{self._path}: another run is using this store, by this name or another. Wait for "
            "it, or stop it; a stream that is not read to its end has close()."
        )


def check_kind(path: Path, mode: int) -> None:
    """See that it is a regular file.

    Raises
    ------
    StoreError
    """
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket"
        raise StoreError(f"{path}: this is {kind}; a store is a regular file. Give another path.")


def file_id(status: os.stat_result) -> FileId:
    """What tells a file from all others of this machine."""
    return status.st_dev, status.st_ino


def is_held_here(file: FileId) -> bool:
    """Whether this process is a file's driver, and so must not open and close it beside that."""
    return _held.has(file)


def is_locked(path: Path) -> bool | None:
    """Whether a file has a driver, seen without taking anything; ``None`` where nobody can say.

    That a driver on another machine has it is seen where their file system tells of locks.
    """
    try:
        if is_held_here(file_id(path.stat())):
            return True
        return _is_locked(path)
    except OSError:
        return None


class _Held:
    """The stores of which this process is the driver."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[FileId, DriverLock] = {}

    def may_take(self, file: FileId) -> bool:
        """Whether nobody in this process has the file, or gave it up for us."""
        with self._guard:
            holder = self._locks.get(file)
        return holder is None or holder.given_up()

    def has(self, file: FileId) -> bool:
        with self._guard:
            return file in self._locks

    def add(self, lock: DriverLock) -> bool:
        with self._guard:
            return self._locks.setdefault(lock.file, lock) is lock

    def remove(self, lock: DriverLock) -> None:
        with self._guard:
            if self._locks.get(lock.file) is lock:
                lock.close()  # before another thread opens the file
                del self._locks[lock.file]

    def forget(self) -> None:
        """In a forked child, whose parent would not let go as long as this lives."""
        locks, self._locks, self._guard = self._locks, {}, threading.Lock()
        for lock in locks.values():
            lock.close()


_held = _Held()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_held.forget)

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        """Lock a byte of a file, which ends when it is closed."""
        os.lseek(handle, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def _is_locked(path: Path) -> bool | None:
        return None  # it could only be tried
else:
    import fcntl
    import struct

    def _lock(handle: int) -> None:
        """Lock a byte of a file, until the last copy of the handle is closed.

        A lock of this kind is the open file's, not the process's: what else opens and closes
        the file does not end it.

        Raises
        ------
        OSError
            If another has it.
        """
        if hasattr(fcntl, "F_OFD_SETLK") and sys.maxsize > 2**32:
            byte = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, LOCKED_BYTE, 1, 0)
            try:
                fcntl.fcntl(handle, fcntl.F_OFD_SETLK, byte)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
            else:
                return
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _is_locked(path: Path) -> bool | None:
        """Ask for the lock of an open file; of the other kind one can only try to have it.

        Raises
        ------
        OSError
        """
        if not (hasattr(fcntl, "F_OFD_GETLK") and sys.maxsize > 2**32):
            return None
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            byte = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, LOCKED_BYTE, 1, 0)
            found = fcntl.fcntl(handle, fcntl.F_OFD_GETLK, byte)
        finally:
            os.close(handle)
        kind, *_ = struct.unpack_from("h", found)
        return bool(kind != fcntl.F_UNLCK)
