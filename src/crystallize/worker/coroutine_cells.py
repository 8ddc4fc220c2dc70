"""Running the cells of coroutine functions."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from math import inf
from operator import attrgetter
from threading import get_ident
from time import perf_counter
from typing import Any, NamedTuple

from crystallize.cells.attempts import Recorded
from crystallize.cells.block import Block, CellByCell, Failure, Piece, Row, Stretch
from crystallize.cells.durations import Durations
from crystallize.cells.metrics import NUMBER_NAMES, Names, checked_metrics
from crystallize.cells.rows import Rows
from crystallize.cells.warned import Given, Warned, notices
from crystallize.contracts import Pause, Task, named_tuple
from crystallize.errors import ResourceError, WorkerDiffersError
from crystallize.worker.arguments import Arguments, ConditionArguments
from crystallize.worker.cell_options import CellOptions
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
from crystallize.worker.global_random import seed_global
from crystallize.worker.interruption import Interruption
from crystallize.worker.running_cells import CELL, Awaiting, RunningCells, leave_child, process
from crystallize.worker.turns import Turns

HELD_UP_SECONDS = 0.2
"""For how long a cell may run until others of its block wait no longer for it."""


class CoroutineCells:
    """Runs the cells of a coroutine function: of a block one after another, of many blocks at once.

    Parameters
    ----------
    function : callable
    arguments : ConditionArguments
    contexts : WorkerContexts
    fresh : FreshContexts
    options : CellOptions
    retried : tuple of exception types
    stamp : str
    is_here : bool
        Whether this is the driver's process.

    Attributes
    ----------
    awaiting : Awaiting
        The cells that are awaited now.
    call : BlockCall or None
        Whose cells these are, where an executor was given :meth:`run`, and may send it elsewhere.
    refusal : Exception or None
        Why no cell may run here.
    leaving : bool
        Whether a cancellation is the driver's; otherwise it is the cell's own failure.
    ends : float
        When no more cells are to begin, by ``perf_counter`` of this process.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: ConditionArguments,
        contexts: WorkerContexts,
        fresh: FreshContexts,
        options: CellOptions,
        retried: tuple[type[BaseException], ...],
        stamp: str,
        *,
        is_here: bool,
    ) -> None:
        self.awaiting = Awaiting(arguments.names)
        self.call: Any = None
        self.refusal: WorkerDiffersError | None = None
        self.leaving = False
        self.ends = inf
        self._function = function
        self._arguments = arguments
        self._contexts = contexts
        self._has_contexts = bool(contexts)
        self._fresh = fresh
        self._options = options
        self._retried = retried
        self._stamp = stamp
        self._struck: set[tuple[Any, int, int]] = set()
        self._is_here = is_here
        self._begun: dict[Task, _Begun] = {}
        self._own_loops: dict[int, OwnLoop] = {}
        self._turns: dict[int, Turns] = {}
        self._forks = process.forks

    def __reduce__(self) -> tuple[Any, ...]:
        return attrgetter("run_coroutines.__self__"), (self.call,)  # all of it is made anew there

    def deadline(self, began: float) -> float:
        """When a block ends early, by when it began."""
        return min(began + self._options.block_seconds, self.ends)

    async def run(self, task: Task | Pause) -> Row | Block | CellByCell | None:
        """Run the cells of a block on the running loop, until one of them has it end early.

        Raises
        ------
        WorkerDiffersError
            In another process that has not the driver's code.
        """
        # In one: a frame more in each of a thousand that wait costs as much as what it does.
        if self.refusal is not None:
            raise self.refusal
        if isinstance(task, Pause):
            await asyncio.sleep(task.seconds)
            return None
        condition, start, stop = task
        is_lone, options, function = stop - start == 1, self._options, self._function
        shared = self._arguments.of(condition)
        first = began = perf_counter()
        deadline = self.deadline(first)
        cells = CellByCell(self._stamp, stop)
        if not is_lone:
            shared = shared.of_block(stop)
        if self._is_here and options.timeout is None:  # or else its outcome may come too late
            self._begun[task] = named_tuple(_Begun, (cells, first, get_ident()))
        running, turns = self._running_task()
        awaiting = self.awaiting
        noted, struck, timeout = awaiting.warned, self._struck, options.timeout
        has_contexts, is_fresh, records = self._has_contexts, self._fresh.is_empty, shared.records
        same = shared.same if shared.constant and not has_contexts else None
        is_ours = type(running) is CellTask
        own = running.context if is_ours else None
        values: Collection[Any]
        pieces, stretch = cells.pieces, None
        awaiting.blocks[running] = cells
        if is_ours:
            running.block = cells
        try:
            for replicate in range(start, stop):
                if replicate >= cells.stop:
                    break
                if began > turns.due:
                    asked, began = began, await self._turn(turns, running, replicate)
                    first += began - asked  # which is no time of the block
                    deadline = self.deadline(first)
                    if task in self._begun:
                        self._begun[task] = self._begun[task]._replace(began=first)
                    if began > self.ends:
                        break
                arguments = shared.of_cell() if records else shared
                cell, failed = (awaiting, condition, replicate), None
                CELL.set(cell)
                cells.cell = cell
                try:
                    given = arguments(replicate) if same is None else same
                    if has_contexts:
                        given = {**await self._contexts.aentered(), **given}
                    if is_fresh and len(own or copy_context()) == 1:  # nobody's but ours
                        awaitable: Awaitable[Any] = function(**given) if given else function()
                    else:
                        context = self._fresh.new()
                        context.run(CELL.set, cell)
                        awaitable = InContext(context, context.run(function, **given))
                    if timeout is None:
                        result = await awaitable
                    else:
                        result = await _within(timeout, awaitable, options.cancels_late_cells)
                    now = perf_counter()
                    if type(result) is float:  # before anything is called: it is most of them
                        names, values = NUMBER_NAMES, (result,)
                    else:
                        names, values = checked_metrics(result)
                except BaseException as error:
                    now = perf_counter()
                    cancelled = isinstance(error, (asyncio.CancelledError, GeneratorExit))
                    ends_all = isinstance(error, (Interruption, ResourceError))
                    if ends_all or (cancelled and self.leaving):
                        raise
                    names, values, failed = (), (), failure_of(0, error, self._retried)
                finally:
                    cells.cell = None
                    warned = noted.pop(id(cell), None) if noted else None
                    if process.forks != self._forks:
                        leave_child(sys.exc_info()[1])
                if struck and cell in struck:
                    raise Interruption
                if running.cancelling():
                    if self.leaving and not is_lone:
                        return cells  # what ended though it was cancelled is no result
                    if not self.leaving:
                        await _uncancelled(running)
                recorded = None
                if records and arguments.recorded:
                    recorded = arguments.taken(replicate, replicate + 1)
                if is_lone or failed or warned or recorded:
                    one = task if is_lone else Task(condition, replicate, replicate + 1)
                    outcome = self._outcome(
                        one, names, values, failed, now - began, warned, recorded
                    )
                    pieces.append(outcome)
                    stretch = None
                elif stretch is not None and pieces and stretch.names == names:
                    stretch.values.extend(values)
                    stretch.seconds.append(now - began)
                else:  # the first of its kind, or after a look took those before it
                    stretch = Stretch(condition, replicate, names, [*values], [now - began])
                    pieces.append(stretch)
                cells.cells += 1
                cells.seconds = now - first
                if is_lone:
                    return outcome  # which is kept where nobody takes it, as all of a block is
                if now > deadline or self.leaving:
                    break
                if failed and (options.stop_on_failure or cells.cells == 1):
                    break  # where the first one fails maybe all do, which is to be known soon
                began = now
        finally:
            awaiting.blocks.pop(running, None)
            if is_ours:
                running.block = None
        return cells

    def _outcome(
        self,
        task: Task,
        names: Names,
        values: Collection[Any],
        failed: Failure | None,
        seconds: float,
        warned: Counter[Given] | None,
        recorded: dict[int, Recorded] | None,
    ) -> Row | Block:
        """What one cell came to, with all that there is to say of it."""
        given = notices(warned) if warned else ()
        if failed is None:
            kept = recorded[0] if recorded else None
            row: Row = named_tuple(Row, (task, names, values, self._stamp, seconds, given, kept))
            return row
        return Block(
            *task, [], [failed], seconds, stamp=self._stamp, recorded=recorded,
            warned=Warned.of({0: given} if given else {}), durations=Durations([1], [seconds]),
        )  # fmt: skip

    def look(self) -> tuple[list[Piece], list[Task]]:
        """Look into the blocks that go on, on this thread's loop.

        Returns
        -------
        (list of Stretch, Row or Block, list of Task)
            What came of their cells since the last time, and the cells that have not begun
            because another one of their block holds them up: they are not its own any more.
        """
        now, thread = perf_counter(), get_ident()
        pieces: list[Piece] = []
        back = []
        for task, (cells, began, whose) in self._begun.items():
            _, start, stop = task
            if whose != thread or stop - start == 1:
                continue
            pieces += cells.pieces
            cells.pieces.clear()
            waiting = cells.stop - start - cells.cells - 1  # without the one that is running
            is_held_up = cells.cell is not None and now > began + cells.seconds + HELD_UP_SECONDS
            if waiting > 0 and is_held_up:
                back.append(self.take_back(task, waiting))
        return pieces, back

    def waiting(self) -> list[tuple[Task, int]]:
        """The blocks on this thread's loop, each with how many of its cells have not begun."""
        thread = get_ident()
        return [
            (task, cells.stop - task.start - cells.cells - 1)  # without the one that is running
            for task, (cells, _, whose) in self._begun.items()
            if whose == thread
        ]

    def take_back(self, task: Task, count: int) -> Task:
        """Take the last ones of those that have not begun: they are not that block's any more."""
        cells = self._begun[task].cells
        stop, cells.stop = cells.stop, cells.stop - count
        return Task(task.condition, cells.stop, stop)

    def landed(self, task: Task) -> CellByCell | None:
        """Learn that a block came back, or is lost; what there is of it."""
        begun = self._begun.pop(task, None)
        return None if begun is None else begun.cells

    def left(self) -> dict[Task, CellByCell]:
        """What there is of blocks that did not come back: cancelled, left behind or not read."""
        return {task: begun.cells for task, begun in self._begun.items()}

    async def _turn(self, turns: Turns, running: asyncio.Task[Any], replicate: int) -> float:
        """Let others on the loop run, whatever cells do; when the next cell begins after it."""
        try:
            # The driver counts how long a cell with a time limit has been under way.
            await turns.take(replicate, may_wait=self._options.timeout is None)
        except asyncio.CancelledError:
            if self.leaving:
                raise
            await _uncancelled(running)  # the last cell had that in mind for itself
        return perf_counter()

    def _running_task(self) -> tuple[Any, Turns]:
        """asyncio's task that runs here, and the turns of its loop."""
        thread = get_ident()
        turns = self._turns.get(thread)
        task = None if turns is None else asyncio.current_task(turns.loop)
        if turns is None or task is None:
            # Once a thread: asking for the loop takes longer than the rest of it.
            turns = self._turns[thread] = Turns(asyncio.get_running_loop())
            task = asyncio.current_task(turns.loop)
        return task, turns

    def run_here(
        self,
        task: Task,
        arguments: Arguments,
        cells: RunningCells,
        rows: Rows,
        failures: list[Failure],
    ) -> None:
        """Run the cells of a block in this thread, where no event loop runs.

        Parameters
        ----------
        task : Task
        arguments : Arguments
            Those of the block, to which goes what its cells record.
        cells : RunningCells
        rows, failures
            Where the outcomes go.
        """
        deadline = self.deadline(perf_counter())
        loop = self._own_loops.get(get_ident())
        if loop is None:
            loop = self._own_loops[get_ident()] = OwnLoop()
        for replicate in cells.stretch(cells.start, cells.stop):
            if self._options.seed_globals:
                seed_global(arguments.seed(replicate))
            one = Task(task.condition, replicate, replicate + 1)
            try:
                try:
                    outcome = loop.run(self.run(one))
                finally:
                    self.landed(one)
            except asyncio.CancelledError:
                return  # the driver's own: it leaves
            except ResourceError:
                raise
            except RuntimeError as error:  # a cell that closes the loop, or uses one in it
                failed = failure_of(0, error, self._retried)
                outcome = self._outcome(one, (), (), failed, 0.0, None, None)
            if isinstance(outcome, CellByCell):
                return  # it was too late for it to begin
            now = perf_counter()
            cells.points.append((replicate + 1, now))
            if isinstance(outcome, Row):
                rows.add_checked(replicate, outcome.names, outcome.values)
                if outcome.warned:
                    rows.warned[replicate] = outcome.warned
                if outcome.recorded:
                    arguments.recorded[replicate] = outcome.recorded
            elif isinstance(outcome, Block):
                (failure,) = outcome.failures
                failures.append(replace(failure, offset=replicate - cells.start))
                if outcome.warned is not None:
                    (rows.warned[replicate],) = outcome.warned.kinds
                if outcome.recorded:
                    arguments.recorded[replicate] = outcome.recorded[0]
                if self._options.stop_on_failure:
                    return
            if now > deadline:
                return

    def strike(self) -> bool:
        """Strike the cell that runs in this thread, if there is one on its loop."""
        if not loop_is_running():
            return False
        block = self.awaiting.blocks.get(asyncio.current_task())
        cell = None if block is None else block.cell
        if cell is None or cell in self._struck:
            return False
        self._struck.add(cell)
        return True

    def cancel(self) -> None:
        """Ask the coroutines that a loop of ours runs for others to end, from any thread."""
        self.leaving = True
        for loop in list(self._own_loops.values()):
            loop.cancel()

    def close(self) -> None:
        """Leave what was entered on loops of ours, and close these."""
        while self._own_loops:
            _, loop = self._own_loops.popitem()
            try:
                if self._has_contexts and not loop.loop.is_closed():
                    loop.run(self._contexts.aleave())
            finally:
                loop.close()


class _Begun(NamedTuple):
    """A block that has begun and not come back, when that was, and in which thread."""

    cells: CellByCell
    began: float
    thread: int


async def _uncancelled(running: asyncio.Task[Any]) -> None:
    """Take back that a cell cancelled the task that others run in after it."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    while running.uncancel():
        pass


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
