"""The ways to drive a run: to the end, on the caller's event loop, or batch by batch.

What is done with a completion is written once, in :class:`~crystallize.run.run.Run`.
Two pumps bring completions to it: :func:`_pump` from executors that give an iterator,
:func:`_apump` from those that give an asynchronous one.

=========  ==================  =====================================================
call       executor and cells  where the pump runs
=========  ==================  =====================================================
run        plain               in the calling thread
run        coroutines          in a thread of its own, on an event loop of its own
stream     as for ``run``      there too; batches come through a queue
arun       plain               in a thread of its own
arun       coroutines          on the caller's event loop; commits in another thread
=========  ==================  =====================================================

A pump in a thread of its own can be left behind: whatever a cell does, the caller
gets away within two seconds of the request.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, suppress
from contextvars import copy_context
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from crystallize.callables import is_async
from crystallize.cells.outcomes import Outcomes
from crystallize.contracts import TICK
from crystallize.errors import StoreError
from crystallize.results.result import Result
from crystallize.run.failures import Cell
from crystallize.run.run import Run
from crystallize.worker.event_loop import Caller, CellTask, OwnLoop, guard

BATCHES_AHEAD = 16
"""How many batches a stream keeps ready for a consumer in another thread."""
LEAVE_SECONDS = 1.6
"""How long a pump in another thread may take to end; executors have a second of it."""

T = TypeVar("T")
Batches = Generator[list[Outcomes], None, None]

_END: Any = object()


def run(run: Run) -> Result:
    """Run to the end, also where an event loop runs in this thread."""
    steps = _to_the_end(run)
    with run.interrupts.handled():
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result


def stream(run: Run) -> Iterator[Outcomes]:
    """Run, giving each batch of outcomes as it lands.

    Signals are ours while the run goes on, and the consumer's while it has a batch.  So is the
    store: a consumer that raised, and does not come back, keeps it from nobody in its thread.

    Raises
    ------
    StoreError
        If the consumer comes back though another run has taken the store.
    """
    steps = _to_the_end(run)
    try:
        while True:
            with run.interrupts.handled():
                batches = next(steps, _END)
            if batches is _END:
                return
            with run.store_lent(steps.close) as lent:
                yield from batches
            if lent.taken:
                raise StoreError(
                    f"{run.experiment.store}: another run has taken the store of this stream, "
                    "which waited for its reader. What was read is in the store."
                )
    finally:
        with run.interrupts.handled():
            steps.close()


async def arun(run: Run) -> Result:
    """Run to the end while the caller's event loop goes on."""
    with run.interrupts.handled(), _Keeper(run) as keeper:
        try:
            with run.ending():
                try:
                    await keeper.do(run.open)
                    if run.engine.is_async:
                        await _drain_here(run, keeper)
                    else:
                        await _drain_in_thread(run)
                finally:
                    await keeper.do(run.close)
            result = await keeper.do(run.conclude)
        except BaseException as error:
            await keeper.do(partial(run.tell_end, error))
            raise
        await keeper.do(run.tell_end)
        return result


def _to_the_end(run: Run) -> Generator[list[Outcomes], None, Result]:
    try:
        with run.ending():
            try:
                run.open()
                yield from _batches(run)
            finally:
                run.close()
        result = run.conclude()
    except BaseException as error:
        run.tell_end(error)
        raise
    run.tell_end()
    return result


def _batches(run: Run) -> Batches:
    """The batches of a run whose pump runs here, or in a thread of its own."""
    if run.engine.is_async or is_async(run.experiment.function):
        with closing(_Elsewhere(run)) as elsewhere:
            yield from elsewhere.batches()
        yield run.release()
    else:
        yield from _pump(run)


def _pump(run: Run) -> Batches:
    """Bring the completions of an executor to its run; the batches that are safe by then."""
    engine, interrupts, land = run.engine, run.interrupts, run.land
    with run.cells_around():
        with engine.failing():
            completions = engine.completions(run.next_task, run)
        try:
            while not run.leaves_executor:
                interrupts.enter_executor()
                try:
                    completion = next(completions, _END)
                except BaseException:
                    with engine.failing():
                        raise
                interrupts.leave_executor()
                if completion is _END:
                    run.exhausted()
                    break
                if land(completion):
                    yield run.release()
        finally:
            interrupts.enter_executor()
            try:
                run.leave()
                with engine.failing():
                    try:
                        run.take_handed_over()
                    finally:
                        completions.close()
            finally:
                interrupts.leave_executor()
        yield run.release()


async def _apump(
    run: Run, release: Callable[[], Awaitable[list[Outcomes]]]
) -> AsyncGenerator[list[Outcomes], None]:
    """The same for an executor that gives an asynchronous iterator."""
    engine, land = run.engine, run.land
    with run.cells_around():
        with engine.failing():
            completions = engine.completions(run.next_task, run)
        try:
            while not run.leaves_executor:
                try:
                    completion = await completions.__anext__()
                except StopAsyncIteration:
                    completion = _END
                except BaseException:
                    with engine.failing():
                        raise
                if completion is _END:
                    run.exhausted()
                    break
                if land(completion):
                    yield await release()
                    run.land_for_a_while()
        finally:
            run.leave()
            with engine.failing():
                await completions.aclose()
            run.take_left()
            await run.call.contexts.aleave()
            run.warnings.of_cells_left()
        yield await release()


async def _drain_here(run: Run, keeper: _Keeper) -> None:
    """Drive an asynchronous pump on the caller's loop, in a task that no cell can cancel."""

    async def drain() -> None:
        async with aclosing(_apump(run, lambda: keeper.do(run.release))) as batches:
            async for _ in batches:
                pass

    loop, caller = asyncio.get_running_loop(), Caller()
    guard(loop)
    pump = CellTask(drain(), loop=loop)
    while not pump.done():
        try:
            await asyncio.shield(pump)
        except asyncio.CancelledError:
            if caller.spared():
                continue
            if not pump.done():
                await _leave(run, pump)
            raise
        finally:
            if pump.done() and not pump.cancelled():
                pump.exception()  # looked at, whoever is there to be told


async def _leave(run: Run, pump: CellTask) -> None:
    """End a run whose caller was cancelled."""
    run.interrupts.requested = True
    run.leave()
    _, running = await asyncio.wait([pump], timeout=LEAVE_SECONDS)
    if running:
        run.abandon()
        pump.end()
        pump.leave_behind()


async def _drain_in_thread(run: Run) -> None:
    """Drive a plain pump in a thread of its own while the caller's loop goes on."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(ended.set)

    elsewhere = _Elsewhere(run, discards=True, when_ended=tell)
    try:
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), TICK)
            if run.interrupts.requested:
                break
    finally:
        elsewhere.ask_to_leave()
        with suppress(TimeoutError):
            if not ended.is_set():
                await asyncio.wait_for(ended.wait(), LEAVE_SECONDS)
        elsewhere.give_up_if_running()
    elsewhere.raise_error()


class _Keeper:
    """A thread that commits and tells observers, while the event loop goes on."""

    def __init__(self, run: Run) -> None:
        self._blas = run.call.blas
        self._pool = ThreadPoolExecutor(1, "crystallize-keeper")

    def __enter__(self) -> _Keeper:
        self._pool.submit(self._blas.begin).result()
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.submit(self._blas.end).result()
        self._pool.shutdown()

    async def do(self, function: Callable[[], T]) -> T:
        """Call it in the thread, and wait for it here."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)


class _Elsewhere:
    """A pump in a thread of its own, with an event loop of its own where it needs one.

    Parameters
    ----------
    run : Run
    discards : bool
        Whether nobody reads the batches.
    when_ended : callable, optional
        Called in the thread at its end.
    """

    def __init__(
        self,
        run: Run,
        *,
        discards: bool = False,
        when_ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._run = run
        self._discards = discards
        self._when_ended = when_ended
        self._landed: queue.Queue[Any] = queue.Queue(BATCHES_AHEAD)
        self._left = threading.Event()
        self._loop: OwnLoop | None = None
        self._is_stuck = False
        self._error: BaseException | None = None
        context = copy_context()
        # A daemon: a cell that hangs must not keep the program from ending.
        self._thread = threading.Thread(
            target=context.run, args=(self._target,), name="crystallize-run", daemon=True
        )
        self._thread.start()

    def batches(self) -> Iterator[list[Outcomes]]:
        """What landed, as it lands.

        Raises
        ------
        ExecutorError
            If a cell holds up the event loop for longer than it may take.
        """
        patience = _Patience(self._run)
        while not self._run.interrupts.requested:
            try:
                item = self._landed.get(timeout=TICK)
            except queue.Empty:
                if patience.has_ended():
                    self._is_stuck = True
                    raise self._run.warnings.stuck(self._holder) from None
                continue
            if item is _END:
                self.raise_error()
                return
            yield item

    def close(self) -> None:
        """Have the pump end, and leave it behind where it does not."""
        self.ask_to_leave()
        if not self._is_stuck:
            self._thread.join(LEAVE_SECONDS)
        self.give_up_if_running()

    def ask_to_leave(self) -> None:
        """Have no further cell begin, and coroutines cancelled."""
        self._left.set()
        if self._thread.is_alive():
            self._run.call.coroutines.cancel()

    def give_up_if_running(self) -> None:
        """Leave the pump behind."""
        if self._thread.is_alive():
            self._run.abandon(self._holder)

    @property
    def _holder(self) -> Cell | None:
        return None if self._loop is None else self._loop.holder

    def raise_error(self) -> None:
        """Raise what the pump raised, if it did."""
        if self._error is not None:
            raise self._error

    def _target(self) -> None:
        try:
            if self._run.engine.is_async:
                self._loop = OwnLoop()
                self._loop.run(self._adrain())
            else:
                with closing(_pump(self._run)) as pump:
                    self._drain(pump)
        except BaseException as error:
            self._error = error
        finally:
            self._put(_END)
            if self._loop is not None:
                self._loop.close()
            self._when_ended()

    async def _adrain(self) -> None:
        run = self._run
        with _Keeper(run) as keeper:
            async with aclosing(_apump(run, lambda: keeper.do(run.release))) as pump:
                async for batches in pump:
                    self._put(batches)
                    if self._left.is_set():
                        return

    def _drain(self, pump: Iterator[list[Outcomes]]) -> None:
        for batches in pump:
            self._put(batches)
            if self._left.is_set():
                return

    def _put(self, item: Any) -> None:
        if self._discards or not (item or item is _END):
            return
        while not self._left.is_set():
            with suppress(queue.Full):
                self._landed.put(item, timeout=TICK)
                return


class _Patience:
    """Notices a pump that a cell keeps from going on, while the program itself goes on."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._landed = run.landed
        self._looked = monotonic()
        self._waited = 0.0

    def has_ended(self) -> bool:
        timeout = self._run.experiment.timeout
        now = monotonic()
        passed, self._looked = now - self._looked, now
        if timeout is None or not self._run.engine.is_async or self._run.landed != self._landed:
            self._landed, self._waited = self._run.landed, 0.0
            return False
        self._waited += min(passed, 2 * TICK)
        return self._waited > timeout + LEAVE_SECONDS
