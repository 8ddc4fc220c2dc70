"""A store read by pages holds what it holds read at once."""

import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize import Experiment, Result, StoreWarning
from crystallize.cells.block import Block, BlockColumn, Failure
from crystallize.cells.outcome import CellError
from crystallize.cells.page import PageBounds, page_stop
from crystallize.cells.warned import Notice, Warned
from crystallize.description.seeding import Seeding
from crystallize.store.paged import PagedCells
from crystallize.store.reading import read_records
from crystallize.store.records import record
from crystallize.store.sqlite import Store

SIZES = {"a": 150, "b": 90}
RNG = np.random.default_rng(5)


def stored(condition, start, cells, failed, open_again, whole):
    """A record of some cells, of which some failed, and of these some for good."""
    offsets = np.arange(len(cells)) if whole else np.flatnonzero(cells)
    lost = [offset for offset in offsets.tolist() if offset in failed]
    fine = np.array([offset for offset in offsets.tolist() if offset not in lost], np.intp)
    columns = []
    if len(fine):
        everywhere = whole and not lost
        columns = [
            BlockColumn("x", 0, None if everywhere else fine, RNG.normal(size=len(fine))),
            BlockColumn("text", 1, fine[::2], [f"{i}" for i in fine[::2]]),
        ]
    failures = [Failure(offset, "E", "m", "t") for offset in lost]
    errors = [
        CellError(condition, start + offset, 0, "E", "m", "t", 1)
        for offset in lost
        if offset not in open_again
    ]
    block = Block(
        0,
        start,
        start + len(cells),
        columns,
        failures,
        0.0,
        cells=None if whole else offsets,
        warned=Warned.of({int(offsets[0]): (Notice("W", "m", "text", "f", 1, 2),)})
        if len(offsets)
        else None,
    )
    return record(condition, block, errors)


RECORDS = st.lists(
    st.builds(
        stored,
        condition=st.sampled_from(["a", "b", "other"]),
        start=st.integers(0, 140),
        cells=st.lists(st.booleans(), min_size=1, max_size=60),
        failed=st.frozensets(st.integers(0, 60), max_size=4),
        open_again=st.frozensets(st.integers(0, 60), max_size=4),
        whole=st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.booleans())
def test_pages_have_the_cells_that_a_store_has(tmp_path_factory, records, with_errors):
    seeding = Seeding(1)
    path = tmp_path_factory.mktemp("paged") / "cells.db"
    with Store(path, create=True) as store:
        store.set_identity({"seed": 1})
        store.add(records)
        whole = read_records(records, SIZES, seeding)
        errors = whole.errors if with_errors else {}
        paged = PagedCells(store, SIZES, seeding, with_errors=with_errors)
        survey = paged.survey()
        assert survey.errors == errors
        done = {name: int(table.done.sum()) for name, table in whole.tables.items()}
        assert survey.done == done
        assert survey.found == sum(done.values()) + len(errors)
        assert survey.ranges == whole._replace(errors=errors).ranges()
        for name, size in SIZES.items():
            failed = [replicate for condition, replicate in errors if condition == name]
            assert survey.missing[name] == list(whole.tables[name].missing(failed))
            start = 0
            while start < size:
                stop = min(page_stop(start, max(SIZES.values())), size)
                page, part = (
                    paged.cells(name, start, stop).table,
                    whole.tables[name].part(start, stop),
                )
                assert page.done.tolist() == part.done.tolist()
                assert page.warned.records(name, start) == part.warned.records(name, start)
                for metric in {*page.columns, *part.columns}:
                    own = page.columns.get(metric)
                    found = [] if own is None else own.there().tolist()
                    expected = part.columns.get(metric)
                    assert found == ([] if expected is None else expected.there().tolist())
                start = stop


@given(st.integers(1, 10**6), st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 70_000))))
def test_the_pages_around_some_replicates_are_those_that_have_them(replicates, ranges):
    bounds = PageBounds(replicates)
    for start, length in ranges:
        stop = min(start + length, replicates)
        pages = list(bounds.around(start, stop))
        if start >= stop:
            assert pages == []
            continue
        assert pages[0][0] <= start < pages[0][1]
        assert pages[-1][0] < stop <= pages[-1][1]
        assert all(page_stop(first, replicates) == last for first, last in pages)
        assert [last for _, last in pages[:-1]] == [first for first, _ in pages[1:]]


def damage(path, numbers):
    with sqlite3.connect(path) as connection:
        for number in numbers:
            connection.execute("UPDATE blocks SET checksum = zeroblob(32) WHERE id = ?", (number,))
    connection.close()


def test_damaged_records_are_left_out_by_pages_and_run_again(tmp_path):
    path = tmp_path / "cells.db"

    def run(replicates, **options):
        return Experiment(
            lambda rng: rng.normal(), replicates=replicates, seed=3, keep="summary", **options
        ).run()

    for replicates in (40, 80, 120):
        run(replicates, store=path)
    damage(path, [2])
    by_pages = Result.from_store(path, keep="summary").summary()
    assert by_pages == Result.from_store(path).summary()
    assert by_pages[0]["n"] < 120
    with pytest.warns(StoreWarning, match="damaged"):
        again = run(120, store=path)
    assert again.summary() == run(120).summary()
