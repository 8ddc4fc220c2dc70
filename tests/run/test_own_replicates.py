"""Conditions with numbers of replicates of their own, everywhere a result goes."""

import sys

import cloudpickle
import pytest

from crystallize import (
    Experiment,
    FunctionError,
    InvalidValueError,
    Result,
    UnknownNameError,
    Until,
)
from crystallize.errors import ConfigError
from crystallize.store.stored import StoredExperiment

cloudpickle.register_pickle_by_value(sys.modules[__name__])

CONDITIONS = {"fast": {"shift": 0.0}, "slow": {"shift": 1.0}, "faster": {"shift": 0.5}}
OWN = {"slow": 30, "*": 100}
SIZES = {"fast": 100, "slow": 30, "faster": 100}
CONFIG = """
[experiment]
function = "own_trials:trial"
replicates = 100
seed = 3
[conditions.fast]
shift = 0.0
[conditions.slow]
shift = 1.0
replicates = 30
"""


def trial(rng, replicate, shift):
    if replicate == 20:
        raise ValueError("twenty")
    return {"x": rng.normal() + shift, "s": "text", "v": [1.0, shift]}


def run(**options):
    return Experiment(trial, CONDITIONS, **{"replicates": OWN, "seed": 3, **options}).run()


def sizes(result):
    return {name: len(done) for name, done in result.done.items()}


@pytest.fixture(scope="module")
def expected():
    return run()


@pytest.fixture
def config(tmp_path, monkeypatch):
    (tmp_path / "own_trials.py").write_text(
        "def trial(rng, shift):\n    return rng.normal() + shift\n"
        "def taken(replicates=1, shift=0):\n    return replicates\n"
    )
    path = tmp_path / "own.toml"
    path.write_text(CONFIG)
    return path


def same(one, other):
    assert sizes(one) == sizes(other)
    assert one.errors == other.errors
    for condition, metrics in one.metrics.items():
        for name, values in metrics.items():
            assert repr(values.tolist()) == repr(other.metrics[condition][name].tolist())


def test_each_condition_has_its_own_with_the_draws_of_the_others(expected):
    assert sizes(expected) == SIZES
    assert expected.cells == sum(SIZES.values())
    everywhere = run(replicates=100)
    for condition, metrics in expected.metrics.items():
        values = everywhere.metrics[condition]["x"][: SIZES[condition]]
        assert metrics["x"].tobytes() == values.tobytes()
    assert [(e.condition, e.replicate) for e in expected.errors] == [
        (name, 20) for name in CONDITIONS
    ]


@pytest.mark.parametrize("options", [
    {"execution": "parallel", "execution_options": {"max_workers": 3}},
    {
        "execution": "parallel",
        "execution_options": {"max_workers": 2, "executor_type": "process"},
    },
])  # fmt: skip
def test_they_are_the_same_under_every_strategy(expected, options):
    same(run(**options), expected)


def test_a_store_goes_on_with_them(tmp_path, expected):
    store = tmp_path / "own.db"
    run(store=store, replicates={"slow": 10, "*": 50})
    resumed = run(store=store)
    assert resumed.provenance["store"]["found"] == 110
    same(resumed, expected)
    same(Result.from_store(store), expected)
    chosen = {"slow": CONDITIONS["slow"]}
    Experiment(trial, chosen, replicates=OWN, seed=3, store=store).run()  # --condition slow
    assert {
        row["condition"]: row["missing"] for row in StoredExperiment(store).counts()
    } == dict.fromkeys(CONDITIONS, 0)


def test_summaries_files_and_tables_have_as_many_rows(tmp_path, expected):
    assert run(keep="summary").summary() == expected.summary()
    assert [row["n"] for row in expected.summary()[::3]] == [99, 29, 99]
    assert expected.to_frame().groupby("condition").size().to_dict() == SIZES
    path = tmp_path / "own.crystallize"
    expected.save(path)
    same(Result.load(path), expected)


def test_comparisons_pair_the_replicates_that_both_have(expected):
    compared = run(aggregators=["compare"], aggregator_options={"compare": {"metrics": ["x"]}})
    assert [row["n"] for row in compared.sections["compare"]] == [29, 99]


def test_with_until_they_have_exactly_theirs(tmp_path):
    goal = Until("x", half_width=0.5, at_least=20, at_most=2000)
    given = {"replicates": {"slow": 30, "*": goal}, "store": tmp_path / "until.db"}
    result = run(**given)
    assert sizes(result)["slow"] == 30
    assert 20 <= sizes(result)["fast"] < 2000
    same(Result.from_store(given["store"]), result)
    same(run(**given, execution="parallel"), result)


def test_a_baseline_waits_for_no_condition_that_has_no_more():
    goal = Until("value", half_width=1e-9, of="difference", at_least=20, at_most=200)
    few = Experiment(
        lambda rng, shift: rng.normal() * (1 + shift),
        {"base": {"shift": 0.0}, "other": {"shift": 1.0}},
        replicates={"other": 30, "*": goal},
        seed=1,
    ).run()
    assert few.sections["until"][0]["reached"] is False
    assert sizes(few)["other"] == 30 <= sizes(few)["base"] < 200


def test_it_verifies_as_far_as_all_conditions_go():
    certificate = Experiment(trial, CONDITIONS, replicates=OWN, seed=3).verify(["serial"], None)
    assert certificate.same
    assert certificate.cells == 90


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"slow": 30}, InvalidValueError, "a number for 'fast', 'faster' too, or for all others"),
        ({"slwo": 30, "*": 1}, UnknownNameError, "Did you mean 'slow'?"),
        ({"x*": 30, "*": 1}, UnknownNameError, "'x*' is not among the conditions"),
        ({"slow": 0, "*": 1}, InvalidValueError, r"replicates\.slow: expected a whole number"),
        ({"slow": Until("x", half_width=1), "*": 1}, InvalidValueError, r"replicates\.slow"),
    ],
)
def test_what_is_no_number_or_of_no_condition_is_refused(given, error, message):
    with pytest.raises(error, match=message.replace("*", r"\*")):
        Experiment(trial, CONDITIONS, replicates=given)


def test_names_come_before_patterns_and_the_first_pattern_before_others():
    given = {"fas*": 5, "faster": 7, "f*": 9, "*": 3}
    assert Experiment(trial, CONDITIONS, replicates=given).spec.replicates_of == {
        "fast": 5,
        "slow": 3,
        "faster": 7,
    }


def test_a_config_says_it_in_a_conditions_table_or_by_patterns(config):
    assert sizes(Experiment.from_config(config).run()) == {"fast": 100, "slow": 30}
    assert sizes(Experiment.from_config(config, replicates=5).run()) == {"fast": 5, "slow": 5}
    table = CONFIG.replace("replicates = 100", 'replicates = { "f*" = 7, "*" = 9 }')
    config.write_text(table)
    assert sizes(Experiment.from_config(config).run()) == {"fast": 7, "slow": 30}
    config.write_text(table.replace('"f*" = 7, "*" = 9', '"slow" = 7'))
    with pytest.raises(ConfigError, match=r"replicates\.slow, conditions\.slow\.replicates: give"):
        Experiment.from_config(config)


def test_a_parameter_of_that_name_is_refused_with_where_to_give_it(config):
    config.write_text(CONFIG.replace(":trial", ":taken"))
    with pytest.raises(FunctionError, match=r"conditions\.slow\.replicates is how many") as told:
        Experiment.from_config(config)
    assert "[parameters] or a [grid]" in str(told.value)
    grid = CONFIG[: CONFIG.index("[conditions")].replace(":trial", ":taken")
    config.write_text(grid + "[grid]\nreplicates = [2, 3]\n")
    result = Experiment.from_config(config, replicates=4).run()
    assert [set(m["value"].tolist()) for m in result.metrics.values()] == [{2}, {3}]
