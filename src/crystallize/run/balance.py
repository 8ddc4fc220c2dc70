"""That workers end together: what tasks in flight have left, and which of them end early.

For executors that can have a running task end early.  Then a block may be as long as it should
be for all workers to end at once, and one that was too long is no harm: when a worker has
nothing to do, the task that has most left comes back, and the rest of it is for both.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from itertools import pairwise
from math import inf
from typing import ClassVar

from crystallize.contracts import Task, Trip

ANSWER_SECONDS = 0.01
"""For how long a task that was asked to end early is thought to do so."""
LOOK_SECONDS = 3e-3
"""How often one looks for a task to end early while a worker has nothing to do, ..."""
MOST_LOOKS = 30
"""... and how many times where nothing else happens: what does not come then takes long."""


class Balance:
    """The tasks in flight, and how long each of them takes yet.

    Parameters
    ----------
    workers : int
        How many run at once.
    shorten : callable
        Asks a running task to end early.
    running : callable
        The tasks that are running, each with the seconds that it has been; others wait.
    each : callable
        Task -> seconds a cell, as far as that is known, or 0.
    worth : float
        The seconds that a task takes in all to be worth it.  What it has left, only its
        worker knows well enough: with little left it does not end early.
    clock : callable
        The time, in seconds.
    """

    tail: ClassVar[float] = 1 / 200
    """How short a block may get towards the end, as a share of what it should take: what one of
    them leaves is little, and is for all."""

    def __init__(
        self,
        workers: int,
        shorten: Callable[[Task | Trip], None],
        running: Callable[[], Iterable[tuple[Task | Trip, float]]],
        each: Callable[[Task | Trip], float],
        worth: float,
        clock: Callable[[], float],
    ) -> None:
        self._workers = workers
        self._shorten = shorten
        self._running = running
        self._each = each
        self._worth = worth
        self._clock = clock
        self._in_flight: dict[Task | Trip, int] = {}
        self._asked: dict[Task | Trip, float] = {}
        self._is_to_look = False
        self._looks = 0

    def begin(self, task: Task | Trip) -> None:
        """Learn that a task was handed out."""
        conditions = task.conditions if isinstance(task, Trip) else 1
        self._in_flight[task] = (task.stop - task.start) * conditions

    def end(self, task: Task | Trip) -> None:
        """Learn that it came to an end."""
        self._looks = 0
        self._in_flight.pop(task, None)
        self._asked.pop(task, None)

    def share(self, seconds: float) -> float:
        """How many seconds of work the next task should have for all workers to end together.

        Parameters
        ----------
        seconds : float
            How much work there is that was not handed out.
        """
        running, waiting = self._left()
        busy = [0.0] * (self._workers - len(running))
        busy += [max(0.0, each) for each in running.values()]
        heapq.heapify(busy)
        for each in waiting:
            heapq.heapreplace(busy, busy[0] + each)
        busy.sort()
        total, count = seconds, 0
        for free, later in pairwise([*busy, inf]):
            total, count = total + free, count + 1
            if total <= later * count:  # the others are busy for longer than this takes
                break
        return total / count - busy[0]

    def even_out(self) -> None:
        """Have tasks end early, as many as there are workers without work."""
        idle = self._workers - len(self._in_flight)
        if idle <= 0:
            return
        now = self._clock()
        idle -= sum(now - asked < ANSWER_SECONDS for asked in self._asked.values())
        running, _ = self._left()
        worth_it = [task for task in running if self._is_worth_it(task, running[task])]
        # One that should have ended is slower than others, nobody knows by how much: the more it
        # is late, the more there may be left of it.
        worth_it.sort(key=lambda task: abs(running[task]), reverse=True)
        for task in worth_it[: max(0, idle)]:
            self._asked[task] = now
            self._shorten(task)
        self._looks += 1
        self._is_to_look = len(worth_it) > max(0, idle) and self._looks < MOST_LOOKS

    def tick(self) -> float:
        """After how many seconds without a completion to call :meth:`even_out` again."""
        is_to_look, self._is_to_look = self._is_to_look, False
        return LOOK_SECONDS if is_to_look else inf

    def _is_worth_it(self, task: Task | Trip, left: float) -> bool:
        """Whether a running task that was not asked to end early might be long enough for it."""
        cells = self._in_flight[task]
        expected = cells * self._each(task)
        is_long = max(expected, expected - left) > self._worth
        return cells > 1 and task not in self._asked and is_long

    def _left(self) -> tuple[dict[Task | Trip, float], list[float]]:
        """The seconds that tasks take yet: those that are running, and those that wait."""
        elapsed = dict(self._running())
        running, waiting = {}, []
        for task, cells in self._in_flight.items():
            seconds = cells * self._each(task)
            if task in elapsed:
                running[task] = seconds - elapsed[task]
            else:
                waiting.append(seconds)
        return running, waiting
