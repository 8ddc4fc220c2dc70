"""A resume that is all that its store says sees so at a glance; whatever differs is looked into."""

import enum
import importlib
import json
import linecache
import math
import os
import shutil
import sqlite3
import sys
import warnings
from contextlib import closing

import cloudpickle
import numpy as np
import pytest

from crystallize import CrystallizeError, Experiment, Result, Until
from crystallize.store.dropping import drop
from crystallize.store.rows import checked_row
from crystallize.testing import same_result

FACTOR = 2.0


def trial(rng, n, kind="plain"):
    return {"x": float(rng.random()) * FACTOR, "n": float(len(str(n)))}


def other(rng, n, kind="plain"):
    return {"x": float(rng.random()) + FACTOR, "n": float(len(str(n)))}


def numbers(count=40):
    return {f"n={n}": {"n": n} for n in range(count)}


def make(store, given=None, function=trial, **options):
    settings = {"replicates": 3, "seed": 5, "store": store, **options}
    return Experiment(function, numbers() if given is None else given, **settings)


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "cells.db"
    make(path).run()
    return path


def rows(store, table="about"):
    with closing(sqlite3.connect(store)) as connection:
        found = connection.execute(f"SELECT * FROM {table}").fetchall()
    return {row[0]: row for row in found}


def change(store, *statements):
    with closing(sqlite3.connect(store)) as connection, connection:
        for statement, values in statements:
            connection.execute(statement, values)


def say(store, key, value):
    change(
        store,
        (
            "INSERT OR REPLACE INTO about (key, value, checksum) VALUES (?, ?, ?)",
            checked_row(key, value),
        ),
    )


def without_extract(store):
    """The same store, in which all must be read."""
    copy = store.with_suffix(".copy")
    shutil.copy(store, copy)
    change(copy, ("DELETE FROM about WHERE key = 'extract'", ()))
    return copy


def outcome(store, **options):
    """What a resume comes to: its result with what it says of the store, or its error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = make(store, **options).run()
        except CrystallizeError as error:
            return type(error), str(error).replace(str(store), "STORE"), rows(store, "generations")
    said = [str(one.message).replace(str(store), "STORE") for one in caught]
    found = {**result.provenance["store"], "path": "STORE"}
    metrics = {
        name: {metric: values.tobytes() for metric, values in own.items()}
        for name, own in result.metrics.items()
    }
    return metrics, found, said, rows(store, "generations"), rows(store)["identity"]


CHANGES = {
    "nothing": {},
    "a value": {"given": {**numbers(), "n=7": {"n": 77}}},
    "True for 1": {"given": {**numbers(), "n=1": {"n": True}}},
    "a float for a whole number": {"given": {**numbers(), "n=1": {"n": 1.0}}},
    "minus zero": {"given": {**numbers(), "n=0": {"n": -0.0}}},
    "NaN": {"given": {**numbers(), "n=0": {"n": math.nan}}},
    "a NumPy number": {"given": {**numbers(), "n=1": {"n": np.int64(1)}}},
    "an array": {"given": {**numbers(), "n=1": {"n": np.arange(3)}}},
    "one parameter more": {"given": {**numbers(), "n=1": {"n": 1, "kind": "plain"}}},
    "one condition more": {"given": {**numbers(), "more": {"n": 0}}},
    "one condition fewer": {"given": numbers(39)},
    "another order": {"given": dict(reversed(numbers().items()))},
    "another name of a condition": {"given": {**numbers(39), "last": {"n": 39}}},
    "the function": {"function": other},
    "the seed": {"seed": 6},
    "more replicates": {"replicates": 5},
    "fewer replicates": {"replicates": 2},
    "own replicates": {"replicates": {"n=3": 6, "default": 3}},
    "the name": {"name": "another"},
    "streams": {"streams": ["n"]},
    "the baseline": {"baseline": "n=3"},
    "global seeds": {"seed_globals": True},
    "a resource": {"resources": {"kind": str}},
    "accepted": {"function": other, "accept_changes": True},
}


@pytest.mark.parametrize("options", CHANGES.values(), ids=CHANGES)
def test_what_it_comes_to_is_what_it_would_be_if_all_were_read(store, options):
    copy = without_extract(store)
    assert outcome(store, **options) == outcome(copy, **options)


def test_a_global_that_changes_is_noticed(store, monkeypatch):
    monkeypatch.setattr(f"{__name__}.FACTOR", 3.0)
    copy = without_extract(store)
    found = outcome(store)
    assert "FACTOR" in found[1]
    assert found == outcome(copy)


@pytest.mark.parametrize("keeps", [True, False])
def test_secrets_are_written_down_as_the_run_that_wrote_them_was_told(tmp_path, keeps):
    given = {name: {**own, "api_key": "swordfish-1234"} for name, own in numbers().items()}

    def with_key(rng, n, api_key):
        return float(rng.random())

    path = tmp_path / "cells.db"
    make(path, given, with_key, keep_secrets=keeps).run()
    make(path, given, with_key, keep_secrets=not keeps).run()
    assert ("swordfish" in rows(path)["identity"][1]) != keeps


def test_an_identical_resume_writes_nothing_of_the_experiment_anew(store):
    before = rows(store)["identity"], rows(store)["extract"], rows(store, "generations")
    first = Result.from_store(store)
    again = make(store).run()
    assert (rows(store)["identity"], rows(store)["extract"], rows(store, "generations")) == before
    same_result(first, again)
    (generation,) = again.provenance["store"]["generations"]
    ((_, record, _),) = rows(store, "generations").values()
    assert generation["fingerprint"] == json.loads(record)["fingerprint"]["digest"]
    assert generation["versions"] == json.loads(record)["fingerprint"]["versions"]


def test_parameters_that_must_be_looked_into_are_seen_at_a_glance_too(tmp_path):
    given = {f"n={n}": {"n": (n, [n, "text"]), "kind": np.arange(n)} for n in range(20)}
    path = tmp_path / "cells.db"
    make(path, given).run()
    copy = without_extract(path)
    assert outcome(path, given=given) == outcome(copy, given=given)
    changed = {**given, "n=3": {"n": (3, [4, "text"]), "kind": np.arange(3)}}
    copy = without_extract(path)
    assert outcome(path, given=changed) == outcome(copy, given=changed)
    changed = {**given, "n=3": {"n": (3, [3, "text"]), "kind": np.arange(3) + 1}}
    assert "n=3" in outcome(path, given=changed)[1]


class Name(enum.StrEnum):
    FIRST = "n=0"
    N = "n"


def test_names_of_a_subclass_of_str_are_names(store):
    given = {**numbers(), Name.FIRST: {Name.N: 0}}
    copy = without_extract(store)
    found = outcome(store, given=given)
    assert found == outcome(copy, given=given)
    assert found[1]["found"] == 120
    assert outcome(store, given=given)[1] == found[1]


COUNTED = [0]


def counting(rng, n):
    if os.environ.get("COUNTS"):
        COUNTED[1:] = [1]  # not how many: with Until, some run beyond the end of a condition
    return float(rng.random()) + len(COUNTED[:1])


@pytest.mark.parametrize("until", [True, False])
def test_what_cells_did_to_a_global_in_such_a_resume_is_no_change(tmp_path, monkeypatch, until):
    goal = {"replicates": Until("value", half_width=0.4, at_least=20, at_most=60)} if until else {}
    path, copy = tmp_path / "cells.db", tmp_path / "copy.db"
    make(path, function=counting, **goal).run()
    drop(path, ["n=3", "n=4"])
    shutil.copy(path, copy)
    change(copy, ("DELETE FROM about WHERE key = 'extract'", ()))
    for store in (path, copy):
        monkeypatch.setenv("COUNTS", "yes")
        make(store, function=counting, **goal).run()
        assert len(COUNTED) > 1
        monkeypatch.delenv("COUNTS")
        del COUNTED[1:]
    assert rows(path, "generations") == rows(copy, "generations")
    result = make(path, function=counting, **goal).run()
    assert result.provenance["store"]["found"] == sum(map(len, result.done.values()))


def begun(store, **options):
    stream = make(store, **options).stream()
    next(stream)
    stream.close()


def test_a_run_in_another_order_leaves_conditions_in_theirs(tmp_path):
    goal = {"replicates": Until("x", half_width=0.4, at_least=20, at_most=60)}
    path = tmp_path / "cells.db"
    begun(path, **goal)
    back = {"given": dict(reversed(numbers().items())), **goal}
    begun(path, **back)
    copy = without_extract(path)
    assert outcome(path, **back) == outcome(copy, **back)


def test_a_store_without_cells_has_the_order_of_now(store):
    back = {"given": dict(reversed(numbers().items()))}
    assert outcome(store, **back)[1]["found"] == 120
    drop(store, list(numbers()))
    copy = without_extract(store)
    assert outcome(store, **back) == outcome(copy, **back)


def test_a_function_that_moved_in_its_file_stays_where_it_was(tmp_path, monkeypatch):
    file = tmp_path / "moving.py"
    monkeypatch.syspath_prepend(tmp_path)
    goal = {"replicates": Until("value", half_width=0.4, at_least=20, at_most=60)}
    path = tmp_path / "cells.db"
    for lines in ("", "\n" * 5):
        file.write_text(lines + "def trial(rng, n):\n    return rng.random()\n")
        monkeypatch.delitem(sys.modules, "moving", raising=False)
        importlib.invalidate_caches()
        linecache.checkcache()
        goal["function"] = importlib.import_module("moving").trial
        begun(path, **goal)
    copy = without_extract(path)
    assert outcome(path, **goal) == outcome(copy, **goal)
    assert "moving.py:1" in rows(path, "generations")[1][1]


def test_versions_that_a_condition_without_cells_reached_are_kept(store):
    make(store, {**numbers(), "more": {"n": 1, "kind": cloudpickle.dumps}}).run()
    drop(store)
    assert make(store).run().errors == []
    copy = without_extract(store)
    found = outcome(store)
    assert found == outcome(copy)
    assert "cloudpickle" in found[1]["generations"][0]["versions"]
    assert Result.from_store(store).provenance == Result.from_store(copy).provenance


def test_after_a_change_and_back_all_is_read_again(store):
    changed = outcome(store, function=other, accept_changes=True, replicates=4)
    assert len(changed[1]["generations"]) == 2
    copy = without_extract(store)
    back = {"accept_changes": True, "replicates": 5}
    found = outcome(store, **back)
    assert found == outcome(copy, **back)
    assert len(found[1]["generations"]) == 2


@pytest.mark.parametrize(
    "extract",
    [
        "null", "7", '"text"', "[]", "[1]", "[1, 2]", "{}", "[[], null]",
        '[["a", "b", {}], "c"]', '[["a", true, {}], "c"]', '[["a", "b", [1]], "c"]',
        '[["a", "b", {"python": 3}], "c"]', pytest.param("[" * 10**5 + "]" * 10**5, id="nested"),
    ],
)  # fmt: skip
def test_an_extract_that_somebody_else_wrote_counts_for_nothing(store, extract):
    wanted = outcome(without_extract(store))
    parts, of = json.loads(rows(store)["extract"][1])
    say(store, "extract", extract)
    assert outcome(store) == wanted
    for at, crafted in enumerate((7, None, {"python": 3})):
        say(store, "extract", json.dumps([[*parts[:at], crafted, *parts[at + 1 :]], of]))
        assert outcome(store) == wanted


def test_an_extract_of_something_else_than_the_store_says_counts_for_nothing(store, tmp_path):
    make(tmp_path / "others.db", function=other).run()
    say(store, "extract", rows(tmp_path / "others.db")["extract"][1])
    copy = without_extract(store)
    found = outcome(store, function=other)
    assert found[0].__name__ == "StoreMismatchError"
    assert found == outcome(copy, function=other)


def test_a_damaged_one_is_no_damage(store):
    wanted = outcome(without_extract(store))
    change(store, ("UPDATE about SET value = value || ' ' WHERE key = 'extract'", ()))
    assert outcome(store) == wanted


@pytest.mark.parametrize("table", ["about", "generations"])
def test_damage_of_what_it_is_an_extract_of_is_found(store, table):
    where = "WHERE key = 'identity'" if table == "about" else ""
    change(store, (f"UPDATE {table} SET value = replace(value, 'n=7', 'n=8') {where}", ()))
    kind, said, _ = outcome(store)
    assert kind.__name__ == "StoreError"
    assert "damaged" in said


def test_cells_that_were_dropped_run_again(store):
    whole = Result.from_store(store)
    drop(store, ["n=3", "n=4"])
    result = make(store).run()
    assert result.provenance["store"]["found"] == 38 * 3
    same_result(whole, result)


def test_a_condition_that_ends_early_keeps_its_number_of_replicates(tmp_path):
    until = Until("x", half_width=0.4, at_least=20, at_most=2_000)
    given = {"a": {"n": 1}, "b": {"n": 22}}
    path = tmp_path / "cells.db"
    first = make(path, given, replicates=until).run()
    again = make(path, given, replicates=until).run()
    same_result(first, again)
    assert Result.from_store(path).replicates == first.replicates
