"""Which experiment a store belongs to, as people and ``replay`` are told of it."""

import json

import numpy as np
import pytest

from crystallize import Experiment
from crystallize.store.identity import differences, identity, united


def trial(shift=0.0, data=None, helper=None):
    return shift


def identity_of(conditions=None, function=trial, **options):
    arguments = {"replicates": 5, "seed": 7, **options}
    return identity(Experiment(function, conditions or {"a": {"shift": 0.5}}, **arguments).spec)


def test_it_is_json_and_names_the_function():
    made = identity_of({"a": {"shift": 0.5, "data": np.arange(3.0)}})
    assert json.loads(json.dumps(made)) == made
    assert (made["function"], made["seed"], made["baseline"]) == ("trial", 7, "a")
    assert made["file"] == "tests/store/test_identity.py"
    assert made["conditions"]["a"]["shift"] == 0.5


@pytest.mark.parametrize(
    "value",
    [np.arange(3.0), len, (1, 2), [(1, 2)], {1: 0.5}, np.float64(0.5), float("nan"), {"a"}, 1j],
)
def test_what_does_not_come_back_as_it_is_is_named(value):
    made = identity_of({"a": {"shift": 0.5, "data": value, "helper": {"k": [1, 2.5, None, "x"]}}})
    assert made["opaque"] == {"a": ["data"]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 8}, "seed: 7, now 8"),
        ({"seed_globals": True}, "seed_globals: False, now True"),
        ({"function": lambda shift: shift}, "function: 'trial', now '<lambda>'"),
    ],
)
def test_what_makes_another_experiment_is_said(change, says):
    assert differences(identity_of(), identity_of(**change)) == [says]


@pytest.mark.parametrize(
    "change",
    [
        {"replicates": 9},
        {"name": "another"},
        {"conditions": {"b": {"shift": 1.5}}},
        {"conditions": {"b": {"shift": 1.5}, "a": {"shift": 0.5}}, "baseline": "b"},
    ],
    ids=["replicates", "name", "other-condition", "more-conditions"],
)
def test_what_does_not_make_another_experiment(change):
    assert differences(identity_of(), identity_of(**change)) == []


def test_two_united_have_all_that_either_has():
    one = identity_of({"a": {"shift": 0.5}}, replicates=9)
    other = identity_of({"b": {"data": np.arange(3.0)}}, name="later")
    both = united(one, other)
    assert list(both["conditions"]) == ["a", "b"]
    assert both["opaque"] == {"b": ["data"]}
    assert (both["replicates"], both["name"]) == (9, "later")
    plain = united(both, identity_of({"b": {"data": 3.0}}))
    assert (plain["opaque"], plain["levels"]) == ({}, {})
    assert list(plain["conditions"]) == ["a", "b"]
