"""When each hook is called, with what, and what a plugin's failure costs."""

import asyncio
import sys
import threading
import warnings
from collections import defaultdict

import cloudpickle
import pytest

from crystallize import (
    CellFailedError,
    Experiment,
    ExperimentRefusedError,
    InvalidValuesError,
    PluginWarning,
    hookimpl,
)
from crystallize.plugins.validation import HOOKS

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker can import a test

STRATEGIES = [
    ("serial", {}),
    ("parallel", {"max_workers": 2}),
    ("parallel", {"max_workers": 2, "executor_type": "process"}),
]


def trial(replicate):
    return float(replicate)


async def coroutine(replicate):
    await asyncio.sleep(0)
    return float(replicate)


def fails(replicate):
    if replicate == 5:
        raise ValueError("five")
    return 1.0


class Log:
    """Notes which hooks are called, run by run."""

    def __init__(self):
        self.calls = defaultdict(list)
        self.ended = {}

    @hookimpl
    def before_run(self, experiment, run):
        self.calls[run].append("before_run")

    @hookimpl
    def outcomes_completed(self, run, outcomes):
        self.calls[run] += [outcome.replicate for outcome in outcomes]

    @hookimpl
    def after_run(self, run, result):
        self.calls[run].append("after_run")

    @hookimpl
    def run_ended(self, run, status, result, error):
        self.calls[run].append("run_ended")
        self.ended[run] = status, result, error

    @property
    def end(self):
        ((status, result, error),) = self.ended.values()
        return status, result, error


@pytest.mark.parametrize(("execution", "options"), STRATEGIES)
def test_a_run_is_reported_from_its_beginning_to_its_end(execution, options):
    log = Log()
    experiment = Experiment(
        trial, replicates=7, plugins=[log], execution=execution, execution_options=options
    )
    result = experiment.run()
    (calls,) = log.calls.values()
    assert calls[0] == "before_run"
    assert sorted(calls[1:-2]) == list(range(7))
    assert calls[-2:] == ["after_run", "run_ended"]
    assert log.end == ("finished", result, None)


@pytest.mark.parametrize("function", [trial, coroutine])
def test_arun_reports_the_same(function):
    log = Log()
    execution = "async" if function is coroutine else "serial"
    experiment = Experiment(function, replicates=7, plugins=[log], execution=execution)
    result = asyncio.run(experiment.arun())
    (calls,) = log.calls.values()
    assert (calls[0], calls[-1]) == ("before_run", "run_ended")
    assert log.end == ("finished", result, None)


def test_runs_at_once_are_told_apart():
    log = Log()
    experiment = Experiment(trial, replicates=50, plugins=[log])
    threads = [threading.Thread(target=experiment.run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.calls) == 4
    for calls in log.calls.values():
        assert [calls[0], *sorted(calls[1:-2])] == ["before_run", *range(50)]
    assert len({run.id for run in log.calls}) == 4


def test_a_run_that_fails_is_reported_with_its_error_and_what_finished():
    log = Log()
    with pytest.raises(CellFailedError) as caught:
        Experiment(fails, replicates=9, plugins=[log], on_error="raise").run()
    assert log.end == ("failed", caught.value.result, caught.value)


def test_an_executor_that_breaks_is_a_failure():
    class Breaks:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            raise RuntimeError("broken")

    log = Log()
    with pytest.raises(Exception, match="broken") as caught:
        Experiment(trial, replicates=3, plugins=[log], execution=Breaks()).run()
    status, result, error = log.end
    assert (status, error) == ("failed", caught.value)
    assert result is not None


def test_a_stream_that_is_closed_is_left():
    log = Log()
    stream = Experiment(trial, replicates=10**5, plugins=[log]).stream()
    next(stream)
    stream.close()
    assert log.end == ("left", None, None)


def test_a_stream_that_is_read_to_its_end_is_finished():
    log = Log()
    assert len(list(Experiment(trial, replicates=10, plugins=[log]).stream())) == 10
    assert log.end[0] == "finished"


@pytest.mark.parametrize("function", [trial, coroutine])
def test_an_arun_that_is_cancelled_is_left(function):
    def slow(replicate):
        threading.Event().wait(0.01)
        return 1.0

    async def waits(replicate):
        await asyncio.sleep(0.01)
        return 1.0

    log = Log()
    body, execution = (waits, "async") if function is coroutine else (slow, "serial")
    options = {"max_concurrency": 2} if execution == "async" else None
    experiment = Experiment(
        body, replicates=10**5, plugins=[log], execution=execution, execution_options=options
    )

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(experiment.arun(), 0.5)

    asyncio.run(main())
    assert log.end == ("left", None, None)


def test_what_was_in_the_store_is_reported_too(tmp_path):
    store = tmp_path / "cells.db"
    Experiment(fails, replicates=10, seed=1, store=store).run()
    log = Log()
    Experiment(fails, replicates=30, seed=1, store=store, plugins=[log]).run()
    (calls,) = log.calls.values()
    assert sorted(calls[1:-2]) == list(range(30))


def test_an_experiment_can_be_refused_and_every_refusal_is_told():
    def veto(name, reason):
        def check_experiment(self, experiment):
            if experiment.replicates < 100:
                raise ValueError(reason)

        return type(name, (), {"check_experiment": hookimpl(check_experiment)})()

    with pytest.raises(ExperimentRefusedError, match=r"The plugin Few .*: ValueError: too few"):
        Experiment(trial, replicates=3, plugins=[veto("Few", "too few")])
    with pytest.raises(InvalidValuesError, match=r"(?s)Few .*too few.*Costly .*no budget"):
        Experiment(
            trial, replicates=3, plugins=[veto("Few", "too few"), veto("Costly", "no budget")]
        )
    assert Experiment(trial, replicates=100, plugins=[veto("Few", "too few")]).run()


def raises_in(hook):
    def method(self):
        raise RuntimeError(f"in {hook}")

    return type("Bad", (), {hook: hookimpl(method)})()


@pytest.mark.parametrize(
    "hook",
    [h for h in HOOKS if h not in ("run_experiment_loop", "execute", "check_experiment")],
)
def test_a_plugin_that_raises_costs_what_it_would_have_added(hook):
    log = Log()
    experiment = Experiment(trial, replicates=40, plugins=[raises_in(hook), log])
    if hook == "worker_context":
        with pytest.raises(Exception, match=r"Bad failed in worker_context.*in worker_context"):
            experiment.run()
        return
    with pytest.warns(PluginWarning, match=rf"'Bad' failed in {hook} with RuntimeError"):
        result = experiment.run()
    assert result.metrics["baseline"]["value"].tolist() == list(map(float, range(40)))
    assert log.end[0] == "finished"
    problem = result.provenance["plugin_errors"][0]
    assert (problem["plugin"], problem["hook"]) == ("Bad", hook)
    assert "test_hooks.py" in problem["traceback"]


def test_an_author_can_see_what_a_plugin_raises(monkeypatch):
    monkeypatch.setenv("CRYSTALLIZE_PLUGIN_ERRORS", "raise")
    with pytest.raises(RuntimeError, match="in before_run"):
        Experiment(trial, plugins=[raises_in("before_run")]).run()


def test_plugins_are_called_in_the_order_in_which_they_were_given():
    order = []

    def observer(name, **options):
        def before_run(self):
            order.append(name)

        return type(name, (), {"before_run": hookimpl(**options)(before_run)})()

    plugins = [observer("a"), observer("last", trylast=True), observer("b")]
    plugins.append(observer("first", tryfirst=True))
    Experiment(trial, plugins=plugins).run()
    assert order == ["first", "a", "b", "last"]


@pytest.mark.parametrize("old", [False, True])
def test_every_hook_can_be_wrapped(old):
    seen = []

    def wrapper(hook):
        def new_style(self):
            seen.append(hook)
            return (yield)

        def old_style(self):
            seen.append(hook)
            yield

        if old:
            return hookimpl(hookwrapper=True)(old_style)
        return hookimpl(wrapper=True)(new_style)

    hooks = [hook for hook in HOOKS if hook != "run_experiment_loop"]
    around = type("Around", (), {hook: wrapper(hook) for hook in hooks})()
    result = Experiment(trial, replicates=3, plugins=[around, Log()]).run()
    assert result.metrics["baseline"]["value"].tolist() == [0.0, 1.0, 2.0]
    assert set(seen) == set(hooks)


def test_a_wrapper_changes_what_the_others_add_and_its_failure_does_not():
    class Adds:
        @hookimpl
        def extend_result(self):
            return {"mine": 1}

    class Doubles:
        @hookimpl(wrapper=True)
        def extend_result(self):
            given = yield
            return [*given, {"more": 2}]

    class Fails:
        @hookimpl(wrapper=True)
        def extend_result(self):
            yield
            raise RuntimeError("after")

    result = Experiment(trial, plugins=[Doubles()], aggregators=[Adds()]).run()
    assert result.sections == {"mine": 1, "more": 2}
    with pytest.warns(PluginWarning, match="Fails"):
        result = Experiment(trial, plugins=[Fails()], aggregators=[Adds()]).run()
    assert result.sections == {"mine": 1}


def test_one_plugin_may_implement_a_hook_twice():
    seen = []

    class Twice:
        @hookimpl(specname="before_run")
        def one(self):
            seen.append("one")

        @hookimpl(specname="before_run")
        def two(self):
            seen.append("two")

    Experiment(trial, plugins=[Twice()]).run()
    assert sorted(seen) == ["one", "two"]


def test_a_plugin_of_another_version_says_what_is_optional():
    seen = []

    class Newer:
        @hookimpl(optionalhook=True)
        def run_paused(self, run): ...

        @hookimpl(optionalhook=True)
        def after_run(self, result, reason): ...

        @hookimpl
        def before_run(self):
            seen.append("before_run")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Experiment(trial, plugins=[Newer()]).run()
    assert seen == ["before_run"]


def test_a_failure_of_an_aggregator_leaves_the_results_to_the_next():
    class Bad:
        @hookimpl
        def aggregate_results(self):
            raise RuntimeError("no")

    with pytest.warns(PluginWarning, match="'Bad' failed in aggregate_results"):
        result = Experiment(trial, replicates=2, aggregators=[Bad()]).run()
    assert result.metrics["baseline"]["value"].tolist() == [0.0, 1.0]
