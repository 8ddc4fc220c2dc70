"""Which plugins an experiment has, and how their hooks are called."""

import pytest

from crystallize import Experiment, hookimpl
from crystallize.errors import DuplicateNameError, OptionError, PluginError, UnknownNameError
from crystallize.plugins.catalog import Catalog
from crystallize.plugins.guard import HookCall
from crystallize.plugins.host import Host, UsedPlugin
from crystallize.plugins.validation import HOOKS


def run(**options):
    return Experiment(lambda replicate: replicate, replicates=2, **options).run()


def used(options):
    return [(p["name"], p["kind"]) for p in run(**options).provenance["plugins"]]


def plugin(**methods):
    return type("Plugin", (), {name: hookimpl(method) for name, method in methods.items()})()


class Loop:
    @hookimpl
    def run_experiment_loop(self, experiment, replicate_fn):
        return [replicate_fn(i) for i in range(experiment.replicates)]


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


def test_an_observer_may_wrap_what_the_executor_does():
    seen = []

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


def test_a_host_has_what_it_was_given_and_says_so():
    loop, observer, section = Loop(), plugin(before_run=lambda self: None), Section()
    host = Host(executor=loop, plugins=[observer], aggregators=[section], catalog=Catalog(()))
    assert host.executor is loop
    assert (host.executor_name, host.executor_options) == ("Loop", {})
    assert host.used == (
        UsedPlugin("Plugin", "plugin", None, None),
        UsedPlugin("Section", "aggregator", None, None),
        UsedPlugin("Loop", "executor", None, None),
    )
    implemented = {"run_experiment_loop", "before_run", "extend_result"}
    assert {hook for hook in HOOKS if host.implements(hook)} == implemented


def test_the_cores_own_plugins_are_there_and_not_in_the_provenance():
    host = Host(executor=Loop(), defaults=[Section()], catalog=Catalog(()))
    assert host.implements("extend_result")
    assert [plugin.name for plugin in host.used] == ["Loop"]


class Section:
    @hookimpl
    def extend_result(self):
        return {"section": 1}


@pytest.mark.parametrize("error", [RuntimeError("no luck"), SystemExit(3), GeneratorExit()])
def test_a_plugin_that_fails_stops_no_other(error):
    def fails(self):
        raise error

    plugins = [plugin(extend_result=fails), Section(), plugin(extend_result=lambda self: None)]
    host = Host(executor=Loop(), aggregators=plugins, catalog=Catalog(()))
    call = HookCall()
    given = host.ask(call, "extend_result", experiment=None, run=None, result=None)
    assert given == [{"section": 1}]
    assert call.failures == [("Plugin", error)]
    assert call.answers == [("Section", {"section": 1}), ("Plugin-2", None)]


def test_ctrl_c_in_a_plugin_is_not_taken_for_its_failure():
    def interrupted(self):
        raise KeyboardInterrupt

    host = Host(executor=Loop(), plugins=[plugin(before_run=interrupted)], catalog=Catalog(()))
    with pytest.raises(KeyboardInterrupt):
        host.ask(HookCall(), "before_run", experiment=None, run=None)


def test_options_go_with_a_name():
    with pytest.raises(OptionError, match=r"the executor is an object.*Got: 'speed'"):
        Host(executor=Loop(), executor_options={"speed": 1})
    with pytest.raises(UnknownNameError, match=r"'sec' is not among the aggregators"):
        Host(executor=Loop(), aggregators=[Section()], aggregator_options={"sec": {"n": 1}})


def test_a_class_is_no_plugin():
    with pytest.raises(PluginError, match=r"The executor Loop is a class; give an object: Loop\("):
        Host(executor=Loop)
