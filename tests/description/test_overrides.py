"""What ``--set`` is given arrives as it was meant, in every format, or is refused."""

from __future__ import annotations

import json
import math
import shlex
import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from crystallize import ConfigError, Experiment, UnknownNameError
from crystallize.description.config import Config, read_config
from crystallize.description.from_config import experiment_arguments
from crystallize.description.overrides import Override
from crystallize.spelling import spelled, spelled_key

CONTENT: dict[str, Any] = {
    "experiment": {"function": "trials:trial", "replicates": 5, "name": "kept"},
    "conditions": {
        "wald": {"shrink": True, "model": {"depth": 3}},
        "wilson": {"shrink": False},
        "v1.5": {"lr": 0.5},
        "n=10,p='a'": {"lr": 0.5},
        "größe": {"lr": 0.5},
    },
    "execution": {"strategy": "parallel", "executor_type": "thread"},
    "aggregation": {"aggregators": ["q", "r"], "options": {"q": {"at": [0.5]}, "r": {}}},
    "plugins": {"tracker": {"path": "log"}},
    "store": {"path": "s.db"},
}
FORMATS: dict[str, Callable[[Any], str]] = {
    "toml": lambda content: "".join(
        f"{spelled_key(key)} = {spelled(value)}\n" for key, value in content.items()
    ),
    "json": json.dumps,
    "yaml": lambda content: yaml.safe_dump(content, sort_keys=False),
}
Read = Callable[..., Config]


@pytest.fixture(params=list(FORMATS))
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Read:
    """The config in one of the formats, with overrides."""
    path = tmp_path / f"c.{request.param}"
    path.write_text(FORMATS[request.param](CONTENT), encoding="utf-8")
    return lambda *overrides: read_config(path, overrides)


def refusal(read: Read, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(*overrides)
    (problem,) = caught.value.problems
    return problem


def conditions(config: Config) -> Any:
    return config.conditions


# --- keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("conditions.'v1.5'.lr", "v1.5"),
        ('conditions."v1.5".lr', "v1.5"),
        ('conditions . "v1.5" . lr ', "v1.5"),
        ("conditions.\"n=10,p='a'\".lr", "n=10,p='a'"),
        ("conditions.größe.lr", "größe"),
        ('conditions."gr\\u00f6\\u00DFe".lr', "größe"),
    ],
)
def test_any_name_is_addressed_as_toml_writes_it(read: Read, key: str, name: str) -> None:
    found = conditions(read(f"{key}=0.1"))

    assert found == CONTENT["conditions"] | {name: {"lr": 0.1}}
    assert list(found) == list(CONTENT["conditions"])


@pytest.mark.parametrize(
    ("override", "closest"),
    [
        ("conditions.wlad.shrink=false", "Did you mean 'wald'?"),
        ("conditions.wlad={shrink=false}", "Did you mean 'wald'?"),
        ("conditions.Wald.shrink=false", "Did you mean 'wald'?"),
        ("conditions.v1.5.lr=1", "Did you mean 'v1.5'?"),
        ("conditions.wald.model.dpeth=4", "Did you mean 'depth'?"),
        ("conditions.wald.modl.depth=4", "Did you mean 'model'?"),
        ("conditions.wald.shirnk=", "Did you mean 'shrink'?"),
        ("conditions.wlad=", "Did you mean 'wald'?"),
        ("experiment.replicats=", "Did you mean 'replicates'?"),
        ("experiment.replicats=3", "Did you mean 'replicates'?"),
        ("experimnt.seed=", "Did you mean 'experiment'?"),
        ("experimnt.seed=3", "Did you mean 'experiment'?"),
        ("executoin=", "Did you mean 'execution'?"),
        ("executoin={strategy='serial'}", "Did you mean 'execution'?"),
        ("aggregation.options.p.at=[1]", "'p' is not among the aggregators"),
        ("aggregation.options.q.at.x=1", "'at' is not a section"),
        ("execution.cluster.x=1", "given as a whole: execution.cluster={…}"),
        ("conditions.wald.own.x=1", "given as a whole: conditions.wald.own={…}"),
        ("conditions.wald.model.own.x=1", "given as a whole: conditions.wald.model={…}"),
        ("store.paht=x", "Did you mean 'path'?"),
    ],
)
def test_what_addresses_nothing_is_refused_with_the_closest(
    read: Read, override: str, closest: str
) -> None:
    message = refusal(read, override)

    assert message.startswith(f"--set {override}: ")
    assert closest in message


def test_conditions_of_a_grid_are_not_addressed_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[experiment]\nfunction = "a:b"\n[grid]\nn = [1, 2]\n')

    assert conditions(read_config(path, ["grid.n=[3]"])) == {"n=3": {"n": 3}}
    with pytest.raises(ConfigError, match=r"those of \[grid\].*--set grid\.PARAMETER"):
        read_config(path, ["conditions.'n=1'.n=2"])


def test_the_condition_of_a_file_that_gives_none_can_be_addressed(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[experiment]\nfunction = "a:b"\n')

    overrides = ["conditions.baseline.n=2", "conditions.baseline.m=3"]

    assert conditions(read_config(path, overrides)) == {"baseline": {"n": 2, "m": 3}}
    with pytest.raises(ConfigError, match=r"conditions\.basline is not there.*'baseline'"):
        read_config(path, ["conditions.basline.n=2"])


def test_a_condition_that_is_an_alias_of_another_is_overridden_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "experiment: {function: a:b}\n"
        "conditions: {a: &a {n: 1, model: &m {depth: 1}}, b: *a, c: {<<: *a}, d: {model: *m}}\n"
    )

    found = conditions(read_config(path, ["conditions.a.n=2", "conditions.c.model.depth=3"]))

    assert found == {
        "a": {"n": 2, "model": {"depth": 1}},
        "b": {"n": 1, "model": {"depth": 1}},
        "c": {"n": 1, "model": {"depth": 3}},
        "d": {"model": {"depth": 1}},
    }


def test_a_hypothesis_is_addressed_and_no_new_one_made(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[experiment]\nfunction = "a:b"\n[hypothesis.better]\nmetric = "x"\n')

    assert read_config(path, ["hypothesis.better.margin=0.1"]).hypotheses["better"] == {
        "metric": "x",
        "margin": 0.1,
    }
    with pytest.raises(ConfigError, match="Did you mean 'better'"):
        read_config(path, ["hypothesis.beter.margin=0.1"])


def test_conditions_are_replaced_as_a_whole(read: Read) -> None:
    assert conditions(read("conditions={a={n=1}, b={n=2}}")) == {"a": {"n": 1}, "b": {"n": 2}}


@pytest.mark.parametrize("override", ["seed=3", "seed='3'", "=3", "conditions.a b.x=1", "a.''=1"])
def test_a_key_that_is_none_is_refused_with_the_form(read: Read, override: str) -> None:
    assert "expected section.key=value" in refusal(read, override)


# --- values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("false", False),
        ("1e-3", 0.001),
        ("1_000", 1000),
        ("0x10", 16),
        ("-inf", -math.inf),
        ("'False'", "False"),
        ('""', ""),
        ("[1, 'two', [3.0]]", [1, "two", [3.0]]),
        ("{a = 1, b.c = true}", {"a": 1, "b": {"c": True}}),
        ("2020-01-02", date(2020, 1, 2)),
        ("12:30:00", time(12, 30)),
        ("2020-01-02T12:30:00Z", datetime(2020, 1, 2, 12, 30, tzinfo=UTC)),
        ("[1, # one\n 2]", [1, 2]),
        ("plain text", "plain text"),
        ("  text  ", "text"),
        ("a=b", "a=b"),
        ("=3", "=3"),
        ("it's", "it's"),
        ("none", "none"),
        ("#ff0000", "#ff0000"),
        ("a#b", "a#b"),
        ("2GB", "2GB"),
        ("127.0.0.1:8786", "127.0.0.1:8786"),
        ("v1.5", "v1.5"),
        ("1.5.2", "1.5.2"),
        ("3-2", "3-2"),
        ("1/2", "1/2"),
        ("...", "..."),
        ("a, b", "a, b"),
        ("(a)", "(a)"),
        ("C:\\new", "C:\\new"),
        ("Größe", "Größe"),
        ("truely", "truely"),
        ("1, b = 2", "1, b = 2"),
        ("0\x1f", "0\x1f"),
        ("\xa0", "\xa0"),
        ("1 }\nx = { y = 2", "1 }\nx = { y = 2"),
    ],
)
def test_values_are_as_toml_spells_them_or_plain_text(
    read: Read, written: str, value: object
) -> None:
    found = conditions(read(f"conditions.wald.shrink={written}"))["wald"]["shrink"]

    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("False", "false"),
        ("TRUE", "true"),
        ("no", "false"),
        ("On", "true"),
        ("None", ""),
        ("null", ""),
        ("~", ""),
        (" ", ""),
        ("NaN", "nan"),
        ("-Infinity", "-inf"),
        ("12#3", "12"),
        ("true # yes", "true"),
        ("'a' # b", '"a"'),
        ("1,2", "[1, 2]"),
        ("(1, 2.5)", "[1, 2.5]"),
        ("[True, False]", "[true, false]"),
        ('{"a": [1, true]}', "{a = [1, true]}"),
        ("{'a.b': 1}", "{'a.b' = 1}"),
        ("1.", "1.0"),
        (".5", "0.5"),
        ("010", "10"),
        ("- 5", "-5"),
        ("[1, 2", None),
        ("[a, b]", '["a", "b"]'),
        ("[ols,2,1e-3]", '["ols", 2, 0.001]'),
        ("[ols, no]", None),
        ("[None]", None),
        ("{a: 1}", None),
        ("{1, 2}", None),
        ("b'x'", None),
        ('"open', None),
        ("'tis", None),
        ("12:30", None),
        ("2020-13-45", None),
        ("2020-1-2", None),
        ("1\nb = 2", None),
        ("9" * 5000, None),
        ("0" * 5000, None),
        ("\ud800", None),
    ],
)
def test_what_is_almost_toml_is_refused_with_what_to_write(
    read: Read, written: str, instead: str | None
) -> None:
    message = refusal(read, f"conditions.wald.shrink={written}")

    assert message.startswith("--set conditions.wald.shrink=")
    if instead is not None:
        assert f"write --set {shlex.quote(f'conditions.wald.shrink={instead}')}, " in message
    if len(written) < 100 and written != "\ud800":
        for_text = shlex.split(message.partition("for text write --set ")[2])[0]
        assert conditions(read(for_text))["wald"]["shrink"] == written.strip(
            " \t\r\n"
        ) or not written.strip(" \t\r\n")


def test_all_that_is_wrong_with_overrides_is_listed(read: Read) -> None:
    with pytest.raises(ConfigError) as caught:
        read("conditions.wald.shrink=False", "seed=3", "experiment.name='a")

    assert len(caught.value.problems) == 3


# --- unsetting ------------------------------------------------------------------------------


def test_a_key_without_a_value_is_unset(read: Read) -> None:
    config = read(
        "conditions.wald.shrink=", "conditions.wald.model.depth=", "conditions.'v1.5'=",
        "experiment.replicates=", "execution.executor_type=", "aggregation.options.q.at=",
    )  # fmt: skip

    assert conditions(config)["wald"] == {"model": {}}
    assert "v1.5" not in conditions(config)
    assert config.experiment.values["replicates"] == 1
    assert config.execution.options == {}
    assert config.aggregation.options == {"q": {}, "r": {}}


@pytest.mark.parametrize("override", ["store.path=", "store="])
def test_the_store_is_unset_with_its_path_or_its_section(read: Read, override: str) -> None:
    assert read(override).store is None


def test_a_parameter_that_is_not_there_may_have_been_meant_to_be_empty(read: Read) -> None:
    message = refusal(read, "conditions.wald.label=")

    assert "Empty text is written conditions.wald.label=''" in message


def test_what_a_config_needs_cannot_be_unset(read: Read) -> None:
    assert "experiment.function: missing" in refusal(read, "experiment.function=")


# --- together -------------------------------------------------------------------------------


def test_overrides_are_applied_in_order(read: Read) -> None:
    config = read(
        "conditions.wald.shrink=1", "conditions.wald={}", "conditions.wald.x=1",
        "conditions.wald.y=2", "conditions.wald.x=", "experiment.seed=1", "experiment.seed=2",
    )  # fmt: skip

    assert conditions(config)["wald"] == {"y": 2}
    assert config.experiment.values["seed"] == 2


@pytest.mark.parametrize("first", [0, 1])
def test_another_strategy_has_the_options_that_come_with_it_alone(read: Read, first: int) -> None:
    both = ["execution.strategy=dask", "execution.memory=2GB"]

    execution = read(*(both if first else reversed(both))).execution

    assert (execution.strategy, execution.options) == ("dask", {"memory": "2GB"})


def test_the_files_own_strategy_keeps_its_options(read: Read) -> None:
    execution = read("execution.strategy=parallel", "execution.max_workers=2").execution

    assert execution.options == {"executor_type": "thread", "max_workers": 2}


def test_without_its_strategy_an_execution_has_no_options(read: Read) -> None:
    assert read("execution.strategy=").execution.options == {}


@pytest.mark.parametrize(
    "other", ["execution.strategy=serial", "execution={strategy='serial'}", "execution="]
)
def test_an_option_and_an_override_of_one_key_are_refused(tmp_path: Path, other: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(CONTENT))
    option = Override(("execution", "strategy"), "serial", "--execution serial")

    with pytest.raises(ConfigError) as caught:
        read_config(path, [other], [option])

    assert caught.value.problems == (
        f"--execution serial and --set {other}: both say what execution.strategy is; "
        "give one of them.",
    )


# --- from Python ----------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "trials.py").write_text("def trial(shrink=1, model=None, lr=0):\n    return 1.0\n")
    path = tmp_path / "c.json"
    path.write_text(json.dumps({key: CONTENT[key] for key in ("experiment", "execution")}))
    return path


def test_an_argument_that_does_not_exist_is_refused_with_the_closest(config: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'replicates'"):
        Experiment.from_config(config, replicats=3)


def test_options_go_with_the_strategy_that_is_named_in_python(config: Path) -> None:
    options = {"max_workers": 2}
    made = [
        Experiment.from_config(config, execution="parallel"),
        Experiment.from_config(config, execution_options=options),
        Experiment.from_config(config, execution="serial"),
        Experiment.from_config(config, execution="parallel", execution_options=options),
    ]

    used = [experiment.run().provenance["execution"]["options"] for experiment in made]

    assert used == [{"executor_type": "thread"}, options, {}, options]


def test_aggregators_that_are_named_again_keep_their_options(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(CONTENT))
    config = read_config(path)

    kept = experiment_arguments(config, tmp_path, {"aggregators": ["q", "new"], "plugins": []})

    assert kept["aggregator_options"] == {"q": {"at": [0.5]}}
    assert kept["plugin_options"] == {}


# --- any key, any value ---------------------------------------------------------------------

PROPERTY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
scalars = (
    st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["True", "None", "1", "1.", "nan", "2020-01-01", "12#3", "[1]", "'", '"', ""])
    | st.dates(min_value=date(1000, 1, 1))
    | st.times().map(lambda value: value.replace(fold=0))
    | st.datetimes(
        min_value=datetime(1000, 1, 1), timezones=st.none() | zones, allow_imaginary=False
    ).map(lambda value: value.replace(fold=0))
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


def same(one: object, other: object) -> bool:
    """Equal, of the same types all the way down, and with the same signs of zeros."""
    return (type(one), repr(one)) == (type(other), repr(other))


@PROPERTY
@given(value=values)
def test_any_value_arrives_as_it_was(tmp_path: Path, value: object) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(CONTENT))

    found = conditions(read_config(path, [f"conditions.wald.shrink={spelled(value)}"]))

    assert same(found["wald"]["shrink"], value)
    assert same(tomllib.loads(f"x = {spelled(value)}")["x"], value)


@PROPERTY
@given(name=names, parameter=names, others=st.lists(names, max_size=2))
def test_any_name_is_addressed(
    tmp_path: Path, name: str, parameter: str, others: list[str]
) -> None:
    assume(name not in others)
    path = tmp_path / "c.json"
    given_ = {other: {"kept": 1} for other in [*others, name]}
    path.write_text(json.dumps({"experiment": {"function": "a:b"}, "conditions": given_}))
    key = f"conditions.{spelled_key(name)}.{spelled_key(parameter)}"

    assert conditions(read_config(path, [f"{key}=2"])) == given_ | {name: {"kept": 1, parameter: 2}}
    assert conditions(read_config(path, [f"{key}=2", f"{key}="])) == given_ | {
        name: {} if parameter == "kept" else {"kept": 1}
    }


@PROPERTY
@given(
    written=st.text(max_size=12)
    | st.text("0123456789.eE+-_:#,xob ()[]{}'\"TNnull=\\", max_size=12)
    | values.map(repr)
    | values.map(lambda value: json.dumps(value, default=str))
)
def test_any_text_is_toml_or_itself_or_refused(tmp_path: Path, written: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(CONTENT))
    override = f"conditions.wald.shrink={written}"
    try:
        meant = tomllib.loads(f"value = [{written}\n]")["value"]
    except (ValueError, RecursionError):
        meant = None
    try:
        found = conditions(read_config(path, [override]))["wald"]
    except ConfigError as error:
        assert str(error.problems[0]).startswith("--set conditions.wald.shrink=")
        return
    if not written:
        assert "shrink" not in found
    elif isinstance(found["shrink"], str) and found["shrink"] == written.strip(" \t\r\n"):
        assert found["shrink"] not in ("True", "False", "None", "null")
        with pytest.raises(ValueError):
            float(written)
    else:
        assert meant is not None
        assert same([found["shrink"]], meant)


@PROPERTY
@given(override=st.text(max_size=20) | st.text("conditions.wald=\"'", max_size=30))
def test_any_override_is_applied_or_refused(tmp_path: Path, override: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(CONTENT))
    try:
        read_config(path, [override])
    except ConfigError as error:
        assert all(problem for problem in error.problems)
