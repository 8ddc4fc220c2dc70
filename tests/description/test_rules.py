"""Config and API have one set of rules: what one refuses the other refuses, in the same words."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crystallize import (
    ConfigError,
    CrystallizeError,
    Experiment,
    InvalidValuesError,
    UnknownNameError,
    grid,
)
from crystallize.checks import seconds, whole_number
from crystallize.description.config import EXPERIMENT_RULES, read_config
from crystallize.description.spec import RULES
from crystallize.plugins.execution import AsyncExecution, ParallelExecution, SerialExecution

Refusals = Callable[[dict[str, Any]], list[str]]

# Arguments of Experiment whose key in a config has another section or name.
PLACES = {
    "store": "store.path",
    "conditions": "conditions",
    "execution_options": "execution",
    "aggregators": "aggregation.aggregators",
    "aggregator_options": "aggregation.options",
    "plugin_options": "plugins",
}


def place(argument: str) -> str:
    return PLACES.get(argument, f"experiment.{argument}")


def never(**_: object) -> float:
    raise AssertionError("a replicate ran")


def content(arguments: dict[str, Any]) -> dict[str, Any]:
    """A config that gives arguments of Experiment."""
    sections: dict[str, Any] = {"experiment": {"function": "trials:never"}}
    for argument, value in arguments.items():
        section, _, key = place(argument).partition(".")
        if key:
            sections.setdefault(section, {})[key] = value
        else:
            sections[section] = value
    return sections


def refused_by_api(arguments: dict[str, Any]) -> list[str]:
    # Processes can be stopped and share nothing: a timeout and seed_globals are fine with them.
    base: dict[str, Any] = {"execution": ParallelExecution(1, "process"), "seed": 1}
    try:
        Experiment(never, **{**base, **arguments})
    except InvalidValuesError as error:
        return list(error.problems)
    except CrystallizeError as error:
        return [str(error)]
    return []


def refused_by_config(folder: Path, arguments: dict[str, Any]) -> list[str]:
    path = folder / "experiment.json"
    path.write_text(json.dumps(content(arguments)))
    try:
        read_config(path)
    except ConfigError as error:
        return list(error.problems)
    return []


BAD = [
    ("replicates", 0),
    ("replicates", -1),
    ("replicates", 2.5),
    ("replicates", 3.0),
    ("replicates", "many"),
    ("replicates", True),
    ("replicates", None),
    ("replicates", [3]),
    ("replicates", math.nan),
    ("seed", -1),
    ("seed", 1.0),
    ("seed", False),
    ("retries", -1),
    ("retries", None),
    ("timeout", 0),
    ("timeout", -1.5),
    ("timeout", "1"),
    ("timeout", True),
    ("timeout", math.nan),
    ("timeout", 10**400),
    ("max_failures", 2.5),
    ("max_failures", -1),
    ("max_failures", -0.5),
    ("max_failures", 1.0),
    ("max_failures", math.inf),
    ("max_failures", True),
    ("on_error", "colect"),
    ("on_error", "explode"),
    ("on_error", 1),
    ("on_error", ["raise"]),
    ("seed_globals", 1),
    ("seed_globals", "yes"),
    ("progress", None),
    ("blas_threads", 0),
    ("blas_threads", "all"),
    ("name", ""),
    ("name", 3),
    ("name", "\ud800"),
    ("baseline", 3),
    ("baseline", ""),
    ("plugins", "logger"),
    ("plugins", 3),
    ("store", ""),
    ("store", 3),
    ("store", "a\0b"),
    ("store", "\ud800"),
    ("conditions", 3),
    ("conditions", ["a"]),
    ("conditions", {}),
    ("conditions", {"": {}}),
    ("conditions", {"a": 3}),
    ("conditions", {"a": {}, "v1.5": ["x"]}),
    ("conditions", {"a": {"": 1}}),
    ("execution_options", 3),
    ("aggregators", "quantiles"),
    ("aggregator_options", 3),
    ("aggregator_options", {"q": 3}),
    ("aggregator_options", {"q": {}}),
    ("plugin_options", 3),
    ("plugin_options", {"q": 3}),
    ("block", "dask"),
    ("block", [3]),
]


@pytest.mark.parametrize(("argument", "value"), BAD, ids=repr)
def test_a_mistake_has_one_sentence(tmp_path: Path, argument: str, value: object) -> None:
    (by_api,) = refused_by_api({argument: value})
    (by_config,) = refused_by_config(tmp_path, {argument: value})

    assert by_api.startswith(argument)
    assert by_config == place(argument) + by_api.removeprefix(argument)


def test_an_unknown_baseline_has_one_sentence(tmp_path: Path) -> None:
    arguments = {"conditions": {"one": {}, "two": {}}, "baseline": "tow"}
    expected = "'tow' is not among the conditions. Did you mean 'two'? Known: 'one', 'two'."

    assert refused_by_api(arguments) == [f"baseline: {expected}"]
    assert refused_by_config(tmp_path, arguments) == [f"experiment.baseline: {expected}"]


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({}, ["grid: expected a mapping of names to values, at least one, got {}."]),
        (
            {"n": [], "p": "text", "q": [1], "a b": 3},
            [
                "grid.n: expected at least one value, got [].",
                "grid.p: expected a list of values, got 'text'.",
                "grid.'a b': expected a list of values, got 3.",
            ],
        ),
        ({"n": [1, 1]}, ["grid: two combinations are named 'n=1'; give each value once."]),
    ],
)
def test_a_wrong_grid_has_one_sentence_a_parameter(
    tmp_path: Path, values: dict[str, Any], problems: list[str]
) -> None:
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps({"experiment": {"function": "a:b"}, "grid": values}))

    with pytest.raises(ConfigError) as by_config:
        read_config(path)
    with pytest.raises(CrystallizeError) as by_api:
        grid(**values)

    assert list(by_config.value.problems) == problems
    assert list(getattr(by_api.value, "problems", [str(by_api.value)])) == problems


def test_a_set_has_no_order_that_a_grid_could_have() -> None:
    with pytest.raises(CrystallizeError, match=r"grid\.n: expected a list of values"):
        grid(n={1, 2})


def test_a_parameter_of_a_grid_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "experiment.json"
    names = {name: [1] for name in ("self", "rule", "where", "values", "args")}
    path.write_text(json.dumps({"experiment": {"function": "a:b"}, "grid": names}))

    assert read_config(path).conditions == {
        "self=1,rule=1,where=1,values=1,args=1": dict.fromkeys(names, 1)
    }


# --- all of it at once ----------------------------------------------------------------------


def test_both_list_all_that_is_wrong(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {
        "replicates": 0,
        "seed": -1,
        "timeout": "soon",
        "on_error": "explode",
        "progress": "yes",
        "conditions": {"a": 3, "b": {}, "c": [1]},
        "execution_options": 3,
        "aggregators": "quantiles",
    }
    places = [*(key for key in arguments if key != "conditions"), "conditions.a", "conditions.c"]

    by_api = refused_by_api(arguments)
    by_config = refused_by_config(tmp_path, arguments)

    assert sorted(problem.partition(":")[0] for problem in by_api) == sorted(places)
    renamed = {problem.removeprefix("experiment.") for problem in by_config}
    for key in ("execution_options", "aggregators"):
        by_api = [
            place(key) + p.removeprefix(key) if p.startswith(f"{key}:") else p for p in by_api
        ]
    assert renamed == set(by_api)


def test_what_is_not_installed_is_listed_with_what_is_wrong_with_the_values() -> None:
    with pytest.raises(InvalidValuesError) as caught:
        Experiment(
            lambda n: n,
            {"a": {"m": 1}},
            replicates=0,
            baseline="b",
            execution="paralell",
            aggregators=["quantile", "mean"],
            aggregator_options={"median": {}},
            plugins=["nobody"],
        )

    problems = caught.value.problems
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith("8 values cannot be used:\n  - ")
    for fault in (
        "no executor 'paralell'. Did you mean 'parallel'?",
        "no aggregator 'quantile'",
        "no aggregator 'mean'",
        "aggregator_options.median: 'median' is not among the aggregators",
        "no plugin 'nobody'",
        "replicates: expected a whole number, 1 or more, got 0.",
        "gives 'm', which",
        "baseline: 'b' is not among the conditions",
    ):
        assert sum(fault in problem for problem in problems) == 1, fault


def test_one_fault_is_raised_as_what_it_is() -> None:
    with pytest.raises(UnknownNameError) as unknown:
        Experiment(never, execution="paralell")
    assert not isinstance(unknown.value, ValueError)
    with pytest.raises(TypeError, match="must be callable"):
        Experiment(3)
    with pytest.raises(ValueError, match="replicates") as invalid:
        Experiment(never, replicates=0)
    assert not isinstance(invalid.value, InvalidValuesError)


def test_a_function_is_looked_at_although_the_conditions_are_wrong() -> None:
    with pytest.raises(InvalidValuesError, match=r"conditions: expected(.|\n)*must be callable"):
        Experiment(3, ["a"])


def test_what_one_cell_would_use_up_is_named_for_each_condition() -> None:
    given = {"a": {"x": iter([1]), "y": [1]}, "b": {"x": np.random.default_rng(1)}, "c": 3}

    problems = refused_by_api({"conditions": given})

    assert [problem.partition(":")[0] for problem in problems] == [
        "conditions.a.x",
        "conditions.b.x",
        "conditions.c",
    ]


def test_contradictions_are_listed_with_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text(
        '[experiment]\nfunction = "a:b"\nreplicates = 0\nbaseline = "c"\n'
        "[conditions.a]\n[grid]\nn = [1]\n"
        '[aggregation]\naggregators = ["q"]\n[aggregation.options.p]\n'
    )

    with pytest.raises(ConfigError) as caught:
        read_config(path)

    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "experiment.replicates",
        "conditions, grid",
        "experiment.baseline",
        "aggregation.options.p",
    ]


def test_a_baseline_must_be_one_of_a_grid(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text('[experiment]\nfunction = "a:b"\nbaseline = "n=2"\n[grid]\nn = [1, 3]\n')

    with pytest.raises(ConfigError, match=r"'n=2' is not among the conditions.*'n=1', 'n=3'"):
        read_config(path)


# --- whose mistake it is --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["experiment.plugins=[1]"], "--set experiment.plugins=[1]: experiment.plugins: expected"),
        (["aggregation.options={q=1}"], "--set aggregation.options={q=1}: aggregation.options.q: "),
        (["experiment.retries=-2", "experiment.retries=-3"], "--set experiment.retries=-3: "),
        (["executon.a=1", "executon.b=1"], "--set executon.a=1: executon: no such key"),
        (["conditions.c=3"], "--set conditions.c=3: conditions.c: expected"),
        (["conditions.c.x=1"], "conditions.b: expected"),
        (["store.paht=x"], "store.path: missing"),
    ],
)
def test_an_override_is_blamed_for_what_it_gave_alone(
    tmp_path: Path, overrides: list[str], problem: str
) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text('[experiment]\nfunction = "a:b"\n[conditions]\nb = 3\nc = {}\n')

    with pytest.raises(ConfigError) as caught:
        read_config(path, overrides)

    assert [p for p in caught.value.problems if p.startswith(problem)]


def test_an_override_is_not_blamed_for_the_section_around_it(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text('[experiment]\nfunction = "a:b"\n[executon]\nx = 1\n[grid]\nn = [1, 1]\n')

    with pytest.raises(ConfigError) as caught:
        read_config(path, ["executon.y=2", "grid.p=[2]"])

    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["executon", "grid"]


# --- numbers --------------------------------------------------------------------------------

INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]


@pytest.mark.parametrize("kind", INTEGERS)
def test_numpys_integers_are_whole_numbers(kind: Callable[[int], Any]) -> None:
    three = kind(3)
    experiment = Experiment(
        lambda: 1.0,
        replicates=three,
        seed=three,
        retries=three,
        max_failures=three,
        blas_threads=three,
        execution="parallel",
        execution_options={"max_workers": three, "executor_type": "process"},
        timeout=three,
    )

    assert experiment.replay(three) == 1.0
    spec = experiment.spec
    numbers: list[object] = [spec.replicates, spec.seed, spec.retries, spec.max_failures]
    assert [*numbers, spec.blas_threads] == [3] * 5
    assert {type(number) for number in numbers} == {int}
    assert type(spec.timeout) is float
    assert ParallelExecution(three).max_workers == 3
    assert AsyncExecution(max_concurrency=three).max_concurrency == 3


@pytest.mark.parametrize("value", [np.True_, np.float64(3.0), np.array([3]), np.array(3.0)])
def test_what_numpy_has_beside_integers_is_no_whole_number(value: object) -> None:
    for argument in ("replicates", "seed", "retries", "blas_threads"):
        assert refused_by_api({argument: value})


def test_numpys_floats_are_shares_and_seconds() -> None:
    experiment = Experiment(
        lambda: 1.0,
        execution=ParallelExecution(1, "process"),
        max_failures=np.float32(0.5),
        timeout=np.float64(2.5),
    )

    assert (experiment.spec.max_failures, experiment.spec.timeout) == (0.5, 2.5)


def test_a_value_that_cannot_be_shown_is_refused_all_the_same() -> None:
    with pytest.raises(
        CrystallizeError, match=r"x: expected a whole number, 0 or more, got something of type int"
    ):
        whole_number("x", -(10**5000))
    with pytest.raises(CrystallizeError, match="x: expected a number of seconds above 0"):
        seconds("x", 10**5000)


# --- any value whatever ---------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.characters(categories=["Cs"])
    | st.sampled_from(["collect", "raise"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


@pytest.mark.parametrize("key", [key for key in RULES if key == "store" or key in EXPERIMENT_RULES])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=values)
def test_config_and_api_agree_on_any_value(tmp_path: Path, key: str, value: object) -> None:
    by_api = refused_by_api({key: value})
    by_config = refused_by_config(tmp_path, {key: value})

    assert by_config == [place(key) + problem.removeprefix(key) for problem in by_api]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    given_values=st.dictionaries(st.sampled_from(sorted({*RULES} & {*EXPERIMENT_RULES})), values)
)
def test_config_and_api_agree_on_several_values(
    tmp_path: Path, given_values: dict[str, Any]
) -> None:
    by_api = refused_by_api(given_values)
    by_config = refused_by_config(tmp_path, given_values)

    assert sorted(by_config) == sorted(f"experiment.{problem}" for problem in by_api)


def test_strategies_in_the_box_have_the_same_rules() -> None:
    with pytest.raises(CrystallizeError, match="max_workers: expected a whole number, 1 or more"):
        ParallelExecution(max_workers=True)
    with pytest.raises(CrystallizeError, match="progress: expected True or False, got 1"):
        SerialExecution(progress=1)
