"""Stores of one experiment become one; what differs between them is refused."""

import numpy as np
import pytest

from crystallize import Experiment
from crystallize.errors import StoreError
from crystallize.store.merging import merge
from crystallize.store.stored import StoredExperiment
from crystallize.testing import same_result

factor = 1.0


def trial(rng, replicate, shift):
    if replicate == 1 and shift:
        raise ValueError("one")
    return {"x": rng.normal() * factor + shift, "array": np.full(2, shift)}


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
    monkeypatch.setitem(globals(), "factor", float(np.nextafter(1.0, 2.0)))
    other = stored(tmp_path / "2.db", "a")
    with pytest.raises(StoreError, match=r"2\.db disagree:\n  - condition 'a', replicate 0: x="):
        merge([one, other], tmp_path / "merged.db")
    assert not (tmp_path / "merged.db").exists()


def test_another_experiment_is_refused(tmp_path):
    one, other = stored(tmp_path / "1.db"), stored(tmp_path / "2.db", seed=2)
    with pytest.raises(StoreError, match=r"2\.db holds another experiment:\n  - seed"):
        merge([one, other], tmp_path / "merged.db")


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    one = stored(tmp_path / "1.db")
    with pytest.raises(StoreError, match="there is a file already"):
        merge([one], tmp_path / "1.db")
