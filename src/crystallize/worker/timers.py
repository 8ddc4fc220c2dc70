"""The timers of an event loop on which a thousand cells wait at once.

asyncio compares its timers in Python, some ten times for each that is due among a thousand: that
and making them is a third of what a cell takes that does nothing but wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Any, TypeAlias

Entry: TypeAlias = "tuple[float, int, Timer]"
"""When a timer is due, which one it is of all, and the timer."""

CANCELLED_KEPT = 100
"""So many that are cancelled may be kept until they are due, and others as many as are not."""


class Timer:
    """A call that is due later: what ``asyncio.TimerHandle`` is to asyncio's own timers."""

    __slots__ = (
        "__weakref__", "_args", "_callback", "_context", "_is_cancelled", "_timers", "_when"
    )  # fmt: skip

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context,
        timers: Timers,
    ) -> None:
        self._when = when
        self._callback: Callable[..., object] | None = callback
        self._args = args
        self._context = context
        self._timers: Timers | None = timers  # while it is among these
        self._is_cancelled = False

    def __repr__(self) -> str:
        what = "cancelled" if self._is_cancelled else f"{self._callback!r}"
        return f"<Timer when={self._when} {what}>"

    def when(self) -> float:
        """When it is due, by the clock of the loop."""
        return self._when

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._is_cancelled

    def cancel(self) -> None:
        """Have it not happen."""
        if self._is_cancelled:
            return
        self._is_cancelled = True
        self._callback, self._args = None, ()
        if self._timers is not None:
            self._timers.cancelled()


class Timers:
    """Keeps the timers of an event loop, and asks it to be called when the first one is due.

    Parameters
    ----------
    loop : asyncio.BaseEventLoop
    """

    def __init__(self, loop: asyncio.BaseEventLoop) -> None:
        self._loop = loop
        self._call_at = loop.call_at  # its own
        self._resolution = time.get_clock_info("monotonic").resolution
        # Most are asked for in the order in which they are due, since most wait equally long.
        self._in_order: deque[Entry] = deque()
        self._others: list[Entry] = []  # a heap
        self._due: deque[Entry] = deque()
        self._order = count()
        self._cancelled = 0
        self._next = inf
        self._alarm: asyncio.TimerHandle | None = None

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Any:
        """Call something after so many seconds."""
        return self._add(self._loop.time() + delay, callback, args, context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Any:
        """Call something at a time of the loop's clock."""
        return self._add(when, callback, args, context)

    def cancelled(self) -> None:
        """Learn that one of those here was cancelled."""
        self._cancelled += 1
        if self._cancelled > max(CANCELLED_KEPT, (len(self._in_order) + len(self._others)) / 2):
            self._in_order = deque(entry for entry in self._in_order if not entry[2].cancelled())
            self._others = [entry for entry in self._others if not entry[2].cancelled()]
            heapify(self._others)
            self._cancelled = 0

    def _add(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> Any:
        loop = self._loop
        # The loop itself knows what to do with what has no place in an order, and has more to
        # say of what is slow, or too late.
        if not when > -inf or loop.get_debug() or loop.is_closed():
            return self._call_at(when, callback, *args, context=context)
        timer = Timer(when, callback, args, copy_context() if context is None else context, self)
        entry, in_order = (when, next(self._order), timer), self._in_order
        if not in_order or when >= in_order[-1][0]:
            in_order.append(entry)
        else:
            heappush(self._others, entry)
        if when < self._next:
            self._set_alarm()
        return timer

    def _set_alarm(self) -> None:
        """Have the loop ring when the first one is due, in a context that is no cell's."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._next = min(queue[0][0] for queue in (self._in_order, self._others) if queue)
        self._alarm = self._call_at(self._next, self._ring, context=Context())

    def _ring(self) -> None:
        """Call what is due."""
        # All of it first: what is asked for meanwhile is for the next time, whenever it is due.
        # And the next alarm before anything is called, which may have the loop go on within it.
        self._take_due(self._loop.time() + self._resolution)
        due, self._alarm, self._next = self._due, None, inf
        if self._in_order or self._others:
            self._set_alarm()
        try:
            while due:
                timer = due.popleft()[2]
                callback = timer._callback
                if callback is None:
                    continue  # cancelled, maybe by one that was due with it
                try:
                    timer._context.run(callback, *timer._args)
                except (SystemExit, KeyboardInterrupt):
                    raise  # which ends the loop; those after it are called when it goes on
                except BaseException as error:
                    failed = {"message": f"Exception in callback {callback!r}", "handle": timer}
                    failed["exception"] = error
                    timer._context.run(self._loop.call_exception_handler, failed)
        finally:
            if due:
                self._call_at(self._loop.time(), self._ring, context=Context())

    def _take_due(self, end: float) -> None:
        """Take out those that are due before some time, first the first."""
        in_order, others = self._in_order, self._others
        due = []
        while in_order and in_order[0][0] < end:
            due.append(in_order.popleft())
        while others and others[0][0] < end:
            due.append(heappop(others))
        due.sort()
        for _, _, timer in due:
            timer._timers = None
            self._cancelled -= timer._is_cancelled
        self._due += due


def keep_timers(loop: asyncio.AbstractEventLoop) -> None:
    """Have a loop of asyncio's own kind keep its timers here; others have their own ways."""
    if not isinstance(loop, asyncio.BaseEventLoop):
        return
    kind = type(loop)
    if (kind.call_at, kind.call_later) == (
        asyncio.BaseEventLoop.call_at,
        asyncio.BaseEventLoop.call_later,
    ):
        timers = Timers(loop)
        loop.call_at = timers.call_at  # type: ignore[assignment, method-assign]
        loop.call_later = timers.call_later  # type: ignore[assignment, method-assign]
