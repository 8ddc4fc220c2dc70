"""A plugin says which version of the API it is written for; where none fits it is refused."""

import importlib
import json
import os
import subprocess
import sys

import pytest

from crystallize import Experiment, PluginLoadError, PluginWarning
from crystallize.plugins import API_VERSION
from crystallize.plugins.validation import HOOKS

NEXT = API_VERSION + 1
MODULE = """
import click
from crystallize import hookimpl

class Executor:
    {within}
    def run_experiment_loop(self, experiment, replicate_fn):
        return [replicate_fn(i) for i in range(experiment.replicates)]

class Aggregator:
    {within}
    @hookimpl
    def extend_result(self, result):
        return {{"theirs": 1}}

class Observer:
    {within}
    @hookimpl
    def before_run(self): ...

@click.command()
def command():
    click.echo("it ran")

def export(result, path):
    path.write_text("it wrote")

{beside}
"""
GROUPS = {
    "executors": "Executor",
    "aggregators": "Aggregator",
    "observers": "Observer",
    "commands": "command",
    "exporters": "export",
}


def trial(replicate):
    return float(replicate)


@pytest.fixture
def theirs(distribution):
    """Installs one plugin of each kind, all of which say what they need."""

    def install(stated, *, within=False, groups=GROUPS):
        line = f"crystallize_api = {stated}"
        return distribution(
            "strange",
            {
                f"crystallize.{group}": {"strange": f"strange:{attribute}"}
                for group, attribute in groups.items()
            },
            MODULE.format(within=line if within else "", beside="" if within else line),
            version="2.5",
        )

    yield install
    sys.modules.pop("strange", None)


def use(kind, tmp_path):
    if kind == "executors":
        Experiment(trial, execution="strange")
    elif kind == "aggregators":
        Experiment(trial, aggregators=["strange"])
    elif kind == "observers":
        Experiment(trial, plugins=["strange"])
    else:
        Experiment(trial).run().export(tmp_path / "result.strange")


@pytest.mark.parametrize("kind", ["executors", "aggregators", "observers", "exporters"])
@pytest.mark.parametrize(
    ("needed", "advice"),
    [
        (API_VERSION - 1, "or go back to an older crystallize-core"),
        (NEXT, "or upgrade crystallize-core"),
    ],
)
def test_a_plugin_for_another_version_is_refused(kind, needed, advice, theirs, tmp_path):
    theirs(needed)
    with pytest.raises(PluginLoadError) as caught:
        use(kind, tmp_path)
    message = str(caught.value)
    assert f"The {kind[:-1]} strange (strange 2.5) needs version {needed}" in message
    assert f"offers version {API_VERSION}" in message
    assert "Install a release of strange that is written for version" in message
    assert advice in message


def test_a_command_for_another_version_is_refused(theirs):
    folder = theirs(NEXT)
    run = subprocess.run(
        [sys.executable, "-m", "crystallize", "strange"],
        env=environment(folder),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert f"The command strange (strange 2.5) needs version {NEXT} of the plugin API" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("kind", ["executors", "aggregators", "observers"])
@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize(
    "stated", [API_VERSION, (API_VERSION, NEXT), [API_VERSION - 1, API_VERSION]]
)
def test_a_plugin_for_this_version_runs(kind, within, stated, theirs, tmp_path):
    theirs(stated, within=within)
    use(kind, tmp_path)


@pytest.mark.parametrize("kind", ["executors", "aggregators", "observers"])
def test_a_class_may_say_it_by_itself(kind, theirs, tmp_path):
    theirs((NEXT, NEXT + 1), within=True)
    with pytest.raises(PluginLoadError, match=f"needs version {NEXT} or {NEXT + 1} of"):
        use(kind, tmp_path)


@pytest.mark.parametrize("stated", ["'1'", "1.0", "True", "()", "('1',)"])
def test_what_is_no_version_is_refused(stated, theirs, tmp_path):
    theirs(stated)
    with pytest.raises(PluginLoadError) as caught:
        use("executors", tmp_path)
    assert "The executor strange (strange 2.5) says crystallize_api = " in str(caught.value)
    assert f"as in crystallize_api = {API_VERSION}" in str(caught.value)


def test_an_observer_that_is_active_everywhere_costs_itself(theirs):
    theirs(NEXT, groups={"plugins": "Observer"})
    with pytest.warns(PluginWarning, match=f"strange 2.5. needs version {NEXT}"):
        result = Experiment(trial, replicates=3).run()
    assert result.metrics["baseline"]["value"].tolist() == [0, 1, 2]
    (left,) = result.provenance["plugin_errors"]
    assert (left["plugin"], left["hook"], left["type"]) == ("strange", "loading", "PluginLoadError")


def test_objects_and_module_attributes_are_held_to_it_too(theirs):
    theirs(NEXT, groups={})
    with pytest.raises(PluginLoadError, match=r"The aggregator strange:Aggregator needs version"):
        Experiment(trial, aggregators=["strange:Aggregator"])
    strange = importlib.import_module("strange")

    with pytest.raises(PluginLoadError, match=r"The plugin Observer needs version"):
        Experiment(trial, plugins=[strange.Observer()])


def test_the_commands_say_it(theirs):
    folder = theirs(NEXT)
    command = [sys.executable, "-m", "crystallize", "plugins"]
    given = {"env": environment(folder), "capture_output": True, "text": True}
    listed = subprocess.run(command, **given)
    assert listed.returncode == 0, listed.stderr
    checked = subprocess.run([*command, "--check", "--json"], **given)
    assert checked.returncode == 1
    rows = [row for row in json.loads(checked.stdout) if row["name"] == "strange"]
    assert sorted(row["kind"] for row in rows) == sorted(group[:-1] for group in GROUPS)
    assert all(f"needs version {NEXT} of the plugin API" in row["status"] for row in rows)
    page = subprocess.run([*command, "strange"], **given)
    assert page.returncode == 1
    assert page.stdout.count(f"needs API     {NEXT}; this version offers {API_VERSION}") == 5


def environment(folder):
    return {**os.environ, "PYTHONPATH": str(folder)}


NEWER = """
import inspect, sys
import pluggy
from crystallize import hookspecs

# This version, with one more argument of each hook, and one more hook.
MARK = "crystallize_spec"
for name, spec in list(vars(hookspecs).items()):
    if hasattr(spec, MARK):
        arguments = ", ".join([*inspect.signature(spec).parameters, "added"])
        exec(f"def {name}({arguments}): pass", made := {})
        setattr(made[name], MARK, getattr(spec, MARK))
        setattr(hookspecs, name, made[name])
exec("def cell_began(experiment, run): pass", made := {})
hookspecs.cell_began = hookspecs.hookspec(made["cell_began"])
call = pluggy.HookCaller.__call__
pluggy.HookCaller.__call__ = lambda self, **given: call(self, **given, added="news")

from crystallize.run.observers import Observers
begin = Observers.begin
def begin_and_tell(self):
    begin(self)
    self.observe("cell_began")
Observers.begin = begin_and_tell
"""
OLDER = """
from contextlib import contextmanager
from crystallize import Experiment, hookimpl
from crystallize.plugins import API_VERSION, Completion, Execution

called = []

class Strategy(Execution):
    crystallize_api = API_VERSION

    @hookimpl
    def execute(self, experiment, call, next_task, run):
        called.append("execute")
        while (task := next_task()) is not None:
            yield Completion(task, call(task))

class Loop:
    crystallize_api = API_VERSION

    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        called.append("run_experiment_loop")
        return [replicate_fn(i) for i in range(experiment.replicates)]

@contextmanager
def client():
    yield {"client": 10.0}

class Observer:
    crystallize_api = API_VERSION

    @hookimpl
    def check_experiment(self, experiment): called.append("check_experiment")
    @hookimpl
    def before_run(self, experiment, run): called.append("before_run")
    @hookimpl
    def run_ended(self, experiment, run, status, result, error): called.append("run_ended")
    @hookimpl
    def after_run(self, experiment, run, result): called.append("after_run")
    @hookimpl
    def outcomes_completed(self, experiment, run, outcomes): called.append("outcomes_completed")
    @hookimpl
    def page_completed(self, experiment, run, page): called.append("page_completed")
    @hookimpl
    def should_stop(self, experiment, run, page): called.append("should_stop")
    @hookimpl
    def worker_context(self, experiment):
        called.append("worker_context")
        return client

class Aggregator:
    crystallize_api = API_VERSION

    @hookimpl
    def aggregate_results(self, experiment, run, outcomes): called.append("aggregate_results")
    @hookimpl
    def extend_result(self, experiment, run, result):
        called.append("extend_result")
        return {"theirs": float(result.metrics["baseline"]["value"].sum())}

def trial(replicate, client):
    return replicate + client
"""
AND_RUN = """
import importlib
import json
for execution in (Strategy(), Loop()):
    result = Experiment(
        trial, replicates=20, execution=execution, plugins=[Observer(), *others],
        aggregators=[Aggregator()],
    ).run()
    assert result.metrics["baseline"]["value"].tolist() == [i + 10.0 for i in range(20)]
    assert result.sections == {"theirs": 390.0}, result.provenance["plugin_errors"]
    assert result.provenance["plugin_errors"] == []
print(json.dumps(sorted(set(called))))
"""
NEWEST = """
class News:
    @hookimpl
    def cell_began(self, run): called.append("cell_began")
    @hookimpl
    def before_run(self, added): called.append(added)
others = [News()]
"""


def test_a_plugin_of_this_version_runs_under_one_with_more_hooks_and_arguments(start, tmp_path):
    def called(*parts):
        path = tmp_path / "program.py"
        path.write_text("\n".join(parts))
        return json.loads(start(sys.executable, path, cwd=tmp_path).ended())

    assert called(OLDER, "others = []", AND_RUN) == sorted(HOOKS)
    # What was added is there: who asks for it has it.
    assert called(NEWER, OLDER, NEWEST, AND_RUN) == sorted([*HOOKS, "cell_began", "news"])


def test_an_output_that_nobody_can_write_is_said_before_the_run(theirs, tmp_path):
    folder = theirs(NEXT)
    (folder / "trials.py").write_text("def trial(replicate):\n    raise SystemExit('it ran')\n")
    (tmp_path / "experiment.toml").write_text(
        '[experiment]\nfunction = "trials:trial"\nreplicates = 2\n'
    )
    run = subprocess.run(
        [sys.executable, "-m", "crystallize", "run", "experiment.toml", "--output", "x.strange"],
        env=environment(folder),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert f"The exporter strange (strange 2.5) needs version {NEXT}" in run.stderr
    assert "it ran" not in run.stdout + run.stderr
