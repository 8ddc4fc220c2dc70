"""Aggregation is replaced or added to through hooks; neither can lose results."""

from typing import Any

import numpy as np
import pytest

from crystallize import Experiment, Result, hookimpl
from crystallize.errors import PluginError, PluginWarning
from crystallize.experiments.aggregation import ResultAggregator


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


def test_sections_are_added():
    sections = (Section("one", {"q": np.array([1.5, 2.5])}), Section("two", [None, "x"]))
    result = Experiment(trial, aggregators=sections).run()
    assert result.sections == {"one": {"q": [1.5, 2.5]}, "two": [None, "x"]}


def test_an_aggregator_sees_the_result_and_may_contribute_nothing():
    class Sees:
        @hookimpl
        def extend_result(self, result):
            assert result.metrics["a"]["x"].tolist() == [0, 1]

    result = Experiment(trial, CONDITIONS, replicates=2, aggregators=[Sees()]).run()
    assert result.provenance["plugin_errors"] == []


def test_one_section_from_two_plugins_names_both():
    class Other(Section):
        pass

    sections = (Section("same", 1), Other("same", 2))
    with pytest.raises(PluginError, match=r"'same'.*'Section' and 'Other'") as caught:
        Experiment(trial, aggregators=sections).run()
    assert caught.value.result.metrics["baseline"]["x"].tolist() == [0]


def test_the_aggregator_can_be_replaced():
    class Mine(Result):
        pass

    class Replaces:
        @hookimpl
        def aggregate_results(self, experiment, outcomes):
            assert len(outcomes) == 6
            made = [(o.condition, o.replicate, o.metrics, bool(o.error)) for o in outcomes]
            assert made[:2] == [("a", 0, {"x": 0}, False), ("b", 0, {"x": 10}, False)]
            assert made[3] == ("b", 1, None, True)
            base = ResultAggregator().aggregate_results(experiment, outcomes)
            base.__class__ = Mine
            return base

    assert isinstance(
        Experiment(trial, CONDITIONS, replicates=3, aggregators=[Replaces()]).run(), Mine
    )


def test_an_aggregator_that_declines_leaves_it_to_the_core():
    class Declines:
        @hookimpl
        def aggregate_results(self):
            return None

    assert type(Experiment(trial, aggregators=[Declines()]).run()) is Result


@pytest.mark.parametrize("content", [object(), {1: 2}, {"a": {"b": object()}}, [lambda: 1]])
def test_a_section_that_is_no_data_is_recorded(content):
    with pytest.warns(PluginWarning, match="'bad'"):
        result = Experiment(trial, aggregators=[Section("bad", content)]).run()
    assert "bad" not in result.sections


class Adds:
    def __init__(self, sections):
        self.sections = sections

    @hookimpl
    def extend_result(self):
        return self.sections


def test_sections_without_end_or_with_odd_names_are_recorded():
    endless: list[Any] = []
    endless.append(endless)
    for sections in ({"x": endless}, {3: 4}):
        with pytest.warns(PluginWarning, match="extend_result"):
            result = Experiment(lambda: 1.0, aggregators=[Adds(sections)]).run()
        result.to_dict()
