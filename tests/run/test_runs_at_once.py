"""State of a run lives in the run: executors and experiments may have any number of runs."""

import asyncio
import threading

import pytest

from crystallize import ExecutorError, Experiment, InvalidValueError, hookimpl
from crystallize.plugins.execution import (
    AsyncExecution,
    Completion,
    Execution,
    ParallelExecution,
    SerialExecution,
)
from crystallize.testing import same_result


def trial(rng):
    return rng.normal()


async def atrial(rng):
    await asyncio.sleep(0)
    return rng.normal()


@pytest.mark.parametrize(
    "executor",
    [SerialExecution(), ParallelExecution(2), ParallelExecution(2, "process")],
    ids=["serial", "thread", "process"],
)
def test_one_experiment_in_threads_at_once(executor):
    experiment = Experiment(lambda rng: rng.normal(), replicates=200, seed=3, execution=executor)
    results = []
    threads = [threading.Thread(target=lambda: results.append(experiment.run())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        same_result(results[0], result)
    assert len(results) == 3


def test_one_experiment_gathered():
    experiment = Experiment(atrial, replicates=100, seed=3, execution=AsyncExecution())

    async def main():
        return await asyncio.gather(*(experiment.arun() for _ in range(3)))

    first, *others = asyncio.run(main())
    for other in others:
        same_result(first, other)


def test_one_executor_nested():
    executor = ParallelExecution(2)

    def outer(replicate):
        inner = Experiment(trial, replicates=5, seed=replicate, execution=executor).run()
        return inner.metrics["baseline"]["value"].sum()

    result = Experiment(outer, replicates=4, seed=1, execution=executor).run()
    assert result.errors == []


class KeepsTheFirstCall(Execution):
    @hookimpl
    def execute(self, experiment, call, next_task, run):
        first = vars(self).setdefault("_call", call)
        while (task := next_task()) is not None:
            yield Completion(task, first(task))


def test_a_block_of_another_runs_call_is_found_out():
    executor = KeepsTheFirstCall()
    assert Experiment(lambda: 1.0, replicates=3, execution=executor).run().errors == []
    with pytest.raises(ExecutorError, match="the call of another run"):
        Experiment(lambda: 2.0, replicates=3, execution=executor).run()


def test_executors_are_values():
    assert ParallelExecution(2) == ParallelExecution(2)
    assert ParallelExecution(2) != ParallelExecution(2, "process")
    assert SerialExecution() != AsyncExecution()
    assert len({ParallelExecution(2), ParallelExecution(2), SerialExecution()}) == 2
    shown = "ParallelExecution(executor_type='process', max_workers=2, progress=False)"
    assert repr(ParallelExecution(2, "process")) == shown
    executor = ParallelExecution(2)
    Experiment(trial, replicates=3, execution=executor).run()
    assert executor == ParallelExecution(2)


@pytest.mark.parametrize(
    ("executor", "option", "value"),
    [
        (ParallelExecution(), "max_workers", 0),
        (ParallelExecution(), "executor_type", "fork"),
        (AsyncExecution(), "max_concurrency", 1.5),
        (SerialExecution(), "progress", "yes"),
    ],
)
def test_a_bad_option_is_refused_when_it_is_assigned(executor, option, value):
    before = getattr(executor, option)
    with pytest.raises(InvalidValueError, match=option):
        setattr(executor, option, value)
    assert getattr(executor, option) == before


def test_a_run_replaces_no_array_of_an_experiment():
    import numpy as np

    def total(data):
        return data.sum()

    experiment = Experiment(
        total, {"a": {"data": np.ones(2**18)}}, execution=ParallelExecution(1, "process")
    )
    before = experiment.conditions["a"]["data"]
    experiment.run()
    assert experiment.conditions["a"]["data"] is before
