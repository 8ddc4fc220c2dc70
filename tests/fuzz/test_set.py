"""``--set`` takes any text: it is refused, or what it says is what there is."""

import pytest
from bounded import bounded, examples, mutated, same
from configs import CONFIGS, PARAMETERS, PIECES, VALUES, toml
from hypothesis import given
from hypothesis import strategies as st

from crystallize import ConfigError, CrystallizeError
from crystallize.description.config import read_config
from crystallize.spelling import spelled

pytestmark = pytest.mark.faults  # it takes long

KEYS = [
    "experiment.replicates", "experiment.seed", "experiment.function", "conditions.a.n", "grid.n",
    "conditions", "grid", "execution.strategy", "store.path", "parameters.m", 'conditions."a".n',
    "aggregation.options.x.y", "extends", "experiment", "grid.exclude",
]  # fmt: skip


@pytest.fixture(params=range(len(CONFIGS)))
def config(tmp_path, request):
    path = tmp_path / "c.toml"
    path.write_text(toml(CONFIGS[request.param]))
    return path


def read(config, *overrides):
    with bounded():
        try:
            return read_config(config, overrides)
        except ConfigError as error:
            assert str(error)
            return None


@examples(150)
@given(data=st.data())
def test_any_text_is_taken_or_refused(config, data):
    key = data.draw(st.sampled_from(KEYS) | st.text(max_size=10))
    written = data.draw(st.text(max_size=20) | VALUES.map(as_written))
    override = mutated(data, f"{key}={written}".encode("utf-8", "replace"), PIECES)
    read(config, override.decode("utf-8", "surrogateescape"))


def conditions(path, override):
    found = read_config(path, [override]).conditions
    assert found is not None
    return found


def as_written(value):
    try:
        return spelled(value)
    except (TypeError, ValueError):
        return "null"


@examples(150)
@given(value=PARAMETERS)
def test_a_value_as_toml_spells_it_is_that_value(tmp_path, value):
    path = tmp_path / "c.toml"
    path.write_text(toml(CONFIGS[0]))
    read_back = conditions(path, f"conditions.a.n={spelled(value)}")
    assert same(read_back["a"]["n"], value)
    assert same(read_back["b"]["n"], [1, 2.5])


@examples(300)
@given(text=st.text(max_size=15))
def test_text_that_is_taken_as_text_is_that_text(tmp_path, text):
    path = tmp_path / "c.toml"
    path.write_text(toml(CONFIGS[0]))
    try:
        found = conditions(path, f"conditions.a.n={text}")["a"].get("n", "")
    except CrystallizeError:
        return
    if isinstance(found, str) and text.strip(" \t\r\n")[:1] not in ("'", '"'):
        assert found == text.strip(" \t\r\n")
