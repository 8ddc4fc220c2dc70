"""A pool of worker processes that loses one worker at a time.

A pool with a shared queue breaks as a whole when a worker dies, and cannot say
which task that worker had.  So each worker is a loky pool of one: it needs no
``__main__`` guard, starts safely beside threads, and takes only its own task
down with it.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from types import TracebackType
from typing import Any, NamedTuple

import cloudpickle
from loky.process_executor import ProcessPoolExecutor

from crystallize.errors import CrystallizeError, ExecutorError, FunctionError

WATCH_SECONDS = 1.0
"""How often a worker looks whether its driver is still there."""

_tokens = count()


class Reply(NamedTuple):
    """What a worker sends back: bytes, so that nothing can fail to travel."""

    kind: str
    """"value" or "error" (pickled), or "unloadable" (a formatted traceback)."""
    payload: bytes


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
        self._unstarted = workers
        self._idle: list[_Worker] = []
        self._busy: dict[_Worker, Future[Any]] = {}
        self._backlog: deque[tuple[Future[Any], Any]] = deque()
        self._lock = threading.RLock()
        self._closed = False

    def submit(self, task: Any) -> Future[Any]:
        """Run ``call(task)`` on the next free worker."""
        future: Future[Any] = Future()
        self._backlog.append((future, task))
        self._dispatch()
        return future

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
            busy, idle = list(self._busy), self._idle
        for worker in busy:
            worker.kill()
        for worker in idle:
            worker.close()

    def _dispatch(self) -> None:
        with self._lock:
            while self._backlog and not self._closed:
                if self._idle:
                    worker = self._idle.pop()
                elif self._unstarted:
                    self._unstarted -= 1
                    worker = _Worker()
                else:
                    return
                future, task = self._backlog.popleft()
                self._busy[worker] = future
                inner = worker.run(self._token, self._payload, task)
                inner.add_done_callback(lambda inner, w=worker, f=future: self._finish(w, f, inner))

    def _finish(self, worker: _Worker, future: Future[Any], inner: Future[Reply]) -> None:
        error = inner.exception()
        with self._lock:
            del self._busy[worker]
            if error is None:
                self._idle.append(worker)
            else:  # its process is gone; the next task starts another
                self._unstarted += 1
        if error is not None:
            worker.close()
            future.set_exception(error)
        else:
            _settle(future, inner.result())
        self._dispatch()


class _Worker:
    """A loky pool of one process, which keeps the callable that it was last sent."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(
            max_workers=1, initializer=_start_worker, initargs=(os.getpid(),)
        )
        self._token: int | None = None

    def run(self, token: int, payload: bytes, task: Any) -> Future[Reply]:
        known = self._token == token
        self._token = token
        try:
            future: Future[Reply] = self._pool.submit(
                _run_task, token, None if known else payload, task
            )
        except Exception as error:  # it died idle: the same as dying with the task
            future = Future()
            future.set_exception(error)
        return future

    def close(self) -> None:
        self._pool.shutdown(wait=False)

    def kill(self) -> None:
        self._pool.shutdown(wait=False, kill_workers=True)


def _settle(future: Future[Any], reply: Reply) -> None:
    if reply.kind == "unloadable":
        future.set_exception(
            ExecutorError(
                "A worker process could not load the function; is its module importable there?\n\n"
                + reply.payload.decode()
            )
        )
        return
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


def _start_worker(driver: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to answer
    if sys.platform != "win32":
        threading.Thread(target=_die_with, args=(driver,), daemon=True).start()


def _die_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _run_task(token: int, payload: bytes | None, task: Any) -> Reply:
    if payload is not None:
        try:
            _loaded.clear()
            _loaded[token] = pickle.loads(payload)
        except BaseException:
            return Reply("unloadable", traceback.format_exc().encode())
    try:
        value = _loaded[token](task)
        return Reply("value", cloudpickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))
    except BaseException as error:
        return Reply("error", _pickled_error(error))


def _pickled_error(error: BaseException) -> bytes:
    text = "".join(traceback.format_exception(error))
    try:
        error.add_note(f"In a worker process:\n{text}")
        payload = cloudpickle.dumps(error)
        pickle.loads(payload)
    except BaseException:
        # It does not survive the trip: send what it said instead.
        return cloudpickle.dumps(CrystallizeError(f"{type(error).__name__} in a worker:\n{text}"))
    return payload
