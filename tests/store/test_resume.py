"""A run on a store runs what is missing, and its bytes are those of an undisturbed run."""

import json
import sqlite3

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crystallize import CrystallizeError, Experiment
from crystallize.cells.block import Failure
from crystallize.cells.metrics import checked_metrics
from crystallize.cells.rows import Rows
from crystallize.cells.table import Table
from crystallize.errors import StoreMismatchError
from crystallize.results.errors import CellFailedError
from crystallize.store import Record, Store
from crystallize.store.records import read_records, record
from crystallize.store.stored import StoredExperiment
from crystallize.testing import same_result

CONDITIONS = {"a": {"shift": 0.0}, "b": {"shift": 1.0}}
calls = []


@pytest.fixture(autouse=True)
def _count():
    calls.clear()


def trial(rng, replicate, condition, shift):
    calls.append((condition, replicate))
    if replicate == 4 and shift:
        raise ValueError("four")
    return {
        "x": rng.normal() + shift,
        "n": replicate,
        "big": 2**70 * replicate,
        "text": f"{condition}{replicate}",
        "array": rng.integers(0, 9, size=3),
        "ragged": np.zeros(replicate % 3),
        "mixed": [1, 2.5, None, 1 + 2j][replicate % 4],
    }


def make(store=None, **options):
    arguments = {"replicates": 20, "seed": 7, **options}
    return Experiment(trial, arguments.pop("conditions", CONDITIONS), store=store, **arguments)


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store.db"


def test_a_finished_store_runs_nothing_again(store):
    first = make(store).run()
    calls.clear()
    again = make(store).run()
    assert calls == []
    same_result(first, again)
    assert again.provenance["store"] == {"path": str(store), "found": 40}


def test_more_replicates_run_exactly_the_additional_ones(store):
    make(store).run()
    calls.clear()
    result = make(store, replicates=30).run()
    assert sorted(calls) == sorted((c, i) for c in CONDITIONS for i in range(20, 30))
    same_result(make(replicates=30).run(), result)


def test_fewer_replicates_give_the_first_ones(store):
    make(store).run()
    calls.clear()
    result = make(store, replicates=3).run()
    assert calls == []
    same_result(make(replicates=3).run(), result)


def test_another_condition_runs_exactly_that_one(store):
    make(store).run()
    calls.clear()
    conditions = {"c": {"shift": 5.0}, **CONDITIONS}
    result = make(store, conditions=conditions).run()
    assert sorted(calls) == [("c", i) for i in range(20)]
    same_result(make(conditions=conditions).run(), result)


def test_failed_cells_are_run_again_only_on_demand(store):
    make(store).run()
    calls.clear()
    assert len(make(store).run().errors) == 1
    assert calls == []
    result = make(store, retry_failed=True).run()
    assert calls == [("b", 4)]
    assert len(result.errors) == 1


def test_what_finished_before_a_failure_ended_the_run_is_in_the_store(store):
    with pytest.raises(CellFailedError) as caught:
        make(store, on_error="raise").run()
    kept = int(sum(done.sum() for done in caught.value.result.done.values()))
    assert kept
    calls.clear()
    result = make(store).run()
    assert len(calls) == 40 - kept - 1
    same_result(make().run(), result)


def test_the_seed_is_the_stores_where_none_is_given(store):
    first = make(store, seed=None).run()
    calls.clear()
    again = make(store, seed=None).run()
    assert calls == []
    same_result(first, again)


def test_outcomes_of_attempts_are_kept(store):
    make(store, retries=2).run()
    assert [e.attempts for e in make(store).run().errors] == [3]


def test_a_store_of_another_experiment_is_refused_showing_what_differs(store):
    make(store).run()
    before = store.read_bytes()
    with pytest.raises(StoreMismatchError, match=r"seed: the store has 7, the experiment 8"):
        make(store, seed=8).run()
    changed = {"a": {"shift": 0.5}}
    with pytest.raises(StoreMismatchError, match=r"'a', shift: the store has 0\.0, the exp.* 0\.5"):
        make(store, conditions=changed).run()
    with pytest.raises(StoreMismatchError, match="source_sha256"):
        Experiment(lambda shift: shift, CONDITIONS, seed=7, store=store).run()
    assert StoredExperiment(store).identity["seed"] == 7
    assert len(store.read_bytes()) == len(before)


def test_accepted_changes_are_recorded(store):
    make(store).run()
    calls.clear()
    changed = {"a": {"shift": 0.5}}
    make(store, conditions=changed, replicates=25, accept_changes=True).run()
    assert calls == [("a", i) for i in range(20, 25)]
    (change,) = StoredExperiment(store).changes
    assert "shift" in change["differences"][0]
    assert change["before"]["conditions"]["a"] == {"shift": 0.0}


@pytest.mark.parametrize("strategy", ["parallel", "async"])
def test_a_store_made_by_one_strategy_is_resumed_by_another(store, strategy):
    def plain(rng):
        return rng.random()

    options = {"replicates": 30, "seed": 3}
    Experiment(plain, store=store, **{**options, "replicates": 10}).run()
    if strategy == "async":

        async def plain(rng):
            return rng.random()

    result = Experiment(
        plain, store=store, execution=strategy, accept_changes=True, **options
    ).run()
    assert result.provenance["store"]["found"] == 10
    same_result(Experiment(lambda rng: rng.random(), **options).run(), result)


NAMES = ["it's; DROP TABLE blocks", "../../up", "nul\0", "two\nlines", "😀", "x" * 10_000, '"q"']


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_stored_and_shown_intact(tmp_path, name):
    folder = tmp_path / "only"
    folder.mkdir()
    store = folder / "s.db"
    Experiment(lambda p: {name: p}, {name: {"p": 1.5}}, replicates=3, name=name, store=store).run()
    stored = StoredExperiment(store)
    assert stored.identity["name"] == name
    assert stored.result().metrics[name][name].tolist() == [1.5] * 3
    assert {path.name for path in folder.iterdir()} == {"s.db", "s.db-driver"}
    assert [path.name for path in tmp_path.iterdir()] == ["only"]


@given(name=st.text(min_size=1, max_size=30))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_fuzzed_names_come_back(tmp_path_factory, name):
    store = tmp_path_factory.mktemp("fuzz") / "s.db"
    Experiment(lambda p: {name: p}, {name: {"p": 1}}, name=name, store=store).run()
    assert StoredExperiment(store).result().metrics[name][name].tolist() == [1]


values = st.one_of(
    st.floats(), st.integers(-(2**70), 2**70), st.booleans(), st.text(max_size=4), st.none()
)


@given(cells=st.lists(st.one_of(st.dictionaries(st.sampled_from("ab"), values), st.just(None)),
                      min_size=1, max_size=8))  # fmt: skip
@settings(max_examples=150)
def test_a_block_comes_back_as_it_was(cells):
    rows, failures = Rows(0), []
    for offset, metrics in enumerate(cells):
        if metrics is None:
            failures.append(Failure(offset, "ValueError", "x", ""))
        else:
            rows.add(3 + offset, metrics)
    block = rows.block(3, failures, 0.1)
    direct = Table(0, 12)
    direct.add(block)
    tables, errors = read_records([record("c", block, [])], ("c",), 12, 0)
    assert errors == {}
    assert tables["c"].done.tolist() == direct.done.tolist()
    assert tables["c"].names() == direct.names()
    for replicate in range(12):
        assert repr(tables["c"].row(replicate)) == repr(direct.row(replicate))


@given(cells=st.dictionaries(st.integers(0, 40), st.dictionaries(st.sampled_from("ab"), values),
                             min_size=1))  # fmt: skip
@settings(max_examples=100)
def test_a_block_with_gaps_comes_back_as_it_was(cells):
    rows = Rows(0)
    for replicate, metrics in cells.items():
        rows.keep(replicate, *checked_metrics(metrics))
    (block,) = rows.sparse_blocks()
    tables, errors = read_records([record("c", block, [])], ("c",), 50, 0)
    assert errors == {}
    assert np.flatnonzero(tables["c"].done).tolist() == sorted(cells)
    for replicate in range(50):
        metrics = cells.get(replicate, {})
        expected = {name: metrics[name] for name in tables["c"].names() if name in metrics}
        assert repr(tables["c"].row(replicate) or {}) == repr(expected)


def test_looking_at_a_store_unpickles_nothing_and_imports_no_code(store):
    class Evil:
        def __reduce__(self):
            return (calls.append, ("unpickled",))

    import pickle

    with Store(store, create=True) as opened:
        opened.set_identity({"seed": 1})
        payload = pickle.dumps(Evil())
        opened.add([Record("a", 0, 1, payload)])
        with pytest.raises((CrystallizeError, ValueError)):
            read_records(opened.records(), ("a",), 1, 1)
    assert calls == []


def test_a_store_in_a_read_only_folder_can_be_looked_at(store):
    make(store).run()
    store.with_name("s2.db").write_bytes(store.read_bytes())
    store.parent.chmod(0o555)
    try:
        before = sorted(path.name for path in store.parent.iterdir())
        assert StoredExperiment(store).counts()[0]["done"] == 20
        assert sorted(path.name for path in store.parent.iterdir()) == before
    finally:
        store.parent.chmod(0o755)


def test_values_in_the_file_are_json_and_npy(store):
    make(store).run()
    connection = sqlite3.connect(store)
    for (payload,) in connection.execute("SELECT payload FROM blocks"):
        length = int.from_bytes(payload[:8], "big")
        content = json.loads(payload[8 : 8 + length])
        rest = payload[8 + length :]
        assert len(rest) == sum(content["sizes"])
        assert rest.startswith(b"\x93NUMPY")
    connection.close()
