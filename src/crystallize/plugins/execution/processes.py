"""A pool of worker processes that loses one worker at a time.

A pool with a shared queue breaks as a whole when a worker dies, and cannot say
which task that worker had.  So each worker is a loky pool of one: it needs no
``__main__`` guard, starts safely beside threads, and takes only its own task
down with it.

Starting a worker takes longer than many an experiment, so idle ones are kept for
the next run of this process, as long as they would start the same today.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from sysconfig import get_path
from types import TracebackType
from typing import Any, NamedTuple

if sys.platform == "linux":
    import fcntl

import cloudpickle
from loky.process_executor import ProcessPoolExecutor

from crystallize.errors import CrystallizeError, ExecutorError, FunctionError, described

WATCH_SECONDS = 1.0
"""How often a worker looks whether its driver is still there."""
MAX_FAILED_STARTS = 3
"""How many workers in a row may end while they load the function."""
IDLE_SECONDS = 60.0
"""How long a worker waits for a task before it ends."""

_tokens = count()


class WorkerLost(Exception):
    """A worker process ended with a task; says how."""


class Reply(NamedTuple):
    """What a worker sends back: bytes, so that nothing can fail to travel."""

    kind: str
    """"value" or "error" (pickled), "loaded", "unloadable" (a traceback), or "forgotten"."""
    payload: bytes = b""


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
        self._token = next(_tokens)
        self._surroundings = _Surroundings.now()
        self._spare = _kept.take(self._surroundings, workers)
        self._unstarted = workers - len(self._spare)
        self._idle: list[_Worker] = []
        self._busy: dict[_Worker, _Running | None] = {}
        self._backlog: deque[tuple[Future[Any], Any]] = deque()
        self._failed_starts = 0
        self._lock = threading.RLock()
        self._closed = False

    def submit(self, task: Any) -> Future[Any]:
        """Run ``call(task)`` on the next free worker."""
        future: Future[Any] = Future()
        self._backlog.append((future, task))
        self._dispatch()
        return future

    def elapsed(self, task: Any) -> float | None:
        """For how many seconds a task has been running; ``None`` while it waits."""
        found = self._worker_of(task)
        return None if found is None else time.monotonic() - found[1].since

    def stop(self, task: Any) -> None:
        """Kill the worker that runs a task, if it does; the future then has an error."""
        found = self._worker_of(task)
        if found is not None:
            found[0].kill()

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._closed = True
            self._backlog.clear()
            busy, idle = list(self._busy), self._idle + self._spare
        for worker in busy:
            worker.kill()
        _kept.put(self._surroundings, idle)

    def _worker_of(self, task: Any) -> tuple[_Worker, _Running] | None:
        with self._lock:
            for worker, running in self._busy.items():
                if running is not None and running.task == task:
                    return worker, running
        return None

    def _dispatch(self) -> None:
        """Give waiting tasks to idle workers, and prepare workers for the rest."""
        with self._lock:
            while self._backlog and self._idle and not self._closed:
                worker = self._idle.pop()
                future, task = self._backlog.popleft()
                self._busy[worker] = running = _Running(task, future, time.monotonic())
                self._after(worker.run(self._token, task), self._finish, worker, running)
            preparing = sum(running is None for running in self._busy.values())
            while len(self._backlog) > preparing and not self._closed:
                if self._spare:
                    worker = self._spare.pop()
                elif self._unstarted:
                    self._unstarted -= 1
                    worker = _Worker()
                else:
                    return
                preparing += 1
                self._prepare(worker)

    def _prepare(self, worker: _Worker) -> None:
        """Load the callable; only then does the worker's time count as the task's."""
        self._busy[worker] = None
        self._after(worker.load(self._token, self._payload), self._loaded, worker)

    def _after(self, reply: Future[Reply], then: Callable[..., None], *arguments: Any) -> None:
        reply.add_done_callback(lambda done: then(*arguments, done))

    def _loaded(self, worker: _Worker, loading: Future[Reply]) -> None:
        error = loading.exception()
        problem = None
        with self._lock:
            del self._busy[worker]
            if error is None:
                self._idle.append(worker)
                if loading.result().kind == "unloadable":
                    problem = "A worker process could not load the function; is its module "
                    problem += f"importable there?\n\n{loading.result().payload.decode()}"
            else:
                self._unstarted += 1
                self._failed_starts += 1
                if self._failed_starts >= MAX_FAILED_STARTS:
                    problem = f"Workers end while they load the function: {_how(error)}"
            waiting = self._backlog.popleft() if problem and self._backlog else None
        if error is not None:
            worker.close()
        if waiting is not None:
            waiting[0].set_exception(ExecutorError(problem))
        else:
            self._dispatch()

    def _finish(self, worker: _Worker, running: _Running, replying: Future[Reply]) -> None:
        error = replying.exception()
        with self._lock:
            del self._busy[worker]
            if error is not None:  # its process is gone; the next task starts another
                self._unstarted += 1
            elif replying.result().kind == "forgotten":
                # An idle process was replaced by a new one: the task goes again, after loading.
                self._backlog.appendleft((running.future, running.task))
                self._prepare(worker)
                return
            else:
                self._failed_starts = 0
                self._idle.append(worker)
        if error is not None:
            worker.close()
            running.future.set_exception(WorkerLost(_how(error)))
        else:
            _settle(running.future, replying.result())
        self._dispatch()


class _Running(NamedTuple):
    task: Any
    future: Future[Any]
    since: float


class _Worker:
    """A loky pool of one process."""

    def __init__(self) -> None:
        # One each: whom the pipe's end is signalled to belongs to the pipe, not to a process.
        lifeline, self._driver_end = Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            max_workers=1,
            timeout=IDLE_SECONDS,
            initializer=_start_worker,
            initargs=(os.getpid(), lifeline),
        )

    def load(self, token: int, payload: bytes) -> Future[Reply]:
        """Send the callable."""
        return self._submitted(_load_call, token, payload)

    def run(self, token: int, task: Any) -> Future[Reply]:
        """Run a task."""
        return self._submitted(_run_task, token, task)

    def forget(self) -> None:
        """Free what the worker's callable holds."""
        self._submitted(_loaded.clear)

    def close(self) -> None:
        _ending.append(self._driver_end)
        self._pool.shutdown(wait=False)

    def kill(self) -> None:
        self._pool.shutdown(wait=False, kill_workers=True)

    def _submitted(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        try:
            future: Future[Any] = self._pool.submit(function, *arguments)
        except Exception as error:  # it died idle: the same as dying with the task
            future = Future()
            future.set_exception(error)
        return future


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
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and not file.startswith(_INSTALLED):
                with suppress(OSError):
                    modules[file] = Path(file).stat().st_mtime_ns
        return cls((os.getpid(), str(Path.cwd()), dict(os.environ)), modules)

    def still_hold(self, now: _Surroundings) -> bool:
        """Whether a worker from here would start the same now; new modules do not matter."""
        return self.process == now.process and self.modules.items() <= now.modules.items()


_INSTALLED = tuple(
    {path for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := get_path(name))}
)


_ending: deque[Connection] = deque(maxlen=64)
"""What keeps workers that were told to end from being ended before they have done so."""


class _KeptWorkers:
    """Idle workers between the runs of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: list[tuple[_Surroundings, _Worker]] = []

    def take(self, now: _Surroundings, count: int) -> list[_Worker]:
        """At most `count` workers; those that would start otherwise today are ended."""
        with self._lock:
            kept, self._workers = self._workers, []
            good = [worker for then, worker in kept if then.still_hold(now)]
            self._workers = [(now, worker) for worker in good[count:]]
        for then, worker in kept:
            if not then.still_hold(now):
                worker.close()
        return good[:count]

    def put(self, now: _Surroundings, workers: list[_Worker]) -> None:
        for worker in workers:
            worker.forget()
        with self._lock:
            self._workers += [(now, worker) for worker in workers]


_kept = _KeptWorkers()


def _how(error: BaseException) -> str:
    """How a worker ended, from loky's words: the signal or the exit code."""
    found = re.search(r"exit codes? of the workers? (?:are|is) \{?([^}.]*)", str(error))
    return f"the worker process ended with {found[1]}" if found else described(error)


def _settle(future: Future[Any], reply: Reply) -> None:
    try:
        content = pickle.loads(reply.payload)
    except BaseException as error:
        # The value's own unpickling failed: this task is lost, the worker and the rest live on.
        content, reply = error, Reply("error", b"")
    if reply.kind == "value":
        future.set_result(content)
    else:
        future.set_exception(content)


# What follows runs in the worker process.

_loaded: dict[int, Callable[[Any], Any]] = {}
_held: list[Connection] = []


def _start_worker(driver: int, lifeline: Connection) -> None:
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


def _load_call(token: int, payload: bytes) -> Reply:
    try:
        _loaded.clear()
        _loaded[token] = pickle.loads(payload)
    except BaseException:
        return Reply("unloadable", traceback.format_exc().encode())
    return Reply("loaded")


def _run_task(token: int, task: Any) -> Reply:
    if token not in _loaded:  # this process took an idle one's place
        return Reply("forgotten")
    try:
        value = _loaded[token](task)
        return Reply("value", cloudpickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))
    except BaseException as error:
        return Reply("error", _pickled_error(error))


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
