"""Cells that a store forgets are run again, and the result is that of an undisturbed run."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize import Experiment
from crystallize.errors import StoreError, UnknownNameError
from crystallize.store.dropping import drop
from crystallize.store.stored import StoredExperiment
from crystallize.testing import same_result

CONDITIONS = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}
calls: list[tuple[str, int]] = []


def trial(rng, replicate, condition, shift):
    calls.append((condition, replicate))
    if replicate == 4 and shift:
        raise ValueError("four")
    found = {"x": rng.normal() + shift, "ragged": np.zeros(replicate % 3), "big": 2**70 * replicate}
    return found | ({"some": "text"} if replicate % 3 else {})


def make(store=None, **options):
    return Experiment(trial, CONDITIONS, replicates=20, seed=7, store=store, **options)


ranges = st.builds(range, st.integers(0, 20), st.integers(0, 25))


@settings(max_examples=20, deadline=None)
@given(st.sets(st.sampled_from("ab")), st.booleans(), st.none() | ranges)
def test_exactly_what_was_dropped_is_run_again(tmp_path_factory, conditions, failed, replicates):
    store = tmp_path_factory.mktemp("drop") / "s.db"
    calls.clear()
    undisturbed = make(store).run()
    counts = drop(store, conditions, failed=failed, replicates=replicates)
    expected = [
        (condition, replicate)
        for condition in CONDITIONS
        for replicate in range(20)
        if (not conditions or condition in conditions)
        and (not failed or (condition, replicate) == ("b", 4))
        and (replicates is None or replicate in replicates)
    ]
    assert sum(counts.values()) == len(expected)
    assert sum(row["missing"] for row in StoredExperiment(store).counts()) == len(expected)
    calls.clear()
    same_result(undisturbed, make(store).run())
    assert sorted(calls) == sorted(expected)


def test_a_store_that_a_run_is_using_is_refused(store):
    make(store).run()
    run = make(store, retry_failed=True).stream()
    next(run)
    with ThreadPoolExecutor(1) as another, pytest.raises(StoreError, match="is using this store"):
        another.submit(drop, store, failed=True).result()
    run.close()
    assert drop(store, failed=True) == {"a": 0, "b": 1}


def test_an_unknown_condition_is_refused(store):
    make(store).run()
    with pytest.raises(UnknownNameError, match="'c' is not among the conditions"):
        drop(store, ["c"])


def test_a_cell_that_was_run_twice_is_forgotten_in_both(store):
    make(store).run()
    make(store, retry_failed=True).run()
    assert drop(store, ["b"], replicates=range(4, 5)) == {"b": 1}
    assert StoredExperiment(store).counts()[1] == {
        "condition": "b", "done": 19, "failed": 0, "missing": 1,
    }  # fmt: skip
