"""Metrics come back as they were returned, whatever the blocks and their order."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize import Experiment
from crystallize.cells.block import Failure
from crystallize.cells.metrics import checked_metrics
from crystallize.cells.outcomes import Outcomes
from crystallize.cells.rows import SPARSE_GAP, Rows
from crystallize.cells.table import Table

scalars = st.one_of(
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.text(max_size=5),
    st.none(),
    st.complex_numbers(allow_nan=False),
)
one_kind = st.sampled_from(
    [st.floats(), st.integers(-9, 9), st.booleans(), st.text(max_size=3), scalars]
)
metrics = st.dictionaries(st.sampled_from("abc"), scalars, max_size=3)
cells = st.one_of(
    st.lists(st.one_of(metrics, st.just(None)), min_size=1, max_size=12),
    one_kind.flatmap(lambda kind: st.lists(st.fixed_dictionaries({"a": kind}), min_size=1)),
)


def assembled(values, cuts, order):
    """The columns of cells that came in blocks, cut and ordered so."""
    table = Table(0, len(values))
    edges = [0, *sorted(cuts), len(values)]
    blocks = []
    for start, stop in itertools.pairwise(edges):
        if start == stop:
            continue
        rows, failures = Rows(0), []
        for replicate in range(start, stop):
            if values[replicate] is None:
                failures.append(Failure(replicate - start, "ValueError", "failed", ""))
            else:
                rows.add(replicate, values[replicate])
        blocks.append(rows.block(start, failures, 0.1))
    order.shuffle(blocks)
    for block in blocks:
        table.add(block)
    return Outcomes({"only": table}, [], 0).metrics()["only"], table


def identical(one, other):
    return type(one) is type(other) and repr(one) == repr(other)  # NaN and -0.0 included


@given(values=cells, data=st.data())
@settings(max_examples=300)
def test_blocks_and_their_order_change_nothing(values, data):
    cut = st.integers(0, len(values))
    order = data.draw(st.randoms(use_true_random=False))
    whole, _ = assembled(values, [], order)
    parts, table = assembled(values, data.draw(st.lists(cut, max_size=4)), order)
    assert list(whole) == list(parts)
    for name in whole:
        assert whole[name].dtype == parts[name].dtype
        pairs = zip(whole[name].tolist(), parts[name].tolist(), strict=True)
        assert all(identical(a, b) for a, b in pairs)
    for replicate, value in enumerate(values):
        row = table.row(replicate)
        assert (row is None) == (value is None)
        if value is not None:
            assert set(row) == set(value)
            assert all(identical(row[k], value[k]) or row[k] == value[k] for k in value), (
                row,
                value,
            )


@given(values=cells.map(lambda values: [v for v in values if v is not None]), data=st.data())
def test_cells_gathered_in_any_order_are_the_same_columns(values, data):
    apart = data.draw(st.sampled_from([1, 2, SPARSE_GAP + 1]))
    places = data.draw(st.permutations(range(len(values))))
    table = Table(0, len(values) * apart)
    rows = Rows(0)
    for place in places:
        rows.add_checked(place * apart, *checked_metrics(values[place]))
    blocks = list(rows.sparse_blocks()) if places else []
    assert all(block.stop - block.start <= max(1, len(block) - 1) * apart + 1 for block in blocks)
    for block in blocks:
        table.add(block)
    assert np.flatnonzero(table.done).tolist() == [apart * i for i in range(len(values))]
    whole, _ = assembled(values, [], random.Random(0)) if values else ({}, None)
    gathered = Outcomes({"only": table}, [], 0).metrics()["only"]
    assert list(whole) == list(gathered)
    for name, column in whole.items():
        pairs = zip(column.tolist(), gathered[name][::apart].tolist(), strict=True)
        assert all(identical(a, b) or a == b for a, b in pairs)


def returned(values):
    return Experiment(lambda replicate: {"m": values[replicate]}, replicates=len(values)).run()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0.5, 1.5], "float64"),
        ([1, 2], "int64"),
        ([True, False], "bool"),
        ([1, 0.5], "float64"),
        ([2**60 + 1, 0.5], "object"),
        ([2**70, 1], "object"),
        (["a", "b"], "object"),
        ([None, 1.0], "object"),
        ([1 + 2j, 0j], "complex128"),
        ([np.float32(0.5), np.int8(3)], "float64"),
        ([np.True_, np.False_], "bool"),
        ([np.array(3.5), 1.5], "float64"),
        ([np.arange(3), np.arange(3)], "int64"),
        ([np.arange(3), np.arange(2)], "object"),
    ],
)
def test_the_kind_of_a_column(values, dtype):
    assert returned(values).metrics["baseline"]["m"].dtype == dtype


def test_missing_numbers_are_nan_and_missing_others_none():
    def trial(replicate):
        if replicate == 1:
            raise ValueError
        return {
            "f": 0.5,
            "i": 7,
            "b": True,
            "s": "x",
            "array": np.ones(2),
            "ints": np.ones(2, dtype=int),
        }

    metrics = Experiment(trial, replicates=3).run().metrics["baseline"]
    for name in "fi":
        assert np.isnan(metrics[name][1])
        assert np.isfinite(metrics[name][[0, 2]]).all()
    assert metrics["b"].dtype == bool
    assert metrics["b"].tolist() == [True, None, True]
    assert metrics["s"].tolist() == ["x", None, "x"]
    assert np.isnan(metrics["array"][1]).all()
    assert metrics["ints"][1] is None


def test_what_a_function_does_to_its_objects_later_changes_nothing():
    kept = {}
    buffer = np.zeros(2)

    def trial(replicate):
        buffer[:] = replicate
        kept["x"] = replicate
        kept["array"] = buffer
        return kept

    metrics = Experiment(trial, replicates=50).run().metrics["baseline"]
    assert metrics["x"].tolist() == list(range(50))
    assert metrics["array"][:, 0].tolist() == list(range(50))


def test_flags_are_compared_and_averaged_on_bad_days_as_on_good_ones():
    def trial(rng, replicate, shift):
        if replicate == 2:
            raise ValueError
        return {"covered": bool(rng.random() + shift < 0.6)}

    conditions = {"a": {"shift": 0.0}, "b": {"shift": 0.3}}
    result = Experiment(trial, conditions, replicates=20, seed=4).run()
    a, b = (result.metrics[condition]["covered"] for condition in "ab")
    kept = [place for place in range(20) if place != 2]
    assert (a & b).tolist() == [
        None if place == 2 else bool(a[place]) and bool(b[place]) for place in range(20)
    ]
    assert a.mean() == np.mean([a[place] for place in kept])
    assert result.summary()[0]["mean"] == a.mean()
    frame = result.to_frame()
    assert frame["covered"].dtype.name == "boolean"
    assert frame["covered"].isna().sum() == 2


def test_flags_with_a_missing_cell_are_the_same_in_any_order_of_arrival():
    def trial(replicate):
        if replicate % 7 == 3:
            raise ValueError
        return {"flag": replicate % 2 == 0}

    def metric(**options):
        return Experiment(trial, replicates=40, **options).run().metrics["baseline"]["flag"]

    serial = metric()
    process = metric(
        execution="parallel", execution_options={"executor_type": "process", "max_workers": 2}
    )
    assert serial.tolist() == process.tolist()
    assert serial.dtype == process.dtype == bool
