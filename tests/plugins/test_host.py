"""The plugins of one experiment: what does not fit a hook is refused when it is registered."""

import dataclasses
import inspect

import pytest

from crystallize import Experiment, hookimpl, hookspecs
from crystallize.errors import DuplicateNameError, PluginError
from crystallize.plugins.execution import SerialExecution
from crystallize.plugins.validation import HOOKS


def run(**options):
    return Experiment(lambda replicate: replicate, replicates=2, **options).run()


def plugin(**methods):
    return type("Plugin", (), {name: hookimpl(method) for name, method in methods.items()})()


def test_a_misspelt_hook_names_the_plugin_and_the_closest():
    with pytest.raises(PluginError, match=r"Plugin implements 'extend_results'.*'extend_result'"):
        run(plugins=[plugin(extend_results=lambda self: {})])


def test_an_argument_that_does_not_exist_shows_the_signature():
    with pytest.raises(
        PluginError, match=r"hook after_run\(experiment, result\): the argument 'results' does not"
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


def test_equal_and_unhashable_plugins_are_told_apart():
    @dataclasses.dataclass
    class Counts:
        seen: list = dataclasses.field(default_factory=list)

        @hookimpl
        def after_run(self, result):
            self.seen.append(1)

    first, second = Counts(), Counts()
    assert first == second
    run(plugins=[first, second])
    assert (first.seen, second.seen) == ([1], [1])


def test_modules_and_static_methods_are_plugins_too():
    import types

    module = types.ModuleType("observing")
    module.extend_result = hookimpl(lambda result: {"from": "module"})

    class Static:
        @staticmethod
        @hookimpl
        def extend_result(result):
            return {"static": 1}

    assert run(plugins=[module, Static()]).sections == {"from": "module", "static": 1}


def test_a_name_given_twice_is_an_error(distribution):
    distribution(
        "twice-named",
        {"crystallize.aggregators": {"sec": "twice_named:Section"}},
        "from crystallize import hookimpl\nclass Section:\n    @hookimpl\n"
        "    def extend_result(self):\n        return {'s': 1}\n",
    )
    assert run(aggregators=["sec"]).sections == {"s": 1}
    with pytest.raises(DuplicateNameError, match=r"sec \(twice-named 1\.0\) is named twice"):
        run(aggregators=["sec", "sec"])


def test_a_refused_plugin_leaves_nothing_behind():
    bad = plugin(extend_result=lambda self: {"x": 1}, before_rum=lambda self: None)
    with pytest.raises(PluginError, match="before_rum"):
        run(aggregators=[bad])
    assert run().sections == {}


def test_two_experiments_share_no_plugins():
    one = Experiment(lambda: 1.0, aggregators=[plugin(extend_result=lambda self: {"one": 1})])
    two = Experiment(lambda: 1.0, aggregators=[plugin(extend_result=lambda self: {"two": 2})])
    assert one.run().sections == {"one": 1}
    assert two.run().sections == {"two": 2}


def test_a_hook_wrapper_wraps_the_aggregation():
    class Wraps:
        @hookimpl(wrapper=True)
        def aggregate_results(self):
            result = yield
            result.sections["wrapped"] = True
            return result

    assert run(aggregators=[Wraps()]).sections == {"wrapped": True}


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_says_what_it_is_for(hook):
    assert len((inspect.getdoc(getattr(hookspecs, hook)) or "").split()) > 5


def used(experiment_options):
    return [(p["name"], p["kind"]) for p in run(**experiment_options).provenance["plugins"]]


WATCH = """
from crystallize import hookimpl
class Watch:
    @hookimpl
    def extend_result(self):
        return {__name__: True}
"""


def test_observers_of_two_distributions_may_share_a_name(distribution):
    for name in ("north-watch", "south-watch"):
        value = f"{name.replace('-', '_')}:Watch"
        distribution(name, {"crystallize.plugins": {"watch": value}}, WATCH)
    assert run().sections == {"north_watch": True, "south_watch": True}


def test_a_distribution_may_give_one_name_to_plugins_of_different_kinds(distribution):
    groups = ("crystallize.plugins", "crystallize.aggregators")
    module = WATCH + "class Count:\n    @hookimpl\n    def extend_result(self): return {'n': 1}\n"
    values = ("many_kinds:Watch", "many_kinds:Count")
    entries = {group: {"kinds": value} for group, value in zip(groups, values, strict=True)}
    distribution("many-kinds", entries, module)
    assert run(aggregators=["kinds"]).sections == {"many_kinds": True, "n": 1}


@pytest.mark.parametrize("spelling", ["watch", "spelt-dist:watch", "Spelt_Dist:watch"])
def test_naming_an_installed_observer_makes_no_second_one(distribution, spelling):
    distribution("Spelt_Dist", {"crystallize.plugins": {"watch": "Spelt_Dist:Watch"}}, WATCH)
    assert used({"plugins": [spelling]}).count(("watch", "plugin")) == 1


@pytest.mark.parametrize("roles", [("plugins", "aggregators"), ("aggregators", "aggregators")])
def test_an_object_given_twice_is_refused(roles):
    both = plugin(extend_result=lambda self: {"x": 1})
    options = {role: [both] * roles.count(role) for role in roles}
    with pytest.raises(DuplicateNameError, match="Plugin is given twice"):
        run(**options)


def test_objects_of_one_class_are_told_apart_in_the_provenance():
    def observer():
        return plugin(before_run=lambda self: None)

    names = [name for name, kind in used({"plugins": [observer(), observer()]}) if kind == "plugin"]
    assert names == ["Plugin", "Plugin-2"]


def test_only_the_chosen_executor_executes():
    class Loop:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            return [replicate_fn(i) for i in range(experiment.replicates)]

    with pytest.raises(PluginError, match="implements execute, which is the executor's"):
        run(execution=Loop(), plugins=[SerialExecution()])


def test_an_observer_may_wrap_what_the_executor_does():
    seen = []

    class Loop:
        @hookimpl
        def run_experiment_loop(self, experiment, replicate_fn):
            return [replicate_fn(i) for i in range(experiment.replicates)]

    class Around:
        @hookimpl(wrapper=True)
        def run_experiment_loop(self):
            seen.append("start")
            results = yield
            seen.append("end")
            return results

        @hookimpl(wrapper=True)
        def execute(self):
            raise AssertionError("the executor has no such hook")
            yield

    result = run(execution=Loop(), plugins=[Around()])
    assert result.metrics["baseline"]["value"].tolist() == [0, 1]
    assert seen == ["start", "end"]


def test_a_named_plugin_that_does_not_fit_names_its_distribution(distribution):
    distribution("idle-dist", {"crystallize.executors": {"idle": "idle_dist"}})
    with pytest.raises(PluginError, match=r"idle \(idle-dist 1\.0\) is not an executor"):
        run(execution="idle")


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


class Wrapper:
    @hookimpl(wrapper=True)
    def before_run(self, experiment):
        return (yield)


class WrapperThatDoesNotYield:
    @hookimpl(wrapper=True)
    def aggregate_results(self, experiment): ...


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (KeywordOnly, "keyword-only"),
        (AsyncGenerator, "async"),
        (Generator, "generator"),
        (Wrapper, "wrapper"),
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
        def execute(self, experiment, call, next_task):
            return super().execute(experiment, call, next_task)

    with pytest.raises(PluginError, match=r"Mine overrides execute of SerialExecution without"):
        run(execution=Mine())


def test_an_observer_without_a_mark_is_told_of_it():
    class Forgetful:
        def before_run(self, experiment): ...

    with pytest.raises(PluginError, match="Its before_run lacks the mark"):
        run(plugins=[Forgetful()])
