"""Many conditions travel as one trip: counted, and every cell is as it would be alone."""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from crystallize import CellFailedError, Experiment, Result, hookimpl
from crystallize.contracts import Completion, Task, Trip
from crystallize.plugins import Capabilities

cloudpickle.register_pickle_by_value(sys.modules[__name__])

CONDITIONS = 400

pytestmark = pytest.mark.filterwarnings("default:odd")


class Counting:
    """A stranger's executor, which passes tasks on, and loses some of them."""

    capabilities = Capabilities(shares_process=False)

    def __init__(self, loses: int = -1) -> None:
        self.tasks: list[Any] = []
        self.loses = loses

    @hookimpl
    def execute(self, experiment: Any, call: Any, next_task: Any, run: Any) -> Any:
        while (task := next_task()) is not None:
            self.tasks.append(task)
            last = task.condition + getattr(task, "conditions", 1)
            if task.condition <= self.loses < last:
                yield Completion(task, error=OSError("gone"))
            else:
                yield Completion(task, call(task))


def drawn(rng: Any, n: int) -> dict[str, float]:
    if n % 50 == 7:
        raise ValueError(f"no {n}")
    if n % 50 == 9:
        warnings.warn(f"odd {n}", stacklevel=1)
    return {"x": rng.random() + n, "n": float(n)}


def conditions(number: int = CONDITIONS) -> dict[str, dict[str, Any]]:
    return {f"c{n}": {"n": n} for n in range(number)}


def seen(result: Result) -> Any:
    data = result.to_dict()
    errors = [{**error, "traceback": None} for error in data["errors"]]
    return data["metrics"], errors, data["warnings"]


# The functions warn on purpose, and the driver shows it.
pytestmark = pytest.mark.filterwarnings("ignore:odd")

ALONE: dict[str, Any] = {"timeout": 60.0, "execution": "parallel"}
ALONE["execution_options"] = {"executor_type": "process", "max_workers": 2}  # limits: no trips


@pytest.mark.parametrize("replicates", [1, 3])
@pytest.mark.parametrize(
    "options",
    [{"max_workers": 2}, {"max_workers": 2, "executor_type": "process"}, {}],
    ids=["threads", "processes", "serial"],
)
def test_cells_of_trips_are_what_they_are_alone(
    options: dict[str, Any], replicates: int, tmp_path: Path
) -> None:
    common: dict[str, Any] = {"replicates": replicates, "seed": 3, "retries": 1}
    alone = Experiment(drawn, conditions(60), **common, **ALONE).run()
    way = {"execution": "parallel", "execution_options": options} if options else {}
    store = tmp_path / "cells.db"
    trips = Experiment(drawn, conditions(60), **common, **way, store=store).run()
    assert seen(trips) == seen(alone)
    assert [error.attempts for error in trips.errors] == [2] * len(trips.errors)
    assert seen(Result.from_store(store)) == seen(alone)


def test_many_conditions_are_few_tasks() -> None:
    executor = Counting()
    result = Experiment(drawn, conditions(), seed=3, execution=executor).run()
    assert sum(done.all() for done in result.done.values()) == CONDITIONS - len(result.errors)
    assert len(executor.tasks) < CONDITIONS / 10
    assert any(isinstance(task, Trip) for task in executor.tasks)


def test_the_one_cell_of_a_trip_that_takes_its_worker_down_is_found() -> None:
    executor = Counting(loses=123)
    result = Experiment(drawn, conditions(), seed=3, execution=executor).run()
    lost = [error.condition for error in result.errors if error.type == "WorkerLost"]
    assert lost == ["c123"]
    assert len(executor.tasks) < CONDITIONS / 5
    assert executor.tasks.count(Task(123, 0, 1)) == 1


def test_a_trip_ends_at_the_first_failure_where_that_ends_the_run() -> None:
    ran = []

    def noted(n: int) -> float:
        ran.append(n)
        if n == 30:
            raise ValueError("here")
        return 1.0

    with pytest.raises(CellFailedError) as caught:
        Experiment(noted, conditions(), seed=3, on_error="raise").run()
    assert [error.condition for error in caught.value.result.errors] == ["c30"]
    assert max(ran) == 30


def test_slow_conditions_do_not_keep_the_others_of_their_trip_from_the_workers() -> None:
    executor = Counting()

    def slow(n: int) -> float:
        if n >= 20:
            time.sleep(0.4)  # longer than a block takes
        return 1.0

    Experiment(slow, conditions(26), seed=3, execution=executor).run()
    trips = [task for task in executor.tasks if isinstance(task, Trip)]
    assert trips and executor.tasks[-1] == Task(25, 0, 1)


@pytest.mark.faults
def test_a_worker_that_dies_in_a_trip_costs_the_cell_alone() -> None:
    def dies(n: int) -> float:
        if n == 77:
            os._exit(3)
        return float(n)

    options = {"executor_type": "process", "max_workers": 2}
    result = Experiment(
        dies, conditions(200), seed=3, execution="parallel", execution_options=options
    ).run()
    assert [(error.condition, error.type) for error in result.errors] == [("c77", "WorkerLost")]
    assert sum(int(done.sum()) for done in result.done.values()) == 199
