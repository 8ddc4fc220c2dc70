"""One run: what an executor is given to do, and what is done with what comes back.

A run is driven by a pump (:mod:`crystallize.run.pumps`): it opens the run, takes
each completion to :meth:`Run.land`, releases what landed when that is due, closes
the run and asks for the result.  All that differs between ``run``, ``arun`` and
``stream`` is the pump.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import uuid4

from crystallize.cells.outcomes import Outcomes
from crystallize.cells.page import Page
from crystallize.cells.summaries import PageSummaries
from crystallize.contracts import Capabilities, Completion, Pause, RunStatus, Task, Trip
from crystallize.description.fingerprint import source_file, source_hash
from crystallize.description.spec import ExperimentSpec, Progress
from crystallize.errors import (
    CrystallizeError,
    PluginError,
    StoreError,
)
from crystallize.plugins.host import Host
from crystallize.results.errors import (
    CellFailedError,
    Interrupted,
    MetricsRefusedError,
    TooManyFailuresError,
)
from crystallize.results.result import Result
from crystallize.run.block_size import block_seconds_of
from crystallize.run.cell_warnings import CellWarnings
from crystallize.run.deadlines import Deadlines
from crystallize.run.engine import Engine, check_program_goes_on
from crystallize.run.failures import Cell, FailurePolicy
from crystallize.run.git import GitState
from crystallize.run.handle import RunHandle
from crystallize.run.landing import Landing
from crystallize.run.observers import Observers
from crystallize.run.pages import Pages
from crystallize.run.progress import progress_of
from crystallize.run.provenance import provenance
from crystallize.run.rate_limit import RateLimit
from crystallize.run.recorder import Recorder
from crystallize.run.resources import worker_contexts
from crystallize.run.run_log import RunLog
from crystallize.run.schedule import Schedule
from crystallize.run.signals import Interrupts
from crystallize.run.tally import Tally
from crystallize.run.time_limit import TimeLimit
from crystallize.run.until import Stopping
from crystallize.store.lock import Lent
from crystallize.worker.block_runner import BlockCall
from crystallize.worker.cell_options import CellOptions
from crystallize.worker.interruption import Interruption
from crystallize.worker.logged import labels
from crystallize.worker.noticed import noticing
from crystallize.worker.shared_arrays import with_shared_arrays

BLOCKS_LONGEST = 3
"""A block ends early when it has taken so many times what it should."""
CELLS_AT_ONCE = 2**18
"""Of how many cells pages are made together; those that were in a store may all be complete."""
RELEASE_SECONDS = 0.05
"""How often outcomes are committed and reported at the most."""


class Run:
    """One run of an experiment; all of its state is here.

    Parameters
    ----------
    experiment : ExperimentSpec
    host : Host
        Its plugins.
    streaming : bool
        Whether someone reads the batches as they land.

    Attributes
    ----------
    id : str
        No other run has it; every block carries it.
    handle : RunHandle
        What plugins know it by.
    engine : Engine
        The executor.
    interrupts : Interrupts
        The requests to stop.
    warnings : CellWarnings
        What there is to say of single cells.
    """

    def __init__(self, experiment: ExperimentSpec, host: Host, *, streaming: bool = False) -> None:
        self.id = uuid4().hex
        self.experiment = experiment
        self._host = host
        self._capabilities = capabilities = Capabilities.of(host.executor)
        check_program_goes_on(host.executor_name, capabilities)
        self._makes_batches = streaming or host.implements("outcomes_completed")
        self.call = self._new_call()
        self.interrupts = Interrupts(self.call.strike)
        self.engine = Engine(experiment, host, capabilities, self.call)
        self.warnings = CellWarnings(
            experiment, self.call, draws_global_random=capabilities.draws_global_random
        )
        self._policy = FailurePolicy(experiment, loss_is_the_tasks=capabilities.loss_is_the_tasks)
        self._deadlines = Deadlines(experiment.timeout, BLOCKS_LONGEST * capabilities.block_seconds)
        self._limit = TimeLimit(experiment.time_limit, capabilities)
        self.handle = RunHandle(self.id, self._deadlines)
        self._observers = Observers(experiment, host, self.handle, self.interrupts)
        self._recorder = Recorder(experiment, self._observers, makes_batches=self._makes_batches)
        self._pages: Pages | None = None
        self._completed: deque[Page] = deque()
        self._summaries: PageSummaries | None = None
        if experiment.keep == "summary":
            self._summaries = PageSummaries(experiment.replicates_of, experiment.summary.by_element)
        self._stopped: dict[str, Any] | None = None
        self._is_cut = False
        self._stopping = Stopping(experiment) if experiment.until else None
        self._landing: Landing | None = None
        self._log: RunLog | None = None
        self._tally: Tally | None = None
        self._released = 0.0
        self._unread: list[Outcomes] = []
        self._opened = ExitStack()
        self._git = GitState(self._folder())
        self._source = source_hash(experiment.function)
        self._git_state: dict[str, Any] | None = None
        self._result: Result | None = None
        self._started = datetime.now(UTC)
        self._began = self._ended = perf_counter()
        self._abandoned = self._closed = False
        self._lock, self._releasing = threading.RLock(), threading.RLock()
        self.landed = 0
        """How many completions and ticks there have been: what shows that the run goes on."""

    def _new_call(self) -> BlockCall:
        experiment, capabilities = self.experiment, self._capabilities
        options = CellOptions(
            stop_on_failure=experiment.on_error == "raise" and not experiment.retries,
            seed_globals=experiment.seed_globals,
            blas_threads=experiment.blas_threads,
            timeout=experiment.timeout,
            block_seconds=BLOCKS_LONGEST * block_seconds_of(capabilities),
            cancels_late_cells=capabilities.calls_are_async and not capabilities.can_cancel,
        )
        conditions = experiment.conditions
        if capabilities.local_processes:
            conditions = with_shared_arrays(conditions)
        return BlockCall(
            experiment.function,
            conditions,
            experiment.seeding,
            experiment.injected,
            options,
            self.id,
            worker_contexts(experiment, self._host),
            experiment.retry.exceptions,
        )

    def open(self) -> None:
        """Open the store, plan what is missing in it, and tell the observers."""
        self._began = perf_counter()
        self._started = datetime.now(UTC)
        self._limit.begin()
        self.call.ends = self._limit.ends
        self._git.ask()
        if self.experiment.log is not None:
            self._log = RunLog(self.experiment.log, self.experiment.name)
        self._policy.found(self._recorder.open_store(self._opened))
        self._landing = Landing(
            self.experiment,
            self.engine,
            self.call,
            self.interrupts,
            self._planned(),
            self._policy,
            self._deadlines,
            self._recorder,
            self.warnings,
            self._limit,
        )
        self.handle.follow(self._landing.schedule)
        looked_at = ("page_completed", "should_stop")
        decides = self._summaries is not None or self._stopping is not None
        if decides or any(map(self._host.implements, looked_at)):
            self._pages = Pages(
                self._recorder.tables,
                self._policy.errors,
                self.experiment.seeding,
                self.experiment.parts,
            )
        cells = self.experiment.cells
        if self._stopping is not None:
            self._policy.count_only(self._stopping.wanted())
            cells = sum(self._stopping.expected().values())
        self._begin_counting(cells)
        self._observers.begin()
        if self._host.implements("outcomes_completed"):
            for outcomes in self._recorder.found_outcomes(self._policy.errors):
                self._observers.observe("outcomes_completed", outcomes=outcomes)
        while self._take_pages():
            self._show_pages()

    def _begin_counting(self, cells: int) -> None:
        """Count towards so many cells, for all who show how far the run is."""
        experiment, strategy = self.experiment, self._host.executor_name
        found, errors = self._recorder.found, self._policy.errors.values()
        self._tally = tally = Tally(experiment, strategy, cells, found, errors)
        shown: Progress = experiment.progress
        if not shown:
            shown = bool(getattr(self._host.executor, "progress", False))
        displays = progress_of(tally, shown)
        for display in displays:
            self._opened.callback(display.close)
        if self._log is not None:
            self._log.begun(experiment, strategy, tally)
            displays.append(self._log)
        self._recorder.begin(tally, displays, self._log)

    @contextmanager
    def cells_around(self) -> Iterator[None]:
        """What holds while cells run in this thread, or coroutines on its event loop."""
        call, capabilities = self.call, self._capabilities
        noticing.begin()
        labels.begin()
        if self._makes_batches or not capabilities.local_processes:
            call.blas.begin()  # for the cells, and for who looks at them as they land
        # Coroutines interleave: with them the whole run is what a block is elsewhere.
        before = call.watch.begin() if capabilities.calls_are_async else None
        try:
            yield
        finally:
            if before is not None:
                self.warnings.of_global_random(call.watch.end(before))
            call.close()
            call.blas.end()
            labels.end()
            noticing.end()

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Turn a request to stop into the end, and give errors what had finished."""
        try:
            yield
        except (Interruption, KeyboardInterrupt):
            # Whatever had landed is kept; conclude() makes the result of it.
            self.interrupts.requested = True
        except CrystallizeError as error:
            if self._landing is not None and getattr(error, "result", None) is None:
                error.result = self._rescued()
            raise

    def store_lent(self, give_up: Callable[[], None]) -> AbstractContextManager[Lent]:
        """Let who wants the store meanwhile have it, by calling this."""
        return self._recorder.lent(give_up)

    def close(self) -> None:
        """Release what landed, and give back what the run has opened."""
        try:
            self.release()
            self._is_cut = self._limit_left_cells()
            if self._stopping is not None and len(self._stopping.ended) == len(self._stops()):
                self._recorder.conclude(self._stopping.ended)
        finally:
            with suppress(StoreError):  # which is gone, or full: then it says what it said
                self._recorder.tell(goes_on=False)
            with self._releasing, self._lock:
                self._closed = True
                self._close_summaries()
            self._git_state = self._git.result()
            self._ended = perf_counter()
            self._opened.close()

    def _limit_left_cells(self) -> bool:
        """Whether it is the time limit that ends the run, with cells left."""
        landing = self._landing
        if landing is None or self._has_reason_to_end or not self._limit.is_over:
            return False
        return not landing.schedule.done

    def leave(self) -> None:
        """Say that what is cancelled from now on is cancelled by the driver."""
        self.call.coroutines.leaving = True

    def abandon(self, holder: Cell | None = None) -> None:
        """Take nothing any more from a pump that does not come to its end.

        Parameters
        ----------
        holder : (int, int), optional
            The cell that holds it up, where it is known.
        """
        with self._lock:
            self._abandoned = True
        self.warnings.of_cells_left(holder)

    @property
    def ends_early(self) -> bool:
        """Whether to end before all cells are done."""
        return self._abandoned or self._has_reason_to_end or self._limit.is_over

    @property
    def leaves_executor(self) -> bool:
        """Whether not even cells that run now are waited for."""
        if self._abandoned or self._has_reason_to_end:
            return True
        if self._limit.seconds is None or self._landing is None:
            return False
        return self._limit.is_over and (self._limit.stops_cells or not self._landing.waits)

    @property
    def _has_reason_to_end(self) -> bool:
        """Whether something else than its time limit ends it."""
        return (
            self.interrupts.requested
            or self._stopped is not None
            or (self._stopping is not None and self._stopping.done)
            or self._policy.ends_the_run
        )

    def next_task(self) -> Task | Trip | Pause | None:
        """What the executor is to run next."""
        with self._lock:
            landing, limit = self._landing, self._limit
            if landing is None or self._abandoned or (limit.seconds is not None and limit.is_over):
                return None
            if self._has_reason_to_end:
                return None
            return landing.next_task()

    def land(self, completion: Completion | None) -> bool:
        """Take what a task came to, or a tick; whether it is time to release what landed.

        Raises
        ------
        ExecutorError
            If the executor breaks its contract, or cannot run cells at all.
        Interruption
            If the run was given up meanwhile.
        """
        with self._lock:
            if self._landing is None or self._abandoned or self._closed:
                raise Interruption
            self.landed += 1
            self._landing.look()
            if completion is not None:
                self._landing.take(completion)
                if perf_counter() - self._released <= RELEASE_SECONDS:
                    return False
            self._landing.look_into_blocks()
            return True

    def land_for_a_while(self) -> None:
        """Learn that landing goes on: what landed is released some time from now.

        A busy event loop comes back late from each release, and would land but one task then.
        """
        self._released = perf_counter()

    def take(self, completion: Completion) -> None:
        """Take what completed in the middle of a loop, and release it if that is due."""
        if self.land(completion):
            self._unread += self._release()

    def release(self) -> list[Outcomes]:
        """Commit what landed to the store, and only then report it; what was reported."""
        batches = self._release()
        unread, self._unread = self._unread, []
        return unread + batches

    def _release(self) -> list[Outcomes]:
        with self._releasing:
            if self._closed:
                return []
            batches: list[Outcomes] = []
            has_pages = True
            while has_pages:
                with self._lock:  # not for longer: cells that end meanwhile ask for work
                    landed = self._recorder.gathered()
                    has_pages = self._take_pages()
                batches += self._recorder.release(landed)
                self._show_pages()
            self._released = perf_counter()
            return batches

    def _take_pages(self) -> bool:
        """Take pages that are complete, as many as may be in memory at once; whether there are.

        Conditions end with them.
        """
        if self._pages is None or self._stopped is not None:
            return False
        before, cells = len(self._completed), 0
        while cells < CELLS_AT_ONCE and (page := self._pages.next_page()) is not None:
            self._completed.append(page)
            cells += sum(table.size for table in page.tables.values())
            if self._stopping is not None:
                self._end_conditions(self._stopping, self._pages, page)
        return len(self._completed) > before

    def _end_conditions(self, stopping: Stopping, pages: Pages, page: Page) -> None:
        assert self._landing is not None
        names = self.experiment.conditions
        ended = stopping.look(page)
        if ended:
            for name, replicates in ended.items():
                pages.end(name, replicates)
            ends = {at: ended[name] for at, name in enumerate(names) if name in ended}
            self._landing.schedule.end(ends)
        self._policy.count_only(stopping.wanted())
        expected = stopping.expected()
        # No further ahead than to twice what was seen: a first estimate may be far off.
        ahead = max(2 * page.stop, self.experiment.fewest)
        likely = {at: min(expected[name], ahead) for at, name in enumerate(names)}
        self._landing.schedule.expect(likely)
        if self._tally is not None:
            cells = sum(expected.values())
            self._tally.expect(cells, stopping.progress(), stopping.known(), len(stopping.ended))

    def _show_pages(self) -> None:
        """Show pages in index order, until a plugin says that the run may end there."""
        while self._completed and self._stopped is None:
            page = self._completed.popleft()
            if self._summaries is not None:
                self._summaries.take(page.tables)
            self._stopped = self._observers.reason_to_stop(page)

    def _close_summaries(self) -> None:
        """Take what there is beyond the last complete page, in index order: it is a result too."""
        if self._summaries is None or self._pages is None or self._stopped is not None:
            return
        for page in self._completed:
            self._summaries.take(page.tables)
        self._completed.clear()
        for tables in self._pages.rest(self._recorder.page_starts()):
            self._summaries.take(tables)

    def take_left(self) -> None:
        """Take what finished of blocks of coroutines that did not come back."""
        with self._lock:
            if self._landing is not None and not (self._abandoned or self._closed):
                self._landing.take_left()

    def take_handed_over(self) -> None:
        """Take what finished of tasks that are running, where a signal ends the run."""
        if self.interrupts.requested:
            with suppress(Interruption):  # another signal, or nobody waits any more
                for completion in self.handle.handed_over():
                    self.land(completion)

    def exhausted(self) -> None:
        """Learn that the executor has come to its end.

        Raises
        ------
        ExecutorError
            If it left cells behind.
        """
        if self.ends_early or self._landing is None:
            return
        if not self._landing.schedule.done:
            raise self.engine.broken_contract(
                "it ended before next_task() had said None with nothing in flight, so cells are "
                "missing"
            )
        self._recorder.keep_errors(self._policy.losses_are_certain())

    def conclude(self) -> Result:
        """Make the result.

        Raises
        ------
        Interrupted
            If the run was stopped from outside.
        CellFailedError
            If a cell failed and ``on_error`` is ``"raise"``.
        MetricsRefusedError
            If no cell of a condition returned what can be kept.
        TooManyFailuresError
            If more cells failed than ``max_failures`` allows.
        """
        result: Result = self._observers.aggregate(self._outcomes(), self._sections())
        self._result = result
        if self.interrupts.requested:
            raise Interrupted(result, self.interrupts.signum)
        if self._stopping is not None and self._stopping.error is not None:
            self._stopping.error.result = result
            raise self._stopping.error
        if self._policy.raises and result.errors:
            raise CellFailedError(result.errors[0], result)
        if self._policy.hopeless is not None:
            raise MetricsRefusedError(self._policy.hopeless, result)
        if self._policy.too_many and self._stopped is None:
            assert self.experiment.max_failures is not None
            raise TooManyFailuresError(self.experiment.max_failures, result)
        return result

    def tell_end(self, error: BaseException | None = None) -> None:
        """Tell the observers how the run ended, if they were told that it began."""
        status: RunStatus = "stopped" if self._stopped or self._is_cut else "finished"
        result = self._result
        if isinstance(error, Interrupted):
            status = "interrupted"
        elif isinstance(error, (GeneratorExit, asyncio.CancelledError)):
            status, error = "left", None
        elif error is not None:
            status, result = "failed", getattr(error, "result", result)
        self._observers.end(status, result, error)
        if self._log is not None:
            log, self._log = self._log, None
            log.ended(status, error, str(self._stopped["reason"]) if self._stopped else "")
            log.close()

    def _planned(self) -> Schedule:
        """A schedule of the cells that are not in the store."""
        least, conditions = self.experiment.fewest, len(self.experiment.conditions)
        limit, workers = None, self._capabilities.workers
        is_async, has_timeout = (
            self._capabilities.calls_are_async, self.experiment.timeout is not None
        )  # fmt: skip
        if self.experiment.rate_limit is not None:
            limit = RateLimit(
                self.experiment.rate_limit, workers, begins_at_once=self.engine.streams
            )
        return Schedule(
            self._recorder.missing(self._policy.errors),
            workers=workers,
            single_cell=limit is not None
            or self._capabilities.single_cell
            or (is_async and has_timeout)
            or not self.engine.streams,
            block_seconds=block_seconds_of(self._capabilities),
            trips=not (is_async or has_timeout),
            awaits=is_async,
            expected=least * conditions if self._stopping is not None else None,
            horizon=least if self._stopping is not None and not self.engine.streams else None,
            limit=limit,
            has_reader=self._makes_batches,
        )

    def _outcomes(self) -> Outcomes:
        errors, stops = self._policy.in_order(), self._stops()
        if stops != self.experiment.replicates_of:
            errors = [error for error in errors if error.replicate < stops[error.condition]]
        if self._summaries is not None:
            self._summaries.replicates = stops
        until = None if self._stopping is None else self._stopping.described(stops)
        outcomes = Outcomes(
            {} if self._summaries is not None else self._recorder.whole(stops),
            errors,
            self.experiment.seed,
            {},
            self.experiment.seed_rule,
            self.experiment.stream_keys,
            self._summaries,
            self._recorder.attempts.within(stops),
        )
        return replace(
            outcomes,
            provenance=provenance(
                self.experiment,
                self._host,
                source=self._source,
                workers=self._capabilities.workers,
                git=self._git_state,
                started=self._started,
                seconds=self._ended - self._began,
                store=self._recorder.store,
                stopped=self._cut_at(len(outcomes)) if self._is_cut else self._stopped,
                replicates=max(stops.values()),
                until=until,
            ),
        )

    def _cut_at(self, done: int) -> dict[str, Any]:
        """What is said of a run that its time limit ended, with so many cells."""
        cells = self.experiment.cells
        if self._stopping is not None:
            cells = sum(self._stopping.expected().values())
        return {
            "reason": f"the time limit of {self._limit.seconds:g} s was over",
            "plugin": None,
            "replicates": None,
            "cells": done,
            "of": cells,
        }

    def _stops(self) -> dict[str, int]:
        """Condition -> how many replicates of it are in the result."""
        stops = dict(self.experiment.replicates_of)
        if self._stopping is not None:
            stops |= self._present() | self._stopping.ended
        if self._stopped is not None:
            end = self._stopped["replicates"]
            stops = {name: min(end, stop) for name, stop in stops.items()}
        return stops

    def _present(self) -> dict[str, int]:
        """How many replicates there are of conditions that were still to go on."""
        last = {name: max(table.last, 0) for name, table in self._recorder.tables.items()}
        for name, replicate in self._policy.errors:
            last[name] = max(last[name], replicate)
        return {name: replicate + 1 for name, replicate in last.items()}

    def _sections(self) -> dict[str, Any]:
        """What the run itself says of its results."""
        return {} if self._stopping is None else {"until": self._stopping.rows(self._stops())}

    def _rescued(self) -> Any:
        """The result of a run that ends with an error."""
        outcomes = self._outcomes()
        try:
            return self._observers.aggregate(outcomes, self._sections())
        except PluginError as error:
            return error.result
        except Exception:
            experiment = self.experiment
            return Result.of_outcomes(
                outcomes, experiment.baseline, experiment.factors, experiment.summary
            )

    def _folder(self) -> Path:
        file = source_file(self.experiment.function)
        return file.parent if file else Path()
