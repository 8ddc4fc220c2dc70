"""The base of every strategy whose engine hands out futures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from types import TracebackType
from typing import Any

from crystallize.contracts import (
    HAND_OVER_SECONDS,
    ActiveRun,
    Call,
    Completion,
    FutureLike,
    NextTask,
)
from crystallize.errors import CrystallizeError
from crystallize.hookspecs import hookimpl
from crystallize.plugins.execution.base import Execution, method_of

IN_FLIGHT_PER_WORKER = 2
"""One running, one waiting, so that no worker waits for the driver."""


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

    in_flight_per_worker: int = IN_FLIGHT_PER_WORKER
    """One is for an engine that would run them all at once."""

    @property
    def calls_run_here(self) -> bool:
        """Whether calls run in threads of this process, on the very call of :meth:`submitter`.

        Override it where they do: on Ctrl-C what has finished of tasks that are running is kept
        then, and they end early.
        """
        return False

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

    def cancel_running(self, future: FutureLike) -> bool:
        """End a call that is running; override it where the engine can, for timeouts.

        Say ``can_cancel`` in :attr:`capabilities` then.  With a timeout each worker is
        handed one task at a time, so that none waits behind one that is to be ended.

        Parameters
        ----------
        future : object
            What the function of :meth:`submitter` gave.

        Returns
        -------
        bool
            Whether it is being ended: the future is then to raise, whatever.  Where it is
            not, this is asked again at the next tick.
        """
        return False

    def running_seconds(self, future: FutureLike) -> float | None:
        """For how many seconds a call has been running, without the start of its worker.

        Override it where the engine says.  Otherwise time counts from when a future's
        ``running()`` is first found to be true, or from when it was submitted if it has
        no such method.

        Returns
        -------
        float or None
            ``None`` while it waits.
        """
        raise NotImplementedError

    @hookimpl
    def execute(
        self, experiment: Any, call: Call, next_task: NextTask, run: ActiveRun
    ) -> Iterator[Completion | None]:
        workers = self.capabilities.workers
        in_flight = InFlight(self)
        room = workers * self.in_flight_per_worker
        if overrides(self, "cancel_running"):
            run.register_control(in_flight.cancel, in_flight.elapsed)
            if getattr(call, "has_timeout", False):
                room = workers
        if self.calls_run_here and hasattr(call, "is_to_end"):
            call.is_to_end = in_flight.is_to_end
            method_of(run, "register_hand_over")(in_flight.hand_over)
        waiting: list[Any] = []
        tick = method_of(run, "tick")
        # Where so many cells begin in a second, few tasks at first say nothing of how many follow.
        is_limited = getattr(experiment, "rate_limit", None) is not None
        while waiting := waiting or _take(next_task, room):
            of_use = workers if is_limited else min(workers, len(waiting))
            with in_flight, self.submitter(call, of_use) as submit:
                waiting = yield from in_flight.run(submit, waiting, next_task, room, tick)


class InFlight:
    """The tasks that an engine of futures has been handed and that are not over.

    Parameters
    ----------
    executor : FuturesExecution
    """

    def __init__(self, executor: FuturesExecution) -> None:
        self._executor = executor
        self._engine_says = overrides(executor, "running_seconds")
        self._futures: dict[Any, FutureLike] = {}
        self._began: dict[Any, float] = {}
        self._to_cancel: set[Any] = set()
        self._done: SimpleQueue[Any] = SimpleQueue()  # tasks: a future that holds itself stays
        self._is_over = False

    def __enter__(self) -> InFlight:
        return self

    def __exit__(self, *error: object) -> None:
        self._futures.clear()  # the run, which knows this, would keep the engine by them

    def run(
        self,
        submit: Callable[[Any], FutureLike],
        waiting: list[Any],
        next_task: NextTask,
        room: int,
        tick: Callable[[], float],
    ) -> Generator[Completion | None, None, list[Any]]:
        """Run tasks in one engine, until there are none or it breaks; return those not begun."""
        self._done = SimpleQueue()
        done = self._done
        broken: BaseException | None = None
        while self._futures or (waiting and broken is None):
            while waiting and broken is None:
                try:
                    future = submit(waiting[0])
                except BrokenExecutor as error:
                    if not self._futures:
                        raise
                    broken = error
                else:
                    task = waiting.pop(0)
                    self._futures[task] = future
                    if not hasattr(future, "running"):
                        self._began[task] = monotonic()
                    future.add_done_callback(partial(_put, done, task))
                    del future
            try:
                task = done.get(timeout=tick())
            except Empty:
                for task in list(self._to_cancel):
                    self.cancel(task)
                yield None
            else:
                completion = _completion(task, self._over(task))
                if isinstance(completion.error, BrokenExecutor):
                    broken = completion.error
                yield completion
            if broken is None:
                waiting = _take(next_task, room - len(self._futures))
        return waiting

    def cancel(self, task: Any) -> None:
        """End a task, if it is running; see :meth:`ActiveRun.register_control`."""
        self._to_cancel.discard(task)
        future = self._futures.get(task)
        if future is not None and not self._executor.cancel_running(future):
            self._to_cancel.add(task)

    def elapsed(self, task: Any) -> float | None:
        """For how long a task has been running; see :meth:`ActiveRun.register_control`."""
        future: Any = self._futures.get(task)
        if future is None or (hasattr(future, "done") and future.done()):
            return None  # while nobody asks for completions it may have been there for long
        if self._engine_says:
            return self._executor.running_seconds(future)
        if task not in self._began and future.running():
            self._began[task] = monotonic()
        return monotonic() - self._began[task] if task in self._began else None

    def is_to_end(self) -> bool:
        """Whether tasks that run here are to end early."""
        return self._is_over

    def hand_over(self) -> Iterator[Completion]:
        """End the tasks that are running, and give those that are over by then; no other begins."""
        self._is_over = True
        for task, future in list(self._futures.items()):
            cancel = getattr(future, "cancel", None)
            if cancel is not None and cancel():
                self._over(task)
        latest = monotonic() + HAND_OVER_SECONDS
        while self._futures:
            try:
                task = self._done.get(timeout=max(0.0, latest - monotonic()))
            except Empty:
                return
            if task in self._futures:
                with suppress(CrystallizeError):  # the run ends anyway, with what it has
                    yield _completion(task, self._over(task))

    def _over(self, task: Any) -> FutureLike:
        self._began.pop(task, None)
        self._to_cancel.discard(task)
        return self._futures.pop(task)


def overrides(executor: FuturesExecution, method: str) -> bool:
    """Whether an executor's class has a method of its own."""
    return getattr(type(executor), method) is not getattr(FuturesExecution, method)


def _take(next_task: NextTask, room: int) -> list[Any]:
    tasks: list[Any] = []
    while len(tasks) < room and (task := next_task()) is not None:
        tasks.append(task)
    return tasks


def _put(done: SimpleQueue[Any], task: Any, future: FutureLike) -> None:
    done.put(task)


def _completion(task: Any, future: FutureLike) -> Completion:
    try:
        return Completion(task, future.result())
    except CrystallizeError:
        raise
    except BaseException as error:  # a CancelledError of the engine is a lost task too
        return Completion(task, error=error.with_traceback(_of_another_stack(error)))


def _of_another_stack(error: BaseException) -> TracebackType | None:
    """Where a worker raised it; the frames from here on hold the engine for as long as it lives."""
    trace = error.__traceback__
    while trace is not None and (inner := trace.tb_next) is not None:
        if inner.tb_frame.f_back is not trace.tb_frame:
            return inner
        trace = inner
    return None
