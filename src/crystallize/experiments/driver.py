"""One run, from the driver's side: what lands is kept, failures are answered, the end is made."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from crystallize.errors import (
    CellFailedError,
    CrystallizeError,
    ExecutorError,
    GlobalRandomWarning,
    Interrupted,
    PluginError,
    PluginWarning,
)
from crystallize.experiments.aggregation import ResultAggregator
from crystallize.experiments.cells import BlockCall, CellOptions, Task
from crystallize.experiments.global_random import STDLIB
from crystallize.experiments.interruption import Interruption, Interrupts
from crystallize.experiments.loop_adapter import ReplicateFunction, stream_loop
from crystallize.experiments.outcomes import Block, CellError, Failure, Outcomes, Table
from crystallize.experiments.plain import plain_data
from crystallize.experiments.progress import ProgressBar
from crystallize.experiments.provenance import GitState, provenance, source_file
from crystallize.experiments.result import Result
from crystallize.experiments.schedule import Schedule
from crystallize.experiments.seeding import replicate_seed
from crystallize.plugins.execution.base import Completion, Traits, function_name
from crystallize.plugins.host import HookFailure

if TYPE_CHECKING:
    from crystallize.experiments.experiment import Experiment
    from crystallize.plugins.host import Host

LOST = "WorkerLost"
"""The ``type`` of the error of a cell that took its worker down."""


class Driver:
    """One run of an experiment.

    Parameters
    ----------
    experiment : Experiment
    host : Host
        Its plugins.
    streaming : bool
        Whether someone reads the batches as they land.
    """

    def __init__(self, experiment: Experiment, host: Host, *, streaming: bool = False) -> None:
        self.experiment = experiment
        self.interrupts = Interrupts()
        self._host = host
        self._names = tuple(experiment.conditions)
        size = experiment.replicates
        self._tables = {name: Table(0, size) for name in self._names}
        self._errors: list[CellError] = []
        self._attempts: dict[tuple[int, int], int] = {}
        self._warned: set[str] = set()
        self._plugin_errors: list[dict[str, str]] = []
        self._makes_batches = streaming or host.implements("outcomes_completed")
        self._traits = Traits.of(host.executor)
        self._streams = host.implements("execute")
        self._schedule = Schedule(
            [(condition, 0, size) for condition in range(len(self._names))],
            conditions=len(self._names),
            workers=self._traits.workers,
            single_cell=self._traits.single_cell or not self._streams,
        )
        options = CellOptions(
            stop_on_failure=self._raises and not experiment.retries,
            seed_globals=experiment.seed_globals,
            blas_threads=experiment.blas_threads,
        )
        self._call = BlockCall(
            experiment.function,
            experiment.conditions,
            experiment.seed,
            experiment.injected,
            options,
        )

    @property
    def _raises(self) -> bool:
        return bool(self.experiment.on_error == "raise")

    @property
    def _calls_are_async(self) -> bool:
        """An executor of coroutine functions alone is given a coroutine function to call."""
        return "sync" not in self._traits.functions

    @property
    def is_async(self) -> bool:
        """Whether :meth:`completions` gives an async iterator."""
        return self._streams and self._calls_are_async

    def completions(self) -> Any:
        """Start the executor; its iterator of completions."""
        if self._streams:
            call = self._call.run_cell if self._calls_are_async else self._call
            return self._host.hook.execute(
                experiment=self.experiment, call=call, next_task=self._schedule.next_task
            )
        return stream_loop(
            self._host.executor_name,
            self._host.hook.run_experiment_loop,
            self.experiment,
            ReplicateFunction.kind(self._calls_are_async),
            self._call,
            self._schedule.next_task,
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """The time of the run: observers told, bar shown, interruption turned into the end."""
        git = GitState(self._folder())
        self._started = datetime.now(UTC)
        began = perf_counter()
        experiment = self.experiment
        cells = experiment.replicates * len(self._names)
        shown = experiment.progress or bool(getattr(self._host.executor, "progress", False))
        self._bar = ProgressBar(experiment.name, cells, shown=shown)
        # Coroutines interleave: with them the whole run is what a block is elsewhere.
        before = self._call.watch.begin() if self._calls_are_async else None
        self._observe("before_run")
        self._call.blas.hold()
        try:
            try:
                yield
                if before is not None:
                    self._warn_of_global_random(self._call.watch.end(before))
            finally:
                self._bar.close()
                self._call.blas.release()
                self._git = git.result()
                self._seconds = perf_counter() - began
        except (Interruption, KeyboardInterrupt):
            # Whatever had landed is kept; conclude() makes the result of it.
            self.interrupts.requested = True
        except ExecutorError as error:
            error.result = self._result()
            raise

    @contextmanager
    def executor_failing(self) -> Iterator[None]:
        """What the executor's own code raises becomes an error that names it.

        Raises
        ------
        ExecutorError
            Chained to the cause.  What had landed is kept.
        """
        try:
            yield
        except ExecutorError:
            raise
        except PluginError as error:
            raise ExecutorError(str(error)) from error
        except CrystallizeError:
            raise
        except Exception as error:
            raise ExecutorError(
                f"The execution strategy {self._host.executor_name!r} failed with "
                f"{type(error).__name__}: {error}. What had finished is on this exception "
                "as .result."
            ) from error

    @property
    def over(self) -> bool:
        """Whether to stop before the work is done."""
        return self.interrupts.requested or (self._raises and bool(self._errors))

    def land(self, completion: Completion | None) -> Outcomes | None:
        """Keep what a task came to; a batch of outcomes where someone wants it."""
        if completion is None:
            return None
        task = completion.task
        if completion.error is not None:
            errors = self._lose(task, completion.error)
            return self._landed(None, task, errors)
        block = completion.value
        if not isinstance(block, Block):
            raise ExecutorError(
                f"The execution strategy {self._host.executor_name!r} completed {task} with "
                f"{type(block).__name__} instead of what call(task) returned."
            )
        self._schedule.finished(task, block.stop - block.start, block.seconds)
        self._tables[self._names[block.condition]].add(block)
        errors = [error for failure in block.failures if (error := self._fail(block, failure))]
        self._warn_of_global_random(block.touched)
        return self._landed(block, task, errors)

    def conclude(self) -> Result:
        """Make the result.

        Raises
        ------
        Interrupted
            If the run was stopped from outside.
        CellFailedError
            If a cell failed and ``on_error`` is ``"raise"``.
        """
        result: Result = self._result()
        if self.interrupts.requested:
            raise Interrupted(result)
        if self._raises and self._errors:
            raise CellFailedError(result.errors[0], result)
        return result

    def _landed(self, block: Block | None, task: Task, errors: list[CellError]) -> Outcomes | None:
        self._errors.extend(errors)
        failed = len(errors)
        finished = 0 if block is None else block.stop - block.start - len(block.failures)
        self._bar.update(finished + failed, failed)
        if not self._makes_batches or not (finished or failed):
            return None
        table = Table(task.start, task.stop - task.start)
        if block is not None:
            table.add(block)
        batch = Outcomes({self._names[task.condition]: table}, errors, self.experiment.seed)
        self._observe("outcomes_completed", outcomes=batch)
        return batch

    def _fail(self, block: Block, failure: Failure) -> CellError | None:
        """Answer a failed cell: another attempt, or its error."""
        cell = block.condition, block.start + failure.offset
        if self._count_attempt(cell):
            self._schedule.try_again(*cell)
            return None
        return self._error(cell, failure.type, failure.message, failure.traceback)

    def _lose(self, task: Task, error: BaseException) -> list[CellError]:
        """Answer a task that did not come back; a cell that kills its worker is an error."""
        if not self._schedule.lost(task):
            return []
        cell = task.condition, task.start
        if self._count_attempt(cell):
            self._schedule.suspect(*cell)
            return []
        message = f"{type(error).__name__}: {error}".strip()
        return [self._error(cell, LOST, message, f"{message}\n")]

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
            sorted(self._errors, key=lambda e: (e.replicate, order[e.condition])),
            experiment.seed,
            provenance(
                experiment,
                self._host,
                workers=self._traits.workers,
                git=self._git,
                started=self._started,
                seconds=self._seconds,
            ),
        )
        try:
            result = self._host.hook.aggregate_results(experiment=experiment, outcomes=outcomes)
        except Exception as error:
            self._report("aggregate_results", "an aggregator", error)
            result = ResultAggregator().aggregate_results(experiment, outcomes)
        if isinstance(result, Result):
            self._extend(result)
            result.provenance["plugin_errors"] = self._plugin_errors
        self._observe("after_run", result=result)
        return result

    def _extend(self, result: Result) -> None:
        """Add the sections that plugins contribute."""
        owners: dict[str, str] = {}
        for plugin, sections in self._call_each("extend_result", result=result):
            for name, section in self._checked_sections(plugin, sections).items():
                if name in owners:
                    duplicate = PluginError(
                        f"Two plugins add a section {name!r} to the result: {owners[name]!r} and "
                        f"{plugin!r}. Leave one of them out; the result so far is on this "
                        "exception as .result."
                    )
                    duplicate.result = result
                    raise duplicate
                result.sections[name] = section
                owners[name] = plugin

    def _checked_sections(self, plugin: str, sections: Any) -> dict[str, Any]:
        try:
            return {
                name: plain_data(section, f"section {name!r}")
                for name, section in dict(sections or {}).items()
            }
        except (TypeError, ValueError) as error:
            self._report("extend_result", plugin, error)
            return {}

    def _call_each(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        for plugin, value in self._host.each(hook, experiment=self.experiment, **arguments):
            if isinstance(value, HookFailure):
                self._report(hook, plugin, value.exception)
            else:
                yield plugin, value

    def _observe(self, hook: str, **arguments: Any) -> None:
        for _ in self._call_each(hook, **arguments):
            pass

    def _report(self, hook: str, plugin: str, error: Exception) -> None:
        """A plugin that fails costs what it would have added, never the results."""
        self._plugin_errors.append(
            {"plugin": plugin, "hook": hook, "type": type(error).__name__, "message": str(error)}
        )
        warnings.warn(
            f"Plugin {plugin!r} failed in {hook} with {type(error).__name__}: {error}. "
            "The results are kept.",
            PluginWarning,
            stacklevel=2,
        )

    def _warn_of_global_random(self, touched: tuple[str, ...]) -> None:
        innocent = {STDLIB} if self._traits.draws_global_random else set()
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
