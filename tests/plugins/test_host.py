"""The plugins of one experiment: what does not fit a hook is refused when it is registered."""

import dataclasses

import pytest

from crystallize import Experiment, hookimpl
from crystallize.errors import DuplicateNameError, PluginError


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


def test_an_executor_without_a_mark_is_told_of_it():
    class Unmarked:
        def run_experiment_loop(self, experiment, replicate_fn):
            return []

    with pytest.raises(PluginError, match=r"lacks the mark: put @crystallize\.hookimpl on it"):
        run(execution=Unmarked())


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
