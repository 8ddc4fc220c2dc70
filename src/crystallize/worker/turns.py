"""That an event loop goes round, also where a thousand coroutines on it never wait."""

from __future__ import annotations

import asyncio
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from math import inf
from time import perf_counter

TURN_SECONDS = 0.01
"""For how long cells that never wait keep a loop from going round."""
ASK_SECONDS = 0.02
"""How often a loop is asked whether it goes round; a thousand cells that wait may end at once."""

FEW = 8
"""How many cells begin at first each time that a loop goes round which it hardly does."""


class Turns:
    """Whose turn it is on one event loop.

    Everything else on the loop has its turn each time it goes round.  Where cells keep it from
    that, no further one begins this time, and each time after it as few as it takes: those of
    the first replicates first, since what is read in order waits for these.

    Parameters
    ----------
    loop : event loop

    Attributes
    ----------
    due : float
        When a cell that is about to begin has to ask, by ``perf_counter``.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.due = perf_counter() + ASK_SECONDS
        self._is_asked = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # a heap
        self._order = count()
        self._ends = 0.0
        self._woken: float | None = None
        self._at_once = FEW

    async def take(self, replicate: int, *, may_wait: bool) -> None:
        """Return when a cell may begin.

        Parameters
        ----------
        replicate : int
        may_wait : bool
            Whether it may wait for other cells: not where its time runs already.
        """
        if not may_wait:
            self.due = perf_counter() + TURN_SECONDS
            await asyncio.sleep(0)
        elif not self._is_asked:
            self._ask()
        elif perf_counter() > self._ends or replicate >= self._waiting[0][0]:
            mine = self.loop.create_future()
            heappush(self._waiting, (replicate, next(self._order), mine))
            self.due = -inf  # whoever comes after it asks
            await mine
            if self._woken is None:
                self._woken = perf_counter()

    def _ask(self) -> None:
        """Ask the loop to say when it has gone round."""
        self._is_asked = True
        self._ends = perf_counter() + (TURN_SECONDS if self._waiting else ASK_SECONDS)
        self.due = -inf if self._waiting else self._ends
        self.loop.call_soon(self._gone_round, context=Context())  # which is no cell's

    def _gone_round(self) -> None:
        self._is_asked = False
        if not self._waiting:
            self._at_once = FEW
            return
        # This comes right after those that were woken: others on the loop may take their time.
        took = 0.0 if self._woken is None else perf_counter() - self._woken
        self._at_once = max(1, self._at_once // 2) if took > TURN_SECONDS else 2 * self._at_once
        self._woken, woken = None, 0
        while self._waiting and woken < self._at_once:
            mine = heappop(self._waiting)[2]
            if not mine.done():  # cancelled
                mine.set_result(None)
                woken += 1
        self._ask()
