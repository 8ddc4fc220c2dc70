"""The base of every strategy whose engine hands out futures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from crystallize.contracts import TICK, ActiveRun, Call, Completion, NextTask
from crystallize.errors import CrystallizeError
from crystallize.hookspecs import hookimpl
from crystallize.plugins.execution.base import Execution

IN_FLIGHT_PER_WORKER = 2
"""One running, one waiting, so that no worker waits for the driver."""


class FutureLike(Protocol):
    """What is asked of a future: :class:`concurrent.futures.Future` has it, Dask's too."""

    def add_done_callback(self, fn: Callable[[Any], Any], /) -> Any: ...

    def result(self) -> Any: ...


class FuturesExecution(Execution):
    """Turn an engine with futures into an executor; override :meth:`submitter`.

    Examples
    --------
    Any :class:`concurrent.futures.Executor` is a strategy in a few lines:

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from contextlib import contextmanager
    >>> from functools import partial
    >>> from crystallize.plugins import Capabilities
    >>> class Threads(FuturesExecution):
    ...     capabilities = Capabilities(workers=2)
    ...     @contextmanager
    ...     def submitter(self, call, workers):
    ...         with ThreadPoolExecutor(workers) as pool:
    ...             yield partial(pool.submit, call)
    >>> from types import SimpleNamespace
    >>> Threads().run_experiment_loop(SimpleNamespace(replicates=3), lambda i: i * i)
    [0, 1, 4]
    """

    @abstractmethod
    def submitter(
        self, call: Call, workers: int
    ) -> AbstractContextManager[Callable[[Any], FutureLike]]:
        """Open the engine; give a function that submits ``call(task)`` for a task.

        Parameters
        ----------
        call : callable
            Heavy: it must travel to a worker once, not with every task.
        workers : int
            How many workers are of use: those of :attr:`capabilities`, or fewer
            where there are fewer tasks.

        Returns
        -------
        context manager
            Leaving it cancels what still waits and frees the engine.  A future's
            :exc:`~crystallize.CrystallizeError` ends the run; any other
            exception counts as the loss of that one task.
        """

    @hookimpl
    def execute(
        self, experiment: Any, call: Call, next_task: NextTask, run: ActiveRun
    ) -> Iterator[Completion | None]:
        workers = self.capabilities.workers
        waiting: list[Any] = []
        while waiting := waiting or _take(next_task, workers * IN_FLIGHT_PER_WORKER):
            waiting = yield from self._until_broken(call, waiting, next_task, workers)

    def _until_broken(
        self, call: Call, waiting: list[Any], next_task: NextTask, workers: int
    ) -> Generator[Completion | None, None, list[Any]]:
        """Run tasks in one engine, until there are none or it breaks; return those not begun."""
        room = workers * IN_FLIGHT_PER_WORKER
        in_flight: dict[FutureLike, Any] = {}
        done: SimpleQueue[FutureLike] = SimpleQueue()
        broken: BaseException | None = None
        with self.submitter(call, min(workers, len(waiting))) as submit:
            while in_flight or (waiting and broken is None):
                while waiting and broken is None:
                    try:
                        future = submit(waiting[0])
                    except BrokenExecutor as error:
                        if not in_flight:
                            raise
                        broken = error
                    else:
                        in_flight[future] = waiting.pop(0)
                        future.add_done_callback(done.put)
                try:
                    future = done.get(timeout=TICK)
                except Empty:
                    yield None
                else:
                    completion = _completion(in_flight.pop(future), future)
                    if isinstance(completion.error, BrokenExecutor):
                        broken = completion.error
                    yield completion
                if broken is None:
                    waiting = _take(next_task, room - len(in_flight))
        return waiting


def _take(next_task: NextTask, room: int) -> list[Any]:
    tasks: list[Any] = []
    while len(tasks) < room and (task := next_task()) is not None:
        tasks.append(task)
    return tasks


def _completion(task: Any, future: FutureLike) -> Completion:
    try:
        return Completion(task, future.result())
    except CrystallizeError:
        raise
    except BaseException as error:  # a CancelledError of the engine is a lost task too
        return Completion(task, error=error)
