"""A pool of threads that does not keep the interpreter from leaving.

The standard library's pool waits for running calls when the interpreter exits,
so a cell that hangs would keep an interrupted program from ending.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from crystallize.contracts import Call


class ThreadPool:
    """Daemon threads that run one callable; leaving the context does not wait for them.

    Parameters
    ----------
    call : callable
    workers : int
    """

    def __init__(self, call: Call, workers: int) -> None:
        self._call = call
        self._workers = workers
        self._submitted: SimpleQueue[tuple[Future[Any], Any] | None] = SimpleQueue()

    def __enter__(self) -> ThreadPool:
        for number in range(self._workers):
            name = f"crystallize-worker-{number}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        while not self._submitted.empty():
            self._submitted.get()
        for _ in range(self._workers):
            self._submitted.put(None)

    def submit(self, task: Any) -> Future[Any]:
        """Run ``call(task)`` on the next free thread."""
        future: Future[Any] = Future()
        self._submitted.put((future, task))
        return future

    def _work(self) -> None:
        while (item := self._submitted.get()) is not None:
            future, task = item
            try:
                future.set_result(self._call(task))
            except BaseException as error:
                future.set_exception(error)
