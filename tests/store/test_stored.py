"""Looking at a store: what is in it, without its experiment's code."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crystallize import Experiment, Result
from crystallize.errors import InvalidValueError, StoreError
from crystallize.store.sqlite import Store
from crystallize.store.stored import StoredExperiment
from crystallize.testing import same_result


def trial(rng, replicate, shift):
    if replicate == 3 and shift:
        raise ValueError("three")
    return rng.normal() + shift


NAMES = ["it's; DROP TABLE blocks", "../../up", "nul\0", "two\nlines", "😀", "x" * 10_000, '"q"']


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_stored_and_shown_intact(tmp_path, name):
    folder = tmp_path / "only"
    folder.mkdir()
    store = folder / "s.db"
    Experiment(lambda p: {name: p}, {name: {"p": 1.5}}, replicates=3, name=name, store=store).run()
    stored = StoredExperiment(store)
    assert stored.identity["name"] == name
    assert Result.from_store(store).metrics[name][name].tolist() == [1.5] * 3
    assert {path.name for path in folder.iterdir()} == {"s.db"}
    assert [path.name for path in tmp_path.iterdir()] == ["only"]


@given(name=st.text(min_size=1, max_size=30))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_fuzzed_names_come_back(tmp_path_factory, name):
    store = tmp_path_factory.mktemp("fuzz") / "s.db"
    Experiment(lambda p: {name: p}, {name: {"p": 1}}, name=name, store=store).run()
    assert Result.from_store(store).metrics[name][name].tolist() == [1]


def test_a_store_in_a_read_only_folder_can_be_looked_at(store):
    Experiment(lambda rng: rng.random(), replicates=20, store=store).run()
    store.with_name("s2.db").write_bytes(store.read_bytes())
    store.parent.chmod(0o555)
    try:
        before = sorted(path.name for path in store.parent.iterdir())
        assert StoredExperiment(store).counts()[0]["done"] == 20
        assert sorted(path.name for path in store.parent.iterdir()) == before
    finally:
        store.parent.chmod(0o755)


def test_its_result_is_that_of_the_run(store):
    conditions = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}
    result = Experiment(trial, conditions, replicates=5, seed=1, baseline="b", store=store).run()
    stored = Result.from_store(store)
    same_result(result, stored)
    assert (stored.baseline, stored.root) == ("b", 1)
    assert stored.provenance["function"] == "trial"


def test_it_counts_what_is_done_failed_and_missing(store):
    conditions = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}
    Experiment(trial, conditions, replicates=5, seed=1, store=store).run()
    Experiment(trial, {"a": {"shift": 0.0}}, replicates=7, seed=1, store=store).run()
    assert StoredExperiment(store).counts() == [
        {"condition": "a", "done": 7, "failed": 0, "missing": 0},
        {"condition": "b", "done": 4, "failed": 1, "missing": 2},
    ]


def test_a_store_that_no_run_has_used_is_said_to_be_empty(store):
    Store(store, create=True).close()
    with pytest.raises(StoreError, match=r"store\.db: this store is empty"):
        StoredExperiment(store)


def test_what_a_store_says_of_its_shard_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setenv("CRYSTALLIZE_SHARD", "1/2")
    path = tmp_path / "s.db"
    Experiment(lambda replicate: replicate, replicates=4, seed=1, store=path).run()
    for said in ("auto", "5/4", 3, ["1/2"]):
        with Store(path) as store:
            assert store.identity is not None
            store.set_identity({**store.identity, "shard": said})
        with pytest.raises(InvalidValueError, match=r"s\.db: its shard: expected"):
            StoredExperiment(path)
