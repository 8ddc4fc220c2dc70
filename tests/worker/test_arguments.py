"""The arguments of a cell: filled in by name, and its own to change."""

import array
import asyncio
import collections
import dataclasses
import functools
import math
import sqlite3
import sys
import threading
import types

import cloudpickle
import numpy as np
import pytest

from crystallize import CrystallizeError, Experiment

pytestmark = pytest.mark.faults  # it takes long

cloudpickle.register_pickle_by_value(sys.modules[__name__])

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


Arrays = collections.namedtuple("Arrays", "x y")


@pytest.mark.parametrize("options", [{}, PROCESS])
@pytest.mark.parametrize(
    ("box", "change"),
    [
        (array.array("d", [0.0]), lambda box: box.append(1.0)),
        (array.array("d", [0.0]), lambda box: box.__setitem__(0, box[0] + 1)),
        (bytearray(b"a"), lambda box: box.append(1)),
        (types.SimpleNamespace(items=[0]), lambda box: box.items.append(1)),
        ({"a": {"b": [0]}}, lambda box: box["a"]["b"].append(1)),
        ([(0, [0])], lambda box: box[0][1].append(1)),
        (Pair({"a": [0]}), lambda box: box.items["a"].append(1)),
        (Holder([np.zeros(2)]), lambda box: box.items[0].__setitem__(0, 5.0)),
        (collections.deque([[0]]), lambda box: box[0].append(1)),
    ],
)
def test_what_a_cell_does_to_a_parameter_reaches_no_other(options, box, change):
    def trial(box):
        before = repr(box)
        change(box)
        return {"before": before, "changed": repr(box) != before}

    metrics = Experiment(trial, {"a": {"box": box}}, replicates=20, **options).run().metrics["a"]
    assert metrics["changed"].all()
    assert len(set(metrics["before"])) == 1


def test_arrays_in_a_named_tuple_are_read_only():
    def trial(pair):
        pair.x[0] = 5
        return 1.0

    pair = Arrays(np.zeros(3), [np.zeros(2)])
    result = Experiment(trial, {"a": {"pair": pair}}, replicates=3).run()
    assert {e.message for e in result.errors} == {"assignment destination is read-only"}
    assert pair.x.flags.writeable


@pytest.mark.parametrize("options", [{}, PROCESS, {"execution": "parallel"}, {"timeout": 9}])
@pytest.mark.parametrize(
    "make",
    [
        lambda: list(range(20_000)),
        lambda: dict.fromkeys(range(20_000), 0),
        lambda: [[number] for number in range(10_000)],
        lambda: Holder(list(range(20_000))),
        lambda: array.array("d", range(20_000)),
    ],
)
def test_a_large_parameter_that_cells_change_is_the_same_for_each(options, make):
    if "timeout" in options:
        options = {**PROCESS, **options}

    def trial(box, replicate):
        items = box.items if isinstance(box, Holder) else box
        before = items[0][0] if isinstance(items[0], list) else items[0]
        kind = type(before).__name__
        if replicate % 3 == 0:
            if isinstance(items[0], list):
                items[0][0] = 7
            else:
                items[0] = 7 + replicate
        return {"before": before, "kind": kind, "length": len(items)}

    conditions = {"a": {"box": (given := make())}}
    experiment = Experiment(trial, conditions, replicates=50, **options)
    first, again = experiment.run(), experiment.run()
    for result in (first, again):
        assert result.errors == []
        assert set(result.metrics["a"]["before"]) == {0}
        assert len(set(result.metrics["a"]["kind"])) == 1
    assert (given.items if isinstance(given, Holder) else given) == (
        make().items if isinstance(given, Holder) else make()
    )


def test_a_change_that_the_next_cell_undoes_is_seen_in_the_first():
    def trial(numbers):
        numbers.reverse()
        return numbers[0]

    conditions = {"a": {"numbers": list(range(20_000))}}
    options = {"executor_type": "thread", "max_workers": 1}
    result = Experiment(
        trial, conditions, replicates=400, execution="parallel", execution_options=options
    ).run()
    assert set(result.metrics["a"]["value"]) == {19_999}


def test_a_large_parameter_that_becomes_of_another_type_is_seen():
    def trial(numbers):
        kind = type(numbers[5]).__name__
        numbers[:] = map(float, numbers)
        return {"kind": kind}

    result = Experiment(trial, {"a": {"numbers": list(range(20_000))}}, replicates=20).run()
    assert set(result.metrics["a"]["kind"]) == {"int"}


def test_a_large_parameter_is_not_copied_for_each_call():
    result = Experiment(
        lambda numbers: float(id(numbers)), {"a": {"numbers": list(range(20_000))}}, replicates=50
    ).run()
    assert len(set(result.metrics["a"]["value"])) == 1


@dataclasses.dataclass
class Config:
    rate: float
    items: list
    resource: object


@pytest.mark.parametrize("options", [{}, {"execution": "parallel"}])
@pytest.mark.parametrize(
    "resource",
    [threading.Lock(), math, sqlite3.connect(":memory:", check_same_thread=False)],
    ids=["lock", "module", "connection"],
)
def test_what_cannot_be_copied_is_passed_as_it_is(options, resource):
    def trial(config):
        config.items.append(1)
        return {"items": len(config.items), "same": config.resource is resource}

    conditions = {"a": {"config": Config(0.1, [], resource)}}
    result = Experiment(trial, conditions, replicates=10, **options).run()
    assert result.errors == []
    assert set(result.metrics["a"]["items"]) == {1}
    assert result.metrics["a"]["same"].all()


def test_what_a_partial_has_bound_it_keeps():
    def train(rng, seed, shift):
        return {"seed": seed, "x": rng.random() + shift}

    function = functools.partial(train, seed=42)
    metrics = Experiment(function, CONDITIONS, replicates=5, seed=1).run().metrics
    assert set(metrics["a"]["seed"]) == {42}
    assert len(set(metrics["a"]["x"])) == 5
    with pytest.raises(CrystallizeError, match="gives 'seed', which Crystallize fills in"):
        Experiment(function, {"a": {"shift": 0, "seed": 3}})
