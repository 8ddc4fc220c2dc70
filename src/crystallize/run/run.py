"""One run, from the driver's side: what lands is kept, failures are answered, the end is made."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, NamedTuple
from uuid import uuid4

from crystallize.callables import function_name
from crystallize.cells.block import Block, Failure, Row
from crystallize.cells.outcome import CellError
from crystallize.cells.outcomes import Outcomes
from crystallize.cells.rows import Rows
from crystallize.cells.table import Table, missing_runs
from crystallize.contracts import TICK, Capabilities, Completion, Task
from crystallize.description.fingerprint import source_file
from crystallize.description.seeding import replicate_seed
from crystallize.description.spec import ExperimentSpec
from crystallize.errors import ExecutorError, GlobalRandomWarning, StoreError, described
from crystallize.plugins.host import Host
from crystallize.results.errors import CellFailedError, Interrupted, TooManyFailuresError
from crystallize.results.result import Result
from crystallize.run.engine import RunningExecutor
from crystallize.run.git import GitState
from crystallize.run.observers import Hooks
from crystallize.run.progress import ProgressBar
from crystallize.run.provenance import provenance
from crystallize.run.schedule import Schedule
from crystallize.run.signals import Interrupts
from crystallize.store import Record
from crystallize.store.archive import Archive
from crystallize.store.records import lost_record, record
from crystallize.worker.block_runner import BLOCK_SECONDS, BlockCall, CellOptions
from crystallize.worker.failures import TimedOut
from crystallize.worker.global_random import STDLIB
from crystallize.worker.interruption import Interruption

RELEASE_SECONDS = 0.05
"""How often outcomes are committed and reported at the most."""


COMMIT_PAUSES = (0.1, 0.5, None)
"""How long to wait before each further try at a commit."""


LOST = "WorkerLost"
"""The ``type`` of the error of a cell that took its worker down."""


class Run:
    """One run of an experiment.

    Parameters
    ----------
    experiment : ExperimentSpec
    host : Host
        Its plugins.
    streaming : bool
        Whether someone reads the batches as they land.
    """

    def __init__(self, experiment: ExperimentSpec, host: Host, *, streaming: bool = False) -> None:
        self.experiment = experiment
        self.id = uuid4().hex
        self.interrupts = Interrupts()
        self._host = host
        self._names = tuple(experiment.conditions)
        self._tables = {name: Table(0, experiment.replicates) for name in self._names}
        self._errors: dict[tuple[str, int], CellError] = {}
        self._attempts: dict[tuple[int, int], int] = {}
        self._warned: set[str] = set()
        self._raises = experiment.on_error == "raise"
        self._hooks = Hooks(experiment, host)
        self._makes_batches = streaming or host.implements("outcomes_completed")
        self._archive: Archive | None = None
        self._found = 0
        self._rows = [Rows(condition) for condition in range(len(self._names))]
        self._landed: list[_Landed] = []
        self._released = 0.0
        self._in_flight: dict[Any, bool] = {}
        self._looked = 0.0
        options = CellOptions(
            stop_on_failure=self._raises and not experiment.retries,
            seed_globals=experiment.seed_globals,
            blas_threads=experiment.blas_threads,
            timeout=experiment.timeout,
        )
        self._capabilities = Capabilities.of(host.executor)
        # Coroutines are timed where they run.
        self._stops_late_tasks = (
            experiment.timeout is not None and not self._capabilities.calls_are_async
        )
        self._call = BlockCall(
            experiment.function,
            experiment.conditions,
            experiment.seed,
            experiment.injected,
            options,
        )
        self.executor = RunningExecutor(experiment, host, self._capabilities, self._call)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The time of the run: the store open, observers told, interruption turned into the end."""
        self._git = GitState(self._folder())
        if not self._capabilities.local_processes:
            self._git.ask()
        self._started = datetime.now(UTC)
        began = perf_counter()
        self._git_state: dict[str, Any] | None = None
        try:
            with closing(ExitStack()) as opened:
                try:
                    self._open(opened)
                    yield
                finally:
                    self._git_state = self._git.result()
                    self._seconds = perf_counter() - began
        except (Interruption, KeyboardInterrupt):
            # Whatever had landed is kept; conclude() makes the result of it.
            self.interrupts.requested = True
        except (ExecutorError, StoreError) as error:
            if hasattr(self, "_schedule"):
                error.result = self._result()
            raise

    def _open(self, opened: ExitStack) -> None:
        """Everything that a run needs and gives back at its end."""
        experiment = self.experiment
        if experiment.store is not None:
            self._archive = Archive(experiment, experiment.store)
            opened.callback(self._archive.close)
            self._tables, self._errors = self._archive.load()
            self._found = self._archive.found
        self._schedule = self._planned()
        shown = experiment.progress or bool(getattr(self._host.executor, "progress", False))
        cells = experiment.replicates * len(self._names)
        self._bar = ProgressBar(experiment.name, cells, done=self._found, shown=shown)
        opened.callback(self._bar.close)
        self._hooks.observe("before_run")
        if self._makes_batches or not self._capabilities.local_processes:
            self._call.blas.hold()  # for the cells, and for who looks at them as they land
        opened.callback(self._call.blas.release)
        if self._capabilities.calls_are_async:
            # Coroutines interleave: with them the whole run is what a block is elsewhere.
            before = self._call.watch.begin()
            opened.callback(lambda: self._warn_of_global_random(self._call.watch.end(before)))
        opened.callback(self.release)

    def _planned(self) -> Schedule:
        """A schedule of the cells that are not in the store."""
        failed: dict[str, list[int]] = {name: [] for name in self._names}
        for name, replicate in self._errors:
            failed[name].append(replicate)
        return Schedule(
            (
                (condition, start, stop)
                for condition, name in enumerate(self._names)
                for start, stop in missing_runs(self._tables[name], failed[name])
            ),
            conditions=len(self._names),
            workers=self._capabilities.workers,
            single_cell=self._capabilities.single_cell
            or self._capabilities.calls_are_async
            or not self.executor.streams,
        )

    def leave(self) -> None:
        """Say that what is cancelled from now on is cancelled by the driver."""
        self._call.leaving = True

    @property
    def over(self) -> bool:
        """Whether to stop before the work is done."""
        return self.interrupts.requested or bool(self._errors and (self._raises or self._too_many))

    @property
    def _too_many(self) -> bool:
        allowed = self.experiment.max_failures
        if allowed is None:
            return False
        if isinstance(allowed, float):
            allowed = allowed * self.experiment.replicates * len(self._names)
        return len(self._errors) > allowed

    def next_task(self) -> Task | None:
        """What the executor is to run next."""
        task = self._schedule.next_task()
        if task is not None:
            self._in_flight[task] = False
        return task

    def register_control(
        self, stop: Callable[[Any], None], elapsed: Callable[[Any], float | None]
    ) -> None:
        """See :meth:`crystallize.contracts.ActiveRun.register_control`."""
        self._stop_task, self._elapsed = stop, elapsed

    def land(self, completion: Completion | None) -> list[Outcomes]:
        """Keep what a task came to; batches of outcomes that are safe by now."""
        if self._stops_late_tasks:
            self._stop_late_tasks()
        if completion is None:
            return self.release()
        stopped = None
        if isinstance(completion, Completion):
            task, value, error = completion
            stopped = self._in_flight.pop(task, None)
        if stopped is None:
            raise self.executor.broken_contract(
                "it must yield a Completion of a task that next_task() gave and that has not "
                f"completed yet; it yielded {completion!r:.200}"
            )
        if error is not None:
            failed = self._stop(task) if stopped else self._lose(task, error)
            if failed is not None:
                self._keep(None, [failed])
        elif type(value) is Row and value[0] == task:
            # Gathered until the next release: a block for each would cost more than it does.
            self._schedule.over(task)
            self._rows[task[0]].keep(task[1], value[1], value[2])
        else:
            self._land_block(task, value)
        if perf_counter() - self._released > RELEASE_SECONDS:
            return self.release()
        return []

    def exhausted(self) -> None:
        """Learn that the executor has come to its end.

        Raises
        ------
        ExecutorError
            If it left cells behind.
        """
        if not self.over and not self._schedule.done:
            raise self.executor.broken_contract(
                "it ended before next_task() had said None with nothing in flight, so cells are "
                "missing"
            )

    def _land_block(self, task: Task, block: Any) -> None:
        least = task.start if self.interrupts.requested else task.start + 1
        if (
            not isinstance(block, Block)
            or (block.condition, block.start) != task[:2]
            or not least <= block.stop <= task.stop
        ):
            raise self.executor.broken_contract(
                f"it completed {task} with something else than call(task) returned"
            )
        self._schedule.finished(task, len(block), block.seconds)
        self._tables[self._names[block.condition]].add(block)
        errors = [error for failure in block.failures if (error := self._fail(block, failure))]
        self._keep(block, errors)
        if block.touched:
            self._warn_of_global_random(block.touched)

    def _keep(self, block: Block | None, errors: list[CellError]) -> None:
        if errors:
            self._errors.update({(error.condition, error.replicate): error for error in errors})
        if block is None or len(block) > len(block.failures) - len(errors):
            self._landed.append(_Landed(block, errors))

    def release(self) -> list[Outcomes]:
        """Commit what landed to the store, and only then report it.

        A commit that fails is tried again; what landed stays here meanwhile.
        """
        for rows in self._rows:
            for block in rows.sparse_blocks():
                self._tables[self._names[block.condition]].add(block)
                self._landed.append(_Landed(block, []))
        landed = self._landed
        if landed and self._archive is not None:
            records = [item.record(self._names) for item in landed]
            for pause in COMMIT_PAUSES:
                try:
                    self._archive.keep(records)
                    break
                except StoreError:
                    if pause is None:
                        raise
                    sleep(pause)
        self._landed = []
        if self._released:
            self._git.ask()  # where processes were to start first: that needs every CPU
        self._released = perf_counter()
        batches = [self._report_landed(item) for item in landed]
        return [batch for batch in batches if batch is not None]

    def _report_landed(self, item: _Landed) -> Outcomes | None:
        block, failed = item.block, len(item.errors)
        finished = 0 if block is None else len(block) - len(block.failures)
        self._bar.update(finished + failed, failed)
        if not self._makes_batches:
            return None
        if block is None:
            name, table = item.errors[0].condition, Table(item.errors[0].replicate, 1)
        else:
            name, table = self._names[block.condition], Table(block.start, block.stop - block.start)
            table.add(block)
        batch = Outcomes({name: table}, item.errors, self.experiment.seed)
        self._hooks.observe("outcomes_completed", outcomes=batch)
        return batch

    def conclude(self) -> Result:
        """Make the result.

        Raises
        ------
        Interrupted
            If the run was stopped from outside.
        CellFailedError
            If a cell failed and ``on_error`` is ``"raise"``.
        TooManyFailuresError
            If more cells failed than ``max_failures`` allows.
        """
        result: Result = self._result()
        if self.interrupts.requested:
            raise Interrupted(result, self.interrupts.signum)
        if self._raises and self._errors:
            raise CellFailedError(result.errors[0], result)
        if self._too_many:
            assert self.experiment.max_failures is not None
            raise TooManyFailuresError(self.experiment.max_failures, result)
        return result

    def _fail(self, block: Block, failure: Failure) -> CellError | None:
        """Answer a failed cell: another attempt, or its error."""
        cell = block.condition, block.start + failure.offset
        if self._count_attempt(cell):
            self._schedule.try_again(*cell)
            return None
        return self._error(cell, failure.type, failure.message, failure.traceback)

    def _lose(self, task: Task, error: BaseException) -> CellError | None:
        """Answer a task that did not come back; a cell that kills its worker is an error."""
        if not self._schedule.lost(task):
            return None
        cell = task.condition, task.start
        if self._count_attempt(cell):
            self._schedule.suspect(*cell)
            return None
        message = described(error)
        return self._error(cell, LOST, message, f"{message}\n")

    def _stop_late_tasks(self) -> None:
        """Ask the executor to stop every task whose cell has taken too long."""
        now = perf_counter()
        if now - self._looked < TICK / 2:
            return
        self._looked = now
        timeout = self.experiment.timeout
        assert timeout is not None
        for task, stopped in self._in_flight.items():
            # A block ends early by itself unless one cell holds it up.
            limit = timeout if task.stop - task.start == 1 else timeout + BLOCK_SECONDS
            elapsed = None if stopped else self._elapsed(task)
            if elapsed is not None and elapsed > limit:
                self._in_flight[task] = True
                self._stop_task(task)

    def _stop(self, task: Task) -> CellError | None:
        """Answer a task that was stopped: find the cell, or record it."""
        if task.stop - task.start > 1:
            self._schedule.split(task)
            return None
        self._schedule.finished(task, 1, self.experiment.timeout or 0.0)
        cell = task.condition, task.start
        if self._count_attempt(cell):
            self._schedule.try_again(*cell)
            return None
        error = TimedOut(self.experiment.timeout)
        return self._error(cell, type(error).__name__, str(error), f"TimedOut: {error}\n")

    def _count_attempt(self, cell: tuple[int, int]) -> bool:
        """Count one attempt at a cell; whether another is allowed."""
        self._attempts[cell] = self._attempts.get(cell, 0) + 1
        return self._attempts[cell] <= self.experiment.retries

    def _error(self, cell: tuple[int, int], kind: str, message: str, report: str) -> CellError:
        condition, replicate = cell
        return CellError(
            condition=self._names[condition],
            replicate=replicate,
            seed=replicate_seed(self.experiment.seed, replicate),
            type=kind,
            message=message,
            traceback=report,
            attempts=self._attempts.pop(cell),
        )

    def _result(self) -> Any:
        experiment = self.experiment
        order = {name: place for place, name in enumerate(self._names)}
        outcomes = Outcomes(
            self._tables,
            sorted(self._errors.values(), key=lambda e: (e.replicate, order[e.condition])),
            experiment.seed,
            provenance(
                experiment,
                self._host,
                workers=self._capabilities.workers,
                git=self._git_state,
                started=self._started,
                seconds=self._seconds,
                found=self._found,
            ),
        )
        return self._hooks.aggregate(outcomes)

    def _warn_of_global_random(self, touched: tuple[str, ...]) -> None:
        innocent = {STDLIB} if self._capabilities.draws_global_random else set()
        new = [name for name in touched if name not in self._warned | innocent]
        if not new:
            return
        self._warned.update(new)
        warnings.warn(
            f"{function_name(self.experiment.function)} draws from the global generator of "
            f"{' and '.join(new)}, so its numbers cannot be reproduced. Ask for 'rng' (a "
            "numpy.random.Generator) or 'seed' as a parameter instead.",
            GlobalRandomWarning,
            stacklevel=2,
        )

    def _folder(self) -> Path:
        file = source_file(self.experiment.function)
        return file.parent if file else Path.cwd()


class _Landed(NamedTuple):
    """What came to an end and is to be kept and reported: a block, or a cell that was lost."""

    block: Block | None
    errors: list[CellError]

    def record(self, names: Sequence[str]) -> Record:
        if self.block is None:
            return lost_record(self.errors[0])
        return record(names[self.block.condition], self.block, self.errors)
