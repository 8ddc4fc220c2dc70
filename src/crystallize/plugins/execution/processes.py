"""Worker processes that are lost one at a time.

A pool with a shared queue breaks as a whole when a worker dies, and cannot say
which task that worker had.  So each worker is a process with a pipe of its own: a
task is written when its worker is free, and a pipe that ends takes one task with
it.  loky starts the processes: they need no ``__main__`` guard and start safely
beside threads.

Starting a worker takes longer than many an experiment, so idle ones are kept for
the next run of this process, as long as they would start the same today.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from sysconfig import get_path
from types import TracebackType
from typing import Any
from weakref import WeakSet

import cloudpickle
from loky.backend import get_context
from loky.backend.utils import kill_process_tree

from crystallize.contracts import TICK, Completion
from crystallize.errors import CrystallizeError, ExecutorError, FunctionError
from crystallize.plugins.execution.futures import IN_FLIGHT_PER_WORKER
from crystallize.plugins.execution.messages import (
    FORGET,
    LOAD,
    LOADED,
    RUN,
    UNLOADABLE,
    VALUE,
    Message,
    receive,
    send,
)
from crystallize.plugins.execution.worker_process import serve

MAX_FAILED_STARTS = 3
"""How many workers in a row may end while they load the function."""
END_SECONDS = 1.0
"""How long a worker whose pipe has ended may take to end itself."""


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

    Raises
    ------
    FunctionError
        If `call` cannot be pickled.
    """

    def __init__(self, call: Callable[[Any], Any], workers: int) -> None:
        try:
            self._payload = cloudpickle.dumps(call)
        except Exception as error:
            raise FunctionError(
                "The function, or something that it or a condition refers to, cannot be sent to "
                f"another process: {type(error).__name__}: {error}. Make it inside the function, "
                "or run in threads (executor_type='thread') or serially."
            ) from error
        self._size = workers
        self._surroundings = _Surroundings.now()
        self._workers: list[_Worker] = []
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
        _reserve.put(self._surroundings, self._workers)

    def completions(self, next_task: Callable[[], Any | None]) -> Iterator[Completion | None]:
        """Run tasks until there are none; ``None`` where nothing completes for a tick.

        Raises
        ------
        ExecutorError
            If the workers cannot load the callable.
        """
        while True:
            self._take(next_task)
            self._hand_out()
            busy = {worker.connection: worker for worker in self._workers if worker.busy}
            if not busy:
                return
            ready = [busy[connection] for connection in wait(list(busy), TICK)]  # type: ignore[index]
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
                    yield outcome if isinstance(outcome, Completion) else _settled(*outcome)

    def elapsed(self, task: Any) -> float | None:
        """For how many seconds a task has been running; ``None`` while it waits, or has ended."""
        for worker in self._workers:
            if worker.busy and worker.task == task and worker.loaded:
                # While nobody asks for completions an answer may have been there for long.
                return None if worker.connection.poll() else time.monotonic() - worker.since
        return None

    def stop(self, task: Any) -> None:
        """Kill the worker that runs a task, if it does; its completion then has an error."""
        for worker in self._workers:
            if worker.busy and worker.task == task:
                worker.kill()

    def _take(self, next_task: Callable[[], Any | None]) -> None:
        """Have one task ready for each that runs."""
        room = IN_FLIGHT_PER_WORKER * self._size - sum(worker.busy for worker in self._workers)
        while len(self._waiting) < room and (task := next_task()) is not None:
            self._waiting.append(task)

    def _hand_out(self) -> None:
        free = [worker for worker in self._workers if not worker.busy]
        for worker in [worker for worker in free if not worker.is_usable()]:
            free.remove(worker)
            self._discard(worker)
        missing = min(self._size - len(self._workers), len(self._waiting) - len(free))
        if missing > 0:
            free += self._started(missing)
        while free and self._waiting:
            free.pop().run(self._waiting.popleft())

    def _started(self, count: int) -> list[_Worker]:
        """All are started before one is sent the callable, which may take until it listens."""
        started = _reserve.take(self._surroundings, count)
        self._workers += started
        for worker in started:
            worker.load(self._payload)
        return started

    def _receive(self, worker: _Worker) -> Completion | tuple[Any, Message] | None:
        """A worker's task with the message that ends it, or with the loss of both."""
        try:
            message = receive(worker.connection)
        except (EOFError, OSError):  # with the worker one task is lost, and nothing else
            return self._lose(worker)
        worker.heard = time.monotonic()
        if message.kind == LOADED:
            worker.loaded, worker.since = True, worker.heard
            return None
        if message.kind == UNLOADABLE:
            raise ExecutorError(
                "A worker process could not load the function; is its module importable there?\n\n"
                + str(message.content, "utf-8")
            )
        self._failed_starts = 0
        worker.busy = False
        return worker.task, message

    def _lose(self, worker: _Worker) -> Completion | None:
        how = worker.how_it_ended()
        self._discard(worker)
        if worker.loaded:
            return Completion(worker.task, error=WorkerLost(how))
        self._waiting.appendleft(worker.task)
        self._failed_starts += 1
        if self._failed_starts >= MAX_FAILED_STARTS:
            raise ExecutorError(f"Workers end while they load the function: {how}")
        return None

    def _discard(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.end()


def _settled(task: Any, message: Message) -> Completion:
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


class _Worker:
    """A process, and what the driver knows of it."""

    def __init__(self) -> None:
        # Whom the end of a pipe is signalled to belongs to the pipe, so each has its own.
        lifeline, self._driver_end = Pipe(duplex=False)
        self.connection, theirs = Pipe()
        self.driver = os.getpid()
        arguments = (self.driver, lifeline, theirs)
        self.process = get_context("loky").Process(target=serve, args=arguments)
        self.process.start()
        lifeline.close()
        theirs.close()
        self.task: Any = None
        self.since = self.heard = 0.0
        self.busy = self.loaded = self.stopped = False

    def load(self, payload: bytes) -> None:
        """Send the callable; only when it has arrived a task's time begins."""
        self.loaded = False
        self._send(LOAD, payload)

    def run(self, task: Any) -> None:
        self.task, self.since, self.busy = task, time.monotonic(), True
        self._send(RUN, pickle.dumps(task))

    def forget(self) -> None:
        """Free what the callable holds, and wait for another one."""
        self._send(FORGET)

    def is_usable(self) -> bool:
        if self.stopped:
            return False
        return time.monotonic() - self.heard < TICK or bool(self.process.is_alive())

    def end(self) -> None:
        """Let it end by itself."""
        self.connection.close()
        _ending.append(self._driver_end)

    def kill(self) -> None:
        """End it now, and what its cell started."""
        self.stopped = True
        try:
            kill_process_tree(self.process)
        except Exception:  # neither psutil nor pgrep is here: what the cell started lives on
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    def how_it_ended(self) -> str:
        self.process.join(END_SECONDS)
        if self.process.exitcode is None:  # alive, without a pipe
            self.kill()
            return "the worker process closed its connection"
        code = self.process.exitcode
        if code >= 0:
            return f"the worker process ended with EXIT({code})"
        with suppress(ValueError):
            return f"the worker process ended with {signal.Signals(-code).name}({code})"
        return f"the worker process ended with signal {-code}"

    def _send(self, kind: bytes, content: bytes = b"") -> None:
        with suppress(OSError):  # it died: the other end of its pipe says so
            send(self.connection, kind, content)


@dataclass(frozen=True)
class _Surroundings:
    """What a worker takes over from its driver when it starts.

    A worker from other surroundings would run an edited module's old code, or
    look for files in another folder.
    """

    process: tuple[int, str, Mapping[str, str]]
    modules: Mapping[str, int]
    """File -> time of its last change, of every module that is not installed."""

    @classmethod
    def now(cls) -> _Surroundings:
        modules = {}
        for name, module in list(sys.modules.items()):
            if name in _unchanging:
                continue
            file = getattr(module, "__file__", None)
            if not isinstance(file, str) or file.startswith(_INSTALLED):
                _unchanging.add(name)
            else:
                with suppress(OSError):
                    modules[file] = os.stat(file).st_mtime_ns  # noqa: PTH116 - hundreds a run
        return cls((os.getpid(), str(Path.cwd()), dict(os.environ)), modules)

    def still_hold(self, now: _Surroundings) -> bool:
        """Whether a worker from here would start the same now; new modules do not matter."""
        return self.process == now.process and self.modules.items() <= now.modules.items()


_unchanging: set[str] = set()
"""Names of installed modules, of which there are many."""
_INSTALLED = (
    # What this process has loaded of ours is what a worker is to have, whatever the files say now.
    str(Path(__file__).parents[2]),
    *{path for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := get_path(name))},
)


_ending: deque[Connection] = deque(maxlen=64)
"""What keeps workers that were told to end from being ended before they have done so."""


class _Reserve:
    """All workers of this process: those that run, and idle ones between two runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[_Surroundings, _Worker]] = []
        self._all: WeakSet[_Worker] = WeakSet()
        self._ended = False
        # Registered after multiprocessing's, so called before that waits for every process.
        atexit.register(self._end)

    def take(self, now: _Surroundings, count: int) -> list[_Worker]:
        """Idle workers, and new ones; those that would start otherwise today are ended.

        Raises
        ------
        ExecutorError
            When the program is about to end.
        """
        with self._lock:
            if self._ended:
                raise ExecutorError("The program ends, so no more worker processes are started.")
            idle, self._idle = self._idle, []
            good = [w for then, w in idle if then.still_hold(now) and w.is_usable()]
            self._idle = [(now, worker) for worker in good[count:]]
        for _, worker in idle:
            if worker not in good:
                worker.end()
        taken = good[:count]
        taken += [_Worker() for _ in range(count - len(taken))]
        self._all.update(taken)
        return taken

    def put(self, now: _Surroundings, workers: list[_Worker]) -> None:
        """Keep workers that are idle now."""
        for worker in workers:
            worker.forget()
        with self._lock:
            self._idle += [(now, worker) for worker in workers]
            if self._ended:
                self._end_all()

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            self._end_all()

    def _end_all(self) -> None:
        for worker in list(self._all):
            # Nobody reads any more what a run that was left in its middle comes to.
            if worker.busy and worker.driver == os.getpid():
                worker.kill()
            worker.end()


_reserve = _Reserve()
