"""The arguments of a cell: filled in by name, and its own to change."""

import asyncio
import collections
import dataclasses

import numpy as np
import pytest

from crystallize import Experiment

CONDITIONS = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}
PROCESS = {"execution": "parallel", "execution_options": {"executor_type": "process"}}


def test_parameters_are_filled_by_name():
    def trial(shift, replicate, condition, seed, rng, ctx, extra="default"):
        assert (ctx.replicate, ctx.condition, ctx.seed) == (replicate, condition, seed)
        assert ctx.params == {"shift": shift}
        assert ctx.rng is ctx.rng
        return {"same": ctx.rng.random() == rng.random(), "extra": extra, "name": condition}

    result = Experiment(trial, CONDITIONS, replicates=3).run()
    assert result.errors == []
    assert result.metrics["b"]["same"].all()
    assert result.metrics["b"]["extra"].tolist() == ["default"] * 3
    assert result.metrics["b"]["name"].tolist() == ["b"] * 3


def test_keyword_arguments_take_any_parameter():
    result = Experiment(lambda **given: given["x"] + given["y"], {"a": {"x": 1, "y": 2}}).run()
    assert result.metrics["a"]["value"][0] == 3


class Callable:
    def __init__(self, base):
        self.base = base

    def __call__(self, replicate):
        return self.base + replicate

    async def method(self, replicate):
        await asyncio.sleep(0)
        return self.base + replicate


def test_objects_and_methods_are_functions_too():
    assert Experiment(Callable(5), replicates=2).run().metrics["baseline"]["value"].tolist() == [
        5,
        6,
    ]
    result = Experiment(Callable(5).method, replicates=2, execution="async").run()
    assert result.metrics["baseline"]["value"].tolist() == [5, 6]


@pytest.mark.parametrize("options", [{}, PROCESS])
def test_one_cell_cannot_change_anothers_parameters(options):
    def trial(numbers, table, array):
        numbers.append(1)
        table["x"].append(1)
        return {"numbers": len(numbers), "table": len(table["x"]), "sum": array.sum()}

    conditions = {"a": {"numbers": [], "table": {"x": []}, "array": np.ones(3)}}
    metrics = Experiment(trial, conditions, replicates=30, **options).run().metrics["a"]
    assert set(metrics["numbers"]) == set(metrics["table"]) == {1}

    def writes(array):
        array[0] = 5
        return 1.0

    result = Experiment(writes, {"a": {"array": np.ones(3)}}, replicates=3, **options).run()
    assert {e.message for e in result.errors} == {"assignment destination is read-only"}


@dataclasses.dataclass
class Holder:
    items: list


Pair = collections.namedtuple("Pair", "items")


@pytest.mark.parametrize(
    "make",
    [
        lambda: collections.defaultdict(list, a=[]),
        lambda: collections.OrderedDict(a=[]),
        lambda: collections.deque(),
        lambda: Holder([]),
        lambda: Pair([]),
        lambda: ([],),
    ],
)
def test_containers_are_copied_for_each_cell(make):
    def trial(box):
        items = box["a"] if isinstance(box, dict) else getattr(box, "items", None)
        if items is None:
            items = box if isinstance(box, collections.deque) else box[0]
        items.append(1)
        return len(items)

    result = Experiment(trial, {"a": {"box": make()}}, replicates=20).run()
    assert set(result.metrics["a"]["value"]) == {1}
