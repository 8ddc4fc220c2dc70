"""A store that is damaged, or made by someone else: what is good stays, and nothing is obeyed."""

import json
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from crystallize import Experiment, Result, StoreError, StoreWarning
from crystallize.cli import main
from crystallize.store.records import LENGTH_BYTES
from crystallize.store.rows import Record
from crystallize.store.sqlite import Store
from crystallize.store.stored import StoredExperiment


def trial(replicate, shift=0.0):
    return {"x": replicate + shift, "y": replicate * 0.5}


def make(store):
    conditions = {"a": {}, "b": {"shift": 1.0}}
    return Experiment(trial, conditions, replicates=40, seed=1, store=store)


def command(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "crystallize", *map(str, arguments)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


def change(store, *statements):
    connection = sqlite3.connect(store, isolation_level=None)
    for statement in statements:
        connection.execute(*statement) if isinstance(statement, tuple) else connection.execute(
            statement
        )
    connection.close()


def replaced(store, make_payload):
    """Replace the first block's payload, with a checksum that is right."""
    with Store(store) as opened:
        first = next(opened.records())
        payload = make_payload(first.payload)
        record = Record(first.conditions, first.start, first.stop, payload, first.generation)
        checksum = record.checksum(opened.id)
    change(
        store,
        ("UPDATE blocks SET payload = ?, checksum = ? WHERE id = 1", (payload, checksum)),
    )
    return record


def header(edit):
    def make_payload(payload):
        length = int.from_bytes(payload[:LENGTH_BYTES], "big")
        content = json.loads(payload[LENGTH_BYTES : LENGTH_BYTES + length])
        edit(content)
        encoded = json.dumps(content).encode()
        rest = payload[LENGTH_BYTES + length :]
        return len(encoded).to_bytes(LENGTH_BYTES, "big") + encoded + rest

    return make_payload


UNREADABLE = {
    "no header": lambda payload: b"\xff" * 40,
    "an endless header": lambda payload: b"\xff" * LENGTH_BYTES + payload,
    "no mapping": lambda payload: (2).to_bytes(LENGTH_BYTES, "big") + b"[]",
    "nested deeply": lambda payload: (10**5).to_bytes(LENGTH_BYTES, "big") + b"[" * 10**5,
    "an array cut short": lambda payload: payload[:-4],
    "another's cells": header(lambda content: content.update(cells=[10**6])),
    "values without cells": header(lambda content: content["columns"][0].update(offsets=[0, 0, 0])),
    "no such array": header(lambda content: content["columns"][0].update(values={"array": 99})),
    "an error that is none": header(lambda content: content.update(errors=[[0, 1, 2, 3, 4]])),
    "a size below nothing": header(lambda content: content.update(sizes=[-1, 10**30])),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_block_that_cannot_be_read_is_set_aside_and_run_again(store, kind):
    fresh = make(store).run()
    record = replaced(store, UNREADABLE[kind])
    stored = StoredExperiment(store)
    assert stored.damaged == [record.name]
    missing = record.stop - record.start
    assert int(stored.tables[record.conditions[0]].done.sum()) == 40 - missing
    assert Result.from_store(store).metrics.keys() == {"a", "b"}
    with pytest.warns(StoreWarning, match="are damaged; they are set aside and run again"):
        again = make(store).run()
    assert again.provenance["store"]["found"] == 80 - missing
    assert again.metrics["a"]["x"].tolist() == fresh.metrics["a"]["x"].tolist()
    assert StoredExperiment(store).damaged == []


def test_check_finds_a_block_that_cannot_be_read(store):
    make(store).run()
    record = replaced(store, UNREADABLE["no mapping"])
    done = command("check", store)
    assert (done.returncode, record.name in done.stdout) == (1, True)
    assert command("check", store).returncode == 0


@pytest.mark.parametrize(
    "damage",
    [
        "condition = X'ff61'",
        "condition = CAST(X'ff61' AS TEXT)",
        "start = 'text'",
        "start = -1",
        "stop = 1e300",
        "stop = start",
        "payload = 'text'",
        "generation = 'none'",
        "checksum = 5",
    ],
)
def test_a_row_of_another_type_costs_its_own_cells(store, damage):
    make(store).run()
    change(store, f"UPDATE blocks SET {damage} WHERE id = 1")
    shown = command("show", store)
    assert shown.returncode == 0
    assert "damaged: " in shown.stdout
    with pytest.warns(StoreWarning, match="damaged"):
        result = make(store).run()
    assert 0 < result.provenance["store"]["found"] < 80
    assert result.metrics["b"]["x"].tolist() == [i + 1.0 for i in range(40)]
    assert command("check", store).returncode == 0


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE about SET value = replace(value, '\"seed\": 1', '\"seed\": 2')",
        "UPDATE about SET value = X'00'",
        "UPDATE about SET checksum = NULL",
        "UPDATE generations SET value = replace(value, '1', '2')",
        "UPDATE generations SET checksum = NULL",
        "UPDATE generations SET checksum = 'text'",
    ],
)
def test_what_a_store_says_of_its_experiment_cannot_change_unseen(store, damage):
    make(store).run()
    change(store, damage)
    with pytest.raises(StoreError, match="the store is damaged"):
        make(store).run()
    done = command("show", store)
    assert (done.returncode, "the store is damaged" in done.stderr) == (2, True)


CRAFTED = {
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON blocks BEGIN DELETE FROM blocks; END",
    "a view": "CREATE VIEW other AS SELECT 1",
    "a further table": "CREATE TABLE other (x)",
    "an index": "CREATE INDEX i ON blocks (start)",
    "a column that is computed": "ALTER TABLE blocks ADD COLUMN y AS (start * 2)",
    "a column too many": "ALTER TABLE about ADD COLUMN y",
    "no table of damage": "DROP TABLE damaged",
}


@pytest.mark.parametrize("kind", CRAFTED)
def test_what_no_store_has_is_refused(store, kind):
    make(store).run()
    change(store, CRAFTED[kind])
    for arguments in (["show"], ["check"], ["drop", "--failed"]):
        done = command(arguments[0], store, *arguments[1:])
        assert done.returncode == 2
        assert "no store that Crystallize has written" in done.stderr
    with pytest.raises(StoreError, match="no store that Crystallize has written"):
        make(store).run()


def test_a_view_in_the_place_of_a_table_is_not_asked(store):
    make(store).run()
    endless = (
        "CREATE VIEW blocks AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i AS id, 'a' AS condition, 0 AS start, 1 AS stop, x'00' AS checksum, "
        "x'00' AS payload, 0 AS generation FROM n"
    )
    change(store, "DROP TABLE blocks", endless)
    assert "it has a view 'blocks'" in command("show", store).stderr


@pytest.mark.parametrize("version", [0, -1, 5, 99])
def test_a_format_that_is_none_is_refused(store, version):
    make(store).run()
    change(store, f"PRAGMA user_version = {version}")
    assert command("show", store).returncode == 2


def test_a_store_of_format_2_is_read_and_made_one_of_this_format(store):
    fresh = make(store).run()
    change(
        store,
        "ALTER TABLE about DROP COLUMN checksum",
        "ALTER TABLE generations DROP COLUMN checksum",
        "PRAGMA user_version = 2",
    )
    assert StoredExperiment(store).identity["seed"] == 1
    assert make(store).run().provenance["store"]["found"] == 80
    change(store, "UPDATE about SET value = replace(value, '\"seed\": 1', '\"seed\": 2')")
    with pytest.raises(StoreError, match="the store is damaged"):
        make(store).run()
    assert len(fresh.errors) == 0


def test_the_cells_of_another_store_are_not_taken_for_its_own(store, tmp_path):
    fresh = make(store).run()
    other = tmp_path / "other.db"
    Experiment(trial, {"a": {}, "b": {"shift": 5.0}}, replicates=40, seed=2, store=other).run()
    change(
        store,
        ("ATTACH ? AS o", (str(other),)),
        "DELETE FROM blocks",
        "INSERT INTO blocks SELECT * FROM o.blocks",
    )
    assert command("show", store).stdout.count("damaged: ") == len(StoredExperiment(store).damaged)
    assert sum(row["done"] for row in StoredExperiment(store).counts()) == 0
    with pytest.warns(StoreWarning, match="damaged"):
        again = make(store).run()
    assert again.metrics["b"]["x"].tolist() == fresh.metrics["b"]["x"].tolist()


def test_merge_keeps_what_can_be_read_of_a_broken_file_and_says_what_cannot(store, tmp_path):
    experiment = Experiment(
        lambda replicate: {"x": np.full(50, float(replicate))}, replicates=2000, seed=1, store=store
    )
    experiment.run()
    content = bytearray(store.read_bytes())
    page = int.from_bytes(content[16:18], "big")
    place = len(content) // 2 // page * page
    content[place : place + page] = b"\x55" * page
    store.write_bytes(bytes(content))
    merged = tmp_path / "merged.db"
    done = command("merge", store, "-o", merged)
    if done.returncode == 0:  # the page was nobody's
        pytest.fail("the damage hit nothing")
    if merged.exists():
        assert done.returncode == 1
        assert "damaged, left out" in done.stderr
        for replicate, row in enumerate(Result.from_store(merged).metrics["baseline"]["x"]):
            assert np.isnan(row).all() or set(row) == {float(replicate)}
    else:
        assert "merge STORE -o NEW" in done.stderr


def test_merge_leaves_out_damaged_blocks_and_says_so(store, tmp_path):
    make(store).run()
    record = replaced(store, UNREADABLE["no mapping"])
    merged = tmp_path / "merged.db"
    done = command("merge", store, "-o", merged)
    assert done.returncode == 1
    assert f"damaged, left out: {record.name!r}" in done.stderr
    assert StoredExperiment(merged).damaged == []


def test_disagreeing_stores_say_on_how_many_cells_and_show_a_few(tmp_path):
    paths = [tmp_path / "1.db", tmp_path / "2.db"]
    for shift, path in enumerate(paths):
        bias = float(shift)

        def apart(replicate, bias=bias):
            return {"x": np.full(2000, replicate + bias)}

        Experiment(apart, replicates=1500, seed=1, store=path).run()
    done = command("merge", *paths, "-o", tmp_path / "3.db", "--accept-changes")
    assert done.returncode == 2
    assert "disagree on 1,500 cells" in done.stderr
    assert "… and 1,490 more" in done.stderr
    assert len(done.stderr) < 5000


def test_no_name_commands_the_terminal(tmp_path):
    evil = "\x1b]0;owned\x07\x1b[31m\u202e"

    def trial(x):
        raise ValueError(evil)

    store = tmp_path / "evil.db"
    Experiment(trial, {evil: {"x": evil}}, replicates=2, seed=1, name=evil, store=store).run()
    merged = tmp_path / "no\x1b[2Jsuch.db"
    for arguments in (
        ["show", store],
        ["check", store],
        ["drop", store, "--condition", evil],
        ["merge", store, "-o", merged],
        ["show", tmp_path / "no\x1b[31m.db"],
    ):
        done = command(*arguments)
        assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout + done.stderr)


def test_what_is_no_text_in_the_description_of_the_tables_is_damage(store):
    make(store).run()
    whole = store.read_bytes()
    places = [at for at in range(len(whole)) if whole[at : at + 4] == b"NULL"]
    assert places
    for place in places:
        damaged = bytearray(whole)
        damaged[place] |= 0x80  # SQLite quotes it when it says what is wrong
        store.write_bytes(damaged)
        for name in ("check", "show"):
            ended = CliRunner().invoke(main, [name, str(store)])
            assert isinstance(ended.exception, SystemExit), ended.exception
            assert ended.exit_code == 2
            assert "damaged" in ended.output
