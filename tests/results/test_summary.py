"""The summary: statistics of the values that there are."""

import math

import numpy as np
import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from crystallize import Experiment, Result
from crystallize.cells.outcome import CellError
from crystallize.description.summarized import USUAL
from crystallize.results.summary import of_values, summarize

COUNTS = ("condition", "metric", "n", "nan", "failed", "warnings")


def summary_of(values, done=None, errors=()):
    """The one row of a result with one condition and one metric."""
    finished = np.ones(len(values), dtype=bool) if done is None else np.array(done)
    (row,) = summarize(
        of_values({"c": {"m": values}}, {"c": finished}, USUAL), errors, (), USUAL, {"c": {}}
    )
    assert tuple(row) == (*COUNTS, *USUAL.statistics)
    return row


def test_the_summary_is_that_of_numpy(result):
    row = next(r for r in result.summary() if (r["condition"], r["metric"]) == ("wide", "x"))
    kept = np.delete(result.metrics["wide"]["x"], 2)
    assert (row["n"], row["failed"]) == (4, 1)
    assert row["mean"] == pytest.approx(kept.mean(), rel=1e-14)
    assert row["sd"] == pytest.approx(kept.std(ddof=1), rel=1e-14)
    assert row["mcse"] == pytest.approx(kept.std(ddof=1) / 2)
    assert (row["min"], row["max"]) == (kept.min(), kept.max())


def test_text_has_no_mean(result):
    row = next(r for r in result.summary() if r["metric"] == "name")
    assert (row["n"], row["mean"], row["sd"]) == (5, None, None)


def test_one_replicate_has_no_standard_deviation():
    (row,) = Experiment(lambda: 2.0).run().summary()
    assert (row["mean"], row["sd"], row["mcse"]) == (2.0, None, None)


def test_cells_that_have_not_finished_do_not_count():
    row = summary_of(np.array([1.0, math.nan, 3.0]), done=[True, False, True])
    assert (row["n"], row["mean"], row["min"], row["max"]) == (2, 2.0, 1.0, 3.0)


def test_objects_that_are_all_numbers_are_summarized_as_floats():
    row = summary_of(np.array([2**70, None, 0.5, True], dtype=object))
    assert (row["n"], row["min"], row["max"]) == (3, 0.5, 2.0**70)


@pytest.mark.parametrize(
    "values",
    [
        np.array([10**400, 1], dtype=object),
        np.array(["a", 1.0], dtype=object),
        np.array([1 + 2j, 1.0]),
        np.zeros((2, 3)),
        np.array(["a", "b"]),
    ],
    ids=["too-large", "mixed", "complex", "arrays", "text"],
)
def test_what_has_no_mean_is_counted(values):
    row = summary_of(values)
    assert row["n"] == 2
    assert {row[name] for name in ("mean", "sd", "mcse", "min", "max")} == {None}


def test_infinities_are_summed_without_a_warning():
    row = summary_of(np.array([math.inf, -math.inf, 1.0]))
    assert math.isnan(row["mean"])
    assert (row["min"], row["max"]) == (-math.inf, math.inf)


def test_a_condition_without_metrics_says_how_many_cells_failed():
    errors = [CellError("c", i, 1, "ValueError", "no", "", 1) for i in range(2)]
    found = of_values({"c": {}}, {"c": np.zeros(2, dtype=bool)}, USUAL)
    (row,) = summarize(found, errors, (), USUAL, {"c": {}})
    assert (row["metric"], row["n"], row["failed"], row["mean"]) == ("", 0, 2, None)


def test_a_metric_that_some_cells_lack_has_its_own_n():
    result = Experiment(lambda replicate: {"ab"[replicate % 2]: 1.0}, replicates=6).run()
    row = result.summary()[0]
    assert (row["n"], row["mean"], row["failed"]) == (3, 1.0, 0)
    assert result.to_dict()["metrics"]["baseline"]["a"] == [1.0, None] * 3


def test_large_integers_have_a_mean():
    (row,) = Experiment(lambda replicate: 2**70 + replicate, replicates=3).run().summary()
    assert row["mean"] == pytest.approx(2.0**70)


NUMBERS = (
    st.floats(width=64) | st.integers(-(2**70), 2**70) | st.booleans() | st.just(10**400)
    | st.floats(width=32).map(np.float32) | st.just(-0.0) | st.just("a") | st.none()
)  # fmt: skip
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@examples(
    cells=st.lists(
        st.dictionaries(st.sampled_from("abc"), NUMBERS, max_size=3)
        | st.fixed_dictionaries({"a": FINITE, "b": FINITE}),
        min_size=1,
        max_size=30,
    ),
    failing=st.sets(st.integers(0, 29), max_size=2),
    strategy=st.sampled_from(["serial", "parallel"]),
    replicates=st.sampled_from([1, 1, 2]),
    statistics=st.sampled_from([None, ["sum", "kurtosis"], ["mean", "q90"]]),
    elements=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_summary_is_the_same_whether_metrics_were_looked_at_or_not(
    tmp_path_factory, cells, failing, strategy, replicates, statistics, elements
):
    def trial(number):
        if number in failing:
            raise ValueError(number)
        return cells[number]

    store = tmp_path_factory.mktemp("summary") / "cells.db"
    given = {f"c{number}": {"number": number} for number in range(len(cells))}
    experiment = Experiment(trial, given, replicates=replicates, execution=strategy, store=store)
    result = experiment.run()
    stored = Result.from_store(store)
    before = [repr(one.summary(statistics, elements)) for one in (result, stored)]
    assert result.metrics.keys() == stored.metrics.keys() == given.keys()
    assert [repr(one.summary(statistics, elements)) for one in (result, stored)] == before
    assert before[0] == before[1]


def test_a_summary_is_of_the_metrics_as_they_are():
    given = {name: {"shift": float(shift)} for shift, name in enumerate("abcdefgh")}
    result = Experiment(lambda shift: shift, given).run()
    assert result.summary()[3]["mean"] == 3.0
    result.metrics["d"]["value"][0] = 30.0
    assert result.summary()[3]["mean"] == 30.0
