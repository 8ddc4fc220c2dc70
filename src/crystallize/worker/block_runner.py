"""Running the cells of a block."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from threading import get_ident
from time import perf_counter, sleep, time
from typing import Any

import cloudpickle

from crystallize.callables import is_async
from crystallize.cells.attempts import Recorded
from crystallize.cells.block import Block, Blocks, Failure, Row
from crystallize.cells.durations import Durations
from crystallize.cells.metrics import checked_metrics
from crystallize.cells.rows import Rows
from crystallize.cells.sheet import Sheet
from crystallize.cells.warned import Notices, Warned, notices
from crystallize.contracts import Pause, Task, Trip, named_tuple
from crystallize.description.fingerprint import loaded_fingerprint
from crystallize.description.seeding import Seeding
from crystallize.errors import ResourceError, WorkerDiffersError
from crystallize.worker.arguments import Arguments
from crystallize.worker.blas import BlasLimits, limits_of_worker
from crystallize.worker.cell_state import StateWatch
from crystallize.worker.clock import clock
from crystallize.worker.contexts import WorkerContexts
from crystallize.worker.event_loop import (
    CellTask,
    InContext,
    OwnLoop,
    StepTimer,
    loop_is_running,
)
from crystallize.worker.failures import TimedOut, failure_of
from crystallize.worker.fresh_contexts import FreshContexts
from crystallize.worker.global_random import GlobalRandomWatch, GlobalStateKept, seed_global
from crystallize.worker.interruption import Interruption
from crystallize.worker.logged import forwarding, labels, this_process
from crystallize.worker.noticed import noticing
from crystallize.worker.own_modules import OwnModules, unload_provided
from crystallize.worker.pickling import pickled_by_value
from crystallize.worker.running_cells import (
    CELL,
    Awaiting,
    RunningCells,
    leave_child,
    process,
    strike_here,
)
from crystallize.worker.same_code import unlike_driver
from crystallize.worker.trip_arguments import TripArguments, is_simple

GLANCE_SECONDS = 1e-3
"""How often the clock is read, ..."""


GLANCE_CELLS = 64
"""... but after so many cells: as many may come too late if they are slow all of a sudden."""


@dataclass(frozen=True)
class CellOptions:
    """What the driver asks of every cell.

    Attributes
    ----------
    stop_on_failure : bool
        End a block at its first failed cell.
    seed_globals : bool
        Seed the global generators before each cell.
    blas_threads : int or None
        How many threads BLAS and OpenMP may use in a worker; ``None`` leaves
        them alone.
    timeout : float or None
        Seconds that a cell may take.
    block_seconds : float
        When a block ends early, and the driver schedules the rest of it anew.
    cancels_late_cells : bool
        Whether a coroutine that takes longer is cancelled where it runs, because its
        executor cannot stop it.
    """

    stop_on_failure: bool = False
    seed_globals: bool = False
    blas_threads: int | None = 1
    timeout: float | None = None
    block_seconds: float = 0.3
    cancels_late_cells: bool = False


class BlockCall:
    """Runs blocks; the heavy thing that travels to each worker once.

    Parameters
    ----------
    function : callable
        The user's function, plain or coroutine.
    conditions : mapping of str to mapping
        Condition -> its parameters.
    root : int
        The root seed.
    injected : sequence of str
        What the function asks for by name.
    options : CellOptions
    stamp : str
        Whose run it is: on every block, so that one of another run is found out.
    contexts : WorkerContexts, optional
        What each worker opens once for its cells.
    retried : tuple of exception types
        Which exceptions are tried again.

    Attributes
    ----------
    has_timeout : bool
        Whether a cell may take only so long.
    ends : float
        When no more cells are to begin, by ``perf_counter`` of this process.
    leaving : bool
        Whether a cancellation is the driver's; otherwise it is the cell's own failure.
    leave_worker : callable or None
        Leaves what the calling thread has opened for cells; for an executor whose threads
        end before the run does.  ``None`` where there is nothing.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        conditions: Mapping[str, Mapping[str, Any]],
        seeding: Seeding,
        injected: Sequence[str],
        options: CellOptions,
        stamp: str = "",
        contexts: WorkerContexts | None = None,
        retried: tuple[type[BaseException], ...] = (BaseException,),
    ) -> None:
        self._function = function
        self.contexts = WorkerContexts() if contexts is None else contexts
        self._conditions = {name: dict(given) for name, given in conditions.items()}
        self._seeding = seeding
        self._injected = injected
        self._options = options
        self.stamp = stamp
        self.ends = inf
        self.blas = BlasLimits(options.blas_threads)
        self._refusal: WorkerDiffersError | None = None
        self._home = this_process()
        self._fresh = FreshContexts()
        self._retried = retried
        self._prepare()

    def _prepare(self) -> None:
        self._is_async = is_async(self._function)
        self._arguments: dict[int, Arguments] = {}
        self._loops: dict[int, OwnLoop] = {}
        self._blocks: dict[int, RunningCells] = {}
        self._awaiting = Awaiting(tuple(self._conditions))
        self._awaited: dict[asyncio.Task[Any], Task] = self._awaiting.cells
        self._struck: set[Task] = set()
        self._forks = process.forks
        self._running_loops: dict[int, asyncio.AbstractEventLoop] = {}
        self.has_timeout = self._options.timeout is not None
        self.leaving = False
        self._is_to_stop = False
        self.watch = GlobalRandomWatch()
        self.state = StateWatch(self._function)
        self._is_elsewhere = self._home != this_process()
        self._listens = False
        self._has_contexts = bool(self.contexts)
        self.leave_worker = self.contexts.leave if self._has_contexts else None

    def _arguments_of(self, condition: int) -> Arguments:
        """What makes the arguments of a condition's cells, where cells run."""
        arguments = self._arguments.get(condition)
        if arguments is None:
            name = self._awaiting.conditions[condition]
            # Coroutines interleave, and a block that is run again would not keep to a time limit.
            copies_large = self._is_async or self._options.timeout is not None
            arguments = self._arguments[condition] = Arguments(
                self._seeding.of(name), name, self._conditions[name], self._injected,
                copies_large=copies_large,
            )  # fmt: skip
        return arguments

    def __getstate__(self) -> dict[str, Any]:
        # cloudpickle's bytes inside, so that an executor's plain pickle takes lambdas too.
        heavy = (self._function, self._conditions, self.contexts, self._fresh, self._retried)
        return {
            "heavy": pickled_by_value(heavy),
            "seeding": self._seeding,
            "injected": self._injected,
            "options": self._options,
            "stamp": self.stamp,
            "ends": self.ends + (time() - perf_counter()),  # no other process has our clock
            "home": self._home,
            "path": sys.path,
            "modules": OwnModules.loaded(),
            "loaded": loaded_fingerprint(self._function, self._conditions),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Modules that the driver could import, a worker on the same machine can too.
        sys.path.extend(entry for entry in state["path"] if entry not in sys.path)
        state["modules"].provide()
        if state["loaded"].written:
            unload_provided()  # what cells of an earlier run may have left in them
        self._load(state["heavy"])
        self._seeding = state["seeding"]
        self._injected = state["injected"]
        self._options = state["options"]
        self.stamp = state["stamp"]
        self.ends = state["ends"] - (time() - perf_counter())
        self._home = state["home"]
        self.blas = limits_of_worker(self._options.blas_threads)
        self._refusal = unlike_driver(state["loaded"], self._function, self._conditions)
        if self._refusal is not None and unload_provided():
            self._load(state["heavy"])
            self._refusal = unlike_driver(state["loaded"], self._function, self._conditions)
        self._prepare()

    def _load(self, heavy: bytes) -> None:
        parts = cloudpickle.loads(heavy)
        self._function, self._conditions, self.contexts, self._fresh, self._retried = parts

    def __call__(self, task: Task | Trip | Pause) -> Block | Blocks | Sheet | None:
        """Run the cells of a block, or of several, one after another."""
        if self._refusal is not None:
            raise self._refusal
        if isinstance(task, Pause):
            sleep(task.seconds)
            return None
        if self._is_elsewhere and not self._listens:
            self._listen()
        noticing.begin()
        labels.begin()
        try:
            return self._watched(task)
        finally:
            labels.end()
            noticing.end()

    def _watched(self, task: Task | Trip) -> Block | Blocks | Sheet:
        self.blas.apply()
        if self._has_contexts and not self._is_async:
            self.contexts.entered()  # what making them draws or changes is no cell's doing
        state = self.state.begin()
        if self._options.seed_globals:
            with GlobalStateKept():
                block = Context().run(self._run_task, task)
            block.changed = self.state.end(state)
            return block
        before = self.watch.begin()
        # A context of its own for what is done around the cells, as it is elsewhere.
        block = Context().run(self._run_task, task)
        block.touched = self.watch.end(before)
        block.changed = self.state.end(state)
        return block

    async def run_cell(self, task: Task | Pause) -> Row | Block | None:
        """Run a block of one cell of a coroutine function on the running loop."""
        if self._refusal is not None:
            raise self._refusal
        if isinstance(task, Pause):
            await asyncio.sleep(task.seconds)
            return None
        condition, replicate, _ = task
        arguments = self._arguments.get(condition) or self._arguments_of(condition)
        arguments = arguments.of_cell() if arguments.records else arguments
        timeout = self._options.timeout
        running = self._running_task()
        outcome: Row | Block
        began = perf_counter()
        cell = self._awaiting, task
        CELL.set(cell)
        if type(running) is CellTask:
            running.cell = cell
        self._awaited[running] = task
        try:
            given = arguments.same if arguments.constant else arguments(replicate)
            if self._has_contexts:
                given = {**await self.contexts.aentered(), **given}
            if self._fresh.is_empty and len(copy_context()) == 1:  # nobody's but ours
                awaitable: Awaitable[Any] = self._function(**given)
            else:
                context = self._fresh.new()
                context.run(CELL.set, cell)
                awaitable = InContext(context, context.run(self._function, **given))
            if timeout is None:
                result = await awaitable
            else:
                result = await _within(timeout, awaitable, self._options.cancels_late_cells)
            seconds = perf_counter() - began
            names, values = checked_metrics(result)
            outcome = named_tuple(Row, (task, names, values, self.stamp, seconds, (), None))
        except BaseException as error:
            cancelled = isinstance(error, (asyncio.CancelledError, GeneratorExit))
            if isinstance(error, (Interruption, ResourceError)) or (cancelled and self.leaving):
                raise
            outcome = self._failed(task, error, perf_counter() - began)
        finally:
            del self._awaited[running]
            noted = self._awaiting.warned.pop(id(task), None) if self._awaiting.warned else None
            if process.forks != self._forks:
                leave_child(sys.exc_info()[1])
        if self._struck and task in self._struck:
            raise Interruption
        if running.cancelling() and not self.leaving:
            # The cell cancelled the task that others run in after it.
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            while running.uncancel():
                pass
        if arguments.recorded and (recorded := arguments.taken(task.start, task.stop)):
            outcome = _with_recorded(outcome, recorded[0])
        return _with_warnings(outcome, notices(noted)) if noted else outcome

    def _running_task(self) -> Any:
        """asyncio's task that runs here; asking for the loop takes longer than the rest of it."""
        thread = get_ident()
        loop = self._running_loops.get(thread)
        task = None if loop is None else asyncio.current_task(loop)
        if task is None:
            loop = self._running_loops[thread] = asyncio.get_running_loop()
            task = asyncio.current_task(loop)
        return task

    def strike(self) -> bool:
        """Strike the cell that this thread is running, if it is.

        Returns
        -------
        bool
            Whether there is one; then an :exc:`Interruption` is to be raised in it.
        """
        self._is_to_stop = True
        if strike_here():
            return True
        if not loop_is_running():
            return False
        task = self._awaited.get(asyncio.current_task())  # type: ignore[arg-type]
        if task is None or task in self._struck:
            return False
        self._struck.add(task)
        return True

    def cancel_cells(self) -> None:
        """Ask the coroutines that a loop of ours runs for others to end, from any thread."""
        self.leaving = True
        for loop in list(self._loops.values()):
            loop.cancel()

    def under_way(self) -> list[tuple[int, int]]:
        """The cells, (condition, replicate), that are running in this process now."""
        blocks = [cells.place for cells in list(self._blocks.values())]
        awaited = [(task[0], task[1]) for task in list(self._awaited.values())]
        return list(dict.fromkeys(blocks + awaited))

    def close(self) -> None:
        """Leave what workers here have entered, and close the event loops of blocks."""
        try:
            self.contexts.close()
        finally:
            if self._listens:
                self._listens = False
                for held in (forwarding, labels, noticing):
                    held.end()
            while self._loops:
                _, loop = self._loops.popitem()
                try:
                    if self._has_contexts and not loop.loop.is_closed():
                        loop.run(self.contexts.aleave())
                finally:
                    loop.close()

    def _deadline(self, began: float) -> float:
        """When a block ends early."""
        return min(began + self._options.block_seconds, self.ends)

    def _run_task(self, task: Task | Trip) -> Block | Blocks | Sheet:
        if perf_counter() > self.ends:  # it waited for its worker until then
            return self._none_of(task)
        return self._run_trip(task) if isinstance(task, Trip) else self._run_apart(task)

    def _run_trip(self, trip: Trip) -> Blocks | Sheet:
        """Run the cells of a trip, until one of its conditions or all of it ends early."""
        first, start, stop, conditions = trip
        names = self._awaiting.conditions[first : first + conditions]
        given = [self._conditions[name] for name in names]
        if not self._is_async and is_simple(given, self._seeding, self._injected):
            simple = TripArguments(self._seeding, names, given, trip, self._injected)
            block = self._run(trip, simple)
            return Sheet(first, start, stop, block)
        stops = self._options.stop_on_failure
        blocks: list[Block] = []
        began = perf_counter()
        deadline = self._deadline(began)
        for condition in range(first, first + conditions):
            asked = 1 if self._arguments_of(condition).untried else stop - start
            block = self._run_apart(named_tuple(Task, (condition, start, stop)))
            if len(block):
                blocks.append(block)
            if len(block) < asked or self._is_to_stop or (stops and block.failures):
                break
            if perf_counter() > deadline:
                break
        return Blocks(blocks, perf_counter() - began, self.stamp)

    def _run_apart(self, task: Task) -> Block:
        """Run a block whose cells see nothing of what others did to their parameters."""
        arguments = self._arguments_of(task.condition)
        if arguments.untried:
            # Alone: what it does, the second might undo. The driver schedules the rest anew.
            task = task._replace(stop=task.start + 1)
        block = self._run_block(task, arguments)
        arguments.untried = False
        if len(block) and arguments.were_changed():
            name = self._awaiting.conditions[task.condition]
            params = self._conditions[name]
            arguments = Arguments(self._seeding.of(name), name, params, self._injected)
            self._arguments[task.condition] = arguments
            block = self._run_block(task._replace(stop=block.stop), arguments)
        return block

    def _listen(self) -> None:
        """In another process than the driver's, hear from now on what cells warn of and log."""
        self._listens = True
        for held in (noticing, labels, forwarding):
            held.begin()

    def _run_block(self, task: Task, arguments: Arguments) -> Block:
        arguments = arguments.of_block(task.stop)
        block = self._run(task, arguments)
        block.recorded = arguments.taken(block.start, block.stop) if arguments.recorded else None
        return block

    def _run(self, task: Task | Trip, arguments: Arguments | TripArguments) -> Block:
        rows, failures = Rows(task.condition), list[Failure]()
        cells = RunningCells(task, self._awaiting.conditions)
        thread = get_ident()
        began = perf_counter()
        cells.points.append((cells.start, began))
        # On Ctrl-C what finished of the block is kept; the driver knows of the signal.
        with suppress(Interruption):
            try:
                self._blocks[thread] = cells
                cells.begin()
                if isinstance(arguments, Arguments) and self._is_async:
                    self._await_cells(task.condition, arguments, cells, rows, failures)
                else:
                    self._call_cells(arguments, cells, rows, failures)
            finally:
                self._blocks.pop(thread, None)
                cells.end()
        cells.end()  # the signal may have come in the middle of the first
        if cells.warned is not None:
            rows.warned |= {replicate: notices(given) for replicate, given in cells.warned.items()}
        if cells.struck is not None:
            offset = cells.struck - cells.start
            failures = [failure for failure in failures if failure.offset < offset]
            rows.forget_from(cells.struck)
        ended = perf_counter()
        block = rows.block(cells.start, failures, ended - began)
        block.durations = Durations.of_points(cells.points, len(block), ended)
        block.stamp = self.stamp
        if self._is_elsewhere:
            block.logged = [*(cells.logged or ()), *self._awaiting.taken()]
        return block

    def _call_cells(
        self,
        arguments: Arguments | TripArguments,
        cells: RunningCells,
        rows: Rows,
        failures: list[Failure],
    ) -> None:
        # The inner loop of everything: what can be done once for a block is done before it, and
        # what can be done once for a few cells is done after these.
        options = self._options
        function = self._function if options.timeout is None else self._timed
        if self._has_contexts:
            function = partial(function, **self.contexts.entered())
        call = partial(function, **arguments.same) if arguments.same else function
        seed = arguments.seed if options.seed_globals else None
        fresh, clock = self._fresh.new, perf_counter
        # Cells of one condition are alike; another one's may be slow all of a sudden.
        most = min(GLANCE_CELLS, cells.width) if options.timeout is None else 1
        first, stop, few, points = cells.start, cells.stop, 1, cells.points
        rows.flush(first)
        looked = clock()
        points[:] = [(first, looked)]
        deadline = self._deadline(looked)
        while first < stop:
            following = first + few
            if following > stop:
                following = stop
            stretch = cells.stretch(first, following)
            try:
                is_done = False
                while not is_done:
                    context = fresh()
                    is_done = context.run(
                        _call_until, context, stretch, call, arguments, seed, rows
                    )
            except Interruption:
                raise
            except BaseException as error:
                failed = cells.present
                cells.leave_if_forked(error)
                failures.append(failure_of(failed - cells.start, error, self._retried, frames=2))
                if options.stop_on_failure:
                    return
                following = failed + 1
                rows.flush(following)
            if cells.have_ended:
                cells.leave_if_forked()
                return
            now = clock()
            if now - looked > GLANCE_SECONDS / 2:
                if points[-1][0] != first:  # those before it were quicker
                    points.append((first, looked))
                points.append((following, now))
                if now - looked > GLANCE_SECONDS:
                    few = few // 2 or 1
            elif few < most:
                few *= 2
            if now > deadline:
                return
            first, looked = following, now

    def _await_cells(
        self,
        condition: int,
        arguments: Arguments,
        cells: RunningCells,
        rows: Rows,
        failures: list[Failure],
    ) -> None:
        deadline = self._deadline(perf_counter())
        loop = self._loops.get(get_ident())
        if loop is None:
            loop = self._loops[get_ident()] = OwnLoop()
        for replicate in cells.stretch(cells.start, cells.stop):
            if self._options.seed_globals:
                seed_global(arguments.seed(replicate))
            cell = Task(condition, replicate, replicate + 1)
            try:
                outcome = loop.run(self.run_cell(cell))
            except asyncio.CancelledError:
                return  # the driver's own: it leaves
            except ResourceError:
                raise
            except RuntimeError as error:  # a cell that closes the loop, or uses one in it
                outcome = self._failed(cell, error, 0.0)
            now = perf_counter()
            cells.points.append((replicate + 1, now))
            if isinstance(outcome, Row):
                if outcome.recorded:
                    arguments.recorded[replicate] = outcome.recorded
                rows.add_checked(replicate, outcome.names, outcome.values)
                if outcome.warned:
                    rows.warned[replicate] = outcome.warned
            elif outcome is not None:
                (failure,) = outcome.failures
                failures.append(replace(failure, offset=replicate - cells.start))
                if outcome.recorded:
                    arguments.recorded[replicate] = outcome.recorded[0]
                if outcome.warned is not None:
                    (rows.warned[replicate],) = outcome.warned.kinds
                if self._options.stop_on_failure:
                    return
            if now > deadline:
                return

    def _none_of(self, task: Task | Trip) -> Block | Blocks:
        if isinstance(task, Trip):
            return Blocks([], 0.0, self.stamp)
        return Block(task.condition, task.start, task.start, [], [], 0.0, stamp=self.stamp)

    def _failed(self, task: Task, error: BaseException, seconds: float) -> Block:
        failures, durations = [failure_of(0, error, self._retried)], Durations([1], [seconds])
        return Block(*task, [], failures, seconds, stamp=self.stamp, durations=durations)

    def _timed(self, **arguments: Any) -> Any:
        """Refuse a result that came too late, but before anyone stopped the worker."""
        lost = clock.lost_seconds()  # first: what is lost between the two must not count
        began = perf_counter()
        result = self._function(**arguments)
        took = perf_counter() - began
        timeout = self._options.timeout
        if timeout is None or took <= timeout:
            return result
        if took - (clock.lost_seconds() - lost) > timeout:
            raise TimedOut(timeout)
        return result


def _call_until(
    context: Context,
    stretch: Iterator[int],
    call: Callable[..., Any],
    arguments: Arguments | TripArguments,
    seed: Callable[[int], int] | None,
    rows: Rows,
) -> bool:
    """Call cell after cell in one context, which is theirs until one of them changes it.

    Returns
    -------
    bool
        Whether there are no more.
    """
    keep, add, varying = rows.numbers.append, rows.add, arguments.varying
    is_constant, only_replicate = arguments.constant, arguments.only_replicate
    for replicate in stretch:
        if seed is not None:
            seed_global(seed(replicate))
        if is_constant:
            result = call()
        elif only_replicate:
            result = call(replicate=replicate)
        else:
            result = call(**varying(replicate))
        if type(result) is float:
            keep(result)
        else:
            add(replicate, result)
        if context:  # one that is empty still, no cell has changed
            return False
    return True


def _with_warnings(outcome: Row | Block, given: Notices) -> Row | Block:
    """One cell's outcome with what it warned of."""
    if isinstance(outcome, Row):
        return outcome._replace(warned=given)
    outcome.warned = Warned.of({0: given})
    return outcome


def _with_recorded(outcome: Row | Block, recorded: Recorded) -> Row | Block:
    """One cell's outcome with what it recorded."""
    if isinstance(outcome, Row):
        return outcome._replace(recorded=recorded)
    outcome.recorded = {0: recorded}
    return outcome


async def _within(timeout: float, awaitable: Awaitable[Any], cancels: bool) -> Any:
    """Await a cell that may not keep the loop from others for longer than it may take itself.

    Whether it waited for too long is the driver's to say, who knows how long it was kept
    from running by others; unless nobody but the loop can cancel it.
    """
    steps = StepTimer(awaitable, perf_counter)
    try:
        async with asyncio.timeout(timeout if cancels else None) as limit:
            result = await steps
    except TimeoutError:
        if limit.expired():
            raise TimedOut(timeout) from None
        raise
    if steps.seconds > timeout:
        raise TimedOut(timeout)
    return result
