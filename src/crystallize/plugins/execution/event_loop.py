"""Running code where no event loop runs, also from inside one (a notebook)."""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def loop_is_running() -> bool:
    """Whether an event loop runs in this thread."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def without_running_loop(function: Callable[[], T]) -> T:
    """Call `function` where no event loop runs: here, or else in a thread of its own."""
    if not loop_is_running():
        return function()
    future: Future[T] = Future()
    context = contextvars.copy_context()

    def target() -> None:
        try:
            future.set_result(context.run(function))
        except BaseException as error:
            future.set_exception(error)

    # A daemon thread: Ctrl-C in the waiting thread must be able to end the process.
    threading.Thread(target=target, name="crystallize-run", daemon=True).start()
    return future.result()
