"""A pool of threads that does not keep the interpreter from leaving.

The standard library's pool waits for running calls when the interpreter exits,
so a cell that hangs would keep an interrupted program from ending.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from crystallize.contracts import Call

LEAVE_SECONDS = 1.0
"""How long threads may take to leave what they have entered for their cells."""


class ThreadPool:
    """Daemon threads that run one callable; leaving the context waits for none that runs.

    But where cells have resources, threads are waited for a second, in which they leave them.

    Parameters
    ----------
    call : callable
    workers : int
    """

    def __init__(self, call: Call, workers: int) -> None:
        self._call = call
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._leave: Callable[[], None] | None = getattr(call, "leave_worker", None)
        self._submitted: SimpleQueue[tuple[Future[Any], Any] | None] = SimpleQueue()

    def __enter__(self) -> ThreadPool:
        for number in range(self._workers):
            name = f"crystallize-worker-{number}"
            self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()
        return self

    def __exit__(self, *error: object) -> None:
        while not self._submitted.empty():
            self._submitted.get()
        for _ in range(self._workers):
            self._submitted.put(None)
        if self._leave is not None:
            latest = time.monotonic() + LEAVE_SECONDS
            for thread in self._threads:
                thread.join(max(0.0, latest - time.monotonic()))

    def submit(self, task: Any) -> Future[Any]:
        """Run ``call(task)`` on the next free thread."""
        future: Future[Any] = Future()
        self._submitted.put((future, task))
        return future

    def _work(self) -> None:
        while (item := self._submitted.get()) is not None:
            future, task = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._call(task))
            except BaseException as error:
                future.set_exception(error)
        if self._leave is not None:
            self._leave()
