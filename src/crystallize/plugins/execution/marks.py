"""Where worker processes of this machine say which task they have begun, and when.

An engine calls a future running that waits for its worker to start, and does not say
which process runs it.  So a worker notes both in a file that the driver maps too, and
the driver can look without asking anybody.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import tempfile
import threading
import time
import weakref
from contextlib import suppress
from functools import lru_cache
from itertools import count
from pathlib import Path

from crystallize.errors import ExecutorError
from crystallize.worker.clock import clock

ENTRY = struct.Struct("=qdd")
"""The process that runs the task, or 0; since when; since when its time stands still, or 0."""
ENTRIES = 4096
"""Far more than there are tasks under way, so that the first may be used again."""


class Marks:
    """The file of one engine, on the driver's side; deleted with this object."""

    def __init__(self) -> None:
        from loky.backend import resource_tracker

        handle, self.place = tempfile.mkstemp(prefix="crystallize-")
        resource_tracker.register(self.place, "file")  # deletes it if this process is killed
        weakref.finalize(self, _delete, self.place, os.getpid())
        with os.fdopen(handle, "r+b") as file:
            file.truncate(ENTRIES * ENTRY.size)
            self.entries = mmap.mmap(file.fileno(), 0)
        self._numbers = count()

    def mark(self) -> Mark:
        """An empty one, for a task that is to be submitted."""
        number = next(self._numbers) % ENTRIES
        ENTRY.pack_into(self.entries, number * ENTRY.size, 0, 0.0, 0.0)
        return Mark(self, number)


class Mark:
    """What the worker of one task says; what of it travels is a :class:`WorkerMark`."""

    def __init__(self, marks: Marks, number: int) -> None:
        self._marks = marks
        self._offset = number * ENTRY.size

    def on_worker(self, watched: bool) -> WorkerMark:
        """What the worker is sent."""
        return WorkerMark(self._marks.place, self._offset, os.getpid(), watched)

    def running_seconds(self) -> float | None:
        """For how many seconds the task has been able to run; ``None`` where it does not."""
        process, began, stands = self._read()
        return (stands or time.monotonic()) - began if process else None

    def kill(self) -> bool:
        """Kill the process that runs the task, and what that started; whether there is one."""
        process, _, _ = self._read()
        if process:
            _kill(process)
        return bool(process)

    def _read(self) -> tuple[int, float, float]:
        process, began, stands = ENTRY.unpack_from(self._marks.entries, self._offset)
        return process, began, stands


class WorkerMark:
    """What the worker of a task notes it in, as a context around the call.

    Parameters
    ----------
    place : str
    offset : int
    driver : int
        Its process.
    watched : bool
        Whether a call may take only so long, so that what is no time of its own counts.
    """

    def __init__(self, place: str, offset: int, driver: int, watched: bool) -> None:
        self._place = place
        self._offset = offset
        self._driver = driver
        self._watched = watched

    def __enter__(self) -> None:
        global _under_way
        self._check()
        if self._watched:
            clock.watch(_tell)
        _leave_ctrl_c_to_the_driver()
        self._entries = _entries(self._place)
        self._began = time.monotonic()
        _under_way = self
        self._write(os.getpid())

    def __exit__(self, *error: object) -> None:
        global _under_way
        _under_way = None
        self._write(0)

    def stand_still(self, stands: bool) -> None:
        """The task's time stands still from now on, or goes on."""
        if stands:
            self._stood = time.monotonic()
            self._write(os.getpid(), self._stood)
        else:
            self._began += time.monotonic() - self._stood
            self._write(os.getpid())

    def _write(self, process: int, stands: float = 0.0) -> None:
        ENTRY.pack_into(self._entries, self._offset, process, self._began, stands)

    def _check(self) -> None:
        if os.getpid() == self._driver:
            raise ExecutorError(
                "The workers are said to be processes, and the engine runs calls in the program's "
                "own. Say what they are, or use an engine with processes."
            )
        if _under_way is not None:
            raise ExecutorError(
                "The workers are said to be processes that run one call at a time, and the engine "
                "runs several at once in one. Have it run one, or do not say so."
            )


_under_way: WorkerMark | None = None
"""That of the task that this process, a worker, runs."""


def _tell(importing: bool) -> None:
    mark = _under_way
    if mark is not None:
        mark.stand_still(importing)


def _leave_ctrl_c_to_the_driver() -> None:
    """A shell interrupts workers too.  Not ignored: programs that a cell starts inherit that."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, lambda *_: None)


@lru_cache(maxsize=4)
def _entries(place: str) -> mmap.mmap:
    with Path(place).open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


class _Victim:
    """As much of a process as it takes to kill one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def join(self) -> None:
        """It is its engine's child, which joins it."""


def _kill(pid: int) -> None:
    from loky.backend.utils import kill_process_tree

    try:
        kill_process_tree(_Victim(pid))
    except Exception:  # neither psutil nor pgrep is here: what the cell started lives on
        with suppress(ProcessLookupError):
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _delete(place: str, maker: int) -> None:
    if os.getpid() != maker:  # a fork of the process that made it
        return
    from loky.backend import resource_tracker

    with suppress(OSError):  # still mapped, on Windows: the tracker deletes it at the end
        Path(place).unlink(missing_ok=True)
        resource_tracker.unregister(place, "file")
