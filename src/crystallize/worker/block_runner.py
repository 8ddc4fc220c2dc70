"""Running the cells of a block."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from functools import partial
from threading import get_ident
from time import perf_counter, sleep, time
from typing import Any

import cloudpickle

from crystallize.callables import is_async
from crystallize.cells.block import Block, Blocks, Failure
from crystallize.cells.durations import Durations
from crystallize.cells.rows import Rows
from crystallize.cells.sheet import Sheet
from crystallize.cells.warned import notices
from crystallize.contracts import Pause, Task, Trip, named_tuple
from crystallize.description.fingerprint import loaded_fingerprint
from crystallize.description.seeding import Seeding
from crystallize.errors import WorkerDiffersError
from crystallize.worker.arguments import Arguments, ConditionArguments
from crystallize.worker.blas import BlasLimits, limits_of_worker
from crystallize.worker.cell_options import CellOptions
from crystallize.worker.cell_state import StateWatch
from crystallize.worker.clock import clock
from crystallize.worker.contexts import WorkerContexts
from crystallize.worker.coroutine_cells import CoroutineCells
from crystallize.worker.failures import TimedOut, failure_of
from crystallize.worker.fresh_contexts import FreshContexts
from crystallize.worker.global_random import GlobalRandomWatch, GlobalStateKept, seed_global
from crystallize.worker.interruption import Interruption
from crystallize.worker.logged import forwarding, labels, this_process
from crystallize.worker.noticed import noticing
from crystallize.worker.own_modules import OwnModules, unload_provided
from crystallize.worker.pickling import pickled_by_value
from crystallize.worker.running_cells import (
    RunningCells,
    strike_here,
)
from crystallize.worker.same_code import unlike_driver
from crystallize.worker.trip_arguments import TripArguments, is_simple

GLANCE_SECONDS = 1e-3
"""How often the clock is read, ..."""


ASK_SECONDS = 5e-4
"""How often a block asks whether it is to end early, ..."""


WORTH_SECONDS = 2e-3
"""... which it does only if it has so much left: handing out the rest takes some of that."""


GLANCE_CELLS = 64
"""... but after so many cells: as many may come too late if they are slow all of a sudden."""


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
    coroutines : CoroutineCells
        Those of its cells that are coroutines.
    is_to_end : callable
        Says whether a block that runs here is to end early; for an executor to set.
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
        self.blas = BlasLimits(options.blas_threads)
        self._refusal: WorkerDiffersError | None = None
        self._home = this_process()
        self._fresh = FreshContexts()
        self._retried = retried
        self._prepare()

    def _prepare(self) -> None:
        self._is_async = is_async(self._function)
        # Coroutines interleave, and a block that is run again would not keep to a time limit.
        copies_large = self._is_async or self._options.timeout is not None
        self._arguments = ConditionArguments(
            self._conditions, self._seeding, self._injected, copies_large=copies_large
        )
        self._blocks: dict[int, RunningCells] = {}
        self._names = self._arguments.names
        self._is_elsewhere = self._home != this_process()
        self.coroutines = CoroutineCells(
            self._function, self._arguments, self.contexts, self._fresh, self._options,
            self._retried, self.stamp, is_here=not self._is_elsewhere,
        )  # fmt: skip
        self.has_timeout = self._options.timeout is not None
        self.is_to_end: Callable[[], bool] = bool  # False, until an executor sets another
        self._is_to_stop = False
        self.watch = GlobalRandomWatch()
        self.state = StateWatch(self._function)
        self._listens = False
        self._has_contexts = bool(self.contexts)
        self.leave_worker = self.contexts.leave if self._has_contexts else None

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
        self._home = state["home"]
        self.blas = limits_of_worker(self._options.blas_threads)
        self._refusal = unlike_driver(state["loaded"], self._function, self._conditions)
        if self._refusal is not None and unload_provided():
            self._load(state["heavy"])
            self._refusal = unlike_driver(state["loaded"], self._function, self._conditions)
        self._prepare()
        self.coroutines.refusal = self._refusal
        if not (state["loaded"].written or self._has_contexts):  # these make what is not there yet
            self.state.watch_nothing()
        self.ends = state["ends"] - (time() - perf_counter())

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

    @property
    def run_coroutines(self) -> Callable[[Task | Pause], Coroutine[Any, Any, Any]]:
        """What runs the cells of a block of a coroutine function on the running loop."""
        # Its own method: a frame around it would be one in each of a thousand that wait.
        self.coroutines.call = self
        return self.coroutines.run

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
        return self.coroutines.strike()

    def under_way(self) -> list[tuple[int, int]]:
        """The cells, (condition, replicate), that are running in this process now."""
        blocks = [cells.place for cells in list(self._blocks.values())]
        awaited = [cell[1:] for cell in self.coroutines.awaiting.under_way()]
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
            self.coroutines.close()

    @property
    def ends(self) -> float:
        """When no more cells are to begin, by ``perf_counter`` of this process."""
        return self.coroutines.ends

    @ends.setter
    def ends(self, ends: float) -> None:
        self.coroutines.ends = ends

    def _deadline(self, began: float) -> float:
        """When a block ends early."""
        return self.coroutines.deadline(began)

    def _next_look(self, now: float, deadline: float, left: float) -> float:
        """When to look again whether a block is to end early; not later than now if it is.

        Parameters
        ----------
        now, deadline : float
            By ``perf_counter``.
        left : float
            The seconds that all of it takes yet.
        """
        if now > deadline or (left > WORTH_SECONDS and self.is_to_end()):
            return now
        return min(deadline, now + ASK_SECONDS)

    def _run_task(self, task: Task | Trip) -> Block | Blocks | Sheet:
        if perf_counter() > self.ends:  # it waited for its worker until then
            return self._none_of(task)
        return self._run_trip(task) if isinstance(task, Trip) else self._run_apart(task)

    def _run_trip(self, trip: Trip) -> Blocks | Sheet:
        """Run the cells of a trip, until one of its conditions or all of it ends early."""
        first, start, stop, conditions = trip
        names = self._names[first : first + conditions]
        given = [self._conditions[name] for name in names]
        if not self._is_async and is_simple(given, self._seeding, self._injected):
            simple = TripArguments(self._seeding, names, given, trip, self._injected)
            block = self._run(trip, simple)
            return Sheet(first, start, stop, block)
        stops = self._options.stop_on_failure
        blocks: list[Block] = []
        began = perf_counter()
        deadline = self._deadline(began)
        due = self._next_look(began, deadline, 0.0)
        for condition in range(first, first + conditions):
            asked = 1 if self._arguments.of(condition).untried else stop - start
            block = self._run_apart(named_tuple(Task, (condition, start, stop)))
            if len(block):
                blocks.append(block)
            if len(block) < asked or self._is_to_stop or (stops and block.failures):
                break
            now = perf_counter()
            if now > due:
                done = condition - first + 1
                left = (now - began) * (conditions - done) / done
                if (due := self._next_look(now, deadline, left)) <= now:
                    break
        return Blocks(blocks, perf_counter() - began, self.stamp)

    def _run_apart(self, task: Task) -> Block:
        """Run a block whose cells see nothing of what others did to their parameters."""
        arguments = self._arguments.of(task.condition)
        if arguments.untried:
            # Alone: what it does, the second might undo. The driver schedules the rest anew.
            task = task._replace(stop=task.start + 1)
        block = self._run_block(task, arguments)
        arguments.untried = False
        if len(block) and arguments.were_changed():
            arguments = self._arguments.careful(task.condition)
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
        rows = Rows(task.condition, of_several=isinstance(task, Trip))
        failures = list[Failure]()
        cells = RunningCells(task, self._names)
        thread = get_ident()
        began = perf_counter()
        cells.points.append((cells.start, began))
        # On Ctrl-C what finished of the block is kept; the driver knows of the signal.
        with suppress(Interruption):
            try:
                self._blocks[thread] = cells
                cells.begin()
                if self._is_async and isinstance(task, Task) and isinstance(arguments, Arguments):
                    self.coroutines.run_here(task, arguments, cells, rows, failures)
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
            block.logged = [*(cells.logged or ()), *self.coroutines.awaiting.taken()]
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
        looked = began = clock()
        points[:] = [(first, looked)]
        deadline = self._deadline(looked)
        due = self._next_look(looked, deadline, 0.0)  # its first cell says little of the others
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
            took = now - looked
            if took > GLANCE_SECONDS or (took > GLANCE_SECONDS / 2 and few < GLANCE_CELLS):
                if points[-1][0] != first:  # those before it were quicker
                    points.append((first, looked))
                points.append((following, now))
                if took > GLANCE_SECONDS:
                    few = few // 2 or 1
            elif few < most:
                few *= 2
            if now > due:
                left = (now - began) * (stop - following) / (following - cells.start)
                if (due := self._next_look(now, deadline, left)) <= now:
                    return
            first, looked = following, now

    def _none_of(self, task: Task | Trip) -> Block | Blocks:
        if isinstance(task, Trip):
            return Blocks([], 0.0, self.stamp)
        return Block(task.condition, task.start, task.start, [], [], 0.0, stamp=self.stamp)

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
    numbers, add, varying = rows.numbers, rows.add, arguments.varying
    kind, number = type, float  # a name of a function's own is found sooner
    if arguments.constant and seed is None:
        for replicate in stretch:  # the same without what only others need: it is felt
            result = call()
            if kind(result) is number:
                numbers.append(result)
            else:
                add(replicate, result)
            if context:
                return False
        return True
    only_replicate = arguments.only_replicate
    for replicate in stretch:
        if seed is not None:
            seed_global(seed(replicate))
        result = call(replicate=replicate) if only_replicate else call(**varying(replicate))
        if kind(result) is number:
            numbers.append(result)
        else:
            add(replicate, result)
        if context:  # one that is empty still, no cell has changed
            return False
    return True
