"""A config file: every key, every format, every kind of wrong value, all of them at once."""

from __future__ import annotations

import datetime
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import crystallize
from crystallize import CrystallizeError, Experiment
from crystallize.description.config import read_config
from crystallize.description.from_config import experiment_arguments
from crystallize.errors import ConfigError

Write = Callable[..., Path]

MINIMAL = '[experiment]\nfunction = "coverage:trial"\n'

FULL = """
[experiment]
name = "coverage"
function = "coverage:trial"
replicates = 10000
seed = 2001
baseline = "wilson"
retries = 2
timeout = 2.5
max_failures = 0.25
on_error = "raise"
seed_globals = true
blas_threads = 2
plugins = ["logger"]
block = ["dask"]
progress = true
keep = "summary"

[summary]
statistics = ["mean", "q95"]
elements = ["x"]

[conditions.wald]
method = "wald"

[conditions.wilson]
method = "wilson"
n = [1, 2.5]

[execution]
strategy = "parallel"
executor_type = "process"
max_workers = 2

[store]
path = "s.db"

[aggregation]
aggregators = ["quantiles"]

[aggregation.options.quantiles]
at = [0.5]

[plugins.tracker]
path = "log.jsonl"
"""


GOOD = """
[experiment]
name = "coverage"
function = "trials:trial"
replicates = 5
seed = 3

[conditions.one]
shift = 0.0
[conditions.two]
shift = 1.0

[execution]
strategy = "parallel"
max_workers = 2
"""
TRIALS = "def trial(rng, shift):\n    return {'x': rng.random() + shift}\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    (tmp_path / "trials.py").write_text(TRIALS)

    def write(content: str | bytes, name: str = "config.toml") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refusal(path: Path, *overrides: str) -> str:
    """What is wrong with a config, without the path: a test's folder has the test's name."""
    with pytest.raises(ConfigError) as refused:
        read_config(path, overrides)
    problems = "\n".join(refused.value.problems)
    assert str(refused.value).startswith(f"{path}:\n")
    assert all(problem in str(refused.value) for problem in refused.value.problems)
    for leak in ("Input should", "should have", "instance of", "pydantic", "Section"):
        assert leak not in problems
    return problems


# --- what a config says ---------------------------------------------------------------------


def test_every_key_arrives_as_an_argument_of_experiment(write: Write) -> None:
    config = read_config(write(FULL))

    assert config.experiment.function == "coverage:trial"
    assert experiment_arguments(config, Path("kept")) == {
        "name": "coverage",
        "replicates": 10000,
        "seed": 2001,
        "baseline": "wilson",
        "retries": 2,
        "timeout": 2.5,
        "max_failures": 0.25,
        "store": Path("kept") / "s.db",
        "log": None,
        "on_error": "raise",
        "seed_globals": True,
        "blas_threads": 2,
        "plugins": ["logger", "tracker"],
        "plugin_options": {"tracker": {"path": "log.jsonl"}},
        "block": ["dask"],
        "progress": True,
        "conditions": {"wald": {"method": "wald"}, "wilson": {"method": "wilson", "n": [1, 2.5]}},
        "execution": "parallel",
        "execution_options": {"executor_type": "process", "max_workers": 2},
        "aggregators": ["quantiles"],
        "aggregator_options": {"quantiles": {"at": [0.5]}},
        "keep": "summary",
        "summary": {"statistics": ("mean", "q95"), "elements": ("x",)},
    }


def test_hypotheses_are_claims_of_an_aggregator_beside_the_others(write: Write) -> None:
    claims = '[hypothesis.faster]\nclaim = "a.x > b.x"\n'
    arguments = experiment_arguments(read_config(write(MINIMAL + claims)), Path("kept"))
    assert arguments["aggregators"] == ["hypotheses"]
    options = arguments["aggregator_options"]["hypotheses"]
    assert options["claims"] == {"faster": {"claim": "a.x > b.x"}}
    assert options["register"].folder / options["register"] == Path("kept/hypotheses.jsonl")

    chosen = '[aggregation.options.hypotheses]\nregister = "plan.jsonl"\n'
    arguments = experiment_arguments(read_config(write(MINIMAL + claims + chosen)), Path())
    assert arguments["aggregator_options"]["hypotheses"]["register"] == "plan.jsonl"


def test_a_function_is_all_that_a_config_needs(write: Write) -> None:
    arguments = experiment_arguments(read_config(write(MINIMAL)), Path())

    assert arguments["replicates"] == 1
    assert arguments["seed"] is None
    assert arguments["conditions"] is None
    assert arguments["execution"] == "serial"
    assert arguments["execution_options"] == {}


def test_conditions_keep_the_order_of_the_file(write: Write) -> None:
    names = ["zeta", "alpha", "mid"]
    tables = "".join(f"[conditions.{name}]\n" for name in names)

    conditions = experiment_arguments(read_config(write(MINIMAL + tables)), Path())["conditions"]

    assert list(conditions) == names


def test_a_grid_becomes_every_combination(write: Write) -> None:
    path = write(MINIMAL + "[grid]\nn = [10, 40]\np = [0.1, 0.5]\n")

    conditions = experiment_arguments(read_config(path), Path())["conditions"]

    assert conditions == crystallize.grid(n=[10, 40], p=[0.1, 0.5])


def test_a_config_cannot_be_changed(write: Write) -> None:
    config = read_config(write(MINIMAL))

    with pytest.raises(FrozenInstanceError):
        config.experiment.function = "a:b"  # type: ignore[misc]


def test_reading_loads_neither_the_function_nor_the_strategy(write: Write) -> None:
    config = read_config(write('[experiment]\nfunction = "a:b"\n[execution]\nstrategy = "warp"\n'))

    assert config.execution.strategy == "warp"


# --- formats --------------------------------------------------------------------------------


def test_the_suffix_may_be_in_capitals(write: Write) -> None:
    assert read_config(write(MINIMAL, "CONFIG.TOML")).experiment.function == "coverage:trial"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.toml", MINIMAL),
        ("c.json", '{"experiment": {"function": "coverage:trial"}}'),
        ("c.yaml", "experiment:\n  function: coverage:trial\n"),
    ],
)
def test_a_byte_order_mark_does_no_harm(write: Write, name: str, content: str) -> None:
    path = write(b"\xef\xbb\xbf" + content.encode(), name)

    assert read_config(path).experiment.function == "coverage:trial"


def test_yaml_may_merge_a_mapping_into_another(write: Write) -> None:
    path = write(
        "experiment:\n  function: a:b\n"
        "conditions:\n  small: &small {n: 10, p: 0.5}\n  large:\n    <<: *small\n    n: 100\n",
        "c.yaml",
    )

    conditions = read_config(path).conditions

    assert conditions == {"small": {"n": 10, "p": 0.5}, "large": {"n": 100, "p": 0.5}}


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("1e-3", "write 0.001, and '1e-3' for text"),
        ("1e-30", "write 1.0e-30,"),
        ("1e400", "write .inf,"),
        ("NaN", "write .nan,"),
        ("Infinity", "write .inf,"),
        ("None", "write null, and 'None' for text"),
        ("no", "write false, and 'no' for text"),
        ("On", "write true,"),
        ("12:30", "to base 60"),
        ("12:30:00.5", "to base 60"),
        ("010", "octal"),
    ],
)
def test_yaml_that_other_readers_take_for_something_else_is_refused(
    write: Write, written: str, instead: str
) -> None:
    head = "experiment:\n  function: a:b\n"

    message = refusal(write(f"{head}conditions:\n  x: {{y: [1, {written}]}}\n", "c.yaml"))

    assert message.startswith(f"not valid YAML: {written} is ")
    assert instead in message
    assert "line 4" in message
    content = f"{head}conditions:\n  x: {{y: '{written}', z: !!str {written}}}\n"
    assert read_config(write(content, "c.yaml")).conditions == {"x": {"y": written, "z": written}}


def test_yaml_is_read_as_toml_where_they_agree(write: Write) -> None:
    content = "[true, TRUE, 0.001, 1.0e-30, 1_000, 0x10, null, ~, .inf, 2020-01-02, none, n, 0]"
    path = write(f"experiment: {{function: a:b}}\nconditions: {{x: {{y: {content}}}}}\n", "c.yaml")

    conditions = read_config(path).conditions

    day = datetime.date(2020, 1, 2)
    expected = [True, True, 0.001, 1e-30, 1000, 16, None, None, math.inf, day, "none", "n", 0]
    assert conditions == {"x": {"y": expected}}


def test_without_pyyaml_the_message_says_how_to_get_it(write: Write, tmp_path: Path) -> None:
    """In an interpreter whose path has everything that is installed here but PyYAML."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for folder in map(Path, filter(None, sys.path)):
        if folder.name == "site-packages":
            for entry in folder.iterdir():
                if "yaml" not in entry.name.lower() and not (packages / entry.name).exists():
                    (packages / entry.name).symlink_to(entry)
    source = Path(crystallize.__file__).parent.parent
    path = write("experiment:\n  function: a:b\n", "c.yaml")
    program = (
        "import sys; from crystallize.description import config; config.read_config(sys.argv[1])"
    )

    ended = subprocess.run(
        [sys.executable, "-S", "-c", program, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(source), str(packages)])},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-2:]
    assert last[0].startswith("crystallize.errors.ConfigError")
    assert "pip install 'crystallize-core[yaml]'" in last[1]


# --- files that are no config ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["c.toml", "c.json", "c.yaml"])
@pytest.mark.parametrize("content", ["", "  \n\n"])
def test_an_empty_file_is_said_to_be_empty(write: Write, name: str, content: str) -> None:
    assert "empty" in refusal(write(content, name))


def test_a_file_of_comments_is_said_to_be_empty(write: Write) -> None:
    assert "empty" in refusal(write("# nothing yet\n"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.json", "[1]"),
        ("c.json", '"text"'),
        ("c.json", "3"),
        ("c.yaml", "text"),
        ("c.yaml", "- 1"),
    ],
)
def test_content_without_sections_is_not_called_empty(
    write: Write, name: str, content: str
) -> None:
    message = refusal(write(content, name))

    assert "empty" not in message
    assert "expected" in message


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / ("x" * 300 + ".toml"))


@pytest.mark.parametrize("content", [MINIMAL.encode("utf-16"), b'[experiment]\nname = "\xff"\n'])
def test_text_that_is_not_utf8(write: Write, content: bytes) -> None:
    assert "UTF-8" in refusal(write(content))


@pytest.mark.parametrize("name", ["config.ini", "config", "config.py"])
def test_an_unknown_format_lists_the_known_ones(write: Write, name: str) -> None:
    message = refusal(write(MINIMAL, name))

    assert all(suffix in message for suffix in (".toml", ".json", ".yaml", ".yml"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.toml", '[experiment]\nname = "a"\nfunction = \n'),
        ("c.json", '{"experiment":\n  {"function": "a:b"\n,}}'),
        ("c.yaml", "experiment:\n  name: a\n  function: [a:b\n"),
    ],
)
def test_a_syntax_error_names_format_and_line(write: Write, name: str, content: str) -> None:
    message = refusal(write(content, name))

    assert Path(name).suffix[1:].upper() in message
    assert "line 3" in message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.toml", MINIMAL + 'function = "a:c"\n'),
        ("c.json", '{"experiment": {"function": "a:b", "function": "a:c"}}'),
        ("c.yaml", "experiment:\n  function: a:b\n  function: a:c\n"),
        ("c.json", '{"conditions": {"x": {}, "x": {}}, "experiment": {"function": "a:b"}}'),
        ("c.yaml", "experiment: {function: a:b}\nconditions:\n  x: {}\n  x: {}\n"),
    ],
)
def test_a_key_that_stands_twice(write: Write, name: str, content: str) -> None:
    refusal(write(content, name))


def test_yaml_keys_must_be_names(write: Write) -> None:
    message = refusal(write("experiment: {function: a:b}\nconditions:\n  1: {x: 2}\n", "c.yaml"))

    assert "conditions" in message
    assert "got 1" in message


@pytest.mark.parametrize("key", ["[1]", "{a: 1}"])
def test_yaml_keys_that_python_cannot_hash(write: Write, key: str) -> None:
    content = f"experiment: {{function: a:b}}\nconditions:\n  ? {key}\n  : {{}}\n"

    assert "line 3" in refusal(write(content, "c.yaml"))


@pytest.mark.parametrize(
    ("name", "content"),
    [("c.toml", "a = " + "[" * 100_000), ("c.json", "[" * 100_000), ("c.yaml", "[" * 100_000)],
    ids=["toml", "json", "yaml"],
)
def test_nesting_without_end_is_a_config_error(write: Write, name: str, content: str) -> None:
    refusal(write(content, name))


# --- keys and values ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "key", "closest"),
    [
        (MINIMAL + "replicats = 3\n", "experiment.replicats", "replicates"),
        (MINIMAL + "Seed = 3\n", "experiment.Seed", "seed"),
        (MINIMAL + '[executon]\nstrategy = "serial"\n', "executon", "execution"),
        (MINIMAL + "[condition.a]\nx = 1\n", "condition", "conditions"),
        (MINIMAL + '[aggregation]\naggregator = ["a"]\n', "aggregation.aggregator", "aggregators"),
    ],
)
def test_a_misspelt_key_is_named_with_the_closest(
    write: Write, content: str, key: str, closest: str
) -> None:
    message = refusal(write(content))

    assert f"{key}: no such key. Did you mean {closest!r}?" in message
    assert "Known: " in message


BAD_VALUES = [
    ("experiment.replicates", "0", "0"),
    ("experiment.replicates", "-1", "-1"),
    ("experiment.replicates", "2.5", "2.5"),
    ("experiment.replicates", "1e3", "1000.0"),
    ("experiment.replicates", '"many"', "'many'"),
    ("experiment.replicates", '"3"', "'3'"),
    ("experiment.replicates", "true", "True"),
    ("experiment.replicates", "nan", "nan"),
    ("experiment.replicates", "[3]", "[3]"),
    ("experiment.seed", "-1", "-1"),
    ("experiment.seed", "1.0", "1.0"),
    ("experiment.seed", '"1"', "'1'"),
    ("experiment.seed", "false", "False"),
    ("experiment.retries", "-1", "-1"),
    ("experiment.retries", "true", "True"),
    ("experiment.on_error", '"stop"', "'stop'"),
    ("experiment.seed_globals", "1", "1"),
    ("experiment.seed_globals", '"yes"', "'yes'"),
    ("experiment.blas_threads", "0", "0"),
    ("experiment.plugins", '"logger"', "'logger'"),
    ("experiment.plugins", "[1]", "1"),
    ("experiment.progress", '"on"', "'on'"),
    ("experiment.name", '""', "''"),
    ("experiment.name", "3", "3"),
    ("experiment.baseline", "3", "3"),
    ("experiment.function", "3", "3"),
    ("experiment.function", '"coverage"', "'coverage'"),
    ("experiment.function", '"a:b:c"', "'a:b:c'"),
    ("experiment.function", '":b"', "':b'"),
    ("experiment.function", '"a:"', "'a:'"),
    ("experiment.function", '"a :b"', "'a :b'"),
    ("experiment", "3", "3"),
    ("execution", '"parallel"', "'parallel'"),
    ("execution.strategy", "3", "3"),
    ("execution.strategy", '""', "''"),
    ("aggregation", "[1]", "[1]"),
    ("aggregation.aggregators", '"quantiles"', "'quantiles'"),
    ("aggregation.options.quantiles", "1", "1"),
    ("experiment.block", '"dask"', "'dask'"),
    ("plugins", "[1]", "[1]"),
    ("plugins.tracker", "1", "1"),
    ("conditions", "3", "3"),
    ("conditions", "{}", "{}"),
    ("conditions.a", "3", "3"),
    ("grid", "{}", "{}"),
    ("grid.n", "3", "3"),
    ("grid.n", '"text"', "'text'"),
    ("grid.n", "[]", "[]"),
]


@pytest.mark.parametrize(("key", "value", "got"), BAD_VALUES)
def test_a_wrong_value_is_named_with_what_was_expected(
    write: Write, key: str, value: str, got: str
) -> None:
    given = "" if key in ("experiment", "experiment.function") else 'experiment.function = "a:b"\n'

    message = refusal(write(f"{given}{key} = {value}\n"))

    assert message.startswith(key)
    assert "expected" in message
    assert f"got {got}" in message


def test_options_go_with_an_aggregator_that_is_named(write: Write) -> None:
    message = refusal(
        write(
            MINIMAL
            + '[aggregation]\naggregators = ["quantiles"]\n[aggregation.options.quantile]\nat = 1\n'
        )
    )

    assert "aggregation.options.quantile" in message
    assert "Did you mean 'quantiles'?" in message


def test_everything_wrong_is_listed_at_once(write: Write) -> None:
    path = write(
        "[experiment]\nreplicates = 0\nseed = -1\nretires = 1\n[grid]\nn = 3\n[executoin]\n"
    )

    with pytest.raises(ConfigError) as refused:
        read_config(path)

    problems = refused.value.problems
    assert len(problems) == 6
    for key in ("function", "replicates", "seed", "retires"):
        assert sum(problem.startswith(f"experiment.{key}:") for problem in problems) == 1
    for key in ("grid.n", "executoin"):
        assert sum(problem.startswith(f"{key}:") for problem in problems) == 1


# --- overrides ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("experiment.seed=5", "seed", 5),
        ("experiment.replicates = 7", "replicates", 7),
        ("experiment.name=plain text", "name", "plain text"),
        ("experiment.name='quoted'", "name", "quoted"),
        ("experiment.name=a=b", "name", "a=b"),
        ("experiment.progress=true", "progress", True),
        ("experiment.plugins=['a', 'b']", "plugins", ["a", "b"]),
        ("grid.n=[1]", "conditions", {"n=1": {"n": 1}}),
        ("conditions.baseline.x=0.5", "conditions", {"baseline": {"x": 0.5}}),
        ("conditions={a={x=0.5}}", "conditions", {"a": {"x": 0.5}}),
        ("execution.strategy=parallel", "execution", "parallel"),
        ("execution.max_workers=2", "execution_options", {"max_workers": 2}),
        ("execution.executor_type=process", "execution_options", {"executor_type": "process"}),
    ],
)
def test_an_override_is_toml_or_else_text(
    write: Write, override: str, key: str, value: object
) -> None:
    assert experiment_arguments(read_config(write(MINIMAL), [override]), Path())[key] == value


def test_overrides_win_over_the_file_and_the_last_of_them_over_all(write: Write) -> None:
    path = write(MINIMAL + "seed = 1\nreplicates = 4\n")

    values = read_config(path, ["experiment.seed=2", "experiment.seed=3"]).experiment.values

    assert (values["seed"], values["replicates"]) == (3, 4)


def test_an_override_replaces_a_wrong_value_of_the_file(write: Write) -> None:
    path = write(MINIMAL + "replicates = 0\n")

    assert read_config(path, ["experiment.replicates=2"]).experiment.values["replicates"] == 2


@pytest.mark.parametrize(
    "override", ["seed=5", "experiment.seed", "=3", "experiment.=3", ".seed=3", "", "experiment"]
)
def test_an_override_that_is_misspelt(write: Write, override: str) -> None:
    message = refusal(write(MINIMAL), override)

    assert f"--set {override}" in message
    assert "section.key=value" in message


@pytest.mark.parametrize(
    ("override", "closest"),
    [("experimnt.seed=1", "experiment"), ("experiment.sede=1", "seed")],
)
def test_an_override_of_an_unknown_key_is_not_blamed_on_the_file(
    write: Write, override: str, closest: str
) -> None:
    message = refusal(write(MINIMAL), override)

    assert f"--set {override}" in message
    assert f"Did you mean {closest!r}?" in message


def test_an_override_nested_without_end(write: Write) -> None:
    assert "--set execution.x=[[" in refusal(write(MINIMAL), "execution.x=" + "[" * 100_000)


# --- from a file to an experiment -----------------------------------------------------------


def test_a_config_describes_an_experiment(write):
    experiment = Experiment.from_config(write(GOOD))
    assert (experiment.name, experiment.replicates, experiment.seed) == ("coverage", 5, 3)
    result = experiment.run()
    assert list(result.metrics) == ["one", "two"]
    assert result.provenance["execution"]["options"] == {"max_workers": 2}


def test_overrides_come_before_the_file(write):
    experiment = Experiment.from_config(
        write(GOOD), replicates=2, seed=9, execution="serial", execution_options=None
    )
    assert (experiment.replicates, experiment.seed) == (2, 9)


def test_the_function_can_be_overridden_too(write):
    experiment = Experiment.from_config(write(GOOD), function=lambda shift: shift)
    assert experiment.run().metrics["two"]["value"].tolist() == [1.0] * 5


def test_json_and_yaml_go_through_the_same_validation(write):
    import tomllib

    import yaml

    content = tomllib.loads(GOOD)
    expected = read_config(write(GOOD))
    assert read_config(write(json.dumps(content), "e.json")) == expected
    assert read_config(write(yaml.safe_dump(content, sort_keys=False), "e.yaml")) == expected
    content["experiment"]["replicats"] = 3
    for name, text in (("e.json", json.dumps(content)), ("e.yml", yaml.safe_dump(content))):
        with pytest.raises(ConfigError, match=r"Did you mean 'replicates'"):
            read_config(write(text, name))


def test_a_grid_stands_for_its_combinations(write):
    text = GOOD.replace(
        "[conditions.one]\nshift = 0.0\n[conditions.two]\nshift = 1.0",
        "[grid]\nshift = [0.0, 1.0, 2.0]",
    )
    result = Experiment.from_config(write(text)).run()
    assert list(result.metrics) == ["shift=0.0", "shift=1.0", "shift=2.0"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("replicates", "replicats", r"\.replicats: no such key\. Did you mean 'replicates'"),
        ("[execution]", "[executions]", r"executions: no such key\. Did you mean 'execution'"),
        ("[experiment]", "[experimint]", r"experiment: missing; it must be given"),
        ('function = "trials:trial"', "", r"experiment\.function: missing"),
        ("trials:trial", "trials", r"expected 'module:attribute', got 'trials'"),
        ("replicates = 5", "replicates = 0", r"experiment\.replicates: .*whole.*1 or more, got 0"),
        ("replicates = 5", "replicates = -1", r"got -1"),
        ("replicates = 5", "replicates = 2.5", r"a whole number.*got 2\.5"),
        ("replicates = 5", 'replicates = "many"', r"a whole number, 1 or more, got 'many'"),
        ("replicates = 5", "replicates = true", r"a whole number, 1 or more, got True"),
        ("seed = 3", "seed = -3", r"experiment\.seed: .*got -3"),
        ("seed = 3", 'on_error = "explode"', r"\.on_error: .*'collect' or 'raise'.*explode"),
        ("seed = 3", 'baseline = "tow"', r"'tow' is not among the conditions\. Did you mean 'two'"),
        ("shift = 0.0", "", r"trial requires 'shift', which condition 'one' does not give"),
        ("shift = 0.0", "shfit = 0.0", r"gives 'shfit', which trial does not take.*'shift'"),
        ("[conditions.two]", "[conditions.one]", r"not valid TOML"),
        ("[execution]", "[grid]\na = [1]\n[execution]", r"give one or the other, not both"),
        ("max_workers", "max_worker", r"no option 'max_worker'.*'max_workers'"),
        ("max_workers = 2", "max_workers = 0", r"max_workers: expected"),
        ("max_workers = 2", 'executor_type = "fork"', r"executor_type: .*got 'fork'"),
        ('"parallel"', '"paralell"', r"no executor 'paralell'\. Did you mean 'parallel'"),
        ('"parallel"', "3", r"execution\.strategy: expected .*text.*, got 3"),
        ("[execution]", '[aggregation]\naggregators = ["q"]\n[execution]', r"no aggregator 'q'"),
        ("[execution]", '[aggregation]\naggregator = ["q"]\n[execution]', r"mean 'aggregators'"),
        (
            "[execution]",
            "[aggregation.options.q]\na = 1\n[execution]",
            r"aggregation\.options\.q: 'q' is not among the aggregators",
        ),
        ("trials:trial", "trails:trial", r"no module 'trails': neither in .* nor installed"),
        ("trials:trial", "trials:trail", r"has no attribute 'trail'\. Did you mean 'trial'"),
        ("trials:trial", "trials:__name__", r"is a str, not a function"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(write, old, new, message):
    assert old in GOOD
    with pytest.raises(CrystallizeError, match=message):
        Experiment.from_config(write(GOOD.replace(old, new, 1)))


def test_every_problem_is_listed_at_once(write):
    text = GOOD.replace("replicates = 5", "replicates = 0\nsede = 1").replace('"parallel"', "[]")
    with pytest.raises(ConfigError) as caught:
        read_config(write(text))
    assert len(caught.value.problems) == 3
    assert str(write(text)) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.toml", b"", "the file is empty"),
        ("e.json", b"", "the file is empty"),
        ("e.yaml", b"", "the file is empty"),
        ("e.json", b"[]", "the file is empty"),
        ("e.toml", b"[experiment\n", "not valid TOML.*line 1"),
        ("e.json", b"{", "not valid JSON.*line 1"),
        ("e.json", b'{"a": 1, "a": 2}', "'a' stands twice"),
        ("e.yaml", b"a: 1\na: 2\n", "'a' stands twice"),
        ("e.yaml", b"a: [", "not valid YAML"),
        ("e.yaml", b"a: !!python/object/apply:os.getcwd []", "not valid YAML"),
        ("e.toml", b"\xff\xfe", "not UTF-8"),
        ("e.ini", b"a = 1", "unknown format '.ini'; known: .toml"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"{name}:(.|\n)*{message}"):
        read_config(path)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_config(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="is a folder"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("override", "check"),
    [
        ("experiment.replicates=7", lambda c: c.experiment.values["replicates"] == 7),
        ("experiment.name=plain text", lambda c: c.experiment.values["name"] == "plain text"),
        ('experiment.name="quoted"', lambda c: c.experiment.values["name"] == "quoted"),
        ("conditions.one.shift=[1, 2]", lambda c: c.conditions["one"]["shift"] == [1, 2]),
        ("execution.max_workers=1", lambda c: c.execution.options == {"max_workers": 1}),
        ("aggregation.aggregators=['a']", lambda c: c.aggregation.aggregators == ["a"]),
    ],
)
def test_set_overrides_any_key(write, override, check):
    assert check(read_config(write(GOOD), [override]))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("replicates=7", "--set replicates=7: expected section.key=value"),
        ("experiment.replicates", "expected section.key=value"),
        ("experiment.replicats=7", "Did you mean 'replicates'"),
        ("experiment.replicates=many", "a whole number, 1 or more, got 'many'"),
        ("experiment.name.x=7", "'name' is not a section"),
    ],
)
def test_a_wrong_override_is_refused(write, override, message):
    with pytest.raises(ConfigError, match=message):
        read_config(write(GOOD), [override])


def test_reading_loads_no_plugin_and_no_module_of_the_user(write):
    path = write(GOOD)
    program = (
        "import sys; from crystallize.description.config import read_config\n"
        f"read_config({str(path)!r})\n"
        "print([m for m in sys.modules if m == 'trials' or '.execution.' in m or m == 'numpy'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
