"""What a function may return, and what is said where it returns something else."""

import collections
import enum

import numpy as np
import pytest

from crystallize import Experiment
from crystallize.plugins.execution import ParallelExecution


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
