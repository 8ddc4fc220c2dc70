"""Driving an executor without an experiment, and noting what it makes of its tasks."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing
from time import monotonic
from typing import Any
from uuid import uuid4

from crystallize.contracts import Capabilities, Completion, Task
from crystallize.experiments.experiment import Experiment
from crystallize.plugins.execution.base import AloneRun
from crystallize.plugins.host import Host
from crystallize.testing.noted import Note, Noted
from crystallize.testing.trials import square

Running = Callable[[], Iterable[tuple[Any, float]]]
"""The tasks that are running, each with the seconds that it has been."""


def tasks(count: int, first: int = 0, step: int = 1) -> list[Task]:
    """Tasks of one cell each; with a step, as a store that holds the others leaves them."""
    starts = range(first, first + count * step, step)
    return [Task(0, start, start + 1) for start in starts]


def is_good(completion: Completion) -> bool:
    """Whether a task of a :class:`Noted` call completed as it should."""
    return completion.error is None and completion.value == Noted.expected(completion.task.start)


class Drive(AloneRun):
    """An executor that is given tasks, and what it makes of them.

    Parameters
    ----------
    executor : object
    call : Noted
    given : iterable of Task
    at_once : int, optional
        How many tasks it is given before one of them has completed.

    Attributes
    ----------
    items : list of (float, Completion or None)
        What it yielded, with the time.
    handed : list of Task
    handed_at : dict of Task to float
        When.
    ahead : int
        How many tasks it had at the most that had not completed.
    asked : int
        How often it asked for work.
    threads : set of int
        From which threads it asked.
    control : tuple of callable or None
        How it cancels a task, and says for how long one has been running.
    shortening : tuple of callable or None
        How it has a task end early, and says which are running.
    handing_over : callable or None
        How it gives what has finished of tasks that are running.
    closing, closed : float
        When it was asked to close, and when it had.
    unfinished : list of str
        The asyncio tasks that it left on its event loop when it was closed.
    """

    def __init__(
        self,
        executor: object,
        call: Noted,
        given: Iterable[Task],
        at_once: int | None = None,
    ) -> None:
        self.call = call
        self._waiting = deque(given)
        self._at_once = len(self._waiting) if at_once is None else at_once
        self.items: list[tuple[float, Completion | None]] = []
        self.handed: list[Task] = []
        self.handed_at: dict[Task, float] = {}
        self.completed = 0
        self.ahead = 0
        self.asked = 0
        self.threads: set[int] = set()
        self.control: tuple[Callable[[Any], None], Callable[[Any], float | None]] | None = None
        self.shortening: tuple[Callable[[Any], None], Running] | None = None
        self.handing_over: Callable[[], Iterable[Completion]] | None = None
        self.unfinished: list[str] = []
        self.id = uuid4().hex
        self.closing = self.closed = 0.0
        self._lock = threading.Lock()
        self._is_async = Capabilities.of(executor).calls_are_async
        self._stream = self._started(executor, call)

    def run(self, enough: Callable[[Completion | None], bool] = lambda item: False) -> Drive:
        """Take what it yields, until that is enough or the end; then close it."""
        if self._is_async:
            with closing(asyncio.new_event_loop()) as loop:
                loop.run_until_complete(self._consume(enough))
                self._end_the_rest(loop)
            return self
        try:
            for item in self._stream:
                if self._take(item, enough):
                    break
        finally:
            self.closing = monotonic()
            getattr(self._stream, "close", lambda: None)()  # any iterator will do
            self.closed = monotonic()
        return self

    def ran_here(self, note: Note) -> bool:
        """Whether a call ran where the generator runs, which cannot yield meanwhile."""
        is_here = note.process == os.getpid() and note.thread in self.threads
        return is_here and not self._is_async

    @property
    def completions(self) -> list[Completion]:
        """What it yielded but ticks."""
        return [item for _, item in self.items if item is not None]

    def next_task(self) -> Task | None:
        """What the executor asks."""
        with self._lock:
            self.asked += 1
            self.threads.add(threading.get_ident())
            in_flight = len(self.handed) - self.completed
            if not self._waiting or in_flight >= self._at_once:
                return None
            self.ahead = max(self.ahead, in_flight + 1)
            task = self._waiting.popleft()
            self.handed.append(task)
            self.handed_at[task] = monotonic()
            return task

    def register_control(
        self, cancel: Callable[[Any], None], elapsed: Callable[[Any], float | None]
    ) -> None:
        """See :meth:`crystallize.contracts.ActiveRun.register_control`."""
        self.control = cancel, elapsed

    def register_shortening(self, shorten: Callable[[Any], None], running: Running) -> None:
        """See :meth:`crystallize.contracts.ActiveRun.register_shortening`."""
        self.shortening = shorten, running

    def register_hand_over(self, hand_over: Callable[[], Iterable[Completion]]) -> None:
        """See :meth:`crystallize.contracts.ActiveRun.register_hand_over`."""
        self.handing_over = hand_over

    async def _consume(self, enough: Callable[[Completion | None], bool]) -> None:
        try:
            async for item in self._stream:
                if self._take(item, enough):
                    break
        finally:
            self.closing = monotonic()
            await self._stream.aclose()
            self.closed = monotonic()

    def _end_the_rest(self, loop: asyncio.AbstractEventLoop) -> None:
        remaining = asyncio.all_tasks(loop)
        self.unfinished = [repr(task.get_coro()) for task in remaining]
        for task in remaining:
            task.cancel()
        if remaining:
            loop.run_until_complete(asyncio.wait(remaining, timeout=1))

    def _take(self, item: Completion | None, enough: Callable[[Completion | None], bool]) -> bool:
        self.items.append((monotonic(), item))
        if item is not None:
            self.completed += 1
        return enough(item)

    def _started(self, executor: object, call: Noted) -> Any:
        is_async = self._is_async
        replicates = max((task.stop for task in self._waiting), default=1)
        stream = Host(executor=executor).hook.execute(
            experiment=Experiment(square, {"only": {"index": 1}}, replicates=replicates).spec,
            call=call.coroutine if is_async else call,
            next_task=self.next_task,
            run=self,
        )
        assert hasattr(stream, "__anext__" if is_async else "__next__"), (
            f"execute must be {'an async generator' if is_async else 'a generator'}; it gave "
            f"{type(stream).__name__}. Write it with yield"
            f"{' in an async def' if is_async else ''}; capabilities.functions says which."
        )
        return stream
