"""Two results are the same if every byte is; the first cell that differs is found."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize import Experiment, Result
from crystallize.verification.comparing import compared, digest

SIZE = 6


def result(table: dict[str, list[dict[str, Any] | None]]) -> Result:
    """What comes of cells that give these metrics, or fail where there are none."""

    def trial(condition, replicate):
        metrics = table[condition][replicate]
        if metrics is None:
            raise ValueError("none here")
        return metrics

    return Experiment(trial, {name: {} for name in table}, replicates=SIZE, seed=1).run()


scalars = (
    st.integers(-3, 3)
    | st.floats()
    | st.booleans()
    | st.none()
    | st.sampled_from(["", "a", "nan"])
    | st.sampled_from([0.0, -0.0, math.nan, math.inf, 2**53 + 1, 2**70, 1j])
    | st.lists(st.integers(0, 1), min_size=1, max_size=2).map(np.array)
    | st.lists(st.floats(), min_size=1, max_size=2).map(np.array)
)
cells = st.none() | st.fixed_dictionaries({"x": scalars}, optional={"y": scalars})
tables = st.fixed_dictionaries(
    {name: st.lists(cells, min_size=SIZE, max_size=SIZE) for name in ("a", "b")}
)


@settings(max_examples=30, deadline=None)
@given(table=tables)
def test_a_result_is_the_same_as_itself(table: Any) -> None:
    one, other = result(table), result(copy.deepcopy(table))

    found = compared(one, other, SIZE)

    assert (found.cells, found.differing, found.first) == (2 * SIZE, 0, None)
    assert digest(one, SIZE) == digest(other, SIZE)
    assert compared(one, other, SIZE, tolerance=1e-9).first is None


@settings(max_examples=30, deadline=None)
@given(
    table=tables,
    condition=st.sampled_from(["a", "b"]),
    replicate=st.integers(0, SIZE - 1),
    value=st.sampled_from([12345, 0.1, "other", 2**71, np.array([7, 8, 9])]),
)
def test_one_cell_that_is_another_is_found(
    table: Any, condition: str, replicate: int, value: Any
) -> None:
    changed = copy.deepcopy(table)
    cell = changed[condition][replicate]
    changed[condition][replicate] = {"x": value} if cell is None else cell | {"x": value}
    one, other = result(table), result(changed)

    found = compared(one, other, SIZE)

    assert found.differing == 1
    assert found.first is not None
    assert found.first[:3] == (condition, replicate, None if cell is None else "x")
    assert digest(one, SIZE) != digest(other, SIZE)
    if replicate:
        assert compared(one, other, replicate).first is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.0, -0.0),
        (1, 1.0),
        (True, 1),
        (1.0, math.nextafter(1.0, 2)),
        ("1", 1),
        (None, math.nan),
        (np.array([1.0]), np.array([1])),
        (np.array([1.0]), np.array([1.0, 1.0])),
        (2**53, 2**53 + 1),
        (2**70, 2**70 + 1),
    ],
)
def test_what_is_equal_but_not_the_same_is_a_difference(one: object, other: object) -> None:
    first = result({"a": [{"x": one}] * SIZE})
    second = result({"a": [{"x": other}] * SIZE})

    assert compared(first, second, SIZE).differing == SIZE
    assert digest(first, SIZE) != digest(second, SIZE)


@pytest.mark.parametrize(
    ("one", "other", "tolerance", "same"),
    [
        (1.0, 1.1, 0.2, True),
        (1.0, 1.3, 0.2, False),
        (1e9, 1.1e9, 0.1, True),
        (1e-9, 2e-9, 1e-8, True),
        (0.0, -0.0, 1e-12, True),
        (math.nan, math.nan, 1e-12, True),
        (math.nan, 1.0, 1e9, False),
        (math.inf, math.inf, 1e-12, True),
        (math.inf, -math.inf, 1e9, False),
        (math.inf, 1.0, 1e9, False),
        (1j, 1j + 1e-13, 1e-12, True),
        (10**1000, 10**1000, 1e-12, True),
        (10**1000, 10**1000 + 1, 1e-12, False),
        ("a", "b", 1e9, False),
        (np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-13]), 1e-12, True),
        (np.array([1.0, 2.0]), np.array([1.0, 2.5]), 1e-12, False),
        (np.array(["a", "b"]), np.array(["a", "c"]), 1e9, False),
    ],
)
def test_a_tolerance_is_absolute_or_of_the_larger(
    one: object, other: object, tolerance: float, same: bool
) -> None:
    first = result({"a": [{"x": one}] * SIZE})
    second = result({"a": [{"x": other}] * SIZE})

    assert (compared(first, second, SIZE, tolerance).first is None) == same


def test_a_cell_that_failed_in_one_changes_no_other() -> None:
    numbers: list[Any] = [{"x": index} for index in range(SIZE)]

    found = compared(
        result({"a": numbers}), result({"a": [*numbers[:3], None, *numbers[4:]]}), SIZE
    )

    assert (found.cells, found.differing) == (SIZE, 1)
    assert found.first == ("a", 3, None, "finished", "failed: ValueError: none here")
