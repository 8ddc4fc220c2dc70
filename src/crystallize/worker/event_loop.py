"""Event loops that cells run on: one a run, which no cell can bring down."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, TypeVar
from weakref import WeakSet

from crystallize.cells.block import CellByCell
from crystallize.worker.running_cells import CELL
from crystallize.worker.timers import keep_timers

T = TypeVar("T")

END_SECONDS = 1.0
"""How long a coroutine that was cancelled may take to end; then it is left behind."""


class Caller:
    """The task that waits for a run on its own loop; to be made in that task.

    A cell that cancels every task there is cancels this one too, which is not ours to
    refuse.  Who is refused next says so here, in the same step of the loop: a
    cancellation that was there by then is the cell's, any other is not.
    """

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "a run is awaited in a task"
        self.task = task
        self._seen = task.cancelling()
        self._is_cells = False
        _callers.add(self)

    def notice(self) -> None:
        """Learn that a cell is cancelling tasks that are not its own."""
        self._is_cells = self._is_cells or self.task.cancelling() > self._seen

    def spared(self) -> bool:
        """Whether the cancellation that arrived was a cell's; it is taken back then."""
        if self._is_cells:
            self._is_cells = False
            self.task.uncancel()
            return True
        return False


_callers: WeakSet[Caller] = WeakSet()


class CellTask(asyncio.Task[Any]):
    """A task that runs cells, or the run itself: other cells cannot cancel it.

    Parameters
    ----------
    coroutine : coroutine
    loop : event loop
    context : Context, optional
        What it runs in; without it, in a copy of the present one.

    Attributes
    ----------
    block : CellByCell or None
        The block that it runs now.
    context : Context or None
        The one that it was given: to be looked at without a copy.
    """

    # A thousand of them wait at once: what each needs besides is read from memory again and again.
    __slots__ = ("block", "context")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        *,
        loop: asyncio.AbstractEventLoop,
        context: Context | None = None,
    ) -> None:
        super().__init__(coroutine, loop=loop, context=context)
        self.block: CellByCell | None = None
        self.context = context

    @property
    def cell(self) -> tuple[Any, int, int] | None:
        """The cell that it runs now, as :data:`CELL` has it."""
        block = self.block  # once: another thread may ask
        return None if block is None else block.cell

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it, unless this is called in another cell.

        Raises
        ------
        RuntimeError
            In that other cell, which fails by it.
        """
        if self.done():
            return False
        cell = CELL.get()
        if cell is not self.cell and (cell is not None or _runs_in_a_task()):
            for caller in _callers:
                if caller.task.get_loop() is self.get_loop():
                    caller.notice()
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
        keep_timers(self.loop)
        guard(self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run to its end, whatever a cell does to the loop."""
        task = CellTask(coroutine, loop=self.loop)
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
    def holder(self) -> tuple[int, int] | None:
        """The cell, (condition, replicate), that has the loop now, as seen from another thread."""
        task = asyncio.current_task(self.loop)
        cell = task.cell if isinstance(task, CellTask) else None
        return None if cell is None else cell[1:]


def guard(loop: asyncio.AbstractEventLoop) -> None:
    """Keep cells from ending a loop that others run on; nobody else is kept from it.

    ``loop.stop()`` is refused to them, and what a task that they start does to leave the
    interpreter ends that task alone.
    """
    stop = loop.stop
    if hasattr(stop, "refuses_cells"):
        return
    make = loop.get_task_factory()

    def make_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        if CELL.get() is not None:
            coroutine = _without_exit(coroutine)
        if make is None:
            return asyncio.Task(coroutine, loop=loop, **options)
        return make(loop, coroutine, **options)

    loop.set_task_factory(make_task)

    def refuse_cells() -> None:
        if CELL.get() is not None and _runs_in_a_task():
            raise RuntimeError("a cell cannot stop the event loop: other cells run on it")
        stop()

    refuse_cells.refuses_cells = True  # type: ignore[attr-defined]
    with suppress(AttributeError):  # a loop that is not written in Python
        loop.stop = refuse_cells  # type: ignore[method-assign]


class _Exit(Exception):
    """What stands for a ``SystemExit`` in a task: that one would end the loop as well."""


_Exit.__name__ = _Exit.__qualname__ = SystemExit.__name__


async def _without_exit(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        return await coroutine
    except SystemExit as error:
        raise _Exit(*error.args) from error


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


class InContext:
    """Awaits something step by step in a context that is not its task's."""

    def __init__(self, context: Context, awaitable: Any) -> None:
        self._run = context.run
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, Any, Any]:
        run = self._run
        steps = run(self._awaitable.__await__)
        if not hasattr(steps, "throw"):
            return (yield from steps)
        step, given = steps.send, None
        while True:
            try:
                waits_for = run(step, given)
            except StopIteration as end:
                return end.value
            try:
                step, given = steps.send, (yield waits_for)
            except GeneratorExit:
                run(steps.close)
                raise
            except BaseException as thrown:
                step, given = steps.throw, thrown


def loop_is_running() -> bool:
    """Whether an event loop runs in this thread."""
    loaded = sys.modules.get("asyncio")
    return loaded is not None and loaded._get_running_loop() is not None


def without_running_loop(function: Callable[[], T]) -> T:
    """Call `function` where no event loop runs: here, or else in a thread of its own."""
    if not loop_is_running():
        return function()
    future: Future[T] = Future()
    context = copy_context()

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
        # A cell's own task refuses a cancellation that comes from another one, as from here.
        task.end() if isinstance(task, CellTask) else task.cancel()
    done, stuck = await asyncio.wait(tasks, timeout=END_SECONDS)
    for task in done:
        if not task.cancelled():
            task.exception()  # looked at: what it was is nobody's outcome
    for task in stuck:
        asyncio._unregister_task(task)


def _runs_in_a_task() -> bool:
    return loop_is_running() and asyncio.current_task() is not None
