"""Stores of one experiment become one; what differs between them is refused."""

import os

import numpy as np
import pytest

from crystallize import Experiment
from crystallize.errors import StoreError
from crystallize.store.merging import merge
from crystallize.store.stored import StoredExperiment
from crystallize.testing import same_result

FACTOR = "CRYSTALLIZE_TEST_FACTOR"


def trial(rng, replicate, shift):
    if replicate == 1 and shift and "CRYSTALLIZE_TEST_FINE" not in os.environ:
        raise ValueError("one")
    return {
        "x": rng.normal() * float(os.environ.get(FACTOR, 1)) + shift,
        "array": np.full(2, shift),
    }


CONDITIONS = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}


def stored(path, names="ab", **options):
    conditions = {name: CONDITIONS[name] for name in names}
    arguments = {"replicates": 4, "seed": 1, "store": path, **options}
    Experiment(trial, conditions, **arguments).run()
    return StoredExperiment(path)


def test_the_cells_of_all_are_in_the_new_store(tmp_path):
    one = stored(tmp_path / "1.db", "a")
    other = stored(tmp_path / "2.db", "b", replicates=6)
    merge([one, other], tmp_path / "merged.db")
    merged = StoredExperiment(tmp_path / "merged.db")
    assert [(row["done"], row["failed"], row["missing"]) for row in merged.counts()] == [
        (4, 0, 2),
        (5, 1, 0),
    ]
    resumed = Experiment(
        trial, CONDITIONS, replicates=6, seed=1, store=tmp_path / "merged.db"
    ).run()
    assert resumed.provenance["store"]["found"] == 10
    same_result(Experiment(trial, CONDITIONS, replicates=6, seed=1).run(), resumed)


def test_cells_that_agree_may_be_in_both(tmp_path):
    merge([stored(tmp_path / "1.db"), stored(tmp_path / "2.db")], tmp_path / "merged.db")
    assert [row["missing"] for row in StoredExperiment(tmp_path / "merged.db").counts()] == [0, 0]


def test_a_cell_that_differs_in_its_last_bit_is_refused(tmp_path, monkeypatch):
    one = stored(tmp_path / "1.db", "a")
    monkeypatch.setenv(FACTOR, repr(float(np.nextafter(1.0, 2.0))))
    other = stored(tmp_path / "2.db", "a")
    with pytest.raises(
        StoreError, match=r"2\.db disagree on 4 cells:\n  - condition 'a', replicate 0: x="
    ):
        merge([one, other], tmp_path / "merged.db")
    assert not (tmp_path / "merged.db").exists()


def test_another_experiment_is_refused(tmp_path):
    one, other = stored(tmp_path / "1.db"), stored(tmp_path / "2.db", seed=2)
    with pytest.raises(StoreError, match=r"2\.db holds another .*1\.db:\n  - seed: 1, now 2"):
        merge([one, other], tmp_path / "merged.db")


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    one = stored(tmp_path / "1.db")
    with pytest.raises(StoreError, match="there is a file already"):
        merge([one], tmp_path / "1.db")


def changed(rng, shift):
    return {"x": rng.normal() + shift, "array": np.full(2, shift)}


changed.__qualname__ = "trial"


def test_other_code_is_refused_until_it_is_accepted_and_then_told_apart(tmp_path):
    one = stored(tmp_path / "1.db", "a")
    Experiment(changed, {"b": {"shift": 1.0}}, replicates=4, seed=1, store=tmp_path / "2.db").run()
    other = StoredExperiment(tmp_path / "2.db")
    with pytest.raises(StoreError, match=r"1\.db:\n  - `trial` changed \(test_merging"):
        merge([one, other], tmp_path / "merged.db")
    merge([one, other], tmp_path / "merged.db", accept_changes=True)
    merged = StoredExperiment(tmp_path / "merged.db")
    assert merged.cells == {1: {"a": [[0, 4]]}, 2: {"b": [[0, 4]]}}


def test_stores_of_one_generation_are_of_one_in_the_new_store(tmp_path):
    parts = [stored(tmp_path / f"{name}.db", name) for name in "ab"]
    merge(parts, tmp_path / "merged.db")
    assert list(StoredExperiment(tmp_path / "merged.db").cells) == [1]


def test_other_parameters_of_one_condition_are_refused(tmp_path):
    one = stored(tmp_path / "1.db", "a")
    Experiment(trial, {"a": {"shift": 2.0}}, replicates=4, seed=1, store=tmp_path / "2.db").run()
    with pytest.raises(StoreError, match=r"condition 'a', `shift`: 0\.0, now 2\.0"):
        merge([one, StoredExperiment(tmp_path / "2.db")], tmp_path / "merged.db")


def test_a_failure_gives_way_to_a_value_where_that_is_asked_for(tmp_path, monkeypatch):
    failed = stored(tmp_path / "1.db")
    monkeypatch.setenv("CRYSTALLIZE_TEST_FINE", "1")
    fine = stored(tmp_path / "2.db")
    for number, sources in enumerate([(failed, fine), (fine, failed)]):
        with pytest.raises(StoreError, match="--prefer-values takes the value"):
            merge(sources, tmp_path / "refused.db")
        merge(sources, tmp_path / f"merged{number}.db", prefer_values=True)
        counts = StoredExperiment(tmp_path / f"merged{number}.db").counts()
        assert [(row["done"], row["failed"]) for row in counts] == [(4, 0), (4, 0)]
