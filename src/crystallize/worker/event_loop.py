"""Event loops that cells run on: one a run, which no cell can bring down."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

END_SECONDS = 1.0
"""How long a coroutine that was cancelled may take to end; then it is left behind."""

CELL: ContextVar[object] = ContextVar("crystallize-cell", default=None)
"""In which cell code runs, tasks that the cell started included."""


class CellTask(asyncio.Task[Any]):
    """A task that runs cells, or the run itself: other cells cannot cancel it.

    Attributes
    ----------
    cell : object
        The cell that it runs now.
    refused : bool
        Whether a cell tried to cancel it.
    """

    cell: object = None
    refused: bool = False

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it, unless this is called in another cell.

        Raises
        ------
        RuntimeError
            In that other cell, which fails by it.
        """
        if CELL.get() is not self.cell and _runs_in_a_task():
            self.refused = True
            raise RuntimeError(
                "a cell cannot cancel tasks that are not its own: other cells run on this loop"
            )
        return super().cancel(msg)

    def end(self) -> None:
        """Cancel it, whoever asks: for the one who made it."""
        super().cancel()

    def leave_behind(self) -> None:
        """Expect no end of it any more; nobody who ends the loop waits for it either."""
        self._log_destroy_pending = False
        asyncio._unregister_task(self)


class OwnLoop:
    """An event loop of ours, for the time of a run; to be closed."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        guard(self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T], cell: object = None) -> T:
        """Run to its end, whatever a cell does to the loop."""
        task = CellTask(coroutine, loop=self.loop)
        task.cell = cell
        while True:
            try:
                result: T = self.loop.run_until_complete(task)
                return result
            except BaseException:
                # A task beside this one raised SystemExit, or had the loop stopped: who awaits
                # that task gets to know, and the loop goes on.
                if task.done() or self.loop.is_closed():
                    raise

    def cancel(self) -> None:
        """Cancel what runs on it, from any thread."""

        def cancel_all() -> None:
            for task in asyncio.all_tasks():
                if isinstance(task, CellTask):
                    task.end()

        with suppress(RuntimeError):  # it was closed meanwhile
            self.loop.call_soon_threadsafe(cancel_all)

    def close(self) -> None:
        """Cancel what is left, wait for it as long as is promised, and close the loop."""
        if self.loop.is_closed():
            return
        try:
            if left := asyncio.all_tasks(self.loop):
                self.loop.run_until_complete(_ended(left))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

    @property
    def holder(self) -> object:
        """The cell that has the loop now, as seen from another thread; ``None`` if none has."""
        task = asyncio.current_task(self.loop)
        return task.cell if isinstance(task, CellTask) else None


def guard(loop: asyncio.AbstractEventLoop) -> None:
    """Refuse ``loop.stop()`` to cells, for others run on the loop too; to nobody else."""
    stop = loop.stop
    if hasattr(stop, "refuses_cells"):
        return

    def refuse_cells() -> None:
        if CELL.get() is not None and _runs_in_a_task():
            raise RuntimeError("a cell cannot stop the event loop: other cells run on it")
        stop()

    refuse_cells.refuses_cells = True  # type: ignore[attr-defined]
    with suppress(AttributeError):  # a loop that is not written in Python
        loop.stop = refuse_cells  # type: ignore[method-assign]


class StepTimer:
    """Awaits something, and measures for how long it keeps the loop from everyone else.

    Attributes
    ----------
    seconds : float
        The time in which it ran itself; waiting does not count.
    """

    def __init__(self, awaitable: Any, clock: Callable[[], float]) -> None:
        self._awaitable = awaitable
        self._clock = clock
        self.seconds = 0.0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._awaitable.__await__()
        if not hasattr(steps, "throw"):
            return (yield from steps)
        sent: Any = None
        error: BaseException | None = None
        while True:
            began = self._clock()
            try:
                waits_for = steps.send(sent) if error is None else steps.throw(error)
            except StopIteration as end:
                return end.value
            finally:
                self.seconds += self._clock() - began
            sent = error = None
            try:
                sent = yield waits_for
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as thrown:
                error = thrown


def loop_is_running() -> bool:
    """Whether an event loop runs in this thread."""
    loaded = sys.modules.get("asyncio")
    return loaded is not None and loaded._get_running_loop() is not None


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


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    done, stuck = await asyncio.wait(tasks, timeout=END_SECONDS)
    for task in done:
        if not task.cancelled():
            task.exception()  # looked at: what it was is nobody's outcome
    for task in stuck:
        asyncio._unregister_task(task)


def _runs_in_a_task() -> bool:
    return loop_is_running() and asyncio.current_task() is not None
