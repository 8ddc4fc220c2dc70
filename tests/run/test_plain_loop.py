"""Executors that are plain loops: asked for what is missing, and nothing of theirs is lost."""

import asyncio
import signal
import sys

import numpy as np
import pytest

from crystallize import (
    CellFailedError,
    CrystallizeError,
    ExecutorError,
    Experiment,
    TooManyFailuresError,
    hookimpl,
)
from crystallize.plugins import Capabilities
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
def test_cells_of_a_plain_loop_are_kept_as_they_finish(program, tmp_path):
    from crystallize.store.stored import StoredExperiment

    store = tmp_path / "cells.db"
    program(KILLED, store).ended(code=-signal.SIGKILL)
    (row,) = StoredExperiment(store).counts()
    assert 70 <= row["done"] <= 100  # what was reported before the last twentieth of a second


def test_a_loop_with_wrong_results_keeps_what_ran_here():
    class Half:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            return [replicate_fn(i) for i in range(10)]

    with pytest.raises(ExecutorError) as caught:
        Experiment(lambda: 1.0, replicates=20, execution=Half()).run()
    assert caught.value.result.done["baseline"].sum() == 10


def test_an_executor_that_fails_keeps_what_finished():
    class Breaks:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            for i in range(5):
                replicate_fn(i)
            raise RuntimeError("the cluster is gone")

    with pytest.raises(ExecutorError, match=r"'Breaks' failed with RuntimeError") as caught:
        Experiment(lambda replicate: replicate, replicates=9, execution=Breaks()).run()
    values = caught.value.result.metrics["baseline"]["value"]
    assert np.flatnonzero(np.isfinite(values)).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        (lambda e, f: [f(i) for i in range(e.replicates)][::-1], "at index 0"),
        (lambda e, f: [f(0)], "must return a list of 4 results.*returned 1 results"),
        (lambda e, f: 5, "returned int"),
        (lambda e, f: [None] * e.replicates, "at index 0"),
    ],
)
def test_an_executor_that_breaks_its_contract_is_named(loop, message):
    class Wrong:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            return loop(experiment, replicate_fn)

    with pytest.raises(CrystallizeError, match=rf"Wrong\.run_experiment_loop.*{message}"):
        Experiment(lambda replicate: replicate, replicates=4, execution=Wrong()).run()


def test_a_strangers_executor_never_receives_a_coroutine_function():
    class Loop:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            raise AssertionError("called")

    async def trial():
        return 1.0

    with pytest.raises(TypeError, match="Loop takes plain functions"):
        Experiment(trial, execution=Loop())


def test_a_strangers_async_loop_is_served():
    class Gathering:
        capabilities = Capabilities(functions={"async"})

        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            async def main():
                return await asyncio.gather(*map(replicate_fn, range(experiment.replicates)))

            return list(asyncio.run(main()))

    async def trial(replicate):
        await asyncio.sleep(0.001)
        return replicate

    result = Experiment(trial, replicates=7, execution=Gathering()).run()
    assert result.metrics["baseline"]["value"].tolist() == list(range(7))
