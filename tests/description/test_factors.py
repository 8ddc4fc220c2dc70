"""Factors: which parameters differ between conditions, and their levels as plain data."""

import json

import numpy as np
import pytest

from crystallize import Experiment, Result, grid
from crystallize.description.factors import factors


def double(x):
    return 2 * x


def test_a_parameter_that_differs_is_a_factor_and_one_that_does_not_is_none():
    assert factors({"a": {"n": 1, "p": 0.5}, "b": {"n": 2, "p": 0.5}}) == {
        "a": {"n": 1},
        "b": {"n": 2},
    }


def test_a_grid_has_its_parameters_as_factors():
    found = factors(grid(n=[10, 40], p=[0.5], q=[1, 2]))
    assert found["n=10,p=0.5,q=2"] == {"n": 10, "q": 2}


def test_one_condition_has_no_factors():
    assert factors({"only": {"n": 1}}) == {"only": {}}


def test_what_a_condition_leaves_to_the_default_has_no_level():
    assert factors({"a": {}, "b": {"n": 2}}) == {"a": {}, "b": {"n": 2}}


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (None, None), (float("nan"), float("nan"))])
def test_equal_values_make_no_factor(one, other):
    assert factors({"a": {"x": one}, "b": {"x": other}}) == {"a": {}, "b": {}}


def test_true_is_not_one():
    assert factors({"a": {"x": 1}, "b": {"x": True}}) == {"a": {"x": 1}, "b": {"x": True}}


def test_other_values_stand_as_short_texts_each_another_one():
    big = np.zeros(1000)
    found = factors({"a": {"x": big}, "b": {"x": big + 1e-9}, "c": {"x": big.copy()}})
    levels = [found[name]["x"] for name in "abc"]
    assert levels[0] == levels[2] != levels[1]
    assert all(len(level) < 50 for level in levels)
    assert factors({"a": {"f": double}, "b": {"f": abs}})["a"] == {"f": "double"}
    assert json.loads(json.dumps(found)) == found


def test_a_result_has_them_and_keeps_them_in_its_file(tmp_path):
    result = Experiment(double, {"a": {"x": 1}, "b": {"x": 2}}, replicates=2).run()
    assert result.factors == {"a": {"x": 1}, "b": {"x": 2}}
    result.save(tmp_path / "r.zip")
    assert Result.load(tmp_path / "r.zip").factors == result.factors


def test_large_values_are_levels_without_being_looked_through():
    one, same, other = np.zeros(10**6), np.zeros(10**6), np.ones(10**6)
    numbers = list(range(10**5))
    found = factors(
        {
            "a": {"data": one, "numbers": numbers},
            "b": {"data": same, "numbers": [*numbers]},
            "c": {"data": other, "numbers": [*numbers, 1]},
        }
    )
    assert found["a"] == found["b"] != found["c"]
    assert found["c"]["numbers"] == "list of 100001"
