"""A block as a task of Ray, and the future of that."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import cloudpickle
import ray
from ray.exceptions import RayTaskError

from crystallize.plugins import Call


@ray.remote(num_returns="streaming", max_retries=0)
def run_task(call: Call, task: Any) -> Iterator[bytes | None]:
    """Say that the task has begun, and then what it came to."""
    yield None
    # As bytes: what Ray unpickles may be views of memory that is gone with the connection.
    yield cloudpickle.dumps(call(task), protocol=5)


class RayFuture:
    """A task of Ray with what is asked of a future.

    Parameters
    ----------
    stream : ObjectRefGenerator
        What :func:`run_task` yields.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
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
            *_, last = self._stream
            return pickle.loads(ray.get(last))
        except RayTaskError as error:
            raise error.cause from None
