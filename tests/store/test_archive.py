"""The store of a run: held against its experiment, loaded, and added to."""

import sqlite3

import pytest

from crystallize import Experiment
from crystallize.cells.rows import Rows
from crystallize.errors import StoreError, StoreMismatchError, StoreWarning
from crystallize.store.archive import Archive
from crystallize.store.records import record
from crystallize.store.sqlite import Store


def trial(replicate, shift=0.0):
    if replicate == 2:
        raise ValueError("two")
    return replicate + shift


def spec(**options):
    return Experiment(trial, options.pop("conditions", None), replicates=4, seed=1, **options).spec


def identity_in(store):
    with Store(store, read_only=True) as opened:
        assert opened.identity is not None
        return opened.identity


def test_a_new_store_has_nothing_yet_and_knows_its_experiment(store):
    archive = Archive(spec(), store)
    tables, errors = archive.load()
    assert (archive.found, errors) == (0, {})
    assert not tables["baseline"].done.any()
    archive.close()
    assert identity_in(store)["replicates"] == 4


def test_what_is_kept_is_there_for_the_next_run(store):
    rows = Rows(0)
    rows.add(1, 0.5)
    archive = Archive(spec(), store)
    archive.commit([record("baseline", rows.block(1, [], 0.1), [])])
    archive.close()
    again = Archive(spec(), store)
    tables, _ = again.load()
    assert again.found == 1
    assert tables["baseline"].row(1) == {"value": 0.5}
    again.close()


def test_errors_count_as_found_unless_they_are_to_be_tried_again(store):
    Experiment(trial, replicates=4, seed=1, store=store).run()
    for retry_failed, found in ((False, 4), (True, 3)):
        archive = Archive(spec(retry_failed=retry_failed), store)
        _, errors = archive.load()
        assert (archive.found, len(errors)) == (found, found - 3)
        archive.close()


def test_a_refused_experiment_leaves_the_store_as_it_was_and_free(store):
    Experiment(trial, replicates=4, seed=1, store=store).run()
    changed = {"baseline": {"shift": 2.0}}
    with pytest.raises(StoreMismatchError, match="condition 'baseline', `shift` is new"):
        Archive(spec(conditions=changed), store)
    assert identity_in(store)["conditions"] == {"baseline": {}}
    Archive(spec(conditions=changed, accept_changes=True), store).close()
    assert identity_in(store)["conditions"] == {"baseline": {"shift": 2.0}}
    with Store(store) as opened:
        assert list(opened.generations) == [1, 2]


def test_a_store_without_cells_is_of_any_experiment(store):
    Archive(spec(), store).close()
    Archive(spec(conditions={"baseline": {"shift": 2.0}}), store).close()
    assert identity_in(store)["conditions"] == {"baseline": {"shift": 2.0}}


def test_damaged_blocks_are_named_set_aside_and_missing(store):
    Experiment(trial, replicates=4, seed=1, store=store).run()
    connection = sqlite3.connect(store)
    with connection:
        connection.execute("UPDATE blocks SET checksum = 'x'")
    connection.close()
    archive = Archive(spec(), store)
    with pytest.warns(StoreWarning, match="of condition 'baseline' are damaged; they are set"):
        archive.load()
    assert archive.found == 0
    archive.close()


def test_a_second_run_is_told_to_wait(store):
    archive = Archive(spec(), store)
    with pytest.raises(StoreError, match="another run is using this store"):
        Archive(spec(), store)
    archive.close()
