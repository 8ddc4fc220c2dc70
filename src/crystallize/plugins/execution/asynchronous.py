"""Many coroutines at once, on one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, closing
from functools import partial
from typing import Any

from crystallize.checks import whole_number
from crystallize.contracts import (
    ASYNC,
    TICK,
    ActiveRun,
    Call,
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
)
from crystallize.plugins.execution.event_loop import without_running_loop


class AsyncExecution(Execution):
    """Run coroutine functions concurrently, at most `max_concurrency` at once.

    Memory does not grow with the number of replicates: a window of
    `max_concurrency` tasks asks for work, nothing is queued ahead.

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

    functions = ASYNC
    max_concurrency = Option(partial(whole_number, least=1))
    single_cell = True

    def __init__(self, progress: bool = False, *, max_concurrency: int = 1000) -> None:
        super().__init__(progress)
        self.max_concurrency = max_concurrency

    @property
    def workers(self) -> int:
        return self.max_concurrency

    @hookimpl
    async def execute(
        self, experiment: Any, call: Call, next_task: NextTask, run: ActiveRun
    ) -> AsyncIterator[Completion | None]:
        running: set[asyncio.Task[None]] = set()
        done: deque[Completion] = deque()
        news = asyncio.Event()
        most = self.max_concurrency

        async def work(task: Any) -> None:
            while task is not None:
                try:
                    completion = named_tuple(Completion, (task, await call(task), None))
                except Exception as error:
                    completion = Completion(task, error=error)
                if not done:
                    news.set()
                done.append(completion)
                if len(done) >= most:
                    # A coroutine that never awaits would keep the loop from everyone else.
                    await asyncio.sleep(0)
                task = next_task()

        def ended(worker: asyncio.Task[None]) -> None:
            running.discard(worker)
            if not running:  # the end of the last one is news too, with nothing done since
                news.set()

        try:
            while True:
                while len(running) < self.max_concurrency and (task := next_task()) is not None:
                    worker = asyncio.create_task(work(task))
                    running.add(worker)
                    worker.add_done_callback(ended)
                if not running and not done:
                    return
                try:
                    async with asyncio.timeout(TICK):
                        await news.wait()
                except TimeoutError:
                    yield None
                news.clear()
                while done:
                    yield done.popleft()
        finally:
            for worker in running:
                worker.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    @hookimpl
    def run_experiment_loop(
        self, experiment: HasReplicates, replicate_fn: Callable[[int], Any]
    ) -> list[Any]:
        check_function(type(self).__name__, self.functions, replicate_fn)

        async def collect() -> list[Any]:
            with closing(LoopResults(self, experiment)) as results:
                run = AloneRun()
                completions = self.execute(experiment, replicate_fn, results.next_index, run)
                async with aclosing(completions):  # type: ignore[type-var]
                    async for completion in completions:
                        results.add(completion)
                return results.values

        return without_running_loop(lambda: asyncio.run(collect()))
