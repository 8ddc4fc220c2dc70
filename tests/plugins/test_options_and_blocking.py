"""Observers by name with options, plugins of no distribution, and plugins that are blocked."""

from __future__ import annotations

import json
import warnings

import pytest

from crystallize import Experiment, PluginWarning
from crystallize.errors import (
    InvalidValuesError,
    OptionError,
    PluginError,
    PluginLoadError,
    UnknownNameError,
)

TRACKER = """
from __future__ import annotations
from pathlib import Path
from crystallize import hookimpl
class Tracker:
    def __init__(self, path: Path, every: int = 1):
        self.path, self.every = path, every
    @hookimpl
    def after_run(self, result):
        self.path.write_text(f"{result.replicates} {self.every}")
class Loop:
    def __init__(self, backwards: bool = False):
        self.backwards = backwards
    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        results = [replicate_fn(i) for i in range(experiment.replicates)]
        return results
"""
STATS = """
from crystallize import hookimpl
class Largest:
    def __init__(self, name: str = "largest"):
        self.name = name
    @hookimpl
    def extend_result(self, result):
        return {self.name: max(result.metrics["baseline"]["value"])}
a_section = Largest("made")
count = 3
"""


def trial(replicate):
    return replicate


@pytest.fixture
def tracker(distribution):
    distribution(
        "track-dist", {"crystallize.observers": {"tracker": "track_dist:Tracker"}}, TRACKER
    )


@pytest.fixture
def write(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()

    def write(text, **modules):
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(source)
        path = folder / "experiment.toml"
        path.write_text(text)
        return path

    return write


CONFIG = """
[experiment]
function = "trials:trial"
replicates = 3
"""
TRIALS = "def trial(replicate):\n    return replicate\n"


def test_an_observer_is_active_where_it_is_named_and_has_options(tracker, tmp_path):
    assert Experiment(trial, replicates=2).run().provenance["plugins"][-1]["name"] == "serial"
    path = tmp_path / "log"
    experiment = Experiment(
        trial,
        replicates=2,
        plugins=["tracker"],
        plugin_options={"tracker": {"path": str(path), "every": 5}},
    )
    used = experiment.run().provenance["plugins"]
    assert path.read_text() == "2 5"
    assert used[0] == {
        "name": "tracker",
        "kind": "observer",
        "distribution": "track-dist",
        "version": "1.0",
        "options": {"path": str(path), "every": 5},
    }


def test_a_table_in_a_config_names_the_observer_and_its_paths_are_beside_the_file(
    tracker, write, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = write(CONFIG + '[plugins.tracker]\npath = "log.txt"\n', trials=TRIALS)
    Experiment.from_config(path).run()
    assert (path.parent / "log.txt").read_text() == "3 1"
    # What a program gives instead is the program's, as its store would be.
    options = {"tracker": {"path": "own.txt"}}
    Experiment.from_config(path, plugin_options=options).run()
    assert (tmp_path / "own.txt").exists()


def test_options_of_a_config_go_with_what_it_names(tracker, write):
    path = write(
        CONFIG + '[plugins.tracker]\npath = "log.txt"\n[execution]\nstrategy = "parallel"\n'
        "max_workers = 2\n",
        trials=TRIALS,
    )
    result = Experiment.from_config(path, plugins=[], execution="serial").run()
    assert [plugin["name"] for plugin in result.provenance["plugins"]] == ["serial"]


def test_everything_wrong_with_plugins_is_said_at_once(tracker):
    with pytest.raises(InvalidValuesError) as caught:
        Experiment(
            trial,
            plugins=["tracker", "trackr"],
            plugin_options={"tracker": {"pth": "a", "every": "b"}, "other": {}},
        )
    text = str(caught.value)
    for part in (
        "The observer tracker (track-dist 1.0) has no option 'pth'. Did you mean 'path'?",
        "refused its options: every: expected a whole number, got 'b'.",
        "needs the option 'path'",
        "There is no plugin 'trackr'. Did you mean 'tracker'?",
        "plugin_options.other: 'other' is not among the plugins.",
    ):
        assert part in text


def test_plugins_that_no_distribution_has_are_named_by_module_and_attribute(
    distribution, tmp_path, monkeypatch
):
    (tmp_path / "my_stats.py").write_text(STATS)
    monkeypatch.syspath_prepend(str(tmp_path))
    result = Experiment(
        trial,
        replicates=3,
        aggregators=["my_stats:Largest", "my_stats:a_section"],
        aggregator_options={"my_stats:Largest": {"name": "top"}},
    ).run()
    assert result.sections == {"top": 2, "made": 2}
    assert [p["name"] for p in result.provenance["plugins"]][:2] == [
        "my_stats:Largest",
        "my_stats:a_section",
    ]
    with pytest.raises(OptionError, match="aggregator my_stats:Largest has no option 'nme'"):
        Experiment(
            trial,
            aggregators=["my_stats:Largest"],
            aggregator_options={"my_stats:Largest": {"nme": "top"}},
        )
    with pytest.raises(PluginError, match="count is not an aggregator"):
        Experiment(trial, aggregators=["my_stats:count"])


def test_a_module_beside_the_config_comes_first_for_every_kind(write, monkeypatch):
    path = write(
        CONFIG
        + '[aggregation]\naggregators = ["stats:Largest"]\n'
        + '[aggregation.options."stats:Largest"]\nname = "top"\n'
        + '[plugins."tracks:Tracker"]\npath = "log.txt"\n'
        + '[execution]\nstrategy = "tracks:Loop"\nbackwards = true\n',
        trials=TRIALS,
        stats=STATS,
        tracks=TRACKER,
    )
    result = Experiment.from_config(path).run()
    assert result.sections == {"top": 2}
    assert result.provenance["execution"]["strategy"] == "tracks:Loop"
    assert result.provenance["execution"]["options"] == {"backwards": True}
    assert (path.parent / "log.txt").read_text() == "3 1"
    json.dumps(result.to_dict(), allow_nan=False)


def test_what_is_installed_comes_before_a_module_of_that_name(distribution, tmp_path, monkeypatch):
    installed = {"crystallize.aggregators": {"Largest": "stats_inst:Largest"}}
    distribution("stats", installed)
    (tmp_path / "stats.py").write_text("1 / 0")
    (tmp_path / "stats_inst.py").write_text(STATS)
    monkeypatch.syspath_prepend(str(tmp_path))
    result = Experiment(trial, aggregators=["stats:Largest"]).run()
    assert result.provenance["plugins"][0]["distribution"] == "stats"


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("no_such_module:Thing", PluginLoadError, "There is no module 'no_such_module'"),
        ("json:Thng", PluginLoadError, "has no attribute 'Thng'"),
        ("crystallize-core:seril", UnknownNameError, "no executor 'crystallize-core:seril'"),
        ("a:b:c", UnknownNameError, "There is no executor 'a:b:c'"),
    ],
)
def test_a_name_that_leads_nowhere_says_so(name, error, says):
    with pytest.raises(error, match=says):
        Experiment(trial, execution=name)


BROKEN = {
    "import": "1 / 0",
    "build": "class Watch:\n    def __init__(self): raise RuntimeError('no luck')\n",
    "option": "class Watch:\n    def __init__(self, needed): pass\n",
    "hooks": "class Watch: pass\n",
    "exit": "import sys\nsys.exit(3)\n",
}


@pytest.mark.parametrize("module", BROKEN.values(), ids=BROKEN)
def test_an_observer_that_is_active_everywhere_and_broken_costs_itself(distribution, module):
    name = f"bad-watch-{abs(hash(module))}"
    value = f"{name.replace('-', '_')}:Watch"
    distribution(name, {"crystallize.plugins": {"watch": value}}, module)
    with pytest.warns(
        PluginWarning, match=r"It would be active in every experiment.*block="
    ) as seen:
        experiment = Experiment(trial, replicates=2)
    assert seen[0].filename == __file__
    result = experiment.run()
    assert result.errors == []
    (failure,) = result.provenance["plugin_errors"]
    assert (failure["plugin"], failure["hook"]) == ("watch", "loading")
    with pytest.raises((PluginError, OptionError)):  # who names it wants it
        Experiment(trial, plugins=["watch"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Experiment(trial, block=["watch"]).run()


def test_a_factory_that_gives_nothing_has_nothing_to_register(distribution):
    distribution("shy", {"crystallize.plugins": {"shy": "shy:make"}}, "def make(): return None\n")
    assert [p["name"] for p in Experiment(trial).run().provenance["plugins"]] == ["serial"]


def test_a_name_that_blocks_nothing_is_said():
    with pytest.warns(
        PluginWarning, match=r"no plugin 'paralel'.*Did you mean 'parallel'\?"
    ) as seen:
        Experiment(trial, block=("paralel",))
    assert seen[0].filename == __file__
    with pytest.raises(PluginError, match="blocked by this experiment's 'block'"):
        Experiment(trial, block=("serial",))


def test_a_config_may_block(distribution, write):
    distribution("noisy", {"crystallize.plugins": {"noisy": "noisy:Watch"}}, "1 / 0")
    path = write(CONFIG + 'block = ["noisy"]\n', trials=TRIALS)
    assert Experiment.from_config(path).run().provenance["plugin_errors"] == []
