"""Which experiment a store belongs to: what makes two runs one, and what does not."""

import json

import numpy as np
import pytest

from crystallize import Experiment
from crystallize.store.identity import differences, identity, united


def trial(shift=0.0, data=None, helper=None):
    return shift


def identity_of(conditions=None, **options):
    arguments = {"replicates": 5, "seed": 7, **options}
    return identity(Experiment(trial, conditions or {"a": {"shift": 0.5}}, **arguments).spec)


def test_it_is_json_and_names_the_function():
    made = identity_of({"a": {"shift": 0.5, "data": np.arange(3.0)}})
    assert json.loads(json.dumps(made)) == made
    assert (made["function"], made["seed"], made["baseline"]) == ("trial", 7, "a")
    assert made["file"] == __file__
    assert made["conditions"]["a"]["shift"] == 0.5


def test_what_is_only_known_by_a_digest_is_named():
    made = identity_of({"a": {"shift": 0.5, "data": np.arange(3.0), "helper": len}})
    assert made["opaque"] == {"a": ["data", "helper"]}


def test_an_address_in_a_parameter_makes_no_difference():
    class Shown:
        pass

    one, other = (identity_of({"a": {"helper": Shown()}}) for _ in range(2))
    assert differences(one, other) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 8}, "seed: the store has 7, the experiment 8"),
        ({"seed_globals": True}, "seed_globals: the store has False, the experiment True"),
        ({"conditions": {"a": {"shift": 1.5}}}, "condition 'a', shift: the store has 0.5"),
        ({"conditions": {"a": {}}}, "'a', shift: the store has 0.5, the experiment '(nothing)'"),
        ({"conditions": {"a": {"shift": 0.5, "data": 1}}}, "data: the store has '(nothing)'"),
    ],
)
def test_what_makes_another_experiment_is_said(change, says):
    (found,) = differences(identity_of(), identity_of(**change))
    assert says in found


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
    assert both["opaque"] == {"a": [], "b": ["data"]}
    assert (both["replicates"], both["name"]) == (9, "later")
