"""Executors that break their contract, and functions that try everything."""

import asyncio
import collections
import dataclasses
import decimal
import enum
import pickle
from typing import Any

import numpy as np
import pytest

from crystallize import CrystallizeError, Experiment, hookimpl
from crystallize.contracts import Task
from crystallize.errors import (
    ConfigError,
    ExecutorError,
    InvalidValueError,
    PluginWarning,
    UnknownNameError,
)
from crystallize.plugins.execution import Completion, ParallelExecution
from crystallize.results.errors import CellFailedError
from crystallize.testing import same_result

PROCESS = {"execution": "parallel", "execution_options": {"executor_type": "process"}}


def drive(body, **options):
    """Run 20 replicates on an executor with this streaming loop."""

    class Strange:
        @hookimpl
        def execute(self, experiment, call, next_task):
            return body(call, next_task)

    return Experiment(lambda replicate: replicate, replicates=20, execution=Strange(), **options)


def tasks(next_task):
    return iter(next_task, None)


def ends_early(call, next_task):
    task = next_task()
    yield Completion(task, call(task))


def drops_one(call, next_task):
    for number, task in enumerate(tasks(next_task)):
        if number != 1:
            yield Completion(task, call(task))


def yields_junk(call, next_task):
    task = next_task()
    yield Completion(task, call(task))
    yield 5


def yields_twice(call, next_task):
    task = next_task()
    yield Completion(task, call(task))
    yield Completion(task, error=OSError())


def yields_unknown(call, next_task):
    task = next_task()
    yield Completion(task, call(task))
    yield Completion(Task(0, 15, 16), error=OSError())


def yields_another(call, next_task):
    task = next_task()
    yield Completion(task, call(task))
    yield Completion(next_task(), call(task))


def leaves(call, next_task):
    task = next_task()
    yield Completion(task, call(task))
    raise SystemExit(5)


@pytest.mark.parametrize(
    "body",
    [ends_early, drops_one, yields_junk, yields_twice, yields_unknown, yields_another, leaves],
)
def test_a_broken_contract_is_an_error_with_what_finished(body):
    with pytest.raises(ExecutorError, match=r"'Strange' (breaks its contract|failed)") as caught:
        drive(body).run()
    values = caught.value.result.metrics["baseline"]["value"]
    done = np.flatnonzero(caught.value.result.done["baseline"])
    assert len(done) >= 1
    assert (values[done] == done).all()


@pytest.mark.parametrize("given", [[], 5, None])
def test_something_else_than_a_generator_is_refused(given):
    with pytest.raises(ExecutorError, match="execute must be a generator"):
        drive(lambda call, next_task: given).run()


def test_any_iterator_will_do():
    class Iterator:
        def __init__(self, call, next_task):
            self.call, self.next_task = call, next_task

        def __iter__(self):
            return self

        def __next__(self):
            task = self.next_task()
            if task is None:
                raise StopIteration
            return Completion(task, self.call(task))

    assert drive(Iterator).run().errors == []


def test_a_transport_error_that_cannot_be_shown_is_recorded():
    class Silent(Exception):
        def __str__(self):
            raise RuntimeError

    def body(call, next_task):
        for task in tasks(next_task):
            poison = task.start <= 5 < task.stop
            yield Completion(task, error=Silent()) if poison else Completion(task, call(task))

    result = drive(body).run()
    assert [(e.replicate, e.type, e.message) for e in result.errors] == [
        (5, "WorkerLost", "Silent")
    ]


@pytest.mark.parametrize(("name", "value"), [("functions", None), ("functions", 3), ("workers", 0)])
def test_attributes_that_mean_nothing_are_refused(name, value):
    class Odd:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            return []

    setattr(Odd, name, value)
    with pytest.raises(CrystallizeError, match="Odd"):
        Experiment(lambda: 1.0, execution=Odd())


def test_a_loop_with_wrong_results_keeps_what_ran_here():
    class Half:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            return [replicate_fn(i) for i in range(10)]

    with pytest.raises(ExecutorError) as caught:
        Experiment(lambda: 1.0, replicates=20, execution=Half()).run()
    assert caught.value.result.done["baseline"].sum() == 10


@pytest.mark.parametrize("strategy", ["serial", "async"])
@pytest.mark.parametrize("how", ["cancel", "cancel-and-return", "generator-exit"])
def test_a_cell_that_cancels_itself_costs_no_other(strategy, how):
    async def trial(replicate):
        if replicate == 1:
            if how == "generator-exit":
                raise GeneratorExit
            asyncio.current_task().cancel()
            if how == "cancel-and-return":
                return replicate
        await asyncio.sleep(0)
        return replicate

    options = {"max_concurrency": 2} if strategy == "async" else {}
    result = Experiment(trial, replicates=8, execution=strategy, execution_options=options).run()
    done = np.flatnonzero(result.done["baseline"]).tolist()
    failed = [e.replicate for e in result.errors]
    assert sorted(done + failed) == list(range(8))
    assert set(failed) <= {1}
    assert failed == ([] if how == "cancel-and-return" else [1])


def test_a_metric_that_some_cells_lack_has_its_own_n():
    result = Experiment(lambda replicate: {"ab"[replicate % 2]: 1.0}, replicates=6).run()
    row = result.summary()[0]
    assert (row["n"], row["mean"], row["failed"]) == (3, 1.0, 0)
    assert result.to_dict()["metrics"]["baseline"]["a"] == [1.0, None] * 3


def test_large_integers_have_a_mean():
    (row,) = Experiment(lambda replicate: 2**70 + replicate, replicates=3).run().summary()
    assert row["mean"] == pytest.approx(2.0**70)


@pytest.mark.parametrize("options", [{}, {"execution": "parallel"}, PROCESS])
def test_metric_names_of_a_subclass_of_str_are_plain_names(options):
    def trial(replicate):
        return {np.str_("a"): 1.0} if replicate % 3 else {"a": 2.0}

    result = Experiment(trial, replicates=40, **options).run()
    assert result.errors == []
    assert [type(name) for name in result.metrics["baseline"]] == [str]


@pytest.mark.parametrize("strategy", ["serial", "coroutine", "thread", "process", "async"])
def test_a_metric_without_a_proper_name_is_one_failed_cell(strategy):
    def trial(replicate):
        return {replicate if replicate == 3 else "a": 2.0}

    async def atrial(replicate):
        return trial(replicate)

    options = {
        "serial": {},
        "coroutine": {},
        "thread": {"execution": "parallel"},
        "process": PROCESS,
        "async": {"execution": "async"},
    }[strategy]
    function = atrial if strategy in ("async", "coroutine") else trial
    result = Experiment(function, replicates=6, **options).run()
    assert [(e.replicate, e.type, e.attempts) for e in result.errors] == [(3, "MetricError", 1)]
    assert "name must be a string, got 3" in result.errors[0].message
    assert np.isfinite(result.metrics["baseline"]["a"]).sum() == 5


class Colour(enum.StrEnum):
    RED = "red"


@dataclasses.dataclass
class Holder:
    items: list


Pair = collections.namedtuple("Pair", "items")


def test_a_string_enumeration_is_its_string():
    result = Experiment(lambda: {"c": Colour.RED}).run()
    assert result.metrics["baseline"]["c"].tolist() == ["red"]


@pytest.mark.parametrize("unit", ["ns", "D", "s"])
def test_times_are_no_metric_whatever_their_unit(unit):
    (error,) = Experiment(lambda: {"t": np.datetime64("2026-01-01", unit)}).run().errors
    assert "'t'" in error.message


@pytest.mark.parametrize(
    "make",
    [
        lambda: collections.defaultdict(list, a=[]),
        lambda: collections.OrderedDict(a=[]),
        lambda: collections.deque(),
        lambda: Holder([]),
        lambda: Pair([]),
        lambda: ([],),
    ],
)
def test_containers_are_copied_for_each_cell(make):
    def trial(box):
        items = box["a"] if isinstance(box, dict) else getattr(box, "items", None)
        if items is None:
            items = box if isinstance(box, collections.deque) else box[0]
        items.append(1)
        return len(items)

    result = Experiment(trial, {"a": {"box": make()}}, replicates=20).run()
    assert set(result.metrics["a"]["value"]) == {1}


@pytest.mark.parametrize("options", [{}, {"execution": "parallel"}, PROCESS])
def test_settings_around_the_run_reach_no_cell(options):
    def trial():
        return {
            "division": float(np.float64(1) / np.float64(0)),
            "third": str(decimal.Decimal(1) / 3),
        }

    import warnings

    def quiet():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return trial()

    plain = Experiment(quiet, replicates=3).run()
    with np.errstate(all="raise"), decimal.localcontext(decimal.Context(prec=3)):
        same_result(Experiment(quiet, replicates=3, seed=plain.root, **options).run(), plain)


def test_generator_functions_are_refused_before_the_run():
    def generates():
        yield 1.0

    async def agenerates():
        yield 1.0

    for function, execution in ((generates, "serial"), (agenerates, "async")):
        with pytest.raises(TypeError, match="is a generator function"):
            Experiment(function, execution=execution)


def test_what_is_filled_in_cannot_be_positional_only():
    def trial(rng=None, /):
        return 1.0

    with pytest.raises(TypeError, match="'rng' by position only"):
        Experiment(trial)


def test_a_metric_may_be_called_like_an_index_column():
    frame = Experiment(lambda: {"condition": 1.0, "replicate": 7.0}, replicates=2).run().to_frame()
    assert frame["replicate"].tolist() == [0, 1]
    assert frame["metric.replicate"].tolist() == [7.0, 7.0]


@pytest.mark.parametrize("hook", ["before_run", "outcomes_completed", "after_run", "extend_result"])
def test_a_plugin_that_leaves_the_interpreter_costs_no_results(hook):
    def leave(self):
        raise SystemExit(9)

    plugin = type("Leaving", (), {hook: hookimpl(leave)})()
    with pytest.warns(PluginWarning, match=f"{hook} with SystemExit"):
        result = Experiment(lambda: 1.0, plugins=[plugin]).run()
    assert result.metrics["baseline"]["value"].tolist() == [1.0]


class Adds:
    def __init__(self, sections):
        self.sections = sections

    @hookimpl
    def extend_result(self):
        return self.sections


def test_sections_without_end_or_with_odd_names_are_recorded():
    endless: list[Any] = []
    endless.append(endless)
    for sections in ({"x": endless}, {3: 4}):
        with pytest.warns(PluginWarning, match="extend_result"):
            result = Experiment(lambda: 1.0, aggregators=[Adds(sections)]).run()
        result.to_dict()


def test_our_errors_travel_between_processes():
    result = Experiment(lambda: 1 / 0).run()
    errors = [
        InvalidValueError("x", 1, "y"),
        UnknownNameError("executor", "a", ["b"]),
        ConfigError("file", ["problem"]),
        CellFailedError(result.errors[0], result),
    ]
    for error in errors:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))
    assert again.error == result.errors[0]


def test_a_coroutine_that_comes_too_late_has_timed_out():
    import time

    async def blocks():
        time.sleep(0.3)
        return 1.0

    (error,) = Experiment(blocks, execution="async", timeout=0.1).run().errors
    assert error.type == "TimedOut"


def test_a_mapping_that_contradicts_itself_is_a_failed_cell():
    class Short(collections.abc.Mapping):
        def __len__(self):
            return 2

        def __iter__(self):
            return iter("ab")

        def __getitem__(self, key):
            if key == "b":
                raise KeyError(key)
            return 1.0

    (error,) = Experiment(lambda: Short(), execution=ParallelExecution(2)).run().errors
    assert error.type == "KeyError"
