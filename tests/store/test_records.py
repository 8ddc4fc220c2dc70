"""A block is stored as bytes and comes back as it was; nothing in it is a pickle."""

import json
import pickle
import sqlite3
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize import Experiment
from crystallize.cells.block import Failure
from crystallize.cells.metrics import checked_metrics
from crystallize.cells.outcome import CellError
from crystallize.cells.rows import Rows
from crystallize.cells.table import Table
from crystallize.description.seeding import Seeding
from crystallize.store.reading import read_records
from crystallize.store.records import lost_record, record
from crystallize.store.rows import Record
from crystallize.store.sqlite import Store

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
    tables, errors, *_ = read_records([record("c", block, [])], {"c": 12}, Seeding(0))
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
        rows.add_checked(replicate, *checked_metrics(metrics))
    (block,) = rows.sparse_blocks()
    tables, errors, *_ = read_records([record("c", block, [])], {"c": 50}, Seeding(0))
    assert errors == {}
    assert np.flatnonzero(tables["c"].done).tolist() == sorted(cells)
    for replicate in range(50):
        metrics = cells.get(replicate, {})
        expected = {name: metrics[name] for name in tables["c"].names() if name in metrics}
        assert repr(tables["c"].row(replicate) or {}) == repr(expected)


def test_looking_at_a_store_unpickles_nothing_and_imports_no_code(store):
    opened_pickles: list[str] = []

    class Evil:
        def __reduce__(self):
            return (opened_pickles.append, ("unpickled",))

    with Store(store, create=True) as opened:
        opened.set_identity({"seed": 1})
        evil = Record(("a",), 0, 1, pickle.dumps(Evil()))
        opened.add([evil])
        assert read_records(opened.records(), {"a": 1}, Seeding(1)).unreadable == [evil]
    assert opened_pickles == []


def test_values_in_the_file_are_json_and_npy(store):
    Experiment(
        lambda replicate: {"x": replicate, "a": np.zeros(3)}, replicates=9, store=store
    ).run()
    connection = sqlite3.connect(store)
    for (payload,) in connection.execute("SELECT payload FROM blocks"):
        length = int.from_bytes(payload[:8], "big")
        content = json.loads(payload[8 : 8 + length])
        rest = payload[8 + length :]
        assert len(rest) == sum(content["sizes"])
        assert rest.startswith(b"\x93NUMPY")
    connection.close()


def error_of(replicate, message="no"):
    return CellError("c", replicate, Seeding(5).seed(replicate), "ValueError", message, "trace", 2)


def block_of(start, *cells):
    """A block whose cells return a number each, and fail where that is ``None``."""
    rows, failures = Rows(0), []
    for offset, number in enumerate(cells):
        if number is None:
            failures.append(Failure(offset, "ValueError", "no", "trace"))
        else:
            rows.add(start + offset, number)
    return rows.block(start, failures, 0.1)


def test_an_error_comes_back_with_the_seed_of_its_replicate():
    tables, errors, *_ = read_records(
        [record("c", block_of(3, 0.5, None), [error_of(4)])], {"c": 9}, Seeding(5)
    )
    assert errors == {("c", 4): error_of(4)}
    assert tables["c"].done.nonzero()[0].tolist() == [3]


def test_a_failure_that_is_tried_again_is_neither_done_nor_an_error():
    tables, errors, *_ = read_records(
        [record("c", block_of(0, None, 0.5), [])], {"c": 2}, Seeding(5)
    )
    assert errors == {}
    assert tables["c"].done.tolist() == [False, True]


def test_of_two_records_of_a_cell_the_later_one_counts():
    failed, done = record("c", block_of(0, None), [error_of(0)]), record("c", block_of(0, 0.5), [])
    assert read_records([failed, done], {"c": 1}, Seeding(5))[1] == {}
    tables, errors, *_ = read_records([done, failed], {"c": 1}, Seeding(5))
    assert tables["c"].done.tolist() == [False]
    assert errors == {("c", 0): error_of(0)}


def test_a_cell_that_took_its_worker_down_is_a_record_of_its_own():
    stored = lost_record(error_of(6))
    assert (stored.conditions, stored.start, stored.stop) == (("c",), 6, 7)
    assert read_records([stored], {"c": 9}, Seeding(5))[1] == {("c", 6): error_of(6)}


def test_other_conditions_and_later_replicates_are_left_out():
    records = [
        record("c", block_of(0, 0.5, None, 0.75), [error_of(1)]),
        record("d", block_of(0, 0.5), []),
    ]
    tables, errors, *_ = read_records(records, {"c": 1}, Seeding(5))
    assert list(tables) == ["c"]
    assert tables["c"].done.tolist() == [True]
    assert errors == {}


def test_a_record_of_an_earlier_version_says_nothing_of_gaps():
    stored = record("c", block_of(0, 0.5, 0.75), [])
    payload = stored.payload[8:].replace(b'"cells": null, ', b"")
    length = int.from_bytes(stored.payload[:8], "big") - len(b'"cells": null, ')
    earlier = replace(stored, payload=length.to_bytes(8, "big") + payload)
    tables, *_ = read_records([earlier], {"c": 2}, Seeding(5))
    assert tables["c"].row(1) == {"value": 0.75}
