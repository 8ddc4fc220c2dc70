"""A plugin is imported and made when it is named; what goes wrong names its distribution."""

import sys

import pytest

from crystallize import Experiment
from crystallize.errors import OptionError, PluginLoadError
from crystallize.installed.catalog import Catalog
from crystallize.installed.loading import build, load

LOOP = """
from crystallize import hookimpl
class Loop:
    def __init__(self, speed=1, *, label="x"):
        if speed < 0:
            raise ValueError("speed must not be negative")
    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return [replicate_fn(i) for i in range(experiment.replicates)]
"""
EXECUTORS = "crystallize.executors"


@pytest.mark.parametrize(
    "module", ["import nothing_of_that_name", "raise SystemExit(3)", "1/0", "def broken(:", ""]
)
def test_a_plugin_that_does_not_import_names_its_distribution(distribution, module):
    distribution("broken-one", {EXECUTORS: {"broken": "broken_one:Loop"}}, module)
    sys.modules.pop("broken_one", None)
    with pytest.raises(
        PluginLoadError, match=r"broken \(broken-one 1\.0\).*'broken_one:Loop'"
    ) as e:
        Experiment(lambda: 1.0, execution="broken")
    assert e.value.__cause__ is not None
    assert Experiment(lambda: 1.0).run().errors == []


def test_options_are_checked_before_the_plugin_is_made(distribution):
    distribution("opt-loop", {EXECUTORS: {"opt": "opt_loop:Loop"}}, LOOP)
    info = Catalog.installed().find("executor", "opt")
    with pytest.raises(OptionError, match=r"no option 'sped'\. Did you mean 'speed'\? Its options"):
        build(info, {"sped": 1})
    with pytest.raises(OptionError, match="refused its options: speed must not be negative"):
        build(info, {"speed": -1})
    assert type(build(info, {"speed": 2, "label": "y"})) is load(info)


@pytest.mark.parametrize("error", ["RuntimeError", "SystemExit"])
def test_a_construction_that_fails_names_the_distribution(distribution, error):
    name = f"fails-{error.lower()}"
    value = f"{name.replace('-', '_')}:make"
    distribution(name, {EXECUTORS: {"fails": value}}, f"def make(): raise {error}('no luck')")
    with pytest.raises(PluginLoadError, match=rf"fails \({name} 1\.0\).*no luck") as caught:
        Experiment(lambda: 1.0, execution="fails")
    assert type(caught.value.__cause__).__name__ == error


def test_ctrl_c_during_an_import_is_not_swallowed(distribution):
    distribution("stopped", {EXECUTORS: {"stop": "stopped:X"}}, "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load(Catalog.installed().find("executor", "stop"))


def test_a_missing_option_is_named_before_anything_is_called(distribution):
    distribution("needy", {EXECUTORS: {"needy": "needy:make"}}, "def make(size): return 1 / 0")
    with pytest.raises(OptionError, match="needs the option 'size'"):
        build(Catalog.installed().find("executor", "needy"), {})


def test_an_object_that_cannot_be_called_takes_no_options(distribution):
    distribution("constant", {EXECUTORS: {"constant": "constant:A.b [extra]"}}, "class A: b = 'x'")
    info = Catalog.installed().find("executor", "constant")
    assert build(info, {}) == "x"
    with pytest.raises(OptionError, match="takes no options; got 'size'"):
        build(info, {"size": 1})
