"""The conformance suites of execution strategies.

Subclass one of the suites in a test module and say how to make the executor::

    class TestMine(ExecutorSuite):
        def make(self):
            return MyExecution(workers=2)
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from crystallize.cells.outcome import Outcome
from crystallize.cells.outcomes import Outcomes
from crystallize.errors import ExecutorError
from crystallize.experiments.experiment import Experiment
from crystallize.hookspecs import hookimpl
from crystallize.results.errors import CellFailedError
from crystallize.results.result import Result
from crystallize.testing import trials
from crystallize.testing.comparison import same_result
from crystallize.testing.contract import (
    CLOSE_SECONDS,
    MARGIN_SECONDS,
    ExecutorChecks,
    Facts,
    StreamingChecks,
)
from crystallize.testing.interruption import Elsewhere, run_elsewhere
from crystallize.testing.noted import Noted, most_at_once
from crystallize.testing.suite import where
from crystallize.testing.trials import CONDITIONS, FAILING

TIMEOUT_SECONDS = 0.5


def _takes_timeouts(facts: Facts) -> bool:
    # A coroutine that nobody can cancel is cancelled by its own cell.
    can = facts.capabilities.can_cancel or facts.capabilities.calls_are_async
    return bool(facts.streams and can)


class Reported:
    """An observer that notes which replicates it was told to have finished."""

    def __init__(self) -> None:
        self.finished: list[int] = []

    @hookimpl
    def outcomes_completed(self, experiment: Any, outcomes: Outcomes) -> None:
        self.finished += [outcome.replicate for outcome in outcomes if outcome.error is None]


class LoopExecutorSuite(ExecutorChecks):
    """What every executor must do, one that has the plain loop alone too.

    Attributes
    ----------
    replicates : int
        How many replicates the larger tests run.
    coroutines : bool, optional
        Whether the functions are coroutine functions.  Default: where it takes no
        others.
    """

    replicates = 60
    coroutines: bool | None = None

    def function(self, name: str) -> Callable[..., Any]:
        """A function of :mod:`crystallize.testing.trials`, of the kind that is tested."""
        found: Callable[..., Any] = getattr(trials, f"{name}_async" if self._is_async else name)
        return found

    @property
    def _is_async(self) -> bool:
        if self.coroutines is None:
            return bool(self.facts.capabilities.calls_are_async)
        return self.coroutines

    def experiment(self, name: str, **options: Any) -> Experiment:
        """An experiment on the executor with a function of :meth:`function`."""
        arguments = {"execution": self.make(), "replicates": self.replicates, "seed": 20}
        return Experiment(self.function(name), **{**arguments, **options})

    def run(self, name: str, **options: Any) -> Result:
        """What such an experiment comes to."""
        return self.within(self.experiment(name, **options).run)

    def serial(self, name: str, **options: Any) -> Result:
        """What the same experiment comes to serially."""
        return self.experiment(name, **{**options, "execution": "serial"}).run()

    def loop(self, replicates: int, function: Callable[..., Any]) -> Any:
        """What its plain loop gives."""
        loop: Any = self.make().run_experiment_loop
        return self.within(loop, SimpleNamespace(replicates=replicates), function)

    @pytest.mark.parametrize("replicates", [1, 2, 17, 300])
    def test_the_loop_alone_returns_results_in_index_order(self, replicates: int) -> None:
        results = self.loop(replicates, self.function("square"))
        expected = [i * i for i in range(replicates)]
        assert results == expected, (
            f"run_experiment_loop gave {results!r:.200} for {replicates} replicates; it must "
            "return a list with replicate_fn(i) at index i, whatever order they finished in."
        )

    def test_the_loop_alone_calls_each_index_once(self) -> None:
        noted = Noted(self.folder)
        self.loop(50, noted.coroutine_at if self._is_async else noted.at)
        calls = Counter(note.start for note in noted.notes())
        assert calls == Counter(range(50)), (
            f"run_experiment_loop called replicate_fn {calls.total()} times for 50 replicates, of "
            f"{len(calls)} indices. Call it once for each: nothing is retried there, and nothing "
            "is tried out before."
        )

    def test_the_loop_alone_lets_exceptions_through(self) -> None:
        try:
            self.loop(20, self.function("refusing"))
        except LookupError:
            return
        raise AssertionError(
            "replicate_fn raised a LookupError, and run_experiment_loop returned. Let it through: "
            "that is how a run ends, on Ctrl-C too."
        )

    @where(lambda facts: facts.says, "executors that say how many workers they have")
    def test_the_loop_alone_runs_no_more_at_once_than_it_has_workers(self) -> None:
        noted, workers = Noted(self.folder, seconds=0.03), self.facts.capabilities.workers
        self.loop(min(4 * workers, 40), noted.coroutine_at if self._is_async else noted.at)
        most = most_at_once(noted.notes())
        assert most <= workers, (
            f"run_experiment_loop ran {most} calls at once, and capabilities.workers is {workers}. "
            "Run no more, or say how many there are."
        )

    def test_the_bytes_are_those_of_a_serial_run(self) -> None:
        conditions = {"control": CONDITIONS["control"]}  # of which no cell fails
        same_result(
            self.serial("measured", conditions=conditions),
            self.run("measured", conditions=conditions),
        )

    def test_a_failing_cell_fails_alone(self) -> None:
        result = self.run("measured", conditions=CONDITIONS)
        failed = [(e.condition, e.replicate) for e in result.errors]
        assert failed == [("treated", FAILING)], (
            f"replicate {FAILING} of 'treated' raises, and {failed} failed. call(task) and "
            "replicate_fn(i) report failed cells by themselves; give back what they return."
        )
        assert np.isnan(result.metrics["treated"]["x"][FAILING])
        assert np.isfinite(result.metrics["control"]["x"]).all()
        assert np.isfinite(np.delete(result.metrics["treated"]["x"], FAILING)).all()

    def test_an_exception_that_does_not_travel_is_one_failed_cell(self) -> None:
        result = self.run("awkward")
        failed = [(e.replicate, e.type, e.attempts) for e in result.errors]
        assert failed == [(FAILING, "Awkward", 1)], (
            f"replicate {FAILING} raises an exception that cannot be pickled, and {failed} "
            "(replicate, type, attempts) failed."
        )
        assert np.isfinite(result.metrics["baseline"]["value"]).sum() == self.replicates - 1

    def test_leaving_the_interpreter_is_one_failed_cell(self) -> None:
        failed = [(e.replicate, e.type) for e in self.run("leaving").errors]
        assert failed == [(FAILING, "SystemExit")], (
            f"replicate {FAILING} calls sys.exit, and {failed} failed. That is its error, and ends "
            "neither worker nor driver."
        )

    def test_a_failing_cell_is_tried_again_with_the_same_seed(self) -> None:
        failed = [(e.replicate, e.attempts) for e in self.run("failing", retries=2).errors]
        assert failed == [(FAILING, 3)], (
            f"with retries=2 replicate {FAILING} is to fail after 3 attempts; {failed} (replicate, "
            "attempts) failed. What is to be tried again is a task like any other, that "
            "next_task() gives or that the loop is called for once more."
        )

    def test_raising_ends_the_run_and_keeps_what_finished(self) -> None:
        reported = Reported()
        with pytest.raises(CellFailedError) as caught:
            self.run("failing", on_error="raise", plugins=[reported])
        assert caught.value.error.replicate == FAILING
        values = caught.value.result.metrics["baseline"]["value"]
        done = np.flatnonzero(np.isfinite(values))
        assert len(done), "nothing was kept of what had finished before the first failed cell"
        assert (values[done] == done).all()
        assert sorted(reported.finished) == done.tolist()

    def test_a_stream_can_be_left_early(self) -> None:
        experiment = self.experiment("measured", conditions=CONDITIONS)

        def leave() -> Outcome:
            stream: Any = experiment.stream()
            with closing(stream):
                first: Outcome = next(stream)
            return first

        assert self.within(leave).metrics is not None
        outcomes = self.within(lambda: list(experiment.stream()))
        assert len(outcomes) == 2 * self.replicates, (
            f"a stream was left after its first outcome, and the next gave {len(outcomes)} of "
            f"{2 * self.replicates}. A run that is closed must keep no other from running."
        )

    def test_two_experiments_run_in_turn(self) -> None:
        executor = self.make()
        for seed, replicates in ((1, 30), (2, 20), (3, 50), (1, 30)):
            self._same_on(executor, seed=seed, replicates=replicates)

    def test_two_experiments_run_at_once(self) -> None:
        executor = self.make()
        problems: list[BaseException] = []

        def run(seed: int) -> None:
            try:
                self._same_on(executor, seed=seed)
            except BaseException as error:
                problems.append(error)

        threads = [Thread(target=run, args=(seed,), daemon=True) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.patience)
        assert not any(thread.is_alive() for thread in threads), (
            "two experiments at once on one executor did not end. Keep what a run changes in "
            "execute, never on the executor: it may have any number of runs at once."
        )
        if problems:
            raise AssertionError(
                "two experiments at once on one executor do not come to what each alone comes to "
                f"({problems[0]!r:.200}). Keep what a run changes in execute, never on the "
                "executor: it may have any number of runs at once."
            ) from problems[0]

    def test_it_runs_inside_an_event_loop(self) -> None:
        experiment = self.experiment("measured", conditions=CONDITIONS)

        async def main() -> tuple[Result, Result, list[Outcome]]:
            return experiment.run(), await experiment.arun(), list(experiment.stream())

        run, arun, streamed = self.within(lambda: asyncio.run(main()))
        same_result(run, arun)
        cells = sorted((outcome.condition, outcome.replicate) for outcome in streamed)
        assert cells == sorted((c, i) for c in CONDITIONS for i in range(self.replicates))

    def test_a_run_is_taken_up_where_its_store_ends(self) -> None:
        store = self.folder / "store.sqlite"
        for replicates, again in ((20, False), (70, False), (70, True)):
            options = {"replicates": replicates, "conditions": CONDITIONS}
            result = self.run("drawn", store=store, retry_failed=again, **options)
            same_result(self.serial("drawn", **options), result)

    @where(
        lambda facts: not facts.capabilities.shares_process,
        "executors whose cells share no process",
    )
    def test_global_generators_are_seeded_for_each_cell(self) -> None:
        options: dict[str, Any] = {"seed_globals": True, "replicates": 100}
        same_result(self.serial("global_draws", **options), self.run("global_draws", **options))

    @where(lambda facts: facts.processes and facts.streams, "executors with worker processes")
    def test_a_cell_that_kills_its_worker_once_is_run_again(self) -> None:
        parameters = {"flag": str(self.folder / "flag"), "driver": os.getpid()}
        result = self.run("killed_once", conditions={"baseline": parameters})
        values = result.metrics["baseline"]["value"].tolist()
        assert (result.errors, values) == ([], list(map(float, range(self.replicates)))), (
            f"a worker was killed once, and then {len(result.errors)} cells have failed and "
            f"{int(np.isnan(values).sum())} have no value. Yield a Completion with an error for "
            "each task that is lost with a worker, and go on with others."
        )

    @where(lambda facts: facts.processes, "executors with worker processes")
    def test_an_engine_that_loses_everything_ends_the_run(self) -> None:
        parameters = {"driver": os.getpid()}
        experiment = self.experiment(
            "killed_always", conditions={"baseline": parameters}, replicates=6
        )
        try:
            result = self.within(experiment.run)
        except ExecutorError:
            return
        lost = [(e.replicate, e.type) for e in result.errors]
        assert lost == [(replicate, "WorkerLost") for replicate in range(6)], (
            f"every cell kills its worker, and the run came to an end with the errors {lost}. "
            "Report each task that is lost with an error, or raise where the engine is broken."
        )

    @where(_takes_timeouts, "executors that can cancel a running task")
    def test_a_cell_that_hangs_is_timed_out(self) -> None:
        result = self.run("hanging", timeout=TIMEOUT_SECONDS)
        failed = [(e.replicate, e.type) for e in result.errors]
        assert failed == [(FAILING, "TimedOut")], (
            f"replicate {FAILING} hangs, and {failed} failed with timeout={TIMEOUT_SECONDS:g}. "
            "Have the 'cancel' that execute registers end that task, whose Completion then has an "
            "error, and no other."
        )

    def test_ctrl_c_ends_a_program(self) -> None:
        found = self._elsewhere()
        # The driver has no hold on a plain loop but between two calls.
        limit = CLOSE_SECONDS + 3 * MARGIN_SECONDS if self.facts.streams else self.patience
        assert found.status is not None and found.seconds <= limit, (
            f"the program went on for {found.seconds:.1f} seconds after Ctrl-C. Let exceptions "
            "through, cancel what waits, and leave no thread that keeps the interpreter from "
            "ending."
        )
        assert "kept" in found.found, (
            "after Ctrl-C the run has not ended as an interrupted one does. Let KeyboardInterrupt "
            f"and other exceptions of BaseException's kind through.\n{found.errors}"
        )

    @where(lambda facts: facts.streams, "executors that stream")
    def test_ctrl_c_keeps_what_finished(self) -> None:
        kept = self._elsewhere().found.get("kept", 0)
        assert kept, (
            "three cells had finished before Ctrl-C, and none was kept. Yield each completion as "
            "it happens."
        )

    def test_ctrl_c_leaves_no_process(self) -> None:
        orphans = self._elsewhere().orphans
        assert not orphans, (
            f"processes {orphans} outlived the program that had started them. End workers when a "
            "run ends, and have them end by themselves when their driver is gone."
        )

    def test_signal_handlers_are_as_they_were(self) -> None:
        changed = self._elsewhere().found["changed"]
        changes = [name for name in changed if name.startswith("the handler")]
        assert not changes, (
            f"after a run in the main thread {' and '.join(changes)} had changed. Leave signals "
            "to the driver, or put back what was there when the run ends."
        )

    def test_what_is_global_is_as_it_was(self) -> None:
        changes = [
            name for name in self._elsewhere().found["changed"] if not name.startswith("the handler")
        ]
        assert not changes, (
            f"after its first runs {' and '.join(changes)} of the driver's process had changed. "
            "Leave what is global alone, or put it back when the run ends."
        )

    def test_nothing_is_printed_on_standard_output(self) -> None:
        printed = self._elsewhere().printed
        assert not printed, (
            f"it prints on standard output: {printed[:3]}. That is the user's: print on standard "
            "error, or log."
        )

    def _same_on(self, executor: object, **options: Any) -> None:
        options["conditions"] = CONDITIONS
        experiment = self.experiment("drawn", **options, execution=executor)
        same_result(self.serial("drawn", **options), self.within(experiment.run))

    def _elsewhere(self) -> Elsewhere:
        """What a program came to that ran it in its main thread, and was interrupted."""
        streams = self.facts.streams

        def gather() -> Elsewhere:
            found = run_elsewhere(
                self.make(),
                type(self).__module__,
                self.folder,
                is_async=self._is_async,
                # A loop is looked at between two cells.
                seconds=20.0 if streams else 0.3,
                replicates=40 if streams else 400,
                patience=self.patience / 2,
            )
            assert found.found.get("values") == [4.0] * 20, (
                "a run in a program of its own, in its main thread, did not come to its values:\n"
                f"{found.errors or found.printed}"
            )
            return found

        return self.evidence("elsewhere", gather)


class ExecutorSuite(LoopExecutorSuite, StreamingChecks):
    """What every executor must do; override :meth:`make`.

    Which tests there are follows from what the executor says it can do: the
    contract of ``execute`` is checked where it has that hook, killed workers where
    it has processes, timeouts where it can cancel.
    """


class AsyncExecutorSuite(ExecutorSuite):
    """The same with coroutine functions, for an executor that takes them."""

    coroutines = True
