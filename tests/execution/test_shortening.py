"""A running block that is asked to end early comes back with the cells that it has by then."""

import time
from typing import Any

import numpy as np
import pytest

from crystallize import Experiment, Retry
from crystallize.plugins import Capabilities, Completion, hookimpl
from crystallize.plugins.execution import ParallelExecution


class Run:
    """A run whose running tasks the executor itself has end early, at every tick."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.shorten: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.run, name)

    def register_shortening(self, shorten: Any, running: Any) -> None:
        self.shorten, self.running = shorten, running

    def tick(self) -> float:
        return 0.01


class Shortening(ParallelExecution):
    """Worker processes that are asked for their tasks all the time."""

    def __init__(self) -> None:
        super().__init__(executor_type="process", max_workers=2)
        self.asked: list[Any] = []
        self.completed: list[Any] = []

    @hookimpl
    def execute(self, experiment: Any, call: Any, next_task: Any, run: Any) -> Any:
        handed: list[Any] = []

        def next_noted() -> Any:
            task = next_task()
            if task is not None:
                handed.append(task)
            return task

        run = Run(run)
        for completion in super().execute(experiment, call, next_noted, run):
            if completion is None:
                for task, seconds in run.running():
                    assert task in handed and seconds >= 0
                    self.asked.append(task)
                    run.shorten(task)
            else:
                run.shorten(completion.task)  # which is over
                self.completed.append(completion)
            yield completion


def cells_of(task):
    return (task.stop - task.start) * getattr(task, "conditions", 1)


def made():
    """A function that workers need not import."""

    def trial(replicate, shift, rng):
        time.sleep(0.002)
        if replicate == 50:
            raise ValueError("fifty")
        return {"x": rng.random() + np.sum(shift)}

    return trial


@pytest.mark.parametrize("shift", [1.0, [1.0]], ids=["plain", "with containers"])
@pytest.mark.parametrize("conditions", [1, 40])
def test_what_is_left_is_run_by_others_and_the_result_is_the_same(shift, conditions):
    given = {f"c{number}": {"shift": shift} for number in range(conditions)}
    options: dict[str, Any] = {"replicates": 240 // conditions, "seed": 3}
    executor = Shortening()
    result = Experiment(made(), given, execution=executor, **options).run()
    expected = Experiment(made(), given, **options).run()
    assert result.to_dict()["metrics"] == expected.to_dict()["metrics"]
    assert {e.replicate for e in result.errors} == ({50} if conditions == 1 else set())
    assert executor.asked
    if conditions == 1 or shift == 1.0:  # of others the first cell comes back alone, asked or not
        cut = [
            completion.value
            for completion in executor.completed
            if completion.task in executor.asked
            and len(completion.value) < cells_of(completion.task)
        ]
        assert cut and all(map(len, cut))


def test_a_cell_that_is_tried_again_is_in_a_block_that_ends_early():
    executor = Shortening()
    failing = Experiment(
        made(), {"a": {"shift": 0.0}}, replicates=120, seed=3, execution=executor, retries=Retry(1)
    )
    result = failing.run()
    assert [(e.replicate, e.attempts) for e in result.errors] == [(50, 2)]
    assert executor.asked


class AlwaysAsked:
    """Runs tasks here, each of which is asked to end early all the time."""

    def __init__(self) -> None:
        self.capabilities = Capabilities(shares_process=True)
        self.shares: list[float] = []

    @hookimpl
    def execute(self, experiment: Any, call: Any, next_task: Any, run: Any) -> Any:
        call.is_to_end = lambda: True
        while (task := next_task()) is not None:
            block = call(task)
            self.shares.append(len(block) / cells_of(task))
            yield Completion(task, block)


def tasks_end_early(seconds, conditions):
    """Whether some did of a run with cells that take so long."""
    executor = AlwaysAsked()
    given = {f"c{number}": {"shift": 0.0} for number in range(conditions)}

    def trial(replicate, shift):
        if seconds:
            time.sleep(seconds)
        return replicate + shift

    options: dict[str, Any] = {"replicates": 240 // conditions, "execution": executor}
    result = Experiment(trial, given, **options).run()
    assert sum(result.finished.values()) == 240
    return min(executor.shares) < 1


@pytest.mark.parametrize("conditions", [1, 40])
def test_a_task_ends_early_only_if_there_is_much_left_of_it(conditions):
    assert tasks_end_early(2e-3, conditions)
    # Where the machine does something else for a moment, much seems to be left of any.
    assert not all(tasks_end_early(0.0, conditions) for _ in range(10))
