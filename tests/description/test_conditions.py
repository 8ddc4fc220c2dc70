"""Conditions: which is the baseline, and that nobody changes them."""

import pytest

from crystallize import Experiment

CONDITIONS = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}


def test_the_baseline_is_the_first_condition_unless_named():
    assert Experiment(lambda shift: shift, CONDITIONS).baseline == "a"
    assert Experiment(lambda shift: shift, CONDITIONS, baseline="b").run().baseline == "b"


def test_an_experiments_conditions_are_read_only():
    experiment = Experiment(lambda x: x, {"a": {"x": 1.0}})
    with pytest.raises(TypeError):
        experiment.conditions["b"] = {}  # type: ignore[index]
    with pytest.raises(TypeError):
        experiment.conditions["a"]["x"] = 2.0  # type: ignore[index]
    with pytest.raises(AttributeError):
        experiment.spec.replicates = 3  # type: ignore[misc]
