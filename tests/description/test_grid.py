"""A grid: every combination of its values, named by them."""

import itertools
import re
from collections import Counter
from functools import partial
from statistics import fmean, mean, median

import numpy as np
import pytest

from crystallize import ConfigError, CrystallizeError, Experiment, InvalidValueError, grid
from crystallize.description.config import read_config


def test_a_grid_is_every_combination():
    experiment = Experiment(lambda n, p: n * p, grid(n=[10, 40], p=[0.1, 0.5]))
    values = {c: m["value"][0] for c, m in experiment.run().metrics.items()}
    assert values == {"n=10,p=0.1": 1, "n=10,p=0.5": 5, "n=40,p=0.1": 4, "n=40,p=0.5": 20}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "grid: expected a mapping .*at least one, got {}"),
        ({"a": []}, r"grid\.a: expected at least one value"),
        ({"a": "text"}, r"grid\.a: expected a list"),
        ({"a": 3}, r"grid\.a: expected a list"),
        ({"a": [1, 1]}, "two combinations are named 'a=1'"),
    ],
)
def test_a_grid_without_values(values, message):
    with pytest.raises(CrystallizeError, match=message):
        grid(**values)


def plain(x):
    return x


def trimmed(x, cut=0.1):
    return x * cut


class Model:
    def __init__(self, rate):
        self.rate = rate

    def fit(self):
        return self.rate


class Shown(Model):
    def __repr__(self):
        return f"Shown({self.rate})"


def names(*values):
    return [name.removeprefix("a=") for name in grid(a=values)]


def test_conditions_are_named_by_functions_and_classes():
    assert list(grid(estimator=[plain, trimmed])) == ["estimator=plain", "estimator=trimmed"]
    assert names(Model, Model(1).fit, len, int) == ["Model", "Model.fit", "len", "int"]
    assert names(partial(trimmed, cut=0.2), partial(trimmed, 3)) == [
        "trimmed(cut=0.2)",
        "trimmed(3)",
    ]


def test_objects_have_short_names_that_hold_in_every_process():
    assert names(Model(1), Shown(2), None, 0.5) == ["Model", "Shown(2)", "None", "0.5"]
    assert names(np.arange(2), np.zeros((3, 3)), {"f": plain}) == ["[0 1]", "ndarray", "dict"]
    assert names(frozenset({"b", "c", "a"})) == ["{a,b,c}"]
    assert names("a text that is long " * 20) == ["a text that is long " * 20]


def test_those_of_one_name_are_told_apart():
    assert names(Model(1), Model(2)) == [f"{__name__}.Model#1", f"{__name__}.Model#2"]
    assert names(lambda x: x, lambda x: -x)[1].endswith("<lambda>#2")
    own = {"mean": lambda x: x}["mean"]
    own.__qualname__ = "mean"
    assert names(mean, own, median) == ["statistics.mean", f"{__name__}.mean", "median"]
    assert names(Counter, fmean) == ["Counter", "fmean"]


def test_each_condition_has_its_own_value():
    def estimate(estimator):
        return estimator(3)

    result = Experiment(estimate, grid(estimator=[plain, trimmed, lambda x: -x])).run()
    assert [m["value"][0] for m in result.metrics.values()] == pytest.approx([3, 0.3, -3])


@pytest.mark.parametrize("twice", [plain, Model(1), "x"])
def test_the_same_value_twice_is_refused(twice):
    with pytest.raises(CrystallizeError, match="two combinations are named"):
        grid(a=[twice, 5, twice])
    with pytest.raises(CrystallizeError, match="two combinations are named"):
        grid(a=[1, "1"])


def test_parameters_can_vary_together():
    assert list(grid(n=[1, 2], p=[3, 4], zip=["n", "p"])) == ["n=1,p=3", "n=2,p=4"]
    several = grid(a=[1, 2], b=[3, 4], c=[5, 6], d=[7], zip=[["a", "c"]])
    assert several["a=2,b=3,c=6,d=7"] == {"a": 2, "b": 3, "c": 6, "d": 7}
    assert len(several) == 4


def test_combinations_can_be_left_out():
    conditions = grid(n=[1, 2], flag=[True, 5], exclude=[{"n": 1, "flag": True}, {"flag": 5}])
    assert list(conditions) == ["n=2,flag=True"]
    arrays = [np.zeros(2), np.ones(2)]
    assert len(grid(x=arrays, exclude=[{"x": arrays[0]}])) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zip": ["n", "q"]}, r"grid\.zip: 'q' is not among the parameters"),
        ({"zip": ["n"]}, r"grid\.zip: expected two or more parameters"),
        ({"zip": ["n", "p"]}, r"as many values each \('n with 2', 'p with 1'\)"),
        ({"zip": [["n", "m"], ["m", "n"]]}, "names 'n' twice"),
        ({"zip": "n"}, r"grid\.zip: expected a list"),
        ({"exclude": [{"q": 1}]}, r"grid\.exclude: 'q' is not among the parameters"),
        ({"exclude": [{"n": True}]}, r"grid\.exclude\.n: True is none of its values, .* 1, 2"),
        ({"exclude": [{}]}, "would leave out everything"),
        ({"exclude": [1]}, r"grid\.exclude: expected a mapping"),
        ({"exclude": [{"p": 0}]}, "to leave at least one combination"),
    ],
)
def test_what_combines_nothing_is_refused(options, message):
    with pytest.raises(CrystallizeError, match=message):
        grid(n=[1, 2], m=[1, 2], p=[0], **options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"a": range(10**9)}, "grid.a: expected at most 500,000 values"),
        ({"a": itertools.count()}, "grid.a: expected at most 500,000 values"),
        (dict.fromkeys("abc", range(1000)), "at most 500,000 combinations, got 1000000000"),
        (dict.fromkeys(map(chr, range(97, 123)), range(1000)), "at most 500,000 combinations"),
    ],
)
def test_a_grid_that_nobody_could_look_at_is_refused_before_it_is_made(values, message):
    with pytest.raises(InvalidValueError, match=re.escape(message)):
        grid(**values)


def test_a_config_s_grid_is_refused_before_it_is_made(tmp_path):
    path = tmp_path / "c.toml"
    values = list(range(600))
    text = f"[experiment]\nfunction = 'a:b'\n[grid]\na = {values}\nb = {values[:300]}\nc = [1]\n"
    path.write_text(text)
    with pytest.raises(ConfigError, match="at most 500,000 combinations, got 108000000"):
        read_config(path, [f"grid.c={values}"])
    path.write_text(
        text.replace("[grid]", "[[grid]]") + f"[[grid]]\na = {values}\nd = {values[:534]}\n"
    )
    with pytest.raises(ConfigError, match="at most 500,000 combinations, got 500400"):
        read_config(path)
