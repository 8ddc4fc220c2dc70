"""Observers watch a run, and whatever they do costs no results."""

import pytest

from crystallize import Experiment, hookimpl
from crystallize.errors import PluginWarning


def trial(replicate, shift=0):
    if replicate == 1 and shift:
        raise ValueError
    return {"x": replicate + shift}


CONDITIONS = {"a": {"shift": 0}, "b": {"shift": 10}}


class Section:
    def __init__(self, name, content):
        self.name = name
        self.content = content

    @hookimpl
    def extend_result(self, experiment, result):
        return {self.name: self.content}


@pytest.mark.parametrize("hook", ["aggregate_results", "extend_result", "before_run", "after_run"])
def test_a_plugin_that_raises_is_recorded_and_results_are_kept(hook):
    def fails(self):
        raise RuntimeError("no luck")

    plugin = type("Unlucky", (), {hook: hookimpl(fails)})()
    kind = "aggregators" if hook in ("aggregate_results", "extend_result") else "plugins"
    after = Section("after", 1)
    with pytest.warns(PluginWarning, match=f"{hook} with RuntimeError: no luck"):
        result = (
            Experiment(trial, replicates=3, aggregators=[after], **{kind: [plugin]}).run()
            if (kind == "plugins")
            else Experiment(trial, replicates=3, aggregators=[plugin, after]).run()
        )
    assert result.metrics["baseline"]["x"].tolist() == [0, 1, 2]
    assert result.sections == {"after": 1}
    (problem,) = result.provenance["plugin_errors"]
    assert (problem["hook"], problem["type"]) == (hook, "RuntimeError")


def test_observers_see_the_run_in_batches():
    seen = []

    class Observer:
        @hookimpl
        def before_run(self, experiment):
            seen.append(("before", experiment.replicates))

        @hookimpl
        def outcomes_completed(self, outcomes):
            seen.append(("batch", len(outcomes)))

        @hookimpl
        def after_run(self, experiment, result):
            seen.append(("after", len(result.errors)))

    Experiment(trial, CONDITIONS, replicates=1000, plugins=[Observer()]).run()
    assert seen[0] == ("before", 1000)
    assert seen[-1] == ("after", 1)
    batches = [count for what, count in seen if what == "batch"]
    assert sum(batches) == 2000
    assert len(batches) < 200


@pytest.mark.parametrize("hook", ["before_run", "outcomes_completed", "after_run", "extend_result"])
def test_a_plugin_that_leaves_the_interpreter_costs_no_results(hook):
    def leave(self):
        raise SystemExit(9)

    plugin = type("Leaving", (), {hook: hookimpl(leave)})()
    with pytest.warns(PluginWarning, match=f"{hook} with SystemExit"):
        result = Experiment(lambda: 1.0, plugins=[plugin]).run()
    assert result.metrics["baseline"]["value"].tolist() == [1.0]
