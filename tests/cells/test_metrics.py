"""What a function may return, and what is said where it returns something else."""

import asyncio
import collections
import dataclasses
import enum
import sqlite3
import sys
import time
from contextlib import closing
from typing import Any, NamedTuple

import cloudpickle
import numpy as np
import pytest

from crystallize import CellFailedError, Experiment, MetricsRefusedError, Result
from crystallize.cells import metrics
from crystallize.plugins.execution import ParallelExecution
from crystallize.store import records

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def returned(values):
    return Experiment(lambda replicate: {"m": values[replicate]}, replicates=len(values)).run()


PROCESS = {"execution": "parallel", "execution_options": {"executor_type": "process"}}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ([[1, 2], [3, 4]], "list that holds a list"),
        ([1, "two"], "list that holds a str"),
        ([1.0, True], "list that holds booleans beside numbers"),
        ([2**64, 1], "exactly"),
        ([2**53 + 1, 0.5], "exactly"),
        pytest.param(10**5000, "16,610 bits", id="number"),
        pytest.param("x" * (2**24 + 1), "16,777,217 characters", id="text"),
        pytest.param(np.broadcast_to(0.0, 10**8), "800 MB", id="array"),
        ({"a": 1}, "dict"),
        (object(), "object"),
        (b"bytes", "bytes"),
        (np.array([object()]), "dtype object"),
        (np.ma.masked_array([1.0], [True]), "MaskedArray"),
        (np.datetime64("2026-01-01"), "date"),
    ],
)
def test_a_value_that_is_no_metric_fails_its_cell_and_names_metric_and_type(value, named):
    result = returned([1.0, value])
    (error,) = result.errors
    assert error.replicate == 1
    assert "'m'" in error.message
    assert named in error.message


@pytest.mark.parametrize("returns", [None, [1.0], "text", (1, 2)])
def test_returning_something_else_than_metrics_fails_the_cell(returns):
    (error,) = Experiment(lambda: returns).run().errors
    assert "must return a mapping of metrics, or one number" in error.message


def test_a_coroutine_that_nobody_awaits_is_explained():
    async def hidden():
        return 1.0

    (error,) = Experiment(lambda: hidden()).run().errors
    assert "async def" in error.message


def test_metric_names_must_be_strings():
    (error,) = Experiment(lambda: {3: 1.0}).run().errors
    assert "must be a string, got 3" in error.message


def test_one_number_is_a_metric_named_value():
    assert Experiment(lambda: 3, replicates=2).run().metrics["baseline"]["value"].tolist() == [3, 3]


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


def test_a_string_enumeration_is_its_string():
    result = Experiment(lambda: {"c": Colour.RED}).run()
    assert result.metrics["baseline"]["c"].tolist() == ["red"]


@pytest.mark.parametrize("unit", ["ns", "D", "s"])
def test_times_are_no_metric_whatever_their_unit(unit):
    (error,) = Experiment(lambda: {"t": np.datetime64("2026-01-01", unit)}).run().errors
    assert "'t'" in error.message


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


@dataclasses.dataclass
class Fit:
    slope: float
    converged: bool


class Pair(NamedTuple):
    low: float
    high: Any


@pytest.mark.parametrize("options", [{}, PROCESS])
def test_a_dataclass_and_a_named_tuple_are_mappings_of_metrics(options):
    fitted = Experiment(lambda replicate: Fit(replicate / 2, True), replicates=3, **options).run()
    assert fitted.metrics["baseline"]["slope"].tolist() == [0.0, 0.5, 1.0]
    assert fitted.metrics["baseline"]["converged"].tolist() == [True] * 3
    pairs = Experiment(lambda replicate: Pair(0.5, np.int64(replicate)), replicates=3).run()
    assert pairs.metrics["baseline"]["low"].tolist() == [0.5] * 3
    assert pairs.metrics["baseline"]["high"].dtype == np.int64


def test_a_dataclass_with_something_that_is_no_metric_fails_its_cell():
    (error,) = Experiment(lambda: Pair(0.5, {1})).run().errors
    assert "'high' is of type set" in error.message
    (error,) = Experiment(lambda: Fit).run().errors
    assert "must return a mapping of metrics" in error.message


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float16(0.1), float(np.float16(0.1))),
        (np.bool_(True), True),
        (np.int8(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.complex64(1j), 1j),
        (np.longdouble(0.5), 0.5),
    ],
)
def test_numpy_scalars_are_what_they_would_be_as_plain_values(value, plain):
    alone = Experiment(lambda: value, replicates=3).run().metrics["baseline"]["value"]
    beside = returned([value] * 3).metrics["baseline"]["m"]
    expected = returned([plain] * 3).metrics["baseline"]["m"]
    for found in (alone, beside):
        assert type(found) is type(expected)
        assert list(map(repr, found)) == list(map(repr, expected))


def test_values_whose_kind_changes_from_cell_to_cell_stay_what_they_are():
    values = [1.5, 2, True, None, np.float64(0.5), "text", 2.5]
    expected = ["1.5", "2", "True", "None", "0.5", "'text'", "2.5"]
    assert list(map(repr, returned(values).metrics["baseline"]["m"])) == expected
    mixed = Experiment(lambda replicate: values[replicate], replicates=3).run()
    assert list(map(repr, mixed.metrics["baseline"]["value"])) == expected[:3]


@pytest.mark.parametrize(
    "kinds",
    [
        (lambda i: i / 2, lambda i: -i / 2),
        (lambda i: i, lambda i: i % 2 == 0),
        (lambda i: np.array([i, -i]), lambda i: f"text {i}"),
        (lambda i: i / 2 if i % 5 else None, lambda i: [i, 2 * i]),
    ],
    ids=["floats", "numbers", "arrays and texts", "missing and lists"],
)
def test_a_value_is_its_metrics_in_whatever_order_a_cell_names_them(kinds):
    first, second = kinds

    def trial(replicate: int) -> dict[str, Any]:
        named = {"first": first(replicate), "second": second(replicate)}
        if replicate % 7 == 3:
            named |= {"third": 1.0}
        if replicate % 7 == 5:
            named = {"other": named["second"], "first": named["first"]}
        return dict(reversed(named.items())) if replicate % 3 else named

    result = Experiment(trial, replicates=60).run()
    assert result.errors == []
    assert list(result.metrics["baseline"])[:2] == ["first", "second"]
    for replicate in range(60):
        for metric, value in trial(replicate).items():
            assert np.array_equal(result.metrics["baseline"][metric][replicate], value)


@pytest.mark.parametrize("options", [{}, {"execution": "parallel"}, PROCESS])
@pytest.mark.parametrize("replicates", [1, 3])
def test_each_condition_has_its_metrics_in_its_own_order(options, replicates):
    def trial(number: int) -> dict[str, Any]:
        named = {"first": 1.0, "second": [1.0, 2.0]}
        return dict(reversed(named.items())) if number % 2 else named

    conditions = {str(number): {"number": number} for number in range(100)}
    result = Experiment(trial, conditions, replicates=replicates, **options).run()
    for name, given in conditions.items():
        assert list(result.metrics[name]) == list(trial(**given))


def test_a_refused_cell_names_its_own_first_wrong_metric():
    def trial(replicate: int) -> dict[str, Any]:
        if replicate % 2 == 0:
            return {"a": 1.0, "b": 1.0}
        return {"b": object(), "a": [[1]]}

    errors = Experiment(trial, replicates=7).run().errors
    assert len(errors) == 3
    assert all("'b' is of type object" in error.message for error in errors)


def test_which_metric_is_too_large_does_not_depend_on_other_cells():
    def trial(replicate: int, turned: int) -> dict[str, Any]:
        large = 10**5000 if replicate > 1 else 1
        named = {"a": large, "b": large}
        return dict(reversed(named.items())) if replicate % 2 == turned else named

    conditions = {"even": {"turned": 0}, "odd": {"turned": 1}}
    errors = Experiment(trial, conditions, replicates=20).run().errors
    assert len(errors) == 36
    for error in errors:
        first = next(iter(trial(error.replicate, **conditions[error.condition])))
        assert f"metric {first!r} is a whole number" in error.message


def test_arrays_that_a_function_changes_afterwards_are_kept_as_they_were():
    buffer = np.zeros(2)

    def trial(replicate):
        buffer[:] = replicate
        return {"a": buffer, "b": 0.5}

    found = Experiment(trial, replicates=3).run().metrics["baseline"]["a"]
    assert np.array(found).tolist() == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]


def test_numbers_and_numpys_numbers_by_turns_keep_their_cells_also_between_failures():
    def trial(replicate):
        if replicate % 5 == 3:
            raise ValueError
        return float(replicate) if replicate % 2 else np.float64(replicate)

    found = Experiment(trial, replicates=40).run().metrics["baseline"]["value"]
    assert [int(x) for x in found if x == x] == [i for i in range(40) if i % 5 != 3]
    assert all(np.isnan(found[i]) for i in range(3, 40, 5))


def test_a_list_of_numbers_is_an_array_of_one_dimension():
    values = [[1, 2], (3, np.int64(4)), [0.5, float("nan")], [True, False], [1j, 2], []]
    column = returned(values).metrics["baseline"]["m"]
    assert [type(value) for value in column] == [np.ndarray] * 6
    assert [value.dtype.char for value in column] == ["l", "l", "d", "?", "D", "d"]
    assert column[0].tolist() == [1, 2]
    alike = returned([[1, 2], [3, 4]]).metrics["baseline"]["m"]
    assert (alike.shape, alike.dtype) == ((2, 2), np.int64)


@pytest.mark.parametrize("strategy", ["serial", "process", "async"])
@pytest.mark.parametrize("large", [10**5000, "é" * (2**24 + 1)], ids=["number", "text"])
def test_what_is_too_large_to_be_kept_fails_its_cell_alone(tmp_path, strategy, large):
    def trial(replicate):
        return {"x": large if replicate in (4, 5) else replicate, "y": 1.0}

    async def atrial(replicate):
        return trial(replicate)

    options = {"serial": {}, "process": PROCESS, "async": {"execution": "async"}}[strategy]
    function = atrial if strategy == "async" else trial
    store = tmp_path / "cells.db"
    result = Experiment(function, replicates=40, seed=1, store=store, **options).run()
    assert [(error.replicate, error.type) for error in result.errors] == [
        (4, "MetricError"),
        (5, "MetricError"),
    ]
    assert "metric 'x' is a" in result.errors[0].message
    expected = [None if i in (4, 5) else i for i in range(40)]
    for found in (result, Result.from_store(store)):
        assert found.to_dict()["metrics"]["baseline"]["x"] == expected
        assert found.done["baseline"].sum() == 38


def test_the_arrays_of_one_cell_may_take_so_much_together(monkeypatch):
    monkeypatch.setattr(metrics, "MOST_BYTES", 1000)
    result = Experiment(lambda: {"a": np.zeros(100), "b": np.zeros(100)}).run()
    assert "metric 'b' takes" in result.errors[0].message


def test_cells_that_do_not_fit_into_one_record_are_kept_in_several(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MOST_BYTES", 5000)

    def trial(replicate):
        if replicate == 7:
            raise ValueError("seven")
        return {"a": np.full(100, float(replicate)), "s": "x" * 50, "n": replicate}

    store = tmp_path / "cells.db"
    result = Experiment(trial, replicates=60, seed=1, store=store).run()
    with closing(sqlite3.connect(store)) as file:
        ((blocks,),) = file.execute("SELECT count(*) FROM blocks").fetchall()
    assert blocks >= 60 / (5000 / 1400)
    assert Result.from_store(store).to_dict()["metrics"] == result.to_dict()["metrics"]
    (error,) = Result.from_store(store).errors
    assert (error.replicate, error.message) == (7, "seven")


@pytest.mark.parametrize("strategy", ["serial", "thread", "process", "async"])
@pytest.mark.parametrize(
    "wrong", [None, "text", {1, 2}, {"m": object}, {3: 1.0}], ids=lambda wrong: type(wrong).__name__
)
def test_a_function_that_never_returns_metrics_ends_the_run_early(strategy, wrong):
    def trial(condition):
        time.sleep(0.005)
        return wrong if condition == "bad" else 1.0

    async def atrial(condition):
        await asyncio.sleep(0.005)
        return wrong if condition == "bad" else 1.0

    options = {
        "serial": {},
        "thread": {"execution": "parallel"},
        "process": PROCESS,
        "async": {"execution": "async"},
    }[strategy]
    function = atrial if strategy == "async" else trial
    experiment = Experiment(function, {"good": {}, "bad": {}}, replicates=2000, seed=1, **options)
    with pytest.raises(MetricsRefusedError, match="Condition 'bad': none of its cells") as caught:
        experiment.run()
    result = caught.value.result
    assert caught.value.error.condition == "bad"
    assert len(result.errors) < 2000
    assert set(result.metrics["good"]["value"][result.done["good"]]) <= {1.0}


def test_cells_that_return_no_metrics_among_others_are_failed_cells():
    result = returned([object(), object(), 1.0, object(), object(), object(), object(), 2.0])
    assert len(result.errors) == 6


def test_the_first_wrong_return_ends_a_run_that_is_to_raise():
    with pytest.raises(CellFailedError, match="the function returned str"):
        Experiment(lambda: "text", replicates=50, on_error="raise").run()


def test_values_of_many_kinds_keep_what_finished(tmp_path):
    values = [1, "two", 3.5, None, np.zeros(2), np.zeros(3), np.zeros((2, 2)), True, 1j, 2**70]
    store = tmp_path / "cells.db"

    def trial(replicate):
        return {"m": values[replicate]}

    result = Experiment(trial, replicates=len(values), seed=1, store=store).run()
    assert result.errors == []
    result.save(tmp_path / "r.zip")
    result.to_json(tmp_path / "r.json")
    assert "baseline" in repr(result)
    for found in (result, Result.from_store(store), Result.load(tmp_path / "r.zip")):
        for kept, value in zip(found.metrics["baseline"]["m"], values, strict=True):
            assert type(kept) is type(value)
            assert np.array_equal(kept, value)
