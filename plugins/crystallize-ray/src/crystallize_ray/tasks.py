"""A block as a task of Ray, and the future of that."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

import cloudpickle
import ray
from ray.exceptions import RayError, RayTaskError

from crystallize.plugins import Shipped

FORGET_SECONDS = 1.0


@ray.remote(num_returns="streaming", max_retries=0)
def run_task(call: Shipped, task: Any) -> Iterator[str | bytes]:
    """Say which worker has begun with the task, and then what it came to."""
    call.load()  # what that imports takes time that is no cell's
    yield ray.get_runtime_context().get_worker_id()
    # As bytes: what Ray unpickles may be views of memory that is gone with the connection.
    yield cloudpickle.dumps(call(task), protocol=5)


@ray.remote(max_retries=0)
def forget(call: Shipped) -> str:
    """Free a call in the worker that this comes to, for long enough that others come to others."""
    call.forget()
    sleep(0.02)
    return str(ray.get_runtime_context().get_worker_id())


def forget_everywhere(call: Shipped, workers: set[str], **needed: Any) -> None:
    """Have the workers leave what they opened for a call, as far as they are to be had soon.

    Ray says which worker a task is for only when that has begun.

    Parameters
    ----------
    call : Shipped
    workers : set of str
        Those that hold it.
    **needed
        What a cell needs, so that the same workers are asked.
    """
    function, until = forget.options(**needed), monotonic() + FORGET_SECONDS
    while workers and (left := until - monotonic()) > 0:
        asked = [function.remote(call.by_key) for _ in workers]
        done, late = ray.wait(asked, num_returns=len(asked), timeout=left)
        for task in late:
            ray.cancel(task)
        with suppress(RayError):  # a worker may have ended, and has forgotten it
            workers.difference_update(ray.get(done))


class RayFuture:
    """A task of Ray with what is asked of a future.

    Parameters
    ----------
    stream : ObjectRefGenerator
        What :func:`run_task` yields.
    holders : set of str
        Where the worker that ran it is noted.
    """

    def __init__(self, stream: Any, holders: set[str]) -> None:
        self._stream = stream
        self._holders = holders
        self._completed = stream.completed().future()
        self._has_begun = False

    def add_done_callback(self, fn: Callable[[Any], Any], /) -> None:
        """Have a function called with this when the task is over."""
        self._completed.add_done_callback(lambda _: fn(self))

    def done(self) -> bool:
        """Whether the task is over."""
        return bool(self._completed.done())

    def running(self) -> bool:
        """Whether a worker has begun with the task."""
        if not self._has_begun:
            begun, _ = ray.wait([self._stream], timeout=0, fetch_local=False)
            self._has_begun = bool(begun)
        return self._has_begun and not self.done()

    def cancel(self) -> None:
        """Take the task back, or end the worker that runs it."""
        ray.cancel(self._stream, force=True)

    def result(self) -> Any:
        """The value; raises what went wrong."""
        try:
            self._completed.result()
            worker, value = ray.get([*self._stream])
            self._holders.add(worker)
            return pickle.loads(value)
        except RayTaskError as error:
            raise error.cause from None
