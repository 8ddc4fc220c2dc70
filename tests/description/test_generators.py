"""Random generators that a function has in hand, from wherever."""

from __future__ import annotations

import functools
import random

import numpy as np
import pytest
import scipy.stats
from sklearn.ensemble import RandomForestRegressor

from crystallize import Experiment
from crystallize.errors import FunctionError

MINE = np.random.default_rng(1)
STANDARD = random.Random(1)
DRAW = MINE.normal
NORMAL = scipy.stats.norm(0, 1)


class Noise:
    def __init__(self) -> None:
        self.state = np.random.RandomState(1)

    def draw(self) -> float:
        return self.state.normal()


NOISE = Noise()
FOREST = RandomForestRegressor(random_state=np.random.RandomState(1))


def helper():
    return MINE.normal()


def closing_over(generator):
    return lambda: generator.normal()


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda: MINE.normal(), "global `MINE`"),
        (lambda: STANDARD.random(), "global `STANDARD`"),
        (lambda: DRAW(), "global `DRAW`"),
        (lambda: NOISE.draw(), "global `NOISE`.state"),
        (NOISE.draw, "the function.state"),
        (lambda: helper(), "global `MINE`"),
        (lambda: FOREST, "global `FOREST`.random_state"),
        (lambda x=MINE: x.normal(), "default `x`"),
        (closing_over(MINE), "closure `generator`"),
        (functools.partial(lambda x: x.normal(), MINE), "the function[0]"),
    ],
)
def test_a_generator_that_the_function_reaches_is_refused(function, name):
    with pytest.raises(FunctionError, match="Ask for 'rng'") as refusal:
        Experiment(function)
    assert f": {name}. " in str(refusal.value)


@pytest.mark.parametrize(
    "value",
    [[1, [MINE]], {"noise": NOISE}, (NOISE,), functools.partial(NOISE.draw), np.array([MINE])],
)
def test_a_generator_inside_a_parameter_is_refused(value):
    with pytest.raises(FunctionError, match=r"condition 'a', `x`.*Ask for 'rng'"):
        Experiment(lambda x: 1.0, {"a": {"x": value}})


def drawing():
    # The generators that everyone shares are watched at run time, and libraries have theirs.
    return NORMAL.rvs() + np.random.normal() + random.random() + scipy.stats.norm.rvs()


def test_what_only_a_library_holds_is_no_offence():
    assert Experiment(drawing).replicates == 1
