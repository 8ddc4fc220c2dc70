"""State of a run lives in the run: executors and experiments may have any number of runs."""

import asyncio
import threading

import pytest

from crystallize import ExecutorError, Experiment, hookimpl
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
