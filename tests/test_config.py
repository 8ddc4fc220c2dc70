"""A config file is validated as a whole, before anything is loaded."""

import json
import subprocess
import sys

import pytest

from crystallize import CrystallizeError, Experiment
from crystallize.description.config import read_config
from crystallize.errors import ConfigError

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
def write(tmp_path):
    (tmp_path / "trials.py").write_text(TRIALS)

    def write(text, name="experiment.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


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
        ("seed = 3", 'baseline = "tow"', r"no condition 'tow'\. Did you mean 'two'\?"),
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
    with pytest.raises(ConfigError, match="cannot be read"):
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
