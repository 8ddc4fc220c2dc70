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
import traceback
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

if sys.platform == "linux":
    import fcntl

import cloudpickle
from loky.backend import get_context
from loky.backend.utils import kill_process_tree

from crystallize.errors import CrystallizeError, ExecutorError, FunctionError
from crystallize.plugins.execution.base import TICK, Completion

WATCH_SECONDS = 1.0
"""How often a worker looks whether its driver is still there."""
MAX_FAILED_STARTS = 3
"""How many workers in a row may end while they load the function."""
IDLE_SECONDS = 60.0
"""How long a worker waits for another run before it ends."""
END_SECONDS = 1.0
"""How long a worker whose pipe has ended may take to end itself."""

# What a message is, by its first byte; the rest of it is pickled.
LOAD, RUN, FORGET = b"l", b"r", b"f"
LOADED, UNLOADABLE, VALUE, ERROR = b"L", b"U", b"v", b"e"


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
        _kept.put(self._surroundings, self._workers)

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
            ready = wait(list(busy), TICK) or [
                # A process that the dead worker left behind holds the pipe open.
                worker.connection
                for worker in busy.values()
                if not worker.process.is_alive()
            ]
            if not ready:
                yield None
            for connection in ready:
                outcome = self._receive(busy[connection])  # type: ignore[index]
                # Before the outcome is unpickled and kept: no worker waits for that.
                self._hand_out()
                if outcome is not None:
                    yield outcome if isinstance(outcome, Completion) else _settled(*outcome)

    def elapsed(self, task: Any) -> float | None:
        """For how many seconds a task has been running; ``None`` while it waits."""
        for worker in self._workers:
            if worker.busy and worker.task == task and worker.loaded:
                return time.monotonic() - worker.since
        return None

    def stop(self, task: Any) -> None:
        """Kill the worker that runs a task, if it does; its completion then has an error."""
        for worker in self._workers:
            if worker.busy and worker.task == task:
                worker.kill()

    def _take(self, next_task: Callable[[], Any | None]) -> None:
        """Have one task ready for each that runs."""
        room = 2 * self._size - sum(worker.busy for worker in self._workers)
        while len(self._waiting) < room and (task := next_task()) is not None:
            self._waiting.append(task)

    def _hand_out(self) -> None:
        free = [worker for worker in self._workers if not worker.busy]
        for worker in [worker for worker in free if not worker.is_usable()]:
            free.remove(worker)
            self._discard(worker)
        if missing := min(self._size - len(self._workers), len(self._waiting) - len(free)):
            free += self._started(missing)
        while free and self._waiting:
            free.pop().run(self._waiting.popleft())

    def _started(self, count: int) -> list[_Worker]:
        """All are started before one is sent the callable, which may take until it listens."""
        started = _kept.take(self._surroundings, count)
        started += [_Worker() for _ in range(count - len(started))]
        self._workers += started
        for worker in started:
            worker.load(self._payload)
        return started

    def _receive(self, worker: _Worker) -> Completion | tuple[Any, bytes] | None:
        """A worker's task with the message that ends it, or with the loss of both."""
        try:
            message = worker.connection.recv_bytes()
        except (EOFError, OSError):  # with the worker one task is lost, and nothing else
            return self._lose(worker)
        worker.heard = time.monotonic()
        if message[:1] == LOADED:
            worker.loaded, worker.since = True, worker.heard
            return None
        if message[:1] == UNLOADABLE:
            raise ExecutorError(
                "A worker process could not load the function; is its module importable there?\n\n"
                + message[1:].decode()
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


def _settled(task: Any, message: bytes) -> Completion:
    try:
        value = pickle.loads(memoryview(message)[1:])
    except BaseException as error:
        # The value's own unpickling failed: this task is lost, the worker and the rest live on.
        return Completion(task, error=error)
    if message[:1] == VALUE:
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
        arguments = (os.getpid(), lifeline, theirs)
        self.process = get_context("loky").Process(target=_serve, args=arguments)
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
            self.connection.send_bytes(kind + content)


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


class _KeptWorkers:
    """Idle workers between the runs of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: list[tuple[_Surroundings, _Worker]] = []
        # Registered after multiprocessing's, so called before that waits for every process.
        atexit.register(self._end)

    def take(self, now: _Surroundings, count: int) -> list[_Worker]:
        """At most `count` workers; those that would start otherwise today are ended."""
        with self._lock:
            kept, self._workers = self._workers, []
            good = [w for then, w in kept if then.still_hold(now) and w.is_usable()]
            self._workers = [(now, worker) for worker in good[count:]]
        for _, worker in kept:
            if worker not in good:
                worker.end()
        return good[:count]

    def put(self, now: _Surroundings, workers: list[_Worker]) -> None:
        for worker in workers:
            worker.forget()
        with self._lock:
            self._workers += [(now, worker) for worker in workers]

    def _end(self) -> None:
        for _, worker in self._workers:
            worker.end()


_kept = _KeptWorkers()


# What follows runs in the worker process.

_held: list[Connection] = []


def _serve(driver: int, lifeline: Connection, connection: Connection) -> None:
    _tie_to(driver, lifeline)
    if hasattr(os, "SCHED_BATCH"):
        # Being woken with a task must not stop the driver from waking the others.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    call: Callable[[Any], Any] | None = None
    with suppress(EOFError, OSError):  # the driver is gone, or wants nothing more
        while call is not None or connection.poll(IDLE_SECONDS):
            message = connection.recv_bytes()
            kind, content = message[:1], memoryview(message)[1:]
            if kind == LOAD:
                call = None  # and its memory free before the next one comes
                call, reply = _loaded(content)
            elif kind == FORGET:
                call = None
                continue
            elif call is not None:
                reply = _result(call, content)
            connection.send_bytes(reply)


def _tie_to(driver: int, lifeline: Connection) -> None:
    """End with the driver, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to answer
    if sys.platform != "win32":
        threading.Thread(target=_die_with, args=(driver,), daemon=True).start()
    if sys.platform == "linux":
        # When the driver is gone so is the other end of the pipe, and the kernel's signal, which
        # nobody handles, ends this process: also while a cell holds the GIL.
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
        _held.append(lifeline)


def _die_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _loaded(content: memoryview) -> tuple[Callable[[Any], Any] | None, bytes]:
    try:
        return pickle.loads(content), LOADED
    except BaseException:
        return None, UNLOADABLE + traceback.format_exc().encode()


def _result(call: Callable[[Any], Any], content: memoryview) -> bytes:
    try:
        return VALUE + _pickled(call(pickle.loads(content)))
    except BaseException as error:
        return ERROR + _pickled_error(error)


def _pickled(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:  # slower, and for lambdas and what is defined in a notebook
        payload: bytes = cloudpickle.dumps(value)
        return payload


def _pickled_error(error: BaseException) -> bytes:
    text = "".join(traceback.format_exception(error))
    try:
        error.add_note(f"In a worker process:\n{text}")
        payload: bytes = cloudpickle.dumps(error)
        pickle.loads(payload)
    except BaseException:
        # It does not survive the trip: send what it said instead.
        return pickle.dumps(CrystallizeError(f"{type(error).__name__} in a worker:\n{text}"))
    return payload
