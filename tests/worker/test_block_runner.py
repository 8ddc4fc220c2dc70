"""A block of cells: each comes to what its own call returned, whatever came before it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize import Experiment

PROCESS = {
    "execution": "parallel",
    "execution_options": {"executor_type": "process", "max_workers": 2},
}
KINDS = ("float", "int", "none", "numpy", "dict", "array", "fails", "no metric")
reused = {"value": 0.0, "more": 0.0}
array = np.zeros(3)


def returned(kinds):
    """A function that returns something of another kind each time, some of it never its own."""

    def trial(replicate):
        kind = kinds[replicate]
        if kind == "fails":
            raise ValueError(str(replicate))
        if kind == "dict":
            reused.update(value=float(replicate), more=-float(replicate))
            return reused
        if kind == "array":
            array[:] = replicate
            return {"value": array}
        number = float(replicate) or -0.0
        return {
            "float": number,
            "int": replicate,
            "none": {"value": None},
            "numpy": np.float64(number),
            "no metric": {},
        }[kind]

    return trial


def expected(kind, replicate):
    number = float(replicate) or -0.0
    return {
        "float": {"value": number},
        "int": {"value": replicate},
        "none": {"value": None},
        "numpy": {"value": number},
        "dict": {"value": float(replicate), "more": -float(replicate)},
        "array": {"value": [float(replicate)] * 3},
        "fails": None,
        "no metric": {},
    }[kind]


def plain(metrics):
    return metrics and {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in metrics.items()
    }


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 90)), min_size=1, max_size=9).map(
        lambda runs: [kind for kind, times in runs for _ in range(times)]
    )
)
@settings(max_examples=60, deadline=None)
def test_runs_of_cells_of_any_kind_follow_each_other(kinds):
    outcomes = list(Experiment(returned(kinds), replicates=len(kinds), seed=1).stream())
    assert [outcome.replicate for outcome in outcomes] == list(range(len(kinds)))
    for outcome, kind in zip(outcomes, kinds, strict=True):
        assert repr(plain(outcome.metrics)) == repr(expected(kind, outcome.replicate))
        assert (outcome.error is None) == (kind != "fails")


def test_numbers_keep_their_bits_and_their_type():
    class Own(float):
        pass

    special = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1, Own(0.1), np.float64(0.1)]
    values = (
        Experiment(lambda replicate: special[replicate], replicates=len(special), seed=1)
        .run()
        .metrics["baseline"]["value"]
    )
    assert values.dtype == np.float64
    assert values.tobytes() == np.array(special).tobytes()
    whole = Experiment(lambda replicate: replicate, replicates=200, seed=1).run()
    assert whole.metrics["baseline"]["value"].dtype == np.int64


@pytest.mark.parametrize("options", [{}, PROCESS], ids=["serial", "process"])
@pytest.mark.parametrize("size", [10, 3_000, 40_000])
def test_arrays_of_any_size_come_back_writeable_and_in_order(options, size):
    def trial(replicate):
        ordered = np.arange(size, dtype=float) + replicate
        return {
            "same": ordered,
            "fortran": np.asfortranarray(np.outer(ordered[:100], ordered[:30])),
            "strided": ordered[::3],
            "differing": ordered[: size - replicate],
            "text": np.array(["ü" * 5] * (size // 10)),
        }

    metrics = Experiment(trial, replicates=9, seed=1, **options).run().metrics["baseline"]
    for replicate in range(9):
        for name, value in trial(replicate).items():
            found = metrics[name][replicate]
            assert found.dtype == value.dtype
            assert np.array_equal(found, value)
            assert found.flags.writeable
