"""What a function may return, and what is said where it returns something else."""

import collections
import dataclasses
import enum
import sys
from typing import Any, NamedTuple

import cloudpickle
import numpy as np
import pytest

from crystallize import Experiment
from crystallize.plugins.execution import ParallelExecution

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def returned(values):
    return Experiment(lambda replicate: {"m": values[replicate]}, replicates=len(values)).run()


PROCESS = {"execution": "parallel", "execution_options": {"executor_type": "process"}}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ([1, 2], "list"),
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
    (error,) = Experiment(lambda: Pair(0.5, [1])).run().errors
    assert "'high' is of type list" in error.message
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
