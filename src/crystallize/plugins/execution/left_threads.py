"""The standard library's pools of threads, kept from keeping a program from ending.

The interpreter waits for their threads before it leaves, and a call in one cannot be
ended: a program that was interrupted would go on for as long as its cells do.
"""

from __future__ import annotations

import concurrent.futures.thread as standard
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any


def submit(executor: Executor, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Submit a call so that no thread which that starts is waited for in the end.

    Threads are daemons where the thread that starts them is one.
    """
    if not isinstance(executor, ThreadPoolExecutor) or threading.current_thread().daemon:
        return executor.submit(function, *arguments)
    if len(executor._threads) >= executor._max_workers:  # it starts no more
        return executor.submit(function, *arguments)
    came: list[Future[Any] | BaseException] = []

    def do() -> None:
        try:
            came.append(executor.submit(function, *arguments))
        except BaseException as error:
            came.append(error)

    starter = threading.Thread(target=do, daemon=True)
    starter.start()
    starter.join()
    (future,) = came
    if isinstance(future, BaseException):
        raise future
    return future


def leave_behind(executor: object) -> None:
    """Have nobody wait for what still runs when the interpreter leaves."""
    for thread in getattr(executor, "_threads", ()):
        if thread.daemon:
            getattr(standard, "_threads_queues", {}).pop(thread, None)
