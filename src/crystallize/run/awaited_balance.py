"""That coroutines end together: what blocks on an event loop have left, and who runs it.

A cell on the driver's own event loop that has not begun can be had back at any moment, for
nothing.  So blocks may be long until there is nothing left to hand out, and are evened out then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf

from crystallize.contracts import Task, Trip

TAIL = 1 / 10
"""How short a block may get towards the end, as a share of what it should take."""


WORTH_SECONDS = 0.04
"""How much longer than others a block must take yet to give cells back, ..."""
AGAIN_SECONDS = 0.04
"""... and after how long one looks again when none did: there may be a thousand blocks."""


class AwaitedBalance:
    """The blocks that are awaited, and how long each of them takes yet.

    Parameters
    ----------
    workers : int
        How many are awaited at once.
    waiting : callable
        The blocks that can give cells back, each with how many of its cells have not begun.
    take_back : callable
        Takes so many of these from a block; returns them as a task.
    put_back : callable
        Has cells run, given their condition, the first one and the one after the last.
    each : callable
        Task -> seconds a cell, as far as that is known, or 0.
    clock : callable
        The time, in seconds.
    may_be_short : bool
        Whether a look at what landed may end the run: a thousand blocks that cannot be short
        are a thousand too many then.

    Attributes
    ----------
    tail : float
        How short a block may get towards the end, as a share of what it should take.
    """

    def __init__(
        self,
        workers: int,
        waiting: Callable[[], Iterable[tuple[Task, int]]],
        take_back: Callable[[Task, int], Task],
        put_back: Callable[[int, int, int], None],
        each: Callable[[Task], float],
        clock: Callable[[], float],
        *,
        may_be_short: bool = False,
    ) -> None:
        self.tail = 0.0 if may_be_short else TAIL
        self._workers = workers
        self._waiting = waiting
        self._take_back = take_back
        self._put_back = put_back
        self._each = each
        self._clock = clock
        self._ends: dict[Task | Trip, float] = {}
        self._sum_of_ends = 0.0
        self._next_look = -inf

    def begin(self, task: Task | Trip) -> None:
        """Learn that a task was handed out."""
        assert isinstance(task, Task), "no trips are made of coroutines"
        end = self._clock() + (task.stop - task.start) * self._each(task)
        self._ends[task] = end
        self._sum_of_ends += end

    def end(self, task: Task | Trip) -> None:
        """Learn that it came to an end."""
        self._sum_of_ends -= self._ends.pop(task)

    def share(self, seconds: float) -> float:
        """How many seconds of work the next task should have for all to end together, roughly.

        Parameters
        ----------
        seconds : float
            How much work there is that was not handed out.
        """
        # Not what each has left, as processes are asked: that would be a thousand for each task.
        left = self._sum_of_ends - len(self._ends) * self._clock()
        return (seconds + max(0.0, left)) / self._workers

    def even_out(self) -> None:
        """Have blocks give back what they have beyond an even share."""
        now = self._clock()
        if now < self._next_look:
            return
        waiting = [
            (task, count, each)
            for task, count in self._waiting()
            if count > 0 and (each := self._each(task))
        ]
        even = sum(count * each for _, count, each in waiting) / self._workers
        longer = [
            (task, count - int(even / each))
            for task, count, each in waiting
            if count * each - even > WORTH_SECONDS
        ]
        if not longer:
            self._next_look = now + AGAIN_SECONDS
        for task, count in longer:
            self._put_back(*self._take_back(task, count))

    def tick(self) -> float:
        """After how many seconds without a completion to call :meth:`even_out` again."""
        return inf
