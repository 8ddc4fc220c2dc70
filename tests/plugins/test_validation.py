"""What makes an object a plugin, and what is refused with the name of what is wrong."""

import inspect

import pytest

from crystallize import Experiment, hookimpl, hookspecs
from crystallize.errors import PluginError
from crystallize.plugins.execution import Execution, SerialExecution
from crystallize.plugins.validation import HOOKS, checked_implementations


def run(**options):
    return Experiment(lambda replicate: replicate, replicates=2, **options).run()


def plugin(**methods):
    return type("Plugin", (), {name: hookimpl(method) for name, method in methods.items()})()


def test_a_misspelt_hook_names_the_plugin_and_the_closest():
    with pytest.raises(PluginError, match=r"Plugin implements 'extend_results'.*'extend_result'"):
        run(plugins=[plugin(extend_results=lambda self: {})])


def test_an_argument_that_does_not_exist_shows_the_signature():
    with pytest.raises(
        PluginError,
        match=r"hook after_run\(experiment, run, result\): the argument .results. does",
    ):
        run(plugins=[plugin(after_run=lambda self, results: None)])


def test_an_argument_with_a_default_would_never_be_filled():
    with pytest.raises(PluginError, match="'result' has a default"):
        run(plugins=[plugin(after_run=lambda self, result=None: None)])


def test_an_async_hook_would_never_be_awaited():
    async def after_run(self, result):
        raise AssertionError

    with pytest.raises(PluginError, match="after_run with 'async def'"):
        run(plugins=[plugin(after_run=after_run)])


def test_what_is_given_as_an_executor_needs_no_mark():
    class Unmarked:
        def run_experiment_loop(self, experiment, replicate_fn):
            return [replicate_fn(i) for i in range(experiment.replicates)]

    assert run(execution=Unmarked()).metrics["baseline"]["value"].tolist() == [0, 1]

    class Misnamed:
        def run_experiment_loop(self, experiment, function):
            return []

    with pytest.raises(PluginError, match="the argument 'function' does not exist"):
        run(execution=Misnamed())


def test_properties_are_not_evaluated():
    class Lazy:
        @property
        def expensive(self):
            raise AssertionError("evaluated")

        @hookimpl
        def extend_result(self):
            return {"fine": 1}

    assert run(aggregators=[Lazy()]).sections == {"fine": 1}


class KeywordOnly:
    @hookimpl
    def before_run(self, *, experiment): ...


class AsyncGenerator:
    @hookimpl
    async def before_run(self, experiment):
        yield


class Generator:
    @hookimpl
    def before_run(self, experiment):
        yield


class WrapperThatDoesNotYield:
    @hookimpl(wrapper=True)
    def aggregate_results(self, experiment): ...


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (KeywordOnly, "keyword-only"),
        (AsyncGenerator, "async"),
        (Generator, "generator"),
        (WrapperThatDoesNotYield, "without a 'yield'"),
    ],
)
def test_an_implementation_that_would_never_do_its_work_is_refused(kind, says):
    with pytest.raises(PluginError, match=rf"Plugin {kind.__name__}.*{says}"):
        run(plugins=[kind()])


def test_a_loop_may_not_be_an_async_generator():
    async def run_experiment_loop(self, experiment, replicate_fn):
        yield

    with pytest.raises(PluginError, match="run_experiment_loop with 'async def'"):
        run(execution=plugin(run_experiment_loop=run_experiment_loop))


def test_the_mark_may_be_above_staticmethod():
    class Static:
        @hookimpl
        @staticmethod
        def extend_result():
            return {"static": 1}

    assert run(plugins=[Static()]).sections == {"static": 1}


def test_a_hook_may_be_implemented_under_another_name():
    class Renamed:
        @hookimpl(specname="extend_result")
        def sections(self):
            return {"renamed": 1}

    assert run(aggregators=[Renamed()]).sections == {"renamed": 1}


def test_a_property_that_raises_is_no_executor():
    class Explosive:
        @property
        def execute(self):
            raise AssertionError("evaluated")

    with pytest.raises(PluginError, match="Explosive is not an executor"):
        run(execution=Explosive())


def test_an_override_without_the_mark_does_not_silently_turn_a_hook_off():
    class Mine(SerialExecution):
        def execute(self, experiment, call, next_task, run):
            return super().execute(experiment, call, next_task, run)

    with pytest.raises(PluginError, match=r"Mine overrides execute of SerialExecution without"):
        run(execution=Mine())


def test_an_observer_without_a_mark_is_told_of_it():
    class Forgetful:
        def before_run(self, experiment): ...

    with pytest.raises(PluginError, match="Its before_run lacks the mark"):
        run(plugins=[Forgetful()])


def test_only_the_chosen_executor_executes():
    with pytest.raises(PluginError, match="implements execute, which is the executor's"):
        run(execution=SerialExecution(), plugins=[SerialExecution()])


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_says_what_it_is_for(hook):
    assert len((inspect.getdoc(getattr(hookspecs, hook)) or "").split()) > 5


def test_every_implementation_is_found_with_its_hook_and_options():
    class Both:
        @hookimpl(tryfirst=True)
        def before_run(self, experiment): ...

        @hookimpl(wrapper=True)
        def aggregate_results(self):
            return (yield)

        def helper(self): ...

    given = Both()
    wraps, answers = checked_implementations("plugin", "Both", given)
    assert (wraps.hook, wraps.wraps) == ("aggregate_results", True)
    assert (answers.hook, answers.wraps, answers.options["tryfirst"]) == ("before_run", False, True)
    assert answers.method == given.before_run


def test_a_hook_without_the_mark_beside_marked_ones_is_refused():
    class Forgetful(Execution):
        def execute(self, next_task): ...  # type: ignore[override]

    class Watches:
        @hookimpl
        def before_run(self): ...

        def run_ended(self): ...

    with pytest.raises(PluginError, match="has a method execute without the mark"):
        checked_implementations("executor", "Forgetful", Forgetful())
    with pytest.raises(PluginError, match="has a method run_ended without the mark"):
        checked_implementations("plugin", "Watches", Watches())


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("executor", plugin(before_run=lambda self: None), "x is not an executor. Give it one of"),
        ("aggregator", plugin(before_run=lambda self: None), "x is not an aggregator. Give it one"),
        ("plugin", object(), "x is not a plugin. Give it one of"),
        ("plugin", plugin(execute=lambda self: None), "The plugin x implements execute, which is"),
    ],
)
def test_a_role_asks_for_its_hooks(kind, given, says):
    with pytest.raises(PluginError, match=says):
        checked_implementations(kind, "x", given)


def test_a_wrapper_alone_makes_no_executor_but_an_aggregator():
    def wrapper(self):
        return (yield)

    loops = type("Loops", (), {"execute": hookimpl(wrapper=True)(wrapper)})()
    with pytest.raises(PluginError, match="Loops is not an executor"):
        checked_implementations("executor", "Loops", loops)
    sums = type("Sums", (), {"aggregate_results": hookimpl(wrapper=True)(wrapper)})()
    assert len(checked_implementations("aggregator", "Sums", sums)) == 1


def test_what_a_base_class_marks_is_found_and_an_attribute_of_the_object_hides_it():
    class Base:
        @hookimpl
        def extend_result(self): ...

    class Derived(Base): ...

    assert [i.hook for i in checked_implementations("plugin", "D", Derived())] == ["extend_result"]
    hidden = Derived()
    hidden.extend_result = lambda: {"hidden": 1}  # type: ignore[method-assign]
    with pytest.raises(PluginError, match="overrides extend_result of Base without the mark"):
        checked_implementations("plugin", "D", hidden)


def changed_defaults(function):
    function.__defaults__ = (None,)


def changed_signature(function):
    function.__signature__ = inspect.Signature(
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in ("self", "wrong")]
    )


def changed_code(function):
    def generator(self, experiment):
        yield

    function.__code__ = generator.__code__


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (changed_defaults, "'experiment' has a default"),
        (changed_signature, "'wrong' does not exist"),
        (changed_code, "as a generator"),
    ],
)
def test_a_method_that_has_changed_since_is_looked_at_again(change, says):
    class Observer:
        @hookimpl
        def before_run(self, experiment):
            pass

    checked_implementations("plugin", "observer", Observer())
    checked_implementations("plugin", "observer", Observer())
    change(Observer.before_run)
    with pytest.raises(PluginError, match=says):
        checked_implementations("plugin", "observer", Observer())


def test_a_method_that_fits_one_hook_need_not_fit_another():
    class Observer:
        @hookimpl
        def before_run(self, experiment):
            pass

    checked_implementations("plugin", "observer", Observer())
    elsewhere = hookimpl(specname="extend_result")(Observer.before_run)
    other = type("Other", (), {"extends": elsewhere})
    checked_implementations("plugin", "other", other())
    wrapping = hookimpl(specname="extend_result", wrapper=True)(Observer.before_run)
    with pytest.raises(PluginError, match="wrapper without a 'yield'"):
        checked_implementations("plugin", "wrapping", type("Wrapping", (), {"w": wrapping})())
