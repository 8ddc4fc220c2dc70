"""The worker processes of one run, and the tasks that they have."""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any

from crystallize.contracts import HAND_OVER_SECONDS, Call, Completion, NextTask
from crystallize.errors import CrystallizeError, ExecutorError
from crystallize.plugins.execution.futures import IN_FLIGHT_PER_WORKER
from crystallize.plugins.execution.processes.limits import NO_LIMITS, Limits
from crystallize.plugins.execution.processes.messages import (
    FORGOTTEN,
    IMPORTED,
    IMPORTING,
    LOADED,
    LOGGED,
    RETIRES,
    UNLOADABLE,
    VALUE,
    Message,
    receive,
)
from crystallize.plugins.execution.processes.reserve import reserve
from crystallize.plugins.execution.processes.surroundings import Surroundings
from crystallize.plugins.execution.processes.worker import Worker
from crystallize.plugins.execution.shipping import payload_of
from crystallize.worker.driver_state import DriverState
from crystallize.worker.logged import log_again

AGAIN_SECONDS = 0.05
"""How often workers are asked for that: a signal just before a system call does not end it."""
LEAVE_SECONDS = 1.0
"""How long workers may take to leave what they have opened for their cells."""
MAX_FAILED_STARTS = 3
"""How many workers in a row may end while they load the function."""


class WorkerLost(Exception):
    """A worker process ended with a task; says how."""


class ProcessPool:
    """Worker processes that run one callable.

    Parameters
    ----------
    call : callable
        Pickled here once with cloudpickle and sent to each worker once.
    workers : int
        How many processes; each is started when there is a task for it.
    limits : Limits
        After what a process is replaced.  Then all of them are new, none is kept for another
        run, and once one was replaced, the next one is started ahead.

    Raises
    ------
    FunctionError
        If `call` cannot be pickled.
    """

    def __init__(self, call: Call, workers: int, limits: Limits = NO_LIMITS) -> None:
        self._payload = payload_of(call)
        self._waits_for_leaving = getattr(call, "leave_worker", None) is not None
        self._size = workers
        self._surroundings = Surroundings.now()
        self._state = pickle.dumps(DriverState())
        self._limits = pickle.dumps(limits) if limits else None
        self._ahead = 0
        self._leaving: list[Worker] = []
        self._workers: list[Worker] = []
        self._waiting: deque[Any] = deque()
        self._failed_starts = 0

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in [worker for worker in self._workers if worker.busy]:
            worker.kill()
            self._discard(worker)
        if self._limits is not None:
            for worker in list(self._workers):
                self._retire(worker)
            self._let_go(LEAVE_SECONDS)
            for worker in self._leaving:
                worker.end()
            return
        reserve.put(self._surroundings, self._workers)
        if self._waits_for_leaving:
            latest = time.monotonic() + LEAVE_SECONDS
            for worker in self._workers:
                said = worker.has_forgotten(max(0.0, latest - time.monotonic()))
                log_again(message.value() for message in said if message.kind == LOGGED)

    def completions(
        self, next_task: NextTask, tick: Callable[[], float]
    ) -> Iterator[Completion | None]:
        """Run tasks until there are none; ``None`` where nothing completes for a tick.

        Raises
        ------
        ExecutorError
            If the workers cannot load the callable.
        """
        while True:
            self._let_go()
            self._take(next_task)
            self._hand_out()
            busy = {worker.connection: worker for worker in self._workers if worker.busy}
            if not busy:
                return
            ready = [busy[connection] for connection in wait(list(busy), tick())]  # type: ignore[index]
            # Where a process that it left behind holds its pipe open, only this tells of a death.
            dead = [] if ready else [w for w in busy.values() if not w.process.is_alive()]
            if not ready and not dead:
                yield None
            for worker in ready or dead:
                answers = worker in ready or worker.connection.poll()
                outcome = self._receive(worker) if answers else self._lose(worker)
                # Before the outcome is unpickled and kept: no worker waits for that.
                self._hand_out()
                if outcome is not None:
                    yield outcome if isinstance(outcome, Completion) else _completion(*outcome)

    def elapsed(self, task: Any) -> float | None:
        """For how many seconds a task has been running; ``None`` while it waits, or has ended."""
        worker = self._worker_of(task)
        # While nobody asks for completions an answer may have been there for long.
        if worker is None or not worker.loaded or worker.connection.poll():
            return None
        return worker.elapsed

    def running(self) -> list[tuple[Any, float]]:
        """The tasks that are running, each with the seconds that it has been; some may be over."""
        return [(w.task, w.elapsed) for w in self._workers if w.busy and w.loaded]

    def cancel(self, task: Any) -> None:
        """Kill the worker that runs a task, if it does; its completion then has an error."""
        if (worker := self._worker_of(task)) is not None:
            worker.kill()

    def shorten(self, task: Any) -> None:
        """Have the worker that runs a task end it early, if it does."""
        if (worker := self._worker_of(task)) is not None:
            worker.shorten()

    def hand_over(self) -> Iterator[Completion]:
        """End the tasks that are running, and give those that come back at once.

        Cells that are in the middle are interrupted, so one that hangs keeps nothing from what
        finished before it.  Their workers are of no more use, with what half of a cell has left.
        """
        interrupted = [worker for worker in self._workers if worker.busy and worker.loaded]
        for worker in interrupted:
            worker.shorten()
        running = {worker.connection: worker for worker in interrupted}
        latest = time.monotonic() + HAND_OVER_SECONDS
        try:
            while running and time.monotonic() < latest:
                for worker in running.values():
                    worker.interrupt()
                for connection in wait(list(running), AGAIN_SECONDS):
                    outcome = self._receive(running[connection])  # type: ignore[index]
                    if outcome is None:
                        continue
                    del running[connection]  # type: ignore[arg-type]
                    if not isinstance(outcome, Completion):
                        with suppress(CrystallizeError):  # the run ends anyway, with what it has
                            yield _completion(*outcome)
        finally:
            for worker in interrupted:
                worker.busy = True  # so that it is killed, and what its cell has started

    def _worker_of(self, task: Any) -> Worker | None:
        """The worker that has a task."""
        return next((w for w in self._workers if w.busy and w.task == task), None)

    def _take(self, next_task: NextTask) -> None:
        """Have one task ready for each that runs."""
        room = IN_FLIGHT_PER_WORKER * self._size - sum(worker.busy for worker in self._workers)
        while len(self._waiting) < room and (task := next_task()) is not None:
            self._waiting.append(task)

    def _hand_out(self) -> None:
        free = [worker for worker in self._workers if not worker.busy]
        for worker in [worker for worker in free if not worker.is_usable()]:
            free.remove(worker)
            if worker.retires:
                self._retire(worker)
            else:
                self._discard(worker)
        at_once = min(self._size - len(self._workers) + len(free), len(self._waiting))
        missing = at_once - len(free)
        if at_once:
            missing += self._ahead
        if missing > 0:
            free += self._started(missing)
        for worker in free[:at_once]:  # the one that was started ahead is the first
            worker.run(self._waiting.popleft())

    def _started(self, count: int) -> list[Worker]:
        """All are started before one is sent the callable, which may take until it listens."""
        started = reserve.take(self._surroundings, count, fresh=self._limits is not None)
        for worker in started:
            worker.generation = self._failed_starts
        self._workers += started
        for worker in started:
            worker.load(self._state, self._payload, self._limits)
        return started

    def _receive(self, worker: Worker) -> Completion | tuple[Any, Message] | None:
        """A worker's task with the message that ends it, or with the loss of both."""
        try:
            message = receive(worker.connection)
        except (EOFError, OSError):  # with the worker one task is lost, and nothing else
            return self._lose(worker)
        worker.heard = time.monotonic()
        if message.kind == LOADED:
            worker.loaded, worker.since = True, worker.heard
            return None
        if message.kind == RETIRES:
            worker.retires = True
            return None
        if message.kind == FORGOTTEN:
            return None
        if message.kind in (IMPORTING, IMPORTED):
            worker.stand_still(message.kind == IMPORTING)
            return None
        if message.kind == LOGGED:
            log_again([message.value()])
            return None
        if message.kind == UNLOADABLE:
            raise ExecutorError(
                "A worker process could not load the function; is its module importable there?\n\n"
                + str(message.content, "utf-8")
            )
        self._failed_starts = 0
        worker.busy = False
        return worker.task, message

    def _lose(self, worker: Worker) -> Completion | None:
        how = worker.how_it_ended()
        words = worker.last_words()
        self._discard(worker)
        if worker.loaded:
            error = WorkerLost(how)
            if words:
                error.add_note(words)
            return Completion(worker.task, error=error)
        self._waiting.appendleft(worker.task)
        if worker.generation == self._failed_starts:  # those that end at once are one event
            self._failed_starts += 1
        if self._failed_starts >= MAX_FAILED_STARTS:
            raise ExecutorError(f"Workers end while they load the function: {how}")
        return None

    def _retire(self, worker: Worker) -> None:
        """Let a worker go that has come to its limits, and from now on have one more ready."""
        self._ahead = 1
        if not self._waits_for_leaving:
            self._discard(worker)
            return
        self._workers.remove(worker)
        self._leaving.append(worker)
        worker.forget()

    def _let_go(self, seconds: float = 0.0) -> None:
        """End those that have left what they had opened for cells; wait for them so long."""
        latest = time.monotonic() + seconds
        for worker in list(self._leaving):
            said = worker.has_forgotten(max(0.0, latest - time.monotonic()))
            log_again(message.value() for message in said if message.kind == LOGGED)
            if worker.has_left:
                self._leaving.remove(worker)
                worker.end()

    def _discard(self, worker: Worker) -> None:
        self._workers.remove(worker)
        worker.end()


def _completion(task: Any, message: Message) -> Completion:
    try:
        value = message.value()
    except BaseException as error:
        # The value's own unpickling failed: this task is lost, the worker and the rest live on.
        return Completion(task, error=error)
    if message.kind == VALUE:
        return Completion(task, value)
    if isinstance(value, CrystallizeError):
        raise value
    return Completion(task, error=value)
