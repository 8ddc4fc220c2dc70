"""Many coroutines at once, on one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, closing
from contextvars import Context
from functools import partial
from time import perf_counter
from typing import Any

from crystallize.checks import whole_number
from crystallize.contracts import (
    ASYNC,
    ActiveRun,
    Call,
    Capabilities,
    Completion,
    HasReplicates,
    NextTask,
    named_tuple,
)
from crystallize.hookspecs import hookimpl
from crystallize.plugins.execution.base import (
    AloneRun,
    Execution,
    LoopResults,
    Option,
    check_function,
    default,
    method_of,
)
from crystallize.worker.event_loop import (
    END_SECONDS,
    CellTask,
    OwnLoop,
    without_running_loop,
)


class AsyncExecution(Execution):
    """Run coroutine functions concurrently, at most `max_concurrency` at once.

    Memory does not grow with the number of replicates: a window of
    `max_concurrency` asyncio tasks asks for work, nothing is queued ahead.

    Parameters
    ----------
    progress : bool
        Show a progress bar on standard error.
    max_concurrency : int
        How many cells are under way at the most.

    Examples
    --------
    >>> import asyncio
    >>> from types import SimpleNamespace
    >>> async def square(i):
    ...     await asyncio.sleep(0)
    ...     return i * i
    >>> AsyncExecution().run_experiment_loop(SimpleNamespace(replicates=3), square)
    [0, 1, 4]
    """

    max_concurrency = Option(partial(whole_number, least=1))

    def __init__(self, progress: bool = False, *, max_concurrency: int = 1000) -> None:
        super().__init__(progress)
        self.max_concurrency = max_concurrency

    @default
    def capabilities(self) -> Capabilities:
        return Capabilities(functions=ASYNC, workers=self.max_concurrency, can_cancel=True)

    @hookimpl
    async def execute(
        self, experiment: HasReplicates, call: Call, next_task: NextTask, run: ActiveRun
    ) -> AsyncIterator[Completion | None]:
        window = _Window(call, next_task, self.max_concurrency, method_of(run, "tick"))
        run.register_control(window.cancel, window.elapsed)
        try:
            while window.fill():
                if not await window.news():
                    yield None
                while window.done:
                    yield window.done.popleft()
        finally:
            await window.close()

    @hookimpl
    def run_experiment_loop(
        self, experiment: HasReplicates, replicate_fn: Callable[[int], Any]
    ) -> list[Any]:
        check_function(type(self).__name__, self.capabilities.functions, replicate_fn)

        async def collect() -> list[Any]:
            with closing(LoopResults(self, experiment)) as results:
                run = AloneRun()
                completions = self.execute(experiment, replicate_fn, results.next_index, run)
                async with aclosing(completions):  # type: ignore[type-var]
                    async for completion in completions:
                        results.add(completion)
                return results.values

        def in_loop() -> list[Any]:
            with closing(OwnLoop()) as loop:
                return loop.run(collect())

        return without_running_loop(in_loop)


class _Window:
    """The asyncio tasks of one run, each of which runs one block after another.

    Parameters
    ----------
    call : callable
    next_task : callable
    size : int
        How many there are at the most.
    tick : callable
        For how long to wait for news.
    """

    def __init__(
        self, call: Call, next_task: NextTask, size: int, tick: Callable[[], float]
    ) -> None:
        self.done: deque[Completion] = deque()
        self._call = call
        self._next_task = next_task
        self._size = size
        self._tick = tick
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._workers: set[CellTask] = set()
        self._running: dict[Any, tuple[float, CellTask]] = {}
        self._cancelled: dict[Any, float] = {}

    def fill(self) -> bool:
        """Start workers while there is room and work; whether anything is left to wait for."""
        while len(self._workers) < self._size and (task := self._next_task()) is not None:
            # In a context of its own: that of the program is nothing that its cells should see.
            worker = CellTask(self._work(task), loop=self._loop, context=Context())
            self._workers.add(worker)
            worker.add_done_callback(self._ended)
        return bool(self._workers or self.done)

    async def news(self) -> bool:
        """Wait until something completed, or for a tick; whether anything did."""
        try:
            async with asyncio.timeout(self._tick()):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
        if self._cancelled:
            self._leave_behind(before=perf_counter() - END_SECONDS)
        return bool(self.done)

    def elapsed(self, task: Any) -> float | None:
        """For how many seconds a task has been running, or ``None``."""
        if task not in self._running or task in self._cancelled:
            return None
        return perf_counter() - self._running[task][0]

    def cancel(self, task: Any) -> None:
        """Cancel a task; its completion then has an error, also where it does not end by it."""
        if task in self._running and task not in self._cancelled:
            self._cancelled[task] = perf_counter()
            self._running[task][1].end()

    async def close(self) -> None:
        """Cancel what is running, and wait for it as long as is promised."""
        for worker in self._workers:
            worker.end()
        if self._workers:
            _, stuck = await asyncio.wait(self._workers, timeout=END_SECONDS)
            for worker in stuck:
                worker.leave_behind()

    async def _work(self, task: Any) -> None:
        call, next_task, done, running = self._call, self._next_task, self.done, self._running
        worker: Any = asyncio.current_task()
        while task is not None:
            running[task] = under_way = perf_counter(), worker
            try:
                completion = named_tuple(Completion, (task, await call(task), None))
            except asyncio.CancelledError as error:
                if task not in self._cancelled:
                    raise
                completion = Completion(task, error=error)
            except Exception as error:
                completion = Completion(task, error=error)
            if running.get(task) is not under_way:
                return  # left behind, and another has its place
            del running[task]
            if self._cancelled and self._cancelled.pop(task, None) is not None:
                # What it came to all the same says at least what it recorded.
                completion = completion._replace(error=asyncio.CancelledError())
            if not done:
                self._news.set()
            done.append(completion)
            if len(done) >= self._size:
                # A coroutine that never awaits would keep the loop from everyone else.
                await asyncio.sleep(0)
            task = next_task()

    def _ended(self, worker: asyncio.Task[Any]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled():
            worker.exception()  # looked at, so that nobody is told that nobody did
        if not self._workers:  # the end of the last one is news too, with nothing done since
            self._news.set()

    def _leave_behind(self, before: float) -> None:
        """Give up those that were cancelled before some time and have not ended."""
        for task in [task for task, since in self._cancelled.items() if since < before]:
            _, worker = self._running.pop(task)
            del self._cancelled[task]
            worker.leave_behind()
            self._workers.discard(worker)
            error = TimeoutError("it did not end when it was cancelled, and was left behind")
            self.done.append(Completion(task, error=error))
