"""A store keeps what a trip of many conditions came to as one record, and nobody sees that."""

import json
import sqlite3
import warnings

import pytest
from click.testing import CliRunner

from crystallize import CellFailedError, Experiment, Result, StoreWarning
from crystallize.cli import main
from crystallize.store.dropping import drop
from crystallize.store.records import LENGTH_BYTES
from crystallize.store.rows import Record
from crystallize.store.sqlite import Store
from crystallize.store.stored import StoredExperiment
from crystallize.testing import same_result

CONDITIONS, REPLICATES = 300, 4


def trial(rng, n):
    return {"x": float(rng.random()) + n, "even": n % 2 == 0, "n": n}


def conditions(numbers=range(CONDITIONS)):
    return {f"n={n}": {"n": n} for n in numbers}


def make(store=None, given=None, replicates=REPLICATES, function=trial, **options):
    chosen = conditions() if given is None else given
    return Experiment(function, chosen, replicates=replicates, seed=3, store=store, **options)


@pytest.fixture(scope="module")
def whole():
    """The result of all cells, without a store."""
    return make().run()


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "cells.db"
    make(path).run()
    return path


def rows(store):
    connection = sqlite3.connect(store)
    found = connection.execute("SELECT id, condition FROM blocks ORDER BY id").fetchall()
    connection.close()
    return found


def sheet_of(store):
    """The number of a record of several conditions, and the record."""
    with Store(store, read_only=True) as opened:
        for number, names, *_ in opened.places():
            if len(names) > 1:
                return number, opened.record(number)
    raise AssertionError("there is no sheet")


def rewritten(store, number, record):
    """Put a record in the place of another, with a checksum that is right."""
    with Store(store) as opened:
        values = record.given, record.payload, record.start, record.stop, record.checksum(opened.id)
    connection = sqlite3.connect(store)
    with connection:
        connection.execute(
            "UPDATE blocks SET condition = ?, payload = ?, start = ?, stop = ?, checksum = ?"
            " WHERE id = ?",
            (*values, number),
        )
    connection.close()


def test_many_conditions_are_few_records(store):
    assert len(rows(store)) < CONDITIONS / 4
    assert any(isinstance(condition, bytes) for _, condition in rows(store))


def test_they_are_read_as_they_would_be_one_by_one(store, whole):
    same_result(whole, Result.from_store(store))
    again = make(store).run()
    same_result(whole, again)
    assert again.provenance["store"]["found"] == CONDITIONS * REPLICATES
    assert len(again.durations["n=7"]) == REPLICATES
    (generation,) = again.provenance["store"]["generations"]
    assert generation["cells"] == {name: [[0, REPLICATES]] for name in conditions()}


def test_pages_of_them_give_the_same_summaries(store, whole):
    assert Result.from_store(store, keep="summary").summary() == whole.summary()
    resumed = make(store, keep="summary").run()
    assert resumed.summary() == whole.summary()
    assert resumed.provenance["store"]["found"] == CONDITIONS * REPLICATES


def test_a_store_with_other_conditions_in_another_order_finds_those_that_it_has(store, whole):
    numbers = [*range(250, 100, -1), *range(400, 410)]
    found = make(store, conditions(numbers)).run()
    assert found.provenance["store"]["found"] == 150 * REPLICATES
    same_result(make(given=conditions(numbers)).run(), found)
    same_result(whole, make(store).run())


@pytest.mark.parametrize("replicates", [2, 9])
def test_fewer_and_more_replicates_of_them(store, replicates):
    found = make(store, replicates=replicates).run()
    assert found.provenance["store"]["found"] == CONDITIONS * min(replicates, REPLICATES)
    same_result(make(replicates=replicates).run(), found)
    same_result(make(replicates=max(replicates, REPLICATES)).run(), Result.from_store(store))


def test_dropped_cells_are_run_again_and_no_others(store, whole):
    counts = drop(store, ["n=9", "n=10"], replicates=range(1, 3))
    assert counts == {"n=9": 2, "n=10": 2}
    again = make(store).run()
    assert again.provenance["store"]["found"] == CONDITIONS * REPLICATES - 4
    same_result(whole, again)
    drop(store)
    assert make(store).run().provenance["store"]["found"] == 0


def test_shards_of_them_are_merged(tmp_path, whole):
    stores = [tmp_path / f"{number}.db" for number in (1, 2)]
    for number, store in enumerate(stores, start=1):
        make(store, shard=f"{number}/2").run()
        found = make(store, shard=f"{number}/2").run().provenance["store"]["found"]
        assert found == CONDITIONS * REPLICATES // 2
    done = CliRunner().invoke(
        main, ["merge", *map(str, stores), "-o", str(tmp_path / "all.db")], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    same_result(whole, Result.from_store(tmp_path / "all.db"))


def test_one_that_overlaps_blocks_is_merged(tmp_path, store, whole):
    apart = tmp_path / "apart.db"
    for n in (3, 4):
        make(apart, conditions([n])).run()
    done = CliRunner().invoke(main, ["merge", str(apart), str(store), "-o", str(tmp_path / "x.db")])
    assert done.exit_code == 0, done.output
    same_result(whole, make(tmp_path / "x.db").run())


def test_what_is_left_of_one_does_not_come_after_what_was_merged_after_it(tmp_path, store):
    def warns(rng, n):
        warnings.warn(f"{n} again", stacklevel=1)
        return trial(rng, n)

    warns.__qualname__ = trial.__qualname__
    later, both = tmp_path / "later.db", tmp_path / "both.db"
    with pytest.warns(UserWarning, match="again"):
        make(later, conditions(range(100, 250)), function=warns).run()
    order = ["merge", str(store), str(later), "-o", str(both), "--accept-changes"]
    assert CliRunner().invoke(main, order).exit_code == 0
    before = Result.from_store(both)
    assert len(before.warnings) == 150
    drop(both, ["n=260"])
    after = Result.from_store(both)
    assert after.warnings == before.warnings
    (old, new), (still_old, still_new) = (
        [one["cells"] for one in result.provenance["generations"]] for result in (before, after)
    )
    del old["n=260"]
    assert (still_old, still_new) == (old, new)


def test_more_replicates_of_them_are_few_records_too(store):
    had = len(rows(store))
    make(store, replicates=REPLICATES + 2).run()
    assert len(rows(store)) < had + CONDITIONS / 4


@pytest.mark.parametrize("place", ["payload", "condition", "start"])
def test_a_damaged_one_is_named_set_aside_and_run_again(store, whole, place):
    number, record = sheet_of(store)
    connection = sqlite3.connect(store)
    (value,) = connection.execute(f"SELECT {place} FROM blocks WHERE id = ?", (number,)).fetchone()
    other = value + 1 if place == "start" else value[:-4] + bytes([value[-4] ^ 1]) + value[-3:]
    with connection:
        connection.execute(f"UPDATE blocks SET {place} = ? WHERE id = ?", (other, number))
    connection.close()
    with pytest.warns(StoreWarning, match="are damaged; they are set aside and run again"):
        again = make(store).run()
    cells = CONDITIONS * REPLICATES
    assert again.provenance["store"]["found"] == cells - len(record.conditions) * REPLICATES
    same_result(whole, again)
    assert make(store).run().provenance["store"]["found"] == cells


def with_header(record, change):
    """A record whose header was changed."""
    size = int.from_bytes(record.payload[:LENGTH_BYTES], "big")
    header = json.loads(record.payload[LENGTH_BYTES : LENGTH_BYTES + size])
    change(header)
    encoded = json.dumps(header).encode()
    rest = record.payload[LENGTH_BYTES + size :]
    return len(encoded).to_bytes(LENGTH_BYTES, "big") + encoded + rest


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.update(count=header["count"] - REPLICATES),
        lambda header: header.update(count=10**12),
        lambda header: header.update(count="many"),
        lambda header: header.pop("count"),
        lambda header: header.update(cells=[0]),
        lambda header: header.update(open=[0]),
        lambda header: header["columns"][0].update(position=None),
        lambda header: header["columns"][0].update(name=["a"]),
        lambda header: header["columns"][0].update(name=header["columns"][1]["name"]),
        lambda header: header.clear(),
    ],
    ids=[
        "fewer",
        "too many",
        "text",
        "none",
        "cells",
        "failures",
        "position",
        "name",
        "names",
        "empty",
    ],
)
def test_a_crafted_one_is_believed_in_nothing_that_cannot_be(store, whole, change):
    number, record = sheet_of(store)
    payload = with_header(record, change)
    crafted = Record(record.conditions, record.start, record.stop, payload, record.generation)
    rewritten(store, number, crafted)
    shown = CliRunner().invoke(main, ["show", str(store)])
    assert not shown.exception or isinstance(shown.exception, SystemExit)
    try:
        same_result(whole, make(store).run())
    except StoreWarning as warning:
        assert "set aside" in str(warning)


@pytest.mark.parametrize("number", [7, 2**40, -1])
def test_cells_of_a_generation_that_there_is_not_are_no_traceback(tmp_path, store, number):
    place, record = sheet_of(store)
    other = Record(record.conditions, record.start, record.stop, record.payload, number)
    with Store(store) as opened:
        checksum = other.checksum(opened.id)
    connection = sqlite3.connect(store)
    with connection:
        connection.execute(
            "UPDATE blocks SET generation = ?, checksum = ? WHERE id = ?", (number, checksum, place)
        )
    connection.close()
    commands = [["show"], ["show", "--json"], ["merge", "-o", str(tmp_path / "x.db")], ["check"]]
    for command, *options in commands:
        done = CliRunner().invoke(main, [command, str(store), *options])
        assert not done.exception or isinstance(done.exception, SystemExit), done.exception


@pytest.mark.parametrize("names", [[], ["n=1"], ["n=1", "n=1"], ["n=1", 2], {"n=1": 1}, "n=1"])
def test_conditions_that_no_sheet_has_are_damage(store, names):
    number, _ = sheet_of(store)
    connection = sqlite3.connect(store)
    with connection:
        given = json.dumps(names).encode()
        connection.execute("UPDATE blocks SET condition = ? WHERE id = ?", (given, number))
    connection.close()
    checked = CliRunner().invoke(main, ["check", str(store)])
    assert f"block {number}" in checked.output
    assert checked.exit_code == 1


def test_a_store_of_format_3_is_read_and_made_one_of_this_format(tmp_path, whole):
    store = tmp_path / "old.db"
    apart = conditions(range(3))
    for name, given in apart.items():
        make(store, {name: given}).run()
    connection = sqlite3.connect(store)
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    assert len(Result.from_store(store).metrics) == 3
    result = make(store).run()
    assert result.provenance["store"]["found"] == 3 * REPLICATES
    same_result(whole, result)
    connection = sqlite3.connect(store)
    assert connection.execute("PRAGMA user_version").fetchone() == (4,)
    connection.close()


def test_what_finished_of_a_trip_before_a_failure_ended_the_run_is_found(tmp_path, whole):
    store = tmp_path / "cells.db"
    ends = [250]

    def fails(rng, n):
        if n in ends:
            raise ValueError("no")
        return trial(rng, n)

    experiment = Experiment(
        fails, conditions(), replicates=REPLICATES, seed=3, store=store, on_error="raise",
        accept_changes=True, retry_failed=True,
    )  # fmt: skip
    with pytest.raises(CellFailedError):
        experiment.run()
    done = StoredExperiment(store).done
    assert done["n=249"] == REPLICATES
    ends.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        result = experiment.run()
    assert result.provenance["store"]["found"] == sum(done.values())
    same_result(whole, result)
