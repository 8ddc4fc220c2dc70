"""Plugins are registered whole or not at all, and told apart by identity."""

import dataclasses

import pytest

from crystallize import Experiment, hookimpl
from crystallize.errors import DuplicateNameError, PluginError
from crystallize.plugins.catalog import PluginInfo
from crystallize.plugins.guard import HookCall
from crystallize.plugins.manager import Manager


def run(**options):
    return Experiment(lambda replicate: replicate, replicates=2, **options).run()


def plugin(**methods):
    return type("Plugin", (), {name: hookimpl(method) for name, method in methods.items()})()


def used(experiment_options):
    return [(p["name"], p["kind"]) for p in run(**experiment_options).provenance["plugins"]]


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
    vars(module)["extend_result"] = hookimpl(lambda result: {"from": "module"})

    class Static:
        @staticmethod
        @hookimpl
        def extend_result(result):
            return {"static": 1}

    assert run(plugins=[module, Static()]).sections == {"from": "module", "static": 1}


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


def test_a_refused_plugin_leaves_nothing_behind():
    bad = plugin(extend_result=lambda self: {"x": 1}, before_rum=lambda self: None)
    with pytest.raises(PluginError, match="before_rum"):
        run(aggregators=[bad])
    assert run().sections == {}


def installed(distribution):
    return PluginInfo("plugin", "watch", distribution, "1.0", "module:attribute")


def test_what_is_refused_was_not_registered_with_any_of_its_hooks():
    manager = Manager()
    bad = plugin(extend_result=lambda self: {"x": 1}, before_rum=lambda self: None)
    with pytest.raises(PluginError, match="before_rum"):
        manager.add("plugin", "bad", bad)
    assert not manager.implements("extend_result")
    assert manager.add("plugin", "bad", plugin(extend_result=lambda self: {})) == "bad"


def test_a_name_that_is_taken_becomes_one_that_is_not():
    manager = Manager()

    def observer():
        return plugin(before_run=lambda self: None)

    names = [manager.add("plugin", "watch", observer(), installed(d)) for d in ("north", "south")]
    assert names == ["watch", "south:watch"]
    assert [manager.add("plugin", "watch", observer()) for _ in range(2)] == ["watch-2", "watch-3"]


def test_plugins_are_called_in_the_order_in_which_they_were_added():
    class Wraps:
        @hookimpl(wrapper=True)
        def aggregate_results(self):
            return [(yield)]

    manager = Manager()
    manager.add("aggregator", "one", plugin(aggregate_results=lambda self: "one"))
    manager.add("aggregator", "two", plugin(aggregate_results=lambda self: "two"))
    manager.add("aggregator", "wraps", Wraps())
    assert manager.implements("aggregate_results")
    manager.complete()
    call = HookCall()
    arguments = {"experiment": None, "run": None, "outcomes": None}
    assert call.made(lambda: manager.hook.aggregate_results(**arguments)) == ["one"]
    assert call.answers == [("one", "one")]
