"""When a worker process is to be replaced by a new one, and how it finds out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

from crystallize.cells.block import Block, Blocks
from crystallize.cells.sheet import Sheet
from crystallize.contracts import Pause, Task, Trip
from crystallize.errors import ExecutorError

MEGABYTE = 10**6
PAGE_FIELDS = Path("/proc/self/statm")
"""Where Linux says how many pages a process has: all, those in memory, shared ones of these."""


class Limits(NamedTuple):
    """What one worker process may come to.

    Attributes
    ----------
    cells : int or None
        How many cells it runs.
    memory : int or None
        How many bytes it has after a block, without what it shares with others.
    """

    cells: int | None = None
    memory: int | None = None

    def __bool__(self) -> bool:
        return self != NO_LIMITS


NO_LIMITS = Limits()


class Usage:
    """What a worker process has come to; looked at in that process, after each block.

    Parameters
    ----------
    limits : Limits
    """

    def __init__(self, limits: Limits = NO_LIMITS) -> None:
        self._limits = limits
        self._cells = 0

    def check(self) -> None:
        """Refuse a limit that is passed before the first cell.

        Raises
        ------
        ExecutorError
        """
        if not self._cells and self._takes_too_much():
            raise ExecutorError(
                f"max_memory: a worker process has {_megabytes(own_memory())} MB before its first "
                f"cell, more than the {_megabytes(self._limits.memory or 0)} MB after which it is "
                "replaced. Give more."
            )

    def fitting(self, task: Any) -> Any:
        """As much of a task as may still be run here; the driver schedules the rest anew."""
        if self._limits.cells is None:
            return task
        left = self._limits.cells - self._cells
        if isinstance(task, Task) and task.stop - task.start > left:
            return task._replace(stop=task.start + left)
        if isinstance(task, Trip) and (task.stop - task.start) * task.conditions > left:
            each = min(left, task.stop - task.start)
            return task._replace(stop=task.start + each, conditions=left // each)
        return task

    def count(self, task: Any, value: Any) -> None:
        """Count the cells of what a task came to."""
        if isinstance(task, Pause):
            return
        if isinstance(value, Blocks):
            self._cells += sum(map(len, value.blocks))
        else:
            self._cells += len(value) if isinstance(value, (Block, Sheet)) else 1

    @property
    def is_over(self) -> bool:
        """Whether this process wants to be replaced."""
        cells = self._limits.cells
        return (cells is not None and self._cells >= cells) or self._takes_too_much()

    def _takes_too_much(self) -> bool:
        return self._limits.memory is not None and own_memory() > self._limits.memory


def own_memory() -> int:
    """How many bytes of memory this process has for itself.

    Shared arrays and libraries, which other processes map too, do not count.  Where only the
    most is known that a process ever had, as on macOS, it is that, with what is shared.
    """
    try:
        _, resident, shared, *_ = map(int, PAGE_FIELDS.read_bytes().split())
    except OSError:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    import resource

    return (resident - shared) * resource.getpagesize()


def _megabytes(size: int) -> int:
    return -(-size // MEGABYTE)
