"""Executors that are plain loops, break, or lose what they were given."""

import signal
import subprocess
import sys

import pytest

from crystallize import (
    CellFailedError,
    CrystallizeError,
    ExecutorError,
    Experiment,
    TooManyFailuresError,
    hookimpl,
)
from crystallize.plugins import Capabilities, Completion, Execution
from crystallize.testing import same_result


class Loop:
    def __init__(self):
        self.asked = []

    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        self.asked.append(experiment.replicates)
        return [replicate_fn(i) for i in range(experiment.replicates)]


def fails_at_twenty(replicate):
    if replicate == 20:
        raise ValueError("twenty")
    return float(replicate)


def test_a_plain_loop_ends_at_the_first_failure_and_keeps_what_finished():
    ran = []

    def trial(replicate):
        ran.append(replicate)
        return fails_at_twenty(replicate)

    with pytest.raises(CellFailedError) as caught:
        Experiment(trial, replicates=300, execution=Loop(), on_error="raise").run()
    assert caught.value.result.done["baseline"].sum() == 20
    assert len(ran) == 21


def test_a_plain_loop_ends_when_too_many_failed():
    def trial(replicate):
        if replicate >= 10:
            raise ValueError("ten")
        return 1.0

    with pytest.raises(TooManyFailuresError) as caught:
        Experiment(trial, replicates=300, execution=Loop(), max_failures=2).run()
    assert (len(caught.value.result.errors), caught.value.result.done["baseline"].sum()) == (3, 10)


def test_a_retry_asks_a_plain_loop_for_the_cells_that_are_left():
    loop = Loop()
    result = Experiment(fails_at_twenty, replicates=30, execution=loop, retries=2).run()
    assert loop.asked == [30, 1, 1]
    assert [(e.replicate, e.attempts) for e in result.errors] == [(20, 3)]


def test_a_resume_asks_a_plain_loop_for_the_cells_that_are_missing(tmp_path):
    loop = Loop()
    options = {"seed": 1, "store": tmp_path / "cells.db", "execution": loop}

    def trial(rng):
        return rng.normal()

    Experiment(trial, replicates=12, **options).run()
    result = Experiment(trial, replicates=20, **options).run()
    assert loop.asked == [12, 8]
    same_result(Experiment(trial, replicates=20, seed=1).run(), result)


def test_a_stream_of_a_plain_loop_gives_every_outcome():
    outcomes = list(
        Experiment(lambda replicate: replicate, replicates=50, execution=Loop()).stream()
    )
    assert sorted(outcome.replicate for outcome in outcomes) == list(range(50))


KILLED = """
import os, signal, sys, time
from crystallize import Experiment, hookimpl


class Loop:
    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return [replicate_fn(i) for i in range(experiment.replicates)]


def trial(replicate):
    time.sleep(0.005)
    if replicate == 100:
        os.kill(os.getpid(), signal.SIGKILL)
    return float(replicate)


Experiment(trial, replicates=300, seed=1, store=sys.argv[1], execution=Loop()).run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_cells_of_a_plain_loop_are_kept_as_they_finish(tmp_path):
    from crystallize.store.stored import StoredExperiment

    store = tmp_path / "cells.db"
    done = subprocess.run([sys.executable, "-c", KILLED, str(store)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    (row,) = StoredExperiment(store).counts()
    assert 70 <= row["done"] <= 100  # what was reported before the last twentieth of a second


class Breaks(Execution):
    """Runs some tasks, then loses every one as a broken engine does."""

    capabilities = Capabilities(single_cell=True)

    def __init__(self, good):
        super().__init__()
        self.good = good

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        number = 0
        while (task := next_task()) is not None:
            number += 1
            if number > self.good:
                yield Completion(task, error=ConnectionError("the scheduler went away"))
            else:
                yield Completion(task, call(task))


@pytest.mark.parametrize("good", [0, 1, 5])
def test_an_engine_that_breaks_is_no_fault_of_healthy_cells(good):
    with pytest.raises(ExecutorError, match="the scheduler went away") as caught:
        Experiment(lambda replicate: replicate, replicates=60, execution=Breaks(good)).run()
    assert caught.value.result.errors == []
    assert caught.value.result.done["baseline"].sum() >= good


class LosesOne(Execution):
    """Loses whatever has one replicate in it."""

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        while (task := next_task()) is not None:
            if task.start <= 7 < task.stop:
                yield Completion(task, error=ConnectionError("gone"))
            else:
                yield Completion(task, call(task))


@pytest.mark.parametrize("replicates", [8, 60])
def test_a_cell_that_takes_its_worker_down_is_found(replicates):
    result = Experiment(
        lambda replicate: replicate, replicates=replicates, execution=LosesOne()
    ).run()
    assert [(e.replicate, e.type) for e in result.errors] == [(7, "WorkerLost")]
    assert result.done["baseline"].sum() == replicates - 1


@pytest.mark.parametrize("error", [RuntimeError("x"), CrystallizeError("the cluster went away")])
def test_every_error_that_ends_a_run_has_a_result(error):
    class Ends(Execution):
        @hookimpl
        def execute(self, experiment, call, next_task, run):
            for _ in range(5):
                yield Completion(task := next_task(), call(task))
            raise error

    with pytest.raises(CrystallizeError) as caught:
        Experiment(lambda: 1.0, replicates=10**6, execution=Ends()).run()
    assert caught.value.result.done["baseline"].sum() >= 5


def test_an_executor_that_says_it_can_cancel_must_say_how():
    class SaysSo(Execution):
        capabilities = Capabilities(can_cancel=True)

        @hookimpl
        def execute(self, experiment, call, next_task, run):
            while (task := next_task()) is not None:
                yield Completion(task, call(task))

    with pytest.raises(ExecutorError, match="register_control"):
        Experiment(lambda: 1.0, replicates=3, timeout=5, execution=SaysSo()).run()
