"""Checks of whole experiments on an executor."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from threading import Thread
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
from crystallize.testing.comparison import same_result
from crystallize.testing.facts import ExecutorChecks, Facts
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


class RunChecks(ExecutorChecks):
    """What an experiment comes to, whatever happens to its cells.

    Attributes
    ----------
    replicates : int
        How many replicates the larger tests run.
    """

    replicates = 60

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

        first = self.within(leave)  # any of them, also the one that fails
        outcomes = self.within(lambda: list(experiment.stream()))
        assert len(outcomes) == 2 * self.replicates, (
            f"a stream was left after its first outcome, and the next gave {len(outcomes)} of "
            f"{2 * self.replicates}. A run that is closed must keep no other from running."
        )
        assert (first.condition, first.replicate) in {(o.condition, o.replicate) for o in outcomes}

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
            "killed_always", conditions={"baseline": parameters}, replicates=3
        )
        try:
            result = self.within(experiment.run)
        except ExecutorError:
            return
        lost = [(e.replicate, e.type) for e in result.errors]
        assert lost == [(replicate, "WorkerLost") for replicate in range(3)], (
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

    def _same_on(self, executor: object, **options: Any) -> None:
        options["conditions"] = CONDITIONS
        experiment = self.experiment("drawn", **options, execution=executor)
        same_result(self.serial("drawn", **options), self.within(experiment.run))
