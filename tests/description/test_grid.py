"""A grid: every combination of its values, named by them."""

import pytest

from crystallize import CrystallizeError, Experiment, grid


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
