"""Many conditions travel as one trip: counted, and every cell is as it would be alone."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import sys
import time
import warnings
from pathlib import Path
from random import Random
from typing import Any

import cloudpickle
import numpy as np
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


def _half(n: int) -> float:
    return n / 2


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


class OneByOne(Counting):
    """A stranger's executor that is given no trips."""

    capabilities = Capabilities(shares_process=False, single_cell=True)


class Cutting:
    """A stranger's executor that runs less of a task than it was given."""

    capabilities = Capabilities(shares_process=False)

    def __init__(self, seed: int) -> None:
        self.choose = Random(seed)

    @hookimpl
    def execute(self, experiment: Any, call: Any, next_task: Any, run: Any) -> Any:
        while (task := next_task()) is not None:
            cut = task._replace(stop=self.choose.randint(task.start + 1, task.stop))
            if isinstance(task, Trip):
                cut = cut._replace(conditions=self.choose.randint(1, task.conditions))
            yield Completion(task, call(cut))


def mixed(condition: str, replicate: int, rng: Any, seed: int, seed32: int, n: int) -> Any:
    """Of each kind of value something, with metrics that differ between cells."""
    logging.getLogger("mixed").info("ran")
    kind = (n + replicate) % 9
    if kind == 0:
        raise ValueError(f"{condition} {replicate}")
    if kind == 1:
        warnings.warn(f"odd {condition}", stacklevel=1)
    values = (1, True, "text", 2.5, None, np.arange(3.0), np.float32(0.5), 2**70, 1j)
    own = {"kind": values[kind], "drawn": rng.random(), "seed": seed == seed32}
    if n % 4 == 1:
        own[f"only {n}"] = float(seed32)
    return own if n % 5 else rng.random()


@pytest.mark.parametrize("replicates", [1, 4, 150])
@pytest.mark.parametrize("seed_globals", [False, True])
def test_whatever_cells_of_trips_come_to_is_what_they_come_to_alone(
    replicates: int, seed_globals: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def experiment(**way: Any) -> Experiment:
        options: dict[str, Any] = {"replicates": replicates, "seed": 3, "retries": 1}
        return Experiment(mixed, conditions(30), seed_globals=seed_globals, **options, **way)

    alone = experiment(execution=OneByOne()).run()
    said = sorted((record.condition, record.replicate) for record in caplog.records)  # type: ignore[attr-defined]
    for way in ({}, {"execution": Cutting(replicates)}):
        caplog.clear()
        store = tmp_path / f"{len(way)}.db"
        trips = experiment(**way, store=store).run()
        assert seen(trips) == seen(alone)
        assert seen(Result.from_store(store)) == seen(alone)
        assert said == sorted((record.condition, record.replicate) for record in caplog.records)  # type: ignore[attr-defined]
        for name, values in trips.metrics.items():
            assert {key: array.dtype for key, array in values.items()} == {
                key: array.dtype for key, array in alone.metrics[name].items()
            }
        known = [np.isfinite(took).all() for took in trips.durations.values()]
        assert all(known)


def test_arrays_of_a_result_are_its_own_to_change() -> None:
    result = Experiment(lambda n: float(n), conditions(), seed=3).run()
    for values in result.metrics.values():
        values["value"][:] = 0.0
    assert [result.metrics[name]["value"].tolist() for name in ("c0", "c9")] == [[0.0], [0.0]]
    result.done["c3"][:] = False
    assert result.done["c4"].all()


@pytest.mark.parametrize("replicates", [1, 3])
def test_a_result_nobody_has_looked_into_can_be_copied_and_pickled(replicates: int) -> None:
    def result() -> Result:
        return Experiment(_half, conditions(), replicates=replicates, seed=3).run()

    looked_into = result()
    expected = seen(looked_into)
    for other in (pickle.loads(pickle.dumps(result())), copy.deepcopy(result())):
        assert seen(other) == expected
        assert other.finished == looked_into.finished
        assert list(other.durations) == list(looked_into.durations)


def test_outcomes_say_which_cells_finished_and_how_long_they_took() -> None:
    found: list[Any] = []

    class Looks:
        @hookimpl
        def aggregate_results(self, outcomes: Any) -> None:
            found.append(outcomes)

    Experiment(drawn, conditions(60), replicates=2, seed=3, aggregators=[Looks()]).run()
    (outcomes,) = found
    assert outcomes.replicates == {f"c{n}": 2 for n in range(60)}
    done, took = outcomes.done(), outcomes.durations()
    assert [name for name, flags in done.items() if not flags.any()] == ["c7", "c57"]
    assert len(outcomes) == 2 * 60
    assert all(np.isfinite(took[name].values()).all() for name in done)


def test_conditions_whose_parameters_cells_can_change_see_nothing_of_it() -> None:
    def changing(items: list[int], n: int) -> float:
        items.append(n)
        return float(len(items))

    shared = [1, 2]
    given = {f"c{n}": {"items": shared, "n": n} for n in range(50)}
    result = Experiment(changing, given, replicates=3, seed=1).run()
    assert all(arrays["value"].tolist() == [3.0] * 3 for arrays in result.metrics.values())


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
