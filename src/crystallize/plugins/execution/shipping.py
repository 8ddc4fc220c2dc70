"""The call of a run, shipped once to each worker of an engine.

A call holds the function and its data, and may weigh a gigabyte; a task is a few
numbers.  So the call is pickled once, travels under a key, and each worker keeps it
by that key::

    the driver                                   a worker
    ----------                                   --------
    Shipped(call)       ==== key, payload ===>   keeps the call by its key
    Shipped(call).by_key  ====== key ========>   has it, or answers Lacking
"""

from __future__ import annotations

import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

import cloudpickle

from crystallize.contracts import Call, FutureLike
from crystallize.errors import ExecutorError, FunctionError
from crystallize.plugins.execution.marks import Mark, Marks, WorkerMark
from crystallize.worker.pickling import pickled_by_value

IDLE_SECONDS = 60.0
"""How long a worker keeps a call that nobody uses, where nobody tells it to forget it."""


def payload_of(call: Call) -> bytes:
    """Pickle a call for workers that cannot import what it is made of.

    Raises
    ------
    FunctionError
        If something in it cannot be pickled.
    """
    try:
        return pickled_by_value(call)
    except Exception as error:
        raise FunctionError(
            "The function, or something that it or a condition refers to, cannot be sent to "
            f"another process: {type(error).__name__}: {error}. Make it inside the function, "
            "or run in threads (executor_type='thread') or serially."
        ) from error


class Lacking(NamedTuple):
    """What a worker answers that was sent the key of a call that it does not have."""

    key: str


class Shipped:
    """A call of tasks that is unpickled once in each worker, and kept there for the run.

    It is a call itself, and travels through any pickle: where it arrives, it calls what
    that process has kept by its key, and keeps what came with it where there is nothing.
    A worker forgets the call when it is told to (:meth:`forget`), when nobody used it
    for a minute, and when its process ends; the call's resources are left then.

    Parameters
    ----------
    call : callable
        What ``execute`` is given.  Pickled here, once, with cloudpickle.

    Attributes
    ----------
    key : str
        No other has it.
    has_timeout : bool
        Whether a cell may take only so long.

    Raises
    ------
    FunctionError
        If `call` cannot be pickled.

    Examples
    --------
    An engine with a store of its own keeps it there, and hands it to each task:

    >>> import pickle
    >>> shipped = Shipped(lambda task: task + 1)
    >>> arrived = pickle.loads(pickle.dumps(shipped))  # what a worker finds in the store
    >>> arrived(1), arrived(2)
    (2, 3)
    >>> arrived.forget()

    Any other engine is handed tasks through :meth:`through`:

    >>> from concurrent.futures import ProcessPoolExecutor
    >>> from contextlib import contextmanager
    >>> from crystallize.plugins import Capabilities, FuturesExecution
    >>> class Processes(FuturesExecution):
    ...     capabilities = Capabilities(workers=2, shares_process=False)
    ...     @contextmanager
    ...     def submitter(self, call, workers):
    ...         with ProcessPoolExecutor(workers) as pool:
    ...             yield Shipped(call).through(pool.submit, workers)
    """

    def __init__(self, call: Call) -> None:
        self.key = uuid4().hex
        self._payload: bytes | memoryview | None = payload_of(call)
        self._call: Call | None = call
        self.has_timeout: bool = getattr(call, "has_timeout", False)

    def __call__(self, task: Any) -> Any:
        """Run a task; :class:`Lacking`, where there is a key and nothing kept by it.

        Raises
        ------
        ExecutorError
            If the call cannot be unpickled here.
        """
        return self.call_within(nullcontext(), task)

    def call_within(self, context: AbstractContextManager[Any], task: Any) -> Any:
        """The same, with a context around the call alone."""
        if self._call is not None:  # it has not travelled
            with context:
                return self._call(task)
        kept = _keeper.take(self.key, self._payload)
        if kept is None:
            return Lacking(self.key)
        try:
            with context:
                return kept.call(task)
        finally:
            _keeper.give_back(kept)

    def load(self) -> None:
        """Unpickle the call here, where it was not: an engine may begin to count time then.

        Raises
        ------
        ExecutorError
            If it cannot be unpickled.
        """
        if self._call is None and (kept := _keeper.take(self.key, self._payload)) is not None:
            _keeper.give_back(kept)

    @property
    def by_key(self) -> Shipped:
        """The same without what is heavy, for workers that should have it by now."""
        return _arrived(self.key, self.has_timeout, None)

    def through(
        self, submit: Callable[..., FutureLike], workers: int, *, local_processes: bool = False
    ) -> Callable[[Any], ShippedFuture]:
        """Hand tasks to an engine that keeps nothing for its workers.

        The call goes with as many tasks as there are workers, and then with those alone
        that come to a worker without it, which has just joined.

        Parameters
        ----------
        submit : callable
            Takes a function of one argument and the argument; gives a future.
        workers : int
            How many there are.
        local_processes : bool
            Whether workers are other processes of this machine that run one call at a
            time.  The futures then know for how long a call has been running, and can
            end it.

        Returns
        -------
        callable
            Submits a task; what it gives can do what the engine's futures can.
        """
        whole = [self] * workers
        by_key = self.by_key
        marks = Marks() if local_processes else None

        def submit_task(task: Any) -> ShippedFuture:
            mark = None if marks is None else marks.mark()
            return ShippedFuture(submit, whole.pop() if whole else by_key, self, task, mark)

        return submit_task

    def forget(self) -> None:
        """Free the call in this process, now or when what runs of it has ended."""
        _keeper.forget(self.key)

    def __reduce_ex__(self, protocol: Any) -> Any:
        payload: Any = self._payload
        if payload is not None and protocol >= 5:
            payload = pickle.PickleBuffer(payload)  # engines that can share memory need no copy
        return _arrived, (self.key, self.has_timeout, payload)


class ShippedFuture:
    """A task under way; sent again with the call, if it came to a worker that lacks it.

    Beside what is here it has every attribute of the engine's own future.

    Attributes
    ----------
    future : object
        The engine's own.
    """

    def __init__(
        self,
        submit: Callable[..., FutureLike],
        sent: Shipped,
        whole: Shipped,
        task: Any,
        mark: Mark | None,
    ) -> None:
        self._submit = submit
        self._whole = whole
        self._task = task
        self._mark = mark
        self._error: BaseException | None = None
        self.future = self._submitted(sent)

    def add_done_callback(self, fn: Callable[[Any], Any], /) -> None:
        """Have a function called with this when there is a value, or an error."""
        self.future.add_done_callback(partial(_look, [(self, fn)]))

    def look(self, fn: Callable[[Any], Any]) -> None:
        """Go on where the engine's future is over: with the call, or to who waits."""
        try:
            if _is_lacking(self.future):
                self.future = self._submitted(self._whole)
                self.add_done_callback(fn)
                return
        except BaseException as error:  # the engine takes no more
            # Its traceback holds this, and so the engine and all that it has open.
            self._error = error.with_traceback(None)
        fn(self)

    def result(self) -> Any:
        """The value; raises what went wrong.  Call it once the callback was called."""
        if self._error is not None:
            raise self._error
        return self.future.result()

    def running_seconds(self) -> float | None:
        """For how many seconds a local process has been able to run it; ``None`` if none does."""
        return None if self._mark is None else self._mark.running_seconds()

    def kill(self) -> bool:
        """Kill the local process that runs it; whether there is one.

        With it the engine may be broken: other tasks are then lost too, and run again.
        """
        return self._mark is not None and self._mark.kill()

    def _submitted(self, shipped: Shipped) -> FutureLike:
        if self._mark is None:
            return self._submit(shipped, self._task)
        return self._submit(_Marked(shipped, self._mark.on_worker(shipped.has_timeout)), self._task)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.future, name)


class _Marked:
    """A shipped call that its worker notes before it runs."""

    def __init__(self, shipped: Shipped, mark: WorkerMark) -> None:
        self._shipped = shipped
        self._mark = mark

    def __call__(self, task: Any) -> Any:
        return self._shipped.call_within(self._mark, task)


def _look(waiting: list[tuple[ShippedFuture, Callable[[Any], Any]]], _: FutureLike) -> None:
    """The list is emptied: a future that holds itself by its callback would stay for long."""
    shipped, fn = waiting.pop()
    shipped.look(fn)


def _is_lacking(future: Any) -> bool:
    try:
        # An error that is raised here would keep what this thread of the engine holds.
        if hasattr(future, "exception") and future.exception() is not None:
            return False
        return isinstance(future.result(), Lacking)
    except BaseException:  # whoever asks for the result gets it
        return False


def _arrived(key: str, has_timeout: bool, payload: bytes | memoryview | None) -> Shipped:
    shipped = Shipped.__new__(Shipped)
    shipped.key, shipped.has_timeout, shipped._payload = key, has_timeout, payload
    shipped._call = None
    return shipped


class _Kept:
    """A call that this process keeps."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.running = 0
        self.used = time.monotonic()
        self.forgotten = False

    def close(self) -> None:
        """Let it give back what it opened in this process."""
        try:
            getattr(self.call, "close", lambda: None)()
        except Exception:
            traceback.print_exc()  # the run is over, and has what its cells came to


class _Keeper:
    """The calls that this process keeps for others, by key."""

    def __init__(self, parent: _Keeper | None = None) -> None:
        self._parent = parent  # what is freed would be closed
        self._calls: dict[str, _Kept] = {}
        self._lock = threading.Lock()
        self._ends = self._looks = False

    def take(self, key: str, payload: bytes | memoryview | None) -> _Kept | None:
        """What is kept by a key, to be given back; loaded now, where it is not."""
        with self._lock:
            kept = self._calls.get(key)
            if kept is None:
                if payload is None:
                    return None
                kept = self._calls[key] = _Kept(_loaded(payload))
                self._look_later()
            kept.running += 1
            return kept

    def give_back(self, kept: _Kept) -> None:
        with self._lock:
            kept.running -= 1
            kept.used = time.monotonic()
            is_over = kept.forgotten and not kept.running
        if is_over:
            kept.close()

    def forget(self, key: str) -> None:
        with self._lock:
            kept = self._calls.pop(key, None)
            if kept is None:
                return
            kept.forgotten = True
            is_over = not kept.running
        if is_over:
            kept.close()

    def forget_all(self) -> None:
        """The process ends."""
        for key in list(self._calls):
            self.forget(key)

    def _look_later(self) -> None:
        if not self._ends:
            # Worker processes that multiprocessing starts end without asking `atexit`.
            from multiprocessing.util import Finalize

            self._ends = True
            Finalize(None, self.forget_all, exitpriority=10)
        if not self._looks:
            self._looks = True
            timer = threading.Timer(IDLE_SECONDS / 4, self._look)
            timer.daemon = True
            timer.start()

    def _look(self) -> None:
        """Forget what nobody uses any more."""
        with self._lock:
            latest = time.monotonic() - IDLE_SECONDS
            idle = [k for k, kept in self._calls.items() if not kept.running and kept.used < latest]
            self._looks = False
            if len(idle) < len(self._calls):
                self._look_later()
        for key in idle:
            self.forget(key)


def _loaded(payload: bytes | memoryview) -> Call:
    try:
        call: Call = cloudpickle.loads(payload)
    except BaseException:
        raise ExecutorError(
            "A worker could not load the function; is its module importable there?\n\n"
            + traceback.format_exc()
        ) from None
    return call


_keeper = _Keeper()
"""This process's: what a worker has is for every task that it will be sent."""


def _begin_anew() -> None:
    """A forked child keeps nothing of its parent's, which alone closes it."""
    global _keeper
    _keeper = _Keeper(parent=_keeper)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
