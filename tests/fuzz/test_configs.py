"""No config ends in a traceback, hangs or fills the memory; what is read is what was written."""

import json
import warnings

import pytest
import yaml
from bounded import bounded, examples, mutated, same
from click.testing import CliRunner
from configs import CONFIGS, FUNCTION, PARAMETERS, PIECES, VALUES, toml
from hypothesis import given
from hypothesis import strategies as st

from crystallize import CrystallizeError, Experiment
from crystallize.cli import main
from crystallize.description.config import read_config

pytestmark = pytest.mark.faults  # it takes long


def as_yaml(content):
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)


FORMATS = {".toml": toml, ".json": lambda content: json.dumps(content), ".yaml": as_yaml}


@pytest.fixture
def folder(tmp_path):
    source = "def trial(n=0, m=0, **more):\n    return 1.0\n"
    (tmp_path / "fuzzed_trials.py").write_text(source)
    return tmp_path


def read(path):
    """What a config comes to: an experiment, or a refusal that says something."""
    with bounded(), warnings.catch_warnings(action="ignore"):
        try:
            read_config(path)
            return Experiment.from_config(path)
        except CrystallizeError as error:
            assert str(error)
            return None


@pytest.mark.parametrize("suffix", list(FORMATS))
@examples(200)
@given(data=st.data())
def test_a_damaged_config_is_read_or_refused(folder, suffix, data):
    content = FORMATS[suffix](data.draw(st.sampled_from(CONFIGS))).encode()
    path = folder / f"c{suffix}"
    path.write_bytes(mutated(data, content, PIECES))
    read(path)


@pytest.mark.parametrize("suffix", list(FORMATS))
@examples(200)
@given(data=st.data())
def test_a_config_with_any_value_in_it_is_read_or_refused(folder, suffix, data):
    content = json.loads(json.dumps(data.draw(st.sampled_from(CONFIGS))))
    for _ in range(data.draw(st.integers(1, 3))):
        table = content
        key = data.draw(st.sampled_from(list(table)))
        while isinstance(table[key], dict) and table[key] and data.draw(st.booleans()):
            table = table[key]
            key = data.draw(st.sampled_from(list(table)))
        if data.draw(st.booleans()):
            table[key] = data.draw(VALUES)
        else:
            table[data.draw(st.text(max_size=5))] = data.draw(VALUES)
    path = folder / f"c{suffix}"
    try:
        path.write_text(FORMATS[suffix](content), encoding="utf-8")
    except (TypeError, ValueError, yaml.YAMLError):
        return  # what the format cannot say
    read(path)


@pytest.mark.parametrize("command", ["run", "verify"])
@examples(30)
@given(data=st.data())
def test_a_command_ends_with_one_of_its_exit_codes(folder, command, data):
    content = toml(data.draw(st.sampled_from(CONFIGS))).encode()
    path = folder / "c.toml"
    path.write_bytes(mutated(data, content, PIECES))
    arguments = [command, str(path), "--set", "experiment.replicates=2"]
    if command == "verify":
        arguments += ["--replicates", "1", "--strategy", "serial"]
    with bounded(), warnings.catch_warnings(action="ignore"):
        done = CliRunner().invoke(main, arguments)
    assert done.exit_code in range(4), (done.output, done.exception)
    assert "Traceback" not in done.output
    assert done.output


@pytest.mark.parametrize("suffix", list(FORMATS))
@examples(150)
@given(value=PARAMETERS, name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_what_is_read_is_what_was_written(folder, suffix, value, name):
    content = {"experiment": {"function": FUNCTION}, "conditions": {name: {"n": value}}}
    path = folder / f"c{suffix}"
    path.write_text(FORMATS[suffix](content), encoding="utf-8", newline="")
    try:
        conditions = read_config(path).conditions
    except CrystallizeError as error:
        assert suffix == ".yaml", error
        assert "for text" in str(error), error  # which YAML 1.1 reads as something else
        return
    assert conditions is not None
    assert list(conditions) == [name]
    assert same(conditions[name]["n"], value)
