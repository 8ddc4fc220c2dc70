"""Which cells have taken too long, counting only time in which they could run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from crystallize.contracts import TICK, Pause, Task, Trip

GAP_SECONDS = 3 * TICK
"""When the driver has not looked for so long, cells may not have been able to run either."""


class Deadlines:
    """The time limit of the cells of one run.

    The driver looks at every completion and every tick.  Where it did not, the
    program was stopped (Ctrl-Z), its event loop was held up, or someone kept the
    driver waiting: that time is nobody's fault, and counts for no cell.

    Parameters
    ----------
    timeout : float or None
        Seconds that a cell may take.
    block_seconds : float
        When a block ends early by itself.
    """

    def __init__(self, timeout: float | None, block_seconds: float) -> None:
        self.timeout = timeout
        self._block_seconds = block_seconds
        self._cancel: Callable[[Any], None] | None = None
        self._elapsed: Callable[[Any], float | None] | None = None
        self._cancelled: set[Task | Trip] = set()
        self._looked = perf_counter()
        self._gaps: deque[tuple[float, float]] = deque(maxlen=1000)

    def register(
        self, cancel: Callable[[Any], None], elapsed: Callable[[Any], float | None]
    ) -> None:
        """Learn what the executor can do to a running task."""
        self._cancel, self._elapsed = cancel, elapsed

    @property
    def enforceable(self) -> bool:
        """Whether the executor has said how to cancel a task."""
        return self._cancel is not None

    def look(self, in_flight: Iterable[Task | Trip | Pause]) -> None:
        """Cancel every task whose cell has taken too long."""
        now = perf_counter()
        passed = now - self._looked
        if self.timeout is None or passed < TICK / 2:
            return
        self._looked = now
        if passed > GAP_SECONDS:
            self._gaps.append((now, passed - TICK))
            return  # what has ended meanwhile is heard of first
        if self._cancel is None or self._elapsed is None:
            return
        for task in in_flight:
            if isinstance(task, Pause) or task in self._cancelled:
                continue
            # A block ends early by itself unless one cell holds it up.
            limit = self.timeout + (self._block_seconds if task.stop - task.start > 1 else 0.0)
            elapsed = self._elapsed(task)
            if elapsed is not None and elapsed > limit and self._counted(elapsed, now) > limit:
                self._cancelled.add(task)
                self._cancel(task)

    def was_cancelled(self, task: Task | Trip) -> bool:
        """Whether a task that is over now was cancelled."""
        if task not in self._cancelled:
            return False
        self._cancelled.remove(task)
        return True

    def is_late(self, seconds: float) -> bool:
        """Whether a cell that ended just now, and took so long, took too long."""
        if self.timeout is None or seconds <= self.timeout:
            return False
        now = perf_counter()
        if now - self._looked > GAP_SECONDS:
            seconds -= now - self._looked - TICK
        return self._counted(seconds, now) > self.timeout

    def _counted(self, seconds: float, now: float) -> float:
        began = now - seconds
        return seconds - sum(min(length, end - began) for end, length in self._gaps if end > began)
